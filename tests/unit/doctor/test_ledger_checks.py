"""What the doctor finds of a ledger, on either database."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine

from tests.unit.delivery.bench import fill
from track_dispatch.errors import ConfigError
from track_dispatch.ledger.inspection import durability
from track_dispatch.ledger.keys import KeyRing, new_keys
from track_dispatch.ledger.staging import stage_extraction
from track_dispatch.records import Actor

if TYPE_CHECKING:
    from pathlib import Path

    from premises import Premises, Visit

LEDGER, KEYS, COMMITS = (
    ("installation", name) for name in ("ledger", "ledger keys", "ledger commits")
)

on_postgresql = pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)
on_sqlite = pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)


def test_a_ledger_that_was_never_made_is_told_and_not_made(bare_premises: Premises) -> None:
    for _ in range(2):
        visit = bare_premises.visit()
        assert "`python -m track_dispatch ledger init` creates it" in visit[LEDGER].detail
        assert (LEDGER, "FAIL") in visit.not_well().items()


@on_postgresql
def test_a_database_that_does_not_answer_is_told(premises: Premises) -> None:
    premises.connect("track_ledger", host="127.0.0.1", port=1)

    visit = premises.visit()

    assert set(visit.not_well()) == {LEDGER, KEYS, COMMITS}
    assert visit[LEDGER].detail == "the ledger's database answered with OperationalError"


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
    assert "the ledger's keys are unusable" in visit[KEYS].detail


def test_payloads_that_no_key_opens_are_counted(premises: Premises) -> None:
    with premises.ledger() as ledger:
        fill(ledger, 3)
    premises.use_keys(changed(premises.keys, payload_keys=new_keys().payload_keys))

    visit = premises.visit()

    assert visit.not_well() == {KEYS: "FAIL"}
    assert "no payload key opens 3 of the payloads that wait" in visit[KEYS].detail


def test_staged_rows_that_no_key_opens_are_counted(premises: Premises) -> None:
    day = {"source": "hms", "hospital": "HMS", "business_day": date(2026, 3, 2)}
    rows = [[{"name": "MARIA DE TESTE"}], [{"name": "JOSE DE TESTE"}]]
    with premises.ledger() as ledger:
        stage_extraction(ledger, rows, actor=Actor("extract", run_id="r", try_number=1), **day)
    premises.use_keys(changed(premises.keys, payload_keys=new_keys().payload_keys))

    visit = premises.visit()

    assert "no payload key opens 2 of the payloads that wait" in visit[KEYS].detail


def test_an_older_payload_key_opens_what_waits(premises: Premises) -> None:
    with premises.ledger() as ledger:
        fill(ledger, 3)
    older = premises.keys.payload_keys
    premises.use_keys(changed(premises.keys, payload_keys=new_keys().payload_keys + older))

    assert premises.visit().not_well() == {}


@pytest.mark.parametrize("kind", ["cpf", "email", "phone"])
def test_people_hashed_with_a_lost_key_are_a_warning(premises: Premises, kind: str) -> None:
    with premises.ledger() as ledger:
        fill(ledger, 2)
    premises.administer(f"update lines set {kind}_hash = 'k0:aa' where attendance_id like '%1'")

    visit = premises.visit()

    assert visit.not_well() == {KEYS: "warn"}
    assert visit[KEYS].detail.startswith("1 lines were hashed with an identity key that is gone")


def test_people_hashed_with_any_of_the_keys_are_well(premises: Premises) -> None:
    with premises.ledger() as ledger:
        fill(ledger, 2)
    premises.administer("update lines set cpf_hash = 'k1:aa', phone_hash = 'k1:bb'")

    assert premises.visit().not_well() == {}


@on_postgresql
def test_commits_that_a_crash_forgets_are_refused(premises: Premises) -> None:
    visit = with_synchronous_commit(premises, "off")

    assert visit.not_well() == {COMMITS: "FAIL"}
    assert "patients are asked twice" in visit[COMMITS].detail


@on_postgresql
@pytest.mark.parametrize(
    ("setting", "means"),
    [
        ("on", "on the server's disk, and on that of its synchronous standby, if there is one"),
        ("local", "on the server's disk only: a failover to a standby may lose it"),
        ("remote_write", "with the standby's operating system"),
        ("remote_apply", "visible on its synchronous standby"),
    ],
)
def test_what_a_commit_survives_is_said(premises: Premises, setting: str, means: str) -> None:
    visit = with_synchronous_commit(premises, setting)

    assert visit.not_well() == {}
    assert visit[COMMITS].detail.startswith(f"synchronous_commit is {setting}: ")
    assert means in visit[COMMITS].detail


def test_sqlite_that_does_not_wait_for_the_disk_is_refused(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/any.db")
    with engine.connect() as connection:
        connection.exec_driver_sql("pragma synchronous = normal")
        with pytest.raises(ConfigError, match="does not wait for the disk"):
            durability(connection)
    engine.dispose()


def with_synchronous_commit(premises: Premises, setting: str) -> Visit:
    with premises.ledger() as ledger:
        name = ledger.engine.url.database
    premises.administer(f"alter database {name} set synchronous_commit = {setting}")
    return premises.visit()


def changed(keys: KeyRing, **fields: object) -> KeyRing:
    return KeyRing.model_validate(keys.model_dump() | fields)
