"""Create, migrate and open the ledger, and check that it is the right one by server and keys.

A server with another identity is a restored backup, or a standby that took over and may lack the
last claims: until a person declares that, patients asked in the lost time would be asked again. A
lost key would lose its opt-outs.

Alembic is imported late: it is slow to load, and DAG files import this module.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, Engine, column, func, insert, select, table, text, update
from sqlalchemy.engine import make_url

from track_dispatch.errors import ConfigError
from track_dispatch.ledger import schema
from track_dispatch.ledger.database import (
    MIGRATION,
    SHORT,
    Ledger,
    Limits,
    connect,
    has_table,
    require_same_ledger,
)
from track_dispatch.ledger.keys import KeyRing, register_keys, require_keys, unregistered
from track_dispatch.ledger.sql import moment_in

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

#: Alembic's own table, named so that it cannot meet another product's in one database.
VERSION_TABLE = "ledger_version"

INIT_HINT = (
    "only a first installation makes one, by `python -m track_dispatch ledger init`: a second,"
    " empty ledger would ask everybody again"
)


def init_ledger(url: str, keys: KeyRing, *, options: Mapping[str, str] | None = None) -> bool:
    """Create the ledger, unless there is one; return whether it was created.

    Raises:
        ConfigError: the database holds another ledger than the keys belong to.
        LedgerError: the database does not answer.
    """
    _make_private(url)
    with Ledger(connect(url, options=options), keys) as new, new.writing(MIGRATION) as connection:
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
    """Create a SQLite file that only its owner may read; journals get the file's mode."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        path = Path(parsed.database)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def migrate_ledger(
    url: str, keys: KeyRing, *, options: Mapping[str, str] | None = None, limits: Limits = MIGRATION
) -> tuple[str, str]:
    """Bring a ledger to this version's tables; return the revisions before and after.

    A ledger that a newer version migrated stays as it is. `limits` say how long it may wait for
    whoever works in the ledger.

    Raises:
        ConfigError: there is no ledger to migrate, or it is another one than the keys'.
        LedgerError: the database does not answer.
    """
    with Ledger(connect(url, options=options), keys) as existing:
        require_existing(existing.engine)
        with existing.writing(limits) as connection:
            before = _revision(connection)
            if before is None:
                message = f"there is no ledger to migrate; {INIT_HINT}"
                raise ConfigError(message)
            require_same_ledger(connection, keys)
            if not _is_known(before):
                return before, before
            _upgrade(connection)
            return before, _head()


def open_ledger_at(
    url: str,
    keys: KeyRing,
    *,
    options: Mapping[str, str] | None = None,
    restored: bool = False,
    short: Limits = SHORT,
    read_only: bool = False,
) -> Ledger:
    """Open an existing, migrated ledger that these keys belong to.

    While it is open, each new connection is refused if its server is another one.

    Args:
        url: of the database.
        keys: the ring that belongs to it.
        options: libpq's own (`sslmode`, `sslrootcert`, `target_session_attrs`, ...).
        restored: whether a person is about to declare that the server is another one; nothing else
            may open the ledger on it.
        short: limits of a transaction without limits of its own.
        read_only: for pages that people look at: over two connections, and nothing is written.

    Raises:
        ConfigError: it is not there, not migrated, or another one; or its identity keys lack one
            that is still needed; or its server is another one. An empty ledger would ask everybody
            again, so none is ever made here.
        LedgerError: the database does not answer.
    """
    engine = connect(url, options=options, read_only=read_only)
    opened = Ledger(engine, keys, short=short, read_only=read_only)
    try:
        require_existing(opened.engine)
        with opened.reading() as connection:
            require_current(connection)
            require_same_ledger(connection, keys)
            if not restored:
                require_same_server(connection)
            require_keys(connection, keys)
            new = unregistered(connection, keys)
        if new and not read_only:
            with opened.writing() as connection:
                register_keys(connection, keys)
        if not restored:
            opened.look_at_connections(require_same_server)
    except Exception:
        opened.close()
        raise
    return opened


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
    # an unknown revision is of a newer version: migrations only add, so this code still works
    if _is_known(found) and found != _head():
        message = (
            f"the ledger is at version {found}, this code wants {_head()}:"
            " run `python -m track_dispatch ledger migrate`"
        )
        raise ConfigError(message)


def _scripts() -> ScriptDirectory:
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    return ScriptDirectory(str(Path(__file__).parent / "migrations"))


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
    """Run the migrations that the ledger has not had, in the caller's transaction.

    Source: Alembic's reference of `EnvironmentContext`, which names the private method, too.
    """
    from alembic.config import Config  # noqa: PLC0415
    from alembic.runtime.environment import EnvironmentContext  # noqa: PLC0415

    scripts = _scripts()
    with EnvironmentContext(
        Config(),
        scripts,
        fn=lambda revision, _context: scripts._upgrade_revs("head", revision),
        destination_rev="head",
    ) as environment:
        environment.configure(
            connection=connection,
            target_metadata=schema.metadata,
            version_table=VERSION_TABLE,
            transactional_ddl=False,  # the caller's transaction is the transaction
        )
        environment.run_migrations()


# -- the server and the keys -------------------------------------------------------


class Server(NamedTuple):
    """PostgreSQL's identity: a new cluster has another identifier, a promotion a new timeline."""

    system_identifier: str
    timeline: int


def server_of(connection: Connection) -> Server | None:
    """Return the server's identity; None on SQLite.

    Raises:
        ConfigError: it is a standby, which takes no claim.
    """
    if connection.dialect.name != "postgresql":
        return None
    if connection.scalar(text("select pg_is_in_recovery()")):
        raise ConfigError(
            "the ledger's server is a standby: point track_ledger to the primary, e.g. by"
            ' "target_session_attrs": "read-write" in its extra'
        )
    row = connection.execute(
        text(
            "select system_identifier::text, ('x' || left(pg_walfile_name(pg_current_wal_lsn()),"
            " 8))::bit(32)::int from pg_control_system()"
        )
    ).one()
    return Server(*row)


def require_same_server(connection: Connection) -> None:
    """Refuse a server that is not the one the ledger was last used on.

    Raises:
        ConfigError: it names what to do.
    """
    ledger = schema.ledger
    known = connection.execute(select(ledger.c.system_identifier, ledger.c.timeline)).one()
    if known.system_identifier is None:
        return
    found = server_of(connection)
    if found != (known.system_identifier, known.timeline):
        raise ConfigError(
            "the ledger's server is another one than before (a restored backup, or a standby that"
            " took over): what it may have lost could be sent twice. When a person has looked:"
            " `python -m track_dispatch ledger restored --as-of MOMENT --by --why`"
        )


def accept_server(connection: Connection) -> None:
    """Keep the server's identity as the ledger's, after a person declared it."""
    found = server_of(connection)
    if found is not None:
        connection.execute(
            update(schema.ledger).values(
                system_identifier=found.system_identifier, timeline=found.timeline
            )
        )


def durability(connection: Connection) -> str:
    """Describe what a reported commit survives.

    Raises:
        ConfigError: a crash could take back a claim whose POST has gone out, and the patients
            would be asked again.
    """
    if connection.dialect.name == "postgresql":
        return (
            "every claim sets synchronous_commit = on: a commit is on the server's disk, and on"
            " that of its synchronous standby, if there is one"
        )
    if int(connection.scalar(text("pragma synchronous")) or 0) < 2:
        raise ConfigError(
            "SQLite does not wait for the disk (synchronous is below FULL): after a power cut a"
            " claim may be gone whose POST went out"
        )
    return "SQLite waits for the disk (synchronous=FULL)"


#: Rights that every task needs on the tables.
_NEEDED = ("SELECT", "INSERT", "UPDATE", "DELETE")


def require_rights(connection: Connection) -> None:
    """Refuse a role that lacks a right of tasks on any table.

    Raises:
        ConfigError: it names the tables, and what to grant; or the file that nobody may write.
    """
    if connection.dialect.name != "postgresql":
        path = Path(connection.engine.url.database or "")
        for place in (path, path.parent):
            if not os.access(place, os.W_OK):
                raise ConfigError(
                    f"this user may not write {place}: run it as the user that Airflow runs as, or"
                    " give the ledger's folder to that"
                )
        return
    lacking = [
        name
        for name in schema.metadata.tables
        if not all(
            connection.scalar(select(func.has_table_privilege(name, right))) for right in _NEEDED
        )
    ]
    if lacking:
        raise ConfigError(
            f"the connection's role may not read and write {', '.join(sorted(lacking))}: `grant"
            f" {', '.join(_NEEDED).lower()} on all tables in schema public to` the role of the"
            " Login field"
        )


#: The advisory lock of `try_claim`; any number that no claim uses.
_LOOKS_TURN = 7_249_003


class Way(NamedTuple):
    """The connection to PostgreSQL, as seen from our end.

    Attributes:
        host: whom we are connected to: a name, an address, or a socket's folder.
        is_local: whether that is this machine.
        is_encrypted: whether TLS is spoken on it.
        has_pooler: whether a pooler answers in the server's place.
    """

    host: str
    is_local: bool
    is_encrypted: bool
    has_pooler: bool


def way_to_server(connection: Connection) -> Way | None:
    """Describe the connection to the server; None on SQLite.

    Behind a pooler the backend is another one than that named at the log-on.
    """
    if connection.dialect.name != "postgresql":
        return None
    driver: Any = connection.connection.driver_connection
    host = driver.info.host
    backend = connection.scalar(text("select pg_backend_pid()"))
    return Way(
        host=host,
        is_local=is_local(host, driver.info.hostaddr),
        is_encrypted=bool(driver.pgconn.ssl_in_use),
        has_pooler=backend != driver.info.backend_pid,
    )


def try_claim(connection: Connection) -> int:
    """Run a claim's lock and setting in a writing transaction; return the server's backend.

    Raises:
        ConfigError: the transaction's setting was lost on the way.
    """
    # a lock like the claims', with another number: no claim must wait for a check
    connection.execute(select(func.pg_advisory_xact_lock(_LOOKS_TURN)))
    backend: int = connection.scalar(text("select pg_backend_pid()")) or 0
    if connection.scalar(text("show synchronous_commit")) != "on":
        raise ConfigError(
            "what a transaction sets is lost on the way (synchronous_commit): set the pooler's mode"
            " to transaction or session"
        )
    return backend


def is_local(host: str, address: str) -> bool:
    """Tell whether a host, at this address if it is known, is this machine."""
    if host.startswith("/") or host in {"", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(address or host).is_loopback
    except ValueError:
        return False
