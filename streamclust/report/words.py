"""Words and numbers of the page in one language."""

from typing import Any

from streamclust.language import localised
from streamclust.language import words as words_of
from streamclust.report.page import CELL_CHARACTERS


class Words:
    """What the page says in a language.

    Parameters
    ----------
    language : str
        One of `streamclust.language.LANGUAGES`.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._own = words_of(language)

    def page(self, key: str, **values: Any) -> Any:
        """A text of the template, with its markup; values are escaped."""
        from markupsafe import Markup

        return Markup(self._own.PAGE[key]).format(**values)

    def told(self, key: str, **values: Any) -> str:
        """A text without markup."""
        text: str = self._own.TOLD[key]
        return text.format(**values)

    def name(self, word: str) -> str:
        """A word of the results, as it is where the language has none for it."""
        found: str = self._own.NAMES.get(word, word)
        return found

    def about(self, kind: str) -> str:
        """What a kind of outliers means; empty where its name tells."""
        found: str = self._own.NAMES.get(f"about {kind}", "")
        return found

    def script(self) -> dict[str, Any]:
        """What the page's script says, and how the language counts."""
        own = self._own
        return {"texts": own.SCRIPT, "plurals": own.PLURALS}

    def number(self, value: Any) -> str:
        """Two decimals, fewer of large numbers; nothing for what is not known."""
        if value is None or value != value:
            return ""
        decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
        return self.local(f"{value:,.{decimals}f}")

    def whole(self, value: Any) -> str:
        """A count; nothing for what is not known."""
        return "" if value is None or value != value else self.local(f"{value:,.0f}")

    def percent(self, share: Any) -> str:
        """A share in per cent; nothing for what is not known."""
        if share is None or share != share:
            return ""
        small = 0 < share < 0.1
        return self.local(f"{100 * share:.2g} %" if small else f"{100 * share:.0f} %")

    def counted(self, count: int, noun: str) -> str:
        """``1 set``, ``2,003 sets``."""
        return f"{self.whole(count)} {self._own.PLURALS[noun][self._own.plural(count)]}"

    def cell(self, value: Any) -> str:
        """A cell of a table: numbers with two decimals unless they are whole, long texts cut."""
        if not isinstance(value, str):
            whole = value is not None and value == value and float(value).is_integer()
            return self.whole(value) if whole else self.number(value)
        return value if len(value) <= CELL_CHARACTERS else value[: CELL_CHARACTERS - 1] + "…"

    def local(self, number: str) -> str:
        """A number as Python writes it with the language's separators."""
        return localised(number, self.language)
