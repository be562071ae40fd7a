"""The words of a language, a module each: to add one, add a module with the same names.

``{name}`` in a text stands for a value, as in `str.format`. `THOUSANDS` and `DECIMAL` are the
separators of numbers; `plural` gives the index of the form, in `PLURALS` and `PLURALS_OF`, that
goes with a number.

Of descriptions: `COLOURS`, `MEASURES`, `PICTURES`, `OR`, `AND`, `CLUSTER` and `SENTENCES`; a value
from a table is put in as it is. Of the choice among clusterings: `CHOICE`, by codes. Of figures:
`FIGURES`, captions. Of the page: `PAGE`, texts of the template, with markup; `TOLD` and `SCRIPT`,
texts without, of what is told of the results and of the page's script; `NAMES`, words that the
results hold, such as kinds of outliers.
"""

import pkgutil
from importlib import import_module
from types import ModuleType

LANGUAGES = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def words(language: str) -> ModuleType:
    """The module of a language, one of `LANGUAGES`."""
    return import_module(f"{__name__}.{language}")


def localised(number: str, language: str) -> str:
    """A number as Python writes it, with the language's separators."""
    of = words(language)
    marks = {",": of.THOUSANDS, ".": of.DECIMAL}
    return "".join(marks.get(character, character) for character in number)
