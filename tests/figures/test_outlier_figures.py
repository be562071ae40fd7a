"""Score histograms and contact sheets: what they show, and images that cannot be shown."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamclust.errors import ImageError
from streamclust.figures.histograms import (
    BINS,
    count_scores,
    flagged_in_words,
    score_histogram,
)
from streamclust.figures.image_sheets import (
    LONGEST_PATH,
    MOST_TILES,
    TILE,
    Tile,
    contact_sheet,
    shortened,
    thumbnail,
)
from streamclust.images.pixels import MOST_PIXELS, measure_image

LONG = "a $very$ long_name " + "vit-large-patch16-224_" * 12 + " 漢字\n: scores"
SCORES = np.random.default_rng(0).gamma(2, 1, 5000)


def image_file(size: tuple[int, int], mode: str = "RGB", kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, 200 if mode in "LP" else None).save(file, kind, **options)
    return file.getvalue()


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.parametrize("n_sets", [0, 1, 4, 9])
def test_score_histograms(tmp_path, n_sets):
    sets = [count_scores(f"{LONG} {number}", SCORES * number) for number in range(n_sets)]
    combined = count_scores("combined", SCORES)
    score_histogram(tmp_path / "scores.png", combined, sets, 9.0, "5 rows", LONG)
    assert pixels_of(tmp_path / "scores.png").shape[1] == 1650


@pytest.mark.parametrize(
    "scores", [SCORES[:1], np.zeros(9), np.full(4, np.nan), np.array([0, 1e30]), SCORES * 1e-30]
)
@pytest.mark.parametrize("threshold", [-1.0, 0.0, 3.0])
def test_odd_scores_are_drawn(tmp_path, scores, threshold):
    counts = count_scores("combined", scores, shown=threshold)
    assert counts.counts.sum() == np.isfinite(scores).sum()
    score_histogram(tmp_path / "scores.png", counts, [counts], threshold, "1 row", "odd")
    assert (tmp_path / "scores.png").stat().st_size > 0


def test_what_is_beyond_the_threshold_has_its_colour(tmp_path):
    counts = count_scores("combined", np.linspace(0, 1, 10_000))
    score_histogram(tmp_path / "scores.png", counts, [], 0.5, "", "")
    left, right = pixels_of(tmp_path / "scores.png")[450, [500, 1400]]
    assert left[2] > left[0] + 50
    assert right[0] > right[2] + 50


def test_a_few_extreme_scores_do_not_squeeze_the_rest():
    counts = count_scores("combined", np.append(SCORES, [1e6, np.inf, np.nan]))
    assert counts.counts.shape == (BINS,)
    assert counts.edges[-1] < 5 * SCORES.max()
    assert counts.counts[-1] == counts.beyond == 1
    assert counts.counts.sum() == 5001
    plain = count_scores("combined", SCORES)
    expected, edges = np.histogram(SCORES, BINS)
    np.testing.assert_array_equal(plain.counts, expected)
    np.testing.assert_allclose(plain.edges, edges)
    assert count_scores("combined", SCORES, shown=99).edges[-1] == 99


def test_flagged_in_words():
    causes = {"by a score above 3.043": 2400, "by their pictures": 12, "invalid": 0}
    assert flagged_in_words(416314, causes) == (
        "2,412 of 416,314 rows are flagged (0.579 %): "
        "2,400 by a score above 3.043, 12 by their pictures"
    )
    assert flagged_in_words(10, {"odd": 1}) == "1 of 10 rows is flagged (10 %): 1 odd"
    assert flagged_in_words(0, {"odd": 0}) == "0 of 0 rows are flagged (none)"


@pytest.mark.parametrize(
    ("data", "shape"),
    [
        (image_file((64, 64)), (TILE, TILE)),
        (image_file((756, 557), kind="JPEG"), (round(TILE * 557 / 756), TILE)),
        (image_file((3, 3000), "L"), (TILE, 1)),
        (image_file((40, 20), "P"), (TILE // 2, TILE)),
        (image_file((20, 40), "LA"), (TILE, TILE // 2)),
        (image_file((40, 40), "I;16"), (TILE, TILE)),
        (image_file((40, 40), "CMYK", "JPEG"), (TILE, TILE)),
        (image_file((40, 40), "F", "TIFF"), (TILE, TILE)),
        (image_file((7000, 7000), kind="JPEG"), (TILE, TILE)),
    ],
)
def test_thumbnails_keep_the_shape_of_the_image(data, shape):
    shown = thumbnail(data, TILE)
    assert shown.shape == (*shape, 3)
    assert shown.dtype == np.uint8


def test_thumbnails_show_the_image():
    ramp = np.tile(np.arange(0, 250, 2, dtype=np.uint8), (125, 1))
    file = io.BytesIO()
    Image.fromarray(ramp).save(file, "PNG")
    shown = thumbnail(file.getvalue(), 250)[..., 0].astype(int)
    np.testing.assert_allclose(shown[100], np.linspace(0, 248, 250), atol=2)
    twelve_bits = io.BytesIO()
    Image.fromarray(16 * ramp.astype(np.uint16)).save(twelve_bits, "PNG")
    shown = thumbnail(twelve_bits.getvalue(), 250)[..., 0].astype(int)
    np.testing.assert_allclose(shown[100], np.linspace(0, 248, 250), atol=3)
    clear = thumbnail(image_file((8, 8), "RGBA"), 8)
    np.testing.assert_array_equal(clear, 255)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "damaged"),
        (b"GIF89a", "damaged"),
        (image_file((64, 64))[:60], "damaged"),
        (image_file((640, 640), kind="JPEG")[:1500], "damaged"),
        (image_file((20_000, 20_000), "1"), "too large"),
        (image_file((10_000, 10_000), "1"), "too large"),
        (image_file((5000, MOST_PIXELS // 5000 + 1), "1"), "too large"),
        (image_file((4096, 4090), kind="WEBP"), "too large"),
        (image_file((5000, 5000), "L", "JPEG", progressive=True), "too large"),
    ],
)
def test_what_cannot_be_shown_says_why(data, problem):
    """And it is what cannot be measured, of the same kind."""
    with pytest.raises(ValueError, match=f"^{problem}$"):
        thumbnail(data, TILE)
    with pytest.raises(ImageError) as error:
        measure_image(data)
    assert problem in error.value.kind


def test_damage_anywhere_is_damage_or_nothing():
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (48, 48, 3), np.uint8))
    for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"):
        file = io.BytesIO()
        noise.save(file, kind)
        for _ in range(60):
            data = bytearray(file.getvalue()[: rng.integers(20, file.tell() + 1)])
            for place in rng.integers(0, min(len(data), 200), 3):
                data[place] = rng.integers(256)
            try:
                told = max(thumbnail(bytes(data), 32).shape[:2])
            except ValueError as error:
                told = str(error)
            assert told in (32, "damaged", "too large")


def test_a_sheet_shows_its_images_in_order(tmp_path):
    red = io.BytesIO()
    Image.new("RGB", (30, 30), (250, 0, 0)).save(red, "PNG")
    tiles = [Tile("a/b.jpg", 3.5, "glare", red.getvalue()), Tile("c.jpg", float("nan"))]
    contact_sheet(tmp_path / "sheet.png", tiles, "suspects", "by score")
    page = pixels_of(tmp_path / "sheet.png")
    is_red = (page == [250, 0, 0]).all(axis=2)
    assert is_red.sum() == TILE * TILE
    is_grey = (page == 0xD5).all(axis=2)
    assert is_grey.sum() > 0.9 * TILE * TILE
    assert np.argwhere(is_red)[:, 1].max() < np.median(np.argwhere(is_grey)[:, 1])


def test_a_sheet_asks_for_no_more_than_it_shows(tmp_path):
    asked = []

    def tiles() -> Iterator[Tile]:
        for number in range(1000):
            asked.append(number)
            yield Tile(f"{LONG}/{number}.jpg", number, LONG, None, "too large")

    contact_sheet(tmp_path / "full.png", tiles(), LONG, LONG)
    assert len(asked) == MOST_TILES
    contact_sheet(tmp_path / "none.png", [], "none")
    full, none = (pixels_of(tmp_path / name).shape for name in ("full.png", "none.png"))
    assert full[1] == none[1]
    assert full[0] > 4 * none[0]


def test_the_same_sheet_is_the_same_file(tmp_path):
    for name in ("one.png", "two.png"):
        contact_sheet(tmp_path / name, [Tile("a.jpg", 1.0, "blur", image_file((9, 9)))], "same")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_paths_are_shortened_in_the_middle():
    assert shortened("1/2.jpg") == "1/2.jpg"
    short = shortened("veriwild/1/00001/0000001234567.jpg")
    assert len(short) == LONGEST_PATH
    assert short.startswith("veriw")
    assert short.endswith("0000001234567.jpg")
