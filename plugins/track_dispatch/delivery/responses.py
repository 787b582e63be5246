"""What an answer of Track means for a batch: the one table of outcomes.

Pure: no network, no clock. `transport.py` brings a `TrackResponse`, or a `TransportFailure` when
there is none; `classify_response` makes an `Outcome` of it, from which dispatch settles the lines.

Source: docs/track-api.md#answers
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import cached_property
from itertools import chain
from types import MappingProxyType

from track_dispatch.delivery.line_errors import LineError, named_lines

__all__ = [
    "BatchTexts",
    "LineError",
    "Outcome",
    "OutcomeKind",
    "TrackResponse",
    "TransportFailure",
    "classify_response",
    "http_moment",
]


class OutcomeKind(StrEnum):
    """What became of a batch, and so what may be done with its lines."""

    ACCEPTED = "accepted"
    """Delivered: the lines are accepted; those that Track names are refused for good. One that
    names every line is uncertain instead."""
    NOT_DELIVERED = "not_delivered"
    """Certainly not processed: the lines are ready again, and the task is tried again."""
    STOPPED = "stopped"
    """Certainly not processed: the lines are ready again, and no hospital sends until a person
    says `resume`."""
    MISCONFIGURED = "misconfigured"
    """Certainly not processed, by a wrong setting: the lines are ready again, the unit fails with
    ConfigError."""
    TOO_LARGE = "too_large"
    """Certainly not processed: the batch is halved; a single line is refused."""
    REFUSED = "refused"
    """Certainly not processed, by its content: it is split until the offending lines stand
    alone."""
    UNCERTAIN = "uncertain"
    """Perhaps processed: the lines are in doubt. No machine sends them again, a person decides."""


class TransportFailure(StrEnum):
    """Why there is no answer; the last two: the request had begun, it may have arrived."""

    NAME = "the host's name could not be resolved"
    UNREACHABLE = "the connection was refused or broke before the request"
    CONNECT_TIMEOUT = "the connection could not be opened in time"
    TLS = "no trusted TLS connection could be made"
    PROXY = "the proxy could not be reached or did not connect us"
    LATE = "the deadline passed before the request could begin"
    SETTINGS = "the connection's host, verify, cert or proxies cannot be used"
    BROKEN = "the connection broke after the request had begun"
    DEADLINE = "the deadline passed after the request had begun"


@dataclass(frozen=True, slots=True)
class TrackResponse:
    """What came back over the wire.

    `complete` is False when the body was cut: by the network, our deadline or our size limit.
    `retry_after` and `date` are the headers' texts.
    """

    status: int
    content_type: str | None = None
    body: bytes = field(default=b"", repr=False)
    complete: bool = True
    retry_after: str | None = None
    date: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict on one POST, free of any value of the batch.

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
    """Every text of the lines of a posted body, as a collection to ask and to walk.

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


_RETRY = "nothing was sent; it is safe to try again"
_CORRECT = "nothing was sent; correct the Airflow connection"
_DECIDE = "Track may have processed the batch: a person decides"
_BY_FAILURE: Mapping[TransportFailure, tuple[OutcomeKind, str]] = {
    TransportFailure.NAME: (OutcomeKind.NOT_DELIVERED, _RETRY),
    TransportFailure.UNREACHABLE: (OutcomeKind.NOT_DELIVERED, _RETRY),
    TransportFailure.CONNECT_TIMEOUT: (OutcomeKind.NOT_DELIVERED, _RETRY),
    TransportFailure.TLS: (OutcomeKind.NOT_DELIVERED, _RETRY),
    TransportFailure.PROXY: (OutcomeKind.NOT_DELIVERED, _RETRY),
    TransportFailure.LATE: (OutcomeKind.NOT_DELIVERED, _RETRY),
    TransportFailure.SETTINGS: (OutcomeKind.MISCONFIGURED, _CORRECT),
    TransportFailure.BROKEN: (OutcomeKind.UNCERTAIN, _DECIDE),
    TransportFailure.DEADLINE: (OutcomeKind.UNCERTAIN, _DECIDE),
}

_BY_STATUS: Mapping[int, tuple[OutcomeKind, str]] = {
    400: (OutcomeKind.REFUSED, "Track refuses the content of the batch"),
    401: (OutcomeKind.STOPPED, "Track does not know the token: check the connection's password"),
    403: (OutcomeKind.STOPPED, "the token lacks the right: check it in Track"),
    404: (OutcomeKind.MISCONFIGURED, "no such address: check the connection's host and login"),
    405: (OutcomeKind.STOPPED, "Track wants a person (CAPTCHA): look at the account, send nothing"),
    408: (OutcomeKind.UNCERTAIN, "Track gave up waiting, it may have processed the batch"),
    409: (OutcomeKind.UNCERTAIN, "Track reports a conflict, it may have processed the batch"),
    413: (OutcomeKind.TOO_LARGE, "the batch is too large for Track: send fewer lines at once"),
    415: (OutcomeKind.MISCONFIGURED, "Track does not take JSON at this address: check the host"),
    422: (OutcomeKind.REFUSED, "Track refuses the content of the batch"),
    429: (OutcomeKind.NOT_DELIVERED, "Track asks us to slow down: wait, then try again"),
}
_BY_CLASS: Mapping[int, tuple[OutcomeKind, str]] = {
    3: (OutcomeKind.MISCONFIGURED, "Track redirects, which is never followed: check the host"),
    4: (OutcomeKind.MISCONFIGURED, "Track refuses the request as such: check the connection"),
    5: (OutcomeKind.UNCERTAIN, "Track failed, it may have processed the batch: a person decides"),
}
_UNKNOWN = (OutcomeKind.UNCERTAIN, "an answer that HTTP does not foresee: a person decides")


def classify_response(
    answer: TrackResponse | TransportFailure,
    attendance_ids: Sequence[str],
    *,
    now: datetime,
    values: Collection[str] = (),
) -> Outcome:
    """Tell what an answer, or its absence, means for the batch that was posted.

    Args:
        answer: what `transport.send_request` brought back.
        attendance_ids: the batch's attendance ids, in the order of its lines.
        now: the moment of the answer, aware; a Retry-After date counts from it.
        values: every text of the batch's lines; none of them gets into the outcome, nor does an
            attendance id. Asked for only where the answer might hold one.
    """
    if isinstance(answer, TransportFailure):
        verdict, advice = _BY_FAILURE[answer]
        return Outcome(verdict, f"{answer.value}: {advice}")
    if 200 <= answer.status < 300:
        return _judge_success(answer, attendance_ids, values)
    by_class = _BY_CLASS.get(answer.status // 100, _UNKNOWN)
    verdict, detail = _BY_STATUS.get(answer.status, by_class)
    faults: Mapping[int, LineError] = {}
    if verdict is OutcomeKind.REFUSED:
        texts = chain(attendance_ids, values)
        faults = named_lines(_document(answer), attendance_ids, values=texts).faults
        detail += f", naming {len(faults)} of its lines" if faults else ", naming no line"
    return Outcome(
        verdict,
        detail,
        status=answer.status,
        faults=MappingProxyType(faults),
        retry_after=_seconds(answer.retry_after, now),
    )


def _judge_success(
    answer: TrackResponse, attendance_ids: Sequence[str], values: Collection[str]
) -> Outcome:
    """Tell a 2xx of Track's program from that of a page in front of it."""
    status = answer.status
    if answer.complete and not answer.body.strip():
        return Outcome(
            OutcomeKind.ACCEPTED, "Track accepted the batch, without a word", status=status
        )
    if not _speaks_json(answer):
        detail = "a success that is no JSON, perhaps not from Track itself: a person decides"
        return Outcome(OutcomeKind.UNCERTAIN, detail, status=status)
    document = _document(answer)
    naming = named_lines(document, attendance_ids, values=chain(attendance_ids, values))
    receipt = _receipt(document, attendance_ids, values)
    if naming.unmatched:
        detail = "Track reports errors that match no line of the batch: a person decides"
        return Outcome(OutcomeKind.UNCERTAIN, detail, status=status, receipt=receipt)
    detail = f"Track accepted the batch, refusing {len(naming.faults)} of its lines"
    return Outcome(
        OutcomeKind.ACCEPTED,
        detail if naming.faults else "Track accepted the batch",
        status=status,
        receipt=receipt,
        faults=MappingProxyType(naming.faults),
    )


def _speaks_json(answer: TrackResponse) -> bool:
    """Tell whether the body is JSON, or was going to be before it was cut.

    The declared type decides, but a body that opens with `<` is a page whatever its type claims.
    Without a type only a whole JSON object or list counts.
    """
    if answer.body.lstrip().startswith(b"<"):
        return False
    if answer.content_type is None:
        return isinstance(_document(answer), (dict, list))
    kind = answer.content_type.partition(";")[0].strip().lower()
    return kind in {"application/json", "text/json"} or kind.endswith("+json")


def _document(answer: TrackResponse) -> object:
    """Parse the body; None when it is no JSON."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None


_RECEIPT = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)


def _receipt(
    document: object, attendance_ids: Sequence[str], values: Collection[str]
) -> str | None:
    """Find the distribution's id: `uuid`, else `id`; an echo of the batch is none."""
    found = (document.get("uuid"), document.get("id")) if isinstance(document, dict) else ()
    for candidate in found:
        if isinstance(candidate, bool) or not isinstance(candidate, (int, str)):
            continue
        receipt = str(candidate)
        is_echo = receipt in attendance_ids or receipt in values
        if _RECEIPT.fullmatch(receipt) and not is_echo:
            return receipt
    return None


def _seconds(retry_after: str | None, now: datetime) -> float | None:
    """Read a Retry-After header: a number of seconds or a date; None when it is neither."""
    text = (retry_after or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII):
        return float(text)
    moment = http_moment(text)
    return None if moment is None else max(0.0, (moment - now).total_seconds())


def http_moment(text: str | None) -> datetime | None:
    """Read a date as headers write it, aware; None when it is none."""
    try:
        moment = parsedate_to_datetime(text or "")
    except (OverflowError, TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
