"""Images that have no descriptors yet become a case."""

import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from filelock import FileLock
from PIL import Image

import streamclust
from streamclust import api
from streamclust.cli import commands
from streamclust.embedding import SimpleModel, find_images
from streamclust.embedding.preprocessing import PRESETS, told_by_metadata
from streamclust.errors import MemoryBudgetError, SettingsError, SourceError, WorkspaceError
from streamclust.events import Message
from streamclust.images import ImageStore
from streamclust.sources import find_case

SIDE = 16


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


def make_network(file, batch="n", layout="nchw", sides=(SIDE, SIDE), last=None, **metadata):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper, numpy_helper

    chance = np.random.default_rng(1)
    kernel = chance.normal(size=(5, 3, 3, 3)).astype(np.float32)
    weights = chance.normal(size=(5, 4)).astype(np.float32)
    shape = [batch, 3, *sides] if layout == "nchw" else [batch, *sides, 3]
    nodes = [
        helper.make_node("Conv", ["nchw", "kernel"], ["maps"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["maps"], ["relu"]),
        helper.make_node("GlobalAveragePool", ["relu"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("MatMul", ["features", "weights"], ["products"]),
        helper.make_node(last or "Identity", ["products"], ["scores"]),
    ]
    taken = "nchw"
    if layout == "nhwc":
        taken = "pictures"
        nodes.insert(0, helper.make_node("Transpose", [taken], ["nchw"], perm=[0, 3, 1, 2]))
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info(taken, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, 4])],
        [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(weights, "weights")],
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=9)
    for name, value in metadata.items():
        model.metadata_props.add(key=name, value=json.dumps(value))
    onnx.save(model, file)
    return file


def features(photos, mean=(0, 0, 0), std=(1, 1, 1), sides=(SIDE, SIDE), box=None):
    """What the network tells, by numpy and Pillow alone, in the order of the names."""
    chance = np.random.default_rng(1)
    kernel = chance.normal(size=(5, 3, 3, 3)).astype(np.float32)
    rows = []
    for file in sorted(photos.rglob("*.png"), key=lambda file: file.relative_to(photos).as_posix()):
        with Image.open(file) as image:
            small = image.resize(sides[::-1], Image.Resampling.BILINEAR, box)
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


@pytest.mark.parametrize(
    ("metadata", "side", "crop"),
    [
        ({"pretrained_cfg": {"input_size": [3, 24, 24], "crop_pct": 0.5}}, 24, 0.5),
        ({"size": {"height": 24, "width": 24}, "rescale_factor": 1 / 255}, 24, 0),
        ({"size": {"shortest_edge": 48}, "crop_size": {"height": 24, "width": 24}}, 24, 0.5),
        ({"imgsz": [24, 24], "Image.NominalPixelRange": "Normalized_0_1"}, 24, 0),
    ],
)
def test_metadata_as_exporters_write_them(photos, tmp_path, metadata, side, crop):
    file = make_network(tmp_path / "net.onnx", sides=("h", "w"), **metadata)
    case = streamclust.embed(photos, tmp_path / "case", models=file, output="features")
    # Of pictures of 60 x 40 pixels.
    cut = 20 * crop
    box = (30 - cut, 20 - cut, 30 + cut, 20 + cut) if crop else None
    expected = features(photos, sides=(side, side), box=box)
    np.testing.assert_allclose(rows_of(case), expected, rtol=1e-3, atol=1e-4)


def test_pictures_that_are_no_squares_and_lie_on_their_side(photos, tmp_path):
    sides = (24, 12)
    expected = features(photos, sides=sides)
    for file in photos.rglob("*.png"):
        with Image.open(file) as image:
            turned = image.transpose(Image.Transpose.ROTATE_90)
            exif = Image.Exif()
            exif[0x0112] = 6
            turned.save(file, exif=exif)
    network = make_network(tmp_path / "net.onnx", sides=sides)
    case = streamclust.embed(photos, tmp_path / "case", models=network, output="features")
    np.testing.assert_allclose(rows_of(case), expected, rtol=1e-2, atol=1e-2)
    open_sides = make_network(tmp_path / "net.onnx", sides=("h", "w"))
    options = {"models": open_sides, "output": "features", "size": "24x12"}
    again = streamclust.embed(photos, tmp_path / "again", **options)
    np.testing.assert_allclose(rows_of(again), rows_of(case), rtol=1e-5)


def test_a_network_of_bytes_one_picture_at_a_time(photos, tmp_path):
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    shape = numpy_helper.from_array(np.array([1, 3]), "shape")
    nodes = [
        helper.make_node("Cast", ["bytes"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["means"], axes=[1, 2], keepdims=0),
        helper.make_node("Reshape", ["means", "shape"], ["rows"]),
    ]
    taken = helper.make_tensor_value_info("bytes", TensorProto.UINT8, ["n", SIDE, SIDE, 3])
    given = helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", 3])
    graph = helper.make_graph(nodes, "net", [taken], [given], [shape])
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), tmp_path / "net.onnx")
    case = streamclust.embed(photos, tmp_path / "case", models=tmp_path / "net.onnx")
    for row, file in zip(rows_of(case), (photos / "0").iterdir(), strict=False):
        assert row.shape == (3,)
        assert file.exists()
    with Image.open(photos / "0" / "000.png") as image:
        small = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(rows_of(case)[0], np.asarray(small).mean((0, 1)), rtol=1e-5)


def test_weights_in_another_file(photos, network, tmp_path):
    onnx = pytest.importorskip("onnx")
    whole = streamclust.embed(photos, tmp_path / "whole", models=network, output="relu")
    file = tmp_path / "parts.onnx"
    parts = {"all_tensors_to_one_file": True, "location": "parts.data", "size_threshold": 0}
    onnx.save_model(onnx.load(network), file, save_as_external_data=True, **parts)
    case = streamclust.embed(photos, tmp_path / "case", models={"net": file}, output="relu")
    np.testing.assert_array_equal(rows_of(case), rows_of(whole))
    record = json.loads((case / "embedding.json").read_text())
    assert list(record["models"][0]["data"]) == ["parts.data"]


def test_several_models_in_one_pass(photos, network, tmp_path):
    other = make_network(tmp_path / "other.onnx")
    models = [network, f"again={network}", other, "simple"]
    case = streamclust.embed(photos, tmp_path / "case", models=models)
    sets = sorted(file.stem for file in (case / "descriptors").iterdir())
    assert sets == ["again", "colour", "layout", "net", "other", "shape"]
    for name in ("again", "other"):
        np.testing.assert_array_equal(rows_of(case), rows_of(case, name))


def test_no_bit_follows_from_the_number_of_threads(photos, network, tmp_path):
    models = [network, "simple"]
    one = streamclust.embed(photos, tmp_path / "one", models=models, workers=1)
    three = streamclust.embed(photos, tmp_path / "three", models=models, workers=3)
    for file in (one / "descriptors").iterdir():
        assert file.read_bytes() == (three / "descriptors" / file.name).read_bytes()


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
            streamclust.embed(photos, tmp_path / "case", workers=1)
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


def test_images_that_are_replaced_meanwhile(photos, tmp_path, monkeypatch):
    described = SimpleModel.__call__

    def replaces_one(model, pictures):
        image = photos / "2" / "002.png"
        image.write_bytes((photos / "1" / "001.png").read_bytes())
        return described(model, pictures)

    with monkeypatch.context() as changed:
        changed.setattr(SimpleModel, "__call__", replaces_one)
        with pytest.raises(SourceError, match="images were replaced while they were read"):
            streamclust.embed(photos, tmp_path / "case")
    assert not (tmp_path / "case" / "embedding.json").exists()


def test_levels_of_what_is_given_and_what_is_not():
    imagenet = PRESETS["imagenet"]
    white = np.full((1, 2, 2, 3), 255, np.uint8)
    wanted = imagenet.values(white, "nchw")
    mean, std = (tuple(255 * v for v in three) for three in (imagenet.mean, imagenet.std))
    for given in ((mean, None), (None, std), (mean, std), (imagenet.mean, None)):
        found = imagenet.with_statistics(*given).values(white, "nchw")
        np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_sizes_that_are_whole_floats():
    made, _ = told_by_metadata({"size": '{"shortest_edge": 256.0}', "crop_size": "224"})
    assert (made.height, made.width, made.crop) == (224, 224, 224 / 256)


def test_bad_images_are_left_out_and_told(photos, tmp_path):
    (photos / "0" / "000.png").write_bytes(b"")
    (photos / "1" / "001.png").write_bytes((photos / "1" / "001.png").read_bytes()[:60])
    os.rename(photos / "2" / "002.png", os.fsencode(photos / "2") + b"/\xff.png")
    (photos / "notes.txt").touch()
    said = []
    case = streamclust.embed(photos, tmp_path / "case", observers=[said.append])
    texts = [one.text for one in said if isinstance(one, Message)]
    assert texts[0] == "1 files of other kinds are passed over (.txt)"
    assert any("3 of 30 images cannot be described" in text for text in texts)
    assert len(rows_of(case, "colour")) == 27
    assert np.isfinite(rows_of(case, "shape")).all()
    lines = (case / "bad_images.csv").read_text().splitlines()
    named = [line.partition(",")[0] for line in lines]
    assert named == ["path", "0/000.png", "1/001.png", "2/\\udcff.png"]


def test_rows_of_nan_are_left_out(photos, tmp_path):
    pytest.importorskip("onnx")
    # Of a black picture every product is 0, and one divided by it is infinite.
    black = sorted(photos.rglob("*.png"))[7]
    Image.new("RGB", (SIDE, SIDE)).save(black)
    file = make_network(tmp_path / "net.onnx", last="Reciprocal")
    case = streamclust.embed(photos, tmp_path / "case", models=file)
    rows = rows_of(case)
    assert len(rows) == 29
    assert np.isfinite(rows).all()
    name = black.relative_to(photos).as_posix()
    told = (case / "bad_images.csv").read_text().splitlines()
    assert told == ["path,reason", f"{name},net is NaN or infinite of it"]
    assert name not in (case / "images_paths.csv").read_text()


def test_lists_of_paths(photos, tmp_path):
    files = sorted(photos.rglob("*.png"))[3:9]
    (tmp_path / "whole.txt").write_text("".join(f"{file}\n" for file in files))
    (tmp_path / "lists").mkdir()
    from_there = [f"../photos/{file.relative_to(photos)}" for file in files]
    lines = ["path,what", *(f"{path},x" for path in from_there)]
    (tmp_path / "lists" / "a.csv").write_text("\n".join(lines))
    below = [str(file.relative_to(photos)) for file in files]
    (tmp_path / "below.txt").write_text("\n".join(below))
    packed = tmp_path / "photos.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for file in photos.rglob("*.png"):
            archive.write(file, file.relative_to(photos))
    cases = [
        streamclust.embed(tmp_path / "whole.txt", tmp_path / "1"),
        streamclust.embed(tmp_path / "lists" / "a.csv", tmp_path / "2"),
        streamclust.embed(packed, tmp_path / "3", paths=tmp_path / "below.txt"),
    ]
    for case in cases:
        assert rows_of(case, "shape").tobytes() == rows_of(cases[0], "shape").tobytes()
        paths = (case / "images_paths.csv").read_text().split()[1:]
        assert [Path(path).name for path in paths] == [file.name for file in files]
        assert ImageStore(find_case(case).images).read(paths[0]) == files[0].read_bytes()


def test_nothing_stands_for_other_images_or_beside_other_work(photos, tmp_path, monkeypatch):
    case = streamclust.embed(photos, tmp_path / "case")
    Image.new("RGB", (40, 40)).save(photos / "0" / "000.png")
    with pytest.raises(SettingsError, match="descriptors of other images or by other models"):
        streamclust.embed(photos, case)

    def breaks_off(model, pictures):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(SimpleModel, "__call__", breaks_off)
        with pytest.raises(KeyboardInterrupt):
            streamclust.embed(photos, tmp_path / "half")
    Image.new("RGB", (41, 40)).save(photos / "0" / "000.png")
    with pytest.raises(SettingsError, match="holds the first rows of other images"):
        streamclust.embed(photos, tmp_path / "half")
    with (
        FileLock(tmp_path / "half" / ".embedding" / "lock"),
        pytest.raises(WorkspaceError, match="is being made by another command"),
    ):
        streamclust.embed(photos, tmp_path / "half")


def test_figures_of_results_are_no_images(photos, tmp_path):
    (photos / "out" / "workspace.zarr").mkdir(parents=True)
    (photos / "out" / "workspace.zarr" / "zarr.json").touch()
    Image.new("RGB", (40, 40)).save(photos / "out" / "figure.png")
    assert len(find_images(photos).names) == 30


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
    # The results know what made them, wherever its case and the network are now.
    shutil.rmtree(case)
    network.rename(tmp_path / "moved.onnx")
    with pytest.raises(SettingsError, match=r"net\.onnx: the network .* is not there any more"):
        made.assign(new, tmp_path / "again.csv")
    made.assign(new, tmp_path / "again.csv", models=[tmp_path / "moved.onnx"])
    assert (tmp_path / "again.csv").read_text().count("\n") == 13
    network.write_bytes((tmp_path / "moved.onnx").read_bytes() + b"\0")
    with pytest.raises(SettingsError, match=r"has changed, and none of .*net\.onnx is it"):
        made.assign(new, tmp_path / "again.csv", models=[network], overwrite=True)
    with pytest.raises(SettingsError, match="--model is for images alone"):
        made.assign(tmp_path / "out" / "cases", tmp_path / "a.csv", models=[network])
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
        ({"size": 32}, SettingsError, "takes pictures of 16 x 16 pixels, not 32 x 32"),
        ({"size": "a"}, SettingsError, "write 224, or height and width: 256x128"),
        ({"layout": "nhwc"}, SourceError, "takes pictures of 16 channels"),
        ({"layout": "abcd"}, SettingsError, "choose from nchw, nhwc"),
        ({"preset": "some"}, SettingsError, "choose from none, raw, imagenet, clip"),
        ({"std": (0, 1, 1)}, SettingsError, "must be above 0"),
        ({"mean": (1, 2)}, SettingsError, "give three numbers"),
        ({"mean": (1, 2, float("nan"))}, SettingsError, "give three numbers"),
        ({"crop": 2}, SettingsError, "must be a share from 0 to 1"),
        ({"memory": "100MiB"}, MemoryBudgetError, "give it --memory"),
        ({"models": "simple", "size": 8}, SettingsError, "are of networks: name one"),
        ({"models": []}, SettingsError, "name a --model"),
        ({"models": {"a,b": "net.onnx"}}, SourceError, "cannot name a set"),
        ({"models": ["a=net.onnx", "a=net.onnx"]}, SettingsError, "two models make a set called a"),
    ],
)
def test_options_that_do_not_fit(photos, network, tmp_path, options, kind, words, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=words):
        streamclust.embed(photos, tmp_path / "case", **{"models": network, **options})


def test_what_is_no_network_or_no_images(photos, tmp_path):
    pytest.importorskip("onnxruntime")
    (tmp_path / "a.onnx").write_bytes(b"?" * 100)
    with pytest.raises(SourceError, match="cannot be used as a network in ONNX"):
        streamclust.embed(photos, tmp_path / "case", models=tmp_path / "a.onnx")
    with pytest.raises(SourceError, match=r"none\.onnx: is no file: name a network"):
        streamclust.embed(photos, tmp_path / "case", models=tmp_path / "none.onnx")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="holds no images"):
        streamclust.embed(tmp_path / "empty", tmp_path / "case")
    for file in photos.rglob("*.png"):
        file.write_bytes(b"")
    with pytest.raises(SourceError, match="no image can be described"):
        streamclust.embed(photos, tmp_path / "case")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").touch()
    with pytest.raises(SettingsError, match="holds other files: name another --out"):
        streamclust.embed(photos, tmp_path / "other")
    with pytest.raises(SettingsError, match="cannot be made"):
        streamclust.embed(photos, tmp_path / "other" / "mine.txt")
