"""`streamclust report`: what is on the page, with what there is, and how large it gets."""

import json
import math
import re
import shutil
import zipfile
from pathlib import Path
from string import Formatter

import numpy as np
import pytest
from cases import write_case
from click.testing import CliRunner

from streamclust import api
from streamclust.cli import commands
from streamclust.comparison.compare_sets import compared_tables
from streamclust.errors import MemoryBudgetError, SettingsError, SourceError
from streamclust.events import Message, PassStarted, StepFinished
from streamclust.images.archive import ImageStore, stored_images
from streamclust.images.pixels import MEASURES
from streamclust.outliers.explanation import KINDS
from streamclust.passes.executors import LocalExecutor
from streamclust.passes.passes import Passes
from streamclust.report.overview import Table, comparison_tables
from streamclust.report.page import PATH_BYTES, as_json, content_policy
from streamclust.report.pictures import fewer, thumbnails
from streamclust.report.points import sample_points
from streamclust.report.words import Words
from streamclust.settings import Settings
from streamclust.steps import Job
from streamclust.store.clusterings import recommended_clusterings
from streamclust.store.workspace import Workspace


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    """Results with images, of which nothing is described."""
    folder = tmp_path_factory.mktemp("report")
    api.demo(folder, rows=300, n_clusters=(4, 6), descriptors="vdc_color,osnet")
    return folder / "out"


@pytest.fixture
def out(demo, tmp_path) -> Path:
    return shutil.copytree(demo, tmp_path / "out")


@pytest.fixture(scope="module")
def plain(tmp_path_factory, blobs) -> Path:
    """Results of which nothing but the reduced rows is there."""
    folder = tmp_path_factory.mktemp("plain")
    case = write_case(folder / "case", a=blobs[0], b=blobs[0][:, :1])
    api.ingest(case, folder / "out")
    api.open(folder / "out").reduce()
    return folder / "out"


def data_of(page: Path) -> dict:
    found = re.search(
        r'<script type="application/json" id="data">(.*?)</script>', page.read_text("utf-8"), re.S
    )
    assert found is not None
    return json.loads(found[1])


def job_of(out: Path) -> Job:
    return Job(Workspace(out), Settings(), LocalExecutor(2))


def test_the_page_asks_nothing_of_a_network_and_allows_no_other_script(out):
    api.open(out).report()
    text = (out / "report.html").read_text("utf-8")
    assert not re.search(r"https?://|@import|url\(", text)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.S)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.S)
    policy = content_policy(style, script).replace("'", "&#39;")
    assert f'content="{policy}"' in text
    assert " style=" not in text


def test_cards_tell_what_the_store_holds(out):
    api.open(out).report()
    for told in data_of(out / "report.html")["sets"]:
        workspace = Workspace(out)
        own = recommended_clusterings(workspace, [told["name"]])[told["name"]]
        labels, flagged = own.labels[...], workspace.root["outliers/flagged"][...]
        by_name = {one["name"]: one for one in told["clusterings"]}
        shown = by_name[own.name]
        assert told["recommended"] == own.name
        assert shown["mark"] == workspace.fingerprint_of(own.path)
        assert len(shown["cards"]) == own.n_clusters
        for card in shown["cards"]:
            inside = labels == card["cluster"]
            assert card["size"] == inside.sum()
            assert card["share"] == pytest.approx(inside.mean())
            assert card["outliers"] == pytest.approx(flagged[inside].mean())
            assert (labels[card["rows"]["by chance"]] == card["cluster"]).all()
        # Others have cards without what takes a pass.
        assert set(by_name) == set(workspace.clusterings(told["name"]))
        others = [one for one in told["clusterings"] if one is not shown]
        assert all(card["outliers"] is None for one in others for card in one["cards"])
        scores = workspace.root[own.path].attrs["scores"]
        assert shown["scores"]["davies_bouldin"] == pytest.approx([scores["davies_bouldin"]], 1e-4)
        silhouette = [scores[f"silhouette{end}"] for end in ("", "_low", "_high")]
        assert shown["scores"]["silhouette"] == pytest.approx(silhouette, rel=1e-4)


def test_described_clusters_come_with_sentences_and_images_of_each_kind(out):
    api.open(out).describe(descriptors="osnet")
    api.open(out).report()
    data = data_of(out / "report.html")
    by_name = {one["name"]: one for one in data["sets"]}
    (shown,) = [one for one in by_name["osnet"]["clusterings"] if one.get("described")]
    for card in shown["cards"]:
        assert card["text"]
        assert card["suggested"]
        rows = [row for own in card["rows"].values() for row in own]
        assert len(rows) == len(set(rows))
        assert all(data["images"][str(row)].startswith("data:image/jpeg;base64,") for row in rows)
    assert {kind for card in shown["cards"] for kind in card["rows"]} == {
        *("typical", "varied", "borderline")
    }


def test_points_are_the_sampled_rows_at_their_places(out):
    api.open(out).layout("pca", 3, descriptors="osnet")
    job = job_of(out)
    own = recommended_clusterings(job.workspace, ["osnet"])["osnet"]
    points = sample_points(Passes(job.executor), job, "osnet", [own], 100)
    assert len(set(points.rows.tolist())) == len(points.rows) == 100
    np.testing.assert_array_equal(points.labels[own.name], own.labels[...][points.rows])
    (plot,) = points.plots
    layout = job.workspace.root["descriptors/osnet/layouts/pca-3"]
    low, high = np.array(layout.attrs["limits"]).T
    share = (layout["positions"][...][points.rows] - low) / (high - low)
    np.testing.assert_allclose(plot.positions / 65_535, share.clip(0, 1), atol=1e-5)
    assert points.first(7).rows.tolist() == points.rows[:7].tolist()


def test_images_stay_within_their_bytes(out):
    job = job_of(out)
    images = stored_images(job)
    assert images is not None
    rows = [5, 3, 5, 9, 250]
    found = thumbnails(Passes(job.executor), job, images, rows)
    assert list(found) == [5, 3, 9, 250]
    room = len(found[5]) + len(found[3])
    assert list(thumbnails(Passes(job.executor), job, images, rows, room)) == [5, 3]
    assert list(fewer(found, len(found[250]) + 1)) == [5, 3]
    assert fewer(found, 10**9) == {}


def test_with_nothing_but_reduced_rows_it_says_what_to_run(plain, tmp_path):
    out = shutil.copytree(plain, tmp_path / "out")
    api.open(out).report()
    text = (out / "report.html").read_text("utf-8")
    for command in ("cluster", "measure", "outliers", "compare", "export"):
        assert f"streamclust {command} OUT" in text
    data = data_of(out / "report.html")
    assert data["images"] == {}
    assert [one["clusterings"] for one in data["sets"]] == [[], []]
    # A set of one column lies on a line.
    assert [one["plots"][0]["dimensions"] for one in data["sets"]] == [2, 2]


def test_the_page_of_many_rows_and_long_paths_is_bounded(tmp_path):
    rng = np.random.default_rng(0)
    case = write_case(tmp_path / "case", a=rng.normal(size=(9000, 4)).astype(np.float32))
    paths = [f"{row:06}{'x' * 900}é\\.jpg" for row in range(9000)]
    (case / "images_paths.csv").write_text("\n".join(["paths", *paths]) + "\n", encoding="utf-8")
    api.ingest(case, tmp_path / "out")
    api.open(tmp_path / "out").reduce()
    api.open(tmp_path / "out").report()
    page = tmp_path / "out" / "report.html"
    own = data_of(page)["sets"][0]
    assert 1000 < own["points"] < PATH_BYTES // 900
    assert page.stat().st_size < 2 * PATH_BYTES


def test_a_page_that_a_person_changed_is_kept(plain, tmp_path):
    out = shutil.copytree(plain, tmp_path / "out")
    api.open(out).report()
    first = (out / "report.html").read_bytes()
    api.open(out).report()
    assert (out / "report.html").read_bytes() == first
    assert not list(out.glob("report.kept-*"))
    (out / "report.html").write_text("mine")
    said: list[Message] = []
    api.open(out).report(
        observers=[lambda event: said.append(event) if isinstance(event, Message) else 0]
    )
    assert (out / "report.kept-1.html").read_text() == "mine"
    assert any("kept as report.kept-1.html" in message.text for message in said)


def test_the_command_writes_where_it_is_told(plain, tmp_path):
    out = shutil.copytree(plain, tmp_path / "out")
    target = tmp_path / "page.html"
    done = CliRunner().invoke(commands, ["report", str(out), "--to", str(target), "--quiet"])
    assert (done.exit_code, done.output) == (0, "")
    assert target.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert not (out / "report.html").exists()
    target.write_text("mine")
    with pytest.raises(SettingsError, match="--overwrite"):
        api.open(out).report(target)
    api.open(out).report(target, overwrite=True)
    assert target.read_text("utf-8") != "mine"


def test_what_cannot_be_is_refused(case_folder, tmp_path):
    out = tmp_path / "out"
    api.ingest(case_folder, out)
    with pytest.raises(SettingsError, match="no reduced set"):
        api.open(out).report()
    with pytest.raises(SettingsError, match="language"):
        api.open(out).report(language="fr")
    api.open(out).reduce()
    with pytest.raises(MemoryBudgetError):
        api.open(out).report(memory="280MiB")
    assert not (out / "report.html").exists()


def test_the_steps_keep_to_their_plan(out):
    steps: list[StepFinished] = []
    api.open(out).report(
        observers=[lambda event: steps.append(event) if isinstance(event, StepFinished) else 0]
    )
    assert [step.set_name for step in steps] == ["osnet", "vdc_color", None]
    assert all(step.step == "report" for step in steps)


def test_a_gone_folder_of_images_and_broken_files_leave_a_page(out):
    (out / "run.json").write_text('["no record"]')
    (out / "figures" / "osnet-metrics.png").write_text("no picture")
    api.open(out).report(descriptors="osnet")
    text = (out / "report.html").read_text("utf-8")
    assert "no picture" not in text
    assert "osnet-metrics.png" in text  # named as left out


def told_tables(out: Path) -> list[Table]:
    return comparison_tables(job_of(out), {}, Words("en"))


def test_the_tables_of_the_comparison_are_those_of_the_store(plain, tmp_path):
    out = shutil.copytree(plain, tmp_path / "out")
    assert told_tables(out) == []
    sets = [
        {"set": "2024", "n_clusters": 1234, "silhouette": 1.0, "same_rows": math.nan},
        {"set": "b", "n_clusters": 5, "silhouette": 0.123},
    ]
    gain = {"mixed_set": "2024+b", "measure": "ami", "attribute": None, "gain": -0.5}
    columns = ("set", "n_clusters", "silhouette", "same_rows")
    tables = {"comparison.csv": (columns, sets), "mixing.csv": (tuple(gain), [gain])}
    compared_tables(Workspace(out)).publish(tables, "mark")
    of_sets, of_mixing = told_tables(out)
    assert of_sets.header == ["set", "clusters", "silhouette"]
    assert of_sets.lines == [["2024", "1,234", "1"], ["b", "5", "0.12"]]
    assert of_mixing.header[0] == "mixed set"
    assert of_mixing.lines == [["2024+b", "adjusted mutual information", "-0.50"]]


def test_a_comparison_of_an_earlier_streamclust_is_left_out(plain, tmp_path):
    out = shutil.copytree(plain, tmp_path / "out")
    (out / "comparison.csv").write_bytes(b"\xff\xfe\x00")
    said: list[str] = []
    api.open(out).report(observers=[lambda event: said.append(getattr(event, "text", ""))])
    (words,) = (text for text in said if "earlier streamclust" in text)
    assert words.endswith(f"left out: run streamclust compare {out} again")


def test_data_cannot_end_their_element():
    told = {"path": "</script><script>alert(1)</script><!--", "é": None}
    assert "<" not in as_json(told)
    assert json.loads(as_json(told)) == told


def test_languages_have_the_same_words_with_the_same_values():
    from streamclust.language import en, ru

    def values(text: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(text) if name is not None}

    for table in ("PAGE", "TOLD", "SCRIPT"):
        ours, theirs = getattr(en, table), getattr(ru, table)
        assert ours.keys() == theirs.keys()
        assert [key for key in ours if values(ours[key]) != values(theirs[key])] == []
    assert en.PLURALS.keys() == ru.PLURALS.keys()
    assert en.NAMES.keys() <= ru.NAMES.keys()
    assert {*KINDS[1:], *MEASURES} <= ru.NAMES.keys()


def test_numbers_and_plurals_are_those_of_the_language():
    english, russian = Words("en"), Words("ru")
    assert english.number(1234.5) == "1,234"
    assert russian.number(1234.5) == "1\N{NO-BREAK SPACE}234"
    assert (english.percent(0.0123), russian.percent(0.0123)) == ("1.2 %", "1,2 %")
    told = [russian.counted(n, "set") for n in (1, 2, 5, 11, 21)]
    assert told == ["1 набор", "2 набора", "5 наборов", "11 наборов", "21 набор"]
    assert english.counted(2003, "set") == "2,003 sets"


def test_a_zip_of_images_that_is_replaced_while_it_is_read_leaves_the_last_page(demo, tmp_path):
    out = shutil.copytree(demo, tmp_path / "out")
    api.open(out).report()
    before = (out / "report.html").read_bytes()
    images = tmp_path / "images.zip"
    (place,) = stored_images(job_of(out)).places
    pack(images, place)
    Workspace(out).root["images/path"].attrs["images"] = str(images)

    def replace(event):
        if isinstance(event, PassStarted) and event.name.endswith("small images"):
            pack(images, place, 1)

    with pytest.raises(SourceError, match=r"images\.zip: changed while it was read"):
        api.open(out).report(observers=[replace])
    assert (out / "report.html").read_bytes() == before


def pack(file: Path, place: Path, leave_out: int = 0) -> None:
    """A zip file of the images of a folder or another zip file, but for the first few."""
    store = ImageStore(place)
    with zipfile.ZipFile(file, "w") as archive:
        for name in sorted(store.names())[leave_out:]:
            archive.writestr(name, store.read(name))


def test_a_scheduler_writes_the_same_page(demo, tmp_path, dask_address):
    out = shutil.copytree(demo, tmp_path / "out")
    api.open(out).report()
    here = (out / "report.html").read_bytes()
    api.open(out).report(scheduler=dask_address)
    assert (out / "report.html").read_bytes() == here
