"""Mixtures against the concatenation in memory, and as sets like any other."""

import csv
import shutil

import numpy as np
import pytest
from cases import write_case
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import StandardScaler, normalize

from streamclust import api
from streamclust.comparison.mixing_weights import explained, search_weights
from streamclust.errors import MemoryBudgetError, SettingsError
from streamclust.passes.blocks import read_rows
from streamclust.passes.scaling import Joined, ScaledBlock
from streamclust.store.descriptors import DescriptorSet
from streamclust.store.workspace import Workspace

pytestmark = pytest.mark.usefixtures("all_unrendered")

N_ROWS = 600


@pytest.fixture(scope="module")
def sets():
    """Two sets that each tell three groups apart, and hide the others'."""
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 3, (2, N_ROWS))
    a = rng.standard_normal((3, 12))[first] * 4 + rng.standard_normal((N_ROWS, 12))
    b = rng.standard_normal((3, 5))[second] * 4 + rng.standard_normal((N_ROWS, 5))
    return {
        "a": (a * 7 + 3).astype(np.float32),
        "b": b.astype(np.float32),
        "first": first,
        "second": second,
    }


def clustered(case, out, **settings):
    """What mixing needs of a run: no outliers, no figures."""
    api.ingest(case, out, invalid=settings.pop("invalid", None)).reduce()
    api.open(out).cluster(**settings)
    return api.open(out).measure()


@pytest.fixture(scope="module")
def untouched(sets, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixed")
    case = write_case(folder / "case", a=sets["a"], b=sets["b"])
    out = folder / "out"
    clustered(case, out, n_clusters=(2, 3, 6, 9))
    return api.open(out).mix(("a", "b"), n_clusters=(3, 6, 9, 12))


@pytest.fixture(scope="module")
def made(untouched, tmp_path_factory):
    """A copy that tests add mixtures to."""
    folder = tmp_path_factory.mktemp("made") / "out"
    return api.open(shutil.copytree(untouched.folder, folder))


def standard(values):
    return StandardScaler().fit_transform(values)


def joined(sets, weights=(1, 1), scaled=standard):
    parts = [scaled(sets[name].astype(np.float64)) for name in ("a", "b")]
    parts = [part - part.mean(0) for part in parts]
    shares = [np.sqrt(w / p.var(0).sum()) for w, p in zip(weights, parts, strict=True)]
    return np.hstack([share * part for share, part in zip(shares, parts, strict=True)])


def test_the_rows_are_the_scaled_sets_side_by_side(made, sets):
    rows = DescriptorSet(Workspace(made.folder), "a+b").raw
    assert rows.shape == (N_ROWS, 17)
    np.testing.assert_allclose(rows[100:300], joined(sets)[100:300], atol=1e-5)
    assert not (made.folder / "workspace.zarr/descriptors/a+b/raw").exists()


def test_the_components_are_those_of_the_concatenation(made, sets):
    reference = PCA(0.90, svd_solver="full").fit(joined(sets))
    stored = made.store["descriptors/a+b/pca"]
    np.testing.assert_allclose(
        stored["explained_variance_ratio"][...], reference.explained_variance_ratio_, rtol=1e-4
    )


def test_a_mixture_tells_what_both_sets_tell(made, sets):
    labels = made.labels("a+b", 9)[...]
    assert adjusted_rand_score(sets["first"] * 3 + sets["second"], labels) > 0.95
    assert adjusted_rand_score(sets["first"] * 3 + sets["second"], made.labels("a", 9)[...]) < 0.5


def test_a_mixture_is_a_set_in_every_table(made):
    assert made.descriptors == ["a", "a+b", "b"]
    with open(made.folder / "labels.csv", newline="") as file:
        assert {"a", "a+b", "b"} <= set(next(csv.reader(file)))
    assert set(made.metrics["set"]) == {"a", "a+b", "b"}
    assert (made.folder / "figures/a+b-metrics.png").exists()
    about = made.info()["descriptors"]["a+b"]
    assert about["columns"] == 17
    assert about["source"]["mixture"]["sets"] == ["a", "b"]


def test_outliers_do_not_count_a_set_twice(made):
    api.open(made.folder).outliers()
    assert "outliers" not in made.store["descriptors/a+b"]
    api.open(made.folder).outliers(descriptors="a+b")
    assert "outliers" in made.store["descriptors/a+b"]


def test_weights_are_shares_of_the_variance(made, sets):
    case = api.open(made.folder).mix("a,b", "3,1", name="heavy", n_clusters=4)
    rows = DescriptorSet(Workspace(case.folder), "heavy").raw[0:N_ROWS]
    np.testing.assert_allclose(rows, joined(sets, (3, 1)), atol=1e-5)
    assert rows[:, :12].var(0).sum() == pytest.approx(3, rel=1e-4)


def test_rows_of_unit_length(made, sets):
    case = api.open(made.folder).mix("a,b", name="unit", scaling="l2", n_clusters=4)
    rows = DescriptorSet(Workspace(case.folder), "unit").raw[0:N_ROWS]
    np.testing.assert_allclose(rows, joined(sets, scaled=normalize), atol=1e-5)


def test_a_consensus_of_labels(made, sets):
    case = api.open(made.folder).mix("a,b", consensus=True, n_clusters=9)
    labels = case.labels("consensus-a+b", 9)[...]
    assert adjusted_rand_score(sets["first"] * 3 + sets["second"], labels) > 0.9


def test_searched_weights_are_told_and_found_again(made):
    said = []
    case = api.open(made.folder).mix(
        "a,b", "auto", observers=[said.append], name="best", n_clusters=9
    )
    told = case.info()["descriptors"]["best"]["source"]["mixture"]
    assert told["weights"][0] == 1
    assert told["searched"]["kept"] >= told["searched"]["kept_by_equal"]
    again = []
    api.open(made.folder).mix("a,b", "auto", observers=[again.append], name="best", n_clusters=9)
    steps = {event.step: event.skipped for event in again if hasattr(event, "step")}
    assert [steps[name] for name in ("mix", "reduce", "cluster", "measure")] == [True] * 4
    assert "mixing weights" not in steps


def test_the_search_ends_at_the_best_of_its_neighbours():
    def worst(choices):
        return [1 - abs(np.log2(w[1]) - 2) / 10 for w in choices]

    weights, best, equal = search_weights(worst, 2)
    assert weights == (1, 4)
    assert (best, equal) == (1, 0.8)


def test_explained_share_of_labels():
    rng = np.random.default_rng(0)
    values, labels = rng.standard_normal((200, 3)), rng.integers(0, 4, 200)
    values -= values.mean(0)
    within = sum(((values[labels == j] - values[labels == j].mean(0)) ** 2).sum() for j in range(4))
    assert explained(values, labels) == pytest.approx(1 - within / (values**2).sum())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sets": "a,a"}, "a is named twice"),
        ({"sets": "a"}, "two sets at least"),
        ({"sets": "a,z"}, "no descriptor set z .*there are a"),
        ({"sets": "a,b", "weights": "1,0"}, "must all be above 0"),
        ({"sets": "a,b", "weights": "1,-2"}, "must all be above 0"),
        ({"sets": "a,b", "weights": "1,nan"}, "must all be above 0"),
        ({"sets": "a,b", "weights": "1,2,3"}, "3 weights for the 2 sets"),
        ({"sets": "a,b", "weights": "much"}, "not understood"),
        ({"sets": "a,b", "name": "b"}, "b is a set of this case"),
        ({"sets": "a,b", "name": "../b"}, "without slashes"),
        ({"sets": "a,b", "name": ".."}, "must be a name for a folder"),
        ({"sets": "a,b", "name": " "}, "must be a name for a folder"),
        ({"sets": "a,b", "name": "x" * 300}, "up to 200 bytes"),
        ({"sets": "a,b", "weights": "auto", "consensus": True}, "name those of a consensus"),
        ({"sets": "a,b", "n_clusters": 5000}, "600 rows are too few for 5000 clusters"),
        ({"sets": "a,b", "memory": "285MiB"}, "needs .* at least"),
        ({"sets": "a,a+b"}, r"a\+b is a mixed set"),
    ],
)
def test_what_cannot_be_mixed(made, arguments, message):
    before = made.descriptors
    with pytest.raises((SettingsError, MemoryBudgetError), match=message):
        api.open(made.folder).mix(**arguments)
    assert made.descriptors == before


def test_masked_rows_are_masked_in_the_mixture(sets, tmp_path):
    a, b = sets["a"].copy(), sets["b"].copy()
    a[5], b[7] = np.nan, np.inf
    case = write_case(tmp_path / "case", a=a, b=b)
    clustered(case, tmp_path / "out", n_clusters=3, invalid="mask")
    mixed = api.open(tmp_path / "out").mix("a,b", n_clusters=3)
    np.testing.assert_array_equal(np.flatnonzero(mixed.labels("a+b", 3)[...] < 0), [5, 7])
    api.open(tmp_path / "out").mix("a,b", "3,1", consensus=True, name="both", n_clusters=3)
    rows = DescriptorSet(Workspace(tmp_path / "out"), "both").raw[0:N_ROWS]
    valid = np.delete(rows, [5, 7], axis=0)
    np.testing.assert_allclose(valid.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(valid.var(0).sum(), 4, rtol=1e-5)


def test_a_mixture_of_replaced_descriptors_is_refused(sets, tmp_path):
    out = tmp_path / "out"
    clustered(write_case(tmp_path / "case", a=sets["a"], b=sets["b"]), out, n_clusters=3)
    api.open(out).mix("a,b", n_clusters=3)
    api.ingest(write_case(tmp_path / "other", a=sets["a"] * 2, b=sets["b"]), out)
    said = []
    api.open(out).export(observers=[said.append])
    assert "a+b" not in (out / "labels.csv").read_text().splitlines()[0]
    assert any("a+b mixes a, b, which changed since" in getattr(e, "text", "") for e in said)
    with pytest.raises(SettingsError, match=r"a\+b mixes a, b, which changed since"):
        DescriptorSet(Workspace(out), "a+b").rows("raw")
    clustered(tmp_path / "other", out, n_clusters=3)
    api.open(out).mix("a,b", n_clusters=3)
    assert "a+b" in (out / "labels.csv").read_text().splitlines()[0]


def test_a_case_of_other_length_puts_a_mixture_aside(sets, tmp_path):
    out = tmp_path / "out"
    clustered(write_case(tmp_path / "case", a=sets["a"], b=sets["b"]), out, n_clusters=3)
    api.open(out).mix("a,b", n_clusters=3)
    shorter = write_case(tmp_path / "other", a=sets["a"][:400], b=sets["b"][:400])
    assert api.run(shorter, out, n_clusters=3).descriptors == ["a", "b"]


def test_rows_of_a_chunk_are_read_alone(tmp_path):
    import zarr

    values = np.random.default_rng(0).standard_normal((100, 7)).astype(np.float32)
    for compressors in (None, "auto"):
        array = zarr.create_array(
            tmp_path / str(compressors), data=values, chunks=(32, 7), compressors=compressors
        )
        for start, stop in ((0, 32), (5, 20), (30, 40), (96, 100), (64, 65)):
            np.testing.assert_array_equal(read_rows(array, start, stop), values[start:stop])


def test_joined_rows_are_read_as_numpy_reads_them():
    values = np.arange(40, dtype=np.float64).reshape(10, 4)
    import zarr

    array = zarr.create_array(store={}, data=values, chunks=(4, 4))
    zero, one = np.zeros(4), np.ones(4)
    rows = Joined([ScaledBlock(array, zero, one), ScaledBlock(array, one, 2 * one)])
    assert rows.shape == (10, 8)
    for part in (slice(0, 10), slice(8, 20), slice(3, 3)):
        np.testing.assert_array_equal(
            rows[part], np.hstack([values[part], (values[part] - 1) * 2]).astype(np.float32)
        )


def test_a_comparison_says_whether_mixing_helped(untouched, sets, tmp_path):
    known = tmp_path / "known.csv"
    lines = zip(sets["first"], sets["second"], strict=True)
    text = [f"{row},f{first},s{second}" for row, (first, second) in enumerate(lines)]
    known.write_text("\n".join(["row,first,second", *text]))
    case = api.open(shutil.copytree(untouched.folder, tmp_path / "out"))
    said = []
    case.compare(known, observers=[said.append])
    told = " ".join(getattr(event, "text", "") for event in said)
    assert "a+b against the best of its sets" in told
    with open(tmp_path / "out/mixing.csv", newline="") as file:
        lines = {(line["measure"], line["attribute"]): line for line in csv.DictReader(file)}
    whole = lines["ami", "mean of first, second"]
    assert float(whole["mixed"]) > float(whole["best"]) + 0.05
    assert float(lines["ami", "first"]["rows"]) == N_ROWS
    # What was named once is known to the next comparison.
    before = (tmp_path / "out/yield.csv").read_bytes()
    case.compare()
    assert (tmp_path / "out/yield.csv").read_bytes() == before
    known.unlink()
    case.compare()
    assert not (tmp_path / "out/yield.csv").exists()
