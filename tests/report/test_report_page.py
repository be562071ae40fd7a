"""The page of `streamclust report` in a browser: what a person does there, and what must not be."""

import csv
import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from browser import Browser
from cases import write_case

from streamclust import api
from streamclust.labelling.names import applied_names
from streamclust.labelling.names_table import read_names
from streamclust.language import en
from streamclust.store.clusterings import StoredClustering, recommended_clusterings
from streamclust.store.workspace import Workspace

# Commands, files, keys and methods are called the same in every language.
NAMES_OF_THINGS = """
streamclust names csv label OUT outliers outlier reasons figures export layout cluster measure
out clusters compare describe report mix sets JavaScript Escape Shift Enter Ctrl UMAP TABLE
attributes all Page
"""
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    """A demo of 300 images of which one set is described and laid out, with its page."""
    folder = tmp_path_factory.mktemp("page")
    api.demo(folder, rows=300, n_clusters=(5, 7), descriptors="vdc_color,osnet")
    api.open(folder / "out").describe(descriptors="osnet")
    api.open(folder / "out").layout("pca", 3, descriptors="osnet")
    api.open(folder / "out").layout("lda", 2, descriptors="osnet")
    api.open(folder / "out").compare(folder / "case" / "truth.csv")
    api.open(folder / "out").report()
    return folder / "out"


@pytest.fixture(scope="module")
def evil(tmp_path_factory) -> Path:
    """Results whose paths, set and attributes are HTML, without images."""
    folder = tmp_path_factory.mktemp("evil")
    rng = np.random.default_rng(4)
    values = (rng.normal(size=(240, 6)) + 9 * rng.integers(0, 3, (240, 1))).astype(np.float32)
    case = write_case(folder / "case", **{"<b>a": values})
    paths = [f"{row}/{EVIL}</script><script>alert(2)</script>.jpg" for row in range(240)]
    lines = "".join(f'"{path}"\n' for path in paths)
    (case / "images_paths.csv").write_text("paths\n" + lines)
    table = "".join(f"{row},<script>alert({row % 3})</script>\n" for row in range(240))
    (folder / "known.csv").write_text(f"row,{EVIL}\n" + table)
    api.run(case, folder / "out", n_clusters="2:4")
    api.open(folder / "out").compare(folder / "known.csv")
    api.open(folder / "out").describe()
    names = f"set,cluster,name\n<b>a,0,{EVIL}\n<b>a,1,=1+1\n"
    (folder / "names.csv").write_text(names)
    api.open(folder / "out").label(folder / "names.csv")
    api.open(folder / "out").report()
    return folder / "out"


@pytest.fixture
def browser(tmp_path):
    with Browser(tmp_path) as made:
        yield made
        assert made.problems == []


def saved(browser: Browser) -> Path:
    """The file of the button that saves names."""
    file = browser.folder / "names.csv"
    browser.click("#save")
    browser.wait("document.querySelector('#message').textContent.startsWith('names.csv')")
    for _ in range(100):
        if file.exists() and file.stat().st_size:
            break
        browser.wait("new Promise((done) => setTimeout(() => done(true), 50))")
    return file


def middle(browser: Browser, selector: str) -> tuple[float, float, float, float]:
    """Left, top, width and height of an element that is scrolled into view."""
    return tuple(
        browser.run(
            f"(() => {{ const own = document.querySelector({json.dumps(selector)});"
            "own.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const box = own.getBoundingClientRect();"
            "return [box.left, box.top, box.width, box.height]; })()"
        )
    )


def test_names_merges_and_marks_come_back_by_names_csv(out, browser):
    browser.open(out / "report.html")
    cards = browser.run("document.querySelectorAll('.card').length")
    own = recommended_clusterings(Workspace(out), ["osnet"])["osnet"]
    assert cards == own.n_clusters >= 5
    # Images are loaded when they come near to what can be seen.
    browser.run("for (const own of document.images) own.loading = 'eager'")
    browser.wait(
        "[...document.querySelectorAll('.gallery')].every((own) => own.querySelector('img')) && "
        "[...document.querySelectorAll('.gallery img')].every((own) => own.naturalWidth > 0)"
    )
    browser.fill(".card[data-cluster='0'] input[type=text]", '=van, "big"\u2028  und groß')
    for cluster in (1, 2):
        browser.click(f".card[data-cluster='{cluster}'] input[type=checkbox]")
    browser.fill("#merge-name", "lorry")
    browser.click("#merge")
    browser.click(".card[data-cluster='3'] .mark-outliers")
    browser.fill(".card[data-cluster='4'] input[type=text]", "a mistake")
    browser.click("#undo")
    suggested = browser.run(
        "document.querySelector('.card[data-cluster=\"4\"] input[type=text]').value"
    )
    file = saved(browser)

    mark = Workspace(out).fingerprint_of(own.path)
    lines = read_names(file)
    assert [line.cluster for line in lines] == list(range(cards))
    assert {(line.set, line.clustering, line.mark) for line in lines} == {("osnet", own.name, mark)}
    api.open(out).label(file)
    applied = applied_names(StoredClustering(Workspace(out), "osnet", own.name))
    assert applied is not None
    names = applied.naming.names
    assert names[:3] == ('=van, "big" und groß', "lorry", "lorry")
    assert names[4] == suggested != "a mistake"
    assert applied.naming.outliers == tuple(c == 3 for c in range(cards))
    with open(out / "named.csv", newline="", encoding="utf-8") as text:
        told = [line["osnet"] for line in csv.DictReader(text)]
    labels = own.labels[...]
    assert [name == "lorry" for name in told] == np.isin(labels, (1, 2)).tolist()


@pytest.mark.slow
def test_the_real_case_is_looked_at_and_named(real_case, tmp_path, browser):
    out, chosen = tmp_path / "out", {"descriptors": "vdc_color"}
    api.ingest(real_case, out, **chosen)
    api.open(out).reduce(**chosen)
    api.open(out).cluster(n_clusters=(6, 8), **chosen)
    api.open(out).measure(**chosen)
    api.open(out).describe(**chosen)
    api.open(out).report(**chosen)
    browser.open(out / "report.html")
    browser.run("for (const own of document.images) own.loading = 'eager'")
    browser.wait(
        "[...document.querySelectorAll('.gallery')].every((own) => own.querySelector('img')) && "
        "[...document.querySelectorAll('.gallery img')].every((own) => own.naturalWidth > 0)"
    )
    assert browser.run("document.querySelectorAll('.gallery img').length") >= 12 * 6
    browser.fill(".card[data-cluster='0'] input[type=text]", "taxi")
    for cluster in (1, 2):
        browser.click(f".card[data-cluster='{cluster}'] input[type=checkbox]")
    browser.fill("#merge-name", "lorry")
    browser.click("#merge")
    api.open(out).label(saved(browser))
    own = recommended_clusterings(Workspace(out), ["vdc_color"])["vdc_color"]
    named, labels = api.open(out).named["vdc_color"], own.labels[...]
    assert ((named == "taxi") == (labels == 0)).all()
    assert ((named == "lorry") == np.isin(labels, (1, 2))).all()


def test_edits_outlive_the_page_where_the_browser_keeps_them(out, browser):
    browser.open(out / "report.html")
    browser.fill(".card[data-cluster='1'] input[type=text]", "bus")
    browser.call("Page.reload")
    browser.wait("document.querySelector('.card[data-cluster=\"1\"] input')?.value !== undefined")
    named = "document.querySelector('.card[data-cluster=\"1\"] input[type=text]').value"
    browser.wait(f"{named} === 'bus'")
    # Not where it keeps nothing; the page works all the same.
    barred = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('no'); }})"
    browser.call("Page.addScriptToEvaluateOnNewDocument", source=barred)
    browser.call("Page.reload")
    browser.wait(f"document.readyState === 'complete' && {named} !== 'bus'")
    browser.fill(".card[data-cluster='1'] input[type=text]", "bus")
    assert browser.run(named) == "bus"


def test_points_are_pointed_at_and_selected(out, browser):
    browser.open(out / "report.html")
    left, top, width, height = middle(browser, "#canvas")
    browser.click("input[value=rectangle]")
    inside = (left + 8, top + 8), (left + width / 2, top + height / 2)
    browser.drag(*inside, (left + width - 8, top + height - 8))
    assert browser.run("document.querySelector('#paths').value.split('\\n').length") == 300
    browser.click("#clear")
    assert browser.run("document.querySelector('#selected').hidden")

    browser.click("input[value=lasso]")
    around = [(0.01, 0.02), (0.99, 0.02), (0.99, 0.98), (0.5, 0.98), (0.5, 0.5), (0.01, 0.5)]
    browser.drag(*[(left + width * x, top + height * y) for x, y in around])
    assert 0 < browser.run("document.querySelector('#paths').value.split('\\n').length") < 300

    browser.run("document.querySelector('#canvas').focus()")
    browser.press("Escape")
    assert browser.run("document.querySelector('#paths').value") == ""
    browser.press("ArrowRight")
    assert not browser.run("document.querySelector('#tip').hidden")
    assert ".jpg" in browser.run("document.querySelector('#tip').textContent")
    browser.press(" ", "Space")
    assert browser.run("document.querySelector('#paths').value").endswith(".jpg")
    browser.run("document.activeElement.blur()")

    browser.fill("#plot", "pca-3")
    browser.click("input[value=look]")
    before = browser.run("document.querySelector('#canvas').toDataURL()")
    browser.drag((left + 40, top + 40), (left + 90, top + 60))
    assert browser.run("document.querySelector('#canvas').toDataURL()") != before
    browser.fill("#pick", "0")
    labels = recommended_clusterings(Workspace(out), ["osnet"])["osnet"].labels[...]
    paths = browser.run("document.querySelector('#paths').value.split('\\n').length")
    assert paths == (labels == 0).sum()


def test_sets_and_clusterings_are_switched_sorted_and_filtered(out, browser):
    browser.open(out / "report.html")
    clusters = "[...document.querySelectorAll('.card')].map((own) => +own.dataset.cluster)"
    labels = recommended_clusterings(Workspace(out), ["osnet"])["osnet"].labels[...]
    sizes = np.bincount(labels)
    browser.fill("#sort", "small")
    shown = browser.run(clusters)
    assert sizes[shown].tolist() == sorted(sizes.tolist())
    browser.fill(".card[data-cluster='2'] input[type=text]", "Zeppelin")
    browser.fill("#filter", "zeppelin")
    assert browser.run(clusters) == [2]
    browser.fill("#filter", "")

    browser.fill("#set", "vdc_color")
    hint = browser.run("document.querySelector('#hint').textContent")
    assert "streamclust describe OUT --descriptors vdc_color" in hint
    assert browser.run("document.querySelectorAll('.gallery img').length") > 0
    other = browser.run(
        "[...document.querySelector('#clustering').options].map((own) => own.value)"
        ".find((own) => own !== document.querySelector('#clustering').value)"
    )
    browser.fill("#clustering", other)
    assert browser.run(clusters + ".length") == int(other.rpartition("-")[2])
    marked = "document.querySelector('tr[aria-current]').dataset.clustering"
    assert browser.run(marked) == other


def test_an_index_is_read_and_its_clustering_chosen_by_keys(out, browser):
    browser.open(out / "report.html")
    browser.fill("#index", "davies_bouldin")
    browser.run("document.querySelector('.dot[aria-pressed=true]').focus()")
    before = browser.run("document.activeElement.dataset.clustering")
    key = (
        "ArrowRight" if browser.run("+document.activeElement.dataset.column") == 0 else "ArrowLeft"
    )
    browser.press(key)
    told = browser.run("document.querySelector('#curve-value').textContent")
    other = browser.run("document.activeElement.dataset.clustering")
    assert other != before
    assert told.startswith(f"kmeans, k = {other.rpartition('-')[2]}: ")
    browser.press("Enter")
    assert browser.run("document.querySelector('#clustering').value") == other
    assert browser.run("document.activeElement.dataset.clustering") == other


def test_the_map_is_zoomed_moved_and_reset(out, browser):
    browser.open(out / "report.html")
    left, top, width, height = middle(browser, "#canvas")
    seen = "document.querySelector('#canvas').toDataURL()"
    whole = browser.run(seen)
    browser.run("document.querySelector('#canvas').focus()")
    at = {"x": left + width / 3, "y": top + height / 3}
    browser.call("Input.dispatchMouseEvent", type="mouseWheel", deltaX=0, deltaY=-300, **at)
    browser.wait("!document.querySelector('#zoom-reset').disabled")
    zoomed = browser.run(seen)
    browser.drag((left + 200, top + 200), (left + 120, top + 160))
    browser.point(left - 9, top)
    assert len({whole, zoomed, browser.run(seen)}) == 3
    browser.run("document.querySelector('#canvas').focus()")
    browser.press("0")
    assert browser.run(seen) == whole


def test_no_english_word_is_left_in_the_russian_page(out, browser):
    api.open(out).report(browser.folder / "ru.html", language="ru")
    browser.open(browser.folder / "ru.html")
    assert browser.run("document.documentElement.lang") == "ru"
    texts = browser.run(
        "(() => { const found = [], all = document.createTreeWalker(document.body, 4);"
        "while (all.nextNode()) if (!all.currentNode.parentElement.closest("
        "'script, noscript, style, code, .path, textarea')) found.push(all.currentNode.data);"
        "for (const own of document.querySelectorAll('[aria-label], [placeholder]'))"
        "found.push(own.getAttribute('aria-label') ?? '', own.placeholder ?? '');"
        "return found; })()"
    )
    met = set(re.findall("[A-Za-z]{3,}", " ".join(texts)))
    english = " ".join([*en.PAGE.values(), *en.TOLD.values(), *en.SCRIPT.values()])
    known = set(re.findall("[A-Za-z]{3,}", english)) - set(NAMES_OF_THINGS.split())
    # What a table calls the attributes that are known of the images stays as it is.
    with open(out.parent / "case" / "truth.csv", encoding="utf-8") as table:
        met -= set(re.findall("[A-Za-z]{3,}", table.read()))
    assert {w: [t for t in texts if w in t] for w in met & known} == {}


def test_all_that_can_be_used_has_a_name_and_the_phone_has_one_column(out, tmp_path):
    with Browser(tmp_path, 390) as browser:
        browser.call(
            "Emulation.setDeviceMetricsOverride",
            width=390, height=800, deviceScaleFactor=2, mobile=True,
        )  # fmt: skip
        browser.open(out / "report.html")
        assert browser.run("document.documentElement.scrollWidth") <= 390
        lefts = "[...document.querySelectorAll('.card')].map((o) => o.getBoundingClientRect().left)"
        assert len(set(browser.run(lefts))) == 1
        nameless = browser.run(
            "[...document.querySelectorAll('button, input, select, textarea, canvas')].filter("
            "(own) => !(own.getAttribute('aria-label') || own.getAttribute('aria-labelledby') || "
            "own.labels?.length || own.textContent.trim())).map((own) => own.outerHTML)"
        )
        assert nameless == []
        tree = browser.call("Accessibility.getFullAXTree")["nodes"]
        roles = {node["role"]["value"] for node in tree if "role" in node}
        assert {"main", "banner", "navigation", "contentinfo", "region", "status"} <= roles
        levels = browser.run(
            "[...document.querySelectorAll('h1, h2, h3, h4')].map((own) => +own.tagName[1])"
        )
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(b - a <= 1 for a, b in pairwise(levels))
        assert browser.problems == []


def test_without_clusters_the_page_has_its_map_and_says_what_to_run(case_folder, browser):
    out = browser.folder / "out"
    api.ingest(case_folder, out)
    api.open(out).reduce()
    api.open(out).report()
    browser.open(out / "report.html")
    assert "streamclust cluster OUT" in browser.run("document.querySelector('#hint').textContent")
    browser.run("document.querySelector('#canvas').focus()")
    browser.press("ArrowRight")
    assert ".jpg" in browser.run("document.querySelector('#tip').textContent")
    browser.click("#save")
    said = browser.run("document.querySelector('#message').textContent")
    assert said.startswith("There is nothing to save")
    api.open(out).cluster(n_clusters="4")
    api.open(out).report()
    browser.call("Page.reload")
    browser.wait("document.querySelectorAll('.card').length === 4")
    assert browser.run("document.querySelector('#curves').hidden")


def test_html_in_paths_names_and_attributes_is_text(evil, browser):
    browser.open(evil / "report.html")
    own = "document.querySelector('.card[data-cluster=\"%d\"] input[type=text]').value"
    assert [browser.run(own % cluster) for cluster in (0, 1)] == [EVIL, "=1+1"]
    assert EVIL in browser.run("document.querySelector('#comparison').textContent")
    browser.fill("#pick", "0")
    assert EVIL + "</script><script>" in browser.run("document.querySelector('#paths').value")
    browser.run("document.querySelector('#canvas').focus()")
    browser.press("ArrowRight")
    assert EVIL in browser.run("document.querySelector('#tip').textContent")
    assert browser.run("document.querySelector('#tip img')") is None
    assert browser.run("document.querySelector('#set').selectedOptions[0].text") == "<b>a"
    assert f"0: {EVIL}" in browser.run("document.querySelector('#pick').textContent")
    browser.run("document.querySelector('.dot[aria-pressed=true]').focus()")
    label = browser.run("document.querySelector('#plot-of-curves svg').getAttribute('aria-label')")
    assert label.endswith("<b>a")
    browser.fill(".card[data-cluster='2'] input[type=text]", EVIL)
    assert EVIL in browser.run("document.querySelector('#message').textContent")
    assert browser.run("document.querySelectorAll('img[src=x], b, i, [onerror]').length") == 0
    assert browser.run("document.querySelectorAll('script').length") == 2
    browser.click("#save")
    file = saved(browser)
    assert "<b>a,kmeans-3,1,'=1+1,0," in file.read_text("utf-8")
    api.open(evil).label(file)
    applied = applied_names(StoredClustering(Workspace(evil), "<b>a", "kmeans-3"))
    assert applied is not None
    assert applied.naming.names[:2] == (EVIL, "=1+1")
