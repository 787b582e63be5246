"""Send one claim: POST its batch, act on the outcome, split what Track refuses.

A refused batch is split until the offending lines stand alone, never after an uncertain outcome. A
line is refused only when Track took another line of its claim, or when it was claimed alone: a
wrong template must not refuse every patient for good.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NoReturn

from track_dispatch.delivery.desk import insist, rate_seconds, when_survey_is_free
from track_dispatch.delivery.distribution import distribution, posted_fields
from track_dispatch.delivery.outcomes import Verdict
from track_dispatch.delivery.splitting import Progress, Tally, fault_text
from track_dispatch.errors import (
    ConfigError,
    NotDeliveredError,
    ServiceStoppedError,
    TrackDispatchError,
)
from track_dispatch.ledger.claims import lease_left, start_part
from track_dispatch.ledger.settling import Settlement, doubt, settle
from track_dispatch.ledger.switch import stop_service
from track_dispatch.records import BatchState, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from track_dispatch.delivery.desk import Desk
    from track_dispatch.delivery.outcomes import Outcome
    from track_dispatch.ledger.batches import Batch
    from track_dispatch.records import Channel

log = logging.getLogger(__name__)


def probe(desk: Desk) -> None:
    """Ask Track one harmless question before a POST is at stake.

    Raises:
        NotDeliveredError: Track gave no proper answer.
        ServiceStoppedError: Track wants a person or another key; all hospitals are stopped.
        ConfigError: the connection points to the wrong place.
    """
    try:
        desk.client.probe()
    except ServiceStoppedError as error:
        stop_all(desk, str(error), error.status)
        raise


def send_claim(desk: Desk, claimed: Batch, *, again: bool = False) -> Tally:
    """Post a claimed batch, and parts of it where Track refuses it; settle every line.

    A batch that is sent `again` is settled by acceptance only. Whatever else comes leaves it in
    doubt: the first POST may have been processed all the same, so it is neither split nor released.

    Raises:
        ConfigError: Track takes nothing because of a setting; the claim's lines are ready.
        NotDeliveredError: certainly not delivered; what was not settled before is ready.
        ServiceStoppedError: Track wants a person or another key; as above.
        LinesInFlightError: the survey stayed busy between two parts; as above.
        LedgerError: the ledger failed between two parts; as above.
        DeliveryUncertainError: an answer could not be written down.
    """
    progress = Progress(claimed, again=again)
    batch = claimed
    while True:
        outcome = _post(desk, progress, batch)
        log.info(
            "batch posted batch_id=%s unit=%s lines=%d verdict=%s status=%s: %s",
            batch.id, batch.unit, len(batch.lines), outcome.verdict, outcome.status, outcome.detail,
        )  # fmt: skip
        _act(desk, progress, batch, outcome)
        if not progress.parts:
            break
        batch = _next_part(desk, progress)
    _judge_accused(desk, progress)
    return progress.tally


def _post(desk: Desk, progress: Progress, batch: Batch) -> Outcome:
    """Post a batch, if its lease still covers a whole POST.

    Raises:
        NotDeliveredError: it does not; the lines are ready again.
    """
    left = insist(desk, lambda: lease_left(desk.ledger, batch))
    if left < desk.hospital.post_deadline_seconds:
        message = "the claim grew too old before it could be posted"
        _give_up(desk, progress, batch, NotDeliveredError(message, batch_id=batch.id))
    return post_lines(
        desk,
        key=batch.id,
        channel=batch.unit.channel,
        survey_uuid=batch.survey_uuid,
        lines=[line.fields for line in batch.lines],
        moments=(batch.validity_at, batch.reminder_at),
    )


def post_lines(
    desk: Desk,
    *,
    key: str,
    channel: Channel,
    survey_uuid: str,
    lines: Sequence[Mapping[str, str]],
    moments: tuple[int, int | None],
) -> Outcome:
    """Post import lines once: whatever goes out goes through here.

    Args:
        desk: the hospital's.
        key: the Idempotency-Key.
        channel: how Track reaches the patients.
        survey_uuid: the survey of the lines' area.
        lines: whole import lines; the hospital's `import_fields` decides what of them goes.
        moments: end of validity and reminder, unix seconds.
    """
    validity_at, reminder_at = moments
    body = distribution(
        channel=channel,
        survey_uuid=survey_uuid,
        lines=[posted_fields(line, desk.hospital, channel) for line in lines],
        template_set=desk.hospital.template_set,
        validity_at=validity_at,
        reminder_at=reminder_at,
    )
    return desk.client.create_distribution(
        body, idempotency_key=key, attendance_ids=[line["cd_atendimento"] for line in lines]
    )


def _act(desk: Desk, progress: Progress, batch: Batch, outcome: Outcome) -> None:
    """Do what the outcome says with the lines of the batch just posted."""
    detail, status = outcome.detail, outcome.status
    error: TrackDispatchError
    match outcome.verdict:
        case Verdict.ACCEPTED:
            _accept(desk, progress, batch, outcome)
        case Verdict.STOPPED:
            insist(desk, lambda: stop_all(desk, detail, status))
            error = ServiceStoppedError(detail, batch_id=batch.id, status=status)
            _give_up(desk, progress, batch, error, status=status)
        case Verdict.UNCERTAIN:
            _doubt(desk, progress, batch, status)
            _end_early(desk, progress)
        case Verdict.REFUSED | Verdict.TOO_LARGE if progress.again:
            _doubt(desk, progress, batch, status)
        case Verdict.REFUSED:
            progress.accuse(batch, outcome)
        case Verdict.TOO_LARGE if len(batch.lines) > 1:
            progress.halve(batch, outcome)
        case Verdict.TOO_LARGE:
            _settle(
                desk, batch, Settlement(refused={batch.lines[0].id: "too_large"}, status=status)
            )
            progress.tally += Tally(refused=1)
        case Verdict.MISCONFIGURED:
            error = ConfigError(f"{detail} (HTTP {status})" if status else detail)
            _give_up(desk, progress, batch, error, status=status)
        case Verdict.NOT_DELIVERED:
            error = NotDeliveredError(
                detail, batch_id=batch.id, status=status, retry_after=outcome.retry_after
            )
            _give_up(desk, progress, batch, error, status=status)


def _accept(desk: Desk, progress: Progress, batch: Batch, outcome: Outcome) -> None:
    named = {batch.lines[i].id: fault_text(fault) for i, fault in outcome.faults.items()}
    accepted = [line.id for line in batch.lines if line.id not in named]
    doubted = named if progress.again else {}
    refused = {} if progress.again else named
    settlement = Settlement(
        accepted=accepted,
        refused=refused,
        refusal=Refusal.IN_ACCEPTANCE,
        status=outcome.status,
        receipt=outcome.receipt,
        batch_state=BatchState.IN_DOUBT if doubted else BatchState.SETTLED,
    )
    _settle(desk, batch, settlement)
    progress.tally += Tally(accepted=len(accepted), refused=len(refused))
    if doubted:
        # named, perhaps, because the first POST had been accepted: "refused" would invite a retry
        insist(desk, lambda: doubt(desk.ledger, batch, status=outcome.status, actor=desk.actor))
        progress.tally += Tally(in_doubt=len(doubted), doubts=1)


def stop_all(desk: Desk, why: str, status: int | None) -> None:
    """Close the switch for all hospitals."""
    stop_service(desk.ledger, hospital=desk.hospital.code, why=why, status=status, actor=desk.actor)


def _doubt(desk: Desk, progress: Progress, batch: Batch, status: int | None) -> None:
    insist(desk, lambda: doubt(desk.ledger, batch, status=status, actor=desk.actor))
    progress.tally += Tally(in_doubt=len(batch.lines), doubts=1)


def _give_up(
    desk: Desk,
    progress: Progress,
    batch: Batch,
    error: TrackDispatchError,
    *,
    status: int | None = None,
) -> NoReturn:
    """Release the batch and what of its claim is not settled, and say why.

    A batch sent again goes back into doubt instead.
    """
    if progress.again:
        _doubt(desk, progress, batch, status)
        raise error
    settlement = Settlement(
        released=[line.id for line in batch.lines],
        status=status,
        batch_state=BatchState.NOT_DELIVERED,
    )
    _settle(desk, batch, settlement)
    _end_early(desk, progress)
    raise error


def _next_part(desk: Desk, progress: Progress) -> Batch:
    """Start the next part as a batch of its own.

    Raises:
        NotDeliveredError: the claim is no longer ours to split, or we were stopped, or Track's
            limit of requests is reached.
        ServiceStoppedError: the switch is closed for all hospitals.
        LinesInFlightError: the survey stayed busy.
        LedgerError: the ledger failed.
    """
    part = progress.parts[-1]
    _, status = progress.refused or (None, None)
    try:
        _require_room(desk)
        batch = when_survey_is_free(
            desk,
            lambda: start_part(
                desk.ledger,
                part.origin,
                part.lines,
                lease_seconds=desk.hospital.lease_seconds,
                status=status,
                actor=desk.actor,
            ),
        )
    except TrackDispatchError:
        # no connection was opened for these lines since Track refused them
        _end_early(desk, progress)
        raise
    if batch is None:
        _end_early(desk, progress)
        message = "the claim's lease ended while its batch was being split"
        raise NotDeliveredError(message, batch_id=part.origin.id)
    progress.parts.pop()
    return batch


def _require_room(desk: Desk) -> None:
    """Post no part above Track's limit: a lease is running, so this is no time to wait.

    Raises:
        NotDeliveredError: it is reached.
        ServiceStoppedError: the switch is closed for all hospitals.
        LedgerError: the ledger failed.
    """
    if seconds := rate_seconds(desk):
        message = f"{desk.hospital.code}: Track's limit of requests was reached during a split"
        raise NotDeliveredError(message, retry_after=seconds)


def _judge_accused(desk: Desk, progress: Progress) -> None:
    """Refuse the lines that stand accused, unless nothing of the claim got through.

    Raises:
        ConfigError: Track refuses every line of a claim of two or more: a setting is to blame.
    """
    if not progress.accused:
        return
    if progress.tally.accepted or len(progress.claimed.lines) == 1:
        _refuse_accused(desk, progress)
        return
    _release_waiting(desk, progress)
    raise ConfigError(
        f"Track refuses every line of this unit ({progress.claimed.unit}): check its templates,"
        " its survey and the fields of the import lines; the lines are ready again"
    )


def _end_early(desk: Desk, progress: Progress) -> None:
    """Close what is left of a claim that goes no further: all of it was certainly refused."""
    if progress.tally.accepted:
        _refuse_accused(desk, progress)
    _release_waiting(desk, progress)


def _refuse_accused(desk: Desk, progress: Progress) -> None:
    for accusation in progress.accused:
        settlement = Settlement(
            refused=accusation.faults,
            status=accusation.status,
            batch_state=BatchState.SETTLED if accusation.is_whole else BatchState.SPLIT,
        )
        _settle(desk, accusation.origin, settlement)
        progress.tally += Tally(refused=len(accusation.faults))
    progress.accused = []


def _release_waiting(desk: Desk, progress: Progress) -> None:
    waiting = progress.waiting
    if not waiting or progress.refused is None:
        return
    batch, status = progress.refused
    untouched = waiting.issuperset(line.id for line in batch.lines)
    settlement = Settlement(
        released=waiting,
        status=status,
        batch_state=BatchState.NOT_DELIVERED if untouched else BatchState.SPLIT,
    )
    _settle(desk, batch, settlement)
    progress.parts, progress.accused = [], []


def _settle(desk: Desk, batch: Batch, settlement: Settlement) -> None:
    insist(desk, lambda: settle(desk.ledger, batch, settlement, actor=desk.actor))
