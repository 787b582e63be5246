"""The Airflow pools that let one extraction at a time into each ERP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.models.pool import Pool
from sqlalchemy.exc import SQLAlchemyError

from track_dispatch.config import working_hospitals
from track_dispatch.errors import ConfigError


def create_pools() -> list[str]:
    """Create the pool of each source, with one slot; return their names.

    A task whose pool is missing waits for ever, and only a warning of the scheduler says so.

    Raises:
        ConfigError: Airflow's database does not answer or is not migrated.
    """
    names = sorted({hospital.pool for hospital in working_hospitals()})
    with _airflows_database("the pools were made"):
        for name in names:
            Pool.create_or_update_pool(
                name, slots=1, description="one extraction at a time", include_deferred=False
            )
    return names


def pool_slots() -> dict[str, int]:
    """Return the slots of every pool there is, by its name.

    Raises:
        ConfigError: Airflow's database does not answer or is not migrated.
    """
    with _airflows_database("the pools were looked up"):
        return {str(pool.pool): pool.slots for pool in Pool.get_pools()}


@contextmanager
def _airflows_database(when: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        message = (
            f"Airflow's database failed with {type(error).__name__} when {when}:"
            " check that it runs and is migrated (`airflow db migrate`), then try again"
        )
        raise ConfigError(message) from None
