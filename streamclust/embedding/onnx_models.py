"""Networks in ONNX files: what they take, which of their values describe a picture, and their run.

Reference: the ONNX specification, and the Python interface of ONNX Runtime.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.embedding.models import Preprocessing
from streamclust.errors import SettingsError, SourceError

PRESETS = {
    "none": Preprocessing(224),
    "imagenet": Preprocessing(224, 1.0, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": Preprocessing(
        224,
        1.0,
        "bicubic",
        (0.48145466, 0.4578275, 0.40821073),
        (0.26862954, 0.26130258, 0.27577711),
    ),
}
_CHANNELS = 3
_MOST_SIDE = 4096
_SHOWN = 24


@dataclass(frozen=True)
class ONNXOptions:
    """What a person says of a network; None where the network's file is to tell.

    Attributes
    ----------
    preset : {"none", "imagenet", "clip"}
    size : int, optional
    mean, std : tuple of float, optional
    layout : {"nchw", "nhwc"}, optional
    output : str, optional
        An output, or a value inside of the network; the first output by default.
    """

    preset: str = "none"
    size: int | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    layout: str | None = None
    output: str | None = None


class ONNXModel:
    """A network as a `Model`, of one set that is called as its file.

    Parameters
    ----------
    file : Path
    options : ONNXOptions
    name : str, optional
        Of the set.

    Raises
    ------
    SourceError
        When the file is no such network, or takes no pictures.
    SettingsError
        When options do not fit it, or ONNX Runtime is not there.
    """

    def __init__(self, file: Path, options: ONNXOptions, name: str | None = None) -> None:
        self.file, self.options = file, options
        self.name = name or file.stem
        self._session = _session(file, options.output)
        self._input = _picture_input(file, self._session)
        self._layout, side = _layout_of(file, self._input, options)
        self.preprocessing = _preprocessing(file, self._session, options, side)
        self.output = options.output or self._session.get_outputs()[0].name
        self._batch = self._input.shape[0] if isinstance(self._input.shape[0], int) else None
        side = self.preprocessing.side
        probe = self(np.zeros((self._batch or 1, side, side, _CHANNELS), np.uint8))
        self.widths: Mapping[str, int] = {self.name: probe[self.name].shape[1]}

    def __call__(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        size = self._batch or len(pictures)
        rows = []
        for start in range(0, len(pictures), size):
            part = pictures[start : start + size]
            missing = size - len(part)
            # A network of a fixed batch is given whole ones.
            padded = np.concatenate([part, np.zeros((missing, *part.shape[1:]), np.uint8)])
            rows.append(self._run(padded if missing else part)[: len(part)])
        return {self.name: np.concatenate(rows)}

    def _run(self, pictures: np.ndarray) -> np.ndarray:
        # By planes, which are scaled ten times as fast as pixels are.
        values = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32)
        values /= 255
        values -= np.array(self.preprocessing.mean, np.float32)[:, np.newaxis, np.newaxis]
        values /= np.array(self.preprocessing.std, np.float32)[:, np.newaxis, np.newaxis]
        if self._layout == "nhwc":
            values = np.ascontiguousarray(values.transpose(0, 2, 3, 1))
        if "float16" in self._input.type:
            values = values.astype(np.float16)
        try:
            (found,) = self._session.run([self.output], {self._input.name: values})
        except Exception as error:  # of ONNX Runtime's own kinds
            raise _unusable(self.file, error) from error
        return _pooled(self.file, self.output, np.asarray(found), len(pictures))

    def record(self) -> dict[str, Any]:
        return {
            "model": self.file.name,
            "path": str(self.file.absolute()),
            "blake2b": file_digest(self.file),
            "set": self.name,
            "output": self.output,
            "options": asdict(self.options),
            "layout": self._layout,
            "preprocessing": asdict(self.preprocessing),
        }


def file_digest(file: Path) -> str:
    """A digest of all bytes of a file."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        with open(file, "rb") as content:
            while piece := content.read(2**20):
                digest.update(piece)
    except OSError as error:
        raise SourceError(f"{file}: cannot be read: {error.strerror or error}") from error
    return digest.hexdigest()


def describe(file: Path) -> list[str]:
    """What a network takes and gives, and the last of its inner values, in lines.

    Raises
    ------
    SourceError
        When the file is no network.
    SettingsError
        When the libraries are not there.
    """
    session = _session(file, None)
    lines = [f"input {one.name}: {one.type} {_sides(one.shape)}" for one in session.get_inputs()]
    lines += [f"output {one.name}: {one.type} {_sides(one.shape)}" for one in session.get_outputs()]
    onnx = _onnx(file)
    try:
        known = onnx.shape_inference.infer_shapes(onnx.load(file)).graph
    except Exception as error:
        raise _unusable(file, error) from error
    makers = {name: node.op_type for node in known.node for name in node.output}
    shapes = [(value.name, value.type.tensor_type.shape.dim) for value in known.value_info]
    inner = [
        (name, [side.dim_value or side.dim_param for side in sides])
        for name, sides in shapes
        if len(sides) in (2, 3, 4)
    ]
    lines += [
        f"inner {name}: {makers.get(name, '?')} {_sides(sides)}" for name, sides in inner[-_SHOWN:]
    ]
    return lines


def _sides(sides: Any) -> str:
    return " x ".join(str(side or "?") for side in sides)


def _session(file: Path, output: str | None) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise SettingsError(
            "networks are run by ONNX Runtime: pip install 'streamclust[embed]'"
        ) from None
    if not file.is_file():
        raise SourceError(f"{file}: does not exist: check --model")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.use_deterministic_compute = True
    source: Any = str(file)
    try:
        session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        if output is None or output in [one.name for one in session.get_outputs()]:
            return session
        source = _with_output(file, output)
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except (SourceError, SettingsError):
        raise
    except Exception as error:  # of ONNX Runtime's own kinds
        raise _unusable(file, error) from error


def _with_output(file: Path, output: str) -> bytes:
    """The network with an inner value as a further output."""
    onnx = _onnx(file)
    model = onnx.load(file)
    values = [name for node in model.graph.node for name in node.output]
    if output not in values:
        some = ", ".join(values[-_SHOWN:])
        raise SettingsError(f"{file}: has no value '{output}': among its last are {some}")
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(output))
    return bytes(model.SerializeToString())


def _onnx(file: Path) -> Any:
    try:
        import onnx
    except ImportError:
        raise SettingsError(
            f"{file}: values inside of a network are found by onnx: "
            "pip install 'streamclust[embed]'"
        ) from None
    return onnx


def _unusable(file: Path, error: Exception) -> SourceError:
    reason = " ".join(str(error).split())[:200]
    return SourceError(f"{file}: cannot be used as a network in ONNX ({reason})")


def _picture_input(file: Path, session: Any) -> Any:
    needed = session.get_inputs()
    pictures = [one for one in needed if len(one.shape) == 4 and "float" in one.type]
    if len(needed) != 1 or not pictures:
        told = ", ".join(f"{one.name} {_sides(one.shape)}" for one in needed)
        raise SourceError(
            f"{file}: takes {told or 'nothing'}, and not one input of pictures, floats of 4 sides"
        )
    return pictures[0]


def _layout_of(file: Path, taken: Any, options: ONNXOptions) -> tuple[str, int | None]:
    """The order of an input's sides, and the length of the picture's, where the file tells."""
    sides = taken.shape
    layout = options.layout or ("nhwc" if sides[3] == _CHANNELS != sides[1] else "nchw")
    channels, height, width = (
        (sides[1], sides[2], sides[3]) if layout == "nchw" else (sides[3], sides[1], sides[2])
    )
    if isinstance(channels, int) and channels != _CHANNELS:
        raise SourceError(
            f"{file}: takes pictures of {channels} channels ({_sides(sides)}, {layout}): "
            "--layout tells another order of sides"
        )
    known = [side for side in (height, width) if isinstance(side, int)]
    if len(set(known)) > 1:
        raise SourceError(f"{file}: takes pictures of {height} x {width}: squares are made")
    return layout, known[0] if known else None


def _preprocessing(
    file: Path, session: Any, options: ONNXOptions, side: int | None
) -> Preprocessing:
    told = _metadata(session)
    made = PRESETS[options.preset]
    if options.preset == "none":
        made = replace(made, **{name: told[name] for name in ("mean", "std") if name in told})
    if options.mean is not None:
        made = replace(made, mean=options.mean)
    if options.std is not None:
        made = replace(made, std=options.std)
    if side is not None and options.size not in (None, side):
        raise SettingsError(f"{file}: takes pictures of {side} pixels a side, not {options.size}")
    made = replace(made, side=side or options.size or told.get("side") or made.side)
    if not 1 <= made.side <= _MOST_SIDE or 0 in made.std:
        raise SettingsError(f"{file}: pictures of {made.side} pixels, std {made.std}: impossible")
    return made


def _metadata(session: Any) -> dict[str, Any]:
    """Mean, standard deviation and size, where the file's metadata have them as numbers."""
    told: dict[str, Any] = {}
    for name, text in session.get_modelmeta().custom_metadata_map.items():
        try:
            value = json.loads(text)
        except ValueError:
            continue
        key = {"image_mean": "mean", "image_std": "std"}.get(name, name)
        is_list = isinstance(value, list) and all(isinstance(one, int | float) for one in value)
        if key in ("mean", "std") and is_list and len(value) == _CHANNELS:
            told[key] = tuple(map(float, value))
        if key in ("image_size", "size", "input_size", "crop_size"):
            sides = value if isinstance(value, list) else [value]
            if sides and isinstance(sides[-1], int):
                told["side"] = sides[-1]
    return told


def _pooled(file: Path, name: str, values: np.ndarray, n_rows: int) -> np.ndarray:
    """A row a picture: maps are averaged over their places, tokens over all of them."""
    if values.ndim == 4:
        # Channels come first, as ONNX has them, unless the other two sides are the square's.
        _, first, second, third = values.shape
        values = values.mean(axis=(1, 2) if first == second != third else (2, 3))
    elif values.ndim == 3:
        values = values.mean(axis=1)
    if values.ndim != 2 or len(values) != n_rows or values.dtype.kind not in "fiu":
        raise SourceError(
            f"{file}: '{name}' gives {values.dtype} of {_sides(values.shape)} for {n_rows} "
            "pictures: name another with --output (--describe lists them)"
        )
    return values.astype(np.float32)
