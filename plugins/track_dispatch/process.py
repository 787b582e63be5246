"""Tools for a whole process: waits that end, and a rarer garbage collection."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TypeVar, cast

T = TypeVar("T")


class Watchdog:
    """Calls a function when a block takes too long, from a thread that starts with the first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._watched: dict[object, tuple[float, Callable[[], None]]] = {}
        self._wakes_at = float("inf")
        self._thread: threading.Thread | None = None
        self._closed = False

    @contextmanager
    def limit(self, seconds: float, late: Callable[[], None]) -> Iterator[None]:
        """Call `late` once, from another thread, if the block takes longer than `seconds`.

        After the block `late` is neither called nor still running.
        """
        token, until = object(), monotonic() + seconds
        with self._changed:
            self._watched[token] = (until, late)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
                self._thread.start()
            elif until < self._wakes_at:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._watched.pop(token, None)

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                now = monotonic()
                for token, (until, late) in list(self._watched.items()):
                    if until <= now:
                        del self._watched[token]
                        with suppress(OSError):
                            late()
                untils = [until for until, _ in self._watched.values()]
                self._wakes_at = min(untils, default=float("inf"))
                self._changed.wait(self._wakes_at - now if untils else None)


def within(seconds: float, look: Callable[[], T]) -> T:
    """Run `look` in a thread and give up after a while: a foreign system may never answer.

    Raises:
        TimeoutError: it took longer. The thread is left behind, and ends with the process.
    """
    outcome: SimpleQueue[tuple[T | None, Exception | None]] = SimpleQueue()

    def run() -> None:
        try:
            outcome.put((look(), None))
        except Exception as error:  # noqa: BLE001 - raised again, in the thread that waits
            outcome.put((None, error))

    context = copy_context()
    threading.Thread(target=context.run, args=(run,), name="look", daemon=True).start()
    try:
        found, error = outcome.get(timeout=seconds)
    except Empty:
        message = f"gave no answer within {seconds:g} s and was left"
        raise TimeoutError(message) from None
    if error is not None:
        raise error
    return cast("T", found)


@contextmanager
def paused_collector() -> Iterator[None]:
    """Stop the garbage collector in this block; also a decorator.

    For work that makes millions of tuples and no cycles: the collector costs a third of a day's
    extract and a tenth of its transform.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def frozen_imports() -> Iterator[None]:
    """Let the garbage collector ignore in this block what is there already; also a decorator.

    For work of any length that makes cycles: the collections stay, but are short.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
