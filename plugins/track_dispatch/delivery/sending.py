"""Send one claim: POST its batch, act on the outcome, split what Track refuses.

A refused batch is split until the offending lines stand alone, never after an uncertain outcome. A
line is refused only when Track took another line of its claim, or when it was claimed alone: a
wrong template must not refuse every patient for good.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, NoReturn

from track_dispatch.delivery.desk import until_written, when_survey_is_free
from track_dispatch.delivery.distribution import distribution
from track_dispatch.delivery.outcomes import Verdict
from track_dispatch.errors import (
    ConfigError,
    NotDeliveredError,
    ServiceStoppedError,
    TrackDispatchError,
)
from track_dispatch.ledger.claims import lease_left, start_part
from track_dispatch.ledger.settling import Settlement, doubt, settle
from track_dispatch.records import BatchState, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from track_dispatch.delivery.desk import Desk
    from track_dispatch.delivery.outcomes import LineFault, Outcome
    from track_dispatch.ledger.claims import Batch, ClaimedLine

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of lines, and how many outcomes were uncertain."""

    accepted: int = 0
    refused: int = 0
    in_doubt: int = 0
    doubts: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(slots=True)
class _Claim:
    """A claim on its way: parts still to post, lines that stand accused, what is settled."""

    batch: Batch
    parts: list[tuple[Batch, Sequence[ClaimedLine]]] = field(default_factory=list)
    accused: list[tuple[Batch, ClaimedLine, str]] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    @property
    def waiting(self) -> list[int]:
        """Lines certainly not delivered so far: in parts not posted, or accused."""
        parts = [line.id for _, lines in self.parts for line in lines]
        return parts + [line.id for _, line, _ in self.accused]


def send_claim(desk: Desk, claimed: Batch) -> Tally:
    """Post a claimed batch, and parts of it where Track refuses it; settle every line.

    Raises:
        ConfigError: Track takes nothing because of a setting; the claim's lines are ready.
        NotDeliveredError: certainly not delivered; what was not settled before is ready.
        ServiceStoppedError: Track wants a person or another key; as above.
        LinesInFlightError: the survey stayed busy between two parts; as above.
        DeliveryUncertainError: an answer could not be written down.
    """
    claim = _Claim(claimed)
    batch = claimed
    while True:
        outcome = _post(desk, claim, batch)
        log.info(
            "batch posted batch_id=%s unit=%s lines=%d verdict=%s status=%s: %s",
            batch.id, batch.unit, len(batch.lines), outcome.verdict, outcome.status, outcome.detail,
        )  # fmt: skip
        _act(desk, claim, batch, outcome)
        if not claim.parts:
            break
        batch = _next_part(desk, claim, batch)
    _judge_accused(desk, claim, batch)
    return claim.tally


def _post(desk: Desk, claim: _Claim, batch: Batch) -> Outcome:
    """Post a batch, if its lease still covers a whole POST.

    Raises:
        NotDeliveredError: it does not; the lines are ready again.
    """
    if lease_left(desk.ledger, batch) < desk.hospital.post_deadline_seconds:
        message = "the claim grew too old before it could be posted"
        _give_up(desk, claim, batch, NotDeliveredError(message, batch_id=batch.id))
    body = distribution(
        channel=batch.unit.channel,
        survey_uuid=batch.survey_uuid,
        lines=[line.fields for line in batch.lines],
        template_set=desk.hospital.template_set,
        validity_at=batch.validity_at,
        reminder_at=batch.reminder_at,
    )
    return desk.client.create_distribution(
        body,
        idempotency_key=batch.id,
        attendance_ids=[line.attendance_id for line in batch.lines],
    )


def _act(desk: Desk, claim: _Claim, batch: Batch, outcome: Outcome) -> None:
    """Do what the outcome says with the lines of the batch just posted."""
    detail, status = outcome.detail, outcome.status
    match outcome.verdict:
        case Verdict.ACCEPTED:
            _accept(desk, claim, batch, outcome)
        case Verdict.REFUSED:
            _accuse(claim, batch, outcome)
        case Verdict.TOO_LARGE:
            _halve_or_refuse(desk, claim, batch, outcome)
        case Verdict.UNCERTAIN:
            _doubt(desk, claim, batch, outcome)
        case Verdict.STOPPED:
            _give_up(
                desk, claim, batch, ServiceStoppedError(detail, batch_id=batch.id, status=status)
            )
        case Verdict.MISCONFIGURED:
            _give_up(desk, claim, batch, ConfigError(f"{detail} (HTTP {status})"))
        case Verdict.NOT_DELIVERED:
            error = NotDeliveredError(
                detail, batch_id=batch.id, status=status, retry_after=outcome.retry_after
            )
            _give_up(desk, claim, batch, error)


def _accept(desk: Desk, claim: _Claim, batch: Batch, outcome: Outcome) -> None:
    named = {batch.lines[i].id: _fault_text(fault) for i, fault in outcome.faults.items()}
    accepted = [line.id for line in batch.lines if line.id not in named]
    settlement = Settlement(
        accepted=accepted,
        refused=named,
        refusal=Refusal.IN_ACCEPTANCE,
        status=outcome.status,
        receipt=outcome.receipt,
    )
    _settle(desk, batch, settlement)
    claim.tally += Tally(accepted=len(accepted), refused=len(named))


def _accuse(claim: _Claim, batch: Batch, outcome: Outcome) -> None:
    """Single out the lines that Track names; where it names none, halve the batch."""
    named = outcome.faults
    if named or len(batch.lines) == 1:
        accused = named.keys() or {0}
        claim.accused += [(batch, batch.lines[i], _fault_text(named.get(i))) for i in accused]
        rest = [line for i, line in enumerate(batch.lines) if i not in accused]
        claim.parts += [(batch, rest)] if rest else []
    else:
        claim.parts += _halves(batch)


def _halve_or_refuse(desk: Desk, claim: _Claim, batch: Batch, outcome: Outcome) -> None:
    if len(batch.lines) > 1:
        claim.parts += _halves(batch)
        return
    refused = {batch.lines[0].id: "too_large"}
    _settle(desk, batch, Settlement(refused=refused, status=outcome.status))
    claim.tally += Tally(refused=1)


def _halves(batch: Batch) -> list[tuple[Batch, Sequence[ClaimedLine]]]:
    middle = (len(batch.lines) + 1) // 2
    return [(batch, batch.lines[middle:]), (batch, batch.lines[:middle])]


def _doubt(desk: Desk, claim: _Claim, batch: Batch, outcome: Outcome) -> None:
    """Leave the batch to a person, and what of the claim was not posted ready."""
    until_written(desk, lambda: doubt(desk.ledger, batch, status=outcome.status, actor=desk.actor))
    claim.tally += Tally(in_doubt=len(batch.lines), doubts=1)
    _drop(desk, claim)


def _drop(desk: Desk, claim: _Claim) -> None:
    """Close what is left of a claim that ends early: every line of it was certainly refused."""
    if claim.tally.accepted:
        _refuse_accused(desk, claim)
    if waiting := claim.waiting:
        released = Settlement(released=waiting, batch_state=BatchState.SPLIT)
        _settle(desk, claim.batch, released)
    claim.parts, claim.accused = [], []


def _give_up(desk: Desk, claim: _Claim, batch: Batch, error: TrackDispatchError) -> NoReturn:
    """Release the batch and what of its claim is not settled, and say why."""
    released = [line.id for line in batch.lines]
    status = getattr(error, "status", None)
    _settle(
        desk,
        batch,
        Settlement(released=released, status=status, batch_state=BatchState.NOT_DELIVERED),
    )
    _drop(desk, claim)
    raise error


def _next_part(desk: Desk, claim: _Claim, previous: Batch) -> Batch:
    """Start the next part as a batch of its own.

    Raises:
        NotDeliveredError: the claim is no longer ours to split, or we were stopped.
        LinesInFlightError: the survey stayed busy.
    """
    origin, part = claim.parts[-1]
    try:
        if desk.stopped():
            message = "stopped from outside"
            raise NotDeliveredError(message, batch_id=previous.id)
        batch = when_survey_is_free(
            desk,
            lambda: start_part(
                desk.ledger,
                origin,
                part,
                lease_seconds=desk.hospital.lease_seconds,
                actor=desk.actor,
            ),
        )
        if batch is None:
            message = "the claim's lease ended while its batch was being split"
            raise NotDeliveredError(message, batch_id=previous.id)
    except TrackDispatchError:
        # nothing of these lines has been posted since Track refused them
        _drop(desk, claim)
        raise
    claim.parts.pop()
    return batch


def _judge_accused(desk: Desk, claim: _Claim, last: Batch) -> None:
    """Refuse the lines that stand accused, unless nothing of the claim got through.

    Raises:
        ConfigError: Track refuses every line of a claim of two or more: a setting is to blame.
    """
    if not claim.accused:
        return
    if claim.tally.accepted or len(claim.batch.lines) == 1:
        _refuse_accused(desk, claim)
        return
    message = (
        f"Track refuses every line of this unit ({last.unit}): check its templates, its survey and"
        " the fields of the import lines; the lines are ready again"
    )
    released = Settlement(released=claim.waiting, batch_state=BatchState.NOT_DELIVERED)
    _settle(desk, last, released)
    raise ConfigError(message)


def _refuse_accused(desk: Desk, claim: _Claim) -> None:
    by_batch: dict[str, list[tuple[Batch, ClaimedLine, str]]] = defaultdict(list)
    for accusation in claim.accused:
        by_batch[accusation[0].id].append(accusation)
    for accusations in by_batch.values():
        batch = accusations[0][0]
        whole = len(accusations) == len(batch.lines)
        settlement = Settlement(
            refused={line.id: fault for _, line, fault in accusations},
            batch_state=BatchState.SETTLED if whole else BatchState.SPLIT,
        )
        _settle(desk, batch, settlement)
    claim.tally += Tally(refused=len(claim.accused))
    claim.accused = []


def _settle(desk: Desk, batch: Batch, settlement: Settlement) -> None:
    until_written(desk, lambda: settle(desk.ledger, batch, settlement, actor=desk.actor))


def _fault_text(fault: LineFault | None) -> str:
    """Name what Track faults: an error code and a field, never a value."""
    return " ".join(part for part in (fault and fault.code, fault and fault.field) if part)
