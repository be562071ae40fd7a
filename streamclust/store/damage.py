"""What is damaged of results on disk, and which command makes it again."""

import json
import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamclust.errors import DamagedError
from streamclust.store.checks import (
    METADATA,
    NodeError,
    array_checks,
    chunk_file,
    group_checks,
    has_checksums,
    is_file_intact,
    members_of,
    missing_chunk,
    read_node,
    stored_chunks,
    write_node,
    wrong_size,
)

if TYPE_CHECKING:
    import numpy as np

STORE, HIDDEN = "workspace.zarr", ".streamclust"
_NOTES = "damage"
_CASE = "ingest CASE --out {out}"
_SET = r"descriptors/(?P<set>[^/]+)"
_REDUCE = "reduce {out} --descriptors {set}"
_OUTLIERS = "outliers {out}"
_DESCRIBE = "describe {out}"
_CLUSTER = "cluster {out} --descriptors {set} --algorithm {algorithm}{n_clusters}"
# What is published by itself: its path, and what makes it again.
_RESULTS = {
    re.compile(path): command
    for path, command in {
        r"images/path": _CASE,
        r"images/(group|looks)": _OUTLIERS,
        r"images/(pixels|problem)": "outliers {out} --scan-images",
        _SET: _CASE,
        rf"{_SET}/(pca|reduced|clusterings)": _REDUCE,
        rf"{_SET}/clusterings/(?P<clustering>[^/]+)": _CLUSTER,
        rf"{_SET}/clusterings/(?P<clustering>[^/]+)/description": _DESCRIBE,
        rf"{_SET}/(space|neighbors|outliers|cluster_distance)": _OUTLIERS,
        rf"{_SET}/scorer": "assign {out} NEW --to FILE",
        rf"{_SET}/layouts/(?P<method>[^/-]+)-(?P<dimensions>[^/]+)": (
            "layout {out} --descriptors {set} --method {method} --dimensions {dimensions}"
        ),
        r"outliers": _OUTLIERS,
        r"names/[^/]+/[^/]+": "label {out} --names FILE",
        r"tables/(?P<step>[^/]+)": "{step} {out}",
    }.items()
}
# Groups that hold results and nothing else.
_SHELVES = re.compile(rf"|images|descriptors|names|names/[^/]+|tables|{_SET}/layouts")
_ANY = "export {out}"
# What a command goes on from is made by those before it; all others are among the last.
_ORDER = ("ingest", "mix", "reduce", "cluster", "outliers", "label")
_RUNS = ("run", "demo")
_OF_RUN = ("ingest", "reduce", "cluster", "outliers")


@dataclass(frozen=True)
class Damage:
    """Something that cannot be read as it was written.

    Attributes
    ----------
    path : str
        The result that it is of, as the store calls it.
    place : str
        The array or group within it.
    what : str
        What is wrong.
    remedy : str
        The command line that makes the result again.
    """

    path: str
    place: str
    what: str
    remedy: str

    @property
    def in_words(self) -> str:
        """All of it in one line."""
        return f"{self.place or 'the store'} is damaged ({self.what}): {self.remedy}"

    @property
    def command(self) -> str:
        """The command that makes it again."""
        return self.remedy.removeprefix("run streamclust ").split(" ")[0]


def seal(folder: Path, path: str) -> None:
    """Write the checks of a staged result that is to be published at `path`.

    Raises
    ------
    DamagedError
        When a part that was linked from a published result has lost chunks since.
    """
    for node, place in _nodes(folder, path):
        content, known = read_node((node / METADATA).read_bytes())
        if content["node_type"] == "array":
            if what := missing_chunk(node, content, known):
                raise DamagedError(f"{place}: {what} of what it goes on from")
            checks = array_checks(node, content)
        else:
            checks = group_checks([one.name for one in _members(node, place)])
        write_node(node / METADATA, content, checks)


def note_damage(root: Path, node: Path, what: str) -> DamagedError:
    """Keep what was found to be damaged, for the command that makes it again.

    Parameters
    ----------
    root : Path
        Of the Zarr store that it is in: that of the results, or one in the archive.
    node : Path
        The array or group.
    what : str
        What is wrong.

    Returns
    -------
    DamagedError
        What to say of it.
    """
    out = root.parent
    if root.name != STORE:
        return DamagedError(f"{node} is damaged ({what}): streamclust verify OUT tells what to do")
    place = "" if node == root else node.relative_to(root).as_posix()
    path = result_of(place) or place
    damage = Damage(path, place, what, remedy(out, path))
    keep_note(out, damage)
    return DamagedError(damage.in_words)


def keep_note(out: Path, damage: Damage, aside: bool = False) -> None:
    """Note damage until the result is whole again; `aside`: it does not stand in its place now."""
    file = _note_file(out, damage.path)
    told = {"path": damage.path, "place": damage.place, "what": damage.what, "aside": aside}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f".{file.name}.{os.getpid()}")
        part.write_text(json.dumps(told))
        os.replace(part, file)
    except OSError:  # results that may only be read can be told of, and not be mended
        return


def drop_note(out: Path, path: str) -> None:
    """Forget damage of a result that is whole again."""
    _note_file(out, path).unlink(missing_ok=True)


def is_aside(out: Path, path: str) -> bool:
    """Whether a result was moved aside, and is not there again."""
    return path in (known := notes(out)) and known[path][1]


def notes(out: Path) -> dict[str, tuple[Damage, bool]]:
    """Noted damage by the path of the result, each with whether it stands aside."""
    found = {}
    for file in sorted((out / HIDDEN / _NOTES).glob("[!.]*")):
        try:
            told = json.loads(file.read_text())
            path = str(told["path"])
            damage = Damage(path, str(told["place"]), str(told["what"]), remedy(out, path))
            found[path] = damage, bool(told["aside"])
        except (ValueError, LookupError, TypeError):
            file.unlink(missing_ok=True)
    return found


def _note_file(out: Path, path: str) -> Path:
    return out / HIDDEN / _NOTES / (path.replace("/", "~") or "~")


def result_of(path: str) -> str | None:
    """The path of the result that a place is part of; None for groups that only hold results."""
    if _SHELVES.fullmatch(path):
        return None
    parts = path.split("/")
    for depth in range(len(parts), 0, -1):
        tried = "/".join(parts[:depth])
        if any(pattern.fullmatch(tried) for pattern in _RESULTS):
            return tried
    return None


def remedy(out: Path, path: str) -> str:
    """What to do about damage of a result, or of a group that only holds results."""
    result = result_of(path)
    if result is None:
        command = _ANY if path else _CASE
        return f"run streamclust {command.format(out=shlex.quote(str(out)))}"
    command, names = _maker(result)
    if command == _CASE and (options := _mixture(out / STORE / result)):
        command = f"mix {{out}} {options} --name {{set}}"
    algorithm, _, k = names.get("clustering", "").rpartition("-")
    if command == _CLUSTER and k.isdecimal():
        names |= {"algorithm": algorithm, "n_clusters": f" --n-clusters {k}"}
    elif command == _CLUSTER:
        names |= {"algorithm": names["clustering"], "n_clusters": ""}
    shown = shlex.quote(str(out))
    line, after = command.format(out=shown, **names), ""
    if command == _CLUSTER or (command == _REDUCE and _has_clusterings(out / STORE / result)):
        # What is known of clusterings goes with their rows, or with them.
        after = f", then streamclust measure {shown}"
    elif command == _OUTLIERS:
        line += _scored_sets(out / STORE, names.get("set"))
    elif command == _DESCRIBE and names.get("clustering") != _recommended(out / STORE / result):
        line += f" --descriptors {names['set']} --clustering {names['clustering']}"
    elif command == _CASE:
        line += _ingest_options(out / STORE / result)
        if _was_updated(out / STORE / result):
            after = f", then streamclust update {shown} NEW"
            if (out / STORE / "outliers").is_dir():
                # Those of other rows are put aside on the way.
                after += f", then streamclust outliers {shown}"
    return f"run streamclust {line}{after}"


def _maker(result: str) -> tuple[str, dict[str, str]]:
    """What makes a result, with the names that its path tells."""
    for pattern, command in _RESULTS.items():
        if match := pattern.fullmatch(result):
            return command, match.groupdict()
    raise KeyError(result)


def _attributes(node: Path) -> dict[str, Any]:
    try:
        known = read_node((node / METADATA).read_bytes())[0].get("attributes", {})
    except (OSError, NodeError):
        return {}
    return dict(known)


def _mixture(node: Path) -> str:
    """The options that a mixed set was made by, as far as they are known; empty for others."""
    mixture = _attributes(node).get("mixture")
    if mixture is None:
        return f"{_sets_by_name(node)}{_sweep(node)}" if (node / "blocks").is_dir() else ""
    options = f"--sets {','.join(mixture['sets'])}"
    if "searched" in mixture:
        options += " --weights auto"
    elif set(mixture["weights"]) != {1.0}:
        options += f" --weights {','.join(map(str, mixture['weights']))}"
    consensus = " --consensus" if mixture["of"] == "labels" else ""
    return f"{options}{consensus}{_sweep(node)}"


def _has_clusterings(node: Path) -> bool:
    return bool(_folders(node.parent / "clusterings"))


def _sets_by_name(node: Path) -> str:
    """The sets that a mixed one has its name from, if it has."""
    plain = node.name.removeprefix("consensus-")
    sets = plain.split("+")
    if not all((node.parent / name).is_dir() for name in sets):
        return "--sets A,B"
    return f"--sets {','.join(sets)}{' --consensus' * (plain != node.name)}"


def _sweep(node: Path) -> str:
    """The options that give the clusterings of a set again."""
    names = [one.name for one in _folders(node / "clusterings")]
    parts = [name.rpartition("-") for name in names]
    ks = sorted({int(k) for _, _, k in parts if k.isdecimal()})
    algorithms = sorted({part[0] if part[2].isdecimal() else "".join(part) for part in parts})
    options = [f" --algorithm {algorithm}" for algorithm in algorithms]
    options += [f" --n-clusters {','.join(map(str, ks))}"] if ks else []
    return "".join(options)


def _scored_sets(store: Path, set_name: str | None) -> str:
    """The option that names the sets whose outliers were looked for together, where not all were.

    By default they are all that are not mixed.
    """
    sets = list(_attributes(store / "outliers").get("sets", [set_name] if set_name else []))
    known = [one for one in _folders(store / "descriptors") if not _mixture(one)]
    is_default = sorted(sets) == [one.name for one in known]
    return "" if is_default or not sets else f" --descriptors {','.join(sets)}"


def _recommended(description: Path) -> str | None:
    told = _attributes(description.parent.parent).get("recommendation") or {}
    return told.get("clustering")


def _ingest_options(node: Path) -> str:
    """Those without which a set would become another one."""
    raw = node / "raw" / METADATA
    compressed = raw.exists() and b'"zstd"' in raw.read_bytes()
    masked = bool(_attributes(node).get("n_invalid"))
    source = _attributes(node).get("source", {})
    rounded = f" --store-dtype {source.get('dtype')}" if "rounded_from" in source else ""
    return " --compress" * compressed + " --invalid mask" * masked + rounded


def _was_updated(node: Path) -> bool:
    known = _attributes(node)
    return bool(known.get("added") or known.get("earlier"))


def _folders(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []


def _members(node: Path, path: str) -> list[Path]:
    """The members of a group that belong to the same result."""
    own = result_of(path)
    return [one for one in _folders(node) if result_of(f"{path}/{one.name}".strip("/")) == own]


def _nodes(folder: Path, path: str) -> Iterator[tuple[Path, str]]:
    """A staged result and all that is in it, with their paths."""
    yield folder, path
    if json.loads((folder / METADATA).read_bytes())["node_type"] == "group":
        for one in _folders(folder):
            yield from _nodes(one, f"{path}/{one.name}".strip("/"))


def results_below(folder: Path, path: str) -> Iterator[tuple[Path, str]]:
    """All results, and groups that only hold results, of a folder that stands for a path."""
    yield folder, path
    for one in _folders(folder):
        inner = f"{path}/{one.name}".strip("/")
        # An empty folder is no result.
        if not any(one.iterdir()):
            continue
        if _SHELVES.fullmatch(inner) or result_of(inner) == inner:
            yield from results_below(one, inner)


def find_damage(
    out: Path, folder: Path, path: str, advance: Callable[[int], None] | None = None
) -> Damage | None:
    """The first damage of a result, not of those within it.

    Parameters
    ----------
    out : Path
        The results folder.
    folder : Path
        Where the result is.
    path : str
        Where it is, or was, in the store.
    advance : callable, optional
        Told how many bytes were read: all are read with it, and none but the metadata without.
    """
    for place, what in _node_damage(folder, path, advance):
        return Damage(path, place, what, remedy(out, path))
    return None


def _node_damage(
    node: Path, place: str, advance: Callable[[int], None] | None, of: dict[str, Any] | None = None
) -> Iterator[tuple[str, str]]:
    try:
        content, checks = read_node((node / METADATA).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        yield place, f"its {METADATA} is missing"
        return
    except (OSError, NodeError) as error:
        yield place, str(error)
        return
    if content["node_type"] == "array":
        try:
            what = missing_chunk(node, content, checks) or _chunk_damage(node, content, advance)
            if not what and advance is not None:
                what = _value_damage(node, content, of or {})
        except (LookupError, TypeError, ValueError):
            what = f"its {METADATA} is not what was written"
        if what:
            yield place, what
        return
    members = {one.name for one in _members(node, place)} | set(members_of(checks))
    if _SHELVES.fullmatch(place):
        return
    for name in sorted(members):
        yield from _node_damage(node / name, f"{place}/{name}", advance, content)


def _chunk_damage(
    node: Path, content: dict[str, Any], advance: Callable[[int], None] | None
) -> str:
    """What is wrong with the chunks of an array that are there."""
    checked = has_checksums(content)
    for number in stored_chunks(node, content):
        file = chunk_file(node, content, number)
        if wrong_size(file, content):
            return f"chunk {number} has another size than was written"
        if advance is not None and checked and not is_file_intact(file, advance):
            return f"chunk {number} is not what was written"
    return ""


def _value_damage(node: Path, content: dict[str, Any], of: dict[str, Any]) -> str:
    """What shows only in values: that they cannot be decoded, or are labels of no cluster."""
    n_clusters = of.get("attributes", {}).get("n_clusters")
    is_labels = node.name == "labels" and n_clusters is not None
    if has_checksums(content) and not is_labels:
        return ""
    import zarr

    try:
        array = zarr.open_array(node, mode="r")
        for start in range(0, array.shape[0] if array.shape else 0, array.chunks[0]):
            values = array[start : start + array.chunks[0]]
            if is_labels and not are_labels(values, int(n_clusters)):
                return "it holds labels of no cluster"
    except Exception as error:  # codecs raise whatever they come to
        return f"it cannot be decoded: {str(error).splitlines()[0] if str(error) else error!r}"
    return ""


def are_labels(values: "np.ndarray", n_clusters: int) -> bool:
    """Whether all values are numbers of clusters, or tell of none."""
    return not values.size or bool(values.min() >= -1 and values.max() < n_clusters)


def stored_bytes(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(
        (Path(where) / name).stat().st_size for where, _, names in os.walk(folder) for name in names
    )


def refused(command: str, damage: Damage) -> bool:
    """Whether a command must not run before something is made again: it goes on from that."""
    return _rank(damage.command) < _rank(command)


def makes_again(command: str, damage: Damage) -> bool:
    """Whether a command makes something again."""
    maker = damage.command
    return maker == command or (command in _RUNS and maker in _OF_RUN)


def _rank(command: str) -> int:
    # A clustering is made again by both, one after the other.
    command = "cluster" if command == "measure" else command
    return _ORDER.index(command) if command in _ORDER else len(_ORDER)


def is_shelf(path: str) -> bool:
    """Whether a place only holds results."""
    return _SHELVES.fullmatch(path) is not None


def mend_group(
    folder: Path, path: str, aside: Path, attributes: dict[str, Any] | None = None
) -> None:
    """Write the metadata of a group that only holds results again; the old one goes to `aside`."""
    file = folder / METADATA
    if file.exists():
        target = _free(aside / (path.replace("/", "~") or STORE))
        target.mkdir(parents=True)
        os.replace(file, target / METADATA)
    content = {"zarr_format": 3, "node_type": "group", "attributes": attributes or {}}
    write_node(file, content, group_checks([]))


def move_aside(folder: Path, path: str, aside: Path) -> None:
    """Move a result to `aside`, but not the results within it, which stay as they are."""
    if not folder.is_dir():
        return
    target = _free(aside / path.replace("/", "~"))
    inner = {one.name for one in _folders(folder)} - {one.name for one in _members(folder, path)}
    for one in sorted(folder.iterdir(), key=lambda one: one.name != METADATA):
        if one.name not in inner or (one.is_dir() and not any(one.iterdir())):
            target.mkdir(parents=True, exist_ok=True)
            os.replace(one, target / one.name)
    if not any(folder.iterdir()):
        folder.rmdir()


def _free(target: Path) -> Path:
    number = 1
    while (numbered := target.with_name(f"{target.name}~{number}")).exists():
        number += 1
    return numbered


def take_in(folder: Path, staged: Path) -> None:
    """Let a result take its place in a folder where results within it have stayed."""
    # Its zarr.json comes last: without it, the result is not there.
    for one in sorted(staged.iterdir(), key=lambda one: one.name == METADATA):
        target = folder / one.name
        if target.is_dir() and one.is_dir():
            shutil.rmtree(target)
        os.replace(one, target)
    staged.rmdir()
