"""Orders of the rows and columns of a table that bring what belongs together side by side."""

import numpy as np

_SWEEPS = 24


def seriated(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orders of the rows and of the columns of a table of counts.

    Rows that share their counts alike stand side by side: in the leaves of the tree of average
    linkage of their profiles (Hellinger distance), turned so that neighbours are as near as they
    can be (Bar-Joseph, Gifford & Jaakkola 2001, "Fast optimal leaf ordering for hierarchical
    clustering"). Columns follow by `column_order`: the mass lies near the diagonal, and as flows
    between two columns of bars few cross.

    Parameters
    ----------
    table : ndarray, shape (n_rows, n_columns)
        At least 0.

    Returns
    -------
    (ndarray of int of shape (n_rows,), ndarray of int of shape (n_columns,))
        The ones that are empty last.
    """
    rows = _row_order(table)
    return rows, column_order(table[rows])


def column_order(table: np.ndarray) -> np.ndarray:
    """Columns by the mean place of their rows, which keeps crossings of flows few.

    The barycentre heuristic of Sugiyama, Tagawa & Toda (1981), "Methods for visual understanding
    of hierarchical system structures", with the middles of the rows' sizes as their places; then
    neighbours are swapped while that takes away weighted crossings. Empty columns come last.
    """
    sizes, columns = table.sum(axis=1), table.sum(axis=0)
    places = np.cumsum(sizes) - sizes / 2
    means = np.divide(places @ table, columns, out=np.full(len(columns), np.inf), where=columns > 0)
    order = np.argsort(means, kind="stable")
    # Of column a before b: each flow to a crosses those to b from the rows above.
    crossings = table.T @ (np.cumsum(table, axis=0) - table)
    for _ in range(_SWEEPS):
        swapped = False
        for i in range(len(order) - 1):
            a, b = order[i], order[i + 1]
            if columns[b] > 0 and crossings[b, a] < crossings[a, b] * (1 - 1e-9):
                order[i], order[i + 1], swapped = b, a, True
        if not swapped:
            break
    return order


def _row_order(table: np.ndarray) -> np.ndarray:
    from scipy.cluster.hierarchy import leaves_list, linkage

    sizes = table.sum(axis=1)
    filled = np.flatnonzero(sizes > 0)
    if len(filled) > 2:
        profiles = np.sqrt(table[filled] / sizes[filled, None])
        leaves = leaves_list(linkage(profiles, "average", optimal_ordering=True))
        # Either direction is as good: the first cluster stands in the upper half.
        filled = filled[leaves if 2 * np.argmin(leaves) < len(leaves) else leaves[::-1]]
    return np.append(filled, np.flatnonzero(sizes <= 0))
