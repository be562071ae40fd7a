"""Stored clusterings go on with added rows: by what they learn from them, or as they are."""

import time
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import numpy as np

from streamclust.choice.agreement import adjusted_rand
from streamclust.clustering.base import Algorithm, Clustering, Continuing
from streamclust.clustering.continuing import largest_move, moved_centers
from streamclust.clustering.registry import load_algorithm
from streamclust.clustering.step import LabelsOf, label_rows, staged_clustering, sweep_mark
from streamclust.errors import SettingsError
from streamclust.labelling.added_rows import new_part
from streamclust.labelling.placing import stored_clustering
from streamclust.memory import Need
from streamclust.passes.accumulators.clusters import ClusterSums
from streamclust.passes.accumulators.contingency import Contingency
from streamclust.passes.blocks import Columns, Part, Rows
from streamclust.passes.verbs import Passes
from streamclust.store.job import Job
from streamclust.store.links import extend_array, link_group
from streamclust.store.workspace import fingerprint, store_array

STEP = "continue clusters"
# What is stored of a clustering beside that which its algorithm tells of it.
_OF_STORE = (
    *("n_clusters", "algorithm", "sweep", "settings", "cost", "fingerprint", "update"),
    *("scores", "stability", "evidence"),
)
# What is of its rows: written anew, or, such as its description, not true any more.
_OF_ROWS = ("labels", "sizes", "means", "description")
# The attribute of a clustering that tells what an update changed.
CHANGES = "update"


def check_clusterings(job: Job, descriptor: str) -> None:
    """Refuse a set that has no clusterings which could go on.

    Raises
    ------
    SettingsError
        For it.
    """
    names = job.workspace.clusterings(descriptor)
    if not names:
        raise SettingsError(
            f"{descriptor} has no clusterings that could go on: run streamclust cluster first, or "
            "leave its new rows to a run on all of them"
        )
    root = job.workspace.root[f"descriptors/{descriptor}/clusterings"]
    old = [name for name in names if "means" not in root[name]]
    if old:
        raise SettingsError(
            f"{descriptor}: {', '.join(old[:3])} {'…' * (len(old) > 3)} were made by an older "
            "streamclust: run streamclust cluster again"
        )


def continue_clusterings(job: Job, made: Any, descriptor: str, marks: tuple[str, str]) -> None:
    """Write the clusterings of a set into a staged group that holds all its rows.

    Parameters
    ----------
    job : Job
    made : Zarr group
        Staged, as `streamclust.labelling.added_rows.add_rows` leaves it.
    descriptor : str
    marks : tuple of str
        Fingerprints of the reduced rows as they are stored, and as they will be.

    Raises
    ------
    MemoryBudgetError
        When it does not fit the budget.
    """
    made.create_group("clusterings")
    for name, groups in _sweeps(job, descriptor):
        algorithm = load_algorithm(name)
        needs = continue_needs(job, descriptor, made["reduced"], name, groups)
        with job.step(STEP, descriptor, needs, made["reduced"].shape[0], name) as passes:
            started = time.perf_counter()
            if isinstance(algorithm, Continuing):
                _learn(job, passes, made, algorithm, groups)
            else:
                _label_new(passes, made, algorithm, groups)
            cost = {"seconds": time.perf_counter() - started, "peak": job.executor.peak()}
            for own, group in groups.items():
                told = _mark(name, algorithm, group, marks)
                made[f"clusterings/{own}"].attrs.update(**told, cost=cost)


def continue_needs(
    job: Job, descriptor: str, reduced: Any, name: str, groups: dict[str, Any]
) -> list[Need]:
    """Memory of learning and labelling by an algorithm, and of all labels before and after."""
    algorithm = load_algorithm(name)
    ks = [int(group.attrs["n_clusters"]) for group in groups.values()]
    settings = job.settings.having(**next(iter(groups.values())).attrs["settings"])
    rows, step = Rows(reduced), f"{STEP} of {descriptor} by {name}"
    # Labelling is the last of an algorithm's stages.
    needs = [algorithm.needs(step, rows, ks or [2], settings)[-1]]
    if isinstance(algorithm, Continuing):
        needs += algorithm.partial_fit_needs(step, rows, ks, settings)
        columns = Rows(Columns([group["labels"] for group in groups.values()] * 2))
        tables = Contingency.nbytes(ks, [(i, i) for i in range(len(ks))])
        block = columns.rows_a_block * 4 * columns.n_columns
        needs.append(Need(step, fixed=2 * tables, per_block=3 * block + 2 * tables))
    return needs


def continues(name: str) -> bool:
    """Whether clusterings by this algorithm learn from rows that are added."""
    return isinstance(load_algorithm(name), Continuing)


def _sweeps(job: Job, descriptor: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Algorithms, each with its stored clusterings that were made with the same settings."""
    root = job.workspace.root[f"descriptors/{descriptor}/clusterings"]
    groups = {name: root[name] for name in job.workspace.clusterings(descriptor)}

    def sweep(name: str) -> tuple[str, str]:
        return groups[name].attrs["algorithm"], groups[name].attrs["sweep"]

    for (algorithm, _), names in groupby(sorted(groups, key=sweep), sweep):
        yield algorithm, {name: groups[name] for name in names}


def sweep_needs(job: Job, descriptor: str, reduced: Any) -> list[Need]:
    """Memory of going on with all clusterings of a set of these reduced rows."""
    return [
        need
        for name, groups in _sweeps(job, descriptor)
        for need in continue_needs(job, descriptor, reduced, name, groups)
    ]


def _mark(name: str, algorithm: Algorithm, group: Any, marks: tuple[str, str]) -> dict[str, Any]:
    """The marks that the clustering would have if it had been made of all rows."""
    chosen = group.attrs["settings"]
    before, after = (sweep_mark(reduced, name, algorithm, chosen) for reduced in marks)
    # What an older version found is no result of the present one.
    sweep = after if before == group.attrs["sweep"] else fingerprint(STEP, group.attrs["sweep"])
    k = int(group.attrs["n_clusters"]) if algorithm.takes_k else None
    return {"sweep": sweep, "fingerprint": fingerprint(sweep, k)}


def _fitted(group: Any) -> Clustering:
    stored = stored_clustering(group)
    own = {name: value for name, value in stored.attributes.items() if name not in _OF_STORE}
    return Clustering(stored.n_clusters, stored.arrays, own)


def _learn(
    job: Job, passes: Passes, made: Any, algorithm: Algorithm, groups: dict[str, Any]
) -> None:
    """Let clusterings learn from the new rows, and label all rows by what they have become."""
    assert isinstance(algorithm, Continuing)
    old = list(groups.values())
    n_old = old[0]["labels"].shape[0]
    rows, new = new_part(made, "reduced", 0), new_part(made, "reduced", n_old)
    counts = [group["sizes"][...] for group in old]
    settings = job.settings.having(**old[0].attrs["settings"])
    fitted = algorithm.partial_fit(list(map(_fitted, old)), counts, rows, new, settings, passes)
    staged = [
        staged_clustering(made["clusterings"], name, Rows(made["reduced"]), own)
        for name, own in zip(groups, fitted, strict=True)
    ]
    shift = made["pca/reduced_mean"][...]
    chunked = rows.having(array=made["reduced"], valid=made["valid"])
    label_rows(passes, chunked, algorithm.labeller(fitted), staged, shift)
    tables = _met(passes, old, staged, n_old)
    for before, group, table in zip(old, staged, tables, strict=True):
        gained = group["sizes"][...] - table.sum(axis=0)
        group.attrs.update(_kept(before), **{CHANGES: _changes(before, group, table, gained)})


def _met(passes: Passes, old: list[Any], staged: list[Any], n_old: int) -> list[np.ndarray]:
    """Tables of the old rows by their clusters before and after."""
    labels = [
        *(group["labels"] for group in old),
        *(Part(group["labels"], 0, n_old) for group in staged),
    ]
    n_clusters = [int(group.attrs["n_clusters"]) for group in old] * 2
    pairs = [(i, len(old) + i) for i in range(len(old))]
    return passes.reduce(
        "labels changed", Rows(Columns(labels)), Contingency(n_clusters, pairs)
    ).result()


def _label_new(passes: Passes, made: Any, algorithm: Algorithm, groups: dict[str, Any]) -> None:
    """Label the new rows by clusterings as they are."""
    old = list(groups.values())
    n_old, reduced = old[0]["labels"].shape[0], made["reduced"]
    staged, outputs = [], []
    for name, group in groups.items():
        own = link_group(made["clusterings"], name, group, _OF_ROWS)
        for attribute in set(own.attrs) & {"scores", "stability", "evidence"}:
            del own.attrs[attribute]
        labels, first = extend_array(
            own, "labels", group["labels"], reduced.shape[0], reduced.chunks[0]
        )
        staged.append(own)
        outputs.append(Part(labels, first))
    labelled = LabelsOf(algorithm.labeller(list(map(_fitted, old))))
    passes.write("labelling new rows", new_part(made, "reduced", first), labelled, outputs)
    for group, own in zip(old, staged, strict=True):
        own["labels"][first:n_old] = group["labels"][first:n_old]
    labels = Columns([Part(own["labels"], n_old) for own in staged])
    new = new_part(made, "reduced", n_old).having(extras=(labels,))
    n_clusters = [int(own.attrs["n_clusters"]) for own in staged]
    sums = ClusterSums(n_clusters, made["pca/reduced_mean"][...])
    told = passes.reduce("sums of new rows", new, sums).result()
    for before, own, (sizes, means) in zip(old, staged, told, strict=True):
        _join_sums(own, before, sizes.astype(np.int64), means)
        table = np.diag(before["sizes"][...])
        changes = _changes(before, own, table, sizes.astype(np.int64))
        own.attrs.update(_kept(before), **{CHANGES: changes})


def _join_sums(own: Any, before: Any, sizes: np.ndarray, means: np.ndarray) -> None:
    """Write sizes and means of all rows, out of those of the old and of the new ones."""
    counts = before["sizes"][...]
    # The mean of no rows is NaN: what comes to them is all that there is.
    start = np.where(counts[:, None] > 0, before["means"][...], means)
    store_array(own, "sizes", counts + sizes)
    store_array(own, "means", moved_centers(start, counts, sizes, means))


def _kept(before: Any) -> dict[str, Any]:
    return {name: before.attrs[name] for name in ("algorithm", "settings")}


def _changes(before: Any, after: Any, table: np.ndarray, gained: np.ndarray) -> dict[str, Any]:
    """What an update changed, as JSON can write it."""
    stayed = np.diag(table)
    n_before, changed = int(table.sum()), int(table.sum() - stayed.sum())
    moved = largest_move(before["means"][...], after["means"][...])
    return {
        "rows_before": int(before["labels"].shape[0]),
        "rows_added": int(after["labels"].shape[0] - before["labels"].shape[0]),
        "changed": changed,
        "share": changed / n_before if n_before else 0.0,
        "adjusted_rand": float(adjusted_rand(table)) if changed else 1.0,
        "largest_move": moved if np.isfinite(moved) else None,
        "before": before["sizes"][...].tolist(),
        "gained": gained.tolist(),
        "moved_in": (table.sum(axis=0) - stayed).tolist(),
        "moved_out": (table.sum(axis=1) - stayed).tolist(),
    }
