"""What may befall a step of the model: faults of Track, the death of the worker, others at work."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import event

from demo.track_api import Fault, faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine

#: One of each kind that is over in no time, by name, so that a failing sequence can be read.
FAULTS: dict[str, Fault | None] = {
    "accepted": None,
    "first named": faults.refuse(422, positions=(0,)),
    "second named": faults.refuse(422, positions=(1,)),
    "refused": faults.refuse(422),
    "unauthorized": faults.answer(401),
    "captcha": faults.captcha(),
    "nobody listens": faults.refuse_connections(),
    "closed, accepted": faults.drop(accepted=True, orderly=True),
    **{
        fault.name: fault
        for fault in faults.QUICK
        if fault not in {faults.refuse(422), faults.drop(accepted=True, orderly=True)}
    },
}
#: How Track takes a line whose content it does not like.
SPURNS = ("named", "unnamed", "inside")
#: What others do while a POST is on its way.
MEANWHILE = ("lease ends", "settle_sent", "abandon", "read again", "dispatched twice")


class KilledError(BaseException):
    """The worker is dead: no handler of the product may know it."""


@dataclass(frozen=True)
class Death:
    """The instant, counted in statements and commits, since so many POSTs have arrived."""

    instant: int
    after_posts: int = 0


@dataclass(frozen=True)
class Trouble:
    """What goes wrong around one dispatch.

    Attributes:
        script: what the POSTs get, in order, by the names in `FAULTS`.
        spurned: an attendance that Track refuses, and how (`SPURNS`).
        dies: when the worker is killed.
        meanwhile: what others do during the first POST (`MEANWHILE`).
        room: how many batches Track's limit lets out.
        stops_after: POSTs after which we are stopped from outside.
        waits: wait for a busy survey until its lease ends, instead of being stopped meanwhile.
    """

    script: tuple[str, ...] = ()
    spurned: tuple[str, str] | None = None
    dies: Death | None = None
    meanwhile: str | None = None
    room: int = 800
    stops_after: int | None = None
    waits: bool = False


PEACE = Trouble()


@contextmanager
def dying(engine: Engine, death: Death | None, posts: Callable[[], int]) -> Iterator[None]:
    """Kill whoever uses the engine in this thread; the dead write nothing more."""
    if death is None:
        yield
        return
    worker, before, left = threading.get_ident(), posts(), death.instant

    def instant(*_: object) -> None:
        nonlocal left
        if threading.get_ident() != worker or posts() - before < death.after_posts:
            return
        left -= 1
        if left < 0:
            raise KilledError

    for name in ("before_cursor_execute", "commit"):
        event.listen(engine, name, instant)
    try:
        yield
    finally:
        for name in ("before_cursor_execute", "commit"):
            event.remove(engine, name, instant)
