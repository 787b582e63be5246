"""Classify Track's answers, and divide refused batches.

Pure: no network, no clock. `transport.py` brings a `TrackResponse`, or a `TransportFailure` when
there is none; `classify_response` makes an `Outcome` of it by the table of `answer_table.py`, from
which dispatch settles the lines. A refused batch is split until the offending lines stand alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from itertools import chain
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

from track_dispatch.delivery.answer_body import (
    LineError,
    is_id,
    judge_success,
    named_lines,
    read_json,
)
from track_dispatch.delivery.answer_table import (
    AnswerCase,
    OutcomeKind,
    TransportFailure,
    case_of_status,
)
from track_dispatch.ledger.batches import Batch
from track_dispatch.ledger.envelopes import SealedLine


@dataclass(frozen=True, slots=True)
class TrackResponse:
    """What came back over the wire.

    `complete` is False when the body was cut, by the network, our deadline or our size limit, or
    when there is none and nothing says so. `retry_after`, `date`, `location` and `refresh` are the
    headers' texts. `own_ids` are those of the request, as `fold_id` makes them alike.
    """

    status: int
    content_type: str | None = None
    body: bytes = field(default=b"", repr=False)
    complete: bool = True
    retry_after: str | None = None
    date: str | None = None
    location: str | None = None
    refresh: str | None = None
    own_ids: Collection[str] = field(default=(), repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one POST, without any value of the batch.

    Attributes:
        verdict: what became of the batch.
        status: the HTTP status, None without an answer.
        receipt: Track's id of the distribution, if it gave one.
        faults: the lines that Track names, by position in the batch; only ever in an accepted or
            a refused batch.
        retry_after: seconds that Track asks us to wait.
        detail: what happened and what to do, in English, safe to log.
    """

    verdict: OutcomeKind
    detail: str
    status: int | None = None
    receipt: str | None = None
    faults: Mapping[int, LineError] = field(default_factory=lambda: MappingProxyType({}))
    retry_after: float | None = None


#: A text that JSON writes as it is: if the bytes do not hold it, no value does.
_NEVER_ESCAPED = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class BatchTexts:
    """Every text of the lines of a posted body, as a collection.

    Most answers ask for at most one text, a receipt that nobody posted: the body is parsed only
    when its bytes leave a doubt.

    Args:
        body: the distribution as it was posted, JSON in UTF-8.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __contains__(self, text: object, /) -> bool:
        if not isinstance(text, str):
            return False
        if _NEVER_ESCAPED.fullmatch(text) and text.encode() not in self._body:
            return False
        return text in self._texts

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    @cached_property
    def _texts(self) -> frozenset[str]:
        lines = json.loads(self._body)["import_lines"]
        return frozenset(text for line in lines for text in line.values())


_DECIDE = "; Track may have processed the batch: a person decides"


def classify_response(
    answer: TrackResponse | TransportFailure,
    attendance_ids: Sequence[str],
    *,
    now: datetime,
    acceptance: Sequence[str],
    values: Collection[str] = (),
) -> Outcome:
    """Return the outcome that an answer, or its absence, means for a posted batch.

    Args:
        answer: what `transport.send_request` brought back.
        attendance_ids: the batch's attendance ids, in the order of its lines.
        now: the moment of the answer, aware; a Retry-After date counts from it.
        acceptance: the members of an answer of which one must hold a receipt, as dotted paths.
        values: every text of the batch's lines; none of them gets into the outcome, nor does an
            attendance id. Asked for only where the answer might hold one.
    """
    if isinstance(answer, TransportFailure):
        return Outcome(answer.kind, _detail(answer))
    if 200 <= answer.status < 300:
        return _judge_success(answer, attendance_ids, acceptance, values)
    case = case_of_status(answer.status) or AnswerCase.UNFORESEEN
    detail = _detail(case)
    faults: Mapping[int, LineError] = {}
    if case.kind is OutcomeKind.REFUSED:
        faults = _refused_lines(answer, attendance_ids, values)
        detail += f", naming {len(faults)} of its lines" if faults else ", naming no line"
    return Outcome(
        case.kind,
        detail,
        status=answer.status,
        faults=MappingProxyType(faults),
        retry_after=retry_after_seconds(answer.retry_after, now),
    )


def _detail(why: AnswerCase | TransportFailure) -> str:
    return why.fact + (_DECIDE if why.kind is OutcomeKind.UNCERTAIN else "")


def _judge_success(
    answer: TrackResponse,
    attendance_ids: Sequence[str],
    acceptance: Sequence[str],
    values: Collection[str],
) -> Outcome:
    success = judge_success(
        answer.body,
        content_type=answer.content_type,
        complete=answer.complete,
        attendance_ids=attendance_ids,
        acceptance=acceptance,
        values=values,
        own_ids=answer.own_ids,
        leads_elsewhere=_leads_elsewhere(answer),
    )
    by_status = case_of_status(answer.status)
    case, faults = (by_status, {}) if by_status else (success.case, success.faults)
    return Outcome(
        case.kind,
        _detail(case).format(count=len(faults)),
        status=answer.status,
        receipt=success.receipt,
        faults=MappingProxyType(faults),
    )


def _leads_elsewhere(answer: TrackResponse) -> bool:
    """Tell whether a success sends us to a page: it may name what it made, by an id.

    Source: RFC 9110 10.2.2, 15.3.2, 15.3.3.
    """
    if answer.location is None or answer.refresh is not None:
        return answer.refresh is not None
    last = urlsplit(answer.location).path.rstrip("/").rpartition("/")[2]
    return answer.status not in {201, 202} or not is_id(last)


def _refused_lines(
    answer: TrackResponse, attendance_ids: Sequence[str], values: Collection[str]
) -> Mapping[int, LineError]:
    """Read which lines a refusal names; one that is not JSON names none."""
    try:
        document = read_json(answer.body)
    except ValueError:
        return {}
    return named_lines(document, attendance_ids, values=chain(attendance_ids, values)).faults


def retry_after_seconds(retry_after: str | None, now: datetime) -> float | None:
    """Read a Retry-After header: a number of seconds or a date; None when it is neither."""
    text = (retry_after or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII):
        return float(text)
    moment = http_moment(text)
    return None if moment is None else max(0.0, (moment - now).total_seconds())


def http_moment(text: str | None) -> datetime | None:
    """Read a date as headers write it, aware; None when it cannot be read."""
    try:
        moment = parsedate_to_datetime(text or "")
    except (OverflowError, TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


# -- how a refused batch comes apart -----------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """Lines of a refused batch that are still to be posted, as a batch of their own.

    Attributes:
        origin: the refused batch.
        status: of its refusal.
        lines: some of its lines.
    """

    origin: Batch
    status: int | None
    lines: tuple[SealedLine, ...]


@dataclass(frozen=True, slots=True)
class Suspects:
    """Lines of a refused batch that its refusal names, or that it leaves alone.

    They are to blame once another line of their claim gets through; until then a setting may be.

    Attributes:
        origin: the refused batch.
        status: of its refusal.
        faults: what Track faults, by place.
    """

    origin: Batch
    status: int | None
    faults: Mapping[int, str]


class Division(NamedTuple):
    """The division of a refused batch; its parts are in the order in which they are posted."""

    suspects: Suspects | None
    parts: tuple[Part, ...]


class Leftover(NamedTuple):
    """Lines of one batch that its claim does not post again: refused by place, or released."""

    batch: Batch
    status: int | None
    refused: Mapping[int, str]
    released: frozenset[int]


def isolate(batch: Batch, outcome: Outcome) -> Division:
    """Separate the lines that a refusal names; if it names none, halve the batch."""
    if not outcome.faults and len(batch.lines) > 1:
        return bisect(batch, outcome)
    faults = faults_by_place(batch, outcome) or {batch.lines[0].place: ""}
    rest = tuple(line for line in batch.lines if line.place not in faults)
    suspects = Suspects(batch, outcome.status, faults)
    return Division(suspects, (Part(batch, outcome.status, rest),) if rest else ())


def bisect(batch: Batch, outcome: Outcome) -> Division:
    """Halve a batch that is refused or too large; the first half is the larger one."""
    middle = (len(batch.lines) + 1) // 2
    halves = batch.lines[:middle], batch.lines[middle:]
    return Division(None, tuple(Part(batch, outcome.status, half) for half in halves))


def leftovers(
    parts: Sequence[Part], suspects: Sequence[Suspects], *, refuse: bool
) -> list[Leftover]:
    """Return the leftovers of a claim that ends, by the batch that the lines were posted in last.

    Args:
        parts: not posted yet; they are released.
        suspects: the lines that stand suspected.
        refuse: whether these are to blame; otherwise they are released.
    """
    origins: dict[str, tuple[Batch, int | None]] = {}
    released: dict[str, set[int]] = {}
    refused: dict[str, Mapping[int, str]] = {}
    for part in parts:
        origins[part.origin.id] = part.origin, part.status
        released.setdefault(part.origin.id, set()).update(line.place for line in part.lines)
    for suspect in suspects:
        origins[suspect.origin.id] = suspect.origin, suspect.status
        if refuse:
            refused[suspect.origin.id] = suspect.faults  # a batch comes apart once
        else:
            released.setdefault(suspect.origin.id, set()).update(suspect.faults)
    return [
        Leftover(batch, status, refused.get(key, {}), frozenset(released.get(key, ())))
        for key, (batch, status) in origins.items()
    ]


def faults_by_place(batch: Batch, outcome: Outcome) -> dict[int, str]:
    """Return an error code and a field, never a value, of each line that an answer names."""
    return {
        batch.lines[i].place: " ".join(part for part in (fault.code, fault.field) if part)
        for i, fault in outcome.faults.items()
    }
