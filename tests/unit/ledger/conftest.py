"""One ledger on each engine for the whole suite, emptied before every test.

There is no way around PostgreSQL: where it does not start, the tests fail.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, text

from tests.unit.ledger.steps import Steps
from track_dispatch.ledger import schema
from track_dispatch.ledger.creation import init_ledger, open_ledger_at
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.keys import KeyRing, new_keys


@pytest.fixture(scope="session")
def _sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    yield from _opened(f"sqlite:///{tmp_path_factory.mktemp('ledger')}/track_ledger.db")


@pytest.fixture(scope="session")
def _postgresql(postgres: str) -> Iterator[Ledger]:
    name = f"ledger_{uuid.uuid4().hex}"
    server = create_engine(postgres, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"create database {name}"))
        # who waits in vain fails, instead of hanging the suite
        connection.execute(text(f"alter database {name} set lock_timeout = '30s'"))
    server.dispose()
    url = server.url.set(database=name)
    yield from _opened(url.render_as_string(hide_password=False))


@pytest.fixture
def sqlite_ledger(_sqlite: Ledger) -> Ledger:
    """Return an empty ledger on SQLite, for what only SQLite does."""
    return _emptied(_sqlite)


@pytest.fixture
def postgresql_ledger(_postgresql: Ledger) -> Ledger:
    """Return an empty ledger on PostgreSQL, for what only PostgreSQL does."""
    return _emptied(_postgresql)


@pytest.fixture(params=["sqlite_ledger", "postgresql_ledger"], ids=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    """Return an empty ledger, on one engine after the other."""
    found: Ledger = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def postgresql_steps(postgresql_ledger: Ledger) -> Steps:
    """Return the steps on PostgreSQL, for what only PostgreSQL does."""
    return Steps(postgresql_ledger)


@pytest.fixture
def two_keys(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> Steps:
    """Return the steps where the identity key was changed, and the former one is still there."""
    newest, former = (new_keys().identity_secrets[0] for _ in range(2))
    known = steps.ledger.keys
    keys = KeyRing(
        ledger_id=known.ledger_id,
        payload_secrets=known.payload_secrets,
        identity_secrets=(newest, former),
    )
    monkeypatch.setattr(steps.ledger, "keys", keys)
    return steps


def _opened(url: str) -> Iterator[Ledger]:
    keys = new_keys()
    init_ledger(url, keys)
    with open_ledger_at(url, keys) as opened:
        yield opened


def _emptied(ledger: Ledger) -> Ledger:
    tables = [table for table in schema.metadata.sorted_tables if table is not schema.ledger]
    deletes = [f"delete from {table.name}" for table in reversed(tables)]
    with ledger.writing() as connection:
        # PostgreSQL takes them in one round trip, SQLite only one by one
        for statement in ["; ".join(deletes)] if ledger.on_postgresql else deletes:
            connection.exec_driver_sql(statement)
    return ledger
