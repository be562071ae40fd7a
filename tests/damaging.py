"""Results that are damaged on purpose, and what the program makes of them."""

import random
import shlex
import shutil
from pathlib import Path

import numpy as np
from cases import write_case
from dots import dots_for_figures
from in_process import told

from streamclust import api

# What people keep of a run; costs.csv tells seconds.
TABLES = ("labels.csv", "metrics.csv", "clusters.csv", "outliers.csv", "named.csv", "agreement.csv")


def lose(file: Path, chance: random.Random) -> None:
    file.unlink()


def flip(file: Path, chance: random.Random) -> None:
    content = bytearray(file.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    _replace(file, bytes(content))


def cut(file: Path, chance: random.Random) -> None:
    content = file.read_bytes()
    _replace(file, content[: chance.randrange(len(content))])


def garble(file: Path, chance: random.Random) -> None:
    _replace(file, chance.randbytes(max(1, file.stat().st_size)))


HARMS = (lose, flip, cut, garble)


def _replace(file: Path, content: bytes) -> None:
    # A copy of results may be made of links: what they were copied from stays.
    file.unlink()
    file.write_bytes(content)


class Results:
    """Results of a small case with everything in them, to be damaged again and again.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.case, self.out = folder / "case", folder / "made" / "out"
        self.names = folder / "names.csv"
        values = np.random.default_rng(0).normal(size=(240, 6)).astype(np.float32)
        values += 9 * (np.arange(240) % 3)[:, None] * np.array([1, 0, 1, 0, 0, 1], np.float32)
        write_case(self.case, a=values, b=values[:, :4] ** 2)
        with dots_for_figures():
            case = api.run(self.case, self.out, n_clusters=(2, 3), workers=1)
            case.mix(("a", "b"), n_clusters=3).describe().compare().layout("pca")
            name = case.recommended("a")
            assert name is not None
            algorithm_and_k = f"a,{name}"
            lines = ["set,clustering,cluster,name", f"{algorithm_and_k},0,van"]
            self.names.write_text("\n".join([*lines, f"{algorithm_and_k},1,car"]) + "\n")
            case.label(self.names).export()

    def files(self) -> list[str]:
        """All files of the store."""
        store = self.out / "workspace.zarr"
        return sorted(str(f.relative_to(self.out)) for f in store.rglob("*") if f.is_file())

    def copy(self, folder: Path) -> Path:
        return shutil.copytree(self.out, folder / "out")

    def content(self, out: Path) -> dict[str, bytes]:
        """All values of the store, and the tables."""
        store = out / "workspace.zarr"
        files = [f for f in store.rglob("*") if f.is_file() and f.name != "zarr.json"]
        files += [out / name for name in TABLES if (out / name).exists()]
        return {str(f.relative_to(out)): f.read_bytes() for f in files}


def commands(line: str) -> list[list[str]]:
    """The commands that a line tells to run."""
    _, _, remedy = line.partition("run streamclust ")
    return [shlex.split(one) for one in remedy.split(", then streamclust ")]


def go_through(results: Results, folder: Path, file: str, harm, seed: int) -> str:
    """Damage a file of a copy, and hold what the program promises of it; gives what was told.

    Outputs stay as they are or are not written; the damage is found and named in a line each, the
    commands that are told make all of it again, and all ends as it was.
    """
    out, chance = results.copy(folder), random.Random(seed)
    before = results.content(out)
    harm(out / file, chance)
    if (out / file).exists() and (out / file).read_bytes() == (results.out / file).read_bytes():
        return "nothing changed"
    with dots_for_figures():
        code, said = told("export", out, "--quiet")
        assert code in (0, 2), said
        assert code == 0 or _is_line(said), said
        assert all((out / name).read_bytes() == before[name] for name in TABLES if name in before)

        code, said = told("verify", out, "--quiet")
        if file == "workspace.zarr/zarr.json" or code:
            assert code == 2, said
            for line in said.splitlines():
                for command in commands(line) if "run streamclust" in line else ():
                    given = {"CASE": str(results.case), "FILE": str(results.names)}
                    code, words = told(*(given.get(one, one) for one in command), "--quiet")
                    assert code == 0, (said, command, words)
        else:
            # An export made a group again that holds results and nothing else.
            assert file.count("/") < 4 or "layouts/zarr.json" in file, (file, said)
        assert told("verify", out, "--quiet") == (0, "")
        code, said = told("export", out, "--quiet")
        assert code == 0, said
    after = results.content(out)
    changed = [name for name in before if before[name] != after.get(name)]
    assert not changed, (file, changed)
    assert set(after) == set(before), (file, set(after) ^ set(before))
    return "made again"


def _is_line(said: str) -> bool:
    return said.startswith("error: ") and said.count("\n") == 1
