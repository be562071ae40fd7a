"""Who drives by: the truth behind every picture, drawn in chunks of vehicles."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

TYPES = {
    "sedan": 0.32,
    "suv": 0.22,
    "hatchback": 0.13,
    "van": 0.11,
    "truck": 0.08,
    "pickup": 0.05,
    "bus": 0.05,
    "tanker": 0.04,
}
COLOURS = {
    "white": 0.24,
    "black": 0.18,
    "silver": 0.13,
    "grey": 0.11,
    "red": 0.10,
    "blue": 0.09,
    "brown": 0.05,
    "yellow": 0.04,
    "green": 0.03,
    "orange": 0.03,
}
VIEWS = ("front", "rear")
OUTLIER_KINDS = ("", "glare", "blur", "dark", "no_vehicle")

NO_VEHICLE = OUTLIER_KINDS.index("no_vehicle")
OUTLIER_SHARE = 0.02
VEHICLES_A_CHUNK = 64
MOST_PICTURES = 20
FOLDERS = 10
# Numbers that tell two vehicles of the same type and colour apart.
BUILD = 6

# One random stream a chunk and purpose, so that no result depends on who draws first.
COUNTS, VEHICLES, PICTURES, SPOILS, DRAWING, DESCRIPTORS, MODELS = range(7)


def stream(random_state: int, chunk: int, purpose: int) -> np.random.Generator:
    """The random numbers of one chunk for one purpose."""
    return np.random.default_rng(np.random.SeedSequence(random_state, spawn_key=(chunk, purpose)))


@dataclass(frozen=True)
class DrawnPictures:
    """The truth of consecutive rows: every array has one entry a picture.

    `kind`, `colour`, `view` and `outlier` index TYPES, COLOURS, VIEWS and OUTLIER_KINDS;
    `build`, `pose` and `light` are standard normal, and what draws gives them meaning.
    """

    chunk: int
    first_row: int
    folder: np.ndarray
    vehicle: np.ndarray
    number: np.ndarray
    kind: np.ndarray
    colour: np.ndarray
    view: np.ndarray
    outlier: np.ndarray
    build: np.ndarray
    pose: np.ndarray
    light: np.ndarray

    def __len__(self) -> int:
        return len(self.vehicle)


class Fleet:
    """All pictures of a case in the reference's row order.

    Only the number of pictures of each vehicle is held; the rest is drawn when asked for.

    Parameters
    ----------
    rows : int
        Pictures in all; the last vehicle gets what is left.
    random_state : int
        Seed of all draws.
    """

    def __init__(self, rows: int, random_state: int) -> None:
        self.rows = rows
        self.random_state = random_state
        self.counts = _picture_counts(rows, random_state)
        self.folders, self.vehicles = _row_order(len(self.counts))
        self._first_rows = np.cumsum(self.counts) - self.counts
        by_number = np.argsort(self.vehicles)
        self._first_numbers = np.empty_like(self._first_rows)
        self._first_numbers[by_number] = np.cumsum(self.counts[by_number]) - self.counts[by_number]
        self.vehicle_digits = max(5, len(str(len(self.counts))))
        # Another seed has other vehicles: rows of both may stand in one case.
        self.vehicles = self.vehicles + random_state * 10**self.vehicle_digits
        self.number_digits = max(6, len(str(rows)))

    @property
    def chunks(self) -> int:
        """How many chunks hold all rows."""
        return -(-len(self.counts) // VEHICLES_A_CHUNK)

    def pictures(self, chunk: int) -> DrawnPictures:
        """Draw the truth of one chunk's rows."""
        span = slice(chunk * VEHICLES_A_CHUNK, (chunk + 1) * VEHICLES_A_CHUNK)
        counts = self.counts[span]
        which = np.repeat(np.arange(len(counts)), counts)
        within = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)

        a_vehicle = stream(self.random_state, chunk, VEHICLES)
        kind = a_vehicle.choice(len(TYPES), VEHICLES_A_CHUNK, p=list(TYPES.values()))
        colour = a_vehicle.choice(len(COLOURS), VEHICLES_A_CHUNK, p=list(COLOURS.values()))
        build = a_vehicle.standard_normal((VEHICLES_A_CHUNK, BUILD), dtype=np.float32)
        usual_light = a_vehicle.standard_normal((VEHICLES_A_CHUNK, 2), dtype=np.float32)
        faces_camera = a_vehicle.beta(1.5, 1.5, VEHICLES_A_CHUNK)

        a_picture = stream(self.random_state, chunk, PICTURES)
        light = a_picture.standard_normal((len(which), 2), dtype=np.float32)
        pose = a_picture.standard_normal((len(which), 4), dtype=np.float32)
        view = (a_picture.random(len(which)) > faces_camera[which]).astype(np.int64)

        return DrawnPictures(
            chunk=chunk,
            first_row=int(self._first_rows[span][0]),
            folder=self.folders[span][which],
            vehicle=self.vehicles[span][which],
            number=self._first_numbers[span][which] + within + 1,
            kind=kind[which],
            colour=colour[which],
            view=view,
            outlier=_outliers(len(which), stream(self.random_state, chunk, SPOILS)),
            build=build[which],
            pose=pose,
            light=np.float32(0.6) * usual_light[which] + np.float32(0.8) * light,
        )

    def paths(self, pictures: DrawnPictures, separator: str) -> Iterator[str]:
        """The relative path of each picture, as the reference's CSV or zip spells it."""
        for folder, vehicle, number in zip(
            pictures.folder, pictures.vehicle, pictures.number, strict=True
        ):
            file = f"{number:0{self.number_digits}d}.jpg"
            parts = ("veriwild", str(folder), f"{vehicle:0{self.vehicle_digits}d}", file)
            yield separator.join(parts)


def _picture_counts(rows: int, random_state: int) -> np.ndarray:
    """Pictures of each vehicle in row order: 1 to 20, 10.2 on average as in VERI-Wild."""
    drawn: list[np.ndarray] = []
    total = 0
    while total < rows:
        rng = stream(random_state, len(drawn), COUNTS)
        more = rng.binomial(MOST_PICTURES - 1, rng.beta(1.9, 2.0, VEHICLES_A_CHUNK))
        drawn.append((1 + more).astype(np.int8))
        total += int(drawn[-1].sum())
    counts = np.concatenate(drawn).astype(np.int64)
    reached = np.cumsum(counts)
    last = int(np.searchsorted(reached, rows))
    counts = counts[: last + 1]
    counts[-1] -= reached[last] - rows
    return counts


def _row_order(vehicles: int) -> tuple[np.ndarray, np.ndarray]:
    """Folder and number of each vehicle, the folders in lexicographic order (1, 10, 2, …)."""
    parts = np.array_split(np.arange(1, vehicles + 1), min(FOLDERS, vehicles))
    folders = sorted(range(1, len(parts) + 1), key=str)
    ordered = [parts[folder - 1] for folder in folders]
    return np.repeat(folders, [len(part) for part in ordered]), np.concatenate(ordered)


def _outliers(rows: int, rng: np.random.Generator) -> np.ndarray:
    """Spoil a fixed share of the rows, every kind equally often, so that small cases have all."""
    kinds = np.zeros(rows, dtype=np.int64)
    spoiled = rng.permutation(rows)[: round(OUTLIER_SHARE * rows)]
    first = rng.integers(4)
    kinds[spoiled] = 1 + (first + np.arange(len(spoiled))) % (len(OUTLIER_KINDS) - 1)
    return kinds
