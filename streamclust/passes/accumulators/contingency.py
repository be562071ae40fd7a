"""Contingency tables: how often the codes of two codings of the same rows meet."""

from collections.abc import Sequence
from typing import Self

import numpy as np


class Contingency:
    """Contingency tables of pairs of integer codings, all counted in one pass.

    A coding is a column of integers: the labels of a clustering, or the codes of an attribute. A
    row whose code is negative in either coding of a pair (noise, unknown) is in no cell of its
    table. Memory is 8 bytes a cell, of all tables together: `nbytes`.

    Parameters
    ----------
    n_codes : sequence of int
        Codes of each coding: they run from 0 to below it.
    pairs : sequence of tuple of int
        Which two codings each table is of; codings are the columns of `update`, counted from 0.
    """

    def __init__(self, n_codes: Sequence[int], pairs: Sequence[tuple[int, int]]) -> None:
        self.n_codes = list(n_codes)
        self.pairs = list(pairs)
        self.tables = [np.zeros((n_codes[a], n_codes[b]), np.int64) for a, b in pairs]

    def update(self, *codings: np.ndarray) -> None:
        """See rows: integer arrays of shape (n_rows,) or (n_rows, n_codings), side by side."""
        columns = np.concatenate([np.atleast_2d(part.T) for part in codings])
        for table, (a, b) in zip(self.tables, self.pairs, strict=True):
            table += count_pairs(columns[a], columns[b], table.shape)

    def merge(self, other: Self) -> None:
        for table, seen in zip(self.tables, other.tables, strict=True):
            table += seen

    def result(self) -> list[np.ndarray]:
        """A table of int64 for each pair, (codes of the first, codes of the second)."""
        return [table.copy() for table in self.tables]

    @staticmethod
    def nbytes(n_codes: Sequence[int], pairs: Sequence[tuple[int, int]]) -> int:
        """Memory of the tables."""
        return 8 * sum(n_codes[a] * n_codes[b] for a, b in pairs)


def count_pairs(first: np.ndarray, second: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The contingency table of two codings held in memory.

    Parameters
    ----------
    first, second : ndarray of int, shape (n_rows,)
        Rows with a negative code in either are not counted.
    shape : tuple of int
        Codes of each.

    Returns
    -------
    ndarray of int64, of `shape`
    """
    known = (first >= 0) & (second >= 0)
    cells = first[known].astype(np.int64) * shape[1] + second[known]
    return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)
