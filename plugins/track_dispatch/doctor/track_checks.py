"""Track: its connection, answers, clock and surveys; and the webhook that is told of a red morning.

Nothing is sent to anybody: Track lists, the webhook answers to a HEAD.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from track_dispatch.config import Hospital, is_practice_host
from track_dispatch.delivery.answer_table import ASSUMPTIONS
from track_dispatch.delivery.client import TrackSurvey
from track_dispatch.delivery.responses import TransportFailure
from track_dispatch.doctor.check import INSTALLATION, Check, DoubtError, check, obtain
from track_dispatch.hooks.alert import CONN_ID, DEADLINE_SECONDS, find_webhook
from track_dispatch.hooks.track import TrackHook, track_host
from track_dispatch.records import Area

#: Seconds that our clock may differ from Track's. Validity and reminder are moments of ours that
#: Track compares with its own.
CLOCK_TOLERANCE = 30
#: Seconds for one whole request.
PATIENCE = 30.0
#: The status of a survey that only our files know.
MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Track:
    """What is known of Track: its address and its surveys, None where that is not known."""

    host: str | None
    surveys: Sequence[TrackSurvey] | None


def check_track(now: Callable[[], datetime]) -> tuple[Track, list[Check]]:
    """Look at Track."""
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


# -- surveys ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SurveyUse:
    """One survey, and the areas of our hospitals that use it, as `HMS internacao`."""

    uuid: str
    name: str
    status: str
    used_by: tuple[str, ...]


def is_active(survey: TrackSurvey) -> bool:
    """Tell whether Track would take a distribution of the survey.

    Source: docs/track-api.md#unconfirmed
    """
    return survey.status.lower() == "active"


def survey_uses(listed: Iterable[TrackSurvey], hospitals: Iterable[Hospital]) -> list[SurveyUse]:
    """Return Track's surveys by name, and after them those of ours that Track lacks."""
    used: defaultdict[str, list[str]] = defaultdict(list)
    for hospital in hospitals:
        for area in Area:
            if uuid := hospital.survey(area):
                used[str(uuid)].append(f"{hospital.code} {area.key}")
    uses = [
        SurveyUse(one.uuid, one.name, one.status, tuple(used.pop(one.uuid.lower(), ())))
        for one in sorted(listed, key=lambda one: (one.name.casefold(), one.uuid))
    ]
    return uses + [SurveyUse(uuid, "", MISSING, tuple(areas)) for uuid, areas in used.items()]


# -- the alert's webhook ------------------------------------------------------------------------


def check_alert() -> Check:
    """Look at the alert's webhook; nobody is told anything."""
    return check(INSTALLATION, "alert webhook", _look_at_webhook)


def _look_at_webhook() -> str:
    """Ask for the head of its address, which posts nothing: any answer shows the way is open."""
    webhook = find_webhook()
    if webhook is None:
        return f"there is no connection {CONN_ID}: a red morning is told in Airflow only"
    address = urlsplit(webhook.url)
    if address.scheme == "http" and not is_practice_host(webhook.url):
        raise DoubtError(f"{address.hostname}: without https, its secret address can be read")
    answer = webhook.request("HEAD", deadline_seconds=DEADLINE_SECONDS)
    if isinstance(answer, TransportFailure):
        raise DoubtError(f"{address.hostname}: {answer.value}")
    return (
        f"{address.hostname} answers (HTTP {answer.status} to a HEAD, which posts nothing); told"
        f" as {webhook.shape}"
    )
