"""Dispatch one unit: claim, POST, settle, until nothing is ready. The one place that sends.

Nothing here catches an error in order to release lines: only a settled answer, a lease that ran
out, or our own word before a connection was opened moves a line out of `sending`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from track_dispatch.config import check_go_live, check_lease_margin
from track_dispatch.delivery.desk import (
    await_admission,
    require_open_hours,
    when_survey_is_free,
)
from track_dispatch.delivery.distribution import schedule
from track_dispatch.delivery.sending import probe, send_claim
from track_dispatch.delivery.splitting import Tally
from track_dispatch.errors import (
    ConfigError,
    DeliveryUncertainError,
    LinesInFlightError,
    NotDeliveredError,
)
from track_dispatch.ledger.claims import Terms, claim
from track_dispatch.ledger.settling import close_unit, expire_leases
from track_dispatch.ledger.units import has_ready_lines, in_flight_seconds, ready_lines
from track_dispatch.records import Reason
from track_dispatch.transformation.eligibility import is_too_old

if TYPE_CHECKING:
    from track_dispatch.delivery.desk import Desk
    from track_dispatch.ledger.batches import Batch
    from track_dispatch.records import Unit

log = logging.getLogger(__name__)

#: How many uncertain outcomes a dispatch lives with before it leaves the rest of its unit ready.
DOUBTS = 2


def dispatch(desk: Desk, unit: Unit) -> Tally:
    """Send what is ready of a unit and return what became of it.

    Raises:
        ConfigError: a setting keeps Track from taking the unit; its lines are ready.
        NotDeliveredError: Track took nothing more; the rest is ready.
        ServiceStoppedError: Track wants a person or another key, or did so before and nobody has
            resumed; the rest is ready.
        QuietHoursError: outside the hospital's window; the rest is ready.
        LinesInFlightError: another claim's lease still runs on lines of the unit or its survey.
        DeliveryUncertainError: some lines are in doubt; the rest was sent, or is ready after a
            second doubt.
        LedgerError: the ledger failed before a claim.
    """
    expire_leases(desk.ledger, hospital=unit.hospital, actor=desk.actor)
    tally = _send_all(desk, unit)
    log.info("unit dispatched unit=%s %s", unit, tally)
    if tally.in_doubt:
        message = f"{unit}: {tally.in_doubt} lines may have reached Track: a person must decide"
        raise DeliveryUncertainError(message)
    with desk.ledger.reading() as connection:
        seconds = in_flight_seconds(connection, unit)
        left = ready_lines(connection, unit)
    if seconds is not None:
        message = f"{unit}: lines are in flight under another claim"
        raise LinesInFlightError(message, retry_after=seconds)
    if left:
        message = f"{unit}: {left} lines became ready meanwhile"
        raise NotDeliveredError(message)
    return tally


def _send_all(desk: Desk, unit: Unit) -> Tally:
    tally, after, proven = Tally(), 0, False
    while tally.doubts < DOUBTS and _open_for_business(desk, unit):
        require_open_hours(desk)
        await_admission(desk)
        if not proven:
            probe(desk)
            proven = True
        batch = _claim(desk, unit, after)
        if batch is None:
            break
        sent = send_claim(desk, batch)
        tally = tally + sent
        after = batch.lines[-1].id
        if sent.in_doubt:
            proven = False
            after = batch.lines[0].id - 1  # what the doubt left over is ready again
    return tally


def _open_for_business(desk: Desk, unit: Unit) -> bool:
    """Check again, before every claim, what may have changed since transform.

    Raises:
        ConfigError: a real Track host, and shipped settings or too short a lease; or the hospital
            no longer uses the unit's channel.
    """
    hospital = desk.hospital
    check_go_live(hospital, desk.track_host)
    check_lease_margin(hospital, desk.track_host)
    with desk.ledger.reading() as connection:
        if not has_ready_lines(connection, unit):
            return False
    if hospital.survey(unit.area) is None:
        close_unit(desk.ledger, unit, reason=Reason.NO_SURVEY, actor=desk.actor)
        return False
    if unit.business_day < hospital.first_business_day:
        close_unit(desk.ledger, unit, reason=Reason.BEFORE_GO_LIVE, actor=desk.actor)
        return False
    today = desk.now().astimezone(hospital.zone).date()
    too_old = is_too_old(unit.business_day, today, max_age_days=hospital.max_age_days)
    if too_old and not desk.include_old:
        close_unit(desk.ledger, unit, actor=desk.actor)
        return False
    if unit.channel not in hospital.channels:
        message = (
            f"{unit}: {unit.channel} is no longer among the hospital's channels: put it back, or"
            " clear `extract` and what follows, so that the lines are made anew"
        )
        raise ConfigError(message)
    return True


def _claim(desk: Desk, unit: Unit, after: int) -> Batch | None:
    """Claim the next batch, waiting up to a lease for the survey to be free.

    Raises:
        LinesInFlightError: the survey stayed busy.
        NotDeliveredError: we were stopped.
        LedgerError: the ledger failed.
    """
    hospital = desk.hospital
    validity_at, reminder_at = schedule(desk.now(), hospital)
    terms = Terms(
        survey_uuid=str(hospital.survey(unit.area)),
        validity_at=validity_at,
        reminder_at=reminder_at,
        lease_seconds=hospital.lease_seconds,
    )
    return when_survey_is_free(
        desk,
        lambda: claim(
            desk.ledger,
            unit,
            terms,
            limit=hospital.batch_size,
            after=after,
            actor=desk.actor,
            admission=desk.admission,
        ),
    )
