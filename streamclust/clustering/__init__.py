"""Clusterings of all rows for every k of a sweep, one file an algorithm."""
