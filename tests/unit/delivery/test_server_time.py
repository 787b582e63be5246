"""What time Track says it is, to compare our clock with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import requests

from tests.unit.delivery.raw_server import RawServer, answer, reset
from track_dispatch.delivery.client import TrackClient
from track_dispatch.delivery.transport import BearerAuth
from track_dispatch.errors import NotDeliveredError

if TYPE_CHECKING:
    from tests.unit.delivery.raw_server import Behaviour

DATE = "Mon, 02 Mar 2026 11:00:00 GMT"
MOMENT = datetime(2026, 3, 2, 11, tzinfo=UTC)


def server_time(behaviour: Behaviour) -> datetime | None:
    with RawServer(behaviour) as server:
        session = requests.Session()
        session.auth = BearerAuth("planted-token")
        session.trust_env = False
        client = TrackClient(session, base_url=server.url, organization="o", deadline_seconds=10)
        with client:
            return client.server_time()


@pytest.mark.parametrize("status", [200, 302, 401, 405, 503])
def test_the_date_of_any_answer_tells_the_time(status: int) -> None:
    assert server_time(answer(status, "[]", headers={"Date": DATE})) == MOMENT


@pytest.mark.parametrize("headers", [{}, {"Date": ""}, {"Date": "soon"}])
def test_an_answer_without_a_date_tells_no_time(headers: dict[str, str]) -> None:
    assert server_time(answer(200, "[]", headers=headers)) is None


def test_no_answer_is_an_error() -> None:
    with pytest.raises(NotDeliveredError):
        server_time(reset)
