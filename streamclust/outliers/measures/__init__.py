"""Measures of how unusual each row of a set is, one module each."""
