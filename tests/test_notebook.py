"""The notebook of the docs runs from its first cell to its last, and shows tables and pictures."""

import json
import re
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "docs" / "reference_case.ipynb"
# Of a smaller demo every cell shows what it shows of the notebook's own.
SMALLER = {
    "rows=1000,": 'rows=300, descriptors="osnet,vdc_color,vdc_type",',
    "rows=200,": "rows=60,",
    'n_clusters="2:12"': 'n_clusters="2:4"',
}


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The cells as they are after a run by this interpreter, in folders of its own."""
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "kernels" / "tests").mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "tests", "language": "python"}
    (folder / "kernels" / "tests" / "kernel.json").write_text(json.dumps(spec))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(folder))
        for variable in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "TMPDIR"):
            (folder / variable).mkdir()
            patch.setenv(variable, str(folder / variable))
        (folder / "here").mkdir()
        notebook = nbformat.read(NOTEBOOK, as_version=4)
        make_smaller(notebook.cells)
        client = NotebookClient(
            notebook,
            kernel_name="tests",
            timeout=300,
            resources={"metadata": {"path": str(folder / "here")}},
        )
        client.execute()
    assert not list((folder / "here").iterdir()), "it writes into its temporary folder alone"
    return notebook.cells


def make_smaller(cells):
    for said, instead in SMALLER.items():
        found = [cell for cell in cells if cell.cell_type == "code" and said in cell.source]
        assert found, f"the notebook says {said} no more: tell what makes its demo small"
        for cell in found:
            cell.source = cell.source.replace(said, instead)


def outputs(cells, kind):
    shown = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    return [data[kind] for data in shown if kind in data]


def test_it_shows_tables_and_pictures(executed):
    html = outputs(executed, "text/html")
    assert sum("<table" in text for text in html) >= 12
    pictures = outputs(executed, "image/png")
    assert len(pictures) >= 6
    assert all(png.startswith("iVBOR") for png in pictures)
    assert "<img src='data:image/png;base64,iVBOR" in "".join(html)


def test_progress_is_html_without_leftovers(executed):
    html = "".join(outputs(executed, "text/html"))
    assert re.search(r"<summary>\d+ steps done", html)
    assert "<progress" not in html
    streams = [o for cell in executed for o in cell.get("outputs", []) if o.output_type == "stream"]
    assert not streams


def test_it_is_stored_without_results():
    text = NOTEBOOK.read_text(encoding="utf-8")
    code = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
    assert not re.search(r"/(home|tmp|root|work)/", text)
