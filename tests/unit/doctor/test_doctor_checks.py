"""The whole visit: it looks at everything, whatever fails, and disturbs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from threading import Event
from typing import TYPE_CHECKING

import pytest

from demo.world import ROOT
from track_dispatch.config import BrokenHospital, load_hospital
from track_dispatch.doctor.airflow_checks import DAG_FILES, LONGEST_TASK
from track_dispatch.doctor.check import Check, CheckStatus, DoubtError, announcing, check
from track_dispatch.errors import ConfigError

if TYPE_CHECKING:
    from airflow.sdk import DAG
    from premises import Premises

INSTALLATION = "installation"
ALL = [
    (INSTALLATION, "airflow database"),
    (INSTALLATION, "scheduler"),
    (INSTALLATION, "dag processor"),
    (INSTALLATION, "triggerer"),
    (INSTALLATION, "import errors"),
    (INSTALLATION, "operations"),
    (INSTALLATION, "default pool"),
    (INSTALLATION, "executor"),
    (INSTALLATION, "time-outs"),
    (INSTALLATION, "folders"),
    (INSTALLATION, "ledger"),
    (INSTALLATION, "ledger server"),
    (INSTALLATION, "ledger keys"),
    (INSTALLATION, "ledger commits"),
    (INSTALLATION, "ledger rights"),
    (INSTALLATION, "ledger TLS"),
    (INSTALLATION, "ledger pooler"),
    (INSTALLATION, "software"),
    (INSTALLATION, "track connection"),
    (INSTALLATION, "track surveys"),
    (INSTALLATION, "track clock"),
    (INSTALLATION, "track assumptions"),
    (INSTALLATION, "alert webhook"),
    ("HMS", "configuration"),
    ("HMS", "dag"),
    ("HMS", "go-live"),
    ("HMS", "lease margin"),
    ("HMS", "templates"),
    ("HMS", "surveys"),
    ("oracle_hms", "pool"),
    ("oracle_hms", "connection"),
    ("HMS", "query"),
    ("HMS", "columns"),
]

on_one_database = pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)


def test_an_installation_that_is_well_passes_every_check(premises: Premises) -> None:
    visit = premises.visit()

    assert visit.not_well() == {}
    assert [(found.subject, found.name) for found in visit] == ALL


@on_one_database
def test_nothing_is_sent_and_no_query_is_run(premises: Premises) -> None:
    premises.visit()

    assert set(premises.track.requests) == {"surveys"}
    assert [statement.executed for statement in premises.erp.statements] == [False]


@on_one_database
def test_everything_is_looked_at_where_everything_fails(bare_premises: Premises) -> None:
    for conn_id in ("oracle_hms", "track_api"):
        bare_premises.disconnect(conn_id)

    visit = bare_premises.visit()

    assert [(found.subject, found.name) for found in visit] == ALL
    assert visit.not_well() == {
        (INSTALLATION, "ledger"): "FAIL",
        (INSTALLATION, "ledger server"): "warn",
        (INSTALLATION, "ledger keys"): "warn",
        (INSTALLATION, "ledger commits"): "warn",
        (INSTALLATION, "ledger rights"): "warn",
        (INSTALLATION, "ledger TLS"): "warn",
        (INSTALLATION, "ledger pooler"): "warn",
        (INSTALLATION, "software"): "FAIL",
        (INSTALLATION, "track connection"): "FAIL",
        (INSTALLATION, "track surveys"): "FAIL",
        (INSTALLATION, "track clock"): "FAIL",
        ("HMS", "go-live"): "warn",
        ("HMS", "lease margin"): "warn",
        ("HMS", "surveys"): "warn",
        ("oracle_hms", "connection"): "FAIL",
        ("HMS", "query"): "warn",
        ("HMS", "columns"): "warn",
    }


@on_one_database
def test_a_broken_file_fails_alone(premises: Premises) -> None:
    broken = BrokenHospital("HMX", "track_hmx", "hospitals/hmx.yaml: name: is missing\nsql: ...")

    visit = premises.visit(broken, load_hospital("HMS"))

    assert visit["HMX", "configuration"].detail == "hospitals/hmx.yaml: name: is missing; sql: ..."
    assert visit.not_well() == {("HMX", "configuration"): "FAIL"}


@on_one_database
@pytest.mark.parametrize(
    ("first", "verdict"), [(None, "warn"), (date(2026, 3, 4), "warn"), (date(2026, 3, 3), "FAIL")]
)
def test_what_a_hospital_lacks_is_a_warning_until_it_is_live(
    premises: Premises, first: date | None, verdict: str
) -> None:
    """Eighteen hospitals go live one after the other; those to come must make nothing red."""
    premises.disconnect("oracle_hms")
    hospital = load_hospital("HMS").model_copy(
        update={"first_business_day": first, "lease_margin_seconds": 0}
    )

    found = premises.visit(hospital).not_well()

    assert found["oracle_hms", "connection"] == found["HMS", "lease margin"] == verdict
    assert set(found.values()) == {"warn", verdict}


@on_one_database
def test_no_secret_is_shown(premises: Premises) -> None:
    premises.connect("oracle_hms", login="SOMEBODY")
    premises.connect("track_api", login="not-a-uuid")
    well = premises.visit()

    shown = "\n".join(found.detail for found in well)
    assert not [secret for secret in premises.secrets() if secret in shown]


def test_a_look_that_does_not_end_is_left_and_told() -> None:
    """The doctor is called where something hangs: it must not hang with it."""
    ends = Event()

    def look() -> str:
        ends.wait()
        return "well"

    found = check("HMS", "surveys", look, seconds=0.05)
    ends.set()

    assert (found.verdict, found.name) == (CheckStatus.FAIL, "surveys")
    assert found.detail.startswith("gave no answer within 0.05 s and was left")


def test_each_look_is_announced_before_it_begins() -> None:
    told: list[str] = []

    def look() -> str:
        told.append("looked")
        return "well"

    with announcing(lambda subject, name: told.append(f"{subject} {name}")):
        check("HMS", "surveys", look)
        check("HMS", "query", look)

    assert told == ["HMS surveys", "looked", "HMS query", "looked"]


@pytest.mark.parametrize(
    ("raised", "verdict", "detail"),
    [
        (ConfigError("do this"), CheckStatus.FAIL, "do this"),
        (DoubtError("look at this"), CheckStatus.WARN, "look at this"),
        (
            ValueError("planted"),
            CheckStatus.FAIL,
            "failed with an unexpected ValueError: report it to the developers",
        ),
    ],
)
def test_an_error_becomes_a_verdict(raised: Exception, verdict: CheckStatus, detail: str) -> None:
    def look() -> str:
        raise raised

    assert check("HMS", "surveys", look) == Check("HMS", "surveys", verdict, detail)


def test_our_dag_files_are_those_that_there_are() -> None:
    assert sorted(DAG_FILES) == sorted(path.name for path in (ROOT / "dags").glob("*.py"))


def test_the_longest_task_is_the_one_that_the_brokers_time_out_is_held_against(
    dags: Mapping[str, DAG],
) -> None:
    limits = [task.execution_timeout for dag in dags.values() for task in dag.tasks]

    assert max(filter(None, limits)) == timedelta(seconds=LONGEST_TASK)
