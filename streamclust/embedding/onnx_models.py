"""Networks in ONNX as models: what they are given, and which of their values describe a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.embedding.models import BATCH
from streamclust.embedding.onnx_graphs import digests, open_session, sides, unusable
from streamclust.embedding.preprocessing import PRESETS, Preprocessing, Three, told_by_metadata
from streamclust.errors import SettingsError, SourceError
from streamclust.memory import Need, peak_resident, reset_peak, resident

_CHANNELS = 3
_MOST_SIDE = 4096
_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
_LAYOUTS = ("nchw", "nhwc")


@dataclass(frozen=True)
class ONNXOptions:
    """What a person says of a network; None where its file, or else a default, is to tell.

    Attributes
    ----------
    preset : {"none", "raw", "imagenet", "clip"}, optional
    size : (int, int), optional
        Height and width.
    mean, std : tuple of float, optional
    crop : float, optional
    layout : {"nchw", "nhwc"}, optional
    output : str, optional
        An output, or a value inside of the network; the first output by default.
    """

    preset: str | None = None
    size: tuple[int, int] | None = None
    mean: Three | None = None
    std: Three | None = None
    crop: float | None = None
    layout: str | None = None
    output: str | None = None

    def __post_init__(self) -> None:
        for name, value, known in (
            ("preset", self.preset, tuple(PRESETS)),
            ("layout", self.layout, _LAYOUTS),
        ):
            if value is not None and value not in known:
                raise SettingsError(f"{name}={value!r}: choose from {', '.join(known)}")
        if self.size is not None and not all(1 <= side <= _MOST_SIDE for side in self.size):
            raise SettingsError(f"size={self.size}: sides have 1 to {_MOST_SIDE} pixels")
        if self.crop is not None and not 0 <= self.crop <= 1:
            raise SettingsError(f"crop={self.crop}: must be a share from 0 to 1")
        if self.std is not None and not min(self.std) > 0:
            raise SettingsError(f"std={self.std}: must be above 0")


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
        before = resident()
        self._session = open_session(file, options.output)
        self._input = _picture_input(file, self._session)
        self._type = _TYPES[self._input.type]
        self._layout, of_file = _layout_of(file, self._input, options)
        self.notes: Sequence[str]
        self.preprocessing, self.notes = self._preprocessing(of_file)
        self.output = options.output or self._session.get_outputs()[0].name
        loaded = resident()
        reset_peak()
        self._batch, width = self._probed()
        self.widths: Mapping[str, int] = {self.name: width}
        self.need = Need(max(0, loaded - before), max(0, peak_resident() - loaded))

    def __call__(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        size = self._batch
        rows = []
        for start in range(0, len(pictures), size or len(pictures)):
            part = pictures[start : start + size] if size else pictures
            missing = size - len(part) if size else 0
            # A network of a fixed batch is given whole ones.
            padded = np.concatenate([part, np.zeros((missing, *part.shape[1:]), np.uint8)])
            rows.append(self._run(padded if missing else part)[: len(part)])
        return {self.name: np.concatenate(rows)}

    def _probed(self) -> tuple[int | None, int]:
        """Pictures that it takes at a time, None for any number, and the width of its rows."""
        declared = self._input.shape[0]
        if isinstance(declared, int) and declared > 0:
            return declared, self._run(self._blank(declared)).shape[1]
        try:
            return None, self._run(self._blank(BATCH)).shape[1]
        except SourceError as error:
            # Networks are exported whose input says any number, and whose inside is of one.
            try:
                return 1, self._run(self._blank(1)).shape[1]
            except SourceError:
                raise error from None

    def _blank(self, n_pictures: int) -> np.ndarray:
        how = self.preprocessing
        return np.zeros((n_pictures, how.height, how.width, _CHANNELS), np.uint8)

    def _run(self, pictures: np.ndarray) -> np.ndarray:
        if self._type == np.uint8:
            values = pictures if self.preprocessing.order == "rgb" else pictures[..., ::-1]
            values = values.transpose(0, 3, 1, 2) if self._layout == "nchw" else values
        else:
            values = self.preprocessing.values(pictures, self._layout)
        values = np.ascontiguousarray(values, self._type)
        try:
            (found,) = self._session.run([self.output], {self._input.name: values})
        except Exception as error:  # of ONNX Runtime's own kinds
            raise unusable(self.file, error) from error
        return self._pooled(np.asarray(found), len(pictures))

    def _pooled(self, values: np.ndarray, n_rows: int) -> np.ndarray:
        """A row a picture: maps are averaged over their places, tokens over all of them."""
        if values.ndim == 4:
            # Channels come first, as ONNX has them, unless the first two sides are the picture's.
            are_first = self._has_proportions(values.shape[1:3])
            are_last = self._has_proportions(values.shape[2:])
            values = values.mean(axis=(1, 2) if are_first and not are_last else (2, 3))
        elif values.ndim == 3:
            values = values.mean(axis=1)
        if values.ndim != 2 or len(values) != n_rows or values.dtype.kind not in "fiu":
            raise SourceError(
                f"{self.file}: '{self.output}' gives {values.dtype} of {sides(values.shape)} for "
                f"{n_rows} pictures: name another with --output (--describe lists them)"
            )
        if not values.shape[1]:
            raise SourceError(f"{self.file}: '{self.output}' has no columns: name another --output")
        with np.errstate(over="ignore"):
            return values.astype(np.float32)

    def _has_proportions(self, shape: tuple[int, ...]) -> bool:
        return shape[0] * self.preprocessing.width == shape[1] * self.preprocessing.height

    def record(self) -> dict[str, Any]:
        own, *others = digests(self.file).items()
        return {
            "model": own[0],
            "path": str(self.file.absolute()),
            "blake2b": own[1],
            "data": dict(others),
            "set": self.name,
            "output": self.output,
            "options": asdict(self.options),
            "layout": self._layout,
            "preprocessing": asdict(self.preprocessing),
        }

    def _preprocessing(
        self, of_file: tuple[int | None, int | None]
    ) -> tuple[Preprocessing, Sequence[str]]:
        options, file = self.options, self.file
        metadata = self._session.get_modelmeta().custom_metadata_map
        made, told = told_by_metadata(metadata)
        notes = []
        if options.preset is not None:
            preset = PRESETS[options.preset]
            made = replace(preset, height=made.height, width=made.width)
        is_given = bool(options.preset or options.mean or options.std)
        if self._type == np.uint8 and is_given:
            notes.append(f"{file.name} takes pixels as they are: mean and std are not used")
        elif self._type != np.uint8 and not is_given and not told & {"mean", "std", "scale"}:
            notes.append(
                f"{file.name} does not tell which values it was trained on: it is given those from "
                "0 to 1; --preset imagenet, or --mean and --std, tell others"
            )
        made = made.with_statistics(options.mean, options.std)
        if options.crop is not None:
            made = replace(made, crop=options.crop)
        if options.size is not None:
            made = replace(made, height=options.size[0], width=options.size[1])
        height, width = of_file[0] or made.height, of_file[1] or made.width
        if options.size is not None and options.size != (height, width):
            raise SettingsError(
                f"{file}: takes pictures of {height} x {width} pixels, "
                f"not {options.size[0]} x {options.size[1]}"
            )
        if max(height, width) > _MOST_SIDE:
            raise SourceError(
                f"{file}: takes pictures of {height} x {width} pixels, a side of more than "
                f"{_MOST_SIDE}"
            )
        return replace(made, height=height, width=width), notes


def _picture_input(file: Path, session: Any) -> Any:
    needed = session.get_inputs()
    pictures = [one for one in needed if len(one.shape) == 4 and one.type in _TYPES]
    if len(needed) != 1 or not pictures:
        told = ", ".join(f"{one.name} {one.type} {sides(one.shape)}" for one in needed)
        raise SourceError(
            f"{file}: takes {told or 'nothing'}, and not one input of pictures: numbers of 4 sides"
        )
    return pictures[0]


def _layout_of(
    file: Path, taken: Any, options: ONNXOptions
) -> tuple[str, tuple[int | None, int | None]]:
    """The order of an input's sides, and the picture's height and width, where the file tells."""
    shape = taken.shape
    layout = options.layout or ("nhwc" if shape[3] == _CHANNELS != shape[1] else "nchw")
    channels, height, width = shape[1:] if layout == "nchw" else (shape[3], shape[1], shape[2])
    if isinstance(channels, int) and channels != _CHANNELS:
        raise SourceError(
            f"{file}: takes pictures of {channels} channels ({sides(shape)}, {layout}), and "
            f"pictures have {_CHANNELS}: --layout tells another order of sides"
        )
    known = [side if isinstance(side, int) and side > 0 else None for side in (height, width)]
    return layout, (known[0], known[1])
