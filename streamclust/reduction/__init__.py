"""Descriptors into the store, and the exact PCA of all rows."""
