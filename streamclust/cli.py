"""The command line: one thin command for each function of the API."""

import json
import os
import sys
from typing import Any

import click

from streamclust import api
from streamclust._version import __version__
from streamclust.errors import StreamclustError
from streamclust.events import Observer
from streamclust.interrupts import interrupts
from streamclust.models.languages import LANGUAGES
from streamclust.options import (
    CLUSTER,
    FILE,
    FOLDER,
    INGEST,
    MIX,
    OUTLIERS,
    PASSES,
    REDUCE,
    RUN,
    case_argument,
    clustering_options,
    observed,
    out_argument,
    out_option,
    settings_options,
)
from streamclust.settings import ALGORITHMS, LAYOUTS, Settings

Observers = tuple[Observer, ...]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="streamclust")
def commands() -> None:
    """Cluster image descriptors that do not fit in memory.

    streamclust run CASE --out OUT does everything; the other commands are its steps. A step
    whose settings and inputs have not changed is skipped; other settings add results.
    """


@commands.command()
@case_argument
@out_option
@settings_options(*RUN)
@observed
def run(case: tuple[str, ...], out: str, settings: Settings, observers: Observers) -> None:
    """Run everything on CASE: a case folder, or descriptor files."""
    _summarise(api.run(_one(case), out, settings, *observers), settings)


@commands.command()
@click.argument("folder", default="demo", type=FOLDER)
@click.option("--rows", default=3000, show_default=True, help="Images, or rows of descriptors.")
@click.option("--no-images", is_flag=True, help="Draw descriptors only, of any number of rows.")
@settings_options(*RUN)
@observed
def demo(folder: str, rows: int, no_images: bool, settings: Settings, observers: Observers) -> None:
    """Make a case out of nothing in FOLDER/case and run it into FOLDER/out."""
    case = api.demo(folder, settings, *observers, rows=rows, images=not no_images)
    _summarise(case, settings)


@commands.command()
@case_argument
@out_option
@settings_options(*INGEST)
@observed
def ingest(case: tuple[str, ...], out: str, settings: Settings, observers: Observers) -> None:
    """Convert the descriptors of CASE to Zarr and sum their moments."""
    api.ingest(_one(case), out, settings, *observers)


@commands.command()
@out_argument
@settings_options(*REDUCE)
@observed
def reduce(out: str, settings: Settings, observers: Observers) -> None:
    """Reduce the sets of OUT to their principal components."""
    api.reduce(out, settings, *observers)


@commands.command()
@out_argument
@settings_options(*CLUSTER)
@observed
def cluster(out: str, settings: Settings, observers: Observers) -> None:
    """Cluster the reduced sets of OUT for every k of the sweep."""
    api.cluster(out, settings, *observers)


@commands.command()
@out_argument
@settings_options("descriptors", "random_state", *PASSES)
@observed
def measure(out: str, settings: Settings, observers: Observers) -> None:
    """Measure the clusterings of OUT that have not been measured."""
    api.measure(out, settings, *observers)


@commands.command()
@out_argument
@settings_options(*OUTLIERS)
@observed
def outliers(out: str, settings: Settings, observers: Observers) -> None:
    """Find the outliers of OUT, with a kind and a reason for each, and duplicates."""
    api.outliers(out, settings, *observers)


@commands.command()
@out_argument
@click.option("--truth", required=True, type=FILE, help="CSV with what is true of the rows.")
@settings_options("descriptors", *PASSES)
@observed
def evaluate(out: str, truth: str, settings: Settings, observers: Observers) -> None:
    """Compare the outliers and clusters of OUT with a truth table."""
    found = api.evaluate(out, truth, settings, *observers)
    from streamclust.summary import print_evaluation

    print_evaluation(found)


@commands.command()
@out_argument
@click.option(
    "--attributes",
    type=FILE,
    help="CSV with what is known of the images, or VERI-Wild's vehicle_info.txt [the last one].",
)
@click.option(
    "--columns", metavar="A,B", help="Attributes of it to use [all that tell kinds apart]."
)
@settings_options("descriptors", "group", "random_state", *PASSES)
@observed
def compare(
    out: str,
    attributes: str | None,
    columns: str | None,
    settings: Settings,
    observers: Observers,
) -> None:
    """Compare the clustered sets of OUT: with each other, and with known attributes."""
    names = None if columns is None else tuple(part.strip() for part in columns.split(","))
    case = api.compare(out, attributes, settings, *observers, columns=names)
    _summarise(case, settings)


@commands.command()
@out_argument
@click.option("--algorithm", type=click.Choice(ALGORITHMS), help="Of the clusterings described.")
@click.option("--n-clusters", type=int, help="Their number of clusters [the recommended ones].")
@click.option(
    "--attributes",
    type=FILE,
    help="CSV with what is known of the images, or VERI-Wild's vehicle_info.txt [the last one].",
)
@click.option(
    "--columns", metavar="A,B", help="Attributes of it to use [all that tell kinds apart]."
)
@click.option(
    "--language", type=click.Choice(LANGUAGES), default="en", help="Of names and sentences [en]."
)
@settings_options("descriptors", "group", "random_state", *PASSES)
@observed
def describe(
    out: str,
    algorithm: str | None,
    n_clusters: int | None,
    attributes: str | None,
    columns: str | None,
    language: str,
    settings: Settings,
    observers: Observers,
) -> None:
    """Describe the clusters of OUT in sentences: descriptions.csv."""
    names = None if columns is None else tuple(part.strip() for part in columns.split(","))
    which: dict[str, Any] = {"algorithm": algorithm, "n_clusters": n_clusters, "columns": names}
    api.describe(out, attributes, settings, *observers, language=language, **which)


@commands.command()
@out_argument
@click.option("--out", "to", type=FILE, metavar="FILE", help="The page [OUT/report.html].")
@click.option(
    "--language", type=click.Choice(LANGUAGES), default="en", help="Of names and sentences [en]."
)
@click.option("--overwrite", is_flag=True, help="Write FILE over one of another origin.")
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


@commands.command()
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
    _summarise(case, settings)


@commands.command()
@out_argument
@click.argument("new", nargs=-1, required=True, type=click.Path())
@click.option("--to", required=True, metavar="FILE", type=FILE, help="As of the command export.")
@clustering_options
@click.option("--outliers/--no-outliers", default=True, help="Score the rows [they are scored].")
@click.option("--overwrite", is_flag=True, help="Write over files of another origin.")
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
        _one(new),
        to,
        settings,
        *observers,
        clustering=clustering,
        outliers=outliers,
        overwrite=overwrite,
    )


@commands.command()
@out_argument
@click.option("--names", type=FILE, help="CSV with names of clusters: docs/labels.md.")
@click.option("--template", type=FILE, help="Write such a CSV of the recommended clusterings.")
@click.option("--overwrite", is_flag=True, help="Write it over a file of another origin.")
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


@commands.command()
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


@commands.command()
@out_argument
@click.option("--to", metavar="FILE", type=FILE, help="A line a row: .csv .parquet .json .jsonl.")
@click.option("--format", "form", type=click.Choice(("coco", "fiftyone")), help="Of a .json.")
@click.option("--folders", metavar="DIR", type=FOLDER, help="A folder a cluster of linked images.")
@clustering_options
@click.option("--overwrite", is_flag=True, help="Write FILE over one of another origin.")
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


@commands.command()
@out_argument
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def info(out: str, as_json: bool) -> None:
    """Tell what OUT holds."""
    about = api.info(out)
    if as_json:
        click.echo(json.dumps(about, indent=1))
        return
    from streamclust.summary import print_info

    print_info(about)


@commands.command()
@case_argument
@settings_options(*RUN)
def plan(case: tuple[str, ...], settings: Settings) -> None:
    """Tell what a run on CASE would do and take; do nothing."""
    from streamclust.summary import print_plan

    print_plan(api.plan(_one(case), settings), settings)


@commands.command()
@click.argument("file", default="streamclust.toml", type=FILE)
def init(file: str) -> None:
    """Write a settings file with every default to FILE."""
    click.echo(f"wrote {api.init(file)}: use it with --config")


def _one(case: tuple[str, ...]) -> Any:
    """A single argument is a case folder or file; several are descriptor files."""
    return case[0] if len(case) == 1 else case


def _summarise(case: api.Case, settings: Settings) -> None:
    if not click.get_current_context().params["quiet"]:
        from streamclust.summary import print_summary

        print_summary(case.info(), settings)


def main() -> None:
    """Run a command; what streamclust raises on purpose becomes one line and exit code 2."""
    interrupts.listen()
    try:
        commands(standalone_mode=False)
    except StreamclustError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of a pipe, such as head, has had enough; Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        click.echo(f"error: {error}: the same command goes on once that is mended", err=True)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped: the same command goes on from here", err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
