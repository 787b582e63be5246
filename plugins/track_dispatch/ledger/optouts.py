"""Who asked not to be asked: keyed hashes of CPF, e-mail or phone, for all channels or one.

Each identity is entered with every identity key there is, and looked up with every one, so that a
new key forgets nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from track_dispatch.ledger import schema
from track_dispatch.ledger.lists import among
from track_dispatch.ledger.schema import moment_in
from track_dispatch.records import Channel

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

    from track_dispatch.ledger.database import Ledger

#: How a row says that it holds for every channel.
EVERY_CHANNEL = ""

_ANY = select(schema.optouts.c.kind).limit(1)
_LISTED = select(schema.optouts.c.person_hash, schema.optouts.c.channel).where(
    among(schema.optouts.c.person_hash, "hashes")
)


@dataclass(frozen=True, slots=True)
class OptOut:
    """What is on the list about an identity; `channel` is None for every channel."""

    kind: str
    channel: Channel | None
    source: str
    added_at: datetime


def add_optout(
    ledger: Ledger, identity: Mapping[str, str], *, channel: Channel | None, source: str
) -> int:
    """Enter each normalised identity; return how many were not on the list yet.

    Args:
        ledger: open.
        identity: normalised values by kind (cpf, email, phone); patient data.
        channel: the channel it holds for; None = every one.
        source: who told us, without patient data.
    """
    optouts = schema.optouts
    dialect: Any = postgresql if ledger.on_postgresql else sqlite
    rows = [
        {
            "person_hash": found,
            "channel": channel or EVERY_CHANNEL,
            "kind": kind,
            "source": source,
            "added_at": moment_in(),
        }
        for kind, value in sorted(identity.items())
        for found in ledger.keys.identities(kind, value)
    ]
    if not rows:
        return 0
    entered = dialect.insert(optouts).values(rows).on_conflict_do_nothing()
    with ledger.writing() as connection:
        new = set(connection.scalars(entered.returning(optouts.c.person_hash)))
    return sum(
        any(found in new for found in ledger.keys.identities(kind, value))
        for kind, value in identity.items()
    )


def remove_optout(ledger: Ledger, identity: Mapping[str, str], *, channel: Channel | None) -> int:
    """Take identities off the list; return how many rows; without a channel, those of all."""
    optouts = schema.optouts
    where: list[ColumnElement[bool]] = [
        optouts.c.person_hash.in_(_hashes(ledger, identity)),
    ]
    if channel is not None:
        where.append(optouts.c.channel == channel)
    with ledger.writing() as connection:
        return int(connection.execute(delete(optouts).where(*where)).rowcount)


def optouts_of(ledger: Ledger, connection: Connection, identity: Mapping[str, str]) -> list[OptOut]:
    """Return what is on the list about a person."""
    optouts = schema.optouts
    rows = connection.execute(
        select(optouts.c.kind, optouts.c.channel, optouts.c.source, optouts.c.added_at)
        .where(optouts.c.person_hash.in_(_hashes(ledger, identity)))
        .order_by(optouts.c.added_at, optouts.c.kind)
    )
    return [
        OptOut(kind, Channel(channel) if channel else None, source, added_at)
        for kind, channel, source, added_at in rows
    ]


def barred_channels(
    ledger: Ledger, connection: Connection, identities: Mapping[int, Mapping[str, str]]
) -> dict[int, frozenset[Channel]]:
    """Return for each person, by whatever number, the channels that may not be used; if any."""
    if connection.scalar(_ANY) is None:  # hashing everybody costs more than a look
        return {}
    owners: dict[str, list[int]] = {}
    for number, identity in identities.items():
        for found in _hashes(ledger, identity):
            owners.setdefault(found, []).append(number)
    barred: dict[int, frozenset[Channel]] = {}
    for found, channel in _listed(connection, owners):
        channels = frozenset(Channel) if channel == EVERY_CHANNEL else {Channel(channel)}
        for number in owners[found]:
            barred[number] = barred.get(number, frozenset()) | channels
    return barred


def _hashes(ledger: Ledger, identity: Mapping[str, str]) -> list[str]:
    return [
        found for kind, value in identity.items() for found in ledger.keys.identities(kind, value)
    ]


def _listed(connection: Connection, hashes: Collection[str]) -> list[Any]:
    return list(connection.execute(_LISTED, {"hashes": list(hashes)}))
