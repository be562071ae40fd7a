"""Nearest neighbours: exact in memory, and the graph of all rows out of core."""
