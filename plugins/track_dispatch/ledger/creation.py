"""What a ledger is: made and migrated here alone, and known by its server and its keys.

A server with another identity is a restored backup, or a standby that took over and may lack the
last claims: nobody has said so yet, and whoever was asked in the time that is lost would be asked
again. A key that is gone takes its opt-outs with it.

Alembic is imported where it works: it is slow to load, and whoever parses a DAG file passes by.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import column, func, insert, select, table, text, update
from sqlalchemy.engine import make_url

from track_dispatch.errors import ConfigError
from track_dispatch.ledger import schema
from track_dispatch.ledger.database import (
    MIGRATION,
    Ledger,
    Limits,
    connect,
    has_table,
    require_same_ledger,
)
from track_dispatch.ledger.sql import insert_into, moment_in

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from sqlalchemy import Connection, Engine

    from track_dispatch.ledger.keys import KeyRing


#: Alembic's own table, named so that it cannot meet another product's in one database.
VERSION_TABLE = "ledger_version"

INIT_HINT = (
    "only a first installation makes one, by `python -m track_dispatch ledger init`: a second,"
    " empty ledger would ask everybody again"
)


def init_ledger(url: str, keys: KeyRing, *, options: Mapping[str, str] | None = None) -> bool:
    """Create the ledger, or leave a ledger that is there as it is; tell whether it was created.

    Args:
        url: of the database.
        keys: the ring that will belong to it.
        options: libpq's own, as for `open_ledger_at`.

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
    """Make a SQLite file that only its owner reads; its journals take the file's rights."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        path = Path(parsed.database)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def migrate_ledger(
    url: str,
    keys: KeyRing,
    *,
    options: Mapping[str, str] | None = None,
    limits: Limits = MIGRATION,
) -> tuple[str, str]:
    """Bring a ledger to this version's tables; return the revisions before and after.

    A ledger that a newer version migrated stays as it is.

    Args:
        url: of the database.
        keys: the ring that belongs to it.
        options: libpq's own, as for `open_ledger_at`.
        limits: how long it may wait for whoever works in the ledger.

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


def unregistered(connection: Connection, keys: KeyRing) -> bool:
    """Tell whether the ring has a key that the ledger does not know yet."""
    known = set(connection.scalars(select(schema.identity_keys.c.id)))
    return any(key.id not in known for key in keys.identity_secrets)


def register_keys(connection: Connection, keys: KeyRing) -> None:
    """Keep which identity keys hashes were made with; a known one stays as it is."""
    for key in keys.identity_secrets:
        connection.execute(
            insert_into(connection, schema.identity_keys)
            .values(id=key.id, fingerprint=key.fingerprint, first_used_at=moment_in())
            .on_conflict_do_nothing()
        )


def require_keys(connection: Connection, keys: KeyRing) -> None:
    """Refuse a ring that would forget somebody.

    Raises:
        ConfigError: a secret changed under its id, or a key is gone that an opt-out, an invited
            person or a forgotten attendance still has alone.
    """
    ours = {key.id: key.fingerprint for key in keys.identity_secrets}
    table = schema.identity_keys
    known = {row.id: row.fingerprint for row in connection.execute(select(table))}
    for changed in sorted(id_ for id_ in ours.keys() & known.keys() if ours[id_] != known[id_]):
        raise ConfigError(
            f"the identity key {changed} has another secret than before: put the old one back; a"
            " new key needs a new id (`ledger new-keys`)"
        )
    for missing in sorted(known.keys() - ours.keys()):
        needed = needed_alone(connection, missing, tuple(ours))
        if counts := [f"{count} rows of {name}" for name, count in needed.items() if count]:
            raise ConfigError(
                f"the identity key {missing} is gone, but {' and '.join(counts)} have no other one:"
                " put it back at the end of identity_secrets, else opt-outs and recent invitations"
                " are forgotten"
            )


def needed_alone(connection: Connection, key: str, others: tuple[str, ...]) -> dict[str, int]:
    """Count, by table, what has a hash under this key and under none of the others."""
    counted = (
        (schema.optouts, schema.optouts.c.entry),
        (schema.identities, schema.identities.c.line),
        (schema.forgotten, schema.forgotten.c.line),
    )
    counts = {}
    for counted_in, one in counted:
        covered = select(one).where(counted_in.c.key.in_(others))
        is_alone = (counted_in.c.key == key, one.not_in(covered))
        alone = select(func.count(one.distinct())).where(*is_alone)
        counts[counted_in.name] = connection.scalar(alone) or 0
    return counts


def unopened(connection: Connection, keys: KeyRing) -> int:
    """Count what waits encrypted - envelopes and staged chunks - and no key of ours opens."""
    envelopes, staged = schema.envelopes, schema.staged
    waiting = [
        select(envelopes.c.payload).where(envelopes.c.payload.is_not(None)),
        select(staged.c.payload),
    ]
    found = connection.execution_options(yield_per=100)
    return sum(not _opens(keys, token) for query in waiting for token in found.scalars(query))


def durability(connection: Connection) -> str:
    """Tell what a commit has survived when the database reports it.

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


def _opens(keys: KeyRing, token: bytes) -> bool:
    try:
        keys.decrypt(token)
    except ConfigError:
        return False
    return True


#: What every task does to the tables.
_NEEDED = ("SELECT", "INSERT", "UPDATE", "DELETE")


def require_rights(connection: Connection) -> None:
    """Refuse a role that may not do everywhere what tasks do.

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
