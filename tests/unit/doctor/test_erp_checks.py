"""What the doctor finds of an ERP and of what is asked there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow.models.pool import Pool

from demo.world import practice_include
from tests.airflow_rows import AirflowInDatabase
from track_dispatch.config import load_hospital

if TYPE_CHECKING:
    from premises import Premises

POOL, CONNECTION = (("oracle_hms", name) for name in ("pool", "connection"))
QUERY, COLUMNS = (("HMS", name) for name in ("query", "columns"))

pytestmark = pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)


@pytest.mark.parametrize("slots", [0, 2])
def test_a_pool_of_another_size_is_told(premises: Premises, slots: int) -> None:
    Pool.create_or_update_pool("oracle_hms", slots, "", include_deferred=False)

    visit = premises.visit()

    assert visit.not_well() == {POOL: "FAIL"}
    assert visit[POOL].detail.startswith(f"the pool oracle_hms has {slots} slots: give it one")


def test_a_missing_pool_is_told(premises: Premises) -> None:
    Pool.delete_pool("oracle_hms")

    visit = premises.visit()

    assert visit.not_well() == {POOL: "FAIL"}
    assert "run `python -m track_dispatch setup`" in visit[POOL].detail


def test_a_missing_connection_is_told(premises: Premises) -> None:
    premises.disconnect("oracle_hms")

    visit = premises.visit()

    assert visit.not_well() == {CONNECTION: "FAIL", QUERY: "warn", COLUMNS: "warn"}
    assert visit[CONNECTION].detail.startswith(
        "there is no Airflow connection 'oracle_hms': create it"
    )


def test_hospitals_of_one_connection_log_on_once(
    premises: Premises, airflow_runs: AirflowInDatabase
) -> None:
    """A wrong password that is tried again and again locks the account."""
    hms = load_hospital("HMS")
    other = hms.model_copy(update={"code": "HMX"})
    airflow_runs.dag(other.dag_id)
    premises.connect("oracle_hms", password="wrong")

    visit = premises.visit(hms, other)

    assert "ORA-01017" in visit[CONNECTION].detail
    assert visit.not_well() == {
        CONNECTION: "FAIL",
        **{(code, name): "warn" for code in ("HMS", "HMX") for name in ("query", "columns")},
    }


def test_a_listener_that_says_nothing_is_told(premises: Premises) -> None:
    premises.erp.faults.log_on_silence = 3
    hms = load_hospital("HMS").model_copy(update={"oracle_logon_deadline_seconds": 1})

    visit = premises.visit(hms)

    assert visit.not_well() == {CONNECTION: "FAIL", QUERY: "warn", COLUMNS: "warn"}
    assert "the ERP let nobody in within 1 s" in visit[CONNECTION].detail


def test_a_password_that_expires_is_told(premises: Premises) -> None:
    premises.erp.faults.log_on_warning = (28002, "the password will expire within 5 days")

    visit = premises.visit()

    assert visit.not_well() == {("oracle_hms", "log-on"): "warn"}
    assert "expires in 5 days (ORA-28002)" in visit["oracle_hms", "log-on"].detail


def test_a_table_that_is_not_granted_is_told(premises: Premises) -> None:
    premises.erp.faults.errors.append(("dbamv", 942, ""))

    visit = premises.visit()

    assert visit.not_well() == {QUERY: "FAIL", COLUMNS: "warn"}
    assert "ORA-00942: the query names a table that is not there" in visit[QUERY].detail


@pytest.fixture
def narrower_erp(premises: Premises) -> Iterator[Premises]:
    """Return the installation with an ERP that keeps names as numbers."""
    premises.erp.execute("alter table dbamv.prestador rename to kept")
    premises.erp.execute(
        "create table dbamv.prestador (cd_prestador integer, nm_prestador integer)"
    )
    yield premises
    premises.erp.execute("drop table dbamv.prestador")
    premises.erp.execute("alter table dbamv.kept rename to prestador")


def test_a_column_of_another_type_is_told(narrower_erp: Premises) -> None:
    visit = narrower_erp.visit()

    assert visit.not_well() == {COLUMNS: "FAIL"}
    assert visit[COLUMNS].detail.startswith("column medico is of type NUMBER")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("delete from dbamv.paciente", "the linter refuses it, mv/hms.sql:1:1: "),
        ("{{ hospital.nothing }}", "cannot be rendered"),
    ],
)
def test_what_is_no_proper_query_never_reaches_the_erp(
    premises: Premises,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    template: str,
    said: str,
) -> None:
    """Parsing runs what is no query."""
    include = practice_include(tmp_path / "include")
    (include / "sql" / "mv" / "hms.sql").write_text(template, encoding="utf-8")
    monkeypatch.setenv("TRACK_INCLUDE_DIR", str(include))

    visit = premises.visit()

    assert visit.not_well() == {QUERY: "FAIL", COLUMNS: "warn"}
    assert said in visit[QUERY].detail
    assert list(premises.erp.statements) == []
