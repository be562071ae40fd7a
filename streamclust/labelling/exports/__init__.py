"""Formats that labels of rows are exported in: `streamclust.registries.EXPORTS`."""
