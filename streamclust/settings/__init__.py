"""The settings of a run: a table of them, what they may be, their file, and their keywords."""

from streamclust.settings.schema import (
    HEEDED_BY,
    SETTINGS,
    Setting,
    Settings,
    check_heeded,
    heeded,
    read_settings,
    settings_template,
)
from streamclust.settings.values import (
    AUTO,
    Values,
    parse_n_clusters,
)

__all__ = [
    "AUTO",
    "HEEDED_BY",
    "SETTINGS",
    "Setting",
    "Settings",
    "Values",
    "check_heeded",
    "heeded",
    "parse_n_clusters",
    "read_settings",
    "settings_template",
]
