"""Looking at a ledger's health: how certain its commits are, and what its keys still open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, not_, or_, select, text

from track_dispatch.errors import ConfigError
from track_dispatch.ledger import schema

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from track_dispatch.ledger.keys import KeyRing

#: What a commit has survived when PostgreSQL reports it.
#: Source: PostgreSQL documentation, "Write Ahead Log", synchronous_commit.
_SYNCHRONOUS_COMMIT = {
    "on": "on the server's disk, and on that of its synchronous standby, if there is one",
    "remote_apply": "on the server's disk, and visible on its synchronous standby",
    "remote_write": "on the server's disk, and with the standby's operating system: a crash of"
    " both machines at once may lose it",
    "local": "on the server's disk only: a failover to a standby may lose it",
}


def durability(connection: Connection) -> str:
    """Tell what a commit has survived when the database reports it.

    Raises:
        ConfigError: a crash could take back a claim whose POST has gone out, and the patients
            would be asked again.
    """
    if connection.dialect.name == "postgresql":
        setting = str(connection.scalar(text("show synchronous_commit")))
        if setting not in _SYNCHRONOUS_COMMIT:
            raise ConfigError(
                f"synchronous_commit is {setting}: after a crash of the server a claim may be gone"
                " whose POST went out, and patients are asked twice; `alter role ... set"
                " synchronous_commit = on` for the ledger's role"
            )
        return f"synchronous_commit is {setting}: a commit is {_SYNCHRONOUS_COMMIT[setting]}"
    if int(connection.scalar(text("pragma synchronous")) or 0) < 2:
        raise ConfigError(
            "SQLite does not wait for the disk (synchronous is below FULL): after a power cut a"
            " claim may be gone whose POST went out"
        )
    return "SQLite waits for the disk (synchronous=FULL)"


def unopened(connection: Connection, keys: KeyRing) -> int:
    """Count what waits encrypted - lines' payloads and staged chunks - and no key of ours opens."""
    waiting = [
        select(schema.lines.c.payload).where(schema.lines.c.payload.is_not(None)),
        select(schema.staged_rows.c.payload),
    ]
    found = connection.execution_options(yield_per=100)
    return sum(not _opens(keys, token) for query in waiting for token in found.scalars(query))


def strangers(connection: Connection, keys: KeyRing) -> int:
    """Count lines whose person was hashed with an identity key that is no longer there."""
    ours = [f"{key.id}:" for key in keys.identity_keys]
    columns = [schema.lines.c[f"{kind}_hash"] for kind in ("cpf", "email", "phone")]
    # where there is no hash, this is null, and so not strange
    strange = [not_(or_(*(column.startswith(prefix) for prefix in ours))) for column in columns]
    query = select(func.count()).select_from(schema.lines).where(or_(*strange))
    return connection.execute(query).scalar_one()


def _opens(keys: KeyRing, token: bytes) -> bool:
    try:
        keys.decrypt(token)
    except ConfigError:
        return False
    return True
