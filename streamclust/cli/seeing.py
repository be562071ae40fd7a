"""Commands that show what results look like and mean."""

from typing import Any

import click

from streamclust import api
from streamclust.cli.common import Observers, summarise
from streamclust.options import (
    FILE,
    PASSES,
    attributes_options,
    language_option,
    observed,
    out_argument,
    overwrite_option,
    settings_options,
)
from streamclust.settings import ALGORITHMS, LAYOUTS, Settings


@click.command()
@out_argument
@click.option(
    "--method", type=click.Choice(LAYOUTS), default="umap", help="How to place rows [umap]."
)
@click.option("--dimensions", type=click.IntRange(2, 3), default=2, help="2 or 3 [2].")
@click.option(
    "--clustering",
    metavar="NAME",
    help="Which lda tells apart, such as kmeans-12 [the recommended one].",
)
@settings_options("descriptors", "random_state", *PASSES)
@observed
def layout(
    out: str,
    method: str,
    dimensions: int,
    clustering: str | None,
    settings: Settings,
    observers: Observers,
) -> None:
    """Place all rows of the reduced sets of OUT on a plane or in space."""
    api.layout(out, method, dimensions, settings, *observers, clustering=clustering)


@click.command()
@out_argument
@attributes_options
@settings_options("descriptors", "group", "random_state", *PASSES)
@observed
def compare(
    out: str,
    attributes: str | None,
    columns: tuple[str, ...] | None,
    settings: Settings,
    observers: Observers,
) -> None:
    """Compare the clustered sets of OUT: with each other, and with known attributes."""
    case = api.compare(out, attributes, settings, *observers, columns=columns)
    summarise(case, settings)


@click.command()
@out_argument
@click.option("--algorithm", type=click.Choice(ALGORITHMS), help="Of the clusterings described.")
@click.option("--n-clusters", type=int, help="Their number of clusters [the recommended ones].")
@attributes_options
@language_option("names and sentences")
@settings_options("descriptors", "group", "random_state", *PASSES)
@observed
def describe(
    out: str,
    algorithm: str | None,
    n_clusters: int | None,
    attributes: str | None,
    columns: tuple[str, ...] | None,
    language: str,
    settings: Settings,
    observers: Observers,
) -> None:
    """Describe the clusters of OUT in sentences: descriptions.csv."""
    which: dict[str, Any] = {"algorithm": algorithm, "n_clusters": n_clusters, "columns": columns}
    api.describe(out, attributes, settings, *observers, language=language, **which)


@click.command()
@out_argument
@click.option("--out", "to", type=FILE, metavar="FILE", help="The page [OUT/report.html].")
@language_option("the page and of its names and sentences")
@overwrite_option("FILE over one")
@settings_options("descriptors", "random_state", *PASSES)
@observed
def report(
    out: str,
    to: str | None,
    language: str,
    overwrite: bool,
    settings: Settings,
    observers: Observers,
) -> None:
    """Write a page to look at OUT in a browser, and to name its clusters: report.html."""
    case = api.report(out, to, settings, *observers, language=language, overwrite=overwrite)
    if not click.get_current_context().params["quiet"]:
        click.echo(f"open it in a browser: {to or case.folder / 'report.html'}")


@click.command()
@out_argument
@click.option("--truth", required=True, type=FILE, help="CSV with what is true of the rows.")
@settings_options("descriptors", *PASSES)
@observed
def evaluate(out: str, truth: str, settings: Settings, observers: Observers) -> None:
    """Compare the outliers and clusters of OUT with a truth table."""
    found = api.evaluate(out, truth, settings, *observers)
    from streamclust.summary import print_evaluation

    print_evaluation(found)
