"""Write the business day into a run's note, from the scheduler: a task cannot write notes."""

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
    """Note the business day of a hospital's run that begins, unless it has a note.

    The scheduler calls this within its own transaction: a savepoint protects that from an error
    here, such as another note at the same moment.
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
    """Return the run's day; None if the run is no hospital's or its first task will refuse it."""
    with suppress(ConfigError):
        hospital = load_hospital(dag_run.dag_id.removeprefix("track_"))
        wish = (dag_run.conf or {}).get("business_day")
        if dag_run.dag_id == hospital.dag_id:
            return day_of_run(dag_run, timezone=hospital.timezone, override=wish)
    return None
