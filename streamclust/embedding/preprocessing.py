"""How an image becomes what a network takes: told by a person, a preset, or the network's file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

Three = tuple[float, float, float]

_WHITE = 255
# Means and deviations of values from 0 to 1 are not larger: others are of values from 0 to 255.
_MOST_OF_ONE = 2.0
# Metadata are JSON, or hold some.
_DEEPEST = 4


@dataclass(frozen=True)
class Preprocessing:
    """What a network is given of an image.

    Attributes
    ----------
    height, width : int
        Of the picture, in pixels.
    crop : float
        Share of the largest rectangle of these proportions, in the middle of the image, that is
        kept; 0 for the whole image, whose sides are scaled each by its own.
    resampling : {"bilinear", "bicubic"}
    scale : float
        By which levels from 0 to 255 are multiplied first.
    mean, std : tuple of float
        Of the scaled red, green and blue: taken away, and divided by.
    order : {"rgb", "bgr"}
    """

    height: int = 224
    width: int = 224
    crop: float = 0.0
    resampling: str = "bilinear"
    scale: float = 1 / _WHITE
    mean: Three = (0.0, 0.0, 0.0)
    std: Three = (1.0, 1.0, 1.0)
    order: str = "rgb"

    @property
    def frame(self) -> tuple[int, int, float, str]:
        """What decoding depends on: `streamclust.images.framed_picture` takes it."""
        return self.height, self.width, self.crop, self.resampling

    def values(self, pictures: np.ndarray, layout: str) -> np.ndarray:
        """Values that a network takes, float32, of pictures (n, height, width, 3), uint8."""
        factor = self.scale / np.array(self.std)
        offset = -np.array(self.mean) / np.array(self.std)
        # Written plane by plane: the planes of the result are contiguous.
        values = np.empty((len(pictures), 3, *pictures.shape[1:3]), np.float32)
        for place, channel in enumerate((0, 1, 2) if self.order == "rgb" else (2, 1, 0)):
            plane = values[:, place]
            np.multiply(pictures[..., channel], np.float32(factor[channel]), out=plane)
            plane += np.float32(offset[channel])
        if layout == "nchw":
            return values
        return np.ascontiguousarray(values.transpose(0, 2, 3, 1))

    def with_statistics(self, mean: Three | None, std: Three | None) -> Preprocessing:
        """The same with other means and deviations, whichever levels they are of."""
        given = [value for values in (mean, std) if values is not None for value in values]
        scale = 1.0 if max(given, default=0.0) > _MOST_OF_ONE else 1 / _WHITE
        if not given or scale < self.scale:
            return replace(self, mean=mean or self.mean, std=std or self.std)
        # What is not given is of the levels that it was of before.
        factor = scale / self.scale
        mean, std = mean or _times(factor, self.mean), std or _times(factor, self.std)
        return replace(self, scale=scale, mean=mean, std=std)


PRESETS = {
    "none": Preprocessing(),
    "raw": Preprocessing(scale=1.0),
    "imagenet": Preprocessing(crop=1.0, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    "clip": Preprocessing(
        crop=1.0,
        resampling="bicubic",
        mean=(0.48145466, 0.4578275, 0.40821073),
        std=(0.26862954, 0.26130258, 0.27577711),
    ),
}

# Names of the same thing, as timm, transformers, ultralytics and the ONNX specification have them;
# of several sizes the first counts.
_SIZES = ("crop_size", "input_size", "image_size", "imgsz", "img_size", "size")
_MEANS, _STDS = ("mean", "image_mean"), ("std", "image_std")
_RANGES = {
    "NominalRange_0_255": (1.0, 0.0, 1.0),
    "Normalized_0_1": (1 / _WHITE, 0.0, 1.0),
    "Normalized_1_1": (1 / _WHITE, 0.5, 0.5),
}
# As Pillow numbers and names them.
_RESAMPLINGS = {2: "bilinear", 3: "bicubic", "bilinear": "bilinear", "bicubic": "bicubic"}


def told_by_metadata(metadata: Mapping[str, str]) -> tuple[Preprocessing, set[str]]:
    """What the metadata of a network's file tell, and which of the attributes that is.

    Parameters
    ----------
    metadata : mapping of str to str
        JSON by name: ``mean``, ``std``, ``input_size``, ``crop_pct``, ``interpolation`` as timm has
        them; ``image_mean``, ``image_std``, ``size``, ``crop_size``, ``rescale_factor``,
        ``resample`` as transformers has them; or an object of these; ``Image.NominalPixelRange``
        and ``Image.BitmapPixelFormat`` of the ONNX specification.
    """
    found = dict(_flat(metadata))
    told: dict[str, Any] = {}
    told |= _told_range(found)
    told |= _told_size(found)
    for name, names in (("mean", _MEANS), ("std", _STDS)):
        three = next(filter(None, (_three(found.get(one)) for one in names)), None)
        if three is not None and (name == "mean" or 0 not in three):
            told[name] = three
    if (rescale := _number(found.get("rescale_factor"))) is not None and rescale > 0:
        told["scale"] = rescale
    for name in ("interpolation", "resample"):
        value = found.get(name)
        if isinstance(value, str | int) and value in _RESAMPLINGS:
            told["resampling"] = _RESAMPLINGS[value]
    made = Preprocessing(**{k: v for k, v in told.items() if k not in ("mean", "std")})
    if "scale" in told:
        made = replace(made, mean=told.get("mean", made.mean), std=told.get("std", made.std))
    else:
        made = made.with_statistics(told.get("mean"), told.get("std"))
    return made, set(told)


def _flat(values: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Names and values, also of objects inside; sizes may be objects themselves."""
    for name, text in values.items():
        value = _parsed(text) if isinstance(text, str) else text
        if isinstance(value, dict) and name not in _SIZES and depth < _DEEPEST:
            yield from _flat(value, depth + 1)
        else:
            yield name, value


def _parsed(text: str) -> Any:
    # Tuples as Python prints them are lists for JSON.
    for written in (text, text.replace("(", "[").replace(")", "]")):
        try:
            return json.loads(written)
        except (ValueError, RecursionError):
            continue
    return text


def _told_range(found: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    known = _RANGES.get(str(found.get("Image.NominalPixelRange")))
    if known is not None:
        scale, mean, std = known
        told = {"scale": scale, "mean": (mean,) * 3, "std": (std,) * 3}
    if str(found.get("Image.BitmapPixelFormat", "")).lower().startswith("bgr"):
        told["order"] = "bgr"
    return told


def _told_size(found: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    sizes = {name: size for name in _SIZES if (size := _size(found.get(name))) is not None}
    if sizes:
        told["height"], told["width"] = next(iter(sizes.values()))
    share = _number(found.get("crop_pct"))
    shorter = found.get("size")
    if told and isinstance(shorter, dict) and (edge := _number(shorter.get("shortest_edge"))):
        # The image is scaled to the edge, and the square is cut out of that.
        share = min(told["height"], told["width"]) / edge
    if share is not None and 0 < share <= 1:
        told["crop"] = share
    return told


def _size(value: Any) -> tuple[int, int] | None:
    """Height and width, out of whatever a size is written as."""
    if isinstance(value, dict):
        edge = value.get("shortest_edge")
        value = [value.get("height", edge), value.get("width", edge)]
    sides = value if isinstance(value, list) else [value, value]
    if len(sides) == 3:
        # Channels come first, or last.
        sides = sides[1:] if sides[0] in (1, 3) else sides[:2]
    if len(sides) == 1:
        sides = sides * 2
    numbers = [_number(one) for one in sides]
    if len(sides) != 2 or not all(one and one > 0 and one.is_integer() for one in numbers):
        return None
    return int(sides[0]), int(sides[1])


def _times(factor: float, three: Three) -> Three:
    red, green, blue = three
    return factor * red, factor * green, factor * blue


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None


def _three(value: Any) -> Three | None:
    if not isinstance(value, list):
        value = [value] * 3
    numbers = [number for one in value if (number := _number(one)) is not None]
    if len(value) != 3 or len(numbers) != 3:
        return None
    red, green, blue = numbers
    return red, green, blue
