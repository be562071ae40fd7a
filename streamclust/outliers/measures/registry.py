"""The outlier measures that a set's score is made of, one module each.

To add one, write a module with a class that is a `Measure` (see `base`) and an instance of it
called ``MEASURE``, and enter the module's name in `MEASURES`; docs/outliers.md tells the rest.
"""

from importlib import import_module

from streamclust.outliers.measures.base import Inductive, Measure

# In the order that they are taken in: a measure reads columns of those before it.
MEASURES = (
    "reference",
    "mahalanobis",
    "residual",
    "neighbor_distance",
    "lof",
    "micro_cluster",
)
# The measures that the scores were made of when they were first stored: they have no mark then.
_FIRST = dict.fromkeys(
    ("reference", "mahalanobis", "residual", "neighbor_distance", "lof", "micro_cluster"), 1
)


def load_measures() -> dict[str, Measure]:
    """All measures by name, in their order."""
    return {name: import_module(f"streamclust.outliers.measures.{name}").MEASURE
            for name in MEASURES}  # fmt: skip


def inductive_measures() -> dict[str, Measure]:
    """The measures that rows which come later have, too: such as tell rows by themselves, and such
    as are made of the columns of these alone."""
    chosen: dict[str, Measure] = {}
    known = {"residual"}
    for name, measure in load_measures().items():
        if (isinstance(measure, Inductive) or not measure.columns) and known.issuperset(
            measure.reads
        ):
            chosen[name] = measure
            known |= {column.name for column in measure.columns if column.is_kept}
    return chosen


def measures_mark(measures: dict[str, Measure]) -> list[dict[str, int]]:
    """What scores of these measures are made of beside the rows; empty for the first measures."""
    versions = {name: measure.version for name, measure in measures.items()}
    return [] if versions == _FIRST else [versions]
