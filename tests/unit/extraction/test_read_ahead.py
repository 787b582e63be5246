"""Reading ahead of a consumer in a thread, with threads and with the real driver."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import pytest
from erp_rows import as_rows
from many_rows import DAY, SELECT, opened

from track_dispatch.errors import SourceContractError, SourceUnavailableError
from track_dispatch.extraction.oracle import read_ahead

if TYPE_CHECKING:
    from stand_ins.oracle import OracleStandIn
    from track_dispatch.extraction.oracle import Erp
    from track_dispatch.extraction.query import ErpColumns

#: Seconds after which something that never happens is given up; nothing waits so long.
NEVER = 20


class Source:
    """Chunks `0, 1, 2...`, and what a test may know of their making."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.made = threading.Semaphore(0)
        self.taken = 0
        self.most_ahead = 0
        self.threads: set[threading.Thread] = set()
        self.is_closed = False

    def chunks(self) -> Iterator[int]:
        try:
            for number in range(self._size):
                self.threads.add(threading.current_thread())
                self.most_ahead = max(self.most_ahead, number + 1 - self.taken)
                self.made.release()
                yield number
        finally:
            self.is_closed = True

    def await_made(self, count: int) -> None:
        for _ in range(count):
            assert self.made.acquire(timeout=NEVER)

    def has_ended(self) -> bool:
        return self.is_closed and not any(thread.is_alive() for thread in self.threads)


@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("size", [0, 1, 3, 50])
def test_all_chunks_come_in_order_from_one_thread(size: int, depth: int) -> None:
    source = Source(size)

    with read_ahead(source.chunks(), depth=depth) as chunks:
        assert list(chunks) == list(range(size))

    assert source.has_ended()
    assert len(source.threads) == min(size, 1)
    assert threading.current_thread() not in source.threads


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_next_chunks_are_made_while_the_consumer_has_one(depth: int) -> None:
    source = Source(50)

    with read_ahead(source.chunks(), depth=depth) as chunks:
        next(chunks)
        source.await_made(1 + depth)


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_no_more_than_the_depth_is_held_ahead(depth: int) -> None:
    source = Source(200)

    with read_ahead(source.chunks(), depth=depth) as chunks:
        for _ in chunks:
            # one more than counted: the consumer has been given it, but has not said so yet
            source.await_made(1)
            source.taken += 1

    assert source.most_ahead <= depth + 1


@pytest.mark.parametrize("before", [0, 1, 4])
def test_an_error_comes_after_the_chunks_before_it_and_alone(before: int) -> None:
    def breaking_off() -> Iterator[int]:
        yield from range(before)
        try:
            int("a text of the ERP's")
        except ValueError:
            raise SourceUnavailableError("the ERP broke off") from None  # hidden, but still there

    got: list[int] = []
    with (
        pytest.raises(SourceUnavailableError, match="the ERP broke off") as caught,
        read_ahead(breaking_off()) as chunks,
    ):
        got.extend(chunks)

    assert got == list(range(before))
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_an_error_is_raised_where_its_chunk_would_have_come_not_before() -> None:
    failed = threading.Event()

    def failing() -> Iterator[int]:
        yield 0
        failed.set()
        raise SourceContractError("row 2")

    with read_ahead(failing()) as chunks:
        assert next(chunks) == 0
        assert failed.wait(NEVER)
        with pytest.raises(SourceContractError, match="row 2"):
            next(chunks)


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_who_leaves_early_leaves_no_thread_and_nothing_open(taken: int) -> None:
    """The thread has made all that it may, and has nothing to do but to wait."""
    source = Source(50)
    generator = source.chunks()

    with read_ahead(generator, depth=2) as chunks:
        for _ in range(taken):
            next(chunks)
        if taken:
            source.await_made(taken + 2)

    assert not any(thread.is_alive() for thread in source.threads)
    assert source.is_closed == bool(taken)  # what never began has nothing to close
    assert next(generator, None) is None


def test_who_leaves_waits_for_the_chunk_in_the_making_and_for_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, awaited, made = threading.Event(), threading.Event(), []

    def slow() -> Iterator[int]:
        thread = threading.current_thread()
        join = thread.join
        monkeypatch.setattr(thread, "join", lambda *_: (awaited.set(), join()))
        for number in range(10):
            yield number
            begun.set()
            assert awaited.wait(NEVER)
            made.append(thread)

    with read_ahead(slow(), depth=3) as chunks:
        next(chunks)
        assert begun.wait(NEVER)

    assert [thread.is_alive() for thread in made] == [False]


def test_an_error_of_the_consumer_ends_the_thread_and_comes_out() -> None:
    source = Source(50)

    with pytest.raises(ZeroDivisionError), read_ahead(source.chunks()) as chunks:
        1 // next(chunks)

    assert source.has_ended()


def test_what_was_left_early_does_not_look_like_a_short_day() -> None:
    with read_ahead(Source(50).chunks()) as chunks:
        next(chunks)

    with pytest.raises((CancelledError, RuntimeError)):
        list(chunks)


def test_nothing_of_a_chunk_is_kept_once_it_was_taken() -> None:
    class Chunk:
        pass

    with read_ahead(Chunk() for _ in range(5)) as chunks:
        for _ in range(5):
            taken = weakref.ref(next(chunks))
            assert taken() is None


def days(erp: Erp) -> Iterator[ErpColumns]:
    return erp.read(SELECT, day=DAY, action="ahead", chunk_rows=1000)


def test_a_day_read_ahead_is_the_day(server: OracleStandIn) -> None:
    with opened() as erp:
        read = [row for chunk in days(erp) for row in as_rows(chunk)]
        with read_ahead(days(erp)) as chunks:
            ahead = [row for chunk in chunks for row in as_rows(chunk)]

    assert len(read) == 20_000
    assert ahead == read


def test_a_connection_is_free_again_when_its_reader_is_left_early(server: OracleStandIn) -> None:
    with opened() as erp:
        with read_ahead(days(erp)) as chunks:
            first = next(chunks)

        assert next(days(erp)) == first


def test_an_erp_that_breaks_off_is_told_after_the_chunks_before(server: OracleStandIn) -> None:
    server.faults.drop_after_rows = 2500
    got: list[int] = []

    with (
        opened() as erp,
        pytest.raises(SourceUnavailableError, match=r"\(ahead\).*DPY-4011") as caught,
        read_ahead(days(erp)) as chunks,
    ):
        got.extend(len(as_rows(chunk)) for chunk in chunks)

    assert got == [1000, 1000]
    assert caught.value.__context__ is None
