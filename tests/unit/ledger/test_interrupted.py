"""The end of a task is not taken for a failure of the database, which would be tried again."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from track_dispatch.errors import LedgerError
from track_dispatch.ledger.database import database_errors


class TimeIsOver(BaseException):
    """What Airflow raises in the middle of whatever a task is doing."""


def coming_of(cause: BaseException, error: Exception) -> Exception:
    """Return an error as it stands when it was raised while the cause was handled."""
    error.__context__ = cause
    return error


def pipeline_left(cause: BaseException) -> Exception:
    """Return what psycopg makes of something that breaks in on its pipeline."""
    return coming_of(cause, psycopg.OperationalError("cannot exit pipeline mode while busy"))


def by_sqlalchemy(error: Exception) -> Exception:
    """Return an error of the driver as SQLAlchemy hands it on."""
    return coming_of(error, OperationalError("insert", {}, error))


@pytest.mark.parametrize(
    "error",
    [pipeline_left(TimeIsOver()), by_sqlalchemy(pipeline_left(TimeIsOver()))],
    ids=["driver", "SQLAlchemy"],
)
def test_what_ends_a_task_ends_it_through_an_error_of_the_driver(error: Exception) -> None:
    with pytest.raises(TimeIsOver), database_errors():
        raise error


def test_an_error_of_the_driver_that_came_of_another_one_is_a_failure_of_the_ledger() -> None:
    with pytest.raises(LedgerError), database_errors():
        raise pipeline_left(psycopg.InterfaceError("the connection is closed"))
