"""How well two codings of the same rows agree, from their contingency table alone."""

import numpy as np

# Of a hypergeometric count, all but e^-46 of the probability is within these bounds.
_TAIL = 46.0
# Cells of a table whose expectations are computed together.
_PIECE = 64


def agreement(table: np.ndarray) -> dict[str, float]:
    """How well clusters agree with classes: scikit-learn's indices of the same names.

    Parameters
    ----------
    table : ndarray of int, shape (n_classes, n_clusters)
        Rows of each class in each cluster.

    Returns
    -------
    dict
        ``ami``, ``ari`` (0 for labels by chance, 1 for equal ones), ``homogeneity`` (clusters are
        of one class), ``completeness`` (a class is in one cluster) and their harmonic mean, the
        ``v_measure`` (Rosenberg & Hirschberg 2007); NaN for a table of no rows.
    """
    table = occupied(table)
    if not table.size:
        return dict.fromkeys(
            ("ami", "ari", "homogeneity", "completeness", "v_measure"), float("nan")
        )
    shared = mutual_information(table)
    of_classes, of_clusters = entropy(table.sum(axis=1)), entropy(table.sum(axis=0))
    homogeneity = shared / of_classes if of_classes else 1.0
    completeness = shared / of_clusters if of_clusters else 1.0
    both = homogeneity + completeness
    return {
        "ami": adjusted_mutual_information(table),
        "ari": adjusted_rand(table),
        "homogeneity": homogeneity,
        "completeness": completeness,
        "v_measure": 2 * homogeneity * completeness / both if both else 0.0,
    }


def occupied(table: np.ndarray) -> np.ndarray:
    """The table without its empty rows and columns."""
    return table[table.any(axis=1)][:, table.any(axis=0)]


def entropy(sizes: np.ndarray) -> float:
    """Entropy in nats of a coding with these counts, none of them 0."""
    share = sizes / sizes.sum()
    return float(-(share * np.log(share)).sum()) if len(sizes) > 1 else 0.0


def mutual_information(table: np.ndarray) -> float:
    """Mutual information in nats of the two codings of a table."""
    first, second = np.nonzero(table)
    counts, total = table[first, second], table.sum()
    expected = table.sum(axis=1)[first] / total * table.sum(axis=0)[second]
    return max(0.0, float((counts * np.log(counts / expected)).sum() / total))


def adjusted_mutual_information(table: np.ndarray) -> float:
    """Mutual information above that of labels by chance, 1 for equal codings.

    Parameters
    ----------
    table : ndarray of int, shape (n_classes, n_clusters)
        Without empty rows or columns: see `occupied`.

    References
    ----------
    Vinh, N. X., Epps, J. & Bailey, J. (2010). Information theoretic measures for clusterings
    comparison. Journal of Machine Learning Research 11; the average is the arithmetic one.
    """
    if 1 in table.shape:
        return float(table.shape == (1, 1))
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    by_chance = expected_mutual_information(rows, columns)
    above = mutual_information(table) - by_chance
    most = (entropy(rows) + entropy(columns)) / 2 - by_chance
    return _away_from_zero(above) / _away_from_zero(most)


def _away_from_zero(value: float) -> float:
    """As scikit-learn has it, 0 / 0 is 1: both codings tell every row apart."""
    least = float(np.finfo(np.float64).eps)
    return min(value, -least) if value < 0 else max(value, least)


def expected_mutual_information(rows: np.ndarray, columns: np.ndarray) -> float:
    """Expectation in nats of the mutual information of all tables with these margins.

    A cell of margins a and b of N rows is hypergeometric. Its probabilities are taken where they
    are not negligible only (Bernstein's inequality, which holds for draws without replacement:
    Hoeffding 1963, section 6), as multiples of each other, and made to sum to 1.

    Parameters
    ----------
    rows, columns : ndarray of int
        The margins, none of them 0.

    References
    ----------
    Vinh, Epps & Bailey (2010), equation 24 a.
    """
    few, many = sorted((rows, columns), key=len)
    many = np.sort(many).astype(np.float64)
    pieces = [many[start : start + _PIECE] for start in range(0, len(many), _PIECE)]
    return sum(_expected(float(a), piece, float(many.sum())) for a in few for piece in pieces)


def _expected(a: float, b: np.ndarray, total: float) -> float:
    """Of the cells of margin a on one side and each of b, (n_cells,), on the other."""
    mean = a * b / total
    variance = mean * (1 - b / total)
    reach = _TAIL / 3 + np.sqrt((_TAIL / 3) ** 2 + 2 * _TAIL * variance)
    first = np.maximum(np.maximum(0, a + b - total), np.floor(mean - reach))
    last = np.minimum(np.minimum(a, b), np.ceil(mean + reach))
    counts = first[:, None] + np.arange((last - first).max() + 1)
    b = b[:, None]
    # Past the last count the ratio of one probability to that before is 0.
    left = np.maximum(a - counts[:, :-1], 0) * np.maximum(b - counts[:, :-1], 0)
    with np.errstate(divide="ignore"):
        steps = np.log(left / ((counts[:, :-1] + 1) * (total - a - b + counts[:, :-1] + 1)))
    logs = np.concatenate([np.zeros_like(b), np.cumsum(steps, axis=1)], axis=1)
    chances = np.exp(logs - logs.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    terms = counts / total * np.log(np.maximum(counts, 1) * total / (a * b))
    return float((chances * terms).sum())


def adjusted_rand(table: np.ndarray) -> float:
    """Share of pairs of rows that both codings join or both part, above that by chance.

    References
    ----------
    Hubert, L. & Arabie, P. (1985). Comparing partitions. Journal of Classification 2.
    """
    together = _squares(table)
    first, second = _squares(table.sum(axis=1)), _squares(table.sum(axis=0))
    total = int(table.sum())
    joined, parted = together - total, total**2 - first - second + together
    only_first, only_second = first - together, second - together
    if only_first == only_second == 0:
        return 1.0
    above = joined * parted - only_first * only_second
    most = (joined + only_first) * (only_first + parted)
    most += (joined + only_second) * (only_second + parted)
    return 2 * above / most


def _squares(counts: np.ndarray) -> int:
    """Sum of squares as a Python integer, whose products do not overflow."""
    return int((counts.astype(np.int64) ** 2).sum())
