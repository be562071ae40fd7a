"""The settings, each told once: default, meaning, values, and the commands that heed it.

Options of the command line, the settings file of ``streamclust init``, the checks and
docs/commands.md follow from the fields of `Settings`.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from numbers import Integral
from pathlib import Path
from typing import Any

from streamclust.errors import SettingsError
from streamclust.memory import parse_bytes
from streamclust.registries import ALGORITHMS
from streamclust.settings.values import (
    ALL,
    AUTO,
    COVARIANCE_TYPES,
    FIRST_SWEEP,
    INVALID,
    NEIGHBORS,
    SCALINGS,
    STORE_DTYPES,
    Values,
    flag,
    number,
    one_of,
    parse_n_clusters,
    read_algorithms,
    read_contamination,
    read_group,
    read_memory,
    read_n_clusters,
    read_n_components,
    read_names,
    read_share_of_rows,
    read_text,
)

_WHOLE = ("run", "demo", "plan")
_ON_RESULTS = ("compare", "describe", "layout", "report", "export", "assign", "audit")
# The commands that heed settings, by what these are of.
HEEDED_BY = {
    "sets": (
        *(*_WHOLE, "ingest", "reduce", "cluster", "measure", "outliers"),
        *(*_ON_RESULTS, "evaluate", "label"),
    ),
    "reading": (*_WHOLE, "ingest", "update"),
    "ingest": (*_WHOLE, "ingest"),
    "reduction": (*_WHOLE, "reduce", "mix"),
    "clustering": (*_WHOLE, "cluster", "mix"),
    "outliers": (*_WHOLE, "outliers"),
    "seed": (*_WHOLE, "ingest", "cluster", "measure", "mix", "outliers", *_ON_RESULTS),
    "storage": (*_WHOLE, "ingest", "reduce", "cluster", "mix"),
    "process": (
        *(*_WHOLE, "ingest", "reduce", "cluster", "measure", "mix", "outliers"),
        *(*_ON_RESULTS, "evaluate", "label", "update"),
    ),
}


@dataclass(frozen=True)
class Setting:
    """All that is told of a setting.

    Parameters
    ----------
    name : str
    default : object
    meaning : str
        In sentences; the first one stands in the help of a command.
    values : Values
    of : str
        What it is a setting of: a key of `HEEDED_BY`.
    commands : tuple of str
        Those that heed it.
    unset : str
        What holds where it is None.
    option : str
        On the command line.
    """

    name: str
    default: Any
    meaning: str
    values: Values
    of: str
    commands: tuple[str, ...]
    unset: str
    option: str

    @property
    def shown_default(self) -> str:
        """The default in words; empty where there is none, or a flag that is off."""
        if self.default is None or self.default is False:
            return self.unset
        return ", ".join(self.default) if isinstance(self.default, tuple) else str(self.default)


def _setting(
    default: Any,
    meaning: str,
    values: Values,
    of: str,
    *also: str,
    unset: str = "",
    option: str = "",
) -> Any:
    """A field of `Settings`; `also` are commands beside those of its kind that heed it."""
    commands = (*HEEDED_BY[of], *also)
    about = {"meaning": meaning, "values": values, "of": of, "commands": commands}
    return field(default=default, metadata={**about, "unset": unset, "option": option})


@dataclass(frozen=True)
class Settings:
    """Everything that a run can be told; each is also an option of the command line."""

    descriptors: tuple[str, ...] | None = _setting(
        None, "Descriptor sets to work on.", Values(read_names, "A,B"), "sets", unset="all"
    )
    invalid: str = _setting(
        "error",
        "Rows with NaN or infinity: error refuses the set, mask gives them label -1.",
        one_of(*INVALID),
        "reading",
    )
    scaling: str = _setting(
        "standard",
        "Scaling before PCA. Standard: columns of unit variance; minmax: columns of unit range; "
        "l2: rows of unit length.",
        one_of(*SCALINGS),
        "reduction",
    )
    n_components: int | float = _setting(
        0.9,
        "Components, or the share of variance that they must hold.",
        Values(read_n_components, "NUMBER|SHARE"),
        "reduction",
        "ingest",
    )
    max_components: int = _setting(
        128, "At most so many components for a share.", number(int, 1), "reduction", "ingest"
    )
    whiten: bool = _setting(
        False, "Divide each component by its standard deviation.", flag(), "reduction"
    )
    normalize: bool = _setting(
        False,
        "PCA, whitening and rows of unit length, as in DeepCluster (Caron et al. 2018).",
        flag(),
        "reduction",
    )
    algorithms: tuple[str, ...] = _setting(
        ("kmeans",),
        "How to cluster: by one algorithm or several, or all of them. See docs/algorithms.md.",
        Values(read_algorithms, "A,B", (*ALGORITHMS, ALL)),
        "clustering",
        option="--algorithm",
    )
    n_clusters: int | str | Sequence[int] = _setting(
        AUTO,
        "8, a list 5,8,12, a range 2:30 (both ends in), or auto: 2:30 and on, while the best lies "
        "at the upper edge.",
        Values(read_n_clusters, "K"),
        "clustering",
    )
    covariance_type: str = _setting(
        "diag", "Covariances of a Gaussian mixture.", one_of(*COVARIANCE_TYPES), "clustering"
    )
    min_cluster_size: float = _setting(
        0.005,
        "Share of the rows that the smallest cluster of HDBSCAN must hold.",
        Values(read_share_of_rows, "SHARE", kind=float),
        "clustering",
    )
    n_init: int = _setting(
        24,
        "Short k-means runs on a sample, of which the best few become the seeds.",
        number(int, 1),
        "clustering",
    )
    max_iter: int = _setting(
        100, "Exact passes over all rows at most.", number(int, 1), "clustering"
    )
    tol: float = _setting(
        1e-4,
        "A clustering has converged when its centres move by less than this, relatively.",
        number(float, 0),
        "clustering",
    )
    batch_size: int = _setting(4096, "Rows of a mini-batch.", number(int, 1), "clustering")
    n_neighbors: int = _setting(
        15,
        "Neighbours of each row in the graph that outlier scores and duplicates are taken from.",
        number(int, 1, below=2**20),
        "outliers",
    )
    neighbors: str = _setting(
        "auto",
        "How that graph is found. Auto compares each row with those of the nearest cells of a "
        "k-means (an inverted file), exact with all rows, nn_descent by pynndescent in shards.",
        one_of(*NEIGHBORS),
        "outliers",
    )
    group: str = _setting(
        "folder",
        "Siblings, of which a neighbourhood counts one: by folder, none, or by a column of the "
        "paths file. Where groups are few and large, as a folder for each camera, rows count one "
        "by one, which is said.",
        Values(read_group, "none|folder|COLUMN"),
        "outliers",
        "compare",
        "describe",
    )
    outlier_scaling: str = _setting(
        "l2", "Scaling before the outlier scores alone.", one_of(*SCALINGS), "outliers"
    )
    contamination: str | float = _setting(
        AUTO,
        "Share of the rows to flag as outliers; auto lets the tail of the scores tell.",
        Values(read_contamination, "auto|SHARE"),
        "outliers",
    )
    scan_images: bool = _setting(
        False,
        "Read all images, not those of suspects alone, to find bad ones that descriptors hide.",
        flag(),
        "outliers",
    )
    random_state: int = _setting(
        0, "Seed of everything random.", number(int, 0, below=2**32), "seed"
    )
    memory: str | int = _setting(
        "1GiB",
        "Peak resident memory of a process, libraries included.",
        Values(read_memory, "SIZE"),
        "process",
        "embed",
    )
    workers: int | None = _setting(
        None,
        "Threads of this machine.",
        number(int, 1),
        "process",
        "embed",
        unset="all processors",
    )
    scheduler: str | None = _setting(
        None,
        "Address of a dask scheduler to run the passes on, or the file that it writes.",
        Values(read_text, "ADDRESS"),
        "process",
        unset="DASK_SCHEDULER_ADDRESS",
    )
    compress: bool = _setting(
        False,
        "Compress the stored arrays: a tenth to a half smaller, five to ten times slower to read.",
        flag(),
        "storage",
    )

    store_dtype: str | None = _setting(
        None,
        "Type that descriptors are rounded to when they are stored: float16 halves float32.",
        one_of(*STORE_DTYPES),
        "ingest",
        unset="that of the files",
    )

    def __post_init__(self) -> None:
        for name, setting in SETTINGS.items():
            value = getattr(self, name)
            if value is not None or setting.default is not None:
                object.__setattr__(self, name, setting.values.read(name, value))

    @property
    def ks(self) -> tuple[int, ...]:
        """The numbers of clusters, sorted; of an automatic sweep those that it begins with."""
        return parse_n_clusters(FIRST_SWEEP if self.n_clusters == AUTO else self.n_clusters)

    @property
    def memory_bytes(self) -> int:
        """The memory budget in bytes."""
        return parse_bytes(self.memory)

    @property
    def share(self) -> float | None:
        """The share of variance to hold, or None when components are counted."""
        return None if isinstance(self.n_components, Integral) else float(self.n_components)

    def having(self, **changes: Any) -> "Settings":
        """The same with some settings changed; None keeps what is there."""
        changes = {name: value for name, value in changes.items() if value is not None}
        unknown = sorted(set(changes) - set(SETTINGS))
        if unknown:
            known = ", ".join(SETTINGS)
            raise SettingsError(f"no setting is called {', '.join(unknown)}: there are {known}")
        return replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON and TOML can write them, those not set left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def _told(name: str, default: Any, metadata: Mapping[str, Any]) -> Setting:
    option = metadata["option"] or f"--{name.replace('_', '-')}"
    return Setting(name, default, **{**metadata, "option": option})


SETTINGS = {one.name: _told(one.name, one.default, one.metadata) for one in fields(Settings)}


Settings.__doc__ = "\n    ".join(
    [
        f"{Settings.__doc__}\n",
        "Parameters",
        "----------",
        *(f"{one.name} : {one.values.shown}\n        {one.meaning}" for one in SETTINGS.values()),
    ]
)


def heeded(command: str) -> list[str]:
    """The settings that a command heeds, by name."""
    return [name for name, setting in SETTINGS.items() if command in setting.commands]


def check_heeded(command: str, names: Sequence[str]) -> None:
    """Refuse settings that a command does not heed.

    Raises
    ------
    SettingsError
        When one is among the names; it tells those that the command heeds.
    """
    others = [name for name in names if name not in heeded(command)]
    if others:
        raise SettingsError(
            f"{command} does not heed {', '.join(others)}: its settings are "
            f"{', '.join(heeded(command))}"
        )


def read_settings(path: str | Path) -> dict[str, Any]:
    """The settings that a TOML file names, of whichever commands.

    Raises
    ------
    SettingsError
        When the file cannot be read, is no TOML, or names something else.
    """
    try:
        with Path(path).open("rb") as file:
            read = tomllib.load(file)
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        # A number of thousands of digits, and tables nested as deep, are TOML that Python refuses.
        raise SettingsError(f"{path} is no TOML that can be read: {error}") from None
    try:
        Settings().having(**read)
    except (SettingsError, TypeError) as error:
        raise SettingsError(f"{path}: {error}") from None
    return read


def settings_template() -> str:
    """TOML of every setting; those that have no default are commented out."""
    from textwrap import wrap

    lines = ["# Settings of streamclust: streamclust run CASE --out OUT --config FILE"]
    for name, setting in SETTINGS.items():
        lines += ["", *(f"# {line}" for line in wrap(setting.meaning, 88))]
        if setting.values.choices:
            lines.append(f"# One of {', '.join(setting.values.choices)}.")
        known = setting.default is not None
        lines.append(f"{name} = {json.dumps(setting.default)}" if known else f"# {name} =")
    return "\n".join(lines) + "\n"
