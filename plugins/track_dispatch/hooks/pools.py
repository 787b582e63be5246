"""The Airflow pools that let one extraction at a time into each ERP."""

from __future__ import annotations

from airflow.models.pool import Pool
from sqlalchemy.exc import SQLAlchemyError

from track_dispatch.config import BrokenHospital, load_hospitals
from track_dispatch.errors import ConfigError


def create_pools() -> list[str]:
    """Create the pool of each source, with one slot; return their names.

    A task whose pool is missing waits for ever, and only a warning of the scheduler says so.

    Raises:
        ConfigError: Airflow's database does not answer or is not migrated.
    """
    hospitals = [h for h in load_hospitals() if not isinstance(h, BrokenHospital)]
    names = sorted({hospital.pool for hospital in hospitals})
    try:
        for name in names:
            Pool.create_or_update_pool(
                name, slots=1, description="one extraction at a time", include_deferred=False
            )
    except SQLAlchemyError as error:
        message = (
            f"Airflow's database failed with {type(error).__name__} when the pools were made:"
            " check that it runs and is migrated (`airflow db migrate`), then try again"
        )
        raise ConfigError(message) from None
    return names
