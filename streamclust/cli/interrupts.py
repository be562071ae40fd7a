"""Ctrl-C that is not lost."""

import signal
from types import FrameType

from streamclust.events import Event, PassFinished


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
