"""The business day on the page of a run, as the run's note: no task can write one."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from airflow.models.dagrun import DagRunNote
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import object_session

from track_dispatch.config import load_hospital
from track_dispatch.errors import ConfigError
from track_dispatch.pipeline import BUSINESS_DAY, day_of_run

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

_INSERTS: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


def note_business_day(dag_run: DagRun) -> None:
    """Note the business day of a hospital's run that begins; a note that is there stays.

    The scheduler calls this within its own transaction, which a savepoint keeps whole whatever
    becomes of the note. Somebody else may note something at the same moment.
    """
    session, day = object_session(dag_run), _business_day(dag_run)
    insert = _INSERTS.get(session.get_bind().dialect.name) if session is not None else None
    if session is None or insert is None or day is None:
        return
    now, connection = datetime.now(UTC), session.connection()
    note = insert(DagRunNote.__table__).values(
        dag_run_id=dag_run.id,
        content=f"{BUSINESS_DAY}: {day:%d/%m/%Y}",
        created_at=now,
        updated_at=now,
    )
    with connection.begin_nested():
        connection.execute(note.on_conflict_do_nothing())


def _business_day(dag_run: DagRun) -> date | None:
    """Return it; None where the run is no hospital's, or will be refused by its first task."""
    with suppress(ConfigError):
        hospital = load_hospital(dag_run.dag_id.removeprefix("track_"))
        wish = (dag_run.conf or {}).get("business_day")
        if dag_run.dag_id == hospital.dag_id:
            return day_of_run(dag_run, timezone=hospital.timezone, override=wish)
    return None
