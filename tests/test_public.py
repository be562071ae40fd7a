"""The face of the package, and what importing it costs."""

import subprocess
import sys
from functools import partial

import pytest

import streamclust
from streamclust.errors import DAMAGED, ImageError, SettingsError, SourceError

HEAVY = {"sklearn", "numba", "dask", "matplotlib", "scipy", "pandas", "zarr", "numpy"}


def test_the_names():
    assert streamclust.__all__ == [
        "Case",
        "IncrementalPCA",
        "KNNOutlierDetector",
        "StreamingKMeans",
        "__version__",
        "convert",
        "embed",
        "ingest",
        "open",
        "plan",
        "run",
    ]
    for name in streamclust.__all__:
        assert getattr(streamclust, name).__doc__
    assert dir(streamclust) == streamclust.__all__


def test_help_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['streamclust', '--help']\n"
        "from streamclust.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "run" in done.stdout
    assert not HEAVY & set(done.stderr.split())


@pytest.mark.parametrize("error", [SourceError, SettingsError, partial(ImageError, kind=DAMAGED)])
def test_an_error_is_one_line_whatever_it_quotes(error):
    told = str(error("no column (r\x0bw, a\r\nb, \x1b[31mred, c\u2028d): name one"))
    assert told == "no column (r w, a b,  [31mred, c d): name one"
