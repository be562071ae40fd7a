"""Commands that tell of a results folder and write a settings file."""

import json

import click

from streamclust import api
from streamclust.options import FILE, out_argument


@click.command()
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


@click.command()
@click.argument("file", default="streamclust.toml", type=FILE)
def init(file: str) -> None:
    """Write a settings file with every default to FILE."""
    click.echo(f"wrote {api.init(file)}: use it with --config")
