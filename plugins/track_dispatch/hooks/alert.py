"""Send the optional alert of a red run, with counts only, and a task's metrics.

The address of the webhook is a secret: whoever knows it may post there. An alert is sent over our
own transport, which logs nothing, under one deadline, and Airflow's masker learns it first. Metrics
go wherever Airflow's own go: StatsD, OpenTelemetry, or nowhere.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from airflow.sdk.log import mask_secret
from airflow.sdk.observability import stats
from requests.auth import HTTPBasicAuth

from track_dispatch.connections import HTTP_EXTRA, check_http_extra, find_connection, session_of
from track_dispatch.delivery.answer_body import read_json
from track_dispatch.delivery.answer_table import TransportFailure
from track_dispatch.delivery.failure_signs import is_yes, says_failure
from track_dispatch.delivery.responses import TrackResponse
from track_dispatch.delivery.transport import Transport
from track_dispatch.errors import ConfigError, did_you_mean
from track_dispatch.metric_table import MetricKind, Sample
from track_dispatch.states import Labelled

if TYPE_CHECKING:
    from airflow.sdk import Connection

log = logging.getLogger(__name__)

CONN_ID = "track_alert"
#: Seconds for the whole request.
DEADLINE_SECONDS = 15.0
#: Characters of an alert; a card of Teams takes 28 KB. What does not fit is in the log.
LONGEST_ALERT = 8000
#: Characters from which on a path may hold a secret: to mask "alerts" would spoil every log.
SHORTEST_SECRET = 16

_FAILURE = re.compile(
    r"erro|fail|falh|exception|reject|rejei|denied|invalid|refused|not found|forbidden"
    r"|unauthori[sz]ed",
    re.IGNORECASE,
)
#: An HTML page, of a log-in or a proxy: no webhook answers with one.
_PAGE = re.compile(r"<!doctype|<html", re.IGNORECASE)


class AlertFormat(StrEnum):
    """The shape of the body, `alert_format` in the extra."""

    JSON = "json"
    """`{"text": ...}`, for anything of one's own; Google Chat takes it, too."""
    SLACK = "slack"
    """The same with Slack's three control characters escaped and its markup off."""
    TEAMS = "teams"
    """A message with an adaptive card, as a Teams workflow takes it; connectors are gone."""


class AlertProblem(Labelled):
    """Why an alert was not delivered."""

    SETTINGS = "its connection cannot be used", "a conexão está errada"
    UNREACHABLE = "its address cannot be reached", "o endereço não responde"
    DEADLINE = "it did not answer in time", "sem resposta no prazo"
    STATUS = "it did not take it", "não aceitou"
    SAYS_FAILURE = "its answer speaks of a failure", "a resposta fala de falha"
    UNCONFIRMED = "its answer does not confirm it", "a resposta não confirma"
    PAGE = "a page for people answered", "respondeu uma página, não um webhook"


class UndeliveredAlert(NamedTuple):
    """Why an alert was not delivered; `status` is the HTTP status, if there was an answer."""

    problem: AlertProblem
    status: int | None = None


@dataclass(frozen=True, slots=True)
class AlertWebhook:
    """Where an alert goes, and in which shape; never shown.

    Attributes:
        url: the whole address.
        shape: of the body.
        login: with its password, for basic authentication.
        extra: the connection's, checked.
    """

    url: str = field(repr=False)
    shape: AlertFormat
    login: tuple[str, str] | None = field(default=None, repr=False)
    extra: dict[str, Any] = field(default_factory=dict, repr=False)

    def request(
        self, method: str, body: bytes | None = None, *, deadline_seconds: float
    ) -> TrackResponse | TransportFailure:
        """Send one request; redirections are not followed."""
        mask_secret(self.url)
        path = self.url.partition("://")[2].partition("/")[2]
        if len(path) >= SHORTEST_SECRET:
            mask_secret(path)  # urllib3 logs it, where somebody turns its debugging on
        with (
            session_of(self.extra) as session,
            Transport(session, connect_timeout_seconds=deadline_seconds) as transport,
        ):
            session.auth = HTTPBasicAuth(*self.login) if self.login else None
            return transport.send_request(
                method,
                self.url,
                deadline_seconds=deadline_seconds,
                headers={"Content-Type": "application/json"} if body else {},
                body=body,
            )


def send_alert(
    lines: Sequence[str], *, deadline_seconds: float = DEADLINE_SECONDS
) -> UndeliveredAlert | None:
    """Post an alert to the webhook, if there is one; return why that failed, or None.

    No error is raised: the run is red with or without its alert.

    Args:
        lines: the alert's text; the first one is the title.
        deadline_seconds: for the whole request.
    """
    try:
        webhook = find_webhook()
        if webhook is None:
            return None
        text = shortened(lines)
        body = json.dumps(_body(text, webhook.shape), ensure_ascii=False).encode()
        answer = webhook.request("POST", body, deadline_seconds=deadline_seconds)
        undelivered = _judge(answer, webhook.shape, text)
    except ConfigError as error:
        log.warning("%s", error)
        undelivered = UndeliveredAlert(AlertProblem.SETTINGS)
    except Exception as error:  # noqa: BLE001 - a store of connections is anybody's plugin
        log.warning("the alert failed with %s", type(error).__name__)
        undelivered = UndeliveredAlert(AlertProblem.SETTINGS)
    if undelivered is None:
        log.info("%s was told", CONN_ID)
    return undelivered


def find_webhook() -> AlertWebhook | None:
    """Return the webhook of the connection `track_alert`; None if there certainly is none.

    Raises:
        ConfigError: its address, its format or its extra cannot be used, or it cannot be read.
    """
    connection = find_connection(CONN_ID)
    if connection is None:
        return None
    extra = connection.extra_dejson
    shape = extra.get("alert_format", AlertFormat.JSON)
    if shape not in list(AlertFormat):
        raise _error(f"alert_format must be one of {', '.join(AlertFormat)}")
    known = ("alert_format", *HTTP_EXTRA)
    for name in extra.keys() - known:
        raise _error(
            f'"{name}" in its extra is not known{did_you_mean(name, known)}; if it is a part of'
            " the address, put the whole address into the password"
        )
    check_http_extra(extra, CONN_ID)
    login = (connection.login, connection.password or "") if connection.login else None
    return AlertWebhook(_address(connection), AlertFormat(shape), login, extra)


def shortened(lines: Sequence[str]) -> str:
    """Join what fits into an alert, and count the lines that do not."""
    kept, length = 0, 0
    for line in lines:
        length += len(line) + 1
        if length > LONGEST_ALERT:
            break
        kept += 1
    left = [f"... e mais {len(lines) - kept}: veja o log"] if kept < len(lines) else []
    return "\n".join([*lines[:kept], *left])


def _body(text: str, shape: AlertFormat) -> dict[str, Any]:
    if shape is AlertFormat.SLACK:
        for sign, escaped in {"&": "&amp;", "<": "&lt;", ">": "&gt;"}.items():
            text = text.replace(sign, escaped)
        return {"text": text, "mrkdwn": False}
    if shape is AlertFormat.JSON:
        return {"text": text}
    title, *lines = text.split("\n")
    blocks = [{"type": "TextBlock", "text": line, "wrap": True} for line in lines]
    blocks.insert(0, {"type": "TextBlock", "text": title, "wrap": True, "weight": "Bolder"})
    card = {"type": "AdaptiveCard", "version": "1.4", "body": blocks}
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "content": card}]}


#: What a service answers where it took a message, and never otherwise: Slack's incoming webhooks;
#: Teams' workflows nothing, what they replaced the number of messages.
_CONFIRMED: Mapping[AlertFormat, Collection[str]] = {
    AlertFormat.SLACK: {"ok"},
    AlertFormat.TEAMS: {"", "1"},
}


def _judge(
    answer: TrackResponse | TransportFailure, shape: AlertFormat, sent: str
) -> UndeliveredAlert | None:
    """Return why an answer does not prove delivery; None if it confirms the alert."""
    if isinstance(answer, TransportFailure):
        late = answer in {TransportFailure.DEADLINE, TransportFailure.LATE}
        return UndeliveredAlert(AlertProblem.DEADLINE if late else AlertProblem.UNREACHABLE)
    body = answer.body.decode("utf-8", "replace").strip()
    problem = _problem(answer, body, shape, sent)
    return None if problem is None else UndeliveredAlert(problem, answer.status)


def _problem(
    answer: TrackResponse, body: str, shape: AlertFormat, sent: str
) -> AlertProblem | None:
    document = _read(answer.body, body)
    if not 200 <= answer.status < 300:
        return AlertProblem.STATUS
    if _PAGE.search(body):
        return AlertProblem.PAGE
    if _says_failure(document, sent) or (body and not answer.complete):
        return AlertProblem.SAYS_FAILURE
    known = _CONFIRMED.get(shape)
    is_told = _confirms(document, sent) if known is None else body in known
    return None if is_told else AlertProblem.UNCONFIRMED


def _read(body: bytes, text: str) -> object:
    """Parse a body; one that is no JSON is its text."""
    with suppress(ValueError):
        return read_json(body)
    return text


def _says_failure(document: object, sent: str) -> bool:
    """Tell whether an answer mentions a failure, apart from the alert's own text in it."""
    if document is False or says_failure(document):
        return True
    return any(_FAILURE.search(text.replace(sent, "")) for text in _texts(document))


def _confirms(document: object, sent: str) -> bool:
    """Tell whether an answer without a failure confirms: empty, a document, our text, or a yes."""
    return document in ("", sent) or isinstance(document, (dict, list)) or is_yes(document)


def _texts(document: object) -> Iterator[str]:
    left = [document]
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, (list, dict)):
            left += value.values() if isinstance(value, dict) else value


def _address(connection: Connection) -> str:
    """Build the webhook's address from the fields of the connection that hold its parts.

    The form's Schema, and what Airflow makes of an address as `AIRFLOW_CONN_TRACK_ALERT`, hold a
    path where HttpHook looks for a scheme.
    """
    password, host = (connection.password or "").strip(), (connection.host or "").strip()
    schema = (connection.schema or "").strip()
    if "://" in password and not connection.login:
        if host:
            raise _error("has an address in its password and a host as well: empty the host")
        return _checked(password)
    if password and not connection.login:
        raise _error("has a password without a login: it may hold the whole address, or nothing")
    is_scheme = schema in {"http", "https"}
    if host and "://" not in host:
        kind = connection.conn_type if connection.conn_type in {"http", "https"} else "http"
        host = f"{schema if is_scheme else kind}://{host}"
    if connection.port:
        scheme, _, rest = host.partition("://")
        name, slash, path = rest.partition("/")
        host = f"{scheme}://{name}:{connection.port}{slash}{path}"
    if schema and not is_scheme:
        host = f"{host.rstrip('/')}/{schema.lstrip('/')}"
    return _checked(host)


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"\s", url):
        raise _error("needs the whole address of the webhook, with its https://")
    return url


def _error(problem: str) -> ConfigError:
    return ConfigError(f"the Airflow connection {CONN_ID!r}: {problem}")


# -- a task's metrics --------------------------------------------------------------


def send_metric(sample: Sample) -> None:
    """Send a value of a metric; an error is logged once and never raised.

    A dispatch calls this between a POST and its settlement, where an error would leave the batch
    in doubt.
    """
    metric, labels = sample.metric, sample.labels
    try:
        match metric.kind:
            case MetricKind.COUNTER:
                stats.incr(metric, int(sample.value), tags=labels)
            case MetricKind.GAUGE:
                stats.gauge(metric, sample.value, tags=labels)
            case MetricKind.TIMING:
                stats.timing(metric, timedelta(seconds=sample.value), tags=labels)
    except Exception as error:  # noqa: BLE001 - the client is Airflow's, its settings anybody's
        _warn(metric, type(error).__name__)


@cache
def _warn(metric: str, error: str) -> None:
    log.warning("the metric %s was not sent: %s; see Airflow's [metrics]", metric, error)
