"""A pickled numpy array written row block by row block, never held whole."""

import pickle
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

PROTOCOL = 4
# How pickle ends an array whose data are the empty bytes string.
_NO_DATA = b"C\x00"
_CLOSING = b"\x94t\x94b."


class PickledArray:
    """Writes the very bytes that `pickle.dump(array, file, protocol=4)` writes for large arrays.

    Parameters
    ----------
    path : pathlib.Path
        The file to write.
    shape : tuple of int
        Shape of the whole array.
    dtype : numpy.dtype
        Its type.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.rows = 0
        self._file: IO[bytes] = path.open("wb")
        self._file.write(_head(shape, self.dtype))

    def append(self, block: np.ndarray) -> None:
        """Write the next rows."""
        if block.shape[1:] != self.shape[1:] or self.rows + len(block) > self.shape[0]:
            raise ValueError(f"rows {block.shape} do not fit an array of {self.shape}")
        self._file.write(np.ascontiguousarray(block, dtype=self.dtype).data)
        self.rows += len(block)

    def close(self) -> None:
        """End the pickle; it can be loaded from now on."""
        if self._file.closed:
            return
        with self._file:
            if self.rows != self.shape[0]:
                raise ValueError(f"{self.rows} rows written of {self.shape[0]}")
            self._file.write(_framed(_CLOSING))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._file.close()


class _WithoutData:
    """Pickles as an array of that shape and type would, with no data in it."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self._shape = shape
        self._dtype = dtype

    def __reduce__(self) -> tuple[Any, ...]:
        rebuild, arguments = tuple(np.empty(0, self._dtype).__reduce__())[:2]
        return rebuild, arguments, (1, self._shape, self._dtype, False, b"")


def _head(shape: tuple[int, ...], dtype: np.dtype) -> bytes:
    """All that stands before the data."""
    whole = pickle.dumps(_WithoutData(shape, dtype), protocol=PROTOCOL)
    opening, rest = whole[:2], whole[2 + len(_framed(b"")) :]
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if size < 2**32:
        announced = pickle.BINBYTES + size.to_bytes(4, "little")
    else:
        announced = pickle.BINBYTES8 + size.to_bytes(8, "little")
    return opening + _framed(rest.removesuffix(_NO_DATA + _CLOSING)) + announced


def _framed(opcodes: bytes) -> bytes:
    """A frame as protocol 4 puts around opcodes; large data stand between frames."""
    return pickle.FRAME + len(opcodes).to_bytes(8, "little") + opcodes
