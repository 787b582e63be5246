"""Making and migrating a ledger: the only code that creates or alters its tables.

Alembic is imported where it works: it is slow to load, and whoever parses a DAG file passes by.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import column, insert, select, table
from sqlalchemy.engine import make_url

from track_dispatch.errors import ConfigError
from track_dispatch.ledger import schema
from track_dispatch.ledger.database import Ledger, connect, has_table, require_same_ledger
from track_dispatch.ledger.identity import accept_server, register_keys
from track_dispatch.ledger.sql import moment_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from sqlalchemy import Connection, Engine

    from track_dispatch.ledger.keys import KeyRing

#: Alembic's own table, named so that it cannot meet another product's in one database.
VERSION_TABLE = "ledger_version"

INIT_HINT = "`python -m track_dispatch ledger init` creates it, once"


def init_ledger(url: str, keys: KeyRing, *, options: Mapping[str, str] | None = None) -> bool:
    """Create the ledger, or leave a ledger that is there as it is; tell whether it was created.

    Args:
        url: of the database.
        keys: the ring that will belong to it.
        options: libpq's own, as for `open_ledger`.

    Raises:
        ConfigError: the database holds another ledger than the keys belong to.
        LedgerError: the database does not answer.
    """
    _make_private(url)
    with Ledger(connect(url, options=options), keys) as new, new.long_writing() as connection:
        if has_table(connection, schema.ledger.name):
            found = connection.scalar(select(schema.ledger.c.ledger_id))
            if found == keys.ledger_id:
                return False
            message = f"there is a ledger already, {found}, and these keys are not its keys"
            raise ConfigError(message)
        _upgrade(connection)
        connection.execute(
            insert(schema.ledger).values(ledger_id=keys.ledger_id, created_at=moment_in())
        )
        accept_server(connection)
        register_keys(connection, keys)
    return True


def _make_private(url: str) -> None:
    """Make a SQLite file that only its owner reads; its journals take the file's rights."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        path = Path(parsed.database)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def migrate_ledger(
    url: str, keys: KeyRing, *, options: Mapping[str, str] | None = None
) -> tuple[str, str]:
    """Bring a ledger to this version's tables; return the revisions before and after.

    A ledger that a newer version migrated stays as it is.

    Raises:
        ConfigError: there is no ledger to migrate, or it is another one than the keys'.
        LedgerError: the database does not answer.
    """
    with Ledger(connect(url, options=options), keys) as existing:
        require_existing(existing.engine)
        with existing.long_writing() as connection:
            before = _revision(connection)
            if before is None:
                message = f"there is no ledger to migrate; {INIT_HINT}"
                raise ConfigError(message)
            require_same_ledger(connection, keys)
            if not _is_known(before):
                return before, before
            _upgrade(connection)
            return before, _head()


def require_existing(engine: Engine) -> None:
    """Refuse a SQLite file that is not there, which connecting would create.

    Raises:
        ConfigError: there is no such file.
    """
    path = engine.url.database
    if engine.dialect.name == "sqlite" and not (path and Path(path).is_file()):
        message = f"there is no ledger at {path}; {INIT_HINT}"
        raise ConfigError(message)


def require_current(connection: Connection) -> None:
    """Refuse a database without a ledger, or with one of another version.

    Raises:
        ConfigError: it says which command to run.
    """
    found = _revision(connection)
    if found is None or not has_table(connection, schema.ledger.name):
        message = f"the database holds no ledger; {INIT_HINT}"
        raise ConfigError(message)
    # one that we do not know is of a newer version: migrations only add, so this code still works
    if _is_known(found) and found != _head():
        message = (
            f"the ledger is at version {found}, this code wants {_head()}:"
            " run `python -m track_dispatch ledger migrate`"
        )
        raise ConfigError(message)


def _config() -> Config:
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _scripts() -> ScriptDirectory:
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    return ScriptDirectory.from_config(_config())


def _head() -> str:
    return _scripts().get_current_head() or ""


def _is_known(revision: str) -> bool:
    return revision in {script.revision for script in _scripts().walk_revisions()}


def _revision(connection: Connection) -> str | None:
    """Read the version without Alembic, which would log two lines about itself in every task."""
    if not has_table(connection, VERSION_TABLE):
        return None
    version: str | None = connection.scalar(
        select(column("version_num")).select_from(table(VERSION_TABLE))
    )
    return version


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
