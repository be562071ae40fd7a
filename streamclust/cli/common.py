"""What the commands share."""

from typing import Any

import click

from streamclust.events import Observer
from streamclust.results import Case
from streamclust.settings import Settings

Observers = tuple[Observer, ...]


def one_or_all(case: tuple[str, ...]) -> Any:
    """A single argument is a case folder or file; several are descriptor files."""
    return case[0] if len(case) == 1 else case


def summarise(case: Case, settings: Settings) -> None:
    if not click.get_current_context().params["quiet"]:
        from streamclust.summary import print_summary

        print_summary(case.info(), settings)
