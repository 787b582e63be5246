"""Python's search for reference cycles: kept from going through all that Airflow has loaded."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused_collector() -> Iterator[None]:
    """Search for no cycles in this block; also a decorator.

    For work that makes millions of tuples and no cycles: the searches cost a third of a day's
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
    """Search for cycles in this block only among what it makes itself; also a decorator.

    For work of any length that does make cycles: its searches stay, but are short.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
