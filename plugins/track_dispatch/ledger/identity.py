"""Whether a ledger is still the one it was: its server, its keys, how certain its commits are.

A server with another identity is a restored backup, or a standby that took over and may lack the
last claims: nobody has said so yet, and whoever was asked in the time that is lost would be asked
again. A key that is gone takes its opt-outs with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, select, text, update

from track_dispatch.errors import ConfigError
from track_dispatch.ledger import schema
from track_dispatch.ledger.sql import insert_into, moment_in

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from track_dispatch.ledger.keys import KeyRing


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
        for table_name, count in needed_alone(connection, missing, tuple(ours)).items():
            if count:
                raise ConfigError(
                    f"the identity key {missing} is gone, but {count} rows of {table_name} have no"
                    " other one: put it back at the end of identity_secrets, else opt-outs and"
                    " recent invitations are forgotten"
                )


def needed_alone(connection: Connection, key: str, others: tuple[str, ...]) -> dict[str, int]:
    """Count, by table, what has a hash under this key and under none of the others."""
    counted = (
        (schema.optouts, schema.optouts.c.entry),
        (schema.identities, schema.identities.c.line),
        (schema.forgotten, schema.forgotten.c.line),
    )
    counts = {}
    for table, one in counted:
        covered = select(one).where(table.c.key.in_(others))
        alone = select(func.count(one.distinct())).where(table.c.key == key, one.not_in(covered))
        counts[table.name] = connection.scalar(alone) or 0
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
