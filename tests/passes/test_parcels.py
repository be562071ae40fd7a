"""What comes over the network is computed with as if it had been made here."""

import numpy as np
import pytest

from streamclust.passes.parcels import ALIGNED, aligned, packed, unpacked


@pytest.mark.parametrize("offset", range(0, 20, 3))
def test_values_of_a_message_lie_as_numpys_own_do(offset):
    values = np.random.default_rng(0).normal(size=(5_000, 3)).astype(np.float32)
    frames = []
    for frame in packed({"values": values, "name": "a"}):
        message = np.zeros(len(frame) + offset, np.uint8)
        message[offset:] = np.frombuffer(frame, np.uint8)
        frames.append(memoryview(message)[offset:])
    got = unpacked(frames)
    assert got["name"] == "a"
    np.testing.assert_array_equal(got["values"], values)
    assert got["values"].ctypes.data % ALIGNED == 0
    assert got["values"].sum() == values.sum()


def test_what_lies_well_is_not_copied():
    value = [np.arange(10.0), "a", None]
    assert aligned(value) is value
    room = np.zeros(81, np.uint8)
    place = room[1:] if room.ctypes.data % ALIGNED == 0 else room[:80]
    shifted = place.view(np.float64)
    (again,) = aligned([shifted])
    assert again.ctypes.data % ALIGNED == 0
    np.testing.assert_array_equal(again, shifted)
