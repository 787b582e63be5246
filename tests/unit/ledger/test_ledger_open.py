"""Only the right ledger is opened: made on purpose, with its keys, on its server."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, insert, inspect, text
from sqlalchemy.engine import make_url

from tests.unit.ledger.steps import Steps
from track_dispatch.errors import ConfigError, LedgerError
from track_dispatch.ledger import schema
from track_dispatch.ledger.creation import (
    VERSION_TABLE,
    init_ledger,
    migrate_ledger,
    open_ledger_at,
)
from track_dispatch.ledger.database import Ledger, connect
from track_dispatch.ledger.keys import IdentityKey, KeyRing, new_keys
from track_dispatch.ledger.sql import moment_in

if TYPE_CHECKING:
    from sqlalchemy import Engine

OPENERS = [pytest.param(open_ledger_at, id="open"), pytest.param(migrate_ledger, id="migrate")]


@pytest.fixture
def database(ledger_url: str) -> Iterator[Engine]:
    """Look into the database as it is, without the ledger's code."""
    engine = create_engine(ledger_url)
    yield engine
    engine.dispose()


@pytest.fixture
def hand_made(ledger_url: str, tmp_path: Path) -> Iterator[Engine]:
    """Make the tables of `schema.py` in a second database of the same engine."""
    if ledger_url.startswith("sqlite"):
        engine = create_engine(f"sqlite:///{tmp_path}/by_hand.db")
    else:
        admin = create_engine(ledger_url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text("create schema by_hand"))
        admin.dispose()
        engine = create_engine(ledger_url, connect_args={"options": "-csearch_path=by_hand"})
    schema.metadata.create_all(engine)
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
    said = [
        {
            **found,
            "dialect_options": {
                name: str(value) for name, value in found.get("dialect_options", {}).items()
            },
        }
        for found in constraints
    ]
    return sorted(repr(sorted(found.items())) for found in said)


def with_key(keys: KeyRing, *, keep_old: bool = True) -> KeyRing:
    """Put a new identity key before the old ones, or in their place."""
    old = keys.identity_secrets if keep_old else ()
    return keys.model_copy(update={"identity_secrets": (*new_keys().identity_secrets, *old)})


def opted_out(url: str, keys: KeyRing, value: str) -> None:
    """Enter an opt-out under every key of the ring."""
    with open_ledger_at(url, keys) as ledger, ledger.writing() as connection:
        for found in keys.identity_hashes(value):
            connection.execute(
                insert(schema.optouts).values(
                    full_hash=found.full,
                    channel="",
                    hash=found.hash,
                    key=found.key,
                    entry=value,
                    kind="email",
                    source="test",
                    added_at=moment_in(),
                )
            )


# --- init -----------------------------------------------------------------------------------


def test_init_makes_exactly_the_tables_of_the_schema(ledger_url: str) -> None:
    keys = new_keys()

    assert init_ledger(ledger_url, keys)
    assert tables(ledger_url) == sorted([*schema.metadata.tables, VERSION_TABLE])
    open_ledger_at(ledger_url, keys).close()


def test_init_does_nothing_to_a_ledger_that_is_there(ledger_url: str) -> None:
    keys = new_keys()
    init_ledger(ledger_url, keys)
    with open_ledger_at(ledger_url, keys) as ledger:
        Steps(ledger).add_line("A1")
        before = Steps(ledger).everything()

        assert not init_ledger(ledger_url, keys)
        assert Steps(ledger).everything() == before


def test_init_refuses_a_ledger_of_other_keys_and_names_it(ledger_url: str) -> None:
    keys = new_keys()
    init_ledger(ledger_url, keys)
    with pytest.raises(ConfigError, match=keys.ledger_id):
        init_ledger(ledger_url, new_keys())

    open_ledger_at(ledger_url, keys).close()


def test_init_leaves_nothing_behind_where_it_fails(ledger_url: str, database: Engine) -> None:
    with database.begin() as connection:
        connection.execute(text("create table lines (of_another_product text)"))
    with pytest.raises(LedgerError):
        init_ledger(ledger_url, new_keys())

    assert tables(ledger_url) == ["lines"]


FILES = {"track_ledger.db", "track_ledger.db-wal", "track_ledger.db-shm"}


def modes(folder: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


@pytest.fixture(params=[0o022, 0o000], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_only_its_owner_reads_the_files_of_a_ledger_whatever_the_umask(tmp_path: Path) -> None:
    path, keys = tmp_path / "track_ledger.db", new_keys()
    init_ledger(f"sqlite:///{path}", keys)
    with open_ledger_at(f"sqlite:///{path}", keys) as ledger:
        Steps(ledger).add_line("A1")

        assert modes(tmp_path) == dict.fromkeys(FILES, 0o600)


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("opener", OPENERS)
def test_a_ledger_that_was_put_back_for_all_to_read_is_its_owners_again(
    tmp_path: Path, opener: Any
) -> None:
    path, keys = tmp_path / "track_ledger.db", new_keys()
    init_ledger(f"sqlite:///{path}", keys)
    with open_ledger_at(f"sqlite:///{path}", keys) as ledger:
        Steps(ledger).add_line("A1")
        for file in tmp_path.iterdir():
            file.chmod(0o644)

        found = opener(f"sqlite:///{path}", keys)

        assert modes(tmp_path) == dict.fromkeys(FILES, 0o600)
        if isinstance(found, Ledger):
            found.close()


# --- what is no ledger ----------------------------------------------------------------------


@pytest.mark.parametrize("opener", OPENERS)
def test_where_there_is_no_ledger_none_is_made(ledger_url: str, opener: Any) -> None:
    with pytest.raises(ConfigError, match="ledger init"):
        opener(ledger_url, new_keys())

    assert tables(ledger_url) == []


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
    with pytest.raises(ConfigError, match="ledger init"):
        opener(ledger_url, new_keys())

    assert tables(ledger_url) == ["ledger"]


@pytest.mark.parametrize("opener", OPENERS)
def test_a_ledger_of_other_keys_is_refused_with_both_names(ledger_url: str, opener: Any) -> None:
    mine, theirs = new_keys(), new_keys()
    init_ledger(ledger_url, theirs)
    with pytest.raises(ConfigError) as error:
        opener(ledger_url, mine)

    assert [keys.ledger_id in str(error.value) for keys in (mine, theirs)] == [True, True]


@pytest.mark.parametrize("url", ["mysql://db/ledger", "oracle://db/ledger", "no address"])
def test_a_ledger_lives_on_sqlite_or_postgresql(url: str) -> None:
    with pytest.raises(ConfigError):
        connect(url)


def test_an_address_that_is_none_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as error:
        connect("user:planted-password@host")

    assert "planted" not in str(error.value)


def test_the_repr_of_a_ledger_shows_no_password() -> None:
    ledger = Ledger(connect("postgresql://user:planted-password@127.0.0.1:1/x"), new_keys())

    assert "planted" not in repr(ledger)


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


def test_a_ledger_of_a_newer_version_opens_and_is_not_migrated_back(ledger_url: str) -> None:
    """Migrations only add, so the previous code still works."""
    keys = new_keys()
    init_ledger(ledger_url, keys)
    with open_ledger_at(ledger_url, keys) as ledger:
        Steps(ledger).run_sql(f"update {VERSION_TABLE} set version_num = '9999'")
        Steps(ledger).run_sql("alter table lines add column later text")
    with open_ledger_at(ledger_url, keys) as ledger:
        Steps(ledger).add_line("A1")

    assert migrate_ledger(ledger_url, keys) == ("9999", "9999")


# --- keys -----------------------------------------------------------------------------------


def test_a_key_may_come_and_the_old_one_stay(ledger_url: str) -> None:
    keys = new_keys()
    init_ledger(ledger_url, keys)
    opted_out(ledger_url, keys, "email:a@example.test")

    open_ledger_at(ledger_url, with_key(keys)).close()


def test_a_key_that_an_opt_out_has_alone_may_not_leave(ledger_url: str) -> None:
    keys = new_keys()
    init_ledger(ledger_url, keys)
    opted_out(ledger_url, keys, "email:a@example.test")

    with pytest.raises(ConfigError, match="1 row of optouts"):
        open_ledger_at(ledger_url, with_key(keys, keep_old=False))


def test_a_key_that_an_invited_person_has_alone_may_not_leave(ledger_url: str) -> None:
    keys = new_keys()
    init_ledger(ledger_url, keys)
    with open_ledger_at(ledger_url, keys) as ledger:
        key = keys.identity_secrets[0].id
        Steps(ledger).run_sql(
            "insert into identities (hash, line, kind, key) values (1, 2, 'p', :key)",
            key=key,
        )

    with pytest.raises(ConfigError, match="1 row of identities"):
        open_ledger_at(ledger_url, with_key(keys, keep_old=False))


def test_what_needs_a_key_that_is_gone_is_counted_in_every_table(ledger_url: str) -> None:
    keys = new_keys()
    init_ledger(ledger_url, keys)
    opted_out(ledger_url, keys, "email:a@example.test")
    with open_ledger_at(ledger_url, keys) as ledger:
        Steps(ledger).run_sql(
            "insert into identities (hash, line, kind, key) values (1, 2, 'p', :key)",
            key=keys.identity_secrets[0].id,
        )

    with pytest.raises(
        ConfigError, match="1 row of optouts and 1 row of identities would have none"
    ):
        open_ledger_at(ledger_url, with_key(keys, keep_old=False))


def test_a_key_leaves_when_everything_has_another_one_as_well(ledger_url: str) -> None:
    old = new_keys()
    init_ledger(ledger_url, old)
    both = with_key(old)
    opted_out(ledger_url, both, "email:a@example.test")
    new = both.model_copy(update={"identity_secrets": both.identity_secrets[:1]})

    open_ledger_at(ledger_url, new).close()


def test_another_secret_under_a_known_id_is_refused(ledger_url: str) -> None:
    keys = new_keys()
    init_ledger(ledger_url, keys)
    other = IdentityKey(
        id=keys.identity_secrets[0].id, secret=new_keys().identity_secrets[0].secret
    )

    with pytest.raises(ConfigError, match="another secret"):
        open_ledger_at(ledger_url, keys.model_copy(update={"identity_secrets": (other,)}))


# --- the server -----------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["timeline = timeline + 1", "system_identifier = '1'"])
def test_another_server_than_before_is_refused_and_restored_is_named(
    postgres_url: str, change: str
) -> None:
    keys = new_keys()
    init_ledger(postgres_url, keys)
    with open_ledger_at(postgres_url, keys) as ledger:
        Steps(ledger).run_sql(f"update ledger set {change}")

    with pytest.raises(ConfigError, match="ledger restored"):
        open_ledger_at(postgres_url, keys)


def test_a_role_without_special_rights_opens_the_ledger(postgres_url: str) -> None:
    admin = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    role = f"plain_{make_url(postgres_url).database}"
    with admin.connect() as connection:
        connection.execute(text(f"create role {role} login password 'x'"))
        connection.execute(text(f"grant create, usage on schema public to {role}"))
    url = make_url(postgres_url).set(username=role, password="x")
    keys = new_keys()
    try:
        address = url.render_as_string(hide_password=False)
        init_ledger(address, keys)
        with open_ledger_at(address, keys) as ledger:
            Steps(ledger).add_line("A1")
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"drop owned by {role} cascade"))
            connection.execute(text(f"drop role {role}"))
        admin.dispose()
