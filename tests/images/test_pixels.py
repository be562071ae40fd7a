"""Measures of images whose answers are known."""

import io
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps
from scipy.ndimage import gaussian_filter

from streamclust.errors import DAMAGED, TOO_LARGE, UNSUPPORTED, ImageError
from streamclust.figures import thumbnail
from streamclust.images import pixels
from streamclust.images.pixels import (
    MEASURES,
    MOST_SCANS,
    MOST_SIDE,
    PEAK_BYTES,
    detail,
    measure_image,
    small_picture,
)
from streamclust.memory import peak_resident, reset_peak, resident


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
        ("PA", "TIFF", {}),
        ("YCbCr", "TIFF", {}),
        ("LAB", "TIFF", {}),
    ],
)
def test_formats_and_modes_come_to_the_same(mode, format, options):
    image = picture(KEPT).convert("L").convert("RGB")
    plain = measured(image)
    image = (image.convert("LA") if mode == "PA" else image).convert(mode)
    assert measured(image, format, **options) == pytest.approx(plain, rel=0.02, abs=0.02)


def test_one_bit():
    halves = Image.fromarray(KEPT > 128)
    assert halves.mode == "1"
    assert measured(halves) == measured(halves.convert("RGB"))


@pytest.mark.parametrize(
    ("format", "dtype", "white"),
    [
        ("PNG", np.uint16, 255),
        ("PNG", np.uint16, 4095),
        ("PNG", np.uint16, 65535),
        ("PPM", np.int32, 65535),
        ("TIFF", np.uint16, 1023),
        ("TIFF", np.int32, 255),
        ("TIFF", np.int32, 65535),
        ("TIFF", np.int32, 2**31 - 1),
        ("TIFF", np.float32, 1),
        ("TIFF", np.float32, 255),
        ("TIFF", np.float32, 65535),
    ],
)
def test_deep_images_come_to_the_same(format, dtype, white):
    values = KEPT.clip(0, 255) / 255
    values[0, 0] = 1
    image = Image.fromarray((values * white).astype(dtype))
    plain = measured(picture(255 * values))
    assert measured(image, format) == pytest.approx(plain, rel=0.02, abs=0.2)


def test_a_dark_float_image_is_dark():
    dark = measured(Image.fromarray((KEPT / 255 / 20).astype(np.float32)), "TIFF")
    assert dark["highlights"] == pytest.approx(measured(picture(KEPT))["highlights"] / 20, rel=0.02)


def test_a_16_bit_image_in_the_other_byte_order():
    values = (KEPT.clip(0, 255) * 257).astype(np.uint16)
    tags = ((256, 150), (257, 150), (258, 16), (259, 1), (262, 1), (273, 8), (277, 1), (278, 150))
    size = (279, 2 * values.size)
    pixels = values.astype(">u2").tobytes()
    entries = b"".join(struct.pack(">HHLHH", tag, 3, 1, value, 0) for tag, value in (*tags, size))
    header = struct.pack(">2sHL", b"MM", 42, 8 + len(pixels))
    data = header + pixels + struct.pack(">H", 9) + entries + bytes(4)
    assert measured(data) == pytest.approx(measured(Image.fromarray(values), "TIFF"))


def test_floats_that_are_no_numbers():
    values = (KEPT / 255).astype(np.float32)
    values[:30, :30], values[60, 60] = np.nan, np.inf
    found = measured(Image.fromarray(values), "TIFF")
    assert np.isfinite(list(found.values())).all()
    assert found["brightness"] == pytest.approx(measured(picture(KEPT))["brightness"], rel=0.06)


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_what_is_transparent_is_grey_whatever_colour_it_hides(mode):
    seen = np.zeros((150, 150), bool)
    seen[40:110, 40:110] = True
    expected = measured(picture(np.where(seen, KEPT, 128)))
    for hidden in (0, 255):
        image = picture(np.where(seen, KEPT, hidden)).convert("L")
        if mode == "P":
            image = Image.fromarray(np.where(seen, np.clip(image, 1, 254), hidden).astype(np.uint8))
            data = encoded(image.convert("P"), transparency=hidden)
        else:
            image = image.convert("RGBA")
            image.putalpha(Image.fromarray(255 * seen.astype(np.uint8)))
            data = encoded(image)
        assert measured(data) == pytest.approx(expected, rel=0.02, abs=0.05)


@pytest.mark.slow
def test_a_huge_jpeg_is_measured_small_and_other_huge_images_are_refused():
    huge = picture(scene(64)).resize((9000, 9000))
    found = measured(huge, "JPEG", quality=50)
    assert found["width"] == 9000
    assert found["detail"] == pytest.approx(measured(huge.resize((300, 300)))["detail"], abs=0.05)
    for data in (encoded(huge, "JPEG", progressive=True), encoded(huge.convert("1"), "PNG")):
        with pytest.raises(ImageError, match="9000 × 9000 pixels, more than 16,777,216") as error:
            measure_image(data)
        assert error.value.kind == TOO_LARGE


def test_files_that_are_no_images():
    for data in (b"", b"text", b"%!PS-Adobe-3.0 EPSF-3.0", b"\xff\xd8\xff", b"GIF89a"):
        with pytest.raises(ImageError, match=r"is (no image|damaged)") as error:
            measure_image(data)
        assert error.value.kind == DAMAGED


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


def chunk(kind, data):
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def black_png(width, height, *more):
    head = struct.pack(">2L5B", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(height * (1 + 3 * width)))
    chunks = (chunk(b"IHDR", head), chunk(b"IDAT", pixels), *more, chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("size", [(1, 2**24), (2**24, 1), (2, 2**23)])
def test_long_lines_of_pixels_are_refused(size):
    with pytest.raises(ImageError, match=f"on one side more than {MOST_SIDE:,}") as error:
        measure_image(black_png(*size))
    assert error.value.kind == TOO_LARGE


@pytest.mark.parametrize("size", [(256, MOST_SIDE), (1, MOST_SIDE), (MOST_SIDE, 3)])
def test_the_longest_lines_of_pixels_stay_in_the_bound(size):
    data = black_png(*size)
    before = resident()
    reset_peak()
    assert measured(data)["height"] == size[1]
    assert peak_resident() - before < PEAK_BYTES


def repeated_scans(times, before=b""):
    """A progressive JPEG whose last scan comes more often, with bytes in front of each."""
    data = encoded(Image.new("RGB", (64, 48)), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + (before + last) * times + data[-2:]


@pytest.mark.parametrize("before", [b"", b"\xff", b"\xff\xfe\0\2"])
def test_scans_of_a_jpeg_are_bounded(before):
    assert measured(repeated_scans(MOST_SCANS - 10, before))["width"] == 64
    with pytest.raises(ImageError, match=f"has more than {MOST_SCANS} scans: save it") as error:
        measure_image(repeated_scans(MOST_SCANS - 9, before))
    assert error.value.kind == TOO_LARGE


def test_bytes_like_scans_in_a_profile_are_none():
    assert measured(picture(KEPT), "JPEG", icc_profile=b"\xff\xda" * 20_000)["width"] == 150
    endless = encoded(picture(KEPT), "JPEG")[:2] + b"\xff\xfe\0\2" * 20_000
    with pytest.raises(ImageError, match=r"more than 100 scans|damaged"):
        measure_image(endless + b"\xff\xda" * 200)


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_seen_upright(format, orientation):
    pixels = np.zeros((90, 60, 3), np.uint8)
    pixels[:30], pixels[:, :20, 0] = 80, 200
    image = Image.fromarray(pixels)
    options = {"lossless": True} if format == "WEBP" else {}
    data = encoded(image, format, exif=turned(orientation), **options)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))), np.float32)
    size, small = small_picture(data)
    assert size == expected.shape[1::-1]
    assert measured(data)["aspect"] == pytest.approx(size[0] / size[1])
    shown = thumbnail(data, 90)
    assert shown.shape == expected.shape
    assert np.abs(shown - expected).mean() < 4
    assert small.shape[0] > small.shape[1] if orientation < 5 else small.shape[0] < small.shape[1]
    step = np.array(expected.shape[:2]) // 6
    for y in (1, 5):
        for x in (1, 5):
            place = tuple(np.array([y, x]) * small.shape[:2] // 6)
            np.testing.assert_allclose(small[place], expected[y * step[0], x * step[1]], atol=12)


def test_what_is_no_exif_leaves_a_picture_as_it_lies():
    whole = turned(6).tobytes()
    for exif in (whole[:20], whole[:6] + b"XX" + whole[8:], b"Exif\0\0", whole[:-12], b"\xff" * 40):
        found = measured(black_png(60, 40, chunk(b"eXIf", exif)))
        assert found["width"] == 60
    behind = black_png(60, 40, chunk(b"eXIf", whole.removeprefix(b"Exif\0\0")))
    assert measured(behind)["width"] == 40


def test_a_tile_larger_than_its_picture_is_refused():
    tags = ((256, 8), (257, 8), (258, 8), (259, 1), (262, 1), (277, 1), (322, 65520), (323, 65520))
    entries = b"".join(struct.pack("<HHLL", tag, 4, 1, value) for tag, value in (*tags, (324, 8)))
    entries += struct.pack("<HHLL", 325, 4, 1, 64)
    data = struct.pack("<2sHL", b"II", 42, 8) + struct.pack("<H", 10) + entries + bytes(80)
    with pytest.raises(ImageError, match="save it smaller") as error:
        measure_image(data)
    assert error.value.kind == TOO_LARGE


@pytest.mark.parametrize(
    ("begin", "name"),
    [
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", "AVIF"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0avifmiaf", "AVIF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIF"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xff\x4f\xff\x51\0", "JPEG 2000"),
        (b"\xff\x0a\0", "JPEG XL"),
        (b"8BPS\0\1", "PSD"),
        (b'<?xml version="1.0"?>\n<!-- a --><svg width="3">', "SVG"),
    ],
)
def test_pictures_in_other_formats_are_not_called_damaged(begin, name):
    with pytest.raises(ImageError, match=f"is a picture in {name}, which is not read") as error:
        measure_image(begin + bytes(100))
    assert error.value.kind == UNSUPPORTED
    with pytest.raises(ValueError, match=r"^unsupported$"):
        thumbnail(begin + bytes(100), 64)
