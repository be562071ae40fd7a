"""Which rows are flagged, of which kind, and the tables and figures that tell it."""

import csv
import io
import os
import shutil
import struct
import zipfile
import zlib

import numpy as np
import pytest
from cases import write_case
from PIL import Image
from scipy.ndimage import gaussian_filter, zoom

from streamclust import api
from streamclust.errors import SettingsError, SourceError
from streamclust.events import Message
from streamclust.images.archive import ImageStore
from streamclust.images.image_place import MOST_BYTES
from streamclust.images.pixels import PEAK_BYTES
from streamclust.outliers.flagging import FlagOutliers
from streamclust.outliers.scores import far_out
from streamclust.passes import Rows, Shape
from streamclust.planning import ExpectedShapes
from streamclust.settings import Settings
from streamclust.store.workspace import Workspace

pytestmark = pytest.mark.usefixtures("unrendered")

N_ROWS = 400
COLUMNS = ["rank", "row", "path", "score", "kind", "sets", "a", "b"]
SPOILED = {3: "dark", 77: "glare", 78: "glare", 150: "blur", 200: "blank", 399: "dark"}
# Rows whose descriptors stand out though their pictures are ordinary, and the other way around.
UNUSUAL, HIDDEN = 250, (200, 399)


def read(file):
    with open(file, newline="") as lines:
        return list(csv.DictReader(lines))


def encoded(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=92)
    return file.getvalue()


def picture(row, spoiled=""):
    """Noise of equal energy in every octave, as natural scenes have, and what spoils it."""
    rng = np.random.default_rng(row)
    pixels = np.full((64, 96, 3), 120.0)
    for octave in (2, 4, 8, 16, 32):
        pixels += zoom(
            rng.normal(0, 12, (64 // octave, 96 // octave, 3)), (octave, octave, 1), order=1
        )
    match spoiled:
        case "dark":
            pixels *= 0.05
        case "glare":
            down, across = np.indices((64, 96))
            pixels[(down - 30) ** 2 + (across - 45) ** 2 < 28**2] = 255
        case "blur":
            pixels = gaussian_filter(pixels, (5, 5, 0))
        case "blank":
            pixels[:] = 128
    return encoded(pixels)


@pytest.fixture(scope="module")
def pictures():
    return [picture(row, SPOILED.get(row, "")) for row in range(N_ROWS)]


@pytest.fixture(scope="module")
def sets():
    """Rows about one direction; the odd ones in directions of their own."""
    rng = np.random.default_rng(0)
    made = {}
    for name, n_columns in (("a", 24), ("b", 10)):
        values = 5 + rng.normal(size=(N_ROWS, n_columns))
        odd = sorted({*SPOILED, UNUSUAL} - set(HIDDEN))
        values[odd] = 9 * rng.normal(size=(len(odd), n_columns))
        made[name] = values.astype(np.float32)
    return made


def make_case(folder, sets):
    return write_case(folder / "case", **sets)


def names_of(case):
    return [line["paths"].replace("\\", "/") for line in read(case / "images_paths.csv")]


def as_zip(case, contents):
    (case / "row_data").mkdir()
    with zipfile.ZipFile(case / "row_data" / "veriwild.zip", "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)


def as_folder(case, contents):
    for name, data in contents.items():
        (case / "row_data" / name).parent.mkdir(parents=True, exist_ok=True)
        (case / "row_data" / name).write_bytes(data)


def find(case, out, **changes):
    """Ingest and look for outliers; what was warned of."""
    said = []
    api.ingest(case, out, invalid=changes.pop("invalid", None))
    api.open(out).outliers(
        observers=[lambda e: said.append(e.text) if isinstance(e, Message) else None], **changes
    )
    return said


def kinds_of(out):
    return {int(line["row"]): line["kind"] for line in read(out / "outliers.csv") if line["kind"]}


@pytest.fixture(scope="module")
def case(tmp_path_factory, sets, pictures):
    case = make_case(tmp_path_factory.mktemp("images"), sets)
    as_zip(case, dict(zip(names_of(case), pictures, strict=True)))
    return case


@pytest.fixture(scope="module")
def found(case, tmp_path_factory):
    out = tmp_path_factory.mktemp("found") / "out"
    said = find(case, out)
    assert not [text for text in said if "row_data" in text or "zip" in text]
    return out


def test_kinds_of_spoiled_pictures(found):
    kinds = kinds_of(found)
    seen = {row: kind for row, kind in SPOILED.items() if row not in HIDDEN}
    assert {row: kinds[row] for row in seen} == seen
    assert kinds[UNUSUAL] == "unusual content"
    assert {row for row, kind in kinds.items() if kind != "unusual content"} == set(seen)
    reasons = {int(line["row"]): line for line in read(found / "outlier_reasons.csv")}
    assert {row: reasons[row]["kind"] for row in reasons} == seen
    assert float(reasons[3]["value"]) < float(reasons[3]["usual_low"])
    assert float(reasons[77]["value"]) > float(reasons[77]["usual_high"])


def test_of_images_in_folders_the_same_is_told(found, sets, pictures, tmp_path):
    case = make_case(tmp_path, sets)
    as_folder(case, dict(zip(names_of(case), pictures, strict=True)))
    find(case, tmp_path / "out")
    for name in ("outliers.csv", "outlier_reasons.csv", "labels.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (found / name).read_bytes()
    names = {path.name for path in (tmp_path / "out" / "figures").iterdir()}
    assert names == {path.name for path in (found / "figures").iterdir()}


def test_a_scan_finds_what_descriptors_hide(case, found, tmp_path):
    out = shutil.copytree(found, tmp_path / "out")
    api.open(out).outliers(scan_images=True)
    kinds = kinds_of(out)
    assert {row: kind for row, kind in kinds.items() if kind != "unusual content"} == SPOILED
    flagged = {int(line["row"]) for line in read(out / "labels.csv") if line["outlier"] == "1"}
    assert flagged == set(kinds)
    assert (out / "figures" / "outliers-blank.png").exists()
    # And back: what was flagged for its picture alone is forgotten.
    api.open(out).outliers(scan_images=False)
    assert kinds_of(out) == kinds_of(found)
    assert not (out / "figures" / "outliers-blank.png").exists()
    assert (out / "outliers.csv").read_bytes() == (found / "outliers.csv").read_bytes()


def test_the_contract_of_the_table(found):
    lines = read(found / "outliers.csv")
    assert list(lines[0]) == COLUMNS
    assert [int(line["rank"]) for line in lines] == list(range(1, len(lines) + 1))
    scores = [float(line["score"]) for line in lines]
    assert scores == sorted(scores, reverse=True)
    labels = read(found / "labels.csv")
    of_all = sorted((float(line["outlier_score"]) for line in labels), reverse=True)
    assert scores[:100] == of_all[:100]
    shown = {int(line["row"]): line for line in lines}
    assert len(shown) == len(lines) >= 100
    for row, line in enumerate(labels):
        assert line["outlier"] == "0" or shown[row]["kind"]
    for row, line in shown.items():
        assert line["score"] == labels[row]["outlier_score"]
        assert line["path"] == labels[row]["path"]
        pair = np.array([float(line["a"]), float(line["b"])])
        assert float(line["score"]) == pytest.approx(np.sqrt((pair**2).mean()), abs=2e-4)
    assert shown[77]["sets"] == "a b"


def test_figures(found):
    names = {path.name for path in (found / "figures").iterdir()}
    assert names == {
        "outlier-scores.png",
        "outliers-top.png",
        *(f"outliers-{kind}.png" for kind in ("dark", "glare", "blur", "unusual-content")),
    }
    for name in names:
        with Image.open(found / "figures" / name) as figure:
            figure.load()
            assert min(figure.size) > 100


def test_nothing_is_done_twice_and_other_shares_flag_more(case, found, tmp_path):
    out = shutil.copytree(found, tmp_path / "out")
    before = (out / "outliers.csv").read_bytes()
    for share, count in ((0.02, 8), (0.3, 120)):
        api.open(out).outliers(contamination=share)
        flags = [line["outlier"] for line in read(out / "labels.csv")]
        assert flags.count("1") == count
        assert len(read(out / "outliers.csv")) == max(100, count)
    api.open(out).outliers(contamination="auto")
    assert (out / "outliers.csv").read_bytes() == before


def test_auto_flags_none_where_there_are_none(tmp_path):
    """Points of a lattice: none is odd, none is there twice."""
    values = np.stack(np.meshgrid(*[range(5)] * 4), axis=-1).reshape(-1, 4).astype(np.float32)
    out = tmp_path / "out"
    find(write_case(tmp_path / "case", a=values), out, outlier_scaling="none")
    lines = read(out / "outliers.csv")
    assert len(lines) == 100
    assert not any(line["kind"] for line in lines)
    assert {line["outlier"] for line in read(out / "labels.csv")} == {"0"}
    assert read(out / "outlier_groups.csv") == []
    assert read(out / "duplicates.csv") == []


@pytest.mark.parametrize("share", [0, 0.6, -1, "many", True, float("nan")])
def test_shares_that_are_none(tmp_path, share):
    Workspace(tmp_path, create=True)
    with pytest.raises(SettingsError, match=r"write auto, or a share up to 0\.5, such as 0\.01"):
        api.open(tmp_path).outliers(contamination=share)


@pytest.mark.parametrize("contamination", ["auto", 0.01])
def test_masked_rows_are_flagged_first(tmp_path, sets, contamination):
    masked = {name: values.copy() for name, values in sets.items()}
    masked["a"][[7, 300]] = np.nan
    masked["b"][[7, 20], 2] = np.inf
    out = tmp_path / "out"
    find(write_case(tmp_path / "case", **masked), out, invalid="mask", contamination=contamination)
    lines = read(out / "outliers.csv")
    assert [int(line["row"]) for line in lines[:3]] == [7, 20, 300]
    for line in lines[:3]:
        assert (line["score"], line["kind"]) == ("inf", "invalid descriptor")
    assert [line["sets"] for line in lines[:3]] == ["a b", "b", "a"]
    labels = read(out / "labels.csv")
    assert [labels[row]["outlier"] for row in (7, 20, 300)] == ["1"] * 3
    if contamination == 0.01:
        assert sum(line["outlier"] == "1" for line in labels) == 3 + 4


def test_images_that_are_wrong_and_those_that_are_not_there(tmp_path, sets, pictures):
    """Each is named with what to do; the other rows keep their kinds."""
    case = make_case(tmp_path, sets)
    names = names_of(case)
    contents = dict(zip(names, pictures, strict=True))
    bomb = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (
            (b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress(bytes(60_001) * 100)),
            (b"IEND", b""),
        )
    )
    del contents[names[3]]
    contents[names[77]] = pictures[77][:300]
    contents[names[78]] = bomb
    contents[names[150]] = b""
    as_folder(case, contents)
    (tmp_path / "secret.jpg").write_bytes(picture(0, "dark"))
    listed = (case / "images_paths.csv").read_text().splitlines()
    listed[1 + UNUSUAL] = "..\\..\\secret.jpg"
    (case / "images_paths.csv").write_text("\n".join(listed) + "\n")
    out = tmp_path / "out"
    said = find(case, out)
    kinds = kinds_of(out)
    assert kinds[3] == kinds[UNUSUAL] == "missing image"
    assert kinds[77] == kinds[150] == "damaged image"
    assert kinds[78] == "image too large"
    (message,) = (text for text in said if "looked at" in text)
    assert "damaged image 2, image too large 1, missing image 2 of" in message
    assert (out / "figures" / "outliers-missing-image.png").exists()
    said = find(case, out, scan_images=True)
    assert any("damaged image 2, image too large 1, missing image 2 (rows 3, 77" in t for t in said)
    kinds = kinds_of(out)
    assert {row: kinds[row] for row in HIDDEN} == {row: SPOILED[row] for row in HIDDEN}


def test_paths_that_climb_out_of_a_zip(tmp_path, sets, pictures):
    case = make_case(tmp_path, sets)
    contents = dict(zip(names_of(case), pictures, strict=True))
    as_zip(case, {**contents, "../../etc/passwd": pictures[3]})
    listed = (case / "images_paths.csv").read_text().splitlines()
    listed[1 + 3] = "../../etc/passwd"
    (case / "images_paths.csv").write_text("\n".join(listed) + "\n")
    out = tmp_path / "out"
    assert any("missing image 1 of" in text for text in find(case, out))
    assert kinds_of(out)[3] == "missing image"


def test_files_that_are_no_files(tmp_path, sets, pictures):
    """A pipe would be waited for without end, and a link may lead nowhere."""
    case = make_case(tmp_path, sets)
    as_folder(case, dict(zip(names_of(case), pictures, strict=True)))
    places = [case / "row_data" / name for name in names_of(case)]
    for row in (77, 78, 150):
        places[row].unlink()
    os.mkfifo(places[77])
    places[78].symlink_to("nowhere.jpg")
    with open(places[150], "wb") as file:
        file.truncate(MOST_BYTES + 1)
    store = ImageStore(case / "row_data")
    for row, message in ((77, "no regular file"), (78, "holds no image"), (150, "more than")):
        with pytest.raises(SourceError, match=message):
            store.read(names_of(case)[row])
    out = tmp_path / "out"
    find(case, out)
    kinds = kinds_of(out)
    assert [kinds[row] for row in (77, 78, 150)] == ["missing image"] * 2 + ["image too large"]


@pytest.mark.parametrize("scan_images", [False, True])
def test_images_that_are_replaced_are_looked_at_again(
    tmp_path, sets, pictures, scan_images, monkeypatch
):
    """By the next command of the same process, which asks each file once."""
    case, out = make_case(tmp_path, sets), tmp_path / "out"
    as_folder(case, dict(zip(names_of(case), pictures, strict=True)))
    find(case, out, scan_images=scan_images)
    assert kinds_of(out)[UNUSUAL] == "unusual content"
    (case / "row_data" / names_of(case)[UNUSUAL]).write_bytes(picture(UNUSUAL, "glare"))
    walked = []
    walk = os.walk
    monkeypatch.setattr(os, "walk", lambda top: walked.append(top) or walk(top))
    api.open(out).outliers(scan_images=scan_images)
    assert walked == [case / "row_data"]
    assert kinds_of(out)[UNUSUAL] == "glare"


def test_images_take_memory_only_where_they_are_read():
    raw = {"a": Rows(Shape((1000, 8), np.float32))}
    without, reading = (
        FlagOutliers(["a"]).needs(ExpectedShapes(raw, Settings(), has_images=has_images))[0]
        for has_images in (False, True)
    )
    assert without.per_block < 2**23
    assert reading.per_block >= PEAK_BYTES + MOST_BYTES
    assert without.smallest < reading.smallest - reading.per_block


@pytest.mark.parametrize("spoil", ["all others", "no zip", "gone", "none"])
def test_without_images_scores_come_without_reasons(tmp_path, sets, pictures, spoil):
    case = make_case(tmp_path, sets)
    out = tmp_path / "out"
    match spoil:
        case "all others":
            as_folder(case, {f"other/{row}.jpg": pictures[0] for row in range(3)})
            expected = "holds none of the"
        case "no zip":
            (case / "row_data").mkdir()
            (case / "row_data" / "veriwild.zip").write_bytes(b"no zip")
            expected = "is not a zip file"
        case "gone":
            as_zip(case, dict(zip(names_of(case), pictures, strict=True)))
            find(case, out)
            assert kinds_of(out)[3] == "dark"
            shutil.rmtree(case / "row_data")
            said = []
            api.open(out).outliers(observers=[said.append])
            expected = "is gone"
            said = [event.text for event in said if isinstance(event, Message)]
        case "none":
            expected = "the case has no images"
    if spoil != "gone":
        said = find(case, out)
    assert sum(expected in text for text in said) == 1
    flagged = {int(line["row"]) for line in read(out / "labels.csv") if line["outlier"] == "1"}
    assert kinds_of(out) == dict.fromkeys(flagged, "unusual content")
    assert read(out / "outlier_reasons.csv") == []
    assert (out / "figures" / "outlier-scores.png").exists()
    assert not list((out / "figures").glob("outliers-*.png"))


def test_exact_copies_in_all_sets_are_duplicates(tmp_path, sets):
    copied = {name: values.copy() for name, values in sets.items()}
    for values in copied.values():
        values[[40, 100, 390]] = values[30]
        values[61] = values[60]
    copied["a"][81] = copied["a"][80]
    out = tmp_path / "out"
    find(write_case(tmp_path / "case", **copied), out)
    lines = read(out / "duplicates.csv")
    assert list(lines[0]) == ["group", "row", "path", "distance"]
    groups = {}
    for line in lines:
        groups.setdefault(line["group"], []).append(int(line["row"]))
        assert float(line["distance"]) == 0
        assert line["path"].endswith(f"{int(line['row']):06}.jpg")
    assert list(groups.values()) == [[30, 40, 100, 390], [60, 61]]


def test_duplicates_follow_the_paths(tmp_path, sets):
    copied = {"a": sets["a"].copy()}
    copied["a"][40] = copied["a"][30]
    case, out = write_case(tmp_path / "case", **copied), tmp_path / "out"
    find(case, out, group="none")
    listed = (case / "images_paths.csv").read_text().replace("veriwild", "other")
    (case / "images_paths.csv").write_text(listed)
    find(case, out, group="none")
    assert {line["path"][:5] for line in read(out / "duplicates.csv")} == {"other"}


def test_groups_of_outliers_that_are_alike(tmp_path, sets):
    values = sets["a"].copy()
    rng = np.random.default_rng(5)
    members = np.arange(300, 312)
    values[members] = 9 * rng.normal(size=24) + 0.3 * rng.normal(size=(12, 24))
    out = tmp_path / "out"
    find(write_case(tmp_path / "case", a=values), out)
    lines = read(out / "outlier_groups.csv")
    assert {int(line["row"]) for line in lines} == set(members.tolist())
    assert {(line["group"], line["size"], line["share"]) for line in lines} == {
        ("0", "12", "0.030000")
    }


def test_outliers_of_other_rows_are_not_told(tmp_path, sets):
    out = tmp_path / "out"
    find(write_case(tmp_path / "case", a=sets["a"]), out)
    assert "outlier" in read(out / "labels.csv")[0]
    other = write_case(tmp_path / "other", a=sets["a"][::-1].copy())
    api.ingest(other, out)
    api.open(out).export()
    assert "outlier" not in read(out / "labels.csv")[0]
    assert api.open(out).info()["outliers"] is None


def test_large_folders_make_no_duplicates(tmp_path):
    rng = np.random.default_rng(0)
    centers = 5 * rng.normal(size=(20, 24))
    values = (np.repeat(centers, 60, axis=0) + rng.normal(size=(1200, 24))).astype(np.float32)
    case, out = write_case(tmp_path / "case", a=values), tmp_path / "out"
    listed = [f"camera\\{row // 60}\\{row:06}.jpg" for row in range(1200)]
    (case / "images_paths.csv").write_text("\n".join(["paths", *listed]) + "\n")
    find(case, out)
    assert read(out / "duplicates.csv") == []


def test_what_one_set_alone_sees_is_flagged_however_many_agree(tmp_path):
    rng = np.random.default_rng(3)
    alike, other = (rng.normal(size=(600, 24)) + 2 for _ in range(2))
    other[7] = 2 + 2.5 * rng.normal(size=24)
    sets = {f"a{number}": alike for number in range(6)} | {"other": other}
    case = write_case(tmp_path / "case", **{k: v.astype(np.float32) for k, v in sets.items()})
    out = tmp_path / "out"
    find(case, out)
    store = api.open(out).store
    found, own = store["outliers"], store["descriptors/other/outliers/score"][...]
    assert own[7] > 2 * far_out(own)
    assert found["score"][7] < found.attrs["threshold"]
    assert found["flagged"][7]
    api.open(out).outliers(contamination=1e-3)
    assert not api.open(out).store["outliers/flagged"][7]
