"""A refused log-on is tried once, whoever shares the account: failed ones lock it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from erp_days import CONN_ID, ErpDays

from demo.world import oracle_connection
from track_dispatch.errors import LogOnRefusedError, SourceUnavailableError
from track_dispatch.ledger.decisions import Decision
from track_dispatch.ledger.stop_switch import resume_service
from track_dispatch.states import Verb

if TYPE_CHECKING:
    from stand_ins.oracle import OracleStandIn

CONNECTION = f"AIRFLOW_CONN_{CONN_ID.upper()}"
RESUME = Decision(Verb.RESUME, decided_by="ana", why="o DBA trocou a senha")


@pytest.fixture
def refusing(oracle: OracleStandIn) -> OracleStandIn:
    """Let the ERP take another password than the connection's."""
    oracle.faults.log_on = 1017
    oracle.refused_log_ons = 0
    return oracle


def refused(days: ErpDays, *, runs: int = 1) -> str:
    for _ in range(runs):
        with pytest.raises(LogOnRefusedError) as caught:
            days.extract(days.run())
    return str(caught.value)


def test_runs_that_share_an_account_try_it_once(erp_days: ErpDays, refusing: OracleStandIn) -> None:
    first, last = refused(erp_days), refused(erp_days, runs=4)

    assert refusing.refused_log_ons == 1
    assert "refused user and password" in first
    assert "is not asked again" in last
    assert "resume" in last


def test_a_connection_that_says_something_else_is_tried(
    erp_days: ErpDays, refusing: OracleStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(erp_days)
    changed = json.loads(oracle_connection(refusing.port)) | {"password": "another"}
    monkeypatch.setenv(CONNECTION, json.dumps(changed))

    refused(erp_days, runs=2)

    assert refusing.refused_log_ons == 2


def test_after_a_person_resumes_it_is_tried_again(
    erp_days: ErpDays, refusing: OracleStandIn
) -> None:
    erp_days.add(1)
    refused(erp_days, runs=2)

    ended = resume_service(erp_days.ledger, RESUME)
    refusing.faults.log_on = 0

    assert ended == 1
    assert erp_days.extract(erp_days.run())["rows"] == 1


def test_an_erp_that_is_away_is_asked_every_time(erp_days: ErpDays, oracle: OracleStandIn) -> None:
    oracle.faults.log_on = 1033

    for _ in range(2):
        with pytest.raises(SourceUnavailableError):
            erp_days.extract(erp_days.run())


def test_the_ledger_holds_no_password(erp_days: ErpDays, refusing: OracleStandIn) -> None:
    refused(erp_days)

    with erp_days.ledger.reading() as connection:
        row = connection.exec_driver_sql("select * from refused_log_ons").one()
    assert len(bytes(row[0])) >= 16
    assert row[1] == CONN_ID
