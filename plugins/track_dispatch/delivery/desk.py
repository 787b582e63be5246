"""What a dispatch works with, and how it waits."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from track_dispatch.errors import (
    DeliveryUncertainError,
    LedgerError,
    LinesInFlightError,
    NotDeliveredError,
    QuietHoursError,
)
from track_dispatch.ledger.admission import Admission
from track_dispatch.ledger.batches import SurveyBusyError
from track_dispatch.ledger.settling import expire_leases
from track_dispatch.ledger.switch import RATE_LIMIT, RATE_WINDOW, rate_pause, require_running
from track_dispatch.transformation.identities import line_identity
from track_dispatch.transformation.persons import person_keys

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from track_dispatch.config import Hospital
    from track_dispatch.delivery.client import TrackClient
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.records import Actor

T = TypeVar("T")

log = logging.getLogger(__name__)

#: Seconds between two looks at a survey that another dispatch is posting to.
BUSY_PAUSE = 0.2
#: Seconds between two looks at Track's limit of requests, at most.
RATE_PAUSE = 5.0
#: Seconds between two attempts to reach the ledger about a claim of ours.
LEDGER_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Desk:
    """One hospital's dispatch: `now` and `pause` are the only clock it knows.

    `stopped` tells that no further batch may be started; `rate_limit` is how many may go out over
    all hospitals within `switch.RATE_WINDOW`; `include_old` lets out what is older than
    `max_age_days`, too, because a person wants it.
    """

    hospital: Hospital
    ledger: Ledger
    client: TrackClient
    track_host: str
    actor: Actor
    now: Callable[[], datetime]
    pause: Callable[[float], None] = time.sleep
    stopped: Callable[[], bool] = field(default=lambda: False)
    rate_limit: int = RATE_LIMIT
    include_old: bool = False

    @property
    def admission(self) -> Admission:
        """How a claim tells who may still be asked."""
        cap_days = self.hospital.contact_cap_days
        return Admission(line_identity, person_keys, cap_days=cap_days)


def require_open_hours(desk: Desk) -> None:
    """Let nothing out outside the hospital's window; what is ready stays so.

    Raises:
        QuietHoursError: it is closed; the error says until when.
    """
    hospital, now = desk.hospital, desk.now()
    opens_at = hospital.window.opening(now)
    if opens_at > now:
        local = opens_at.astimezone(hospital.zone)
        message = (
            f"{hospital.code}: invitations leave within {hospital.send_window} only; the next at"
            f" {local:%Y-%m-%d %H:%M} ({hospital.timezone})"
        )
        raise QuietHoursError(message, opens_at=opens_at)


def await_admission(desk: Desk) -> None:
    """Wait, at most for one window, until Track's limit leaves room for a batch.

    Raises:
        ServiceStoppedError: the switch is closed for all hospitals.
        NotDeliveredError: others used the room up all the time, or we were stopped.
        LedgerError: the ledger failed.
    """
    waited = 0.0
    while seconds := rate_seconds(desk):
        require_not_stopped(desk)
        if waited >= RATE_WINDOW:
            message = (
                f"{desk.hospital.code}: Track's limit of requests is used up; nothing was sent"
            )
            raise NotDeliveredError(message, retry_after=seconds)
        if not waited:
            log.info("waiting for Track's limit of requests hospital=%s", desk.hospital.code)
        nap = min(seconds, RATE_PAUSE)
        desk.pause(nap)
        waited += nap


def rate_seconds(desk: Desk) -> float:
    """Return the seconds until a batch may go out; 0 if at once.

    Raises:
        ServiceStoppedError: the switch is closed for all hospitals.
        LedgerError: the ledger failed.
    """
    with desk.ledger.reading() as connection:
        require_running(connection)
        return rate_pause(connection, limit=desk.rate_limit)


def require_not_stopped(desk: Desk) -> None:
    """Start nothing any more once we were stopped from outside.

    Raises:
        NotDeliveredError: we were.
    """
    if desk.stopped():
        message = f"{desk.hospital.code}: stopped from outside; what was not posted is ready"
        raise NotDeliveredError(message)


def when_survey_is_free(desk: Desk, start: Callable[[], T]) -> T:
    """Start a batch, waiting up to a lease while another batch of its survey is in flight.

    Raises:
        LinesInFlightError: the survey stayed busy.
        NotDeliveredError: we were stopped.
        ServiceStoppedError: the switch is closed for all hospitals.
        LedgerError: the ledger failed.
    """

    def attempt() -> T:
        require_not_stopped(desk)
        try:
            return start()
        except SurveyBusyError as busy:
            if busy.seconds <= 0:
                expire_leases(desk.ledger, hospital=desk.hospital.code, actor=desk.actor)
            raise

    try:
        seconds = desk.hospital.lease_seconds
        return _retrying(desk, SurveyBusyError, pause=BUSY_PAUSE, seconds=seconds)(attempt)
    except SurveyBusyError as busy:
        message = f"{desk.hospital.code}: another batch of this survey is in flight"
        raise LinesInFlightError(message, retry_after=max(0.0, busy.seconds)) from None


def insist(desk: Desk, access: Callable[[], T]) -> T:
    """Read or write the ledger about a claim of ours, again and again until its lease is over.

    Raises:
        DeliveryUncertainError: the ledger failed all the time; the lease puts the lines in doubt.
    """
    try:
        seconds = desk.hospital.lease_margin_seconds
        return _retrying(desk, LedgerError, pause=LEDGER_PAUSE, seconds=seconds)(access)
    except LedgerError as error:
        message = (
            f"the ledger failed until a claim's lease was over, which puts it in doubt: {error}"
        )
        raise DeliveryUncertainError(message) from None


def _retrying(desk: Desk, error: type[Exception], *, pause: float, seconds: float) -> Retrying:
    """Try again after one kind of error, with a pause in seconds, and raise it in the end."""
    return Retrying(
        retry=retry_if_exception_type(error),
        wait=wait_fixed(pause),
        stop=stop_after_delay(seconds),
        sleep=desk.pause,
        reraise=True,
    )
