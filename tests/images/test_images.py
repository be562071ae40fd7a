"""Images from folders and zip files, by the paths of a list."""

import errno
import os
import pickle
import random
import struct
import unicodedata
import warnings
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tracing import traced

from streamclust.errors import DAMAGED, MISSING, TOO_LARGE, UNSUPPORTED, ImageError, SourceError
from streamclust.images import image_place as images
from streamclust.images.archive import Images, ImageStore
from streamclust.images.image_place import MOST_BYTES
from streamclust.sources.case_folder import find_case
from streamclust.sources.paths import PathNumbers, iter_paths, path_digests

NAMES = [f"veriwild/{i % 3}/{i:04d}.jpg" for i in range(40)]


def content(name: str) -> bytes:
    return name.encode() * 50


def make_zip(folder: Path, names: list[str], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(folder / "images.zip", "w", method) as archive:
        archive.mkdir("empty")
        for name in names:
            archive.writestr(name, content(name))
    return folder / "images.zip"


def make_folder(folder: Path, names: list[str]) -> Path:
    for name in names:
        (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "images" / name).write_bytes(content(name))
    return folder / "images"


@pytest.fixture(params=[make_zip, make_folder])
def make(request, tmp_path):
    return lambda names: ImageStore(request.param(tmp_path, names))


def test_images_by_the_paths_of_the_list(make):
    store = make(NAMES)
    for name in NAMES:
        assert store.read(name.replace("/", "\\")) == content(name)
        assert store.read("./" + name) == content(name)
    assert sorted(store.names()) == sorted(NAMES)


@pytest.mark.parametrize(
    ("before", "drop"), [("", 1), ("data/", 0), ("data/", 1), ("data/more/", 0), ("data/more/", 1)]
)
def test_stores_that_begin_elsewhere(make, before, drop):
    held = {name: before + name.split("/", drop)[-1] for name in NAMES}
    store = make(list(held.values()))
    for name, inside in held.items():
        assert store.read(name) == content(inside)


def test_missing_images(make):
    store = make(NAMES)
    names = ("veriwild/9/0.jpg", "veriwild", "", "a\0b.jpg", "veriwild/1", NAMES[0] + "/x.jpg")
    for path in (*names, f"veriwild/{'x' * 300}.jpg", "x/" * 3000 + "y.jpg", "\ud800.jpg"):
        with pytest.raises(ImageError, match="holds no image") as error:
            store.read(path)
        assert error.value.kind == MISSING


def test_paths_do_not_lead_out_of_the_store(make, tmp_path):
    store = make(NAMES)
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    secret = str(tmp_path / "secret.jpg")
    unc = f"/{secret}".replace("/", "\\")
    for path in ("../secret.jpg", "x/../../secret.jpg", secret, f"/{secret}", f"//{secret}", unc):
        with pytest.raises(ImageError, match="holds no image") as error:
            store.read(path)
        assert error.value.kind == MISSING


STRAY = (
    ".DS_Store",
    "README.txt",
    "Thumbs.db",
    "__MACOSX/._wrap",
    "__MACOSX/wrap/v/1/._x.jpg",
    ".cache/x.jpg",
)


@pytest.mark.parametrize("stray", [*[(name,) for name in STRAY], STRAY])
@pytest.mark.parametrize("first", [True, False])
def test_stray_files_beside_the_images(make, stray, first):
    held = ["wrap/v/1/x.JPG", "wrap/v/2/y.png"]
    store = make([*stray, *held] if first else [*held, *stray])
    assert store.read("v/1/x.JPG") == content("wrap/v/1/x.JPG")
    assert store.read("2/y.png") == content("wrap/v/2/y.png")


def test_images_without_an_ending(make):
    assert make(["wrap/v/1", "wrap/v/2"]).read("v/1") == content("wrap/v/1")


def test_files_that_cannot_be_read_are_damaged(tmp_path, monkeypatch):
    """Whatever the file system says of one of them."""
    store = ImageStore(make_folder(tmp_path, NAMES[:3]))
    whole = Path.stat

    def fail(path, **options):
        if path.name == "0001.jpg":
            raise OSError(errno.EIO, "Input/output error")
        return whole(path, **options)

    monkeypatch.setattr(Path, "stat", fail)
    with pytest.raises(ImageError, match=r"0001\.jpg: cannot be read: Input") as error:
        store.read(NAMES[1])
    assert error.value.kind == DAMAGED
    assert store.read(NAMES[2]) == content(NAMES[2])


def test_links_that_lead_to_themselves(tmp_path):
    top = make_folder(tmp_path, NAMES[:1])
    (top / "loop").symlink_to("loop")
    (top / "loop.jpg").symlink_to("loop.jpg")
    store = ImageStore(top)
    for path in ("loop/x.jpg", "loop.jpg"):
        with pytest.raises(ImageError, match="holds no image"):
            store.read(path)


def test_an_archive_that_is_gone_is_no_missing_image(tmp_path):
    path = make_zip(tmp_path, NAMES[:3])
    store = ImageStore(path)
    path.unlink()
    with pytest.raises(SourceError, match="cannot be read") as error:
        store.read(NAMES[0])
    assert not isinstance(error.value, ImageError)


def test_threads_and_copies(make):
    store = pickle.loads(pickle.dumps(make(NAMES)))
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(store.read, NAMES * 20)) == [content(name) for name in NAMES * 20]


def test_a_path_of_one_place_is_not_looked_for_in_another(tmp_path):
    """Without its first part it would be found there, as another image."""
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.jpg").write_bytes(name.encode())
    (tmp_path / "three" / "1.jpg").write_bytes(b"third")
    places = tuple(tmp_path / name for name in ("one", "two", "three"))
    known = PathNumbers(
        path_digests(["b/0.jpg", "a/0.jpg", "b/1.jpg"]), np.array([1, 0, 1], np.int32)
    )
    store = pickle.loads(pickle.dumps(ImageStore(Images(places, known))))
    assert [store.read(path) for path in ("a/0.jpg", "b\\0.jpg")] == [b"one", b"two"]
    with pytest.raises(ImageError, match="two: holds no image"):
        store.read("b/1.jpg")
    assert [store.read(path) for path in ("c/0.jpg", "c/1.jpg")] == [b"one", b"third"]


def test_stored_members_and_names_in_other_letters(tmp_path):
    names = ["été/ü.jpg", "plain/a.jpg"]
    store = ImageStore(make_zip(tmp_path, names, zipfile.ZIP_STORED))
    assert list(store.names()) == names
    assert store.read("été\\ü.jpg") == content("été/ü.jpg")


def test_of_members_with_one_name_the_last_counts(tmp_path):
    """A file that was replaced by appending, as unzip and zipfile understand it."""
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(tmp_path / "v.zip", "w") as file:
        for name, data in (
            ("v/1.jpg", b"1"),
            ("v/2.jpg", b"x"),
            ("v/1.jpg", b"2"),
            *3 * [("v/3.jpg", b"3")],
            ("v/1.jpg", b"new"),
        ):
            file.writestr(name, data)
    store = ImageStore(tmp_path / "v.zip")
    assert store.read("v/1.jpg") == b"new"
    assert list(store.names()) == ["v/2.jpg", "v/3.jpg", "v/1.jpg"]


RUSSIAN, CHINESE = "veriwild/машины й/1.jpg", "veriwild/汽车許/乗1.jpg"


def zip_of_raw_names(file: Path, names: dict[bytes, bytes]) -> Path:
    """A zip file whose members' names are these bytes, with these extra fields."""
    raws = {f"{number:0{len(raw)}d}": raw for number, raw in enumerate(names)}
    with zipfile.ZipFile(file, "w") as archive:
        for (name, raw), extra in zip(raws.items(), names.values(), strict=True):
            member = zipfile.ZipInfo(name)
            member.extra = extra
            archive.writestr(member, raw)
    data = file.read_bytes()
    for name, raw in raws.items():
        data = data.replace(name.encode(), raw)
    file.write_bytes(data)
    return file


def unicode_path(name: str, raw: bytes) -> bytes:
    return struct.pack("<2HBL", 0x7075, 5 + len(name.encode()), 1, zlib.crc32(raw)) + name.encode()


@pytest.mark.parametrize(
    ("path", "encoding"),
    [(RUSSIAN, "utf-8"), (RUSSIAN, "cp866"), (CHINESE, "gbk"), ("veriwild/é/ü.jpg", "cp437")],
)
@pytest.mark.parametrize("drop", [0, 1])
def test_names_in_code_pages_that_no_member_tells(tmp_path, path, encoding, drop):
    inside = path.split("/", drop)[-1]
    raw, other = inside.encode(encoding), "a/й.jpg".encode("cp866")
    store = ImageStore(zip_of_raw_names(tmp_path / "v.zip", {raw: b"", other: b"", b"x.jpg": b""}))
    assert store.read(path) == raw
    assert store.read(unicodedata.normalize("NFD", path) if encoding == "utf-8" else path) == raw
    with pytest.raises(ImageError, match="holds no image"):
        store.read(path.replace(".jpg", ".png"))


def test_a_name_of_its_own_field_counts_unless_it_was_renamed_since(tmp_path):
    raw, renamed = RUSSIAN.encode("cp866"), b"veriwild/2.jpg"
    extras = {raw: unicode_path(RUSSIAN, raw), renamed: unicode_path("veriwild/old.jpg", b"old")}
    store = ImageStore(zip_of_raw_names(tmp_path / "v.zip", extras))
    assert list(store.names()) == [RUSSIAN, "veriwild/2.jpg"]
    assert store.read(RUSSIAN) == raw


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_letters_with_marks_as_any_system_writes_them(make, form):
    names = [f"машины й/{number}é.jpg" for number in range(3)]
    store = make([unicodedata.normalize(form, name) for name in names])
    for name in names:
        for listed in ("NFC", "NFD"):
            expected = content(unicodedata.normalize(form, name))
            assert store.read(unicodedata.normalize(listed, name)) == expected


def test_an_archive_behind_other_bytes(tmp_path):
    path = make_zip(tmp_path, NAMES)
    path.write_bytes(b"#!/bin/sh\n" * 100 + path.read_bytes())
    assert ImageStore(path).read(NAMES[3]) == content(NAMES[3])


def test_more_members_than_16_bits_count(tmp_path):
    names = [f"v/{i}.jpg" for i in range(66_000)]
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), name)
    store = ImageStore(tmp_path / "many.zip")
    assert sum(1 for _ in store.names()) == 66_000
    assert store.read("v\\65999.jpg") == b"v/65999.jpg"
    # As writers have it that know no zip64: the counts wrap, and all else fits 32 bits.
    data = bytearray((tmp_path / "many.zip").read_bytes())
    start, end64 = data.find(b"PK\1\2"), data.rfind(b"PK\6\6")
    del data[end64 : data.rfind(b"PK\5\6")]
    struct.pack_into("<2H2L", data, end64 + 8, 464, 464, end64 - start, start)
    (tmp_path / "wrapped.zip").write_bytes(data)
    assert sum(1 for _ in ImageStore(tmp_path / "wrapped.zip").names()) == 66_000
    struct.pack_into("<H", data, end64 + 10, 465)
    (tmp_path / "wrapped.zip").write_bytes(data)
    with pytest.raises(SourceError, match="has 66000 members where 465 are told of"):
        ImageStore(tmp_path / "wrapped.zip").read("v/1.jpg")


def test_members_with_64_bit_sizes(tmp_path):
    path = tmp_path / "large.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/b.jpg", b"image")
    data = bytearray(path.read_bytes())
    entry, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    # Move the sizes and the offset to a zip64 extra field, as writers do for large archives.
    extra = struct.pack("<2H3Q", 1, 24, 5, 5, 0)
    data[entry + 20 : entry + 28] = b"\xff" * 8
    data[entry + 30 : entry + 32] = struct.pack("<H", len(extra))
    data[entry + 42 : entry + 46] = b"\xff" * 4
    length = struct.unpack_from("<L", data, end + 12)[0] + len(extra)
    struct.pack_into("<L", data, end + 12, length)
    data[end:end] = extra
    path.write_bytes(data)
    assert zipfile.ZipFile(path).read("a/b.jpg") == b"image"
    assert ImageStore(path).read("a/b.jpg") == b"image"


def test_what_cannot_be_unpacked(tmp_path):
    path = make_zip(tmp_path, NAMES[:1], zipfile.ZIP_LZMA)
    with pytest.raises(ImageError, match="packed by LZMA: unpack the archive") as error:
        ImageStore(path).read(NAMES[0])
    assert error.value.kind == UNSUPPORTED
    data = bytearray(make_zip(tmp_path, NAMES[:1]).read_bytes())
    entry = data.index(b"PK\1\2", data.index(b"PK\1\2") + 1)
    data[entry + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(ImageError, match="is encrypted") as error:
        ImageStore(path).read(NAMES[0])
    assert error.value.kind == UNSUPPORTED


def test_images_up_to_the_limit_are_read(make, monkeypatch):
    store = make(NAMES)
    size = len(content(NAMES[0]))
    monkeypatch.setattr(images, "MOST_BYTES", size)
    assert store.read(NAMES[0]) == content(NAMES[0])
    monkeypatch.setattr(images, "MOST_BYTES", size - 1)
    with pytest.raises(ImageError, match=f"has {size:,} bytes, more than {size - 1:,}") as error:
        store.read(NAMES[0])
    assert error.value.kind == TOO_LARGE


def test_a_file_too_large_is_not_read(tmp_path):
    with open(tmp_path / "a.tif", "wb") as file:
        file.truncate(MOST_BYTES + 1)

    def refused() -> None:
        with pytest.raises(ImageError, match="has 33,554,433 bytes, more than 33,554,432: save it"):
            ImageStore(tmp_path).read("a.tif")

    assert traced(refused)[1] < 2**20


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (MOST_BYTES + 1, "'a.tif' has 33,554,433 bytes, more than 33,554,432: save it smaller"),
        (1000, "'a.tif' is damaged"),
    ],
)
def test_no_more_of_a_member_is_unpacked_than_it_says(tmp_path, declared, message):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.tif", bytes(MOST_BYTES + 1))
    data = bytearray(path.read_bytes())
    struct.pack_into("<L", data, data.rindex(b"PK\1\2") + 24, declared)
    path.write_bytes(data)
    store = ImageStore(path)

    def refused() -> None:
        with pytest.raises(SourceError, match=message) as error:
            store.read("a.tif")
        assert error.value.kind == (TOO_LARGE if declared > MOST_BYTES else DAMAGED)

    assert traced(refused)[1] < 2**20


def test_files_that_are_none(tmp_path):
    with pytest.raises(SourceError, match="does not exist"):
        ImageStore(tmp_path / "none")
    (tmp_path / "a.zip").write_bytes(b"no archive")
    with pytest.raises(SourceError, match="is not a zip file"):
        ImageStore(tmp_path / "a.zip")
    path = make_zip(tmp_path, NAMES)
    os.truncate(path, 500)
    with pytest.raises(SourceError, match="is not a zip file, or was cut short"):
        ImageStore(path)


def test_random_damage_never_surprises(tmp_path):
    chance = random.Random(0)
    path = make_zip(tmp_path, NAMES[:3])
    whole = path.read_bytes()
    outcomes = {"read": 0, "refused": 0}
    for _ in range(1500):
        data = bytearray(whole)
        data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(data[: chance.choice([None, chance.randrange(len(data))])])
        try:
            assert ImageStore(path).read(NAMES[1]) == content(NAMES[1])
            outcomes["read"] += 1
        except SourceError as error:
            outcomes["refused"] += str(path) in str(error)
    assert sum(outcomes.values()) == 1500
    assert min(outcomes.values()) > 20


def test_real_case(real_case):
    case = find_case(real_case)
    assert case.images is not None
    assert case.paths_file is not None
    store = ImageStore(case.images)
    with zipfile.ZipFile(case.images) as archive:
        for path in iter_paths(case.paths_file):
            assert store.read(path) == archive.read(path.replace("\\", "/"))
