"""The words of descriptions, a module a language: to add one, add a module with the same names.

`PLURALS` gives the forms of a noun, and `plural` the index of that which goes with a number.
`SENTENCES` are templates of `str.format`; a value from a table is put in as it is.
"""

import pkgutil
from importlib import import_module
from types import ModuleType

LANGUAGES = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def words(language: str) -> ModuleType:
    """The module of a language, one of `LANGUAGES`."""
    return import_module(f"{__name__}.{language}")
