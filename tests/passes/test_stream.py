"""Spans of rows, streamed in their order."""

import numpy as np
import pytest

from streamclust.events import Events, PassAdvanced, PassFinished, PassStarted
from streamclust.passes.blocks import Span, spans_of
from streamclust.passes.executors import LocalExecutor
from streamclust.passes.passes import Passes


@pytest.mark.parametrize(
    ("n_rows", "size", "ends"), [(0, 3, []), (6, 3, [3, 6]), (7, 3, [3, 6, 7])]
)
def test_spans_cover_all_rows_once(n_rows, size, ends):
    spans = spans_of(n_rows, size)
    assert [span.stop for span in spans] == ends
    taken = [np.arange(n_rows)[span.part] for span in spans]
    assert np.array_equal(np.concatenate([*taken, []]), np.arange(n_rows))


@pytest.mark.parametrize("n_workers", [1, 3])
def test_results_come_in_the_order_of_the_rows(n_workers):
    said = []
    passes = Passes(LocalExecutor(n_workers), Events(said.append), in_flight=2, about="a")
    for streamed in (passes, passes.in_turn):
        said.clear()
        made = list(streamed.stream("copy", spans_of(10, 3), lambda span: np.arange(10)[span.part]))
        assert [span for span, _ in made] == spans_of(10, 3)
        assert [row for _, rows in made for row in rows] == list(range(10))
        advanced = [event.amount for event in said if isinstance(event, PassAdvanced)]
        assert (said[0], advanced) == (PassStarted("a: copy", 10, "rows"), [3, 3, 3, 1])
        assert isinstance(said[-1], PassFinished)


def test_in_turn_holds_one_span_at_a_time():
    held = []
    spans = spans_of(9, 3)
    for span, _ in Passes(LocalExecutor(4)).in_turn.stream("copy", spans, held.append):
        assert held[-1] == span
    assert held == [Span(0, 3), Span(3, 6), Span(6, 9)]
