"""Reasons against pictures that were spoiled on purpose, and the yardstick's arithmetic."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from streamclust.demo.drawing import SPOILERS
from streamclust.demo.writing import make_case
from streamclust.images.archive import ImageStore
from streamclust.images.pixels import MEASURES, measure_image
from streamclust.images.quality_rules import FENCE, IMAGE_KINDS, RULES, Reasons, Yardstick
from streamclust.sources.case_folder import find_case
from streamclust.sources.paths import iter_paths

ORDINARY = {
    "saturated": 0.0,
    "white_disc": 0.0,
    "brightness": 110.0,
    "highlights": 190.0,
    "contrast": 50.0,
    "detail": -0.1,
    "entropy": 7.0,
    "width": 300.0,
    "height": 200.0,
    "aspect": 1.5,
}


def row(**changes):
    return np.array([(ORDINARY | changes)[name] for name in MEASURES], np.float32)


def sample(n=400, seed=0):
    """Ordinary rows that vary by a tenth, or by 0.1 where that is nothing."""
    chance = np.random.default_rng(seed)
    rows = np.tile(row(), (n, 1))
    return rows + chance.normal(0, 1, rows.shape) * np.where(rows > 1, rows / 10, 0.02)


def kinds_of(yardstick, image):
    return [IMAGE_KINDS[code] for code in yardstick.reasons(image[np.newaxis]).kind]


@pytest.fixture(scope="module")
def yardstick():
    return Yardstick.fit(sample())


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({}, []),
        ({"highlights": 20}, ["dark"]),
        ({"highlights": 30}, []),
        ({"white_disc": 0.3, "saturated": 0.4}, ["glare"]),
        ({"white_disc": 0.2, "saturated": 0.6}, []),
        ({"detail": -0.9}, ["blur"]),
        ({"contrast": 1}, ["blank"]),
        ({"width": 30, "aspect": 1.4}, ["odd size"]),
        ({"width": 160, "aspect": 0.9}, []),
        ({"aspect": 20, "width": 3000, "height": 30, "detail": -0.9}, ["blur", "odd size"]),
        # A cause hides what follows from it.
        ({"highlights": 5, "contrast": 0, "detail": -2}, ["dark"]),
        ({"white_disc": 0.5, "contrast": 0, "detail": -2}, ["glare"]),
        ({"contrast": 2, "detail": -2}, ["blank"]),
    ],
)
def test_kinds(yardstick, changes, kinds):
    assert kinds_of(yardstick, row(**changes)) == kinds
    first = yardstick.first_kinds(np.stack([row(), row(**changes)]))
    assert first.tolist() == [-1, IMAGE_KINDS.index(kinds[0]) if kinds else -1]


def test_a_reason_says_what_is_usual(yardstick):
    found = yardstick.reasons(np.stack([row(), row(detail=-0.9)]))
    usual = np.percentile(sample()[:, MEASURES.index("detail")], [5, 95])
    assert [MEASURES[code] for code in found.measure] == ["detail"]
    assert found.row.tolist() == [1]
    np.testing.assert_allclose(found.value, [-0.9], rtol=1e-6)
    np.testing.assert_allclose(found.usual, [usual], rtol=1e-6)


def test_reasons_of_many_images_are_those_of_each(yardstick):
    chance = np.random.default_rng(1)
    images = sample(500, 1) * chance.choice([0.01, 1, 1, 8], (500, len(MEASURES)))
    together = yardstick.reasons(images)
    assert len(together.row) > 500
    for place in range(len(images)):
        alone = yardstick.reasons(images[[place]])
        for name in ("kind", "measure", "value", "usual"):
            own = getattr(together, name)[together.row == place]
            np.testing.assert_array_equal(own, getattr(alone, name))
    assert sum(column.itemsize * column[0].size for column in vars(together).values()) == 22
    nothing = yardstick.reasons(images[:0])
    for name, column in vars(Reasons.none()).items():
        assert getattr(nothing, name).shape == column.shape
        assert getattr(together, name).dtype == getattr(nothing, name).dtype == column.dtype


def test_the_fence_is_tukeys_half_a_range_wider():
    rows = sample()
    rows[:, MEASURES.index("detail")] = np.linspace(-0.6, 0.2, len(rows))
    blur = next(rule for rule in RULES if rule.kind == "blur")
    assert FENCE == 3.5
    assert Yardstick.fit(rows).limit(blur) == pytest.approx(-0.4 - 3.5 * 0.4, abs=1e-6)


def test_bad_images_in_the_sample_move_nothing(yardstick):
    bad = np.stack([row(highlights=5, detail=-2, white_disc=0.5, contrast=0)] * 12)
    moved = Yardstick.fit(np.concatenate([sample(), bad, np.full((9, len(MEASURES)), np.nan)]))
    assert moved.n_images == 412
    for rule in RULES:
        assert moved.limit(rule) == pytest.approx(yardstick.limit(rule), rel=0.1)


def test_what_all_images_show_is_no_reason():
    """White backgrounds everywhere, or soft lenses: only near-black is bad wherever it is."""
    column = {name: place for place, name in enumerate(MEASURES)}
    rows = sample()
    rows[:, column["white_disc"]] += np.linspace(0, 0.4, len(rows))
    rows[:, column["detail"]] -= np.linspace(0, 1, len(rows))
    rows[:, column["highlights"]] = np.geomspace(2, 250, len(rows))
    yardstick = Yardstick.fit(rows)
    assert kinds_of(yardstick, row(white_disc=0.4, detail=-0.9)) == []
    assert kinds_of(yardstick, row(highlights=20)) == []
    assert kinds_of(yardstick, row(highlights=10)) == ["dark"]


def test_without_ordinary_images():
    nothing = Yardstick.fit(np.full((3, len(MEASURES)), np.nan))
    assert nothing.n_images == 0
    assert kinds_of(nothing, row(detail=-3, width=1)) == []
    assert kinds_of(nothing, row(highlights=3)) == ["dark"]
    assert nothing.first_kinds(np.full((2, len(MEASURES)), np.nan)).tolist() == [-1, -1]


@pytest.mark.parametrize("rows", [sample(), sample()[:0]])
def test_a_yardstick_can_be_written_as_json(rows):
    yardstick = Yardstick.fit(rows)
    told = json.loads(json.dumps(yardstick.to_dict(), allow_nan=False))
    assert told["n_images"] == len(rows)
    for name, values in told["percentiles"].items():
        np.testing.assert_array_equal(values, yardstick.percentiles[:, MEASURES.index(name)])


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Measures of a demo's ordinary pictures, and the pictures."""
    case = find_case(make_case(tmp_path_factory.mktemp("demo"), rows=300))
    store = ImageStore(case.images)
    truth = (case.root / "truth.csv").read_text().splitlines()[1:]
    ordinary = [line.endswith(",") for line in truth]
    files = [store.read(path) for path in iter_paths(case.paths_file)]
    files = [file for file, keep in zip(files, ordinary, strict=True) if keep]
    return np.array([measure_image(file) for file in files]), files


def test_ordinary_pictures_get_no_reason(drawn):
    measures, _ = drawn
    assert (Yardstick.fit(measures).first_kinds(measures) == -1).all()


@pytest.mark.parametrize("kind", SPOILERS)
def test_spoiled_pictures_are_found(drawn, kind):
    measures, files = drawn
    chance = np.random.default_rng(0)
    spoiled = []
    for data in files[:100]:
        file = io.BytesIO()
        SPOILERS[kind](Image.open(io.BytesIO(data)), chance).save(file, "JPEG", quality=85)
        spoiled.append(measure_image(file.getvalue()))
    found = Yardstick.fit(measures).first_kinds(np.array(spoiled))
    assert (found == IMAGE_KINDS.index(kind)).mean() > 0.95
