"""Commands for names, labels to take away, and rows that come later."""

import click

from streamclust import api
from streamclust.cli.common import Observers, one_or_all
from streamclust.options import (
    FILE,
    FOLDER,
    PASSES,
    clustering_options,
    observed,
    out_argument,
    overwrite_option,
    settings_options,
)
from streamclust.settings import Settings


@click.command()
@out_argument
@click.option("--names", type=FILE, help="CSV with names of clusters: docs/labels.md.")
@click.option("--template", type=FILE, help="Write such a CSV of the recommended clusterings.")
@overwrite_option("it over a file")
@settings_options("descriptors", *PASSES)
@observed
def label(
    out: str,
    names: str | None,
    template: str | None,
    overwrite: bool,
    settings: Settings,
    observers: Observers,
) -> None:
    """Name clusters of OUT, and with them all rows: named.csv."""
    api.label(out, names, settings, *observers, template=template, overwrite=overwrite)


@click.command()
@out_argument
@click.option("--to", metavar="FILE", type=FILE, help="A line a row: .csv .parquet .json .jsonl.")
@click.option("--format", "form", type=click.Choice(("coco", "fiftyone")), help="Of a .json.")
@click.option("--folders", metavar="DIR", type=FOLDER, help="A folder a cluster of linked images.")
@clustering_options
@overwrite_option("FILE over one")
@settings_options("descriptors", *PASSES)
@observed
def export(
    out: str,
    to: str | None,
    form: str | None,
    folders: str | None,
    clustering: str | None,
    overwrite: bool,
    settings: Settings,
    observers: Observers,
) -> None:
    """Write the tables and figures of OUT from what is stored; or --to FILE labels to take away.

    Those of the outliers and duplicates come with the command outliers; labels.csv tells of them.
    """
    api.export(
        out,
        settings,
        *observers,
        to=to,
        form=form,
        folders=folders,
        clustering=clustering,
        overwrite=overwrite,
    )


@click.command()
@out_argument
@click.argument("new", nargs=-1, required=True, type=click.Path())
@click.option("--to", required=True, metavar="FILE", type=FILE, help="As of the command export.")
@clustering_options
@click.option("--outliers/--no-outliers", default=True, help="Score the rows [they are scored].")
@overwrite_option("over files")
@settings_options("descriptors", *PASSES)
@observed
def assign(
    out: str,
    new: tuple[str, ...],
    to: str,
    clustering: str | None,
    outliers: bool,
    overwrite: bool,
    settings: Settings,
    observers: Observers,
) -> None:
    """Assign NEW rows, a case folder or descriptor files, to the clusters of OUT."""
    api.assign(
        out,
        one_or_all(new),
        to,
        settings,
        *observers,
        clustering=clustering,
        outliers=outliers,
        overwrite=overwrite,
    )


@click.command()
@out_argument
@click.argument("new", nargs=-1, required=True, type=click.Path())
@settings_options("invalid", *PASSES)
@observed
def update(out: str, new: tuple[str, ...], settings: Settings, observers: Observers) -> None:
    """Add NEW rows, a case folder or a file a set, to OUT, whose clusterings go on learning."""
    api.update(out, one_or_all(new), settings, *observers)
