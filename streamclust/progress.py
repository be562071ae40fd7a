"""What a person sees of a run: a bar on a terminal or in a notebook, plain lines elsewhere."""

import contextlib
import os
import sys
import time
from typing import Any, TextIO

from streamclust.events import (
    Event,
    Message,
    Observer,
    PassAdvanced,
    PassFinished,
    PassStarted,
    StepFinished,
)
from streamclust.markup import bar, bullets, folded
from streamclust.memory import format_bytes

_EVERY_SECONDS = 5.0
# A notebook gets each state as a message, and redraws.
_NOTEBOOK_SECONDS = 0.25


def observer(stream: TextIO | None = None) -> Observer:
    """The observer that suits `stream`: by default the notebook, where there is one, or standard
    error, which a daemon may have closed."""
    if stream is None and _notebook() is not None:
        return NotebookBar()
    stream = stream or sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    return TerminalBar(stream) if stream.isatty() else PlainLines(stream)


def _notebook() -> Any:
    """The shell of the notebook this runs in; None elsewhere, also in IPython on a terminal."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell if hasattr(shell, "kernel") else None


class TerminalBar:
    """A bar with rate and time left for the pass that runs; finished steps stay as lines."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self._console = Console(file=stream)
        self._bar: Any = None
        self._task: Any = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, PassStarted):
            self._start(event)
        elif isinstance(event, PassAdvanced) and self._bar is not None:
            self._bar.advance(self._task, event.amount)
        elif isinstance(event, PassFinished) and self._bar is not None:
            self._bar.stop()
            self._bar = None
        elif isinstance(event, StepFinished):
            self._console.print(_step_line(event), highlight=False, markup=False)
        elif isinstance(event, Message):
            style = "yellow" if event.level == "warning" else ""
            self._console.print(_message(event), style=style, highlight=False, markup=False)

    def _start(self, event: PassStarted) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task(event.name, total=event.total, rate="")
        self._bar = _Rated(self._bar, event.unit)


class _Rated:
    """A rich progress bar that tells its rate in the pass's own unit."""

    def __init__(self, bar: Any, unit: str) -> None:
        self._progress = bar
        self._unit = unit
        self._started = time.monotonic()

    def advance(self, task: Any, amount: int) -> None:
        self._progress.advance(task, amount)
        # Of the pass so far: rich's own speed is that of the last moments, absurd at first.
        seconds = max(time.monotonic() - self._started, 0.1)
        speed = self._progress.tasks[task].completed / seconds
        self._progress.update(task, rate=f"{speed:,.0f} {self._unit}/s")

    def stop(self) -> None:
        self._progress.stop()


class NotebookBar:
    """One output below the cell that is rewritten: the pass that runs, warnings, and, folded, notes
    and the steps that are done."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._running: _Running | None = None
        self._steps: list[str] = []
        self._seconds = 0.0
        self._messages: dict[str, list[str]] = {"note": [], "warning": []}
        self._output: Any = None
        self._shown_at = 0.0
        self._cell = _notebook().execution_count

    def __call__(self, event: Event) -> None:
        # An observer may serve several cells: each has an output of its own.
        if _notebook().execution_count != self._cell:
            self._clear()
        if isinstance(event, PassStarted):
            self._running = _Running(event)
        elif isinstance(event, PassAdvanced) and self._running is not None:
            self._running.done += event.amount
        elif isinstance(event, PassFinished):
            self._running = None
        elif isinstance(event, StepFinished):
            self._steps.append(_step_line(event))
            self._seconds += event.seconds
        elif isinstance(event, Message):
            self._messages[event.level].append(_message(event))
        passing = isinstance(event, PassStarted | PassAdvanced)
        if not passing or time.monotonic() - self._shown_at > _NOTEBOOK_SECONDS:
            self._show()

    def _show(self) -> None:
        from IPython.display import display

        self._shown_at = time.monotonic()
        lines = [*self._steps, *self._messages["note"], *self._messages["warning"]]
        parts = {"text/html": self._html(), "text/plain": "\n".join(lines)}
        if self._output is None:
            self._output = display(parts, raw=True, display_id=True)
        else:
            self._output.update(parts, raw=True)

    def _html(self) -> str:
        running = self._running
        html = "" if running is None else bar(running.name, running.share, running.in_words())
        html += bullets(self._messages["warning"])
        html += folded(_counted(self._messages["note"], "note"), bullets(self._messages["note"]))
        steps = f"{_counted(self._steps, 'step')} done, {self._seconds:,.1f} s"
        return html + folded(steps, bullets(self._steps))


def _counted(lines: list[str], what: str) -> str:
    return f"{len(lines)} {what}{'s' * (len(lines) != 1)}"


class PlainLines:
    """A line a step, and one every few seconds within a long pass."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._running: _Running | None = None
        self._shown_at = 0.0

    def __call__(self, event: Event) -> None:
        if isinstance(event, PassStarted):
            self._running = _Running(event)
            self._shown_at = time.monotonic()
        elif isinstance(event, PassAdvanced) and self._running is not None:
            self._running.done += event.amount
            self._tell(self._running)
        elif isinstance(event, StepFinished):
            self._print(_step_line(event))
        elif isinstance(event, Message):
            self._print(_message(event))

    def _tell(self, running: "_Running") -> None:
        now = time.monotonic()
        if now - self._shown_at < _EVERY_SECONDS or not running.done:
            return
        self._shown_at = now
        self._print(f"  {running.name}: {running.in_words()}")

    def _print(self, text: str) -> None:
        # Whoever read the lines may be gone, which is no reason to end a run of hours.
        with contextlib.suppress(BrokenPipeError):
            print(text, file=self._stream, flush=True)


class _Running:
    """How far a pass is."""

    def __init__(self, event: PassStarted) -> None:
        self.name, self.total, self._unit = event.name, event.total, event.unit
        self.done = 0
        self._started = time.monotonic()

    @property
    def share(self) -> float:
        return self.done / max(1, self.total)

    def in_words(self) -> str:
        so_far = f"{self.done:,} of {self.total:,} {self._unit}"
        if not self.done:
            return so_far
        rate = self.done / max(time.monotonic() - self._started, 1e-3)
        left = (self.total - self.done) / rate
        return f"{so_far} ({rate:,.0f} {self._unit}/s, {left:,.0f} s left)"


def _message(event: Message) -> str:
    return f"warning: {event.text}" if event.level == "warning" else event.text


def _step_line(event: StepFinished) -> str:
    about = ", ".join(part for part in (event.set_name, event.part) if part)
    name = f"{event.step} {about}" if about else event.step
    if event.skipped:
        return f"{name}: done before"
    line = f"{name}: {event.seconds:,.1f} s"
    if event.measured_peak and event.planned_peak:
        measured, planned = format_bytes(event.measured_peak), format_bytes(event.planned_peak)
        line += f", peak {measured} of {planned} planned"
    return line
