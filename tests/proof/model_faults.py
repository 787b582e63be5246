"""What may befall a step of the model: faults of Track, the death of the worker, others at work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from stand_ins.track_api import Fault, faults
from tests.proof.driver_instants import watching_drivers

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


class KilledError(BaseException):
    """The worker is dead: no handler of the product may know it."""


@dataclass(frozen=True, slots=True)
class Death:
    """The instant, counted in what the database is asked, since so many POSTs have arrived."""

    instant: int
    after_posts: int = 0


@dataclass(frozen=True, slots=True)
class Trouble:
    """What goes wrong around one dispatch.

    Attributes:
        script: what the POSTs get, in order, by the names in `FAULTS`.
        spurned: an attendance that Track refuses, and how (`SPURNS`).
        dies: when the worker is killed.
        meanwhile: what others do during the first POST: the name of a step (`World.meanwhile`).
        budget: how many requests Track takes in five minutes.
        stops_after: POSTs after which we are stopped from outside.
        waits: wait for a busy survey until its lease ends, instead of being stopped meanwhile.
    """

    script: tuple[str, ...] = ()
    spurned: tuple[str, str] | None = None
    dies: Death | None = None
    meanwhile: str | None = None
    budget: int = 800
    stops_after: int | None = None
    waits: bool = False


PEACE = Trouble()


@contextmanager
def dying(death: Death | None, posts: Callable[[], int]) -> Iterator[None]:
    """Kill whoever asks a database in this thread; the dead ask nothing more."""
    if death is None:
        yield
        return
    worker, before, left = threading.get_ident(), posts(), death.instant

    def instant(_: str) -> None:
        nonlocal left
        if threading.get_ident() != worker or posts() - before < death.after_posts:
            return
        left -= 1
        if left < 0:
            raise KilledError

    with watching_drivers(instant):
        yield
