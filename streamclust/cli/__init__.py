"""The command line: thin commands over `Case` and the functions of the API."""

from streamclust.cli.main import commands, main

__all__ = ["commands", "main"]
