"""The options of the command line, each defined once, and how they become settings."""

import functools
from collections.abc import Callable
from typing import Any

import click

from streamclust.events import Observer, interrupts
from streamclust.language import LANGUAGES
from streamclust.settings import (
    ALGORITHMS,
    ALL,
    COVARIANCE_TYPES,
    INVALID,
    NEIGHBORS,
    SCALINGS,
    Settings,
)

FOLDER = click.Path(file_okay=False)
FILE = click.Path(dir_okay=False)


class NumberOrShare(click.ParamType):
    """``64`` is a number of components, ``0.9`` a share of variance."""

    name = "number|share"

    def convert(self, value: Any, param: Any, ctx: Any) -> int | float:
        if isinstance(value, int | float):
            return value
        try:
            return int(value) if value.isdigit() else float(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number nor a share such as 0.9", param, ctx)


case_argument = click.argument("case", nargs=-1, required=True, type=click.Path())
out_argument = click.argument("out", type=FOLDER)
out_option = click.option("--out", required=True, type=FOLDER, help="Folder of the results.")

_SETTINGS: dict[str, Callable] = {
    "descriptors": click.option("--descriptors", metavar="A,B", help="Sets to work on [all]."),
    "invalid": click.option(
        "--invalid",
        type=click.Choice(INVALID),
        help="Rows with NaN or infinity: refuse, or label -1 [error].",
    ),
    "scaling": click.option(
        "--scaling", type=click.Choice(SCALINGS), help="Scaling before PCA [standard]."
    ),
    "n_components": click.option(
        "--n-components",
        type=NumberOrShare(),
        help="Components, or the share of variance to hold [0.9].",
    ),
    "max_components": click.option(
        "--max-components", type=int, help="At most so many for a share [128]."
    ),
    "whiten": click.option("--whiten/--no-whiten", default=None, help="Whiten the components."),
    "normalize": click.option(
        "--normalize/--no-normalize",
        default=None,
        help="PCA, whitening, rows of unit length (as in DeepCluster).",
    ),
    "algorithms": click.option(
        "--algorithm",
        "algorithms",
        multiple=True,
        type=click.Choice((*ALGORITHMS, ALL)),
        callback=lambda context, option, names: names or None,
        help="How to cluster; may be given several times [kmeans].",
    ),
    "n_clusters": click.option(
        "--n-clusters",
        metavar="K",
        help="8, a list 5,8,12, a range 2:30, or auto: 2:30 and on, while the best lies at the "
        "upper edge [auto].",
    ),
    "covariance_type": click.option(
        "--covariance-type",
        type=click.Choice(COVARIANCE_TYPES),
        help="Covariances of a Gaussian mixture [diag].",
    ),
    "min_cluster_size": click.option(
        "--min-cluster-size",
        type=float,
        metavar="SHARE",
        help="Share of the rows in the smallest cluster of HDBSCAN [0.005].",
    ),
    "n_init": click.option("--n-init", type=int, help="Restarts on the sample [24]."),
    "max_iter": click.option("--max-iter", type=int, help="Exact passes at most [100]."),
    "tol": click.option("--tol", type=float, help="Relative tolerance of convergence [1e-4]."),
    "batch_size": click.option("--batch-size", type=int, help="Rows of a mini-batch [4096]."),
    "n_neighbors": click.option(
        "--n-neighbors", type=int, help="Neighbours of a row in the outliers' graph [15]."
    ),
    "neighbors": click.option(
        "--neighbors", type=click.Choice(NEIGHBORS), help="How the graph is found [auto]."
    ),
    "group": click.option(
        "--group",
        metavar="none|folder|COLUMN",
        help="Siblings, of which a neighbourhood counts one: by folder, none, or by a column of "
        "the paths file [folder].",
    ),
    "outlier_scaling": click.option(
        "--outlier-scaling", type=click.Choice(SCALINGS), help="Scaling before the scores [l2]."
    ),
    "contamination": click.option(
        "--contamination",
        metavar="auto|SHARE",
        help="Share of the rows to flag as outliers; auto: by the scores' tail [auto].",
    ),
    "scan_images": click.option(
        "--scan-images/--no-scan-images",
        default=None,
        help="Read all images, to find bad ones that descriptors hide.",
    ),
    "random_state": click.option("--random-state", type=int, help="Seed [0]."),
    "memory": click.option("--memory", metavar="SIZE", help="Peak resident memory [1GiB]."),
    "workers": click.option("--workers", type=int, help="Threads [all processors]."),
    "scheduler": click.option(
        "--scheduler", metavar="ADDRESS", help="Run the passes on this dask scheduler."
    ),
    "compress": click.option(
        "--compress/--no-compress", default=None, help="Compress the stored arrays."
    ),
}

PASSES = ("memory", "workers", "scheduler")
INGEST = (
    "descriptors",
    "invalid",
    "n_components",
    "max_components",
    "random_state",
    "compress",
    *PASSES,
)
REDUCE = (
    "descriptors",
    "scaling",
    "n_components",
    "max_components",
    "whiten",
    "normalize",
    "compress",
    *PASSES,
)
CLUSTER = (
    "descriptors",
    "algorithms",
    "n_clusters",
    "covariance_type",
    "min_cluster_size",
    "n_init",
    "max_iter",
    "tol",
    "batch_size",
    "random_state",
    "compress",
    *PASSES,
)
MIX = tuple(dict.fromkeys(name for name in (*REDUCE, *CLUSTER) if name != "descriptors"))
OUTLIERS = (
    "descriptors",
    "n_neighbors",
    "neighbors",
    "group",
    "outlier_scaling",
    "contamination",
    "scan_images",
    "random_state",
    *PASSES,
)
RUN = tuple(_SETTINGS)


def language_option(of: str) -> Callable:
    """The option of the language of these words."""
    return click.option(
        "--language", type=click.Choice(LANGUAGES), default="en", help=f"Of {of} [en]."
    )


def overwrite_option(what: str) -> Callable:
    """The option that lets a file of another origin be written over, in these words."""
    return click.option("--overwrite", is_flag=True, help=f"Write {what} of another origin.")


def attributes_options(command: Callable) -> Callable:
    """Give a command the options that name known attributes; it receives ``attributes``, the file,
    and ``columns``, a tuple of names or None."""

    @click.option(
        "--attributes",
        type=FILE,
        help="CSV with what is known of the images, or VERI-Wild's vehicle_info.txt "
        "[the last one].",
    )
    @click.option(
        "--columns", metavar="A,B", help="Attributes of it to use [all that tell kinds apart]."
    )
    @functools.wraps(command)
    def with_attributes(*args: Any, columns: str | None, **given: Any) -> Any:
        names = None if columns is None else tuple(part.strip() for part in columns.split(","))
        return command(*args, columns=names, **given)

    return with_attributes


def clustering_options(command: Callable) -> Callable:
    """Give a command the options that name one clustering of a set; it receives ``clustering``:
    its name, or None for the recommended one."""

    @click.option("--clustering", metavar="NAME", help="Such as kmeans-12 [the recommended one].")
    @click.option("--algorithm", type=click.Choice(ALGORITHMS), help="That of the clustering.")
    @click.option("--n-clusters", metavar="K", type=int, help="Its number of clusters.")
    @functools.wraps(command)
    def with_clustering(
        *args: Any,
        clustering: str | None,
        algorithm: str | None,
        n_clusters: int | None,
        **given: Any,
    ) -> Any:
        if clustering and (algorithm or n_clusters):
            raise click.UsageError("name --clustering, or its --algorithm and --n-clusters")
        if algorithm or n_clusters:
            parts = (algorithm or ALGORITHMS[0], n_clusters)
            clustering = "-".join(str(part) for part in parts if part)
        return command(*args, clustering=clustering, **given)

    return with_clustering


def settings_options(*names: str) -> Callable:
    """Give a command the options of these settings and ``--config``.

    The command receives ``settings``: defaults, overridden by the file, then by the options.
    """

    def decorate(command: Callable) -> Callable:
        @functools.wraps(command)
        def with_settings(*args: Any, config: str | None, **given: Any) -> Any:
            chosen = {name: given.pop(name) for name in names}
            settings = (Settings.from_toml(config) if config else Settings()).having(**chosen)
            return command(*args, settings=settings, **given)

        config = click.option("--config", type=FILE, help="Settings from a TOML file.")
        options = [*(_SETTINGS[name] for name in names), config]
        return functools.reduce(lambda made, option: option(made), options[::-1], with_settings)

    return decorate


def observed(command: Callable) -> Callable:
    """Give a command ``--quiet``; it receives ``observers``: what shows its progress, and what
    stops it."""

    @click.option("--quiet", is_flag=True, help="No progress and no summary.")
    @functools.wraps(command)
    def with_observers(*args: Any, quiet: bool, **given: Any) -> Any:
        shown = () if quiet else (_observer(),)
        return command(*args, observers=(*shown, interrupts), **given)

    return with_observers


def _observer() -> Observer:
    from streamclust.progress import observer

    return observer()
