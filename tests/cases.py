"""Small cases on disk, in the reference layout."""

import pickle
from pathlib import Path

import numpy as np


def write_case(folder: Path, **sets: np.ndarray) -> Path:
    """A case folder with these descriptor sets and a path for each row."""
    (folder / "descriptors").mkdir(parents=True)
    for name, values in sets.items():
        with open(folder / "descriptors" / f"{name}.pickle", "wb") as file:
            pickle.dump(values, file)
    n_rows = len(next(iter(sets.values())))
    lines = [f"veriwild\\1\\{row // 7:05}\\{row:06}.jpg" for row in range(n_rows)]
    (folder / "images_paths.csv").write_text("\n".join(["paths", *lines]) + "\n")
    return folder
