"""Reading ahead: a thread makes the next chunks while its consumer works on the last one."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from track_dispatch.errors import raised_alone

T = TypeVar("T")


@contextmanager
def read_ahead(chunks: Iterable[T], *, depth: int = 2) -> Iterator[Iterator[T]]:
    """Iterate over chunks in a thread of their own, up to `depth` of them ahead of the consumer.

    An error of theirs is raised where its chunk would have come. Whoever leaves, at the end or
    early, waits for the chunk in the making and then has no thread any more; a generator is closed.
    For an extraction that wait is one round trip to the ERP, which `call_timeout_seconds` ends.

    A connection of the driver may be used by another thread, but by one at a time: between
    entering and leaving, the connection behind the chunks is the thread's alone.

    Args:
        chunks: iterated in the thread only.
        depth: chunks held ahead, at least 1, beside the one that the consumer has. What the
            consumer has taken is not held here.
    """
    source = iter(chunks)
    # A thread given one chunk to make at a time never waits for room, so it can always be joined.
    thread = ThreadPoolExecutor(1, thread_name_prefix="read_ahead")
    try:
        yield _in_order(thread, source, depth)
    finally:
        thread.shutdown(cancel_futures=True)
        if isinstance(source, Generator):
            source.close()


def _in_order(thread: ThreadPoolExecutor, source: Iterator[T], depth: int) -> Iterator[T]:
    ahead = deque(thread.submit(_next, source) for _ in range(depth))
    with raised_alone():
        while taken := ahead.popleft().result():
            ahead.append(thread.submit(_next, source))
            yield taken.pop()  # from its list, so that nothing here keeps it meanwhile


def _next(source: Iterator[T]) -> list[T]:
    """Return the next chunk in a list; an empty one at the end."""
    return list(islice(source, 1))
