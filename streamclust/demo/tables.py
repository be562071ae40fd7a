"""The two CSV files of a demo: the reference's list of paths, and the truth behind it."""

import csv
from pathlib import Path

from streamclust.demo.fleet import (
    COLOURS,
    NO_VEHICLE,
    OUTLIER_KINDS,
    TYPES,
    VIEWS,
    Fleet,
    Pictures,
)

TRUTH_COLUMNS = ("row", "path", "vehicle", "type", "colour", "view", "outlier_kind")
_TYPES, _COLOURS = list(TYPES), list(COLOURS)


def write_tables(fleet: Fleet, paths_file: Path, truth_file: Path) -> None:
    """Write both tables, chunk by chunk."""
    with (
        paths_file.open("w", newline="", encoding="utf-8") as paths,
        truth_file.open("w", newline="", encoding="utf-8") as truth,
    ):
        paths_table = csv.writer(paths, lineterminator="\n")
        truth_table = csv.writer(truth, lineterminator="\n")
        paths_table.writerow(["paths"])
        truth_table.writerow(TRUTH_COLUMNS)
        for chunk in range(fleet.chunks):
            pictures = fleet.pictures(chunk)
            listed = list(fleet.paths(pictures, "\\"))
            paths_table.writerows([path] for path in listed)
            truth_table.writerows(
                _truth(fleet, pictures, index, path) for index, path in enumerate(listed)
            )


def _truth(fleet: Fleet, pictures: Pictures, index: int, path: str) -> tuple[int | str, ...]:
    """One row of the truth; a picture without its vehicle has no type, colour or view."""
    outlier = pictures.outlier[index]
    shown = outlier != NO_VEHICLE
    return (
        pictures.first_row + index,
        path,
        f"{pictures.vehicle[index]:0{fleet.vehicle_digits}d}",
        _TYPES[pictures.kind[index]] if shown else "",
        _COLOURS[pictures.colour[index]] if shown else "",
        VIEWS[pictures.view[index]] if shown else "",
        OUTLIER_KINDS[outlier],
    )
