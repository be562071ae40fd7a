"""The order of docs/design.md: a package imports from those above it, and nothing in a circle."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

import streamclust

PACKAGE = Path(streamclust.__file__).parent

# From the ground up; "" is the face of the package, which names what it offers.
ORDER = [
    *("_version", "errors", "registries", "memory", "events", "markup", "language"),
    *("settings", "progress"),
    *("sources", "passes", "store", "steps", "images", "embedding", "metrics"),
    *("reduction", "neighbors", "clustering", "choice", "figures", "outliers"),
    *("comparison", "description", "layouts", "labelling"),
    *("report", "notebook", "estimators", "demo"),
    *("planning", "pipeline"),
    *("last_settings", "held_paths", "results", "case", "api", "cli"),
    *("__main__", ""),
]
DESIGN = PACKAGE.parent / "docs" / "design.md"
LEVEL = {name: number for number, name in enumerate(ORDER)}


def test_the_order_is_that_of_the_docs():
    lines = [line for line in DESIGN.read_text().splitlines() if line.startswith("| `")]
    names = [name for line in lines for name in line.split("|")[1].replace("`", "").split()]
    packages = names[: names.index("cli") + 1]
    assert packages == [name for name in ORDER if name.strip("_") == name and name]


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(("streamclust", *(part for part in parts if part != "__init__")))


# What stands in the store begins so.
PLACES = ("descriptors/", "outliers/", "images/", "names/", "tables/")
MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def package_of(module: str) -> str:
    """``streamclust.reduction.components`` → ``reduction``."""
    return module.split(".")[1] if "." in module else ""


def imported(module: str) -> set[str]:
    """The modules of the package that one imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "streamclust":
            assert node.level == 0, f"{module}: imports are absolute"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in MODULES else node.module)
        elif isinstance(node, ast.Import):
            found |= {a.name for a in node.names if a.name.split(".")[0] == "streamclust"}
    return found


def roots(module: str) -> set[str]:
    """The libraries that a module imports."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_from_the_later_to_the_earlier(module):
    own = package_of(module)
    later = {name for name in map(package_of, imported(module)) if LEVEL[name] > LEVEL[own]}
    assert not later - {""}


def test_no_module_imports_itself_through_others():
    """The packages' order leaves circles only inside of one."""
    graph = {
        module: {name for name in imported(module) if package_of(name) == package_of(module)}
        for module in MODULES
    }
    circles = [module for module in graph if module in _reached(graph, graph[module])]
    assert circles == []


def _reached(graph: dict[str, set[str]], first: set[str]) -> set[str]:
    found, ahead = set(), set(first)
    while ahead:
        found |= ahead
        ahead = set().union(*(graph.get(name, set()) for name in ahead)) - found
    return found


def test_a_package_is_entered_by_the_names_that_it_shows():
    """`__init__.pyi` lists what a package shows, and where inside that is."""
    packages = {module for module, path in MODULES.items() if path.with_suffix(".pyi").exists()}
    for module in MODULES:
        for name in imported(module) - packages:
            home = max((p for p in packages if name.startswith(f"{p}.")), key=len, default="")
            assert module == home or module.startswith(home), f"{module} reaches into {name}"


def test_all_names_that_are_shown_are_there():
    for module, path in MODULES.items():
        if path.with_suffix(".pyi").exists():
            package = import_module(module)
            assert package.__all__
            for name in package.__all__:
                assert hasattr(package, name), f"{module}.{name}"


@pytest.mark.parametrize("module", [m for m in MODULES if package_of(m) != "store"])
def test_only_the_store_knows_what_lies_where(module):
    """Neither paths of the store, nor attributes of its arrays, are written elsewhere."""
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Attribute):
            assert node.attr != "attrs", f"{module}:{node.lineno}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert not node.value.startswith(PLACES), f"{module}:{node.lineno}"


def test_no_folder_is_a_hall():
    sizes = {folder: len(list(folder.glob("*.py"))) for folder in PACKAGE.rglob("*")}
    assert max(sizes.values()) <= 20


def test_distributed_is_imported_in_two_modules():
    users = [module for module in MODULES if "distributed" in roots(module)]
    assert users == ["streamclust.passes.dask_executor", "streamclust.passes.parcels"]


@pytest.mark.parametrize("part", ["passes.accumulators", "neighbors", "estimators"])
def test_the_numerics_know_neither_zarr_nor_the_store(part):
    for module in MODULES:
        if module.startswith(f"streamclust.{part}"):
            assert not {"zarr", "distributed"} & roots(module), module
            assert not [name for name in imported(module) if package_of(name) == "store"], module
