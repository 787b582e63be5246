"""Python's search for reference cycles, put off while many small objects are made."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def paused_collector() -> Iterator[None]:
    """Search for no cycles in this block; also a decorator.

    For work that makes millions of tuples and no cycles: each search would go through all that
    Airflow has loaded, which costs a tenth of a day's transform.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
