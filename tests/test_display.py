"""What a case and its results show in a notebook, and their tables as data frames."""

import io
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from cases import write_case

import streamclust
from streamclust import api
from streamclust.choice.stored_recommendation import stored_choice
from streamclust.errors import SettingsError, WorkspaceError
from streamclust.events import Events, StepFinished
from streamclust.notebook.tables import read_table
from streamclust.outliers.evaluation import COLUMNS, Evaluation
from streamclust.progress import PlainLines
from streamclust.store.workspace import Workspace

EVIL = "<script>alert('x')&"
STORED = {
    **dict.fromkeys(("comparison", "agreement", "attributes", "mixing"), "compare"),
    **dict.fromkeys(("descriptions", "readability"), "describe"),
}


class Page(HTMLParser):
    """The elements of a piece of HTML, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def case(blobs, tmp_path_factory):
    """A run of one set with a hostile name."""
    folder = tmp_path_factory.mktemp("display")
    np.save(folder / f"{EVIL}.npy", blobs[0])
    return streamclust.run(folder / f"{EVIL}.npy", folder / "out", n_clusters=(4, 5))


@pytest.fixture(scope="module")
def two_sets(blobs, tmp_path_factory):
    """Two sets that were described, and compared with an attribute called 7."""
    folder = tmp_path_factory.mktemp("two")
    case = write_case(folder / "case", **{EVIL: blobs[0], "08": blobs[0][:, :9] ** 2})
    (folder / "known.csv").write_text(
        "row,7\n" + "".join(f"{row},{row % 3}\n" for row in range(99))
    )
    case = api.ingest(case, folder / "out").reduce().cluster(n_clusters=(4, 5)).measure()
    return case.compare(folder / "known.csv").describe()


def test_a_case_is_a_table_with_reasons_and_a_map(case):
    page = Page(case._repr_html_())
    assert "kmeans-5" in page.text
    assert "3,000" in page.text
    assert len(page.all("tr")) == 2
    _, choice = stored_choice(case._workspace, EVIL)
    assert all(str(reason) in page.text for reason in choice.reasons)
    (image,) = page.all("img")
    assert image["src"].startswith("data:image/png;base64,iVBOR")
    assert EVIL in image["alt"]
    assert "kmeans-5" in image["alt"]


def test_names_are_text(case):
    page = Page(case._repr_html_())
    assert not page.all("script")
    assert EVIL in page.text


def test_the_map_is_of_the_newest_layout(case):
    before = Page(case._repr_html_()).all("img")[0]["alt"]
    case.layout("lda", 2)
    after = Page(case._repr_html_()).all("img")[0]["alt"]
    assert "axes that tell the clusters apart" in before
    assert "plane of a layout" in after


def test_a_case_without_results_says_so(tmp_path):
    Workspace(tmp_path / "out", create=True)
    assert "no descriptor set yet" in streamclust.open(tmp_path / "out")._repr_html_()


def test_a_case_that_is_only_ingested(blobs, tmp_path):
    np.save(tmp_path / "a.npy", blobs[0][:100])
    page = Page(api.ingest(tmp_path / "a.npy", tmp_path / "out")._repr_html_())
    assert "none" in page.text
    assert "outliers were not looked for" in page.text
    assert not page.all("img")


def test_a_map_that_is_no_picture_is_left_out(case, tmp_path):
    shutil.copytree(case.folder, tmp_path / "out")
    for file in (tmp_path / "out" / "figures").iterdir():
        file.write_bytes(b"not a picture")
    changed = streamclust.open(tmp_path / "out")
    assert not Page(changed._repr_html_()).all("img")
    with pytest.raises(WorkspaceError, match="is no PNG"):
        changed.figure(f"{EVIL}-metrics")


@pytest.mark.parametrize(
    ("table", "command"),
    [
        ("descriptions", "describe OUT"),
        ("readability", "describe OUT"),
        ("comparison", "compare OUT"),
        ("named", "label OUT"),
        ("drift", "assign OUT"),
    ],
)
def test_a_table_that_is_absent_names_its_command(case, table, command):
    with pytest.raises(WorkspaceError, match=command):
        getattr(case, table)


def test_outliers_are_a_table(case):
    outliers = case.outlier_table
    assert outliers.score.is_monotonic_decreasing
    assert len(case.duplicates) == 0


def test_frames_of_the_store_are_what_the_files_tell(two_sets):
    for name in STORED:
        file = two_sets.folder / f"{name}.csv"
        pd.testing.assert_frame_equal(getattr(two_sets, name), read_table(file, "it"))
    assert two_sets.attributes.attribute.tolist()[0] == "7"
    assert len(two_sets.mixing) == 0


@pytest.mark.parametrize(("table", "command"), STORED.items())
def test_files_of_an_earlier_streamclust_are_not_read(two_sets, tmp_path, table, command):
    out = shutil.copytree(two_sets.folder, tmp_path / "out")
    shutil.rmtree(out / "workspace.zarr" / "tables")
    with pytest.raises(WorkspaceError, match=rf"earlier streamclust: streamclust {command} OUT "):
        getattr(streamclust.open(out), table)


def test_text_stays_text(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("set,cluster,name,rows,share\n7,0,None,12,nan\n08,,'=1+1,3,0.5\n")
    table = read_table(file, "it")
    assert table["set"].tolist() == ["7", "08"]
    assert table["name"].tolist() == ["None", "=1+1"]
    assert table.rows.tolist() == [12, 3]
    assert table.share.isna().tolist() == [True, False]
    assert table.cluster[0] == 0
    assert table.cluster.isna().tolist() == [False, True]


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2,3\n4,5,6,7\n", b"\xff\xfe\x00"])
def test_what_is_no_table(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(WorkspaceError, match=r"streamclust x makes it again"):
        read_table(tmp_path / "t.csv", "streamclust x")


def test_pictures(case):
    kept = case.folder / "figures" / f"{EVIL}-metrics.kept-1.png"
    kept.touch()
    page = Page(case.figures._repr_html_())
    assert f"{EVIL}-metrics" in case.figures
    assert kept.stem not in case.figures
    assert "indices of all clusterings" in page.text
    assert not page.all("script")
    picture = case.figure(f"{EVIL}-metrics")
    png, shown = picture._repr_png_()
    assert png == (case.folder / "figures" / f"{EVIL}-metrics.png").read_bytes()
    assert shown["width"] == picture.size[0] // 2
    with pytest.raises(WorkspaceError, match="no picture 'x'"):
        case.figure("x")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"set_name": "b"}, "no set 'b'"),
        ({"cluster": 5}, "has no cluster 5: 0 to 4"),
        ({"kind": "odd"}, "none of typical, varied, borderline, worst"),
        ({"clustering": 9}, "no clustering 9"),
        ({}, "run streamclust describe first"),
    ],
)
def test_images_that_cannot_be_shown(case, asked, told):
    with pytest.raises(SettingsError, match=told):
        case.cluster_images(**{"set_name": EVIL, "cluster": 0, **asked})


def test_an_evaluation_is_tables():
    line = ("ranking", EVIL, "score", "any outlier", "auroc", 0.75, 100, 7)
    told = Evaluation([dict(zip(COLUMNS, line, strict=True))], 100, {"<b>": "no reason"})
    page = Page(told._repr_html_())
    assert "0.750" in page.text
    assert "<b>: not compared, no reason" in page.text
    assert page.all("caption")
    assert not page.all("script")
    assert not page.all("b")


def test_plain_lines():
    stream = io.StringIO()
    events = Events(PlainLines(stream))
    with events.passing("reading", 10) as advance:
        advance(4)
    events.emit(StepFinished("cluster", "osnet", 1.2))
    events.warn("few rows")
    assert stream.getvalue() == "cluster osnet: 1.2 s\nwarning: few rows\n"


def test_importing_results_is_cheap():
    code = "import streamclust.results, sys; print(*{n.split('.')[0] for n in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"matplotlib", "PIL", "pandas", "sklearn", "IPython"} & set(done.stdout.split())
