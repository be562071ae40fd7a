"""Commands from descriptor files to labels, measures and outliers."""

import click

from streamclust import api
from streamclust.cli.common import Observers, one_or_all, summarise
from streamclust.options import (
    CLUSTER,
    FOLDER,
    INGEST,
    MIX,
    OUTLIERS,
    PASSES,
    REDUCE,
    RUN,
    case_argument,
    observed,
    out_argument,
    out_option,
    settings_options,
)
from streamclust.settings import Settings


@click.command()
@case_argument
@out_option
@settings_options(*RUN)
@observed
def run(case: tuple[str, ...], out: str, settings: Settings, observers: Observers) -> None:
    """Run everything on CASE: a case folder, or descriptor files."""
    summarise(api.run(one_or_all(case), out, settings, *observers), settings)


@click.command()
@click.argument("folder", default="demo", type=FOLDER)
@click.option("--rows", default=3000, show_default=True, help="Images, or rows of descriptors.")
@click.option("--no-images", is_flag=True, help="Draw descriptors only, of any number of rows.")
@settings_options(*RUN)
@observed
def demo(folder: str, rows: int, no_images: bool, settings: Settings, observers: Observers) -> None:
    """Make a case out of nothing in FOLDER/case and run it into FOLDER/out."""
    case = api.demo(folder, settings, *observers, rows=rows, images=not no_images)
    summarise(case, settings)


@click.command()
@case_argument
@settings_options(*RUN)
def plan(case: tuple[str, ...], settings: Settings) -> None:
    """Tell what a run on CASE would do and take; do nothing."""
    from streamclust.summary import print_plan

    print_plan(api.plan(one_or_all(case), settings), settings)


@click.command()
@case_argument
@out_option
@settings_options(*INGEST)
@observed
def ingest(case: tuple[str, ...], out: str, settings: Settings, observers: Observers) -> None:
    """Convert the descriptors of CASE to Zarr and sum their moments."""
    api.ingest(one_or_all(case), out, settings, *observers)


@click.command()
@out_argument
@settings_options(*REDUCE)
@observed
def reduce(out: str, settings: Settings, observers: Observers) -> None:
    """Reduce the sets of OUT to their principal components."""
    api.reduce(out, settings, *observers)


@click.command()
@out_argument
@settings_options(*CLUSTER)
@observed
def cluster(out: str, settings: Settings, observers: Observers) -> None:
    """Cluster the reduced sets of OUT for every k of the sweep."""
    api.cluster(out, settings, *observers)


@click.command()
@out_argument
@settings_options("descriptors", "random_state", *PASSES)
@observed
def measure(out: str, settings: Settings, observers: Observers) -> None:
    """Measure the clusterings of OUT that have not been measured."""
    api.measure(out, settings, *observers)


@click.command()
@out_argument
@settings_options(*OUTLIERS)
@observed
def outliers(out: str, settings: Settings, observers: Observers) -> None:
    """Find the outliers of OUT, with a kind and a reason for each, and duplicates."""
    api.outliers(out, settings, *observers)


@click.command()
@out_argument
@click.option("--sets", required=True, metavar="A,B", help="Sets to mix, two or more.")
@click.option(
    "--weights",
    metavar="auto|W,W",
    help="Shares of the variance, one a set, or auto: those that serve all sets best [equal].",
)
@click.option("--consensus", is_flag=True, help="Mix the labels of the sets' clusterings.")
@click.option("--name", help="Name of the mixed set [A+B].")
@settings_options(*MIX)
@observed
def mix(
    out: str,
    sets: str,
    weights: str | None,
    consensus: bool,
    name: str | None,
    settings: Settings,
    observers: Observers,
) -> None:
    """Mix sets of OUT into one, and cluster it like any other."""
    names = tuple(part.strip() for part in sets.split(","))
    case = api.mix(out, names, weights, settings, *observers, consensus=consensus, name=name)
    summarise(case, settings)
