"""Send a batch in doubt once more, because a person decided so."""

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
from track_dispatch.errors import ConfigError, DeliveryUncertainError
from track_dispatch.ledger.doubts import require_doubt
from track_dispatch.ledger.reclaiming import reclaim
from track_dispatch.transformation.eligibility import is_too_old

if TYPE_CHECKING:
    from track_dispatch.delivery.desk import Desk
    from track_dispatch.ledger.doubts import Doubt
    from track_dispatch.records import Decision

log = logging.getLogger(__name__)


def send_again(desk: Desk, batch_id: str, decision: Decision) -> Tally:
    """Post a batch in doubt again: the same lines under the same key, by a person's decision.

    Raises:
        ConfigError: no such doubt, or it may not be sent any more.
        QuietHoursError: outside the hospital's window; in doubt as before.
        LinesInFlightError: its lease, or another batch of its survey, is still running.
        NotDeliveredError: Track was not reached; the batch is in doubt as before.
        ServiceStoppedError: Track wants a person or another key; in doubt as before.
        DeliveryUncertainError: the answer was no acceptance; the batch is in doubt as before.
        LedgerError: the ledger failed before the claim.
    """
    hospital = desk.hospital
    check_go_live(hospital, desk.track_host)
    check_lease_margin(hospital, desk.track_host)
    with desk.ledger.reading() as connection:
        doubt = require_doubt(connection, batch_id)
    today = desk.now().astimezone(hospital.zone).date()
    if is_too_old(doubt.unit.business_day, today, max_age_days=hospital.max_age_days):
        raise ConfigError(
            f"batch {batch_id}: {doubt.unit} is older than max_age_days: settle it as sent or"
            " abandon it"
        )
    require_open_hours(desk)
    await_admission(desk)
    probe(desk)
    validity_at, reminder_at = _terms(desk, doubt)
    batch = when_survey_is_free(
        desk,
        lambda: reclaim(
            desk.ledger,
            batch_id,
            decision,
            validity_at=validity_at,
            reminder_at=reminder_at,
            lease_seconds=hospital.lease_seconds,
            admission=desk.admission,
        ),
    )
    if batch is None:
        log.info("nothing is sent again: everybody opted out batch_id=%s", batch_id)
        return Tally()
    tally = send_claim(desk, batch, again=True)
    log.info("batch sent again batch_id=%s unit=%s %s", batch.id, batch.unit, tally)
    if tally.in_doubt:
        message = "Track did not accept the batch that was sent again: it is in doubt as before"
        raise DeliveryUncertainError(message, batch_id=batch.id)
    return tally


def _terms(desk: Desk, doubt: Doubt) -> tuple[int, int | None]:
    """Keep the moments that were posted while both lie ahead, so that the body is the same."""
    now = desk.now().timestamp()
    if now < min(doubt.validity_at, doubt.reminder_at or doubt.validity_at):
        return doubt.validity_at, doubt.reminder_at
    return schedule(desk.now(), desk.hospital)
