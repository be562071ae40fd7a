"""How names follow clusters that are computed anew."""

import numpy as np

from streamclust.labelling.names import MARK, NAME, Naming, match_names
from streamclust.passes.accumulators.counts import count_pairs


def carry(naming, old, new):
    old, new = np.array(old), np.array(new)
    n_new = int(new.max()) + 1
    table = count_pairs(old, new, (len(naming.names), n_new))
    return match_names(naming, table, np.bincount(new[new >= 0], minlength=n_new))


def test_renumbered_clusters_keep_their_names():
    naming = Naming(("car", "bus", "", "car"), (False, True, False, False))
    old = np.array([0, 0, 1, 1, 2, 3, 3, -1])
    new = np.array([3, 3, 2, 2, 1, 0, 0, -1])
    found, lost = carry(naming, old, new)
    assert found == Naming(("car", "", "bus", "car"), (False, False, True, False))
    assert lost == []


def test_a_name_takes_more_than_half_of_a_cluster():
    naming = Naming(("car", "bus"), (False, False))
    assert carry(naming, [0, 0, 1, 1], [0, 0, 0, 0])[0].names == ("",)
    assert carry(naming, [0, 0, 0, 1, 1], [0, 0, 0, 0, 0])[0].names == ("car",)
    # Rows that were in no cluster count as well.
    assert carry(naming, [0, 0, -1, -1], [0, 0, 0, 0])[0].names == ("",)


def test_merged_clusters_count_together_and_a_split_one_gives_its_name_twice():
    naming = Naming(("car", "car", "bus"), (False, False, False))
    found, lost = carry(naming, [0, 0, 1, 1, 2, 2, 2], [0, 0, 0, 0, 0, 1, 2])
    assert found.names == ("car", "bus", "bus")
    assert lost == []


def test_what_is_lost_is_told():
    naming = Naming(("car", "bus", "van", ""), (False, True, False, True))
    old = [0] * 6 + [1] * 3 + [2] * 2 + [3]
    new = [0] * 6 + [0] * 3 + [-1] * 2 + [0]
    found, lost = carry(naming, old, new)
    assert found == Naming(("car",), (False,))
    assert [(own.what, own.name, own.clusters, own.rows, own.into) for own in lost] == [
        (NAME, "bus", (1,), 3, 0),
        (NAME, "van", (2,), 0, -1),
        (MARK, "bus", (1,), 3, 0),
        (MARK, "", (3,), 1, 0),
    ]
    assert [own.share for own in lost] == [0.3, 0, 0.3, 0.1]


def test_without_any_cluster():
    naming = Naming(("car",), (True,))
    found, lost = match_names(naming, np.zeros((1, 0), np.int64), np.zeros(0, np.int64))
    assert found == Naming((), ())
    assert [own.what for own in lost] == [NAME, MARK]
