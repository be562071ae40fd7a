"""Images that have no descriptors yet become a case."""

import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

import streamclust
from streamclust import api
from streamclust.cli import commands
from streamclust.embedding import SimpleModel, image_rows
from streamclust.errors import MemoryBudgetError, SettingsError, SourceError
from streamclust.events import Message

SIDE = 16


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(image_rows, "BATCH", 8)


def draw(folder, n=30):
    """Pictures of two colours and two outlines."""
    chance = np.random.default_rng(0)
    for number in range(n):
        pixels = np.zeros((40, 60, 3), np.uint8)
        pixels[..., number % 2] = 200
        pixels[8:32, 10 : 10 + 20 * (1 + number // 2 % 2)] = chance.integers(0, 256, 3)
        file = folder / f"{number % 3}" / f"{number:03}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    return folder


@pytest.fixture
def photos(tmp_path):
    return draw(tmp_path / "photos")


@pytest.fixture
def network(tmp_path):
    """A convolution, ReLU, average over the places, and a product: outputs of width 4 and maps."""
    return make_network(tmp_path / "net.onnx")


def make_network(file, batch="n", layout="nchw", **metadata):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper, numpy_helper

    chance = np.random.default_rng(1)
    kernel = chance.normal(size=(5, 3, 3, 3)).astype(np.float32)
    weights = chance.normal(size=(5, 4)).astype(np.float32)
    sides = [batch, 3, SIDE, SIDE] if layout == "nchw" else [batch, SIDE, SIDE, 3]
    nodes = [
        helper.make_node("Conv", ["nchw", "kernel"], ["maps"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["maps"], ["relu"]),
        helper.make_node("GlobalAveragePool", ["relu"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("MatMul", ["features", "weights"], ["scores"]),
    ]
    taken = "nchw"
    if layout == "nhwc":
        taken = "pictures"
        nodes.insert(0, helper.make_node("Transpose", [taken], ["nchw"], perm=[0, 3, 1, 2]))
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info(taken, TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, 4])],
        [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(weights, "weights")],
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=9)
    for name, value in metadata.items():
        model.metadata_props.add(key=name, value=json.dumps(value))
    onnx.save(model, file)
    return file


def features(photos, mean=(0, 0, 0), std=(1, 1, 1)):
    """What the network tells, by numpy and Pillow alone, in the order of the names."""
    chance = np.random.default_rng(1)
    kernel = chance.normal(size=(5, 3, 3, 3)).astype(np.float32)
    rows = []
    for file in sorted(photos.rglob("*.png"), key=lambda file: file.relative_to(photos).as_posix()):
        with Image.open(file) as image:
            small = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        pixels = (np.asarray(small, np.float32) / 255 - mean) / std
        padded = np.pad(pixels, ((1, 1), (1, 1), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (0, 1))
        maps = np.einsum("yxcij,ocij->oyx", windows, kernel)
        rows.append(np.maximum(maps, 0).mean((1, 2)))
    return np.array(rows)


def rows_of(case, name="net"):
    return np.load(case / "descriptors" / f"{name}.npy")


@pytest.mark.parametrize("options", [{}, {"layout": "nhwc"}, {"batch": 4}])
def test_what_a_network_tells(photos, tmp_path, options):
    file = make_network(tmp_path / "net.onnx", **options)
    case = streamclust.embed(photos, tmp_path / "case", models=file, output="features")
    np.testing.assert_allclose(rows_of(case), features(photos), rtol=1e-4, atol=1e-5)
    paths = (case / "images_paths.csv").read_text().split()[1:]
    assert paths == sorted(paths)
    assert len(paths) == 30
    record = json.loads((case / "embedding.json").read_text())
    assert record["models"][0]["output"] == "features"
    # Of maps, the averages over their places.
    again = streamclust.embed(photos, tmp_path / "maps", models=[file], output="relu")
    np.testing.assert_allclose(rows_of(again), rows_of(case), rtol=1e-5)


def test_preprocessing_is_told_by_the_file_or_a_person(photos, tmp_path):
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
    told = make_network(tmp_path / "net.onnx", mean=mean, std=std)
    expected = features(photos, mean, std)
    case = streamclust.embed(photos, tmp_path / "a", models=told, output="features")
    np.testing.assert_allclose(rows_of(case), expected, rtol=1e-3, atol=1e-4)
    plain = make_network(tmp_path / "net.onnx")
    options = {"models": plain, "output": "features", "mean": mean, "std": std}
    case = streamclust.embed(photos, tmp_path / "b", **options)
    np.testing.assert_allclose(rows_of(case), expected, rtol=1e-3, atol=1e-4)


def test_several_models_in_one_pass(photos, network, tmp_path):
    other = make_network(tmp_path / "other.onnx")
    case = streamclust.embed(photos, tmp_path / "case", models=[network, other, "simple"])
    sets = sorted(file.stem for file in (case / "descriptors").iterdir())
    assert sets == ["colour", "layout", "net", "other", "shape"]
    np.testing.assert_array_equal(rows_of(case), rows_of(case, "other"))


@pytest.mark.parametrize("killed_at", [0, 1, 3])
def test_a_killed_command_goes_on_at_the_batch(photos, tmp_path, killed_at, monkeypatch):
    whole = streamclust.embed(photos, tmp_path / "whole")
    described, calls = SimpleModel.__call__, []

    def breaks_off(model, pictures):
        calls.append(len(pictures))
        if len(calls) > killed_at:
            raise KeyboardInterrupt
        return described(model, pictures)

    with monkeypatch.context() as broken:
        broken.setattr(SimpleModel, "__call__", breaks_off)
        with pytest.raises(KeyboardInterrupt):
            streamclust.embed(photos, tmp_path / "case")
    work = tmp_path / "case" / ".embedding"
    with open(work / "0", "ab") as file:
        file.write(b"half a row")
    said = []
    case = streamclust.embed(photos, tmp_path / "case", observers=[said.append])
    texts = [one.text for one in said if isinstance(one, Message)]
    assert any(f"behind the first {8 * killed_at}" in text for text in texts) == (killed_at > 0)
    for name in SimpleModel.widths:
        np.testing.assert_array_equal(rows_of(case, name), rows_of(whole, name))
    assert not work.exists()
    said.clear()
    streamclust.embed(photos, tmp_path / "case", observers=[said.append])
    assert "holds the descriptors of these images already" in said[0].text


def test_bad_images_are_left_out_and_told(photos, tmp_path):
    (photos / "0" / "000.png").write_bytes(b"")
    (photos / "1" / "001.png").write_bytes((photos / "1" / "001.png").read_bytes()[:60])
    said = []
    case = streamclust.embed(photos, tmp_path / "case", observers=[said.append])
    assert any("2 of 30 images cannot be read" in getattr(one, "text", "") for one in said)
    assert len(rows_of(case, "colour")) == 28
    assert np.isfinite(rows_of(case, "shape")).all()
    lines = (case / "bad_images.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in lines] == ["path", "0/000.png", "1/001.png"]


@pytest.mark.usefixtures("all_unrendered")
@pytest.mark.parametrize("packed", [False, True])
def test_a_run_on_images_alone(photos, tmp_path, packed):
    given = photos
    if packed:
        given = tmp_path / "photos.zip"
        with zipfile.ZipFile(given, "w") as file:
            for one in photos.rglob("*.png"):
                file.write(one, one.relative_to(photos))
    said = []
    made = api.run(given, tmp_path / "out", n_clusters=2, observers=[said.append])
    assert any("a first look, by colour" in getattr(one, "text", "") for one in said)
    assert made.descriptors == ["colour", "layout", "shape"]
    assert made.store["images/path"].shape == (30,)
    labels = np.asarray(made.labels("colour"))
    by_colour = [int(path[2:5]) % 2 for path in made.store["images/path"][:]]
    assert len(set(zip(labels.tolist(), by_colour, strict=True))) == 2
    assert made.report(to=tmp_path / "page.html").folder
    assert "data:image/jpeg" in (tmp_path / "page.html").read_text()


@pytest.mark.usefixtures("all_unrendered")
def test_new_images_are_described_by_the_same_network(photos, network, tmp_path):
    options = {"models": [network, "simple"], "output": "features", "mean": (0.1, 0.2, 0.3)}
    case = streamclust.embed(photos, tmp_path / "case", **options)
    made = api.run(case, tmp_path / "out", n_clusters=2)
    new = draw(tmp_path / "new", 12)
    for file in new.rglob("*.png"):
        file.rename(file.with_name(f"new{file.name}"))
    made.assign(new, tmp_path / "new.csv")
    table = pd.read_csv(tmp_path / "new.csv").set_index("path")
    labels = dict(zip(made.store["images/path"][:], made.labels("net")[:], strict=True))
    for path, cluster in table["label_net"].items():
        assert cluster == labels[path.replace("new", "")]
    made.update(new)
    assert made.store["descriptors/net/raw"].shape == (42, 5)
    network.write_bytes(network.read_bytes() + b"\0")
    with pytest.raises(SettingsError, match=r"net\.onnx: the network .* has changed: put it back"):
        made.assign(new, tmp_path / "again.csv")
    plain = api.run(np.ones((20, 3), "f4") * np.arange(20)[:, None], tmp_path / "b", n_clusters=2)
    with pytest.raises(SettingsError, match="was made of descriptors"):
        plain.assign(new, tmp_path / "again.csv")


def test_what_a_network_takes_is_listed(network):
    result = CliRunner().invoke(commands, ["embed", "--model", str(network), "--describe"])
    assert result.exit_code == 0, result.output
    assert "input nchw: tensor(float) n x 3 x 16 x 16" in result.output
    assert "output scores: tensor(float) n x 4" in result.output
    assert "inner features: Flatten n x 5" in result.output


def test_on_the_command_line(photos, network, tmp_path):
    command = ["embed", str(photos), "--out", str(tmp_path / "case"), "--model", str(network)]
    result = CliRunner().invoke(commands, [*command, "--mean", "0,0,0", "--quiet"])
    assert result.exit_code == 0, result.output
    assert rows_of(tmp_path / "case").shape == (30, 4)
    assert CliRunner().invoke(commands, ["embed", str(photos)]).exit_code == 2


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"output": "nothing"}, SettingsError, "has no value 'nothing': among its last are maps"),
        ({"size": 32}, SettingsError, "takes pictures of 16 pixels a side, not 32"),
        ({"layout": "nhwc"}, SourceError, "takes pictures of 16 channels"),
        ({"std": (0, 1, 1)}, SettingsError, "impossible"),
        ({"mean": (1, 2)}, SettingsError, "give three numbers"),
        ({"memory": "100MiB"}, MemoryBudgetError, "give it --memory"),
    ],
)
def test_options_that_do_not_fit(photos, network, tmp_path, options, kind, words):
    with pytest.raises(kind, match=words):
        streamclust.embed(photos, tmp_path / "case", models=network, **options)


def test_what_is_no_network_or_no_images(photos, tmp_path):
    pytest.importorskip("onnxruntime")
    (tmp_path / "a.onnx").write_bytes(b"?" * 100)
    with pytest.raises(SourceError, match="cannot be used as a network in ONNX"):
        streamclust.embed(photos, tmp_path / "case", models=tmp_path / "a.onnx")
    with pytest.raises(SourceError, match=r"none\.onnx: does not exist: check --model"):
        streamclust.embed(photos, tmp_path / "case", models=tmp_path / "none.onnx")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="holds no images"):
        streamclust.embed(tmp_path / "empty", tmp_path / "case")
    for file in photos.rglob("*.png"):
        file.write_bytes(b"")
    with pytest.raises(SourceError, match="no image can be read"):
        streamclust.embed(photos, tmp_path / "case")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").touch()
    with pytest.raises(SettingsError, match="holds other files: name another --out"):
        streamclust.embed(photos, tmp_path / "other")
