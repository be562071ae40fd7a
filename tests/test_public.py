"""The face of the package, and what importing it costs."""

import subprocess
import sys

import streamclust

HEAVY = {"sklearn", "numba", "dask", "matplotlib", "scipy", "pandas", "zarr", "numpy"}


def test_the_names():
    assert streamclust.__all__ == [
        "Case",
        "IncrementalPCA",
        "KNNOutlierDetector",
        "StreamingKMeans",
        "__version__",
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
