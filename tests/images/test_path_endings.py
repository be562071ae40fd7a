"""Lists whose paths begin otherwise than the images do."""

import pickle
import tarfile
import zipfile

import numpy as np
import pytest
from cases import write_case
from PIL import Image
from tracing import traced

from streamclust import api
from streamclust.errors import MISSING, UNSUPPORTED, ImageError
from streamclust.images.archive import Images, ImageStore
from streamclust.images.path_endings import find_beginning

IDS = [f"{i % 7}/{i:04d}.jpg" for i in range(60)]


def make_folder(top, names):
    for name in names:
        (top / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (top / "images" / name).write_bytes(name.encode())
    return top / "images"


def make_zip(top, names):
    with zipfile.ZipFile(top / "images.zip", "w") as archive:
        for name in names:
            archive.writestr(name, name)
    return top / "images.zip"


def make_tar(top, names):
    (top / "files").mkdir()
    with tarfile.open(top / "images.tar", "w") as archive:
        for number, name in enumerate(names):
            (top / "files" / str(number)).write_bytes(name.encode())
            archive.add(top / "files" / str(number), name)
    return top / "images.tar"


@pytest.fixture(params=[make_folder, make_zip, make_tar])
def make(request, tmp_path):
    return lambda names: request.param(tmp_path, names)


def opened(place, *lists):
    """A store that has seen paths of these lists, and what it says."""
    store = ImageStore(Images((place,), None, lambda: [(0, list(paths)) for paths in lists]))
    said = []
    store.tell(type("Events", (), {"note": lambda _, words: said.append(words)})())
    return pickle.loads(pickle.dumps(store)), said


@pytest.mark.parametrize(
    ("before", "inside", "words"),
    [
        ("/home/x/data/", "", r"without their first 3 parts (/home/x/data): "),
        ("C:\\data\\img\\", "", "without their first 3 parts (C:/data/img): "),
        ("C:\\data\\img\\", "img/", "without their first 2 parts (C:/data): "),
        ("../../img/", "", "without their first 3 parts (../../img): "),
        ("s3://bucket/img/", "img/", "without their first 2 parts (s3:/bucket): "),
        ("/home/x/data/", "more/images/", "without their first 3 parts (/home/x/data) and below "),
        ("a/b/", "more/images/", "without their first 2 parts (a/b) and below more/images: "),
        ("", "deep/", "below deep: "),
    ],
)
def test_one_beginning_in_place_of_another(make, before, inside, words):
    names = [inside + name for name in IDS]
    other = "deeper/other.jpg" if inside != "deep/" else "x/y/z.jpg"
    paths = [before + name.replace("/", "\\" if "\\" in before else "/") for name in IDS]
    store, (said,) = opened(make([*names, other]), paths[::3])
    assert said.startswith("images")
    assert f": paths are looked for {words}" in said
    assert "20 of 20 looked at are there" in said
    for path, name in zip(paths, names, strict=True):
        assert store.read(path) == name.encode()
        assert store.name_of(path) == name
    for path in (
        f"{before}8/0001.jpg",
        "/etc/passwd",
        f"{before}../{IDS[0]}",
        "/home/y/1/0001.jpg",
    ):
        with pytest.raises(ImageError, match="holds no image") as error:
            store.read(path)
        assert error.value.kind == MISSING


def test_lists_that_match_stay_as_they_are(make):
    place = make([f"v/{name}" for name in IDS] + ["old/v/1/0001.jpg"])
    store, said = opened(place, [f"x/{name}" for name in IDS[:-1]] + [f"v/{IDS[-1]}"])
    assert said == []
    with pytest.raises(ImageError, match="holds no image"):
        store.read("/home/v/1/0001.jpg")


def test_each_list_may_begin_otherwise(make):
    lists = [IDS[:20], [f"/a/{name}" for name in IDS[20:40]], [f"/b/c/{n}" for n in IDS[40:]]]
    store, said = opened(make(IDS), *lists, lists[1])
    assert [words.partition(": ")[2] for words in said] == [
        "paths are looked for without their first part (/a): 20 of 20 looked at are there",
        "paths are looked for without their first 2 parts (/b/c): 20 of 20 looked at are there",
    ]
    assert [store.read(path) for one in lists for path in one] == [name.encode() for name in IDS]


def holding(names):
    known = {*names, *(name.rpartition(".")[0] for name in names)}
    return lambda parts: "/".join(parts) in known


def beginning(names, paths):
    found = find_beginning(lambda: names, lambda: (), holding(names), paths)
    return found if found is None or isinstance(found, str) else (found.dropped, found.added)


@pytest.mark.parametrize(
    ("names", "paths"),
    [
        # Names alone, in several folders of the list or of the images.
        (["dogs/1.jpg", "dogs/2.jpg"], ["x/cats/1.jpg", "x/dogs2/2.jpg"]),
        (["1.jpg", "2.jpg"], ["/x/a/1.jpg", "/x/b/2.jpg"]),
        # Another data set with the same numbers.
        (
            [f"other/{n}" for n in ("1/1.jpg", *IDS[5:])],
            [f"/x/mine/{i}/{i}.jpg" for i in range(50)],
        ),
        # What stands in folders of one ending, of which each has as many.
        (["1.jpg"], ["/x/2.jpg"]),
        ([], ["/x/2.jpg"]),
        (["1.jpg"], []),
    ],
)
def test_no_image_is_taken_for_another(names, paths):
    assert beginning(names, paths) is None


def test_the_longest_common_ending(tmp_path):
    # Most paths would also be found as dogs, if folders were put in place of each other.
    names = [f"x/dogs/{name}" for name in IDS]
    paths = [f"/home/x/cats/{name}" for name in IDS[:50]] + [f"/home/x/dogs/{n}" for n in IDS[50:]]
    assert beginning(names, paths) == (("/", "home"), ())
    assert beginning([f"img/{n}" for n in IDS] + [f"masks/{n}" for n in IDS], paths[:40]) == (
        "paths end as images of several folders do (img, masks): which are meant cannot be told; "
        "name the folder that they are below"
    )
    assert beginning([f"a/{i}/0.jpg" for i in range(40)], ["/x/0.jpg", "/x/1.jpg"]) is None
    # Without endings, as keys of samples.
    assert beginning(IDS, ["/x/" + name[:-4] for name in IDS]) == (("/", "x"), ())


def test_what_several_images_end_in_is_not_guessed(make):
    names = [*(f"train/{name}" for name in IDS), f"test/{IDS[3]}", f"test/{IDS[3]}.jpg"]
    store, (said,) = opened(make(names), IDS)
    assert "below train: 60 of 60" in said
    assert store.read(IDS[4]) == f"train/{IDS[4]}".encode()
    with pytest.raises(ImageError, match=f"several images end in {IDS[3]}") as error:
        store.read(IDS[3])
    assert error.value.kind == UNSUPPORTED


def test_shards_are_named_by_paths_of_another_machine(tmp_path):
    for shard in range(3):
        (tmp_path / "made").mkdir(exist_ok=True)
        make_tar(tmp_path / "made", [f"{key:04d}.jpg" for key in range(shard * 3, shard * 3 + 4)])
        (tmp_path / "shards").mkdir(exist_ok=True)
        (tmp_path / "made/images.tar").rename(tmp_path / f"shards/{shard:05d}.tar")
        for file in (tmp_path / "made/files").iterdir():
            file.unlink()
        (tmp_path / "made/files").rmdir()
    paths = [f"/data/laion/{key // 3:05d}.tar/{key:04d}" for key in range(9)]
    for listed in (paths, [path.replace(".tar", "") for path in paths]):
        store, (said,) = opened(tmp_path / "shards", listed)
        assert "without their first 2 parts (/data/laion): 9 of 9" in said
        assert [store.read(path) for path in listed] == [f"{k:04d}.jpg".encode() for k in range(9)]


def test_little_is_held_of_many_names():
    names = [f"v/{i % 100}/{i}.jpg" for i in range(20_000)]
    paths = [f"/x/v/{i % 100}/{i}.jpg" for i in range(0, 20_000, 100)]
    holds = holding(names)
    assert traced(lambda: find_beginning(lambda: names, lambda: (), holds, paths))[1] < 2**20


def test_a_run_says_once_where_images_are_looked_for(tmp_path):
    rows = np.random.default_rng(0).normal(size=(300, 5)).astype("f4")
    names = [f"{row % 5}/{row}.png" for row in range(300)]
    case = write_case(tmp_path / "case", a=rows)
    (case / "images_paths.csv").write_text("\n".join(f"/home/x/{name}" for name in names))
    for name in names:
        file = case / "row_data" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6), "red").save(file)
    told = []
    done = api.ingest(case, tmp_path / "out", memory="2GiB").reduce().cluster(n_clusters=2)
    done.outliers(observers=[lambda event: told.append(getattr(event, "text", ""))])
    said = [words for words in told if "paths are looked for" in words]
    assert said == [
        "row_data: paths are looked for without their first 2 parts (/home/x): 256 of 256 looked "
        "at are there"
    ]
    assert not [words for words in told if "missing" in words]
