"""A sheet of the images that stand for a cluster."""

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from streamclust.description.stored import ROWS, Description, load_description
from streamclust.errors import SettingsError
from streamclust.images.archive import ImageStore, stored_images
from streamclust.outliers.flagging import load_flagged
from streamclust.outliers.pictures import image_or_problem
from streamclust.store.clusterings import StoredClustering
from streamclust.store.images import paths_of
from streamclust.store.job import Job

if TYPE_CHECKING:
    from streamclust.figures.contact_sheet import Tile


def cluster_sheet(
    job: Job, own: StoredClustering, cluster: int, kind: str = "typical"
) -> tuple[bytes, str]:
    """Draw the images of a described cluster.

    Parameters
    ----------
    job : Job
    own : StoredClustering
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
    from streamclust.figures.contact_sheet import contact_sheet

    told = _description(job, own, cluster, kind)
    images = stored_images(job)
    if images is None:
        raise SettingsError(f"{job.workspace.folder} has no images to show: ingest them with paths")
    store = ImageStore(images)
    rows = told.rows[kind][cluster]
    paths = paths_of(job.workspace, rows)
    title = f"{own.set_name}, cluster {cluster} of {own.name}: {kind} images"
    subtitle = f"{len(rows)} of its {told.sizes[cluster]:,} rows"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sheet.png"
        contact_sheet(file, _tiles(job, store, rows.tolist(), paths), title, subtitle)
        return file.read_bytes(), f"{title}, {subtitle}"


def _description(job: Job, own: StoredClustering, cluster: int, kind: str) -> Description:
    if kind not in ROWS:
        raise SettingsError(f"kind={kind!r} is none of {', '.join(ROWS)}")
    if not 0 <= cluster < own.n_clusters:
        raise SettingsError(f"{own.name} has no cluster {cluster}: 0 to {own.n_clusters - 1}")
    told = load_description(job.workspace, own)
    if told is None:
        raise SettingsError(
            f"{own.name} of {own.set_name} is not described: run streamclust describe first"
        )
    return told


def _tiles(job: Job, store: ImageStore, rows: list[int], paths: list[str]) -> Iterator["Tile"]:
    from streamclust.figures.contact_sheet import Tile

    found = load_flagged(job)
    for row, path in zip(rows, paths, strict=True):
        score = math.nan if found is None else float(found.score[row])
        is_flagged = found is not None and bool(found.flagged[row])
        yield Tile(path, score, f"row {row:,}", *image_or_problem(store, path), is_flagged)
