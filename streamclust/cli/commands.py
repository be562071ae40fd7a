"""The commands: each is a function or a method of `Case`, with its options as keywords."""

import json
from typing import Any

import click

from streamclust import api
from streamclust.case import Case
from streamclust.cli.options import (
    ATTRIBUTES,
    CASE,
    FILE,
    FOLDER,
    IMAGES,
    MODELS,
    NEW,
    OUT,
    OUT_FOLDER,
    PATHS,
    QUIET,
    clustering_options,
    command,
    language_option,
    observers,
    overwrite_option,
)
from streamclust.errors import DamagedError
from streamclust.last_settings import settings_of
from streamclust.registries import EXPORTS, LAYOUTS
from streamclust.settings import Settings, heeded


@command(CASE, OUT_FOLDER, PATHS, IMAGES)
def run(case: tuple[str, ...], out: str, **given: Any) -> None:
    """Run everything on CASE: a case folder, or descriptor files."""
    _summarise(api.run(_one_or_all(case), out, **given))


@command(
    click.Argument(["folder"], default="demo", type=FOLDER),
    click.Option(
        ["--rows"], default=3000, show_default=True, help="Images, or rows of descriptors."
    ),
    click.Option(
        ["--images/--no-images"],
        default=True,
        help="Draw images, or descriptors only, of any number of rows [images].",
    ),
)
def demo(folder: str, **given: Any) -> None:
    """Make a case out of nothing in FOLDER/case and run it into FOLDER/out."""
    _summarise(api.demo(folder, **given))


@command(CASE, OUT_FOLDER, PATHS, IMAGES)
def ingest(case: tuple[str, ...], out: str, **given: Any) -> None:
    """Convert the descriptors of CASE to Zarr and sum their moments."""
    api.ingest(_one_or_all(case), out, **given)


@command(OUT)
def reduce(out: str, **given: Any) -> None:
    """Reduce the sets of OUT to their principal components."""
    api.open(out).reduce(**given)


@command(OUT)
def cluster(out: str, **given: Any) -> None:
    """Cluster the reduced sets of OUT for every k of the sweep."""
    api.open(out).cluster(**given)


@command(OUT)
def measure(out: str, **given: Any) -> None:
    """Measure the clusterings of OUT that have not been measured."""
    api.open(out).measure(**given)


@command(
    OUT,
    click.Option(["--sets"], required=True, metavar="A,B", help="Sets to mix, two or more."),
    click.Option(
        ["--weights"],
        metavar="auto|W,W",
        help="Shares of the variance, one a set, or auto: those that serve all sets best [equal].",
    ),
    click.Option(["--consensus"], is_flag=True, help="Mix the labels of the sets' clusterings."),
    click.Option(["--name"], help="Name of the mixed set [A+B]."),
)
def mix(out: str, **given: Any) -> None:
    """Mix sets of OUT into one, and cluster it like any other."""
    _summarise(api.open(out).mix(**given))


@command(OUT, *ATTRIBUTES)
def compare(out: str, **given: Any) -> None:
    """Compare the clustered sets of OUT: with each other, and with known attributes."""
    _summarise(api.open(out).compare(**given))


@command(OUT, *clustering_options("Which one"), *ATTRIBUTES, language_option("names and sentences"))
def describe(out: str, **given: Any) -> None:
    """Describe the clusters of OUT in sentences: descriptions.csv."""
    api.open(out).describe(**given)


@command(OUT)
def outliers(out: str, **given: Any) -> None:
    """Find the outliers of OUT, with a kind and a reason for each, and duplicates."""
    api.open(out).outliers(**given)


@command(
    OUT,
    click.Option(["--truth"], required=True, type=FILE, help="CSV with what is true of the rows."),
)
def evaluate(out: str, **given: Any) -> None:
    """Compare the outliers and clusters of OUT with a truth table."""
    evaluation = api.open(out).evaluate(**given)
    from streamclust.cli.summary import print_evaluation

    print_evaluation(evaluation)


@command(
    OUT,
    click.Option(
        ["--method"],
        type=click.Choice(list(LAYOUTS)),
        default="umap",
        help="How to place rows [umap].",
    ),
    click.Option(["--dimensions"], type=click.IntRange(2, 3), default=2, help="2 or 3 [2]."),
    *clustering_options("Which lda tells apart"),
)
def layout(out: str, **given: Any) -> None:
    """Place all rows of the reduced sets of OUT on a plane or in space."""
    api.open(out).layout(**given)


@command(
    OUT,
    click.Option(["--to"], type=FILE, metavar="FILE", help="The page [OUT/report.html]."),
    click.Option(["--out", "former_to"], type=FILE, hidden=True),
    language_option("the page and of its names and sentences"),
    overwrite_option("FILE over one"),
)
def report(out: str, to: str | None, former_to: str | None, **given: Any) -> None:
    """Write a page to look at OUT in a browser, and to name its clusters: report.html."""
    if former_to is not None:
        click.echo("--out FILE is called --to FILE now", err=True)
        to = to or former_to
    case = api.open(out).report(to, **given)
    if not click.get_current_context().params["quiet"]:
        click.echo(f"open it in a browser: {to or case.folder / 'report.html'}")


@command(
    OUT,
    click.Option(
        ["--to"],
        metavar="FILE",
        type=click.Path(),
        help="A line a row: .csv .parquet .json .jsonl; or what FORMAT is written to.",
    ),
    click.Option(
        ["--format", "form"],
        metavar="FORMAT",
        type=click.Choice(list(EXPORTS)),
        help=f"Of FILE: {', '.join(EXPORTS)} [by its ending].",
    ),
    click.Option(
        ["--folders"], metavar="DIR", type=FOLDER, help="A folder a cluster of linked images."
    ),
    *clustering_options(),
    overwrite_option("FILE over one"),
)
def export(out: str, **given: Any) -> None:
    """Write the tables and figures of OUT from what is stored; or --to FILE labels to take away.

    Those of the outliers and duplicates come with the command outliers; labels.csv tells of them.
    """
    api.open(out).export(**given)


@command(
    OUT,
    click.Option(["--names"], type=FILE, help="CSV with names of clusters: docs/labels.md."),
    click.Option(
        ["--template"], type=FILE, help="Write such a CSV of the recommended clusterings."
    ),
    overwrite_option("it over a file"),
)
def label(out: str, **given: Any) -> None:
    """Name clusters of OUT, and with them all rows: named.csv."""
    api.open(out).label(**given)


@command(
    OUT,
    click.Option(["--to"], type=FILE, metavar="FILE", help="Write a CSV of rows to look at."),
    click.Option(
        ["--rows"],
        type=click.IntRange(1),
        default=200,
        help="How many; two of each cluster at least [200].",
    ),
    click.Option(["--answers"], type=FILE, help="That CSV with answers: docs/audit.md."),
    *clustering_options(),
    overwrite_option("FILE over one"),
)
def audit(out: str, **given: Any) -> None:
    """Tell how right the names of OUT are, with an interval, by a person's answers on some rows."""
    api.open(out).audit(**given)


@command(
    OUT,
    NEW,
    click.Option(
        ["--to"], required=True, metavar="FILE", type=FILE, help="As of the command export."
    ),
    *clustering_options(),
    PATHS,
    MODELS,
    click.Option(
        ["--outliers/--no-outliers"], default=True, help="Score the rows [they are scored]."
    ),
    overwrite_option("over files"),
)
def assign(out: str, new: tuple[str, ...], **given: Any) -> None:
    """Assign NEW rows, a case folder, descriptor files or images, to the clusters of OUT."""
    api.open(out).assign(_one_or_all(new), **given)


@command(OUT, NEW, PATHS, IMAGES, MODELS)
def update(out: str, new: tuple[str, ...], **given: Any) -> None:
    """Add NEW rows, a case folder or a file a set, to OUT, whose clusterings go on learning."""
    api.open(out).update(_one_or_all(new), **given)


@click.command(params=[OUT, click.Option(["--json", "as_json"], is_flag=True, help="As JSON.")])
def info(out: str, as_json: bool) -> None:
    """Tell what OUT holds."""
    about = api.open(out).info()
    if as_json:
        click.echo(json.dumps(about, indent=1))
        return
    from streamclust.cli.summary import print_info

    print_info(about)


@click.command(params=[OUT, QUIET])
def verify(out: str, quiet: bool) -> None:
    """Read all of OUT, and tell what is damaged and which command makes it again."""
    found = api.open(out).verify(observers=observers(quiet))
    for damage in found:
        click.echo(damage.in_words)
    if found:
        raise DamagedError(f"{len(found)} of the results in {out} are damaged")
    if not quiet:
        click.echo("nothing is damaged")


@command(CASE, PATHS, IMAGES, shown=False)
def plan(case: tuple[str, ...], **given: Any) -> None:
    """Tell what a run on CASE would do and take; do nothing."""
    steps = api.plan(_one_or_all(case), **given)
    from streamclust.cli.summary import print_plan
    from streamclust.sources import CaseInputs, find_case

    print_plan(steps, _settings().memory_bytes)
    for words in find_case(CaseInputs(_one_or_all(case), given["paths"], given["images"])).notes:
        click.echo(words, err=True)


def _numbers(context: click.Context, option: click.Parameter, text: str | None) -> Any:
    return None if text is None else text.split(",")


@command(
    click.Argument(["images"], required=False, type=click.Path()),
    click.Option(["--out"], type=FOLDER, help="Case folder that is made."),
    click.Option(
        ["--model", "models"],
        multiple=True,
        default=["simple"],
        metavar="[NAME=]FILE",
        help="Network in ONNX, or simple; may be given several times [simple].",
    ),
    click.Option(
        ["--paths"], type=FILE, help="List of those images in a folder or archive that count."
    ),
    click.Option(
        ["--preset"],
        type=click.Choice(["none", "raw", "imagenet", "clip"]),
        help="How pictures are cut, scaled and normalised [as the network tells, or none].",
    ),
    click.Option(["--size"], metavar="N|HxW", help="Pixels [what the network tells, or 224]."),
    click.Option(["--mean"], metavar="R,G,B", callback=_numbers, help="Taken away."),
    click.Option(["--std"], metavar="R,G,B", callback=_numbers, help="Divided by."),
    click.Option(
        ["--crop"], type=float, help="Share that is kept, in the middle; 0: the whole, stretched."
    ),
    click.Option(
        ["--layout"], type=click.Choice(["nchw", "nhwc"]), help="Order of the input's sides."
    ),
    click.Option(
        ["--output"], metavar="NAME", help="Output or inner value that describes [the first]."
    ),
    click.Option(
        ["--describe", "shows_values"], is_flag=True, help="List what networks take and give."
    ),
)
def embed(images: str | None, out: str | None, shows_values: bool, **given: Any) -> None:
    """Make a case of IMAGES, a folder, archive or list of paths, that have no descriptors."""
    if shows_values:
        from streamclust.embedding import SIMPLE, describe, named_file

        networks = [model for model in given["models"] if model != SIMPLE]
        if not networks:
            raise click.UsageError("name a network with --model")
        for model in networks:
            click.echo("\n".join([f"{model}:", *describe(named_file(model)[1])]))
        return
    if images is None or out is None:
        raise click.UsageError("name the images and --out, or --model and --describe")
    api.embed(images, out, **given)


@click.command(
    params=[
        click.Argument(["source"], metavar="IN", type=click.Path()),
        click.Argument(["to"], metavar="TO", type=click.Path()),
        click.Option(["--paths"], type=FILE, help="List of the rows' paths, to go with them."),
        click.Option(["--overwrite"], is_flag=True, help="Write over what is there."),
        QUIET,
    ]
)
def convert(source: str, to: str, quiet: bool, **given: Any) -> None:
    """Write descriptors IN as TO: .npy, .zarr or .parquet."""
    api.convert(source, to, observers=observers(quiet), **given)


@click.command(params=[click.Argument(["file"], default="streamclust.toml", type=FILE)])
def init(file: str) -> None:
    """Write a settings file with every default to FILE."""
    click.echo(f"wrote {api.init(file)}: use it with --config")


def _one_or_all(paths: tuple[str, ...]) -> Any:
    """A single argument is a case folder or file; several are descriptor files."""
    return paths[0] if len(paths) == 1 else paths


def _summarise(case: Case) -> None:
    if not click.get_current_context().params["quiet"]:
        from streamclust.cli.summary import print_summary

        print_summary(case.info(), _settings().descriptors)


def _settings() -> Settings:
    """The settings that the command line gives to the command that runs."""
    context = click.get_current_context()
    name = str(context.command.name)
    return settings_of(name, {one: context.params[one] for one in (*heeded(name), "config")})[0]
