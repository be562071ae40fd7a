"""Measures of images whose answers are known."""

import io
import random

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from streamclust.models import pixels
from streamclust.models.pixels import MEASURES, ImageError, detail, measure_image


def encoded(image, format="PNG", **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def measured(image, format="PNG", **options):
    data = image if isinstance(image, bytes) else encoded(image, format, **options)
    return dict(zip(MEASURES, measure_image(data).tolist(), strict=True))


def scene(side=256, seed=0, slope=1.0):
    """A picture whose amplitude spectrum falls as frequency to the power `slope`, as natural
    scenes' do with 1 (Field 1987): every octave holds the same energy."""
    chance = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    frequency[0, 0] = np.inf
    noise = np.fft.fft2(chance.standard_normal((side, side)))
    values = np.fft.ifft2(noise / frequency**slope).real
    return 128 + 40 * values / values.std()


def picture(values):
    return Image.fromarray(values.clip(0, 255).round().astype(np.uint8)).convert("RGB")


def test_plain_pictures():
    grey = measured(Image.new("RGB", (120, 90), (100, 100, 100)))
    assert grey == {
        "saturated": 0,
        "white_disc": 0,
        "brightness": pytest.approx(100),
        "highlights": pytest.approx(100),
        "contrast": pytest.approx(0, abs=1e-4),
        "detail": pytest.approx(0, abs=1e-4),
        "entropy": 0,
        "width": 120,
        "height": 90,
        "aspect": pytest.approx(4 / 3),
    }
    assert measured(Image.new("RGB", (9, 9), "white"), "JPEG")["saturated"] == 1
    assert measured(Image.new("RGB", (1, 1), "black"))["highlights"] == 0


def test_luma_and_entropy():
    halves = Image.new("RGB", (64, 64), (255, 0, 0))
    halves.paste((0, 0, 255), (0, 0, 32, 64))
    found = measured(halves)
    assert found["brightness"] == pytest.approx(255 * (0.299 + 0.114) / 2, abs=1)
    assert found["contrast"] == pytest.approx(255 * (0.299 - 0.114) / 2, rel=0.02)
    assert found["highlights"] == pytest.approx(255 * 0.299, abs=1)
    assert 1 <= found["entropy"] < 1.3  # two levels, and the few that resizing puts between


@pytest.mark.parametrize("white", [255, 225])
@pytest.mark.parametrize("size", [(64, 64), (500, 500)])
def test_the_largest_white_disc(white, size):
    image = Image.new("RGB", size, (90, 60, 30))
    draw = ImageDraw.Draw(image)
    scale = size[0] / 100
    draw.ellipse([scale * v for v in (20, 20, 80, 80)], (white,) * 3)
    draw.rectangle([scale * v for v in (0, 90, 100, 100)], (white,) * 3)
    found = measured(image)
    assert found["white_disc"] == pytest.approx(0.3, abs=0.02)
    assert found["saturated"] == pytest.approx(np.pi * 0.3**2 + 0.1, abs=0.04)


@pytest.mark.parametrize("side", [64, 200, 500])
def test_natural_scenes_have_equal_octaves(side):
    found = [detail(scene(side, seed)) for seed in range(8)]
    assert np.mean(found) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("slope", [0.5, 2.0])
def test_detail_is_the_slope_of_the_spectrum(slope):
    """Amplitude f^-s in two dimensions: an octave finer holds 4^(s - 1) times less energy."""
    found = [detail(scene(seed=seed, slope=slope)) for seed in range(8)]
    assert np.mean(found) == pytest.approx((1 - slope) * np.log10(4), abs=0.12)


def test_detail_knows_blur_but_neither_size_nor_contrast():
    values = scene(512)
    sharp = measured(picture(values))["detail"]
    small = measured(picture(values).resize((90, 90), Image.Resampling.BOX), "JPEG", quality=90)
    faint = measured(picture(100 + (values - 100) / 5))
    assert small["detail"] == pytest.approx(sharp, abs=0.08)
    assert faint["detail"] == pytest.approx(sharp, abs=0.08)
    blurred = [measured(picture(gaussian_filter(values, s * 512)))["detail"] for s in (0.03, 0.07)]
    assert sharp - 0.2 > blurred[0] > blurred[1] + 0.2


KEPT = scene(150)


@pytest.mark.parametrize(
    ("mode", "format", "options"),
    [
        ("RGB", "JPEG", {"quality": 95}),
        ("RGB", "JPEG", {"quality": 95, "progressive": True}),
        ("CMYK", "JPEG", {"quality": 95}),
        ("RGB", "WEBP", {"lossless": True}),
        ("RGB", "BMP", {}),
        ("RGB", "TIFF", {}),
        ("RGB", "PPM", {}),
        ("RGBA", "PNG", {}),
        ("LA", "PNG", {}),
        ("L", "GIF", {}),
        ("P", "PNG", {}),
        ("I;16", "PNG", {}),
    ],
)
def test_formats_and_modes_come_to_the_same(mode, format, options):
    image = picture(KEPT).convert("L")
    plain = measured(image)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) << 8)
    else:
        image = image.convert(mode)
    assert measured(image, format, **options) == pytest.approx(plain, rel=0.02, abs=0.02)


def test_a_huge_jpeg_is_measured_small_and_other_huge_images_are_refused():
    huge = picture(scene(64)).resize((9000, 9000))
    found = measured(huge, "JPEG", quality=50)
    assert found["width"] == 9000
    assert found["detail"] == pytest.approx(measured(huge.resize((300, 300)))["detail"], abs=0.05)
    for data in (encoded(huge, "JPEG", progressive=True), encoded(huge.convert("1"), "PNG")):
        with pytest.raises(ImageError, match="9000 × 9000 pixels, more than 16,777,216") as error:
            measure_image(data)
        assert error.value.kind == pixels.TOO_LARGE


def test_files_that_are_no_images():
    for data in (b"", b"text", b"%!PS-Adobe-3.0 EPSF-3.0", b"\xff\xd8\xff", b"GIF89a"):
        with pytest.raises(ImageError, match=r"is (no image|damaged)") as error:
            measure_image(data)
        assert error.value.kind == pixels.DAMAGED


@pytest.mark.filterwarnings("ignore")
def test_random_damage_never_surprises():
    chance = random.Random(0)
    small = picture(KEPT).resize((60, 45))
    outcomes = {"measured": 0, "refused": 0}
    for format in pixels._FORMATS:
        whole = encoded(small, format)
        for _ in range(100):
            data = bytearray(whole)
            for _ in range(chance.choice([1, 5])):
                data[chance.randrange(min(len(data), chance.choice([60, 10**6])))] = (
                    chance.randrange(256)
                )
            try:
                found = measure_image(data[: chance.choice([None, chance.randrange(len(data))])])
                assert np.isfinite(found).all()
                outcomes["measured"] += 1
            except ImageError as error:
                outcomes["refused"] += "\n" not in str(error)
    assert sum(outcomes.values()) == 700
    assert min(outcomes.values()) > 100
