"""The search for a mixture's weights, on a sample of the sets' reduced rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamclust.accumulators.sample import UniformSample
from streamclust.errors import SettingsError
from streamclust.memory import MIB, Need
from streamclust.models.mixing import Kept, search_weights
from streamclust.passes import Rows
from streamclust.steps.job import Job
from streamclust.steps.tables import choose

STEP = "mixing weights"
SAMPLE_ROWS = 8192
# Clusters of the trial clusterings where no set has a recommendation.
_CLUSTERS = 24
_LEAST_ROWS_A_CLUSTER = 8


def find_weights(job: Job, sets: Sequence[str]) -> tuple[list[float], dict[str, Any]]:
    """Weights at which the set that is served worst is served best, and what that came to.

    Raises
    ------
    SettingsError
        When a set is not reduced, or its rows are all equal.
    MemoryBudgetError
        When it does not fit the budget.
    """
    rows = [_reduced(job, name) for name in sets]
    needs = weight_needs(rows)
    with job.step(STEP, "+".join(sets), needs, rows[0].n_rows) as passes:
        drawn = UniformSample(SAMPLE_ROWS, job.settings.random_state)
        samples = [
            passes.reduce(f"sampling {name}", own.having(numbered=True), drawn).result()
            for name, own in zip(sets, rows, strict=True)
        ]
        numbers = [sample[-1] for sample in samples]
        common = set(numbers[0].tolist()).intersection(*(n.tolist() for n in numbers[1:]))
        blocks = [
            _unit_variance(name, sample[0][np.isin(sample[-1], list(common))])
            for name, sample in zip(sets, samples, strict=True)
        ]
        k = min(_n_clusters(job, sets), max(2, len(common) // _LEAST_ROWS_A_CLUSTER))
        kept = Kept(blocks, k, job.settings.random_state)
        alone = passes.map("clusters of each set", kept.alone, range(len(sets)), "set")

        def worst(choices: list[tuple[float, ...]]) -> list[float]:
            found = passes.map("weights", kept, choices, "choice")
            return [min(np.divide(shares, alone)) for shares in found]

        weights, best, equal = search_weights(worst, len(sets))
    told = {"n_clusters": k, "rows": len(common), "kept": best, "kept_by_equal": equal}
    job.events.note(
        f"weights of {', '.join(sets)}: {', '.join(f'{w:g}' for w in weights)}: the set served "
        f"worst keeps {best:.0%} of what clusters of its own explain ({equal:.0%} with equal ones)"
    )
    return list(weights), told


def weight_needs(rows: Sequence[Rows]) -> list[Need]:
    """Memory of the samples, and of a trial clustering's copies of them."""
    sample = sum(SAMPLE_ROWS * own.n_columns * 8 for own in rows)
    block = max(own.rows_a_block * own.n_columns * 8 for own in rows)
    return [
        Need(STEP, fixed=2 * sample, per_block=2 * block),
        Need(STEP, fixed=sample, per_block=2 * sample + 8 * MIB),
    ]


def _reduced(job: Job, name: str) -> Rows:
    if job.workspace.get(f"descriptors/{name}/reduced") is None:
        raise SettingsError(
            f"{name} is not reduced yet, which a search for weights takes: run streamclust "
            "reduce first, or name the weights"
        )
    return job.rows_of(name, "reduced")


def _unit_variance(name: str, values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=0, dtype=np.float64)
    length = np.sqrt(np.einsum("ij,ij->", centred, centred) / len(centred))
    if not length > 0:
        raise SettingsError(f"{name}: all rows are equal: leave the set out of the mixture")
    return centred / length


def _n_clusters(job: Job, sets: Sequence[str]) -> int:
    """The median of the sets' recommended numbers."""
    found = [(name, choose(job.workspace, name)[0]) for name in sets]
    paths = [f"descriptors/{name}/clusterings/{own}" for name, own in found if own is not None]
    numbers = [job.workspace.root[path].attrs["n_clusters"] for path in paths]
    return int(np.median(numbers)) if numbers else _CLUSTERS
