"""The layers of docs/design.md: a module imports only from those above it, or from its own."""

import ast
from pathlib import Path

import pytest

import streamclust

PACKAGE = Path(streamclust.__file__).parent

# From the first to the last: what stands in one line may import each other.
LAYERS = [
    {"_version"},
    {"errors"},
    {"memory", "events"},
    {"settings", "markup"},
    {"workspace", "outputs"},
    {"sources"},
    {"accumulators"},
    {"passes"},
    {"models"},
    {"algorithms", "layouts"},
    {"figures"},
    {"steps", "record"},
    {"report"},
    {"planning", "clustering", "pipeline", "updating", "inventory"},
    {"demo", "template", "progress", "interrupts"},
    {"display", "contents"},
    {"api", "results", ""},
    {"summary", "options"},
    {"cli", "__main__"},
]
HOME = {name: level for level, layer in enumerate(LAYERS) for name in layer}
MODULES = sorted(PACKAGE.rglob("*.py"))


def part_of(module: str) -> str:
    """``streamclust.models.pca`` → ``models``."""
    return module.split(".")[1] if "." in module else ""


def imported(path: Path) -> set[str]:
    """Parts of the package that a module imports, anywhere in it; a name of the face itself
    counts as the face."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            if node.module == "streamclust":
                names = {alias.name for alias in node.names}
                found |= {name if name in HOME else "" for name in names}
            elif (node.module or "").startswith("streamclust."):
                found.add(part_of(node.module or ""))
        elif isinstance(node, ast.Import):
            found |= {part_of(a.name) for a in node.names if a.name.split(".")[0] == "streamclust"}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_layer_reaches_down(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    own = "" if parts[0] == "__init__" else parts[0]
    below = {name for name in imported(path) if HOME[name] > HOME[own]}
    # The face names what it offers, for type checkers and on first use.
    assert own == "" or not below, f"{own} imports from {below}"


def test_distributed_is_imported_in_one_module():
    users = [p.name for p in MODULES if "distributed" in _roots(p)]
    assert users == ["dask.py"]


def _roots(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("part", ["models", "accumulators"])
def test_the_numerics_know_neither_zarr_nor_the_store(part):
    for path in (PACKAGE / part).rglob("*.py"):
        assert not {"zarr", "distributed"} & _roots(path), path
