"""Rows that do not belong: scores, thresholds, kinds with their reasons, duplicates."""
