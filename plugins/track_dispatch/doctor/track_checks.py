"""Track: its connection, its answers, its clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from track_dispatch.config import is_practice_host
from track_dispatch.delivery.assumptions import ASSUMPTIONS
from track_dispatch.doctor.check import INSTALLATION, DoubtError, check, obtain
from track_dispatch.hooks.track import TrackHook, track_host

if TYPE_CHECKING:
    from track_dispatch.delivery.client import TrackSurvey
    from track_dispatch.doctor.check import Check

#: Seconds that our clock may differ from Track's. Validity and reminder are moments of ours that
#: Track compares with its own.
CLOCK_TOLERANCE = 30
#: Seconds for one whole request.
PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Track:
    """What is known of Track: its address and its surveys, None where that is not known."""

    host: str | None
    surveys: Sequence[TrackSurvey] | None


def check_track(now: Callable[[], datetime]) -> tuple[Track, list[Check]]:
    """Look at Track; nothing is sent to anybody."""
    host, connection = obtain(INSTALLATION, "track connection", _find)
    surveys, answers = obtain(INSTALLATION, "track surveys", _ask)
    clock = check(INSTALLATION, "track clock", lambda: _compare_clocks(now))
    assumed = check(INSTALLATION, "track assumptions", _assumed)
    return Track(host, surveys), [connection, answers, clock, assumed]


def _find() -> tuple[str, str]:
    with TrackHook().client():  # its login is looked at here
        host = track_host()
    reach = "reaches nobody real" if is_practice_host(host) else "reaches real patients"
    return host, f"{host}, which {reach}"


def _ask() -> tuple[list[TrackSurvey], str]:
    with TrackHook().client(deadline_seconds=PATIENCE) as client:
        surveys = client.list_surveys()
    return surveys, f"Track knows our token and lists {len(surveys)} surveys"


def _assumed() -> str:
    return (
        f"{len(ASSUMPTIONS)} things are assumed of Track, to be confirmed with it: `doctor"
        " --first-day` lists them beside its first answers"
    )


def _compare_clocks(now: Callable[[], datetime]) -> str:
    before = now()
    with TrackHook().client(deadline_seconds=PATIENCE) as client:
        theirs = client.server_time()
    if theirs is None:
        raise DoubtError("Track's answers carry no usable Date to compare our clock with")
    ours = before + (now() - before) / 2
    seconds = round((ours - theirs).total_seconds())
    if abs(seconds) > CLOCK_TOLERANCE:
        where = "ahead of" if seconds > 0 else "behind"
        raise DoubtError(
            f"our clock is {abs(seconds)} s {where} Track's: let NTP set it; validity and reminder"
            " would be off by as much"
        )
    return f"ours and Track's differ by {abs(seconds)} s"
