"""What a run tells those who watch it: a bar, a log, its record; an interrupt that a library
swallowed is raised again."""

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class PassStarted:
    """A pass over the rows begins; `total` counts `unit`."""

    name: str
    total: int
    unit: str


@dataclass(frozen=True)
class PassAdvanced:
    """`amount` more of the pass is done."""

    amount: int


@dataclass(frozen=True)
class PassFinished:
    """The pass is over, whole or not."""


@dataclass(frozen=True)
class StepFinished:
    """A step ended: what run.json records of it."""

    step: str
    descriptor: str | None
    seconds: float
    algorithm: str | None = None
    planned_peak: int | None = None
    measured_peak: int | None = None
    in_flight: int | None = None
    skipped: bool = False
    rows: int = 0


@dataclass(frozen=True)
class Message:
    """Something a person should read; `level` is "note" or "warning"."""

    text: str
    level: str = "note"


Event = PassStarted | PassAdvanced | PassFinished | StepFinished | Message


Observer = Callable[[Event], None]


class Events:
    """Hands each event to every observer."""

    def __init__(self, *observers: Observer) -> None:
        self.observers = list(observers)

    def emit(self, event: Event) -> None:
        for observer in self.observers:
            observer(event)

    def note(self, text: str) -> None:
        self.emit(Message(text))

    def warn(self, text: str) -> None:
        self.emit(Message(text, "warning"))

    @contextmanager
    def passing(self, name: str, total: int, unit: str = "rows") -> Iterator[Callable[[int], None]]:
        """Report one pass: yields the function that advances it."""
        self.emit(PassStarted(name, total, unit))
        try:
            yield lambda amount: self.emit(PassAdvanced(amount))
        finally:
            self.emit(PassFinished())

    def track(self, items: Iterable[T], name: str, total: int, unit: str) -> Iterator[T]:
        """Go through `items`, one `unit` each, reporting them as a pass."""
        with self.passing(name, total, unit) as advance:
            for item in items:
                yield item
                advance(1)


class Interrupts:
    """Raises KeyboardInterrupt on SIGINT, as Python does, and once more where that went lost.

    Python ignores what is raised inside a finaliser or a callback from C, such as that by which
    threadpoolctl looks for BLAS: a run would go on as if nobody had pressed Ctrl-C. As an observer
    of the run, this raises at the next event then.
    """

    def __init__(self) -> None:
        self.is_pending = False

    def listen(self) -> None:
        """Take SIGINT, where it is not ignored; in the main thread only, as signals are."""
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._heard)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        self.is_pending = True
        raise KeyboardInterrupt

    def __call__(self, event: Event) -> None:
        # The end of a pass is told by an interrupt on its way, too.
        if self.is_pending and not isinstance(event, PassFinished):
            self.is_pending = False
            raise KeyboardInterrupt


interrupts = Interrupts()
