"""Results in the order of their items, with a bounded number of tasks in flight."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol


class Future(Protocol):
    """What a pool or a scheduler returns for a task."""

    def result(self) -> Any: ...

    def cancel(self) -> Any: ...


def in_order(
    submit: Callable[[Any], Future], items: Iterable[Any], in_flight: int
) -> Iterator[Any]:
    """Submit `items` with at most `in_flight` results unfetched; yield them in item order.

    The window is what bounds memory: a slow first task holds back those behind it instead of
    letting their results pile up.
    """
    pending: deque[Future] = deque()
    try:
        for item in items:
            if len(pending) >= in_flight:
                yield pending.popleft().result()
            pending.append(submit(item))
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
