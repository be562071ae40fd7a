"""What a person sees of a run: a bar on a terminal, plain lines elsewhere."""

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
from streamclust.memory import format_bytes

_EVERY_SECONDS = 5.0


def observer(stream: TextIO | None = None) -> Observer:
    """The observer that suits `stream` (standard error by default)."""
    stream = stream or sys.stderr
    return TerminalBar(stream) if stream.isatty() else PlainLines(stream)


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


class PlainLines:
    """A line a step, and one every few seconds within a long pass."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._name, self._unit = "", ""
        self._total = self._done = 0
        self._started = self._told = 0.0

    def __call__(self, event: Event) -> None:
        if isinstance(event, PassStarted):
            self._name, self._unit, self._total = event.name, event.unit, event.total
            self._done, self._started = 0, time.monotonic()
            self._told = self._started
        elif isinstance(event, PassAdvanced):
            self._done += event.amount
            self._tell()
        elif isinstance(event, StepFinished):
            self._print(_step_line(event))
        elif isinstance(event, Message):
            self._print(_message(event))

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._told < _EVERY_SECONDS or not self._done:
            return
        self._told = now
        rate = self._done / (now - self._started)
        left = (self._total - self._done) / rate
        self._print(
            f"  {self._name}: {self._done:,} of {self._total:,} {self._unit} "
            f"({rate:,.0f} {self._unit}/s, {left:,.0f} s left)"
        )

    def _print(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


def _message(event: Message) -> str:
    return f"warning: {event.text}" if event.level == "warning" else event.text


def _step_line(event: StepFinished) -> str:
    about = ", ".join(part for part in (event.descriptor, event.algorithm) if part)
    name = f"{event.step} {about}" if about else event.step
    if event.skipped:
        return f"{name}: done before"
    line = f"{name}: {event.seconds:,.1f} s"
    if event.measured_peak and event.planned_peak:
        took, plan = format_bytes(event.measured_peak), format_bytes(event.planned_peak)
        line += f", peak {took} of {plan} planned"
    return line
