"""Pickles that are refused: hostile, damaged, or of something else than an array."""

import datetime
import pickle
import random
import struct
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from streamclust.errors import SourceError
from streamclust.sources import open_source

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
SMALL = np.arange(6, dtype="<f4").reshape(2, 3)


def refused(folder: Path, content: bytes, *words: str) -> str:
    path = folder / "evil.pickle"
    path.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        open_source(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    for word in words:
        assert word in message
    return message


class Executes:
    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self):
        return (Path.touch, (self.victim,))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nothing_is_executed(tmp_path, protocol):
    victim = tmp_path / "touched"
    content = pickle.dumps(Executes(victim), protocol)
    refused(tmp_path, content, "refused: global", "at byte", "np.save")
    assert not victim.exists()


def test_the_message_names_the_global_and_its_byte(tmp_path):
    message = refused(tmp_path, b"\x80\x02cos\nsystem\n\x8c\x02ls\x85R.")
    assert message.endswith(
        "evil.pickle: refused: global 'os system' at byte 2: only plain numpy arrays are read; "
        "save the array with np.save or pickle.dump(array)"
    )


def test_names_stay_on_one_line(tmp_path):
    refused(tmp_path, b"\x8c\x03a\nb\x8c\x01c\x93.", "global 'a\\nb c'")


class Sub(np.ndarray):
    pass


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.zeros((2, 2), object), ["object", "float or integer"]),
        (np.zeros((2, 2), "i4,f4"), ["structured"]),
        (np.zeros((2, 2), bool), ["bool", "float or integer"]),
        (np.zeros((2, 2), complex), ["complex"]),
        (np.zeros((2, 2), "S3"), ["bytes string"]),
        (np.zeros((2, 2), "U3"), ["text string"]),
        (np.zeros((2, 2), "M8[s]"), ["datetime"]),
        (np.zeros((2, 2)).view(np.matrix), ["numpy matrix"]),
        (np.zeros((2, 2)).view(Sub), ["Sub", "global"]),
        (np.ma.zeros((2, 2)), ["numpy.ma", "masked array"]),
        (np.float32(1), ["scalar", "single number"]),
        ({(2, 3): 5}, ["holds a dict of 1 items, not an array"]),
        ({"a": 1, "b": "text"}, ["holds a dict of 2 items, not an array"]),
        ({1, 2}, [" set", "at byte"]),
        ([], ["holds a list of 0 items, not an array"]),
        ([[1, 2], [3, 4]], ["holds a list of 2 items, not an array"]),
        ((), ["holds a tuple of 0 items, not an array"]),
        (3, ["holds a number, not an array"]),
        (None, ["holds nothing, not an array"]),
        ("text", ["holds text, not an array"]),
        (datetime.date(2020, 1, 1), ["datetime date"]),
        (SMALL[0], ["(3,)", "reshape(rows, columns)"]),
        (np.array(1.0), ["shape ()", "single number"]),
        (SMALL[None], ["(1, 2, 3)", "reshape(len(array), -1)"]),
        (np.zeros((4, 3, 2)).transpose(1, 0, 2), ["reshape(len(array), -1)"]),
        (np.zeros((0, 3)), ["0 rows", "nothing to cluster"]),
        (np.zeros((3, 0)), ["0 columns", "nothing to cluster"]),
    ],
    ids=repr,
)
def test_what_is_no_table_of_numbers(tmp_path, protocol, value, words):
    refused(tmp_path, pickle.dumps(value, protocol), *words)


def test_out_of_band_and_persistent(tmp_path):
    buffers: list[pickle.PickleBuffer] = []
    content = pickle.dumps(SMALL, 5, buffer_callback=buffers.append)
    assert buffers
    refused(tmp_path, content, "opcode NEXT_BUFFER", "out of band")
    refused(tmp_path, b"\x80\x04K\x01Q.", "a value that is kept elsewhere at byte 4")
    refused(tmp_path, b"Pid\n.", "opcode PERSID at byte 0")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"(" * 10_000_000, ["more than 100 values within each other at byte 100"]),
        (b"N0", ["opcode POP at byte 1"]),
        (b"Na" + b"0" * 99, ["items of what holds none at byte 1"]),
        (b"N" + b"\x94" * 1_000_000, ["more than 50000 opcodes for one value"]),
        (b"c" + b"a" * 10_000_000, ["a line of more than 256 bytes"]),
        (b"I" + b"9" * 200 + b"\n.", ["malformed number"]),
        (b"L\xc2\xb2L\n.", ["malformed number"]),
        (b"\x8b\xff\xff\xff\x7f" + b"1" * 99, ["a number of 2147483647 bytes"]),
        (b"\x8b\xff\xff\xff\xff" + b"1" * 99, ["a number of -1 bytes"]),
        (b"T\xff\xff\xff\xff.", ["negative length"]),
        (b"\x8e" + b"\xff" * 8 + b"x.", ["18446744073709551613 of 18446744073709551615 bytes"]),
        (b"V" + b"x" * 1_000_000, ["text at its end is not finished"]),
        (b"\x80\x06N.", ["unknown protocol 6"]),
        (b"\xffN.", ["opcode 0xff at byte 0"]),
        (b".", ["a value is missing at byte 0"]),
        (b"(.", ["a value is missing"]),
        (b"(\x94.", ["a value is missing"]),
        (b"h\x07.", ["unknown value 7"]),
        (b"t.", ["a mark is missing"]),
        (b"N\x87.", ["tuple lacks values"]),
        (b"(N\x86.", ["tuple lacks values"]),
        (b"NN\x93.", ["global without a plain name"]),
        (b"N)R.", ["a call of what is no function"]),
        (b"cnumpy\nndarray\n)R.", ["a call of 'numpy ndarray'"]),
        (b"cnumpy\nndarray\nNb.", ["a state of what has none"]),
        (b"c_codecs\nencode\n(Vx\nVrot13\ntR.", ["another encoding than latin1"]),
        (b"cnumpy\ndtype\n(Vf4,f4\nI0\nI1\ntR.", ["unknown dtype"]),
        (b"cnumpy\ndtype\n(Vf4\ntR.", ["unknown dtype"]),
        (b"cnumpy\ndtype\n(Vf99999\nI0\nI1\ntR.", ["dtype 'f99999'"]),
        (b"cnumpy\ndtype\n(Vf4\nI0\nI1\ntR(I3\nV<\nNNNI8\nI4\nI63\ntb.", ["unknown state"]),
        (b"cnumpy\ndtype\n(Vf4\nI0\nI1\ntR(I3\nV!\nNNNI-1\nI-1\nI0\ntb.", ["byte order"]),
        (b"cnumpy.core.multiarray\n_reconstruct\n)R.", ["another class"]),
        (b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nI0\nI0\ntR.", ["unfinished"]),
        (b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n.", ["joblib"]),
        (b"\x1f\x8b\x08\x00abc", ["is damaged or cut short"]),
    ],
)
def test_malformed(tmp_path, content, words):
    started = time.perf_counter()
    refused(tmp_path, content, *words)
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    "content",
    [
        b"V" + b"x" * 30_000_000,
        b"c" + b"x" * 30_000_000,
        b"(" * 30_000_000,
        b")" + b"\x85" * 30_000_000,
        b")" + b"\x85" * 1_900 + b".",
        b"cnumpy.core.numeric\n_frombuffer\n(C\0cnumpy\ndtype\n(Vf4\nI0\nI1\ntR("
        + b"I99999999999999999\n" * 1_900
        + b"tC\1CtR.",
    ],
    ids=["text", "name", "marks", "tuples", "nested value", "sides"],
)
def test_no_pickle_takes_memory_or_writes_pages(tmp_path, content):
    tracemalloc.start()
    try:
        message = refused(tmp_path, content)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert len(message) < 600


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (3, ["holds 24 bytes", "takes 36"]),
        (-2, ["impossible shape"]),
        (2**62, ["impossible shape"]),
    ],
)
def test_a_shape_that_does_not_fit(tmp_path, protocol, rows, words):
    content = pickle.dumps(SMALL, protocol)
    small = b"I2\n" if protocol == 0 else b"K\x02"
    large = b"I%d\n" % rows if protocol == 0 else b"\x8a\x08" + struct.pack("<q", rows)
    assert content.count(small) == 1
    refused(tmp_path, content.replace(small, large), *words)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_cut_short_anywhere(tmp_path, protocol):
    content = pickle.dumps(SMALL, protocol)
    for length in range(1, len(content)):
        refused(tmp_path, content[:length], "ends before its array does")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_missing_bytes_are_counted(tmp_path, protocol):
    content = pickle.dumps(np.ones((1000, 10), "u1"), protocol)
    refused(tmp_path, content[:5000], "of 10000 bytes are missing", "copy or save the file again")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_random_damage_never_surprises(tmp_path, protocol, order):
    chance = random.Random(protocol)
    array = np.asarray(np.random.default_rng(0).normal(size=(5, 3)), ">f8", order=order)
    whole = pickle.dumps(array, protocol)
    path = tmp_path / "array.pickle"
    outcomes = {"read": 0, "refused": 0}
    for _ in range(1500):
        content = bytearray(whole)
        for _ in range(chance.choice([1, 1, 2, 5])):
            place = chance.randrange(len(content))
            action = chance.randrange(4)
            if action == 0:
                content[place] ^= 1 << chance.randrange(8)
            elif action == 1:
                content[place] = chance.randrange(256)
            elif action == 2:
                del content[place : place + chance.randrange(1, 9)]
            else:
                content[place:place] = whole[place : place + chance.randrange(1, 40)]
        path.write_bytes(content or b"\0")
        try:
            source = open_source(path)
            assert source[:].shape == source.shape
            outcomes["read"] += 1
        except SourceError as error:
            outcomes["refused"] += str(error).startswith(f"{path}: ")
    assert sum(outcomes.values()) == 1500
    assert min(outcomes.values()) > 20
