"""What the doctor finds of Track and of our clock."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from premises import NOW

from stand_ins.track_api import faults
from tests.airflow_rows import AirflowInDatabase
from tests.unit.delivery.raw_server import RawServer, answer

if TYPE_CHECKING:
    from premises import Premises

CONNECTION, SURVEYS, CLOCK = (
    ("installation", name) for name in ("track connection", "track surveys", "track clock")
)

pytestmark = pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)


def test_a_connection_that_is_wrong_is_told(premises: Premises) -> None:
    premises.connect("track_api", login="not-a-uuid")

    visit = premises.visit()

    assert "needs the organization's UUID as login" in visit[CONNECTION].detail
    assert visit.not_well()[CONNECTION] == "FAIL"


def test_a_token_that_track_refuses_is_told_and_the_clock_compared(premises: Premises) -> None:
    premises.connect("track_api", password="another-token")

    visit = premises.visit()

    assert visit.not_well() == {SURVEYS: "FAIL", ("HMS", "surveys"): "warn"}
    assert "Track does not know the token" in visit[SURVEYS].detail


def test_an_outage_is_told(premises: Premises) -> None:
    premises.track.script_surveys(faults.answer(503), faults.answer(503))

    visit = premises.visit()

    assert visit.not_well() == {SURVEYS: "FAIL", ("HMS", "surveys"): "warn"}


def test_a_track_that_is_not_there_is_told(premises: Premises) -> None:
    with premises.track.refusing():
        visit = premises.visit()

    assert visit.not_well() == {
        SURVEYS: "FAIL",
        CLOCK: "FAIL",
        ("HMS", "surveys"): "warn",
    }


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(31, "our clock is 31 s ahead of Track's"), (-31, "our clock is 31 s behind Track's")],
)
def test_a_clock_that_is_off_is_a_warning(
    premises: Premises, airflow_runs: AirflowInDatabase, seconds: int, said: str
) -> None:
    now = NOW + timedelta(seconds=seconds)
    airflow_runs.at(now)

    visit = premises.visit(now=now)

    assert visit.not_well() == {CLOCK: "warn"}
    assert visit[CLOCK].detail.startswith(said)


@pytest.mark.parametrize("seconds", [30, -30])
def test_a_clock_that_is_hardly_off_is_well(
    premises: Premises, airflow_runs: AirflowInDatabase, seconds: int
) -> None:
    now = NOW + timedelta(seconds=seconds)
    airflow_runs.at(now)

    assert premises.visit(now=now).not_well() == {}


def test_an_answer_without_a_date_is_a_warning(premises: Premises) -> None:
    with RawServer(answer(200, "[]")) as server:
        premises.connect("track_api", host=server.url)
        visit = premises.visit()

    assert visit.not_well()[CLOCK] == "warn"
    assert "no usable Date" in visit[CLOCK].detail
