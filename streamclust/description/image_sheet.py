"""A sheet of the images that stand for a cluster."""

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from streamclust.errors import SettingsError
from streamclust.images import ImageStore, stored_images
from streamclust.outliers import image_or_problem, load_flagged
from streamclust.store import (
    EXAMPLES,
    Description,
    Job,
    StoredClustering,
    load_description,
    paths_of,
)

if TYPE_CHECKING:
    from streamclust.figures import Tile


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
