"""Rows that show what each cluster is like, found in one pass over the reduced rows, and a sheet of
their images."""

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from streamclust.errors import SettingsError
from streamclust.images import ImageStore, stored_images
from streamclust.memory import Need
from streamclust.outliers import image_or_problem, load_flagged
from streamclust.passes import Passes, Rows
from streamclust.passes.accumulators import SLICE_ROWS, ClusterPicks, Picks
from streamclust.steps import Job
from streamclust.store import EXAMPLES, Description, StoredClustering, load_description, paths_of

if TYPE_CHECKING:
    from streamclust.figures import Tile

# Typical rows are chosen of this part of a cluster's sample, the nearest to its mean, or so many
# times as many as are wanted.
TYPICAL_PART = 0.05
LEAST_CHOICE = 4
# Of the rows that are to show the variety of a cluster the farthest are left out: they show what
# does not belong.
VARIED_PART = 0.95
# Nearer than this part of the cluster's median radius, two rows show the same picture.
SAME = 0.1
# Rows shown of each kind, and images measured, of a cluster.
SHOWN = 12
IMAGES = 96
# Sampled rows that typical and varied ones are chosen of: of a cluster, and of all together.
_SAMPLE_ROWS, _ALL_ROWS = 1024, 32_768
_ALL_IMAGES = 6_000


def typical(values: np.ndarray, distances: np.ndarray, wanted: int) -> np.ndarray:
    """Rows near the mean that differ from each other.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        A uniform sample of a cluster.
    distances : ndarray of shape (n_rows,)
        To its mean.
    wanted : int

    Returns
    -------
    ndarray of int
        Which rows, the nearest first, then each the farthest from those before it; fewer than
        wanted where the others are near-duplicates of these.
    """
    near = np.argsort(distances, kind="stable")
    near = near[: max(int(np.ceil(TYPICAL_PART * len(near))), LEAST_CHOICE * wanted)]
    return near[farthest_first(values[near], wanted, SAME * _radius(distances))]


def varied(values: np.ndarray, distances: np.ndarray, wanted: int) -> np.ndarray:
    """Rows spread over a cluster; as `typical`, of all but its farthest."""
    near = np.argsort(distances, kind="stable")
    near = near[: max(wanted, int(np.ceil(VARIED_PART * len(near))))]
    return near[farthest_first(values[near], wanted, SAME * _radius(distances))]


def farthest_first(values: np.ndarray, wanted: int, least: float = 0.0) -> np.ndarray:
    """The first row, then each the farthest from those before it: at most twice the radius of
    the best cover by as many (Gonzalez 1985, "Clustering to minimize the maximum intercluster
    distance", Theoretical Computer Science 38).

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
    wanted : int
    least : float
        Stop before a row that is no farther than this.
    """
    taken: list[int] = []
    gaps = np.full(len(values), np.inf)
    while len(taken) < min(wanted, len(values)):
        place = int(gaps.argmax()) if taken else 0
        if taken and gaps[place] <= least:
            break
        taken.append(place)
        gaps = np.minimum(gaps, np.sqrt(((values - values[place]) ** 2).sum(axis=1)))
    return np.array(taken, np.int64)


def _radius(distances: np.ndarray) -> float:
    return float(np.median(distances)) if len(distances) else 0.0


class Examples(NamedTuple):
    """Rows of each cluster: a uniform sample, and those to show, by kind."""

    sample: list[np.ndarray]
    rows: dict[str, list[np.ndarray]]

    def to_measure(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows whose images are measured, by cluster, and their labels."""
        most = max(1, min(IMAGES, _ALL_IMAGES // max(1, len(self.sample))))
        taken = [rows[:most] for rows in self.sample]
        return np.concatenate(taken), np.repeat(np.arange(len(taken)), list(map(len, taken)))


def find_examples(passes: Passes, job: Job, clustering: StoredClustering) -> Examples:
    """Find them.

    Returns
    -------
    Examples
        Its `rows` are ``typical``, ``varied``, ``borderline`` with ``beyond``, the clusters these
        border on, and ``worst``.
    """
    means = clustering.means[...]
    rows = job.set(clustering.set_name).rows()
    rows = rows.having(extras=(clustering.labels,), numbered=True)
    picks = ClusterPicks(means, _sample_rows(len(means)), SHOWN, job.settings.random_state)
    name = f"{clustering.name}: rows to show"
    return _by_cluster(passes.reduce(name, rows, picks).result(), len(means))


def _sample_rows(n_clusters: int) -> int:
    return max(IMAGES, min(_SAMPLE_ROWS, _ALL_ROWS // max(1, n_clusters)))


def _by_cluster(picks: Picks, n_clusters: int) -> Examples:
    sample, border, far = picks
    sampled, near, covering = [], [], []
    for cluster in range(n_clusters):
        of_cluster = sample.labels == cluster
        rows, values = sample.rows[of_cluster], sample.values[of_cluster]
        distances = sample.distances[of_cluster]
        sampled.append(rows)
        near.append(rows[typical(values, distances, SHOWN)])
        covering.append(rows[varied(values, distances, SHOWN)])
    has_other = border.others >= 0
    bordering = [has_other & (border.labels == cluster) for cluster in range(n_clusters)]
    return Examples(
        sampled,
        {
            "typical": near,
            "varied": covering,
            "borderline": [border.rows[of_cluster] for of_cluster in bordering],
            "beyond": [border.others[of_cluster] for of_cluster in bordering],
            "worst": [far.rows[far.labels == cluster] for cluster in range(n_clusters)],
        },
    )


def examples_need(rows: Rows, n_clusters: int) -> Need:
    """Memory of the rows that are kept, and of a block with its distances."""
    k = n_clusters
    kept = ClusterPicks.nbytes(k, rows.n_columns, rows.itemsize, _sample_rows(k), SHOWN)
    pieces = 8 * SLICE_ROWS * (2 * k + 6 * rows.n_columns)
    block = 3 * rows.rows_a_block * (rows.row_bytes + 16)
    return Need(fixed=kept, per_block=block + pieces + kept)


def cluster_sheet(
    job: Job, clustering: StoredClustering, cluster: int, kind: str = "typical"
) -> tuple[bytes, str]:
    """Draw the images of a described cluster.

    Parameters
    ----------
    job : Job
    clustering : StoredClustering
    cluster : int
    kind : {"typical", "varied", "borderline", "worst"}

    Returns
    -------
    png : bytes
    title : str

    Raises
    ------
    SettingsError
        When there is no such cluster or kind, the clustering is not described, or the case has no
        images.
    SourceError
        When the zip file of the images cannot be read.
    """
    from streamclust.figures import contact_sheet

    description = _description(clustering, cluster, kind)
    images = stored_images(job)
    if images is None:
        raise SettingsError(f"{job.workspace.folder} has no images to show: ingest them with paths")
    store = ImageStore(images)
    rows = description.rows[kind][cluster]
    paths = paths_of(job.workspace, rows)
    title = f"{clustering.set_name}, cluster {cluster} of {clustering.name}: {kind} images"
    subtitle = f"{len(rows)} of its {description.sizes[cluster]:,} rows"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sheet.png"
        contact_sheet(file, _tiles(job, store, rows.tolist(), paths), title, subtitle)
        return file.read_bytes(), f"{title}, {subtitle}"


def _description(clustering: StoredClustering, cluster: int, kind: str) -> Description:
    if kind not in EXAMPLES:
        raise SettingsError(f"kind={kind!r} is none of {', '.join(EXAMPLES)}")
    if not 0 <= cluster < clustering.n_clusters:
        raise SettingsError(
            f"{clustering.name} has no cluster {cluster}: 0 to {clustering.n_clusters - 1}"
        )
    description = load_description(clustering)
    if description is None:
        raise SettingsError(
            f"{clustering.name} of {clustering.set_name} is not described: run streamclust "
            "describe first"
        )
    return description


def _tiles(job: Job, store: ImageStore, rows: list[int], paths: list[str]) -> Iterator["Tile"]:
    from streamclust.figures import Tile

    outliers = load_flagged(job)
    for row, path in zip(rows, paths, strict=True):
        score = math.nan if outliers is None else float(outliers.score[row])
        is_flagged = outliers is not None and bool(outliers.flagged[row])
        yield Tile(path, score, f"row {row:,}", *image_or_problem(store, path), is_flagged)
