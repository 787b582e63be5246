"""A ledger is made once, on purpose, never by a task: an empty one would ask everybody again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from ledger_steps import everything, invited, read_day, sql
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import make_url

from track_dispatch.errors import ConfigError, LedgerError
from track_dispatch.ledger import schema
from track_dispatch.ledger.creation import VERSION_TABLE, init_ledger, migrate_ledger
from track_dispatch.ledger.database import Ledger, connect
from track_dispatch.ledger.keys import new_keys
from track_dispatch.ledger.opening import open_ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from track_dispatch.ledger.keys import KeyRing

OPENERS = [pytest.param(open_ledger, id="open"), pytest.param(migrate_ledger, id="migrate")]


@pytest.fixture
def database(ledger_url: str) -> Iterator[Engine]:
    """Look into the database as it is, without the ledger's code."""
    engine = create_engine(ledger_url)
    yield engine
    engine.dispose()


def tables(url: str) -> list[str]:
    """Return the tables of a database; none where there is not even a file."""
    path = make_url(url).database
    if url.startswith("sqlite") and not (path and Path(path).exists()):
        return []
    engine = create_engine(url)
    try:
        return sorted(inspect(engine).get_table_names())
    finally:
        engine.dispose()


def reflected(engine: Engine) -> dict[str, Any]:
    """Return everything that a database knows of its tables, in a fixed order."""
    found = inspect(engine)
    return {
        table: {
            "columns": [
                {**column, "type": str(column["type"])} for column in found.get_columns(table)
            ],
            "primary key": found.get_pk_constraint(table),
            "foreign keys": _sorted(found.get_foreign_keys(table)),
            "unique": _sorted(found.get_unique_constraints(table)),
            "checks": _sorted(found.get_check_constraints(table)),
            "indexes": _sorted(found.get_indexes(table)),
        }
        for table in found.get_table_names()
        if table != VERSION_TABLE
    }


def _sorted(constraints: list[Any]) -> list[str]:
    said = [{**found, "dialect_options": _plain(found)} for found in constraints]
    return sorted(repr(sorted(found.items())) for found in said)


def _plain(constraint: Any) -> dict[str, str]:
    return {name: str(value) for name, value in constraint.get("dialect_options", {}).items()}


@pytest.fixture
def hand_made(ledger_url: str, tmp_path: Path) -> Iterator[Engine]:
    """Make the tables of `schema.py` in a second database of the same engine."""
    if ledger_url.startswith("sqlite"):
        engine = create_engine(f"sqlite:///{tmp_path}/by_hand.db")
    else:
        sql_url = make_url(ledger_url)
        admin = create_engine(sql_url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text("create schema by_hand"))
        admin.dispose()
        engine = create_engine(sql_url, connect_args={"options": "-csearch_path=by_hand"})
    schema.metadata.create_all(engine)
    yield engine
    engine.dispose()


# --- init -----------------------------------------------------------------------------------


def test_init_makes_a_ledger_that_opens(ledger_url: str) -> None:
    keys = new_keys()

    assert init_ledger(ledger_url, keys)
    open_ledger(ledger_url, keys).close()


def test_init_makes_exactly_the_tables_of_the_schema(ledger_url: str) -> None:
    init_ledger(ledger_url, new_keys())

    assert tables(ledger_url) == sorted([*schema.metadata.tables, VERSION_TABLE])


def test_init_does_nothing_to_a_ledger_that_is_there(ledger_url: str) -> None:
    keys = new_keys()
    init_ledger(ledger_url, keys)
    ledger = open_ledger(ledger_url, keys)
    read_day(ledger, invited(900_000_001))
    before = everything(ledger)

    assert not init_ledger(ledger_url, keys)
    assert everything(ledger) == before
    ledger.close()


def test_init_refuses_a_ledger_of_other_keys_and_names_it(ledger_url: str) -> None:
    keys = new_keys()
    init_ledger(ledger_url, keys)
    with pytest.raises(ConfigError, match=keys.ledger_id):
        init_ledger(ledger_url, new_keys())

    open_ledger(ledger_url, keys).close()


def test_init_leaves_nothing_behind_where_it_fails(ledger_url: str, database: Engine) -> None:
    with database.begin() as connection:
        connection.execute(text("create table lines (of_another_product text)"))
    with pytest.raises(LedgerError):
        init_ledger(ledger_url, new_keys())

    assert tables(ledger_url) == ["lines"]


def test_init_of_an_unreachable_database_is_a_ledger_error(tmp_path: Path) -> None:
    with pytest.raises(LedgerError):
        init_ledger(f"sqlite:///{tmp_path}/no/such/folder/track_ledger.db", new_keys())


# --- what is no ledger ----------------------------------------------------------------------


@pytest.mark.parametrize("opener", OPENERS)
def test_where_there_is_no_ledger_init_is_named(ledger_url: str, opener: Any) -> None:
    with pytest.raises(ConfigError, match="ledger init"):
        opener(ledger_url, new_keys())


@pytest.mark.parametrize("opener", OPENERS)
def test_where_there_is_no_ledger_none_is_made(ledger_url: str, opener: Any) -> None:
    with pytest.raises(ConfigError):
        opener(ledger_url, new_keys())

    assert tables(ledger_url) == []


@pytest.mark.parametrize("opener", OPENERS)
def test_where_there_is_no_file_none_is_made(tmp_path: Path, opener: Any) -> None:
    with pytest.raises(ConfigError):
        opener(f"sqlite:///{tmp_path}/track_ledger.db", new_keys())

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_ledger_in_memory_is_no_ledger(url: str, opener: Any) -> None:
    with pytest.raises(ConfigError):
        opener(url, new_keys())


@pytest.mark.parametrize("opener", OPENERS)
def test_a_database_of_another_product_is_no_ledger(
    ledger_url: str, database: Engine, opener: Any
) -> None:
    with database.begin() as connection:
        connection.execute(text("create table ledger (of_another_product text)"))
        connection.execute(text("create table alembic_version (version_num text)"))
    with pytest.raises(ConfigError, match="ledger init"):
        opener(ledger_url, new_keys())

    assert tables(ledger_url) == ["alembic_version", "ledger"]


@pytest.mark.parametrize("opener", OPENERS)
def test_a_ledger_of_other_keys_is_refused_with_both_names(ledger_url: str, opener: Any) -> None:
    mine, theirs = new_keys(), new_keys()
    init_ledger(ledger_url, theirs)
    with pytest.raises(ConfigError) as error:
        opener(ledger_url, mine)

    assert [keys.ledger_id in str(error.value) for keys in (mine, theirs)] == [True, True]


@pytest.mark.parametrize("opener", OPENERS)
def test_a_ledger_that_lost_its_version_is_not_migrated(ledger_url: str, opener: Any) -> None:
    keys = new_keys()
    init_ledger(ledger_url, keys)
    _write(ledger_url, keys, f"delete from {VERSION_TABLE}")

    with pytest.raises(ConfigError):
        opener(ledger_url, keys)


@pytest.mark.parametrize("url", ["mysql://db/ledger", "oracle://db/ledger", "no address"])
def test_a_ledger_lives_on_sqlite_or_postgresql(url: str) -> None:
    with pytest.raises(ConfigError):
        connect(url)


def test_an_address_that_is_none_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as error:
        connect("user:planted-password@host")

    assert "planted" not in str(error.value)


# --- migrations -----------------------------------------------------------------------------


def test_migrations_make_what_the_schema_says_as_alembic_sees_it(
    ledger_url: str, database: Engine
) -> None:
    init_ledger(ledger_url, new_keys())
    with database.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": VERSION_TABLE,
                "compare_type": True,
                "compare_server_default": True,
            },
        )
        differences = compare_metadata(context, schema.metadata)

    assert differences == []


def test_migrations_make_what_the_schema_says_to_the_last_constraint(
    ledger_url: str, database: Engine, hand_made: Engine
) -> None:
    """Alembic does not compare checks, nor what a partial index is restricted to."""
    init_ledger(ledger_url, new_keys())

    assert reflected(database) == reflected(hand_made)


def test_migrating_a_current_ledger_changes_nothing(ledger_url: str) -> None:
    keys = new_keys()
    init_ledger(ledger_url, keys)
    ledger = open_ledger(ledger_url, keys)
    read_day(ledger, invited(900_000_001))
    before = everything(ledger)
    revisions = migrate_ledger(ledger_url, keys)

    assert revisions == (revisions[0], revisions[0])
    assert everything(ledger) == before
    ledger.close()


def test_a_ledger_of_a_newer_version_opens(ledger_url: str) -> None:
    """Migrations only add, so the previous code still works."""
    keys = new_keys()
    init_ledger(ledger_url, keys)
    _write(
        ledger_url,
        keys,
        f"update {VERSION_TABLE} set version_num = '9999'",
        "alter table lines add column later text",
        "create table later (id text)",
    )
    ledger = open_ledger(ledger_url, keys)
    read_day(ledger, invited(900_000_001))

    assert len(everything(ledger)["lines"]) == 1
    ledger.close()


def test_a_ledger_of_a_newer_version_is_not_migrated_back(ledger_url: str) -> None:
    keys = new_keys()
    init_ledger(ledger_url, keys)
    _write(ledger_url, keys, f"update {VERSION_TABLE} set version_num = '9999'")

    assert migrate_ledger(ledger_url, keys) == ("9999", "9999")


def _write(url: str, keys: KeyRing, *statements: str) -> None:
    ledger = Ledger(connect(url), keys)
    for statement in statements:
        sql(ledger, statement)
    ledger.close()
