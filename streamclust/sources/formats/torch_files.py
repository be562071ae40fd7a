"""Tensors that torch.save wrote: a zip file of a pickle, which is walked and never loaded, and of
bytes as they are in memory.

Reference: ``torch.serialization`` and ``torch._utils._rebuild_tensor_v2``.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import ArraySource, RawBytes, stored_array
from streamclust.sources.formats.brain_floats import BrainFloats
from streamclust.sources.formats.pickle_machine import Refusal, walk
from streamclust.sources.formats.zip_members import is_zip_of, place_in_zip, zip_members
from streamclust.sources.members import Member, chosen_member, paths_among
from streamclust.sources.pickled.items import Global, Items
from streamclust.sources.pickled.named import named_values, texts_of
from streamclust.sources.pickled.rows import WithPaths

ENDINGS = (".pt", ".pth")
# Which of their arguments tells, where it is there, that signs are not those of the bytes.
_REBUILD = {
    Global("torch._utils", "_rebuild_tensor_v2"): 6,
    Global("torch._utils", "_rebuild_tensor_v3"): 7,
}
_PARAMETER = Global("torch._utils", "_rebuild_parameter")
_ORDERED = Global("collections", "OrderedDict")
_STORAGES = {
    **{"FloatStorage": "f4", "DoubleStorage": "f8", "HalfStorage": "f2", "LongStorage": "i8"},
    **{"IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1", "ByteStorage": "u1"},
    **{"BFloat16Storage": "bfloat16", "BoolStorage": "?"},
}
# Of a pickle without the tensors' bytes: of lists of a million paths, too.
_MOST_BYTES = 256 * 2**20
_WAY_OUT = "save tensor.contiguous() alone, or torch.save({'osnet': tensor, 'paths': [...]})"


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: str


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def is_one(path: Path, head: bytes) -> bool:
    """Whether it is a zip file whose first member is a pickle called as torch calls it."""
    return is_zip_of(head, "/data.pkl") or (is_zip_of(head, "") and b"/data.pkl" in head)


def open_array(path: Path, member: str | None = None) -> ArraySource:
    """Open a tensor, or the one of a dict that is a table or is named.

    Raises
    ------
    SourceError
        When the pickle holds anything but tensors, lists of texts and dicts of these.
    """
    with zip_members(path) as content:
        name = next((one for one in content.namelist() if one.endswith("/data.pkl")), None)
        if name is None:
            raise SourceError(f"{path}: lacks the pickle of its tensors: save it again")
        top = name.removesuffix("data.pkl")
        if content.getinfo(name).file_size > _MOST_BYTES:
            raise SourceError(f"{path}: its pickle has more than {_MOST_BYTES >> 20} MiB")
        order: Literal["<", ">"] = "<"
        if f"{top}byteorder" in content.namelist() and content.read(f"{top}byteorder") == b"big":
            order = ">"
        tensors = _by_name(path, _walked(path, content.getinfo(name)))
        members = {name: _member(one) for name, one in tensors.items()}
        chosen = chosen_member(path, members, member)
        tensor = tensors[chosen]
        if not isinstance(tensor, _Tensor):
            raise SourceError(f"{path}: '{chosen}' is no tensor: {_WAY_OUT}")
        payload = _payload(path, content, f"{top}data/{tensor.storage.key}", tensor)
    layout = _layout(path, tensor)
    source: ArraySource
    if tensor.storage.dtype == "bfloat16":
        source = BrainFloats.opened(path, tensor.shape, payload, layout, order)
    else:
        dtype = np.dtype(tensor.storage.dtype).newbyteorder(order)
        source = stored_array(path, tensor.shape, dtype, layout, payload)
    paths = paths_among(members, tensor.shape[0])
    return source if paths is None else WithPaths(source, tensors[paths])


class _Tensors:
    """The meaning of what torch.save writes."""

    def check_global(self, target: Global) -> None:
        is_storage = target.module == "torch" and target.name in _STORAGES
        if not (is_storage or target in _REBUILD or target in (_PARAMETER, _ORDERED)):
            module, name = (ascii(word[:80])[1:-1] for word in (target.module, target.name))
            raise Refusal(f"global '{module} {name}' (tensors, texts, lists and dicts are read)")

    def reduce(self, target: Global, arguments: tuple[Any, ...]) -> object:
        if target in _REBUILD and len(arguments) >= 4 and isinstance(arguments[0], _Storage):
            if any(arguments[_REBUILD[target] :]):
                raise Refusal("a tensor of other signs than its bytes tell (resolve_neg() it)")
            storage, offset, shape, strides = arguments[:4]
            sizes = (offset, *shape, *strides) if _are_tuples(shape, strides) else (-1,)
            if all(type(one) is int and one >= 0 for one in sizes) and len(shape) == len(strides):
                return _Tensor(storage, offset, shape, strides)
        if target == _PARAMETER and arguments and isinstance(arguments[0], _Tensor):
            return arguments[0]
        if target == _ORDERED and arguments == ():
            return Items(width=2)
        raise Refusal(f"a call of '{target.module} {target.name}' with unknown arguments")

    def build(self, target: object, state: object) -> None:
        if not isinstance(target, Items):
            raise Refusal("a state of what has none")

    def value_at(self, kind: Any, place: int) -> object:
        raise Refusal("a value that is there twice")

    def persistent(self, name: object) -> object:
        # ("storage", type, key, device, number of values)
        if isinstance(name, tuple) and len(name) == 5 and isinstance(name[1], Global):
            dtype, key = _STORAGES.get(name[1].name), getattr(name[2], "word", None)
            if dtype is not None and key is not None:
                return _Storage(key, dtype)
        raise Refusal("a storage of an unknown kind")


def _are_tuples(*values: object) -> bool:
    return all(isinstance(value, tuple) for value in values)


def _walked(path: Path, info: zipfile.ZipInfo) -> object:
    """What stands for the value of the pickle, which is not packed."""
    if info.compress_type != zipfile.ZIP_STORED:
        raise SourceError(f"{path}: is packed again by another program: save it with torch.save")
    with open(path, "rb") as file:
        start = place_in_zip(path, info)
        file.seek(start)
        return walk(path, file, start + info.file_size, _Tensors())


def _by_name(path: Path, found: object) -> dict[str, Any]:
    """The tensors and lists of texts of what was saved; of a tensor alone, without a name."""
    if isinstance(found, _Tensor):
        return {"": found}
    if not isinstance(found, Items) or found.width != 2:
        raise SourceError(f"{path}: holds no tensor: {_WAY_OUT}")
    named: dict[str, Any] = {}
    for name, value in named_values(path, found):
        if isinstance(value, _Tensor):
            named[name] = value
        elif isinstance(value, Items) and value.width == 2 and len(value):
            named |= {f"{name}/{key}": one for key, one in _by_name(path, value).items()}
        elif isinstance(value, Items) and (texts := texts_of(path, value)) is not None:
            named[name] = texts
    return named


def _member(one: Any) -> Member:
    if not isinstance(one, _Tensor):
        return Member((len(one),), None)
    dtype = "f4" if one.storage.dtype == "bfloat16" else one.storage.dtype
    return Member(one.shape, np.dtype(dtype))


def _layout(path: Path, tensor: _Tensor) -> Literal["C", "F"]:
    if len(tensor.shape) == 2:
        rows, columns = tensor.shape
        if tensor.strides == (columns, 1):
            return "C"
        if tensor.strides == (1, rows):
            return "F"
        raise SourceError(
            f"{path}: a tensor of strides {tensor.strides}, part of a larger one: {_WAY_OUT}"
        )
    return "C"


def _payload(path: Path, content: zipfile.ZipFile, name: str, tensor: _Tensor) -> RawBytes:
    if name not in content.namelist():
        raise SourceError(f"{path}: lacks the bytes of its tensor ({name}): save it again")
    info = content.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED:
        raise SourceError(f"{path}: is packed again by another program: save it with torch.save")
    dtype = "u2" if tensor.storage.dtype == "bfloat16" else tensor.storage.dtype
    itemsize = np.dtype(dtype).itemsize
    start, size = tensor.offset * itemsize, int(np.prod(tensor.shape)) * itemsize
    if start + size > info.file_size:
        raise SourceError(f"{path}: its tensor is longer than what is stored: save it again")
    return RawBytes(place_in_zip(path, info) + start, size)
