"""The tables of the outliers: groups against scipy's components, and what is written when."""

import csv

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.neighbors import NearestNeighbors

from streamclust.events import Events, StepFinished
from streamclust.outliers import near_duplicates as duplicates
from streamclust.outliers import tables as outlier_tables
from streamclust.outliers.explanation import KINDS, FlaggedRows
from streamclust.outliers.flagging import load_flagged
from streamclust.outliers.tables import LEAST_GROUP, WriteOutliers
from streamclust.passes.executors import LocalExecutor
from streamclust.settings import Settings
from streamclust.steps import Job
from streamclust.store import images
from streamclust.store.workspace import Workspace, stage_array, store_array

pytestmark = pytest.mark.usefixtures("all_unrendered")

N_ROWS, K = 1200, 6
SETS = ("a", "b")


def read(file):
    with open(file, newline="") as lines:
        return list(csv.DictReader(lines))


def publish(workspace, path, mark, attrs=None, **columns):
    with workspace.staging() as staged:
        group = staged.create_group("made")
        group.attrs.update(attrs or {})
        for name, values in columns.items():
            out = stage_array(group, name, values.shape, values.dtype, 500)
            out[...] = values
        workspace.publish(group, path, mark)


def graph(seed):
    """Neighbours of rows in crowds of two to dozens."""
    rng = np.random.default_rng(seed)
    crowd = np.sqrt(np.arange(N_ROWS) * 2).astype(int)
    values = rng.standard_normal((N_ROWS, 3)) + 20 * crowd[:, None]
    model = NearestNeighbors(n_neighbors=K + 1).fit(values)
    distances, indices = (part[:, 1:] for part in model.kneighbors(values))
    return {"indices": indices, "distances": distances.astype(np.float32)}


@pytest.fixture
def job(tmp_path) -> Job:
    """Outliers of two sets, of which two rows in three are flagged."""
    workspace = Workspace(tmp_path / "out", create=True)
    rng = np.random.default_rng(0)
    score = rng.exponential(size=N_ROWS).astype(np.float32)
    kind = rng.integers(1, len(KINDS), N_ROWS).astype(np.int8)
    publish(
        workspace, "outliers", "0", {"threshold": 0.4, "sets": SETS},
        score=score, flagged=score > 0.4, kind=np.where(score > 0.4, kind, 0).astype(np.int8),
    )  # fmt: skip
    with workspace.staging() as staged:
        group = staged.create_group("reasons")
        rows = rng.permutation(N_ROWS)[:300]
        columns = {"kind": kind[rows], "measure": kind[rows] % 5, "value": score[rows]}
        columns |= {"row": rows, "usual": np.stack([score[rows] - 1, score[rows] + 1], axis=1)}
        for name, values in columns.items():
            store_array(group, name, values)
        workspace.publish(group, "outliers/reasons", "0")
        paths = stage_array(staged, "path", (N_ROWS,), str, 65_536, fill_value="")
        paths[...] = np.array([f"{row}.jpg" for row in range(N_ROWS)], object)
        workspace.publish(paths, "images/path", "0")
    for number, name in enumerate(SETS):
        rows = {"raw": np.zeros((N_ROWS, 3), np.float32), "valid": np.ones(N_ROWS, bool)}
        publish(workspace, f"descriptors/{name}", "0", {"n_invalid": 0}, **rows)
        publish(workspace, f"descriptors/{name}/neighbors", "0", **graph(number))
        publish(workspace, f"descriptors/{name}/outliers", "0", score=score[:: 1 - 2 * number])
    return Job(workspace, Settings(), LocalExecutor(1))


def tables(job) -> tuple[FlaggedRows, list[list[dict[str, str]]]]:
    found = load_flagged(job)
    job.run([WriteOutliers(SETS)])
    return found, [read(job.workspace.folder / file) for file in outlier_tables.OUTLIER_TABLES]


def test_groups_are_components_of_the_near_flagged_rows(job):
    found, (_, _, lines) = tables(job)
    edges = []
    for number in range(len(SETS)):
        made = graph(number)
        near = made["distances"] <= np.median(made["distances"][:, -1])
        near &= found.flagged[made["indices"]] & found.flagged[:, None]
        row, column = np.nonzero(near)
        edges.append(np.stack([row, made["indices"][row, column]]))
    ends = np.concatenate(edges, axis=1)
    matrix = coo_array((np.ones(ends.shape[1]), tuple(ends)), (N_ROWS, N_ROWS))
    labels = connected_components(matrix, directed=False)[1]
    sizes = np.bincount(labels)
    expected = {
        frozenset(np.flatnonzero(labels == label).tolist())
        for label in np.flatnonzero(sizes >= LEAST_GROUP)
    }
    groups = {}
    for line in lines:
        groups.setdefault(int(line["group"]), []).append(int(line["row"]))
    assert len(expected) > 1
    assert set(map(frozenset, groups.values())) == expected
    assert list(groups) == list(range(len(groups)))
    assert sorted(map(len, groups.values()), reverse=True) == list(map(len, groups.values()))
    for number, rows in groups.items():
        own = [line for line in lines if line["group"] == str(number)]
        assert (np.diff(found.score[rows]) <= 0).all()
        assert {line["size"] for line in own} == {str(len(rows))}
        assert [line["kind"] for line in own] == [KINDS[kind] for kind in found.kind[rows]]


def test_nothing_depends_on_the_blocks(job, monkeypatch):
    _, expected = tables(job)
    for line in (line for lines in expected for line in lines):
        assert line["path"] == f"{line['row']}.jpg"
    for file in outlier_tables.OUTLIER_TABLES:
        (job.workspace.folder / file).unlink()
    monkeypatch.setattr(images, "_PART_ROWS", 50)
    monkeypatch.setattr(outlier_tables, "_PIECE_ROWS", 30)
    monkeypatch.setattr(duplicates, "_BLOCK", 64)
    assert tables(job)[1] == expected


def test_ranks_and_reasons(job):
    found, (lines, reasons, _) = tables(job)
    assert [int(line["rank"]) for line in lines] == list(range(1, found.flagged.sum() + 1))
    assert [int(line["row"]) for line in lines] == found.shown().tolist()
    assert [line["a"] for line in lines] == [line["score"] for line in lines]
    stored = job.workspace.root["outliers/reasons"]
    assert [int(line["row"]) for line in reasons] == stored["row"][...].tolist()
    for line, value in zip(reasons, stored["value"][...], strict=True):
        assert line["value"] == f"{value:.4g}"
        assert float(line["usual_high"]) - float(line["usual_low"]) == pytest.approx(2, abs=0.01)


def test_written_again_only_when_something_changed(job):
    folder, skipped = job.workspace.folder, []
    events = Events(lambda e: skipped.append(e.skipped) if isinstance(e, StepFinished) else None)
    job = Job(job.workspace, job.settings, job.executor, events)
    tables(job)
    tables(job)
    (folder / outlier_tables.REASONS_FILE).unlink()
    tables(job)
    publish(job.workspace, "descriptors/b/neighbors", "1", **graph(5))
    tables(job)
    tables(job)
    assert skipped == [False, True, False, False, True]
