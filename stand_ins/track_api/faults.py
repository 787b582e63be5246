"""Everything that may go wrong with a POST, as data: build a fault, then script it.

Each function returns a `Fault`: what happens on the wire, and whether the batch was accepted
before. `accepted=True` lets the stand-in check and accept the batch as always, and only then
misbehave. Pauses last until they are over or the server stops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from enum import StrEnum

from stand_ins.track_api.answers import (
    CAPTCHA_PAGE,
    ErrorsForm,
    Problem,
    Reply,
    document,
    page,
    problem_document,
)

#: Longer than anybody waits for an answer, in seconds.
LONG = 3600.0

#: The receipt of an answer that is made up.
SOME_RECEIPT = "00000000-0000-4000-8000-000000000000"

#: Where redirects lead; a request that follows one is recorded there.
REDIRECT_PATH = "/moved"


class Travel(StrEnum):
    """How an answer travels, or what happens instead of one."""

    WHOLE = "whole"
    DRIP = "drip"  # byte by byte, `seconds` apart
    SLOW_HEADERS = "slow_headers"  # the status line, then a pause of `seconds`
    SLOW_BODY = "slow_body"  # the headers and half the body, then a pause of `seconds`
    TRUNCATED = "truncated"  # less body than announced, then the end of the connection
    CLOSED = "closed"  # no answer, an orderly end
    RESET = "reset"  # no answer, the connection is torn down
    UNREAD = "unread"  # torn down before the body of the request is read
    REFUSED = "refused"  # nobody listens


@dataclass(frozen=True, slots=True)
class LineRefusal:
    """A content refusal by position: the lines at `positions` are named, none if empty."""

    status: int
    positions: tuple[int, ...] = ()
    form: ErrorsForm = ErrorsForm.BY_KEY

    def answer(self, lines: Sequence[Mapping[str, str]]) -> Reply:
        """Name those of the batch's lines that exist."""
        named = [
            Problem("is not acceptable", "email", position)
            for position in self.positions
            if position < len(lines)
        ]
        return problem_document(self.status, named, lines=lines, form=self.form)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to misbehave.

    Attributes:
        name: What records and the page call it.
        accepted: Whether the batch is checked and accepted as always before the fault.
        answer: What is answered; None: what the batch deserves if `accepted`, else a 503.
        travel: How the answer travels.
        seconds: The pause, or the interval of the drip, or how long nobody listens (None: until
            `TrackStandIn.listen_again`).
    """

    name: str
    accepted: bool = False
    answer: Reply | LineRefusal | None = None
    travel: Travel = Travel.WHOLE
    seconds: float | None = 0.0


def refuse_connections(seconds: float | None = None) -> Fault:
    """Refuse connections from the end of the exchange before this POST on, for `seconds`.

    The client must have been answered something before, such as the list of surveys; where
    nothing comes before, use `TrackStandIn.refusing()`.
    """
    return Fault(name="refuse_connections", travel=Travel.REFUSED, seconds=seconds)


def drop_unread() -> Fault:
    """Tear the connection down when the headers are read but the body is not."""
    return Fault(name="drop_unread", travel=Travel.UNREAD)


def drop(*, accepted: bool, orderly: bool = False) -> Fault:
    """End the connection after reading everything, without an answer; `orderly`: no reset."""
    travel = Travel.CLOSED if orderly else Travel.RESET
    return Fault(name=_name("drop", accepted), accepted=accepted, travel=travel)


def drip(interval: float, *, accepted: bool = True) -> Fault:
    """Send the answer byte by byte, `interval` seconds apart; 503 unless `accepted`."""
    return _paused(Travel.DRIP, interval, accepted=accepted)


def slow_headers(seconds: float = LONG, *, accepted: bool = True) -> Fault:
    """Pause in the middle of the headers; the answer is a 503 unless `accepted`."""
    return _paused(Travel.SLOW_HEADERS, seconds, accepted=accepted)


def slow_body(seconds: float = LONG, *, accepted: bool = True) -> Fault:
    """Pause in the middle of the body; the answer is a 503 unless `accepted`."""
    return _paused(Travel.SLOW_BODY, seconds, accepted=accepted)


def _paused(travel: Travel, seconds: float, *, accepted: bool) -> Fault:
    return Fault(
        name=_name(travel.value, accepted),
        accepted=accepted,
        travel=travel,
        seconds=seconds,
    )


def answer(status: int, *, accepted: bool = False) -> Fault:
    """Answer a status with a JSON message: 500, 502, 503, 408, 409, 404, 401, 403, ..."""
    reply = document(status, {"message": f"Answer {status} as scripted"})
    return Fault(name=_name(str(status), accepted), accepted=accepted, answer=reply)


def truncated(status: int = 201) -> Fault:
    """Accept the batch, then cut the JSON short of the announced length."""
    reply = document(status, {"uuid": SOME_RECEIPT})
    return Fault(name="truncated", accepted=True, answer=reply, travel=Travel.TRUNCATED)


def saying(name: str, content: object, *, status: int = 200, accepted: bool) -> Fault:
    """Answer a success whose JSON says whatever it is told to."""
    reply = document(status, content)
    return Fault(name=_name(name, accepted), accepted=accepted, answer=reply)


def failure_within(*, accepted: bool = False) -> Fault:
    """Answer 200, a receipt, and that nothing came of it."""
    content = {"success": False, "error": "quota exceeded", "uuid": SOME_RECEIPT}
    return saying("failure_within", content, accepted=accepted)


def without_receipt(*, accepted: bool = True) -> Fault:
    """Answer 200 and a message, but no receipt."""
    return saying("without_receipt", {"message": "Thank you."}, accepted=accepted)


def in_parts(*, accepted: bool = True) -> Fault:
    """Answer 207: a status for each part."""
    parts = {"uuid": SOME_RECEIPT, "parts": [{"code": 201}, {"code": 500}]}
    return saying("207", parts, status=207, accepted=accepted)


def plain_text(*, accepted: bool = True) -> Fault:
    """Answer 200 in bare text."""
    reply = Reply(status=200, body=b"OK", content_type="text/plain")
    return Fault(name=_name("plain_text", accepted), accepted=accepted, answer=reply)


def html(*, status: int = 200, accepted: bool = True) -> Fault:
    """Answer an HTML page: a proxy's, a login's, a maintenance notice."""
    reply = page(status, "<!doctype html><html><body><h1>Scheduled maintenance</h1></body></html>")
    return Fault(name=_name(f"html_{status}", accepted), accepted=accepted, answer=reply)


def empty(*, status: int = 200, accepted: bool = True) -> Fault:
    """Answer a status without a body."""
    return Fault(
        name=_name(f"empty_{status}", accepted), accepted=accepted, answer=Reply(status=status)
    )


def redirect(status: int = 302, *, location: str = REDIRECT_PATH, accepted: bool = False) -> Fault:
    """Answer a redirection to a path where whoever follows is recorded."""
    reply = Reply(status=status, headers=(("Location", location),))
    return Fault(name=_name(f"redirect_{status}", accepted), accepted=accepted, answer=reply)


def refuse(
    status: int = 422, *, positions: Sequence[int] = (), form: ErrorsForm = ErrorsForm.BY_KEY
) -> Fault:
    """Refuse the whole batch (400, 413, 415, 422), naming the lines at `positions`, or none."""
    named = tuple(positions)
    return Fault(
        name=f"refuse_{status}_{'named' if named else 'unnamed'}",
        answer=LineRefusal(status, named, form),
    )


def too_many_requests(retry_after: float | datetime | None = None) -> Fault:
    """Answer 429, with `Retry-After` in seconds or as an HTTP date (an aware moment in UTC)."""
    if isinstance(retry_after, datetime):
        value: str | None = format_datetime(retry_after, usegmt=True)
    else:
        value = None if retry_after is None else f"{retry_after:g}"
    headers = () if value is None else (("Retry-After", value),)
    return Fault(
        name="429", answer=document(429, {"message": "Too Many Attempts."}, headers=headers)
    )


def captcha() -> Fault:
    """Answer 405 with a CAPTCHA, as the older product does to who asks too often."""
    return Fault(name="captcha", answer=page(405, CAPTCHA_PAGE))


def unmatched_errors(form: ErrorsForm = ErrorsForm.BY_KEY, *, status: int = 201) -> Fault:
    """Accept the batch, with an `errors` list of which no entry is a line of the batch."""
    nowhere = {
        ErrorsForm.BY_KEY: {"import_lines.100000.email": ["is not acceptable"]},
        ErrorsForm.BY_LINE: [{"line": 100_000, "message": "is not acceptable"}],
        ErrorsForm.BY_ATTENDANCE: [{"cd_atendimento": "-", "message": "is not acceptable"}],
    }[form]
    reply = document(status, {"uuid": SOME_RECEIPT, "errors": nowhere})
    return Fault(name="unmatched_errors", accepted=True, answer=reply)


def _name(name: str, accepted: bool) -> str:
    return f"{name}_accepted" if accepted else name


#: The batch was certainly not processed: these lines may be posted again.
CERTAIN: tuple[Fault, ...] = (
    too_many_requests(1),
    answer(404),
    refuse(422),
    refuse(400, positions=(0,)),
    refuse(413),
    redirect(307),
)

#: Whether the batch was processed cannot be told from outside; here half of them were.
UNCERTAIN: tuple[Fault, ...] = (
    drop_unread(),
    drop(accepted=False),
    drop(accepted=True),
    drop(accepted=True, orderly=True),
    answer(500),
    answer(500, accepted=True),
    answer(502),
    answer(503, accepted=True),
    answer(408),
    answer(409, accepted=True),
    html(accepted=False),
    html(accepted=True),
    unmatched_errors(),
    redirect(302),
    redirect(303, accepted=True),
    failure_within(),
    without_receipt(),
    in_parts(),
    plain_text(),
    truncated(),
)

#: The answer is odd, the acceptance is not.
ACCEPTING: tuple[Fault, ...] = (empty(),)

#: What random faults are drawn from unless told otherwise: none of them pauses.
QUICK: tuple[Fault, ...] = CERTAIN + UNCERTAIN + ACCEPTING
