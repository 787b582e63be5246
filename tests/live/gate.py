"""A gate before the stand-in of Track: POSTs to chosen surveys wait there, or are turned away.

A waiting POST has arrived and nobody has decided on it; once let through it is accepted, whether
its sender still lives or not. So it is here that a sender can be killed in the middle.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from demo.world import REFUSED_DOMAIN

if TYPE_CHECKING:
    from stand_ins.track_api import TrackStandIn

#: Longer than anything here lasts, in seconds: nothing waits for ever, whatever goes wrong.
LIMIT = 600.0


@dataclass
class Hold:
    """One POST that waits at the gate.

    Attributes:
        surveys: to one of them it goes. Holds that share a set share out its surveys.
        attendances: only a POST with one of these is held; None: any.
        arrived: it is there, and its `survey` and the `first` of its attendances are known.
        opened: it may go on.
    """

    surveys: set[str]
    attendances: Collection[str] | None = None
    arrived: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)
    survey: str = ""
    first: str = field(default="", repr=False)

    def wait(self, line: Mapping[str, str]) -> None:
        """Stand at the gate until it is opened."""
        self.survey, self.first = line["uuid"], line["cd_atendimento"]
        self.arrived.set()
        self.opened.wait(LIMIT)


class Gate:
    """Stands before a Track; a context manager that leaves nobody waiting.

    Attributes:
        throttled: surveys whose POSTs are answered by 429.
        broken: surveys whose POSTs are answered by 500.
        picky: the demo's refused addresses are refused. What was held would be taken apart for
            them, and nobody could tell what became of it.
    """

    def __init__(self, track: TrackStandIn) -> None:
        self.throttled: set[str] = set()
        self.broken: set[str] = set()
        self.picky = True
        self._lock = threading.Lock()
        self._holds: list[Hold] = []
        self._all: list[Hold] = []
        track.reject(lambda line: line["uuid"] in self.throttled, status=429, named=False)
        track.reject(lambda line: line["uuid"] in self.broken, status=500, named=False)
        track.reject(
            lambda line: self.picky and line.get("email", "").endswith(f"@{REFUSED_DOMAIN}")
        )
        track.reject(self._let_wait)

    def hold(self, surveys: set[str], attendances: Collection[str] | None = None) -> Hold:
        """Hold the next POST to one of these surveys; of several holds the first takes it."""
        hold = Hold(surveys, attendances)
        with self._lock:
            self._holds.append(hold)
            self._all.append(hold)
        return hold

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.let_all_through()

    def let_all_through(self) -> None:
        """Open the gate for all who wait and all who come."""
        with self._lock:
            self._holds.clear()
            self.throttled.clear()
            self.broken.clear()
            for hold in self._all:
                hold.opened.set()

    def _let_wait(self, line: Mapping[str, str]) -> bool:
        """Wait if the line belongs to a POST that is to be held; refuse nothing."""
        with self._lock:
            hold = next((one for one in self._holds if _applies(one, line)), None)
            if hold is not None:
                self._holds.remove(hold)
                hold.surveys.discard(line["uuid"])
        if hold is not None:
            hold.wait(line)
        return False


def _applies(hold: Hold, line: Mapping[str, str]) -> bool:
    return line["uuid"] in hold.surveys and (
        hold.attendances is None or line["cd_atendimento"] in hold.attendances
    )
