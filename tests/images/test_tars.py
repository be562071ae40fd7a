"""Images from tar files, and from folders of archives such as the shards of a WebDataset."""

import io
import os
import pickle
import random
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tracing import traced

from streamclust.errors import MISSING, TOO_LARGE, UNSUPPORTED, ImageError, SourceError
from streamclust.images import image_place as images
from streamclust.images.archive import ArchiveMarks, Images, ImageStore
from streamclust.images.members import BYTES_A_MEMBER
from streamclust.images.tar_index import TarIndex
from streamclust.sources.case_folder import find_case

NAMES = [f"veriwild/{i % 3}/{i:04d}.jpg" for i in range(40)]
LONG = "машины/" + "x" * 120 + "/é.jpg"
FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def content(name: str) -> bytes:
    return name.encode() * 50


def add(archive: tarfile.TarFile, name: str, data: bytes, **fields) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for field, value in fields.items():
        setattr(member, field, value)
    archive.addfile(member, io.BytesIO(data))


def make_tar(file: Path, names, form: int = tarfile.PAX_FORMAT, **fields) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w", format=form) as archive:
        for name in names:
            add(archive, name, content(name), **fields)
    return file


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("mtime", [0, 1.5])
@pytest.mark.parametrize("before", ["", "./", "/", "data/more/"])
def test_images_by_the_paths_of_the_list(tmp_path, form, mtime, before):
    names = NAMES if form == tarfile.USTAR_FORMAT else [*NAMES, LONG]
    file = tmp_path / "v.tar"
    with tarfile.open(file, "w", format=form) as archive:
        add(archive, f"{before}veriwild", b"", type=tarfile.DIRTYPE)
        for name in names:
            add(archive, before + name, content(name), mtime=mtime)
    store = pickle.loads(pickle.dumps(ImageStore(file)))
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(store.read, names * 3)) == [content(name) for name in names * 3]
    assert store.read(NAMES[5].replace("/", "\\")) == content(NAMES[5])
    for path in ("veriwild/9/0.jpg", "veriwild", "", "a\0b.jpg", "../v.tar", "\ud800.jpg"):
        with pytest.raises(ImageError, match="holds no image") as error:
            store.read(path)
        assert error.value.kind == MISSING


def test_plain_headers_are_read_as_tarfile_reads_them(tmp_path):
    for form in FORMATS:
        names = [*NAMES, *([] if form == tarfile.USTAR_FORMAT else [LONG]), "a" * 70 + "/x.jpg"]
        file = make_tar(tmp_path / "v.tar", names, form, mtime=2.25, uname="é" * 9)
        with tarfile.open(file) as archive:
            assert list(TarIndex.scan(file).names()) == archive.getnames() == names


def test_of_members_with_one_name_the_last_counts(tmp_path):
    with tarfile.open(tmp_path / "v.tar", "w") as archive:
        for name, data in (("v/1.jpg", b"1"), ("v/2.jpg", b"x"), ("v/1.jpg", b"new")):
            add(archive, name, data)
    store = ImageStore(tmp_path / "v.tar")
    assert store.read("v/1.jpg") == b"new"
    assert list(store.names()) == ["v/2.jpg", "v/1.jpg"]


def test_links_are_followed_within_the_archive(tmp_path):
    links = {
        "b/hard.jpg": (tarfile.LNKTYPE, "a/1.jpg"),
        "b/soft.jpg": (tarfile.SYMTYPE, "../a/1.jpg"),
        "out.jpg": (tarfile.SYMTYPE, "/etc/passwd"),
        "loop.jpg": (tarfile.SYMTYPE, "loop.jpg"),
    }
    with tarfile.open(tmp_path / "v.tar", "w") as archive:
        add(archive, "a/1.jpg", b"image")
        for name, (kind, target) in links.items():
            add(archive, name, b"", type=kind, linkname=target)
        add(archive, "null.jpg", b"", type=tarfile.CHRTYPE)
        add(archive, "../up.jpg", b"up")
    store = ImageStore(tmp_path / "v.tar")
    assert store.read("b/hard.jpg") == store.read("b/soft.jpg") == b"image"
    for name, words in (("out.jpg", "no image of the archive"), ("loop.jpg", "and so on")):
        with pytest.raises(ImageError, match=words) as error:
            store.read(name)
        assert error.value.kind == UNSUPPORTED
    assert set(store.names()) == {"a/1.jpg", *links}
    with pytest.raises(ImageError, match="holds no image"):
        store.read("null.jpg")


def test_sparse_and_large_members(tmp_path, monkeypatch):
    fields = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "s.jpg"}
    with tarfile.open(tmp_path / "v.tar", "w") as archive:
        table = b"1\n0\n5\n".ljust(512, b"\0")
        sparse = {**fields, "GNU.sparse.realsize": "99999"}
        add(archive, "GNUSparseFile.0/s.jpg", table + b"image", pax_headers=sparse)
        add(archive, "a.jpg", b"image")
    store = ImageStore(tmp_path / "v.tar")
    with pytest.raises(ImageError, match=r"'s.jpg' is stored as sparse: unpack") as error:
        store.read("s.jpg")
    assert error.value.kind == UNSUPPORTED
    assert store.read("a.jpg") == b"image"
    monkeypatch.setattr(images, "MOST_BYTES", 4)
    with pytest.raises(ImageError, match="has 5 bytes, more than 4") as error:
        store.read("a.jpg")
    assert error.value.kind == TOO_LARGE


def header(name: str, size: int, kind: bytes) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


HOSTILE = {
    "long name": header("n", 2**33, tarfile.GNUTYPE_LONGNAME),
    "pax": header("n", 2**40, tarfile.XHDTYPE),
    "below nothing": header("x.jpg", -5, tarfile.REGTYPE),
    "name of a negative length": header("x.jpg", -(2**40), tarfile.GNUTYPE_LONGNAME),
    "chain": header("n", 0, tarfile.GNUTYPE_LONGNAME) * 5000,
    "huge": header("x.jpg", 2**62, tarfile.REGTYPE),
    "lone header": header("x.jpg", 0, tarfile.XHDTYPE),
}


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_hostile_headers_are_refused_in_little_memory(tmp_path, hostile, first):
    file = tmp_path / "v.tar"
    whole = make_tar(file, NAMES[:1]).read_bytes()
    with open(file, "wb") as out:
        out.write(b"" if first else whole[: 512 * 3])
        out.write(hostile)
        out.truncate(2**34)

    def refused() -> None:
        with pytest.raises(SourceError, match=r"v\.tar: (is|was|its|ends)"):
            ImageStore(file)

    assert traced(refused)[1] < 8 * 2**20


def test_cut_short_and_damaged(tmp_path):
    file = make_tar(tmp_path / "v.tar", NAMES)
    whole = file.read_bytes()
    os.truncate(file, 19_000)
    with pytest.raises(SourceError, match=r"was cut short: 'veriwild/\d/\d+.jpg' ends at byte"):
        ImageStore(file)
    damaged = bytearray(whole)
    damaged[whole.index(b"veriwild/2/0005") + 3] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(SourceError, match=r"is damaged at byte \d+: copy it again"):
        ImageStore(file)
    for data in (b"no archive", b"no archive" * 100, b""):
        file.write_bytes(data)
        with pytest.raises(SourceError, match=r"v\.tar: (is|was) (not|cut|empty)"):
            ImageStore(file)
    file.write_bytes(bytes(10240))
    assert not list(ImageStore(file).names())
    # Writers that stop behind the last member leave out the empty blocks.
    file.write_bytes(whole.rstrip(b"\0") + bytes(-len(whole.rstrip(b"\0")) % 512))
    assert ImageStore(file).read(NAMES[-1]) == content(NAMES[-1])


def test_random_damage_never_surprises(tmp_path):
    chance = random.Random(0)
    file = make_tar(tmp_path / "v.tar", [*NAMES[:2], LONG], mtime=1.5)
    whole = file.read_bytes().rstrip(b"\0") + bytes(1024)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(600):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 1, 8])):
            data[chance.randrange(len(data))] = chance.randrange(256)
        file.write_bytes(data[: chance.choice([None, chance.randrange(len(data))])])
        try:
            ImageStore(file).read(LONG)
            outcomes["read"] += 1
        except SourceError as error:
            outcomes["refused"] += str(file) in str(error)
    assert sum(outcomes.values()) == 600
    assert min(outcomes.values()) > 20


def test_packed_tars_are_refused_with_the_way_out(tmp_path):
    folder = tmp_path / "case" / "row_data"
    make_tar(folder / "v.tar", NAMES[:3])
    (tmp_path / "case" / "a.npy").touch()
    assert find_case(tmp_path / "case" / "a.npy").images == folder / "v.tar"
    with tarfile.open(folder / "v.tar.gz", "w:gz") as archive:
        archive.add(folder / "v.tar")
    (folder / "v.tar").unlink()
    with pytest.raises(SourceError, match=r"v\.tar\.gz: is a packed tar file.*: unpack it"):
        find_case(tmp_path / "case" / "a.npy")
    with pytest.raises(SourceError, match=r"v\.tar\.gz: is compressed with gzip: unpack it first"):
        ImageStore(folder / "v.tar.gz")


def test_members_take_little_memory(tmp_path):
    headers = [
        tarfile.TarInfo(f"{number}.{ending}").tobuf(tarfile.GNU_FORMAT)
        for number in range(3_000)
        for ending in ("jpg", "json")
    ]
    (tmp_path / "v.tar").write_bytes(b"".join(headers))
    assert len(TarIndex.scan(tmp_path / "v.tar")) == 3_000
    (tmp_path / "other.tar").hardlink_to(tmp_path / "v.tar")
    # Other threads of the process may allocate as well.
    assert traced(lambda: ImageStore(tmp_path), 1)[1] < BYTES_A_MEMBER * 6_000 + 2**19


@pytest.fixture
def shards(tmp_path):
    """Three shards of a WebDataset, whose keys begin anew in the last two."""
    for shard, keys in enumerate((range(4), range(4, 8), range(6, 9))):
        with tarfile.open(tmp_path / f"shard-{shard:06d}.tar", "w") as archive:
            for key in keys:
                add(archive, f"{key:04d}.jpg", f"{shard} {key}".encode())
                add(archive, f"{key:04d}.json", b"{}")
    (tmp_path / "stats.parquet").touch()
    return tmp_path


def test_what_is_of_another_shard_is_missing(shards):
    store = ImageStore(shards / "shard-000001.tar")
    assert store.read("shard-000001/0005") == store.read("x/0005.jpg") == b"1 5"
    with pytest.raises(ImageError, match="holds no image"):
        store.read("shard-000000/0005")


def test_shards_are_one_archive(shards):
    store = pickle.loads(pickle.dumps(ImageStore(shards)))
    assert store.read("0005.jpg") == store.read("0005") == b"1 5"
    assert store.read("shard-000001/0006.jpg") == store.read("x/shard-000001.tar/0006") == b"1 6"
    assert store.read("shard-000002/0006") == b"2 6"
    for path in ("0006.jpg", "0006", "x/0007.jpg"):
        with pytest.raises(ImageError, match=r"2 of its archives.*shard-000002: list it as shard"):
            store.read(path)
    for path in ("0009.jpg", "shard-000000/0005.jpg", "shard-000009/0001.jpg", "shard-000000"):
        with pytest.raises(ImageError, match="holds no image"):
            store.read(path)
    names = list(store.names())
    assert names[3:6] == ["0003.jpg", "0004.jpg", "0005.jpg"]
    assert names[-2:] == ["shard-000002/0007.jpg", "0008.jpg"]
    assert [store.name_of(name) for name in names] == names
    with tarfile.open(shards / "shard-000000.tar", "a") as archive:
        add(archive, "0000.png", b"mask")
    with pytest.raises(ImageError, match=r"'0000' has several images, 0000\.jpg, 0000\.png"):
        ImageStore(shards).read("0000")


def test_archives_in_a_case_folder(shards, tmp_path):
    folder = tmp_path / "case" / "row_data"
    folder.mkdir(parents=True)
    (tmp_path / "case" / "a.npy").touch()
    for file in shards.glob("shard*"):
        file.rename(folder / file.name)
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.writestr("more/1.jpg", b"zipped")
    case = find_case(tmp_path / "case" / "a.npy")
    assert case.images == folder
    store = ImageStore(Images((folder,)))
    assert [store.read(path) for path in ("0001.jpg", "more/1.jpg")] == [b"0 1", b"zipped"]
    marks = ArchiveMarks(Images((folder,)))
    (folder / "more.zip").write_bytes(b"other")
    with pytest.raises(SourceError, match=r"more\.zip: changed while it was read"):
        marks.check()


def test_archives_appended_to_one_another(tmp_path):
    first, second = (make_tar(tmp_path / f"{n}.tar", NAMES[n::2]) for n in range(2))
    both = tmp_path / "both.tar"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    store = ImageStore(both)
    assert sorted(store.names()) == sorted(NAMES)
    assert store.read(NAMES[1]) == content(NAMES[1])
