"""Ctrl-C stops a run even where a library swallows what it raises."""

import signal

import pytest

from streamclust.cli.interrupts import Interrupts
from streamclust.events import Events, PassFinished, PassStarted


@pytest.fixture
def interrupts():
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield Interrupts()
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_that_was_swallowed_is_raised_at_the_next_event(interrupts):
    interrupts.listen()
    events = Events(interrupts)
    events.note("nothing yet")
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        events.emit(PassStarted("a pass", 1, "rows"))
    events.note("once is enough")


def test_an_interrupt_on_its_way_is_not_raised_twice(interrupts):
    interrupts.listen()
    seen = []
    with (
        pytest.raises(KeyboardInterrupt),
        Events(interrupts, seen.append).passing("a pass", 1),
    ):
        signal.raise_signal(signal.SIGINT)
    assert seen[-1] == PassFinished()


def test_who_ignores_interrupts_goes_on_doing_so(interrupts):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interrupts.listen()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
