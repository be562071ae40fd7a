"""Descriptions of a demo with images: files, what they claim against truth, and when they are made
anew."""

import csv
import shutil
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from cases import write_case
from click.testing import CliRunner
from PIL import Image

from streamclust import api
from streamclust.cli import commands
from streamclust.errors import MemoryBudgetError, SettingsError, SourceError
from streamclust.events import Message, PassStarted, StepFinished
from streamclust.images.pixels import MEASURES
from streamclust.images.quality_rules import IMAGE_KINDS, Yardstick
from streamclust.store.clusterings import recommended_clusterings, stored_clusterings
from streamclust.store.descriptions import load_description
from streamclust.store.workspace import Workspace

pytestmark = pytest.mark.usefixtures("all_unrendered")

FILES = ("descriptions.csv", "description_evidence.csv", "readability.csv")


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("describe")
    api.demo(folder, rows=500, n_clusters=(6, 9), descriptors="vdc_color,osnet")
    return folder


@pytest.fixture
def out(demo, tmp_path) -> Path:
    """Results that were never described."""
    return shutil.copytree(demo / "out", tmp_path / "out")


@pytest.fixture(scope="module")
def described(demo, tmp_path_factory) -> Path:
    """The same, described as it is described if nothing is said; no test changes it."""
    out = shutil.copytree(demo / "out", tmp_path_factory.mktemp("described") / "out")
    api.open(out).describe(workers=2)
    return out


def lines(file: Path) -> list[dict[str, str]]:
    with open(file, newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def truth(demo: Path) -> list[dict[str, str]]:
    return lines(demo / "case" / "truth.csv")


def test_no_colour_is_claimed_that_truth_contradicts(demo, described):
    colours = np.array([line["colour"] for line in truth(demo)])
    workspace, told = Workspace(described), 0
    for own in recommended_clusterings(workspace, ["vdc_color", "osnet"]).values():
        labels = own.labels[...]
        description = load_description(own)
        for finding in description.findings:
            if finding.kind == "colour":
                known = colours[(labels == finding.cluster) & (colours != "")]
                named = np.isin(known, finding.value.split("|")).mean()
                value, count = Counter(known.tolist()).most_common(1)[0]
                assert value in finding.value.split("|") or count < len(known) / 2
                assert named >= 0.5, (own.path, finding)
                told += 1
    assert told >= 6


def test_a_line_a_cluster_with_rows_of_it(described):
    case = api.open(described)
    told = lines(described / FILES[0])
    workspace = Workspace(described)
    assert len(told) == sum(
        own.n_clusters for own in recommended_clusterings(workspace, case.descriptors).values()
    )
    for line in told:
        labels = case.labels(line["set"])[...]
        assert int(line["rows"]) == (labels == int(line["cluster"])).sum()
        for kind in ("typical", "varied", "borderline", "worst"):
            rows = np.array(line[kind].split(), int)
            assert len(rows) == len(set(rows.tolist())) > 0
            assert (labels[rows] == int(line["cluster"])).all()
        assert line["text"].endswith(".")
    for name in case.descriptors:
        names = [line["name"] for line in told if line["set"] == name]
        assert len(set(names)) == len(names)
    readable = {line["set"]: line for line in lines(described / FILES[2])}
    assert float(readable["vdc_color"]["readability"]) > 0.7
    assert float(readable["vdc_color"]["consistency"]) > float(
        readable["vdc_color"]["consistency_by_chance"]
    )


def test_compare_shows_the_readability(out):
    api.open(out).compare()
    assert {line["readability"] for line in lines(out / "comparison.csv")} == {""}
    api.open(out).describe()
    told = {line["set"]: float(line["readability"]) for line in lines(out / FILES[2])}
    api.open(out).compare()
    shown = {line["set"]: float(line["readability"]) for line in lines(out / "comparison.csv")}
    assert shown == pytest.approx(told, rel=1e-5)


def test_every_claim_has_its_number(described):
    evidence = lines(described / FILES[1])
    assert {line["claim"] for line in evidence} >= {"colour", "measure"}
    for line in evidence:
        assert float(line["p"]) < 0.01
        assert int(line["n"]) > 0
    told = {(line["set"], line["cluster"]): line["text"] for line in lines(described / FILES[0])}
    for line in evidence:
        if line["claim"] == "colour":
            share = f"{100 * float(line['in_cluster']):.0f} % of {line['n']} image"
            assert share in told[line["set"], line["cluster"]]


def test_attributes_are_told_with_exact_shares(demo, out):
    api.open(out).describe(demo / "case" / "truth.csv", columns="type,view")
    told = {
        (line["set"], int(line["cluster"]), line["name"], line["value"]): float(line["in_cluster"])
        for line in lines(out / FILES[1])
        if line["claim"] == "attribute"
    }
    assert told
    known = truth(demo)
    case = api.open(out)
    for (name, cluster, attribute, value), share in told.items():
        inside = [
            line[attribute]
            for line, label in zip(known, case.labels(name)[...], strict=True)
            if label == cluster and line[attribute]
        ]
        assert share == pytest.approx(inside.count(value) / len(inside), rel=1e-5)


def steps(out, **how):
    seen = []
    api.open(out).describe(observers=[seen.append], **how)
    return {(one.step, one.skipped) for one in seen if isinstance(one, StepFinished)}


def test_what_is_there_is_skipped(out):
    assert ("describe", False) in steps(out)
    before = [(out / file).stat().st_mtime_ns for file in FILES]
    assert ("describe", True) in steps(out)
    assert [(out / file).stat().st_mtime_ns for file in FILES] == before
    # Other words, the same numbers.
    english = lines(out / FILES[0])
    assert ("describe", True) in steps(out, language="ru")
    russian = lines(out / FILES[0])
    assert [line["typical"] for line in russian] == [line["typical"] for line in english]
    assert russian[0]["text"] != english[0]["text"]
    # Another clustering is described beside the first, which comes back.
    assert ("describe", False) in steps(out, clustering="kmeans-6")
    assert {line["clustering"] for line in lines(out / FILES[0])} == {"kmeans-6"}
    assert ("describe", True) in steps(out)


def test_results_do_not_depend_on_workers_and_budget(described, out):
    api.open(out).describe(workers=1, memory="600MiB")
    for file in FILES:
        assert (out / file).read_bytes() == (described / file).read_bytes()


def test_without_images(case_folder, tmp_path):
    out = tmp_path / "out"
    api.ingest(case_folder, out)
    api.open(out).reduce().cluster(n_clusters=(5,)).measure()
    (tmp_path / "known.csv").write_text(
        "row,colour\n" + "\n".join(f"{row},{'=red' if row % 2 else '<b>blue</b>'}"
                                   for row in range(3000)) + "\n"
    )  # fmt: skip
    api.open(out).describe()
    assert lines(out / FILES[2])[0]["readability"] == ""
    assert not any(line["claim"] == "colour" for line in lines(out / FILES[1]))
    api.open(out).describe(tmp_path / "known.csv")
    assert abs(float(lines(out / FILES[2])[0]["readability"])) < 0.3


def test_bad_pictures_are_counted_in_all_images_of_a_scan(demo, out):
    api.open(out).describe(clustering=9)
    of_sample = lines(out / FILES[1])
    api.open(out).outliers(scan_images=True)
    api.open(out).describe(clustering=9)
    case, told = api.open(out), [one for one in lines(out / FILES[1]) if one["claim"] == "picture"]
    assert told
    pixels, looks = case.store["images/pixels"][:], case.store["images/looks/values"][:]
    kinds = Yardstick.fit(looks[:, : len(MEASURES)]).first_kinds(pixels)
    for line in told:
        inside = case.labels(line["set"], 9)[:] == int(line["cluster"])
        shares = [
            (kinds == IMAGE_KINDS.index(line["value"]))[rows].mean() for rows in (inside, ~inside)
        ]
        assert int(line["n"]) == inside.sum()
        assert [float(line["in_cluster"]), float(line["elsewhere"])] == pytest.approx(
            shares, rel=1e-5
        )
    # All else is told of the sample, as before.
    seen = [{k: v for k, v in one.items() if k != "p"} for one in lines(out / FILES[1])]
    assert all(
        {k: v for k, v in one.items() if k != "p"} in seen
        for one in of_sample
        if one["claim"] == "colour"
    )


def test_outliers_of_other_rows_are_not_told(out):
    workspace = Workspace(out)
    workspace.root["outliers"].attrs["made_of"] = {"images/path": "of other rows"}
    api.open(out).describe()
    assert {line["outlier_share"] for line in lines(out / FILES[0])} == {""}


def test_values_are_text_and_no_formula(tmp_path):
    """An attribute that follows the clusters, of values a browser or a spreadsheet would run."""
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 2, 400)
    values = (rng.normal(size=(400, 6)) + 20 * groups[:, None]).astype(np.float32)
    out = tmp_path / "out"
    api.ingest(write_case(tmp_path / "case", a=values), out)
    api.open(out).reduce().cluster(n_clusters=(2, 3)).measure()
    texts = ["=HYPERLINK(1)", "<script>alert(1)</script>"]
    known = "\n".join(f"{row},{texts[group]}" for row, group in enumerate(groups))
    (tmp_path / "known.csv").write_text(f"row,kind\n{known}\n")
    api.open(out).describe(tmp_path / "known.csv", clustering=2)
    names = {line["name"] for line in lines(out / FILES[0])}
    assert names == {f"'{texts[0]}", texts[1]}
    assert float(lines(out / FILES[2])[0]["readability"]) == pytest.approx(1)


def test_images_that_are_gone_or_damaged(demo, out, tmp_path):
    archive = tmp_path / "images.zip"
    workspace = Workspace(out)
    with zipfile.ZipFile(next((demo / "case" / "row_data").glob("*.zip"))) as whole:
        names = whole.namelist()
        with zipfile.ZipFile(archive, "w") as part:
            for number, name in enumerate(names):
                data = whole.read(name)
                if number % 5:
                    part.writestr(name, data if number % 3 else data[: len(data) // 2])
    workspace.root["images/path"].attrs["images"] = str(archive)
    seen = []
    api.open(out).describe(observers=[seen.append])
    told = [one.text for one in seen if isinstance(one, Message) and one.level == "warning"]
    assert any("no good" in text and "missing" in text for text in told)
    assert any(line["claim"] == "colour" for line in lines(out / FILES[1]))
    archive.unlink()
    api.open(out).describe()
    assert not any(line["claim"] == "colour" for line in lines(out / FILES[1]))


def test_a_zip_of_images_that_is_replaced_while_it_is_read_leaves_what_was_told(
    demo, out, tmp_path
):
    api.open(out).describe(clustering=6)
    before = [(out / file).read_bytes() for file in FILES]
    (whole,) = (demo / "case" / "row_data").glob("*.zip")
    archive = Path(shutil.copy(whole, tmp_path / "images.zip"))
    Workspace(out).root["images/path"].attrs["images"] = str(archive)

    def replace(event):
        if isinstance(event, PassStarted) and event.name.endswith("reading images"):
            with zipfile.ZipFile(archive, "w") as other:
                other.writestr("1/1.jpg", b"another")

    with pytest.raises(SourceError, match=r"images\.zip: changed while it was read"):
        api.open(out).describe(observers=[replace], clustering=6)
    assert [(out / file).read_bytes() for file in FILES] == before


def test_a_scheduler_describes_the_same(described, out, dask_address):
    api.open(out).describe(scheduler=dask_address)
    for file in FILES:
        assert (out / file).read_bytes() == (described / file).read_bytes()


def test_what_cannot_be_described(out, tmp_path):
    with pytest.raises(SettingsError, match="has a clustering 77: "):
        api.open(out).describe(clustering=77)
    with pytest.raises(SettingsError, match="language='fr' is none of en, ru"):
        api.open(out).describe(language="fr")
    with pytest.raises(MemoryBudgetError, match="describe"):
        api.open(out).describe(memory="281MiB")
    (tmp_path / "other.csv").write_text("path,type\nnowhere.jpg,van\nelsewhere.jpg,bus\n")
    with pytest.raises(SourceError):
        api.open(out).describe(tmp_path / "other.csv")
    assert not (out / FILES[0]).exists()


def test_the_command(out):
    told = CliRunner().invoke(
        commands, ["describe", str(out), "--descriptors", "osnet", "--n-clusters", "9",
                   "--language", "ru", "--quiet"]
    )  # fmt: skip
    assert told.exit_code == 0, told.output
    assert {(line["set"], line["clustering"]) for line in lines(out / FILES[0])} == {
        ("osnet", "kmeans-9")
    }
    own = next(one for one in stored_clusterings(Workspace(out), "osnet") if one.n_clusters == 9)
    assert load_description(own) is not None


@pytest.mark.parametrize("n_folders", [1, 2])
def test_images_in_few_folders(tmp_path, n_folders):
    """A flat folder, or train and test."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 2, 80)
    case = write_case(tmp_path / "case", a=(rng.normal(size=(80, 4)) + 9 * kinds[:, None]))
    paths = [f"v/{row % n_folders}/{row:03}.jpg" for row in range(80)]
    (case / "images_paths.csv").write_text("\n".join(["paths", *paths]) + "\n")
    for path, kind in zip(paths, kinds, strict=True):
        (case / "row_data" / path).parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(40 + 90 * kind, 120 + 90 * kind, (12, 16, 3), np.uint8)
        Image.fromarray(pixels).save(case / "row_data" / path)
    api.ingest(case, tmp_path / "out")
    api.open(tmp_path / "out").reduce().cluster(n_clusters=(2,)).measure().describe()
    (readable,) = lines(tmp_path / "out" / "readability.csv")
    assert float(readable["readability"]) > 0.9
