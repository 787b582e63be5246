"""A batch that is posted over a real socket, to a server that answers what it is told to."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import requests

from tests.unit.delivery.raw_server import RawServer, say
from track_dispatch.delivery.client import TrackClient
from track_dispatch.delivery.responses import BatchTexts, Outcome, classify_response

NOW = datetime(2026, 3, 2, 11, 0, tzinfo=UTC)
IDS = ("900000001", "900000002", "900000003")
SURVEY = "0d2a0000-0000-4000-8000-000000000001"
LINES = [{"cd_atendimento": id_, "name": "Planted", "uuid": SURVEY} for id_ in IDS]
HEAD = {"survey_uuid": SURVEY, "template_invite_hash": "a1b2c3"}
BODY = json.dumps({**HEAD, "import_lines": LINES}).encode()
OK = b'{"uuid": "d-1"}'


def posted(data: bytes, *acceptance: str) -> Outcome:
    """Post the batch to a server that answers these bytes and hangs up."""
    with RawServer(say(data)) as server, requests.Session() as session:
        session.trust_env = False
        with TrackClient(
            session, base_url=server.url, organization="org-77", deadline_seconds=10
        ) as client:
            answer = client.post_distribution(BODY, idempotency_key="batch-1")
    return classify_response(
        answer, IDS, now=NOW, acceptance=acceptance or ("uuid", "id"), values=BatchTexts(BODY)
    )


def http(body: bytes, *headers: str, start: str = "HTTP/1.1 200 OK", length: bool = True) -> bytes:
    """Compose an answer; JSON, with its length, unless the headers say otherwise."""
    lines = [start, *headers]
    if not any(line.lower().startswith("content-type") for line in headers):
        lines.append("Content-Type: application/json")
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + end
    return http(body, "Transfer-Encoding: chunked", length=False)
