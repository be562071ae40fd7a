"""Arrays in files of other libraries: HDF5, MATLAB 7.3, Zarr, safetensors, torch, vectors."""

import io
import json
import pickle
import struct
import zipfile

import numcodecs
import numpy as np
import pytest
import zarr

from streamclust.errors import SourceError
from streamclust.sources import open_source
from streamclust.sources.formats import bands

ROWS = np.random.default_rng(0).normal(size=(40, 5)).astype("f4")
PATHS = [f"a/{row}é.jpg" for row in range(40)]


def check(path, values=ROWS, paths=None):
    """All rows, by any block, after pickling too; and the paths that they come with."""
    source = open_source(path)
    assert (source.shape, source.dtype) == (values.shape, values.dtype)
    source = pickle.loads(pickle.dumps(source))
    for start in range(0, 41, 8):
        for stop in range(start, 41, 4):
            np.testing.assert_array_equal(source.read(start, stop), values[start:stop])
    assert source.has_paths == (paths is not None)
    if paths is not None:
        assert list(source.iter_paths()) == paths
    return source


def refused(path, words):
    with pytest.raises(SourceError, match=words) as caught:
        open_source(path)[:]
    assert "\n" not in str(caught.value)


class TestHDF5:
    """Of h5py."""

    @pytest.fixture
    def file(self, tmp_path):
        h5py = pytest.importorskip("h5py")
        with h5py.File(tmp_path / "a.h5", "w") as file:
            yield file

    @pytest.mark.parametrize(
        "options",
        [{}, {"chunks": (7, 5)}, {"chunks": (9, 2), "compression": "gzip", "shuffle": True}],
    )
    @pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f2", "<f8", "u1"])
    def test_a_data_set(self, file, tmp_path, options, dtype):
        file.create_dataset("x/embeddings", data=ROWS.astype(dtype), **options)
        file.close()
        check(tmp_path / "a.h5", ROWS.astype(dtype).astype(np.dtype(dtype).newbyteorder("=")))

    @pytest.mark.parametrize("chunks", [None, (7, 5)])
    def test_floats_that_numpy_has_not(self, file, tmp_path, chunks):
        """bfloat16, and numbers of 24 bits: as HDF5 widens them."""
        h5py = pytest.importorskip("h5py")
        for name, n_bytes, mantissa in (("brain", 2, 7), ("three", 3, 15)):
            kind = h5py.h5t.IEEE_F32LE.copy()
            kind.set_fields(8 * n_bytes - 1, mantissa, 8, 0, mantissa)
            kind.set_size(n_bytes)
            plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            if chunks:
                plan.set_chunk(chunks)
            space = h5py.h5s.create_simple(ROWS.shape)
            made = h5py.h5d.create(file.id, name.encode(), kind, space, plan)
            made.write(h5py.h5s.ALL, h5py.h5s.ALL, ROWS)
        file.close()
        halves = (ROWS.view("u4") + 0x7FFF + (ROWS.view("u4") >> 16 & 1)) & 0xFFFF0000
        check(tmp_path / "a.h5" / "brain", halves.view("f4"))
        np.testing.assert_allclose(open_source(tmp_path / "a.h5" / "three")[:], ROWS, rtol=2**-15)

    def test_a_filter_that_is_not_there(self, file, tmp_path):
        h5py = pytest.importorskip("h5py")
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((8, 5))
        plan.set_filter(32_099, h5py.h5z.FLAG_OPTIONAL)
        space = h5py.h5s.create_simple(ROWS.shape)
        h5py.h5d.create(file.id, b"x", h5py.h5t.IEEE_F32LE, space, plan)
        file.close()
        refused(tmp_path / "a.h5", "'/x' is packed by filter 32099 .*: pip install hdf5plugin, or")

    def test_paths_are_texts_of_as_many_rows(self, file, tmp_path):
        file["embeddings"] = ROWS
        file["labels"] = np.arange(40)
        file["image_names"] = PATHS
        file["other"] = PATHS[1:]
        file.close()
        check(tmp_path / "a.h5", paths=PATHS)

    def test_several_are_named(self, file, tmp_path):
        file["train/features"] = ROWS
        file["test/features"] = ROWS[:5]
        file.close()
        refused(tmp_path / "a.h5", r"holds test/features float32 \(5, 5\), .* name one, as a.h5/te")
        check(tmp_path / "a.h5" / "train" / "features")
        refused(tmp_path / "a.h5" / "none", r"holds no array 'none', but test/features")

    def test_what_stands_elsewhere_is_not_followed(self, file, tmp_path):
        h5py = pytest.importorskip("h5py")
        layout = h5py.VirtualLayout((40, 5), "f4")
        layout[:] = h5py.VirtualSource("other.h5", "x", (40, 5))
        file.create_virtual_dataset("v", layout)
        file["link"] = h5py.ExternalLink("/etc/passwd", "/")
        file.close()
        refused(tmp_path / "a.h5", "'/v' stands in other files: copy it into one")

    def test_what_is_no_table(self, file, tmp_path):
        file["x"] = np.zeros((40, 5), [("a", "f4")])
        file.close()
        refused(tmp_path / "a.h5", "holds structured values")
        (tmp_path / "a.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:700])
        refused(tmp_path / "a.h5", "cannot be read .*: save it again")

    def test_what_matlab_wrote(self, file, tmp_path):
        h5py = pytest.importorskip("h5py")
        with h5py.File(tmp_path / "b.mat", "w", userblock_size=512) as matlab:
            matlab["embeddings"] = ROWS.T
            matlab.create_dataset("packed", data=ROWS.T[:, :9], chunks=(5, 4), compression="gzip")
            matlab["#refs#/a"] = ROWS
            matlab["names"] = np.full((20, 40), 97, "u2")
            matlab["names"].attrs["MATLAB_class"] = np.bytes_("char")
            matlab["epoch"] = np.ones((1, 1))
        with open(tmp_path / "b.mat", "r+b") as content:
            content.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM")
        refused(tmp_path / "b.mat", r"holds embeddings float32 \(40, 5\), packed .* \(9, 5\): name")
        check(tmp_path / "b.mat" / "embeddings")
        np.testing.assert_array_equal(open_source(tmp_path / "b.mat" / "packed")[:], ROWS[:9])


class TestZarr:
    """Of format 2 and 3."""

    @pytest.mark.parametrize("version", [2, 3])
    @pytest.mark.parametrize("dtype", ["f4", "f2", "u1"])
    def test_an_array(self, tmp_path, version, dtype):
        options = {"shape": ROWS.shape, "dtype": dtype, "chunks": (7, 3), "zarr_format": version}
        zarr.create_array(tmp_path / "a.zarr", **options)[...] = ROWS.astype(dtype)
        check(tmp_path / "a.zarr", ROWS.astype(dtype))

    def test_the_arrays_of_a_group(self, tmp_path):
        group = zarr.create_group(tmp_path / "a.zarr")
        group.create_array("b", data=ROWS)
        names = group.create_array("paths", shape=(40,), dtype="string")
        names[...] = np.array(PATHS, object)
        check(tmp_path / "a.zarr", paths=PATHS)
        group.create_array("c", data=ROWS[:, :2])
        refused(tmp_path / "a.zarr", r"holds [bc] float32 .* name one, as a.zarr/[bc]")
        check(tmp_path / "a.zarr" / "c", ROWS[:, :2])

    def test_what_is_damaged(self, tmp_path):
        zarr.create_array(tmp_path / "a.zarr", data=ROWS, chunks=(7, 5))
        (tmp_path / "a.zarr/c/1/0").write_bytes(b"?")
        refused(tmp_path / "a.zarr", "cannot be read as Zarr")
        (tmp_path / "a.zarr/zarr.json").write_text("{")
        refused(tmp_path / "a.zarr", "cannot be read as Zarr")

    @pytest.mark.parametrize("version", [2, 3])
    def test_a_chunk_of_blosc_that_is_cut_short(self, tmp_path, version):
        """The library would read on behind it, and end the process."""
        codec = numcodecs.Blosc() if version == 2 else zarr.codecs.BloscCodec()
        rows = np.zeros((40_000, 5), "f4")
        rows[::7] = 1
        zarr.create_array(
            tmp_path / "a.zarr",
            data=rows,
            chunks=rows.shape,
            compressors=codec,
            zarr_format=version,
        )
        np.testing.assert_array_equal(open_source(tmp_path / "a.zarr")[:], rows)
        chunk = tmp_path / "a.zarr" / ("0.0" if version == 2 else "c/0/0")
        chunk.write_bytes(chunk.read_bytes()[: chunk.stat().st_size // 20])
        refused(tmp_path / "a.zarr", f"{chunk.name}: a chunk of .* bytes .*: copy it again")

    def test_what_else_lies_in_a_group(self, tmp_path):
        group = zarr.create_group(tmp_path / "a.zarr")
        group.create_array("deep/b", data=ROWS)
        (tmp_path / "a.zarr/README").write_text("of other things")
        (tmp_path / "a.zarr/notes").mkdir()
        (tmp_path / "a.zarr/deep/loop").symlink_to(tmp_path / "a.zarr")
        refused(tmp_path / "a.zarr/deep", "holds b float32 .* name one, as deep/b")
        (tmp_path / "a.zarr/deep/loop").unlink()
        check(tmp_path / "a.zarr")
        group.create_array("c", data=ROWS)
        (tmp_path / "a.zarr/c/zarr.json").write_text("{")
        refused(tmp_path / "a.zarr", "a.zarr/c: cannot be read as Zarr")

    @pytest.mark.parametrize("where", ["filters", "compressor"])
    def test_what_would_be_unpickled(self, tmp_path, where):
        group = zarr.create_group(tmp_path / "a.zarr", zarr_format=2)
        group.create_array("b", data=ROWS)
        group.create_array("paths", shape=(40,), dtype="string")[...] = np.array(PATHS, object)
        file = tmp_path / "a.zarr/paths/.zarray"
        told = json.loads(file.read_text())
        codec = {"id": "pickle", "protocol": 5}
        told[where] = [*told["filters"], codec] if where == "filters" else codec
        file.write_text(json.dumps(told))
        refused(tmp_path / "a.zarr", "a.zarr/paths: refused: it is packed by pickle, which runs")


class TestBands:
    """Chunks that are larger than what is read at a time."""

    @pytest.fixture(params=["h5", "mat", "zarr"])
    def file(self, request, tmp_path, monkeypatch):
        row = ROWS[0].nbytes
        sizes = {"ODD": row, "ALIGNED": row, "BAND": 21 * row}
        for name, n_bytes in sizes.items():
            monkeypatch.setattr(bands, f"_MOST_{name}", n_bytes)
        monkeypatch.setattr(bands, "_PIECE_BYTES", 4 * row)
        path = tmp_path / f"a.{request.param}"
        if request.param == "zarr":
            zarr.create_array(path, data=ROWS, chunks=(13, 2))
            return path
        h5py = pytest.importorskip("h5py")
        is_matlab = request.param == "mat"
        values, chunks = (ROWS.T, (2, 13)) if is_matlab else (ROWS, (13, 2))
        with h5py.File(path, "w", userblock_size=512) as content:
            content.create_dataset("x", data=values, chunks=chunks, compression="gzip")
        if is_matlab:
            with open(path, "r+b") as content:
                content.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM")
        return path

    def test_each_is_unpacked_once(self, file, monkeypatch):
        source, spans = check(file), []
        assert source.is_sequential
        read = source.read_band
        monkeypatch.setattr(
            source, "read_band", lambda *span: spans.append(span) or read(*span), raising=True
        )
        for start in range(0, 40, 5):
            np.testing.assert_array_equal(source.read(start, start + 5), ROWS[start : start + 5])
        assert spans == [(0, 13), (13, 26), (26, 39), (39, 40)]

    def test_a_column_is_unpacked_in_bounds(self, file, monkeypatch):
        row = ROWS[0].nbytes
        monkeypatch.setattr(bands, "_MOST_BAND", 5 * row)
        source = check(file)
        assert source.band_rows == 5
        assert source.working_bytes >= 5 * row + 2 * 13 * 2 * 4


def safetensors(path, **tensors):
    """Written by hand: name → (dtype, values)."""
    header, content = {"__metadata__": {"format": "pt"}}, b""
    for name, (dtype, values) in tensors.items():
        start, content = len(content), content + values.tobytes()
        offsets = [start, len(content)]
        header[name] = {"dtype": dtype, "shape": values.shape, "data_offsets": offsets}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content)


class TestSafetensors:
    """With and without the library."""

    @pytest.mark.parametrize(("dtype", "code"), [("f4", "F32"), ("f2", "F16"), ("u1", "U8")])
    def test_a_tensor(self, tmp_path, dtype, code):
        safetensors(tmp_path / "a.safetensors", x=(code, ROWS.astype(dtype)))
        check(tmp_path / "a.safetensors", ROWS.astype(dtype))

    def test_as_the_library_writes_them(self, tmp_path):
        library = pytest.importorskip("safetensors.numpy")
        library.save_file({"x": ROWS, "y": ROWS[:3]}, tmp_path / "a.st")
        check(tmp_path / "a.st" / "x")
        refused(tmp_path / "a.st", "holds .* name one")

    def test_brain_floats_are_widened(self, tmp_path):
        halves = (ROWS.view("u4") >> 16).astype("u2")
        safetensors(tmp_path / "a.safetensors", x=("BF16", halves))
        check(tmp_path / "a.safetensors", (halves.astype("u4") << 16).view("f4"))

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"data_offsets": [0, 900]}, "ends before tensor 'x' does"),
            ({"data_offsets": [-1, 799]}, "its header is damaged"),
            ({"data_offsets": [0, 400]}, "bytes"),
            ({"shape": [40, 2**60]}, "impossible shape"),
            ({"shape": "a"}, "its header is damaged"),
            ({"dtype": "F8_E4M3"}, "holds F8_E4M3 values: save it as F32"),
        ],
    )
    def test_a_header_that_does_not_fit(self, tmp_path, change, words):
        header = {"x": {"dtype": "F32", "shape": [40, 5], "data_offsets": [0, 800]} | change}
        text = json.dumps(header).encode()
        path = tmp_path / "a.safetensors"
        path.write_bytes(struct.pack("<Q", len(text)) + text + ROWS.tobytes())
        refused(path, words)


def torch_file(path, make, content=None, **members):
    """As torch.save writes it, by hand: `make` pickles around a tensor."""

    class Storage:
        """What stands outside of the pickle."""

    class Pickler(pickle._Pickler):
        def persistent_id(self, one):
            return one.told if isinstance(one, Storage) else None

        def save_global(self, one, name=None):
            module, name = one.told if isinstance(one, Named) else (one.__module__, one.__name__)
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
            self.memoize(one)

    class Named:
        """A global by its name."""

        def __init__(self, module, name):
            self.told = module, name

        def __call__(self):
            raise AssertionError

    class Tensor:
        def __init__(self, *, kind="FloatStorage", offset=0, shape=(40, 5), strides=(5, 1)):
            storage = Storage()
            storage.told = ("storage", Named("torch", kind), "0", "cpu", 200)
            self.arguments = storage, offset, shape, strides, False, Ordered()

        def __reduce__(self):
            return Named("torch._utils", "_rebuild_tensor_v2"), self.arguments

    class Ordered:
        def __reduce__(self):
            return Named("collections", "OrderedDict"), ()

    Pickler.dispatch = {**pickle._Pickler.dispatch, Named: Pickler.save_global}
    pickled = io.BytesIO()
    Pickler(pickled, 2).dump(make(Tensor))
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickled.getvalue())
        file.writestr("archive/byteorder", "little")
        file.writestr("archive/data/0", ROWS.tobytes() if content is None else content)
        for name, one in members.items():
            file.writestr(f"archive/{name}", one)


class TestTorch:
    """Without torch; where it is there, as it writes itself."""

    def test_a_tensor(self, tmp_path):
        torch_file(tmp_path / "a.pt", lambda tensor: tensor())
        check(tmp_path / "a.pt")
        torch_file(tmp_path / "b.pt", lambda tensor: tensor(shape=(5, 40), strides=(1, 5)))
        np.testing.assert_array_equal(open_source(tmp_path / "b.pt")[:], ROWS.T)
        torch_file(tmp_path / "c.pt", lambda tensor: tensor(offset=10, shape=(38, 5)))
        np.testing.assert_array_equal(open_source(tmp_path / "c.pt")[:], ROWS[2:])

    def test_a_dict_of_tensors_and_paths(self, tmp_path):
        torch_file(tmp_path / "a.pt", lambda tensor: {"x": tensor(), "paths": PATHS, "n": [1]})
        check(tmp_path / "a.pt", paths=PATHS)
        torch_file(
            tmp_path / "b.pt",
            lambda tensor: {"x": tensor(), "deep": {"y": tensor(shape=(8, 25), strides=(25, 1))}},
        )
        refused(tmp_path / "b.pt", "holds x float32 .*, deep/y float32 .* name one, as b.pt/x")
        check(tmp_path / "b.pt" / "x")

    def test_brain_floats(self, tmp_path):
        halves = (ROWS.view("u4") >> 16).astype("u2")
        make = lambda tensor: tensor(kind="BFloat16Storage")  # noqa: E731
        torch_file(tmp_path / "a.pt", make, halves.tobytes())
        check(tmp_path / "a.pt", (halves.astype("u4") << 16).view("f4"))

    def test_as_torch_writes_them(self, tmp_path):
        torch = pytest.importorskip("torch")
        tensor = torch.from_numpy(ROWS)
        torch.save({"x": tensor, "paths": PATHS}, tmp_path / "a.pt")
        check(tmp_path / "a.pt", paths=PATHS)
        torch.save(torch.from_numpy(ROWS.T.copy()).T, tmp_path / "b.pt")
        check(tmp_path / "b.pt")
        torch.save(torch.nn.Parameter(tensor.half()), tmp_path / "c.pt")
        check(tmp_path / "c.pt", ROWS.astype("f2"))

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (lambda tensor: tensor(shape=(41, 5)), "is longer than what is stored"),
            (lambda tensor: tensor(shape=(20, 5), strides=(10, 1)), r"strides \(10, 1\), part of"),
            (lambda tensor: tensor(shape=(200,), strides=(1,)), r"has shape \(200,\), not"),
            (lambda tensor: tensor(kind="QInt8Storage"), "refused: global 'torch QInt8Storage'"),
            (lambda tensor: [tensor()], "holds no tensor"),
            (lambda tensor: {"x": print}, "refused: global 'builtins print'"),
            (lambda tensor: {1: tensor()}, "holds no table of numbers"),
        ],
    )
    def test_what_is_refused(self, tmp_path, make, words):
        torch_file(tmp_path / "a.pt", make)
        refused(tmp_path / "a.pt", words)

    def test_cut_short(self, tmp_path):
        torch_file(tmp_path / "a.pt", lambda tensor: tensor())
        (tmp_path / "a.pt").write_bytes((tmp_path / "a.pt").read_bytes()[:600])
        refused(tmp_path / "a.pt", "is damaged .*: copy or save it again")


class TestVectors:
    """Each row behind its number of columns."""

    @pytest.mark.parametrize(
        ("ending", "dtype"), [("fvecs", "f4"), ("bvecs", "u1"), ("ivecs", "i4")]
    )
    def test_rows(self, tmp_path, ending, dtype):
        rows = (ROWS * 20).astype(dtype)
        path = tmp_path / f"a.{ending}"
        path.write_bytes(b"".join(struct.pack("<i", 5) + row.tobytes() for row in rows))
        check(path, rows)

    def test_rows_of_other_widths(self, tmp_path):
        path = tmp_path / "a.fvecs"
        path.write_bytes(b"".join(struct.pack("<i", 5) + row.tobytes() for row in ROWS))
        content = bytearray(path.read_bytes())
        content[24 * 7] = 6
        path.write_bytes(content)
        refused(path, "row 7 has 6 columns, and the first 5")
        path.write_bytes(content[:-3])
        refused(path, "bytes are no whole number of rows of 5 columns")


def test_values_that_were_never_written_are_told(tmp_path):
    array = zarr.create_array(tmp_path / "a.zarr", shape=(40, 5), chunks=(10, 5), dtype="f4")
    array[:20] = ROWS[:20]
    assert (
        "2 of 4 chunks are not there: their values are 0.0" in open_source(tmp_path / "a.zarr").note
    )
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("x", (40, 5), "f4", chunks=(10, 5))
        data[:10] = ROWS[:10]
    assert "3 of 4 chunks of '/x' were never written" in open_source(tmp_path / "a.h5").note
    array[20:] = ROWS[20:]
    assert open_source(tmp_path / "a.zarr").note == ""


def test_bytes_behind_tensors_are_not_passed_over(tmp_path):
    header = json.dumps({"x": {"dtype": "F32", "shape": [40, 5], "data_offsets": [0, 800]}})
    head = len(header).to_bytes(8, "little") + header.encode()
    (tmp_path / "a.safetensors").write_bytes(head + ROWS.tobytes())
    check(tmp_path / "a.safetensors")
    (tmp_path / "a.safetensors").write_bytes(head + ROWS.tobytes() + b"more")
    refused(tmp_path / "a.safetensors", "and its tensors end at")
