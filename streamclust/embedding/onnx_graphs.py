"""Files of networks in ONNX: opened, given further outputs, told of, and known again.

Reference: the ONNX specification, and the Python interface of ONNX Runtime.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from streamclust.errors import SettingsError, SourceError

_SHOWN = 24
_PIECE = 2**20
# The key of every tensor whose values stand in another file.
_EXTERNAL = b"location"
_FOLDER_KEY = "session.model_external_initializers_file_folder_path"


def open_session(file: Path, output: str | None) -> Any:
    """A session of ONNX Runtime, with `output`, if it is a value inside of the network.

    It runs on the one thread that calls it: several may, and bits do not follow from how many.

    Raises
    ------
    SourceError
        When the file is no network that can be run.
    SettingsError
        When it has no such value, or the libraries are not there.
    """
    onnxruntime = _runtime()
    if not file.is_file():
        raise SourceError(f"{file}: is no file: name a network in ONNX, or --model simple")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry(_FOLDER_KEY, str(file.absolute().parent))

    def session(source: Any) -> Any:
        # What it falls back to is the same again, with lines printed.
        return onnxruntime.InferenceSession(
            source, options, providers=["CPUExecutionProvider"], enable_fallback=False
        )

    try:
        opened = session(str(file))
        if output is None or output in [one.name for one in opened.get_outputs()]:
            return opened
        return session(_with_output(file, output))
    except (SourceError, SettingsError):
        raise
    except Exception as error:  # of ONNX Runtime's own kinds
        raise unusable(file, error) from error


def _runtime() -> Any:
    # What is done here is told to nobody: newer versions report to their makers unless this is set
    # before they are imported.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError:
        raise SettingsError(
            "networks are run by ONNX Runtime: pip install 'streamclust[embed]'"
        ) from None
    return onnxruntime


def _with_output(file: Path, output: str) -> bytes:
    """The network with an inner value as a further output."""
    onnx, model = _loaded(file)
    values = [name for node in model.graph.node for name in node.output if name]
    if output not in values:
        some = ", ".join(values[-_SHOWN:])
        raise SettingsError(f"{file}: has no value '{output}': among its last are {some}")
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(output))
    return bytes(model.SerializeToString())


def _loaded(file: Path) -> tuple[Any, Any]:
    """The library, and the network without values that stand in other files."""
    try:
        import onnx
    except ImportError:
        raise SettingsError(
            f"{file}: values inside of a network are found by onnx: "
            "pip install 'streamclust[embed]'"
        ) from None
    try:
        return onnx, onnx.load(file, load_external_data=False)
    except Exception as error:  # of protobuf's own kinds
        raise unusable(file, error) from error


def describe(file: Path) -> list[str]:
    """What a network takes and gives, and the last of its inner values, in lines.

    Raises
    ------
    SourceError
        When the file is no network.
    SettingsError
        When the libraries are not there.
    """
    session = open_session(file, None)
    lines = [f"input {one.name}: {one.type} {sides(one.shape)}" for one in session.get_inputs()]
    lines += [f"output {one.name}: {one.type} {sides(one.shape)}" for one in session.get_outputs()]
    onnx, model = _loaded(file)
    try:
        known = onnx.shape_inference.infer_shapes(model).graph
    except Exception as error:
        raise unusable(file, error) from error
    makers = {name: node.op_type for node in known.node for name in node.output}
    shapes = [(value.name, value.type.tensor_type.shape.dim) for value in known.value_info]
    inner = [
        (name, [side.dim_value or side.dim_param for side in of_value])
        for name, of_value in shapes
        if len(of_value) in (2, 3, 4)
    ]
    return lines + [
        f"inner {name}: {makers.get(name, '?')} {sides(shape)}" for name, shape in inner[-_SHOWN:]
    ]


def sides(shape: Any) -> str:
    """A shape in words."""
    return " x ".join(str(side or "?") for side in shape)


def unusable(file: Path, error: Exception) -> SourceError:
    reason = " ".join(str(error).split())[:200]
    return SourceError(
        f"{file}: cannot be used as a network in ONNX ({reason}): export or copy it again"
    )


def digests(file: Path) -> dict[str, str]:
    """Digests of all bytes of a network's files, by name below its folder; the first is its own.

    Raises
    ------
    SourceError
        When one cannot be read.
    """
    digest, is_in_parts = hashlib.blake2b(digest_size=16), False
    tail = b""
    for piece in _pieces(file):
        digest.update(piece)
        is_in_parts = is_in_parts or _EXTERNAL in tail + piece
        tail = piece[-len(_EXTERNAL) :]
    found = {file.name: digest.hexdigest()}
    # Of a network of one file nothing is loaded for this.
    for name in _external_files(file) if is_in_parts else ():
        found[name] = file_digest(file.parent / name)
    return found


def file_digest(file: Path) -> str:
    """A digest of all bytes of a file."""
    digest = hashlib.blake2b(digest_size=16)
    for piece in _pieces(file):
        digest.update(piece)
    return digest.hexdigest()


def _pieces(file: Path) -> Iterator[bytes]:
    try:
        with open(file, "rb") as content:
            while piece := content.read(_PIECE):
                yield piece
    except OSError as error:
        raise SourceError(f"{file}: cannot be read: {error.strerror or error}") from error


def _external_files(file: Path) -> list[str]:
    """Other files that values of a network stand in, which ONNX Runtime reads below its folder."""
    _, model = _loaded(file)
    names = {
        entry.value
        for tensor in model.graph.initializer
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return sorted(name for name in names if (file.parent / name).is_file())
