"""What settings may be: choices, numbers, and texts that are read."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from operator import index
from typing import Any

from streamclust.errors import SettingsError, shortened
from streamclust.memory import MIB, parse_bytes
from streamclust.registries import ALGORITHMS

SCALINGS = ("none", "standard", "minmax", "l2")
INVALID = ("error", "mask")
STORE_DTYPES = ("float16", "float32")
NEIGHBORS = ("auto", "exact", "nn_descent")
COVARIANCE_TYPES = ("diag", "full")
AUTO, ALL = "auto", "all"
# An automatic sweep begins here; it is widened while the best lies at its upper edge.
FIRST_SWEEP = "2:30"
MOST_NUMBERS_OF_CLUSTERS = 10_000
# What counts rows or passes fits the integers of numpy.
MOST = 2**63


@dataclass(frozen=True)
class Values:
    """What a setting may be.

    Parameters
    ----------
    read : callable
        Takes a setting's name and a value, and gives the value as it is kept, or raises
        SettingsError.
    shown : str
        How they are written.
    choices : tuple of str
        All of them, where they are few.
    kind : type
        bool, int or float, where no other is accepted on the command line.
    """

    read: Callable[[str, Any], Any]
    shown: str
    choices: tuple[str, ...] = ()
    kind: type = str


def one_of(*choices: str) -> Values:
    def read(name: str, value: Any) -> Any:
        if value not in choices:
            raise SettingsError(f"{name}={shortened(value)}: choose from {', '.join(choices)}")
        return value

    return Values(read, "|".join(choices), choices)


def number(kind: type, least: int, below: int = MOST) -> Values:
    accepted: Any = Integral if kind is int else Real

    def read(name: str, value: Any) -> Any:
        # Written so that NaN, which compares with nothing, is refused.
        is_number = isinstance(value, accepted) and not isinstance(value, bool)
        if not (is_number and value >= least):
            raise SettingsError(f"{name}={shortened(value)} must be a number of at least {least}")
        if value >= below:
            raise SettingsError(f"{name}={shortened(value)} must be below {below}")
        return value

    return Values(read, "INTEGER" if kind is int else "FLOAT", kind=kind)


def flag() -> Values:
    def read(name: str, value: Any) -> Any:
        if not isinstance(value, bool):
            raise SettingsError(f"{name}={shortened(value)} must be true or false")
        return value

    return Values(read, "true|false", kind=bool)


def read_names(name: str, value: Any) -> tuple[str, ...]:
    """Names out of ``"a, b"`` or a sequence, each once."""
    parts = value.split(",") if isinstance(value, str) else value
    parts = tuple(parts) if isinstance(parts, Iterable) else (parts,)
    if not all(isinstance(part, str) for part in parts):
        raise SettingsError(f"{name}={shortened(value)} must be names")
    return tuple(dict.fromkeys(part.strip() for part in parts))


def read_algorithms(name: str, value: Any) -> tuple[str, ...]:
    wanted = read_names(name, value)
    if ALL in wanted:
        return tuple(ALGORITHMS)
    unknown = [one for one in wanted if one not in ALGORITHMS]
    if unknown or not wanted:
        raise SettingsError(
            f"no algorithm is called {', '.join(map(shortened, unknown)) or 'so'}: choose from "
            f"{', '.join(ALGORITHMS)}, or {ALL}"
        )
    return wanted


def read_n_components(name: str, value: Any) -> int | float:
    """``64`` is a number of components, ``0.9`` a share of variance; both also as text."""
    number: Any = value
    if isinstance(value, str):
        try:
            number = int(value) if value.isdigit() else float(value)
        except ValueError:
            number = None
    is_whole = isinstance(number, Integral) and not isinstance(number, bool)
    is_share = isinstance(number, Real) and not isinstance(number, Integral)
    if not ((is_whole and 1 <= number < MOST) or (is_share and 0 < number <= 1)):
        raise SettingsError(
            f"{name}={shortened(value)} must be a number of components "
            "or a share of variance above 0 and at most 1"
        )
    return number


def read_share_of_rows(name: str, value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and 0 < value <= 0.5):
        raise SettingsError(
            f"{name}={shortened(value)} must be a share of the rows, up to 0.5, such as 0.005"
        )
    return value


def read_contamination(name: str, value: Any) -> str | float:
    if value == AUTO:
        return AUTO
    try:
        share = float(value)
    except (TypeError, ValueError, OverflowError):
        share = 0.0
    if not 0 < share <= 0.5 or isinstance(value, bool):
        raise SettingsError(
            f"{name}={shortened(value)}: write auto, or a share up to 0.5, such as 0.01"
        )
    return share


def read_group(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise SettingsError(f"{name}={shortened(value)}: write folder, none or a column's name")
    return value


def read_n_clusters(name: str, value: Any) -> Any:
    parse_n_clusters(FIRST_SWEEP if value == AUTO else value)
    return value


def read_memory(name: str, value: Any) -> Any:
    size = parse_bytes(value)
    if isinstance(value, str) and size < MIB:
        raise SettingsError(f"{name}={shortened(value)} is {size} bytes: write 1GiB or 640MiB")
    return value


def read_text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise SettingsError(f"{name}={shortened(value)} must be text")
    return value


def parse_n_clusters(text: Any) -> tuple[int, ...]:
    """Read numbers of clusters: ``8``, ``"5,8,12"``, ``"2:30"`` (both ends in) or a sequence.

    Returns
    -------
    tuple of int
        Sorted, each once.

    Raises
    ------
    SettingsError
        When it is none of these, or a number is below 2.
    """
    told = f"n_clusters {shortened(text)}"
    parts = text.split(",") if isinstance(text, str) else text
    numbers: list[int] = []
    try:
        for part in parts if isinstance(parts, Sequence | range) else (parts,):
            if isinstance(part, str):
                numbers += _sweep(part, told) if ":" in part else [int(part)]
            else:
                numbers.append(index(part))
    except SettingsError:
        raise
    except (TypeError, ValueError):
        raise SettingsError(
            f"{told} is not understood: write auto, 8, a list 5,8,12 or a range 2:30"
        ) from None
    if not numbers or min(numbers) < 2 or max(numbers) >= MOST:
        raise SettingsError(f"{told} must name numbers of at least 2")
    return tuple(sorted(set(numbers)))


def _sweep(text: str, told: str) -> range:
    first, last = map(int, text.split(":"))
    if last < first:
        raise SettingsError(f"{told} runs backwards: write {last}:{first}")
    if last == first:
        raise SettingsError(f"{told} is a sweep of one k: write {first}")
    if last - first >= MOST_NUMBERS_OF_CLUSTERS:
        most = f"{MOST_NUMBERS_OF_CLUSTERS:,}"
        raise SettingsError(f"{told} is a sweep of more than {most} k: name fewer")
    return range(first, last + 1)
