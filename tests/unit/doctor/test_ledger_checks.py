"""What the doctor finds of a ledger, on either database."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine

from tests.unit.ledger.ledger_rig import fill
from track_dispatch.errors import ConfigError
from track_dispatch.ledger.creation import durability
from track_dispatch.ledger.extractions import stage_extraction
from track_dispatch.ledger.keys import KeyRing, new_keys
from track_dispatch.records import Actor, HospitalDay

if TYPE_CHECKING:
    from premises import Premises

LEDGER, SERVER, KEYS, COMMITS = (
    ("installation", f"ledger{name}") for name in ("", " server", " keys", " commits")
)
SOFTWARE = ("installation", "software")

on_postgresql = pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)
on_sqlite = pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)


def test_a_ledger_that_was_never_made_is_told_and_not_made(bare_premises: Premises) -> None:
    for _ in range(2):
        visit = bare_premises.visit()
        assert "by `python -m track_dispatch ledger init`" in visit[LEDGER].detail
        assert (LEDGER, "FAIL") in visit.not_well().items()


@on_postgresql
def test_a_database_that_does_not_answer_is_told(premises: Premises) -> None:
    premises.connect("track_ledger", host="127.0.0.1", port=1)

    visit = premises.visit()

    assert set(visit.not_well()) == {LEDGER, SERVER, KEYS, COMMITS, SOFTWARE}
    assert "at 127.0.0.1:1" in visit[LEDGER].detail
    assert "nothing listens there: correct the Host and Port fields" in visit[LEDGER].detail


@on_sqlite
def test_sqlite_is_refused_where_tasks_run_on_several_machines(
    premises: Premises, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")

    assert "point the connection track_ledger to PostgreSQL" in premises.visit()[LEDGER].detail


def test_keys_of_another_ledger_are_told(premises: Premises) -> None:
    premises.use_keys(new_keys())

    visit = premises.visit()

    assert visit.not_well() == {KEYS: "FAIL"}
    assert "the keys are those of" in visit[KEYS].detail


def test_missing_keys_are_told(premises: Premises) -> None:
    premises.connect("track_ledger", extra={})

    visit = premises.visit()

    assert visit.not_well() == {KEYS: "FAIL"}
    assert "holds no keys of a ledger" in visit[KEYS].detail


def test_payloads_that_no_key_opens_are_counted(premises: Premises) -> None:
    with premises.ledger() as ledger:
        fill(ledger, 3)
    premises.use_keys(changed(premises.keys, payload_secrets=new_keys().payload_secrets))

    visit = premises.visit()

    assert visit.not_well() == {KEYS: "FAIL"}
    assert "no payload key opens 1 of the payloads that wait" in visit[KEYS].detail


def test_staged_rows_that_no_key_opens_are_counted(premises: Premises) -> None:
    day = {"source": "hms", "day": HospitalDay("HMS", date(2026, 3, 2))}
    rows = [{"cd_atendimento": ["1"]}, {"cd_atendimento": ["2"]}]
    with premises.ledger() as ledger:
        stage_extraction(ledger, rows, actor=Actor("extract", run_id="r", try_number=1), **day)
    premises.use_keys(changed(premises.keys, payload_secrets=new_keys().payload_secrets))

    visit = premises.visit()

    assert "no payload key opens 2 of the payloads that wait" in visit[KEYS].detail


def test_an_older_payload_key_opens_what_waits(premises: Premises) -> None:
    with premises.ledger() as ledger:
        fill(ledger, 3)
    older = premises.keys.payload_secrets
    premises.use_keys(changed(premises.keys, payload_secrets=new_keys().payload_secrets + older))

    assert premises.visit().not_well() == {}


def test_an_identity_key_that_somebody_has_alone_is_missed(premises: Premises) -> None:
    with premises.ledger() as ledger:
        fill(ledger, 2)
    premises.use_keys(changed(premises.keys, identity_secrets=new_keys().identity_secrets))

    visit = premises.visit()

    assert visit.not_well() == {KEYS: "FAIL"}
    assert "2 rows of identities have no other one" in visit[KEYS].detail


@on_postgresql
def test_another_server_than_before_is_told(premises: Premises) -> None:
    premises.administer("update ledger set timeline = timeline + 1")

    visit = premises.visit()

    assert visit.not_well() == {SERVER: "FAIL"}
    assert "ledger restored" in visit[SERVER].detail


@on_postgresql
def test_what_a_commit_survives_is_said(premises: Premises) -> None:
    assert "sets synchronous_commit = on" in premises.visit()[COMMITS].detail


def test_sqlite_that_does_not_wait_for_the_disk_is_refused(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/any.db")
    with engine.connect() as connection:
        connection.exec_driver_sql("pragma synchronous = normal")
        with pytest.raises(ConfigError, match="does not wait for the disk"):
            durability(connection)
    engine.dispose()


def changed(keys: KeyRing, **fields: object) -> KeyRing:
    return KeyRing.model_validate(keys.model_dump() | fields)
