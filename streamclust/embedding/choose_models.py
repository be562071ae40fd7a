"""Models as a person names them, or as they are found again by what made a case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamclust.embedding.models import SIMPLE, Model, SimpleModel
from streamclust.embedding.onnx_graphs import digests, file_digest
from streamclust.embedding.onnx_models import ONNXModel, ONNXOptions
from streamclust.errors import SettingsError, SourceError

PathLike = str | Path


def chosen_models(
    given: PathLike | Sequence[PathLike] | Mapping[str, PathLike], options: ONNXOptions
) -> list[Model]:
    """Models of files, ``NAME=FILE`` where the set is not to be called as the file, or ``simple``.

    Raises
    ------
    SourceError, SettingsError
        As `ONNXModel`.
    """
    if isinstance(given, Mapping):
        return [ONNXModel(Path(file), options, name) for name, file in given.items()]
    named = [given] if isinstance(given, str | Path) else [*given]
    if options != ONNXOptions() and {SIMPLE} == set(map(str, named)):
        raise SettingsError(
            "preset, size, mean, std, crop, layout and output are of networks: name one, --model"
        )
    return [_model(str(one), options) for one in named]


def _model(text: str, options: ONNXOptions) -> Model:
    if text == SIMPLE:
        return SimpleModel()
    name, file = named_file(text)
    return ONNXModel(file, options, name)


def named_file(text: str) -> tuple[str | None, Path]:
    """Name and file of ``NAME=FILE``; no name where only a file is told."""
    name, equals, file = text.partition("=")
    if not equals or "/" in name or Path(text).exists():
        return None, Path(text)
    return name, Path(file)


def recorded_models(record: Mapping[str, Any], places: Sequence[Path]) -> list[Model]:
    """The models that made a case, as its record tells.

    Parameters
    ----------
    record : mapping
    places : sequence of Path
        Networks that may be those which the record tells of, wherever they were then.

    Raises
    ------
    SettingsError
        When a network is not where it was, nor among these, or has changed.
    SourceError
        When the record cannot be understood.
    """
    try:
        told = [_Told.of(one) for one in record["models"]]
    except (KeyError, TypeError, AttributeError):
        raise SourceError(
            "what made the descriptors is told in another way than this version knows: make the "
            "case again"
        ) from None
    return [
        SimpleModel() if one is None else ONNXModel(one.found(places), one.options, one.name)
        for one in told
    ]


@dataclass(frozen=True)
class _Told:
    """What a record tells of a network."""

    name: str
    options: ONNXOptions
    path: Path
    digest: str
    parts: Mapping[str, str]

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> _Told | None:
        """None of the simple model."""
        if record["model"] == SIMPLE:
            return None
        options = ONNXOptions(**{k: _as_tuple(value) for k, value in record["options"].items()})
        path, data = Path(record["path"]), record["data"]
        return cls(record["set"], options, path, record["blake2b"], data)

    def found(self, places: Sequence[Path]) -> Path:
        """The file with the bytes that it had."""
        for file in places:
            if not file.is_file():
                raise SourceError(f"{file}: is no file: check --model")
        for file in (*places, self.path):
            if file.is_file() and self._is_same(file):
                return file
        state = "has changed" if self.path.is_file() else "is not there any more"
        among = f", and none of {', '.join(map(str, places))} is it" if places else ""
        raise SettingsError(
            f"{self.path}: the network that made the descriptors {state}{among}: name it with "
            "--model"
        )

    def _is_same(self, file: Path) -> bool:
        if file_digest(file) != self.digest:
            return False
        _, *parts = digests(file).items()
        return dict(parts) == self.parts


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
