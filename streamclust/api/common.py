"""What the functions of the API share."""

from collections.abc import Sequence
from typing import Any

from streamclust.errors import SettingsError
from streamclust.results import PathLike
from streamclust.settings import Settings

CaseLike = PathLike | Sequence[PathLike]


def chosen_settings(settings: Settings | None, changes: dict[str, Any]) -> Settings:
    """Settings, or the defaults, with some of them changed by name."""
    return (settings or Settings()).having(**changes)


def column_names(columns: str | Sequence[str] | None) -> Sequence[str] | None:
    """Names of columns, also where they come as one text with commas."""
    return columns.split(",") if isinstance(columns, str) else columns


def check_language(language: str) -> None:
    """Refuse a language that there are no words of."""
    from streamclust.language import LANGUAGES

    if language not in LANGUAGES:
        raise SettingsError(f"language={language!r} is none of {', '.join(LANGUAGES)}")
