"""What goes between client and workers, in frames: what one end has already is named, not sent.

An accumulator comes back with what it was sent with, and the tasks of a step share their state.
"""

import pickle
from collections.abc import Callable, Collection, Iterable, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from distributed.protocol import dumps, loads, to_serialize
from distributed.protocol import pickle as distributed_pickle

# Below this a frame is not worth its name.
SMALL_FRAME = 8 * 2**10
# Bytes: where malloc puts what it gives.
ALIGNED = 16
# Bytes of the frames that the client keeps; they are on workers, too.
KEPT = 16 * 2**20


class Named(NamedTuple):
    """Stands for a frame that the other end has."""

    digest: bytes


Frame = bytes | Named


def packed(value: Any, known: Collection[bytes] = ()) -> list[Frame]:
    """A value as frames, smaller where it is mostly zeros, as empty accumulators are.

    Parameters
    ----------
    value : Any
    known : collection of bytes
        Digests of the frames that the other end has.
    """
    frames = dumps({"value": to_serialize(value)}, context={"compression": "zlib"})
    return [_named(bytes(frame), known) for frame in frames]


def _named(frame: bytes, known: Collection[bytes]) -> Frame:
    if len(frame) < SMALL_FRAME or not known:
        return frame
    digest = digest_of(frame)
    return Named(digest) if digest in known else frame


def unpacked(frames: Iterable[bytes]) -> Any:
    return aligned(loads(list(frames))["value"])


def aligned(value: Any) -> Any:
    """The value, with arrays where numpy would have put them.

    What came over the network lies anywhere in its message, and numpy sums numbers that no address
    of theirs divides in other pieces: with other last digits.
    """
    arrays: list[pickle.PickleBuffer] = []
    rest = distributed_pickle.dumps(value, buffer_callback=arrays.append)
    places = [np.frombuffer(array.raw(), np.uint8) for array in arrays]
    if not any(place.ctypes.data % ALIGNED for place in places):
        return value
    return distributed_pickle.loads(rest, buffers=[place.copy() for place in places])


def digest_of(frame: Any) -> bytes:
    return blake2b(frame, digest_size=16).digest()


class Frames:
    """The frames that went last between a client and its workers, up to `KEPT` bytes.

    Parameters
    ----------
    submit : callable
        Gives the future of a frame that stays with the workers.
    """

    def __init__(self, submit: Callable[[bytes], Any]) -> None:
        self._submit = submit
        self._frames: dict[bytes, bytes] = {}
        self._futures: dict[bytes, Any] = {}

    @property
    def known(self) -> dict[bytes, bytes]:
        """The frames by their digests, as they are now."""
        return dict(self._frames)

    def send(self, value: Any) -> list[Any]:
        """A value as the arguments of a task that unpacks it: frames, and futures of frames."""
        return [self._sent(frame) for frame in packed(value) if isinstance(frame, bytes)]

    def _sent(self, frame: bytes) -> Any:
        if len(frame) < SMALL_FRAME:
            return frame
        digest = self._keep(frame)
        if digest not in self._futures:
            self._futures[digest] = self._submit(frame)
        return self._futures[digest]

    def receive(self, frames: Iterable[Frame], known: Mapping[bytes, bytes]) -> Any:
        """The value that a worker packed, who was told what was `known`."""
        whole = [known[one.digest] if isinstance(one, Named) else one for one in frames]
        for frame in whole:
            if len(frame) >= SMALL_FRAME:
                self._keep(frame)
        return unpacked(whole)

    def _keep(self, frame: bytes) -> bytes:
        digest = digest_of(frame)
        self._frames[digest] = self._frames.pop(digest, frame)
        size = sum(map(len, self._frames.values()))
        while size > KEPT and len(self._frames) > 1:
            oldest = next(iter(self._frames))
            size -= len(self._frames.pop(oldest))
            self._futures.pop(oldest, None)
        return digest
