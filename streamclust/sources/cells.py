"""Cells of CSV files that spreadsheets open: one rule for all that are written and read."""

import re

# What a spreadsheet takes for the beginning of a formula.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"-(\d+(\.\d+)?(e[-+]\d+)?|inf)")


def safe_cell(text: str) -> str:
    """A cell of a CSV that no spreadsheet takes for a formula: an apostrophe stands before one."""
    return f"'{text}" if text.lstrip("'").startswith(_FORMULAS) else text


def safe_value(value: object) -> object:
    """A cell of a column that may be of numbers: those below 0 are no formulas."""
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return value
    return safe_cell(value)


def plain_cell(text: str) -> str:
    """The text that `safe_cell` made safe."""
    return text[text.startswith("'") :] if text.lstrip("'").startswith(_FORMULAS) else text
