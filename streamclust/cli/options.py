"""The options of the command line: those of the settings follow from their table, others are told
here, each once."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import click

from streamclust.cli.interrupts import interrupts
from streamclust.language import LANGUAGES
from streamclust.last_settings import GOES_ON_FROM
from streamclust.registries import ALGORITHMS
from streamclust.settings import SETTINGS, Setting, heeded

FOLDER = click.Path(file_okay=False)
FILE = click.Path(dir_okay=False)

CASE = click.Argument(["case"], nargs=-1, required=True, type=click.Path())
NEW = click.Argument(["new"], nargs=-1, required=True, type=click.Path())
PATHS = click.Option(
    ["--paths"],
    type=click.Path(),
    help="List of the images' paths [images_paths.csv, or what rows come with].",
)
IMAGES = click.Option(
    ["--images"], type=click.Path(), help="Folder, zip or tar file of the images [of the case]."
)
MODELS = click.Option(
    ["--model", "models"],
    multiple=True,
    type=FILE,
    help="For images: a network that is not where it was when it described the old ones.",
)
OUT = click.Argument(["out"], type=FOLDER)
OUT_FOLDER = click.Option(["--out"], required=True, type=FOLDER, help="Folder of the results.")
ATTRIBUTES = (
    click.Option(
        ["--attributes"],
        type=FILE,
        help="CSV with what is known of the images, or VERI-Wild's vehicle_info.txt "
        "[the last one].",
    ),
    click.Option(
        ["--columns"], metavar="A,B", help="Attributes of it to use [all that tell kinds apart]."
    ),
)
GOES_ON = (
    "A setting that is not given is as it was when what this goes on from was made; the [default] "
    "holds where that is not known."
)
CONFIG = click.Option(["--config"], type=FILE, help="Settings from a TOML file.")
QUIET = click.Option(["--quiet"], is_flag=True, help="No progress and no summary.")


def clustering_options(what: str = "") -> tuple[click.Option, ...]:
    """The option that names a clustering, and what it was called before."""
    told = f"{what}, such" if what else "Such"
    return (
        click.Option(
            ["--clustering"],
            metavar="NAME",
            help=f"{told} as kmeans-12, hdbscan, or a number of clusters [the recommended one].",
        ),
        click.Option(["--algorithm"], type=click.Choice(list(ALGORITHMS)), hidden=True),
        click.Option(["--n-clusters"], type=int, hidden=True),
    )


def language_option(of: str) -> click.Option:
    return click.Option(
        ["--language"], type=click.Choice(LANGUAGES), default="en", help=f"Of {of} [en]."
    )


def overwrite_option(what: str) -> click.Option:
    """The option that lets a file of another origin be written over, in these words."""
    return click.Option(["--overwrite"], is_flag=True, help=f"Write {what} of another origin.")


def command(*parameters: click.Parameter, shown: bool = True) -> Callable:
    """Make a command of a function that is called as it.

    Its options are `parameters`, those of the settings that it heeds, and ``--config``. It is given
    all of them by name, as `Case` takes them: a setting that is not given is None.

    Parameters
    ----------
    *parameters : click.Parameter
    shown : bool
        Whether it shows its progress, unless it is told ``--quiet``: it is given ``observers``.
    """

    def decorate(function: Callable) -> click.Command:
        name = function.__name__
        settings = [_option(SETTINGS[setting]) for setting in heeded(name)]

        def call(**given: Any) -> None:
            if shown:
                given["observers"] = observers(given.pop("quiet"))
            if "clustering" in given:
                given["clustering"] = _clustering(given)
            function(**given)

        more = [CONFIG, QUIET] if shown else [CONFIG]
        return click.Command(
            name,
            callback=call,
            params=[*parameters, *settings, *more],
            help=function.__doc__,
            epilog=GOES_ON if name in GOES_ON_FROM else None,
        )

    return decorate


def _option(setting: Setting) -> click.Option:
    values, name = setting.values, setting.option
    sentence = re.split(r"\.(?:\s+(?=[A-Z])|$)", setting.meaning)[0]
    default = f" [{setting.shown_default}]" if setting.shown_default else ""
    told: dict[str, Any] = {"help": f"{sentence}{default}.", "default": None}
    if values.kind is bool:
        return click.Option([f"{name}/--no-{name.removeprefix('--')}"], **told)
    if values.choices:
        is_list = isinstance(setting.default, tuple)
        told |= {"type": click.Choice(values.choices), "multiple": is_list}
        if is_list:
            told["help"] += " May be given several times."
            told["callback"] = lambda context, option, names: names or None
    elif values.kind is str or values.shown not in ("INTEGER", "FLOAT"):
        told["metavar"] = values.shown
    return click.Option([name, setting.name], type=told.pop("type", values.kind), **told)


def _clustering(given: dict[str, Any]) -> str | None:
    """The clustering that is named, also in its parts."""
    clustering, *parts = (
        given.pop(name, None) for name in ("clustering", "algorithm", "n_clusters")
    )
    named = "-".join(str(part) for part in parts if part is not None)
    if clustering and named:
        raise click.UsageError(f"name --clustering {named} alone")
    return clustering or named or None


def observers(quiet: bool) -> Sequence[Any]:
    """What shows the progress of a command, and what stops it."""
    if quiet:
        return (interrupts,)
    from streamclust.progress import observer

    return observer(), interrupts
