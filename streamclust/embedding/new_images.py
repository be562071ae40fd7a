"""New images for results that were made of images: described by the same models."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streamclust.embedding.image_rows import (
    embed_images,
    find_images,
    holds_images_alone,
    read_record,
)
from streamclust.embedding.models import SIMPLE, Model, SimpleModel
from streamclust.embedding.onnx_models import ONNXModel, ONNXOptions, file_digest
from streamclust.errors import SettingsError
from streamclust.events import Events
from streamclust.store import Workspace, sources


def case_of_images(
    workspace: Workspace, given: Any, folder: Path, events: Events, memory: int
) -> Path | None:
    """A case of new images, in a folder of their own below `folder`; None where descriptors are
    given.

    Raises
    ------
    SettingsError
        When the results were not made of images by `streamclust.embed`, or a network is not where
        it was, or has changed.
    SourceError
        When the images cannot be read.
    """
    if not isinstance(given, str | Path) or not holds_images_alone(Path(given)):
        return None
    record = next(filter(None, (read_record(file.parent) for file in sources(workspace))), None)
    if record is None:
        raise SettingsError(
            f"{given}: holds images alone, and {workspace.folder} was made of descriptors: "
            "describe them by the same networks first"
        )
    models = [_model(one) for one in record["models"]]
    images = find_images(Path(given))
    digest = hashlib.blake2b("\n".join(images.names).encode("utf-8", "surrogateescape"))
    case = folder / f"{Path(given).stem}-{digest.hexdigest()[:8]}"
    case.mkdir(parents=True, exist_ok=True)
    embed_images(images, models, case, events, memory)
    return case


def _model(record: dict[str, Any]) -> Model:
    if record["model"] == SIMPLE:
        return SimpleModel()
    file = Path(record["path"])
    if not file.is_file() or file_digest(file) != record["blake2b"]:
        state = "has changed" if file.is_file() else "is not there any more"
        raise SettingsError(
            f"{file}: the network that made the descriptors {state}: put it back there"
        )
    told: dict[str, Any] = record["options"]
    options = ONNXOptions(**{name: _as_tuple(value) for name, value in told.items()})
    return ONNXModel(file, options, record["set"])


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
