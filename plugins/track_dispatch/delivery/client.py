"""Track's API as far as we use it: the list of surveys, and the POST of a distribution.

The body of that POST is pure data from a batch and a template set, and the same as bytes.

Source: docs/track-api.md#distribution
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Self
from urllib.parse import urlencode

import orjson
from requests import Session

from track_dispatch.config import Hospital
from track_dispatch.config.policies import TemplateSet
from track_dispatch.delivery.answer_body import fold_id, read_json
from track_dispatch.delivery.answer_table import (
    AnswerCase,
    OutcomeKind,
    TransportFailure,
    case_of_status,
)
from track_dispatch.delivery.responses import TrackResponse, http_moment, retry_after_seconds
from track_dispatch.delivery.transport import Transport
from track_dispatch.errors import ConfigError, NotDeliveredError, ServiceStoppedError
from track_dispatch.ledger.envelopes import SealedLine
from track_dispatch.records import Channel


def validity_and_reminder(now: datetime, hospital: Hospital) -> tuple[int, int | None]:
    """Return the end of validity and the moment of the reminder of a dispatch at `now`.

    A reminder that would come at night waits for the window to open.

    Returns:
        Both in unix seconds; no reminder where it would come after the end.
    """
    validity_at = int((now + timedelta(days=hospital.validity_days)).timestamp())
    wanted = now + timedelta(days=hospital.reminder_days)
    reminder_at = int(hospital.window.opening(wanted).timestamp())
    return validity_at, reminder_at if reminder_at < validity_at else None


def posted_fields(line: Mapping[str, str], hospital: Hospital, channel: Channel) -> dict[str, str]:
    """Return the fields of an import line that the hospital sends to Track.

    The identifier, the name and the channel's contact are always sent, as nobody can be asked
    without them.
    """
    if hospital.import_fields is None:
        return dict(line)
    going = {*hospital.import_fields, hospital.identifier, "name", channel.contact}
    return {name: value for name, value in line.items() if name in going}


def distribution(
    *,
    channel: Channel,
    survey_uuid: str,
    lines: Sequence[Mapping[str, str]],
    template_set: TemplateSet,
    validity_at: int,
    reminder_at: int | None = None,
) -> dict[str, Any]:
    """Compose the POST that hands a batch's lines to Track.

    Args:
        channel: how Track reaches the patients.
        survey_uuid: the survey of the hospital's area; each line gets it as `uuid`, too.
        lines: the import lines, in the batch's order.
        template_set: the hospital's templates.
        validity_at: end of the survey's validity, unix seconds.
        reminder_at: moment of the reminder, unix seconds; None = no reminder.

    Raises:
        ConfigError: the template set has no templates for the channel.
    """
    templates = template_set.of(channel)
    if templates is None:
        raise ConfigError(
            f"The hospital's template set has no templates for {channel.label}: add them to its"
            " file, or take the channel out of the hospital's channels."
        )
    body: dict[str, Any] = {
        "survey_uuid": survey_uuid,
        "distribution_channel": channel.value,
        "validity_at": validity_at,
    }
    if reminder_at is not None:
        body |= {"reminder_channel": channel.value, "reminder_at": reminder_at}
    body |= templates.posted(reminder=reminder_at is not None)
    body["import_lines"] = [{**line, "uuid": survey_uuid} for line in lines]
    return body


_LINES_FOLLOW = b'"import_lines":'
_TEXT = re.compile(rb'"([^"\\]+)"')
_NO_LINES = b'"import_lines":[]}'


def encode_distribution(
    lines: Iterable[SealedLine],
    hospital: Hospital,
    *,
    channel: Channel,
    survey: str,
    validity_at: int,
    reminder_at: int | None,
) -> bytes:
    """Compose the POST that hands lines to Track; equal, once parsed, to `distribution`.

    Args:
        lines: in the batch's order.
        hospital: its templates, and what of a line it lets go.
        channel: how Track reaches the patients.
        survey: of the lines' area; each line gets it as `uuid`, too.
        validity_at: end of the survey's validity, unix seconds.
        reminder_at: moment of the reminder, unix seconds; None = no reminder.

    Raises:
        ConfigError: the hospital's templates do not serve the channel.
    """
    body = orjson.dumps(
        distribution(
            channel=channel,
            survey_uuid=survey,
            lines=(),
            template_set=hospital.template_set,
            validity_at=validity_at,
            reminder_at=reminder_at,
        )
    )
    head, lines_follow, _ = body.rpartition(_NO_LINES)
    tail = b',"uuid":%b}' % orjson.dumps(survey)
    fields = (line.fields for line in lines)
    if hospital.import_fields is not None:
        fields = (
            orjson.dumps(posted_fields(orjson.loads(field), hospital, channel)) for field in fields
        )
    joined = b",".join([field[:-1] + tail for field in fields])
    return b"".join((head, lines_follow[:-2], joined, b"]}"))


#: Surveys asked for in one request.
PAGE_ROWS = 100
#: More pages than any organization has: a server that never ends its list is at fault.
MAX_PAGES = 100


@dataclass(frozen=True, slots=True)
class TrackSurvey:
    """One survey of the organization, as Track lists it."""

    uuid: str
    name: str
    status: str


class TrackClient:
    """Talks to Track over a session that brings the token, proxies and certificates.

    It logs nothing and raises nothing that carries a request or an answer. Any thread may call it,
    but never two at a time. Close it after use: what it keeps between requests includes a thread.

    Args:
        session: from `TrackHook`; closed with the client.
        base_url: scheme and host, perhaps with a port and a path.
        organization: the organization's UUID.
        deadline_seconds: for one whole request, from name resolution to the answer's last byte.
        connect_timeout_seconds: for opening the connection; at most half the deadline is used.
        clock: tells the time that a Retry-After date is counted from.
    """

    def __init__(
        self,
        session: Session,
        *,
        base_url: str,
        organization: str,
        deadline_seconds: float,
        connect_timeout_seconds: float = 10.0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._session = session
        self._organization = organization
        self._root = f"{base_url.rstrip('/')}/v1/organizations/{organization}"
        self._deadline = deadline_seconds
        self._clock = clock
        connect_timeout = min(connect_timeout_seconds, deadline_seconds / 2)
        self._transport = Transport(session, connect_timeout_seconds=connect_timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the transport and the session."""
        self._transport.close()
        self._session.close()

    def probe(self) -> None:
        """List one survey, to find an outage before a POST.

        Raises:
            NotDeliveredError: Track gave no proper answer.
            ServiceStoppedError: Track wants a person or another key.
            ConfigError: the connection points to the wrong place.
        """
        self._surveys(page=1, limit=1)

    def list_surveys(self) -> list[TrackSurvey]:
        """Fetch all surveys of the organization, page by page.

        Raises:
            NotDeliveredError: Track gave no proper answer.
            ServiceStoppedError: Track wants a person or another key.
            ConfigError: the connection points to the wrong place.
        """
        surveys: dict[str, TrackSurvey] = {}
        for page in range(1, MAX_PAGES + 1):
            rows, pages = self._surveys(page=page, limit=PAGE_ROWS)
            found = {row["uuid"]: _survey(row) for row in rows}
            is_last = page >= pages if pages is not None else len(rows) < PAGE_ROWS
            nothing_new = found.keys() <= surveys.keys()
            surveys |= found
            if is_last or nothing_new:
                return list(surveys.values())
        raise NotDeliveredError(
            f"Track's list of surveys did not end after {MAX_PAGES} pages: ask Track's support."
        )

    def server_time(self) -> datetime | None:
        """List one survey and return the time in the answer's head, aware.

        Any answer will do, a refusal as well; None when it has no `Date`. Source: RFC 9110 6.6.1.

        Raises:
            NotDeliveredError: there was no answer.
            ConfigError: the connection cannot be used.
        """
        answer = self._ask_for_surveys(page=1, limit=1)
        if isinstance(answer, TransportFailure):
            raise _failure(answer)
        return http_moment(answer.date)

    def post_distribution(
        self, body: bytes, *, idempotency_key: str
    ) -> TrackResponse | TransportFailure:
        """Post a batch, once; `classify_response` classifies the answer.

        Args:
            body: the whole distribution as JSON in UTF-8.
            idempotency_key: the batch's id.
        """
        headers = {"Content-Type": "application/json", "Idempotency-Key": idempotency_key}
        answer = self._send("POST", "/distributions", headers=headers, body=body)
        if isinstance(answer, TransportFailure):
            return answer
        head = body.partition(_LINES_FOLLOW)[0]
        own = (idempotency_key, self._organization, *map(bytes.decode, _TEXT.findall(head)))
        return replace(answer, own_ids=frozenset(map(fold_id, own)))

    def _send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        body: bytes | None = None,
    ) -> TrackResponse | TransportFailure:
        return self._transport.send_request(
            method,
            self._root + path,
            headers={"Accept": "application/json", **headers},
            body=body,
            deadline_seconds=self._deadline,
        )

    def _surveys(self, *, page: int, limit: int) -> tuple[list[dict[str, Any]], int | None]:
        """Fetch one page: its rows, and the number of pages if Track tells it."""
        answer = self._ask_for_surveys(page=page, limit=limit)
        if isinstance(answer, TransportFailure):
            raise _failure(answer)
        if (case := case_of_status(answer.status)) is not None:
            wait = retry_after_seconds(answer.retry_after, self._clock())
            raise _failure(case, answer.status, wait)
        return _page(answer)

    def _ask_for_surveys(self, *, page: int, limit: int) -> TrackResponse | TransportFailure:
        query = {"include_questions": "False", "limit": str(limit), "page": str(page)}
        return self._send("GET", f"/surveys?{urlencode(query)}")


def _failure(
    why: AnswerCase | TransportFailure, status: int | None = None, retry_after: float | None = None
) -> ConfigError | NotDeliveredError | ServiceStoppedError:
    """Make the error of a question; asking has no effect, so no failure of it is uncertain."""
    detail = f"Track did not list its surveys: {why.fact}"
    where = f" (HTTP {status})" if status else ""
    if why is AnswerCase.REDIRECTED:  # nobody redirects a question that is asked at the right place
        return ConfigError(f"{detail}{where}; check the connection's host")
    match why.kind:
        case OutcomeKind.STOPPED:
            return ServiceStoppedError(detail, status=status)
        case OutcomeKind.MISCONFIGURED | OutcomeKind.REFUSED | OutcomeKind.TOO_LARGE:
            return ConfigError(f"{detail}{where}")
        case OutcomeKind.NOT_DELIVERED | OutcomeKind.UNCERTAIN | OutcomeKind.ACCEPTED:
            return NotDeliveredError(detail, status=status, retry_after=retry_after)


def _page(answer: TrackResponse) -> tuple[list[dict[str, Any]], int | None]:
    """Read a page of surveys: a bare list, or an object with `data` and perhaps `total_pages`.

    Raises:
        NotDeliveredError: the answer has another shape.
    """
    try:
        document = read_json(answer.body) if answer.complete else None
    except ValueError:
        document = None
    rows = document.get("data") if isinstance(document, dict) else document
    if not isinstance(rows, list) or not all(_is_survey(row) for row in rows):
        raise NotDeliveredError(
            "Track's list of surveys cannot be read: neither a list of surveys nor an object with"
            " one as `data`.",
            status=answer.status,
        )
    pages = document.get("total_pages") if isinstance(document, dict) else None
    return rows, pages if isinstance(pages, int) else None


def _is_survey(row: object) -> bool:
    return isinstance(row, dict) and isinstance(row.get("uuid"), str)


def _survey(row: Mapping[str, Any]) -> TrackSurvey:
    return TrackSurvey(row["uuid"], str(row.get("name") or ""), str(row.get("status") or ""))
