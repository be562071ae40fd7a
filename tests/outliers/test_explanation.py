"""Reasons in the store, and kinds from the measures of a scan."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from streamclust.events import Events, Message
from streamclust.images.archive import Images
from streamclust.images.pixels import MEASURES
from streamclust.images.quality_rules import Reasons
from streamclust.images.row_paths import StorePaths
from streamclust.outliers import explanation
from streamclust.outliers.explanation import KINDS, FlaggedRows, Reason, load_reasons, tell_kinds
from streamclust.passes.executors import LocalExecutor
from streamclust.passes.passes import Passes
from streamclust.settings import Settings
from streamclust.steps import Job
from streamclust.store import outliers as stored
from streamclust.store.images import PIXELS, PROBLEM, PROBLEMS
from streamclust.store.outliers import case_outliers
from streamclust.store.workspace import Workspace, store_array

ORDINARY = dict.fromkeys(MEASURES, 100.0) | {"white_disc": 0.0, "detail": 0.0, "aspect": 1.0}
BAD = {"dark": {"highlights": 1.0}, "odd size": {"width": 5.0, "height": 900.0}}
N_ROWS = 300


@pytest.fixture
def job(tmp_path):
    settings = Settings().having(scan_images=True)
    return Job(Workspace(tmp_path / "out", create=True), settings, LocalExecutor(1))


def publish(job, path, values):
    with job.workspace.staging() as staged:
        array = store_array(staged, path.split("/")[-1], values)
        job.workspace.publish(array, path, "mark")


def publish_reasons(job, told):
    nothing = np.zeros(0)
    known = {"sets": [], "kinds": KINDS, "threshold": 1.0, "contamination": 0.1, "yardstick": None}
    reasons = vars(Reasons.joined(told))
    case_outliers(job.workspace).save(nothing, nothing, nothing, reasons, "mark", **known)


def random_reasons(chance, n):
    return Reasons(
        row=chance.integers(0, 1000, n),
        kind=chance.integers(1, len(KINDS), n).astype(np.int8),
        measure=chance.integers(0, len(MEASURES), n).astype(np.int8),
        value=chance.random(n, np.float32),
        usual=chance.random((n, 2), np.float32),
    )


def test_reasons_come_back_as_they_were_told(job, monkeypatch):
    """Over several chunks, the last of which is not full."""
    monkeypatch.setattr(stored, "_CHUNK_ROWS", 1000)
    monkeypatch.setattr(explanation, "_LINES", 300)
    chance = np.random.default_rng(0)
    told = [random_reasons(chance, n) for n in (4096, 0, 700)]
    publish_reasons(job, told)
    expected = [
        (row, Reason(KINDS[kind], MEASURES[measure], value, tuple(usual)))
        for part in told
        for row, kind, measure, value, usual in zip(
            *(column.tolist() for column in vars(part).values()), strict=True
        )
    ]
    assert list(load_reasons(job)) == expected
    assert job.workspace.root["outliers/reasons/usual"].chunks == (1000, 2)
    some = [line for line in expected if line[0] in (3, 500)]
    assert list(load_reasons(job, np.array([500, 3, 1001]))) == some


def test_no_reasons(job):
    publish_reasons(job, [])
    assert list(load_reasons(job)) == []
    assert job.workspace.root["outliers/reasons/usual"].shape == (0, 2)


def test_a_scan_tells_the_kinds_of_all_rows(job, monkeypatch, tmp_path):
    """Over several chunks: suspects get a kind, bad pictures are flagged, odd sizes are not."""
    monkeypatch.setattr(explanation, "BLOCK_ROWS", 64)
    measures = np.tile(np.array(list(ORDINARY.values()), np.float32), (N_ROWS, 1))
    shown = {10: "dark", 70: "odd size", 200: "odd size", 299: "dark"}
    for row, kind in shown.items():
        for measure, value in BAD[kind].items():
            measures[row, MEASURES.index(measure)] = value
    problem = np.zeros(N_ROWS, np.uint8)
    problem[[65, 66]], measures[[65, 66]] = PROBLEMS.index("missing image"), np.nan
    publish(job, PIXELS, measures)
    publish(job, PROBLEM, problem)
    flagged = np.isin(np.arange(N_ROWS), [65, 70, 130])
    found = FlaggedRows(flagged.astype(np.float32), 0.5, flagged, np.zeros(N_ROWS, np.int8))
    told, yardstick = tell_kinds(job, Passes(), found, tmp_path)
    assert yardstick.n_images == N_ROWS - 4
    assert {row: KINDS[found.kind[row]] for row in np.flatnonzero(found.kind).tolist()} == {
        10: "dark",
        65: "missing image",
        70: "odd size",
        130: "unusual content",
        299: "dark",
    }
    assert found.flagged.nonzero()[0].tolist() == [10, 65, 70, 130, 299]
    publish_reasons(job, [told])
    assert [(row, *reason[:3]) for row, reason in load_reasons(job)] == [
        (10, "dark", "highlights", 1.0),
        (70, "odd size", "width", 5.0),
        (299, "dark", "highlights", 1.0),
    ]


@pytest.mark.parametrize("every", [1, 2])
def test_images_that_are_packed_in_another_way_are_told_once_and_not_flagged(tmp_path, every):
    """Flagged is what the descriptors tell, and no image for what its archive is."""
    paths = [f"v/{row}.png" for row in range(40)]
    (tmp_path / "paths.csv").write_text("\n".join(["paths", *paths]))
    with zipfile.ZipFile(tmp_path / "v.zip", "w") as archive:
        for row, path in enumerate(paths):
            file = io.BytesIO()
            Image.fromarray(np.full((9, 9, 3), 100 + row, np.uint8)).save(file, "PNG")
            method = zipfile.ZIP_BZIP2 if row % every == 0 else zipfile.ZIP_STORED
            archive.writestr(path, file.getvalue(), method)
    told = []
    out = Workspace(tmp_path / "out", create=True)
    job = Job(out, Settings(), LocalExecutor(1), Events(told.append))
    job.run([StorePaths(tmp_path / "paths.csv", tmp_path / "v.zip", 40)])
    flagged = np.arange(40) == 4
    outliers = FlaggedRows(np.ones(40, np.float32), 0.5, flagged.copy(), np.zeros(40, np.int8))
    _, yardstick = tell_kinds(job, Passes(), outliers, Images((tmp_path / "v.zip",)))
    (message,) = (event.text for event in told if isinstance(event, Message))
    assert message.count("is packed by bzip2: unpack the archive and use the folder") == 1
    if every == 1:
        assert "none of the 40 images looked for can be read (0 are missing)" in message
        assert yardstick is None
        assert outliers.flagged.tolist() == flagged.tolist()
    else:
        assert KINDS[outliers.kind[4]] == "unsupported image"
        unread = np.arange(0, 40, 2)
        assert outliers.flagged[unread].tolist() == flagged[unread].tolist()
