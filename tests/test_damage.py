"""Results that are damaged: found, named in a line, and made again by the command that is named."""

import pytest
from damaging import Results, cut, flip, garble, go_through, lose

CLUSTERING = "descriptors/a/clusterings/kmeans-3"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return Results(tmp_path_factory.mktemp("results"))


@pytest.mark.parametrize(
    ("file", "harm"),
    [
        (f"{CLUSTERING}/labels/c/0", lose),
        (f"{CLUSTERING}/labels/c/0", flip),
        (f"{CLUSTERING}/zarr.json", garble),
        ("descriptors/a/raw/c/0/0", flip),
        ("descriptors/a/reduced/c/0/0", cut),
        ("descriptors/a/zarr.json", lose),
        ("descriptors/a+b/zarr.json", flip),
        ("images/path/c/0", lose),
        ("outliers/score/c/0", lose),
        ("names/a/kmeans-3/zarr.json", garble),
        ("tables/zarr.json", garble),
        ("zarr.json", lose),
    ],
    ids=str,
)
def test_damage_is_named_and_made_again(results, tmp_path, file, harm):
    file = f"workspace.zarr/{file}"
    assert go_through(results, tmp_path, file, harm, 0) == "made again"
