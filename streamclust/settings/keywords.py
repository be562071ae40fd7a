"""The settings that each command takes as keywords, with their types, for editors and checkers.

Which these are is told by `streamclust.settings.schema`; a test holds that both say the same.
"""

from collections.abc import Callable, Sequence
from inspect import Parameter, signature
from pathlib import Path
from typing import TypedDict, TypeVar

from streamclust.settings.schema import SETTINGS, heeded

Command = TypeVar("Command", bound=Callable)


class EmbedKeywords(TypedDict, total=False):
    """Of `streamclust.embed`; `config` is a settings file, over which keywords go."""

    config: str | Path | None
    memory: str | int | None
    workers: int | None


class ProcessKeywords(EmbedKeywords, total=False):
    """What every command on descriptors takes."""

    scheduler: str | None


class SetKeywords(ProcessKeywords, total=False):
    descriptors: str | Sequence[str] | None


class SeededKeywords(SetKeywords, total=False):
    random_state: int | None


class GroupedKeywords(SeededKeywords, total=False):
    group: str | None


class ReadingKeywords(ProcessKeywords, total=False):
    invalid: str | None


class ComponentsKeywords(TypedDict, total=False):
    n_components: int | float | str | None
    max_components: int | None
    compress: bool | None


class ReductionKeywords(ComponentsKeywords, total=False):
    scaling: str | None
    whiten: bool | None
    normalize: bool | None


class ClusteringKeywords(TypedDict, total=False):
    algorithms: str | Sequence[str] | None
    n_clusters: int | str | Sequence[int] | None
    covariance_type: str | None
    min_cluster_size: float | None
    n_init: int | None
    max_iter: int | None
    tol: float | None
    batch_size: int | None
    random_state: int | None
    compress: bool | None


class IngestKeywords(SeededKeywords, ReadingKeywords, ComponentsKeywords, total=False):
    """Of `streamclust.api.ingest`."""

    store_dtype: str | None


class ReduceKeywords(SetKeywords, ReductionKeywords, total=False):
    """Of `Case.reduce`."""


class ClusterKeywords(SetKeywords, ClusteringKeywords, total=False):
    """Of `Case.cluster`."""


class MixKeywords(ProcessKeywords, ReductionKeywords, ClusteringKeywords, total=False):
    """Of `Case.mix`."""


class OutlierKeywords(GroupedKeywords, total=False):
    """Of `Case.outliers`."""

    n_neighbors: int | None
    neighbors: str | None
    outlier_scaling: str | None
    contamination: str | float | None
    scan_images: bool | None


class RunKeywords(IngestKeywords, ReduceKeywords, ClusterKeywords, OutlierKeywords, total=False):
    """Of `streamclust.run`, `plan` and `demo`."""


def with_settings(command: Command) -> Command:
    """Show the settings that a command heeds, and their defaults, in its signature."""
    told = signature(command)
    plain = [one for one in told.parameters.values() if one.kind is not Parameter.VAR_KEYWORD]
    settings = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=SETTINGS[name].default)
        for name in heeded(command.__name__)
    ]
    config = Parameter("config", Parameter.KEYWORD_ONLY, default=None)
    parameters = [*plain, *settings, config]
    command.__signature__ = told.replace(parameters=parameters)  # type: ignore[attr-defined]
    return command
