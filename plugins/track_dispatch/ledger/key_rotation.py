"""A key's way out of the ring: what still needs it, and what a reading carries to the newest one.

The ledger holds hashes, never values: what has a hash under an older key alone gets one under the
newest key only when its value is seen again, in a reading, in a list that is entered once more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from track_dispatch.ledger import schema
from track_dispatch.ledger.creation import needed_alone, unopened
from track_dispatch.ledger.schema import IS_OF_UNIT, LIES_IN
from track_dispatch.ledger.sql import among, insert_into

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from track_dispatch.ledger.keys import KeyRing

_optouts, _identities = schema.optouts, schema.identities


@dataclass(frozen=True, slots=True)
class OlderKey:
    """An identity key behind the newest one.

    Attributes:
        id: the key's.
        alone: by table, what has a hash under it and under no key that stays.
        sources: of those on the list of opt-outs, how many each source told us.
        last_days: by hospital, the last day of what the lines among them tell: of the visit, or of
            the POST.
    """

    id: str
    alone: Mapping[str, int]
    sources: Mapping[str, int]
    last_days: Mapping[str, date]

    @property
    def may_go(self) -> bool:
        """Whether nothing needs it any more."""
        return not any(self.alone.values())


@dataclass(frozen=True, slots=True)
class OlderKeys:
    """What the ledger still needs of the keys behind the newest ones.

    Attributes:
        identity: the older identity keys, the oldest first.
        payload: how many older payload keys there are.
        payloads: what waits encrypted and the newest payload key does not open.
    """

    identity: tuple[OlderKey, ...]
    payload: int
    payloads: int


def older_keys(connection: Connection, keys: KeyRing) -> OlderKeys:
    """Look what still needs a key behind the newest one."""
    staying = [key.id for key in keys.identity_secrets]
    found = []
    for key in reversed(staying[1:]):
        one = _older_key(connection, key, tuple(id_ for id_ in staying if id_ != key))
        if one.may_go:
            staying.remove(key)
        found.append(one)
    newest = keys.holding(payload_secrets=keys.payload_secrets[:1])
    older = len(keys.payload_secrets) - 1
    return OlderKeys(tuple(found), older, unopened(connection, newest) if older else 0)


def without_unneeded(keys: KeyRing, older: OlderKeys) -> KeyRing:
    """Return the ring without the keys that nothing needs any more."""
    gone = {key.id for key in older.identity if key.may_go}
    payload = keys.payload_secrets if older.payloads else keys.payload_secrets[:1]
    staying = tuple(key for key in keys.identity_secrets if key.id not in gone)
    return keys.holding(payload_secrets=payload, identity_secrets=staying)


def carry_optouts(connection: Connection, keys: KeyRing, values: Collection[str]) -> int:
    """Enter values that are on the list under the newest key, too; return how many rows are new.

    Called with what a reading has brought of patients who opted out.
    """
    hashes = {value: keys.identity_hashes(value) for value in values}
    newest = {one.full: found[0] for found in hashes.values() for one in found}
    by_64_bits = {one.hash for found in hashes.values() for one in found}
    rows = connection.execute(
        select(_optouts).where(among(_optouts.c.hash, "hashes")), {"hashes": sorted(by_64_bits)}
    )
    listed = [row for row in rows if row.full_hash in newest]
    has_it = {(row.entry, row.channel) for row in listed if row.key == keys.identity_secrets[0].id}
    new = []
    for row in listed:
        if (row.entry, row.channel) not in has_it:
            one = newest[row.full_hash]
            new.append(row._asdict() | {"full_hash": one.full, "hash": one.hash, "key": one.key})
    if new:
        connection.execute(insert_into(connection, _optouts).on_conflict_do_nothing(), new)
    return len(new)


def _older_key(connection: Connection, key: str, others: tuple[str, ...]) -> OlderKey:
    alone = needed_alone(connection, key, others)
    covered = select(_optouts.c.entry).where(_optouts.c.key.in_(others))
    sources = connection.execute(
        select(_optouts.c.source, func.count(_optouts.c.entry.distinct()))
        .where(_optouts.c.key == key, _optouts.c.entry.not_in(covered))
        .group_by(_optouts.c.source)
        .order_by(_optouts.c.source)
    ).all()
    last_days = _last_days(connection, key, others) if alone[_identities.name] else {}
    return OlderKey(key, alone, dict(sources), last_days)


def _last_days(connection: Connection, key: str, others: tuple[str, ...]) -> dict[str, date]:
    """Return by hospital the last day of lines whose identities have this key alone."""
    units, batches = schema.units, schema.batches
    covered = select(_identities.c.line).where(_identities.c.key.in_(others))
    alone = select(_identities.c.line).where(
        _identities.c.key == key, _identities.c.line.not_in(covered)
    )
    of_units = (
        select(units.c.id)
        .join(schema.envelopes, IS_OF_UNIT)
        .join(schema.lines, LIES_IN)
        .where(schema.lines.c.id.in_(alone))
    )
    rows = connection.execute(
        select(units.c.hospital, func.max(units.c.business_day), func.max(batches.c.created_at))
        .outerjoin(batches, batches.c.unit == units.c.id)
        .where(units.c.id.in_(of_units))
        .group_by(units.c.hospital)
    )
    return {hospital: max(day, posted.date()) if posted else day for hospital, day, posted in rows}
