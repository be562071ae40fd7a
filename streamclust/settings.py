"""The settings of a run: their defaults, where they are read from, and what they may be.

The settings file that ``streamclust init`` writes: every default, with what it means.
"""

import inspect
import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from streamclust.errors import SettingsError
from streamclust.memory import MIB, parse_bytes

SCALINGS = ("none", "standard", "minmax", "l2")
INVALID = ("error", "mask")
NEIGHBORS = ("auto", "exact", "nn_descent")
# The registry of algorithms: each is the module of streamclust.clustering that is called so.
ALGORITHMS = (
    "kmeans",
    "minibatch-kmeans",
    "bisecting-kmeans",
    "gaussian-mixture",
    "ward",
    "birch",
    "hdbscan",
    "spectral",
)
LAYOUTS = ("pca", "lda", "umap")
COVARIANCE_TYPES = ("diag", "full")
AUTO, ALL = "auto", "all"
# An automatic sweep begins here; it is widened while the best lies at its upper edge.
FIRST_SWEEP = "2:30"


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
    numbers: list[int] = []
    parts = text.split(",") if isinstance(text, str) else text
    try:
        for part in parts if isinstance(parts, Sequence | range) else (parts,):
            if isinstance(part, str) and ":" in part:
                first, last = map(int, part.split(":"))
                if last < first:
                    raise SettingsError(f"n_clusters {part!r} runs backwards: write {last}:{first}")
                if last == first:
                    raise SettingsError(f"n_clusters {part!r} is a sweep of one k: write {first}")
                numbers += range(first, last + 1)
            else:
                numbers.append(int(part))
    except (TypeError, ValueError) as error:
        if isinstance(error, SettingsError):
            raise
        raise SettingsError(
            f"n_clusters {text!r} is not understood: write auto, 8, a list 5,8,12 or a range 2:30"
        ) from None
    if not numbers or min(numbers) < 2:
        raise SettingsError(f"n_clusters {text!r} must name numbers of at least 2")
    return tuple(sorted(set(numbers)))


def parse_contamination(value: Any) -> Any:
    """Read ``"auto"`` or a share of the rows, above 0 and at most 0.5.

    Raises
    ------
    SettingsError
        When it is neither.
    """
    if value == "auto":
        return value
    try:
        share = float(value)
    except (TypeError, ValueError):
        share = 0.0
    if not 0 < share <= 0.5 or isinstance(value, bool):
        raise SettingsError(
            f"contamination={value!r}: write auto, or a share up to 0.5, such as 0.01"
        )
    return share


@dataclass(frozen=True)
class Settings:
    """Everything that a run can be told; each is also an option of the command line.

    Parameters
    ----------
    descriptors : tuple of str, optional
        Names of the descriptor sets to work on; all by default.
    invalid : {"error", "mask"}
        What to do with rows that hold NaN or infinity: error refuses the set, mask gives them
        label -1.
    scaling : {"none", "standard", "minmax", "l2"}
        Before PCA: none, standard (columns of unit variance), minmax (columns of unit range),
        l2 (rows of unit length).
    n_components : int or float
        Components, or the share of variance that they must hold.
    max_components : int
        At most so many for a share.
    whiten : bool
        Divide each component by its standard deviation.
    normalize : bool
        PCA, whitening and rows of unit length, as in DeepCluster (Caron et al. 2018).
    algorithms : tuple of str
        Names of clustering algorithms, or ``all``; see docs/clustering.md.
    n_clusters : int, str or sequence of int
        A number, a list ``5,8,12`` or a range ``2:30``, both ends in; auto begins with 2:30 and
        goes on while the best lies at the upper edge.
    covariance_type : {"diag", "full"}
        Of the components of a Gaussian mixture.
    min_cluster_size : float
        Share of the rows that the smallest cluster of HDBSCAN must hold.
    n_init : int
        Short k-means runs on a sample, of which the best few become the seeds.
    max_iter : int
        Exact passes over all rows at most.
    tol : float
        A clustering has converged when its centres move by less than this, relatively.
    batch_size : int
        Rows of a mini-batch.
    n_neighbors : int
        Neighbours of each row in the graph that outlier scores and duplicates are taken from.
    neighbors : {"auto", "exact", "nn_descent"}
        How the graph is found: auto compares each row with those of the nearest cells of a
        k-means (an inverted file), exact with all rows, nn_descent by pynndescent in shards.
    group : str
        Which rows are siblings, of which a neighbourhood counts one: ``"folder"`` (images of one
        folder), ``"none"``, or a column of the paths file. Where groups are few and large, as a
        folder for each camera, rows count one by one, which is said.
    outlier_scaling : {"l2", "none", "standard", "minmax"}
        As `scaling`, for the outlier scores alone.
    contamination : "auto" or float
        Share of the rows to flag as outliers; auto lets the tail of the scores tell.
    scan_images : bool
        Read all images for the reasons, not those of suspects alone: finds bad pictures that the
        descriptors hide.
    random_state : int
        Seed of everything random.
    memory : str or int
        Peak resident memory of a process, libraries included.
    workers : int, optional
        Threads of this machine; all its processors by default.
    scheduler : str, optional
        Address of a dask scheduler to run the passes on.
    compress : bool
        Compress the stored arrays: a tenth to a half smaller, five to ten times slower to read.
    """

    descriptors: tuple[str, ...] | None = None
    invalid: str = "error"
    scaling: str = "standard"
    n_components: int | float = 0.90
    max_components: int = 128
    whiten: bool = False
    normalize: bool = False
    algorithms: tuple[str, ...] = ("kmeans",)
    n_clusters: Any = AUTO
    covariance_type: str = "diag"
    min_cluster_size: float = 0.005
    n_init: int = 24
    max_iter: int = 100
    tol: float = 1e-4
    batch_size: int = 4096
    n_neighbors: int = 15
    neighbors: str = "auto"
    group: str = "folder"
    outlier_scaling: str = "l2"
    contamination: Any = "auto"
    scan_images: bool = False
    random_state: int = 0
    memory: str | int = "1GiB"
    workers: int | None = None
    scheduler: str | None = None
    compress: bool = False

    def __post_init__(self) -> None:
        for name in ("descriptors", "algorithms"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _names(getattr(self, name)))
        object.__setattr__(self, "algorithms", _known_algorithms(self.algorithms))
        if self.covariance_type not in COVARIANCE_TYPES:
            raise SettingsError(
                f"covariance_type={self.covariance_type!r}: choose from "
                f"{', '.join(COVARIANCE_TYPES)}"
            )
        share = self.min_cluster_size
        if not isinstance(share, Real) or isinstance(share, bool) or not 0 < share <= 0.5:
            raise SettingsError(
                f"min_cluster_size={share!r} must be a share of the rows, up to 0.5, such as 0.005"
            )
        if self.invalid not in INVALID:
            raise SettingsError(f"invalid={self.invalid!r}: choose from {', '.join(INVALID)}")
        if self.neighbors not in NEIGHBORS:
            raise SettingsError(f"neighbors={self.neighbors!r}: choose from {', '.join(NEIGHBORS)}")
        for name in ("scaling", "outlier_scaling"):
            if getattr(self, name) not in SCALINGS:
                raise SettingsError(
                    f"{name}={getattr(self, name)!r}: choose from {', '.join(SCALINGS)}"
                )
        for name in ("max_components", "n_init", "max_iter", "batch_size", "n_neighbors"):
            _at_least(name, getattr(self, name), Integral, 1)
        for name in ("whiten", "normalize", "compress", "scan_images"):
            if not isinstance(getattr(self, name), bool):
                raise SettingsError(f"{name}={getattr(self, name)!r} must be true or false")
        _at_least("random_state", self.random_state, Integral, 0)
        if self.random_state >= 2**32:
            raise SettingsError(f"random_state={self.random_state} must be below 2**32")
        _at_least("tol", self.tol, Real, 0)
        object.__setattr__(self, "contamination", parse_contamination(self.contamination))
        if not isinstance(self.group, str) or not self.group:
            raise SettingsError(f"group={self.group!r}: write folder, none or a column's name")
        if self.workers is not None:
            _at_least("workers", self.workers, Integral, 1)
        if isinstance(self.n_components, Integral):
            _at_least("n_components", self.n_components, Integral, 1)
        elif not (isinstance(self.n_components, Real) and 0 < self.n_components <= 1):
            raise SettingsError(
                f"n_components={self.n_components!r} must be a number of components "
                "or a share of variance above 0 and at most 1"
            )
        _ = self.ks, self.memory_bytes

    @property
    def ks(self) -> tuple[int, ...]:
        """The numbers of clusters, sorted; of an automatic sweep those that it begins with."""
        return parse_n_clusters(FIRST_SWEEP if self.n_clusters == AUTO else self.n_clusters)

    @property
    def memory_bytes(self) -> int:
        """The memory budget in bytes."""
        size = parse_bytes(self.memory)
        if isinstance(self.memory, str) and size < MIB:
            raise SettingsError(f"memory={self.memory!r} is {size} bytes: write 1GiB or 640MiB")
        return size

    def having(self, **changes: Any) -> "Settings":
        """The same with some settings changed; None keeps what is there."""
        changes = {name: value for name, value in changes.items() if value is not None}
        unknown = sorted(set(changes) - {field.name for field in fields(self)})
        if unknown:
            known = ", ".join(field.name for field in fields(self))
            raise SettingsError(f"no setting is called {', '.join(unknown)}: there are {known}")
        return replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON and TOML can write them, those not set left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @property
    def share(self) -> float | None:
        """The share of variance asked for, None where a number of components is."""
        return None if isinstance(self.n_components, Integral) else float(self.n_components)

    @classmethod
    def from_toml(cls, path: str | Path) -> "Settings":
        """Read settings from a TOML file, as ``streamclust init`` writes it.

        Raises
        ------
        SettingsError
            When the file is missing, no TOML, or names a setting that there is not.
        """
        try:
            read = tomllib.loads(Path(path).read_text())
        except OSError as error:
            raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path} is no TOML: {error}") from None
        try:
            return cls().having(**read)
        except (SettingsError, TypeError) as error:
            raise SettingsError(f"{path}: {error}") from None


def _names(value: Any) -> tuple[str, ...]:
    """Names out of ``"a, b"`` or a sequence, each once."""
    names = value.split(",") if isinstance(value, str) else value
    return tuple(dict.fromkeys(name.strip() for name in names))


def _known_algorithms(names: tuple[str, ...]) -> tuple[str, ...]:
    if ALL in names:
        return ALGORITHMS
    unknown = [name for name in names if name not in ALGORITHMS]
    if unknown or not names:
        raise SettingsError(
            f"no algorithm is called {', '.join(unknown) or 'so'}: choose from "
            f"{', '.join(ALGORITHMS)}, or {ALL}"
        )
    return names


def _at_least(name: str, value: Any, kind: Any, least: int) -> None:
    # Written so that NaN, which compares with nothing, is refused.
    if not isinstance(value, kind) or isinstance(value, bool) or not value >= least:
        raise SettingsError(f"{name}={value!r} must be a number of at least {least}")


def settings_template() -> str:
    """TOML of every setting; those that have no default are commented out."""
    meanings = setting_meanings()
    lines = ["# Settings of streamclust: streamclust run CASE --out OUT --config FILE"]
    for field in fields(Settings):
        lines += ["", *(f"# {line}" for line in meanings[field.name])]
        if field.default is None:
            lines.append(f"# {field.name} =")
        else:
            lines.append(f"{field.name} = {_toml(field.default)}")
    return "\n".join(lines) + "\n"


def setting_meanings() -> dict[str, list[str]]:
    """The lines of `Settings`' docstring, by setting: what is said there is said once."""
    doc = inspect.cleandoc(Settings.__doc__ or "")
    body = doc.partition("----------\n")[2]
    meanings: dict[str, list[str]] = {}
    names: list[str] = []
    for line in body.splitlines():
        if match := re.match(r"(\w[\w, ]*?)(?: : .*)?$", line):
            names = [name.strip() for name in match[1].split(",")]
            meanings |= {name: [] for name in names}
        elif line.startswith("    "):
            for name in names:
                meanings[name].append(line.strip().replace("``", ""))
    return meanings


def _toml(value: Any) -> str:
    return json.dumps(value)
