"""What a run tells those who watch it: a bar, a log, its record; an interrupt that a library
swallowed is raised again."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
    set_name: str | None
    seconds: float
    part: str | None = None
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
