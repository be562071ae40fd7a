"""How much memory a step needs, what it was given, and what it took."""

import ctypes
import math
import re
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamclust.errors import MemoryBudgetError, SettingsError, shortened

MIB = 2**20

# Resident memory of a process that has imported all that a run uses (numpy, scipy, zarr,
# scikit-learn, matplotlib, Pillow, rich) and opened its thread and BLAS buffers; held by a test.
LIBRARIES = 250 * MIB

_M_MMAP_THRESHOLD = -3  # malloc.h

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
# No machine has as much: what is larger is a slip, or infinite.
_MOST_BYTES = 2**63
_BINARY = {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def parse_bytes(text: str | float) -> int:
    """Read a size such as ``"1GiB"``, ``"640 MiB"``, ``"2e9"`` or a plain number of bytes."""
    size: float = math.nan
    if isinstance(text, int | float) and not isinstance(text, bool):
        size = text
    elif isinstance(text, str):
        number = r"([0-9]+(?:\.[0-9]*)?(?:e[0-9]+)?)"
        match = re.fullmatch(rf"\s*{number}\s*([kmgt]?i?)b?\s*", text.lower())
        units = _UNITS | _BINARY
        if match is not None and match[2] in units:
            size = float(match[1]) * units[match[2]]
    if not 0 <= size < _MOST_BYTES:
        raise SettingsError(
            f"memory {shortened(text)} is no size: write it as 1GiB, 640MiB or bytes"
        )
    return int(size)


def format_bytes(size: float) -> str:
    """Write a number of bytes for people, in MiB below 10 GiB."""
    return f"{size / MIB:,.0f} MiB" if size < 10 * 2**30 else f"{size / 2**30:,.1f} GiB"


@dataclass(frozen=True)
class Need:
    """What a step holds at one of its peaks, beyond the libraries.

    Parameters
    ----------
    fixed : int
        Bytes held whatever the number of blocks in flight.
    per_block : int
        Bytes held for each block in flight.
    """

    fixed: int = 0
    per_block: int = 0

    def peak(self, in_flight: int) -> int:
        """Resident bytes of the process at the step's peak, libraries included."""
        return LIBRARIES + self.fixed + in_flight * self.per_block

    @property
    def smallest(self) -> int:
        """The smallest budget that will do: one block in flight."""
        return self.peak(1)


@dataclass(frozen=True)
class Budget:
    """The peak resident memory that a process may reach, in bytes."""

    total: int

    def check(
        self, needs: Mapping[str, Sequence[Need]], least: Callable[[], int] | None = None
    ) -> None:
        """Refuse what does not fit: the one place where a budget is refused.

        Parameters
        ----------
        needs : mapping of str to sequence of Need
            Of steps by what they are called; that with the largest is named.
        least : callable, optional
            Tells the bytes that would do for all, where that is more than the largest need.

        Raises
        ------
        MemoryBudgetError
            When a need exceeds the budget even with one block in flight.
        """
        each = ((need, step) for step, of_step in needs.items() for need in of_step)
        most, step = max(each, key=lambda one: one[0].smallest, default=(Need(), ""))
        if most.smallest <= self.total or not step:
            return
        enough = most.smallest if least is None else least()
        raise MemoryBudgetError(
            f"{step} needs {format_bytes(most.smallest)} at least "
            f"(libraries {format_bytes(LIBRARIES)}, held {format_bytes(most.fixed)}, "
            f"a block {format_bytes(most.per_block)}) but --memory is "
            f"{format_bytes(self.total)}: give it --memory {-(-enough // MIB)}MiB or more"
        )

    def in_flight(self, need: Need, wanted: int, left: int = 0) -> int:
        """How many of the blocks `wanted` in flight fit, where `left` bytes are taken already; one
        at least."""
        if need.per_block == 0:
            return wanted
        spare = self.total - left - need.peak(0)
        return max(1, min(wanted, spare // need.per_block))


def return_freed_memory() -> None:
    """Let the allocator give freed blocks back, so that one step's peak is not the next one's.

    glibc keeps what threads freed in an arena of each: without a trim, resident memory creeps up
    from step to step. Blocks above the threshold are mapped, and unmapped when freed; a lower one
    costs more in page faults than it saves. Elsewhere nothing is done.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_M_MMAP_THRESHOLD, 16 * MIB)
        libc.malloc_trim(0)
    except (OSError, AttributeError):
        return


def resident() -> int:
    """Resident memory of this process in bytes."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def peak_resident() -> int:
    """Peak resident memory of this process in bytes, since `reset_peak` where that works."""
    peak = _of_status("VmHWM")
    if peak is not None:
        return peak
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _of_status(name: str) -> int | None:
    """A line of what the kernel tells of this process, in bytes; None where it tells nothing."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return None


def reset_peak() -> None:
    """Start the peak anew, so that each step shows its own (Linux; elsewhere it only rises)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return
