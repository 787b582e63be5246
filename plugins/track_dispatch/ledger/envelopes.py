"""Envelopes: up to one POST's lines of a unit, whose payload is one encrypted token.

The token holds the envelope's id, so that no payload can pass for another's, and for each line its
place, its line id, its attendance id, its identity hashes and its import line. Lines that no
longer wait are never left in it: the envelope is sealed anew without them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from typing import NamedTuple

import orjson
from sqlalchemy import Connection, bindparam, func, select, update

from track_dispatch.errors import LedgerError
from track_dispatch.ledger import schema
from track_dispatch.ledger.keys import KeyRing
from track_dispatch.ledger.schema import IS_OF_UNIT, LIES_IN, PLACES, plan_without_compiling
from track_dispatch.ledger.sql import as_list, from_list, insert_into, prepared
from track_dispatch.records import Area, Channel, Unit
from track_dispatch.states import WAITING, LineState


class SealedLine(NamedTuple):
    """One line in an envelope's payload; patient data.

    Attributes:
        place: in the envelope.
        line: the line's id.
        attendance_id: as Track names it back.
        persons: hashes of identities of kind `person`, under every key.
        contacts: hashes of the chosen contact.
        others: hashes of the row's further addresses and numbers.
        fields: the import line as JSON, without the survey's `uuid`.
    """

    place: int
    line: int
    attendance_id: str
    persons: Sequence[int]
    contacts: Sequence[int]
    others: Sequence[int]
    fields: bytes

    def __repr__(self) -> str:
        """Show the place only."""
        return f"SealedLine(place={self.place})"


@dataclass(frozen=True, slots=True)
class Envelope:
    """An envelope as it was read: `version` tells whether it was sealed anew since."""

    id: int
    unit: int
    extraction: str
    rules: str
    version: int
    payload: bytes | None = field(repr=False)


def seal(keys: KeyRing, envelope: int, lines: Iterable[SealedLine]) -> bytes:
    """Encrypt an envelope's lines as one token."""
    found = list(lines)
    head = orjson.dumps({"envelope": envelope, "lines": [line[:6] for line in found]})
    # an import line's JSON holds no line break: they are escaped
    return keys.encrypt(b"\n".join([head, *(line.fields for line in found)]))


def open_envelope(keys: KeyRing, envelope: int, token: bytes) -> list[SealedLine]:
    """Decrypt an envelope's lines.

    Raises:
        ConfigError: none of the keys opens it.
        LedgerError: it is another envelope's token.
    """
    head, *fields = keys.decrypt(token).split(b"\n")
    said = orjson.loads(head)
    if said["envelope"] != envelope:
        message = f"envelope {envelope} of the ledger holds the payload of {said['envelope']}"
        raise LedgerError(message)
    return [SealedLine._make([*line, one]) for line, one in zip(said["lines"], fields, strict=True)]


_units, _envelopes, _lines = schema.units, schema.envelopes, schema.lines
_READING = select(
    *(_envelopes.c[name] for name in ("id", "unit", "extraction", "rules", "version", "payload"))
).where(_envelopes.c.id == bindparam("envelope"))
_WAITING_LINES = select(_lines.c.address).where(
    _lines.c.address.between(bindparam("low"), bindparam("high")),
    _lines.c.state.in_([str(state) for state in WAITING]),
)
_REOPENED_LINES = select(func.count()).where(
    _lines.c.address.between(bindparam("low"), bindparam("high")),
    _lines.c.state == str(LineState.REOPENED),
)


def read_envelope(connection: Connection, envelope: int) -> Envelope:
    """Read one envelope, sealed."""
    return Envelope(*connection.execute(_READING, {"envelope": envelope}).one())


def _waiting(connection: Connection, envelope: int) -> set[int]:
    """Return the places of an envelope's lines that wait."""
    found = connection.scalars(_WAITING_LINES, address_range(envelope))
    return {address % PLACES for address in found}


def reseal(connection: Connection, keys: KeyRing, envelopes: Collection[int]) -> None:
    """Bring the counts and payloads of envelopes up to date with their lines.

    Counts are taken anew; a payload loses the lines that no longer wait, or goes as a whole.
    """
    for envelope in sorted(envelopes):
        waiting = _waiting(connection, envelope)
        payload = read_envelope(connection, envelope).payload
        if payload is not None:
            held = open_envelope(keys, envelope, payload) if waiting else []
            kept = [line for line in held if line.place in waiting]
            if len(kept) < len(held) or not kept:
                payload = seal(keys, envelope, kept) if kept else None
        connection.execute(
            update(_envelopes)
            .where(_envelopes.c.id == envelope)
            .values(
                waiting=len(waiting),
                reopened=connection.scalar(_REOPENED_LINES, address_range(envelope)),
                payload=payload,
                version=_envelopes.c.version + 1,
            )
        )


def put_back(
    connection: Connection, keys: KeyRing, envelope: int, released: Collection[SealedLine]
) -> None:
    """Put released lines, `ready` again already, back into their envelope's payload."""
    payload = read_envelope(connection, envelope).payload
    held = open_envelope(keys, envelope, payload) if payload is not None else []
    lines = {line.place: line for line in (*held, *released)}
    waiting = _waiting(connection, envelope)
    kept = [lines[place] for place in sorted(lines.keys() & waiting)]
    connection.execute(
        update(_envelopes)
        .where(_envelopes.c.id == envelope)
        .values(
            waiting=len(waiting),
            payload=seal(keys, envelope, kept) if kept else None,
            version=_envelopes.c.version + 1,
        )
    )


def reserve_envelopes(connection: Connection, count: int) -> list[int]:
    """Return ids that no envelope ever had, nor ever will have again, in ascending order."""
    if connection.dialect.name == "postgresql":
        numbers = select(func.nextval("envelope_ids")).select_from(
            func.generate_series(1, count).alias()
        )
        return sorted(connection.scalars(numbers))
    ledger = schema.ledger
    after = connection.execute(
        update(ledger)
        .values(next_envelope=ledger.c.next_envelope + count)
        .returning(ledger.c.next_envelope)
    ).scalar_one()
    return list(range(after - count, after))


def unit_id(
    connection: Connection, hospital: str, business_day: date, area: str, channel: str
) -> int:
    """Return the id of a unit, made if it is new; '' stands for no area and for no channel."""
    units = schema.units
    where = {
        "hospital": hospital, "business_day": business_day, "area": area, "channel": channel,
    }  # fmt: skip
    found = select(units.c.id).filter_by(**where)
    known = connection.scalar(found)
    if known is None:
        connection.execute(insert_into(connection, units).values(where).on_conflict_do_nothing())
        known = connection.execute(found).scalar_one()
    return int(known)


# -- what is ready, before it is claimed ---------------------------------------------


@dataclass(frozen=True, slots=True)
class ReadyEnvelope:
    """An envelope that has ready lines.

    Attributes:
        unit: what its lines are of.
        unit_id: the unit's id in the ledger.
        envelope: its id.
        lines: how many of its lines are ready.
        failed_series: the tries of a dispatch among which its unit failed for good.
    """

    unit: Unit
    unit_id: int
    envelope: int
    lines: int
    failed_series: str | None


_READY = (
    select(func.count())
    .select_from(_lines)
    .where(LIES_IN, _lines.c.state == LineState.READY)
    .correlate(_envelopes)
    .scalar_subquery()
)
_CHANNELS = list(Channel)


def ready_envelopes(connection: Connection, hospital: str, *, until: date) -> list[ReadyEnvelope]:
    """Return the envelopes of a hospital that have ready lines, in the order of their dispatch.

    The oldest day comes first, then the area of the highest priority, then the channel.
    """
    plan_without_compiling(connection)
    rows = connection.execute(
        select(
            _units.c.business_day,
            _units.c.area,
            _units.c.channel,
            _units.c.id,
            _envelopes.c.id.label("envelope"),
            _READY.label("ready"),
            _units.c.failed_series,
        )
        .join(_envelopes, IS_OF_UNIT)
        .where(
            _units.c.hospital == hospital, _units.c.business_day <= until, _envelopes.c.waiting > 0
        )
    )
    found = [
        ReadyEnvelope(
            Unit(hospital, row.business_day, Area(row.area), Channel(row.channel)),
            row.id,
            row.envelope,
            row.ready,
            row.failed_series,
        )
        for row in rows
        if row.ready
    ]
    return sorted(found, key=_turn)


def _turn(found: ReadyEnvelope) -> tuple[date, int, int, int]:
    unit = found.unit
    channel = _CHANNELS.index(unit.channel)
    return unit.business_day, unit.area.priority, channel, found.envelope


@dataclass(frozen=True, slots=True)
class ReadAhead:
    """An envelope opened before it is claimed; patient data.

    Attributes:
        envelope: as it was read: sealed anew since, it is not claimed.
        lines: those that are ready, by place.
        keeps_others: whether lines wait in it that may not go.
    """

    envelope: Envelope
    lines: tuple[SealedLine, ...] = field(repr=False)
    keeps_others: bool = False


class SealedAhead(NamedTuple):
    """An envelope read before it is claimed, still sealed.

    Attributes:
        envelope: as it was read.
        ready: the places of its ready lines.
    """

    envelope: Envelope
    ready: frozenset[int]

    def open(self, keys: KeyRing) -> ReadAhead:
        """Open it for a claim.

        Raises:
            ConfigError: no key opens it.
            LedgerError: it is another envelope's payload.
        """
        envelope = self.envelope
        if envelope.payload is None:
            return ReadAhead(envelope, ())
        sealed = open_envelope(keys, envelope.id, envelope.payload)
        going = tuple(line for line in sealed if line.place in self.ready)
        return ReadAhead(envelope, going, keeps_others=len(going) < len(sealed))


_READ_AHEAD = {
    "sqlite": f"""
select e.id, e.unit, e.extraction, e.rules, e.version, e.payload,
  (select json_group_array(l.address - e.id * {PLACES}) from lines l
   where l.address between e.id * {PLACES} and e.id * {PLACES} + {PLACES - 1}
     and l.state = 'ready')
from json_each(:ids) w cross join envelopes e on e.id = w.value order by w.key""",  # noqa: S608
    "postgresql": f"""
select e.id, e.unit, e.extraction, e.rules, e.version, e.payload,
  array(select (l.address - e.id * {PLACES})::int from lines l
   where l.address between e.id * {PLACES} and e.id * {PLACES} + {PLACES - 1}
     and l.state = 'ready')
from unnest(:ids::bigint[]) with ordinality w (id, n)
cross join lateral (select * from envelopes e where e.id = w.id offset 0) e order by w.n""",  # noqa: S608
}


def read_ahead(connection: Connection, envelopes: Sequence[int]) -> list[SealedAhead]:
    """Read envelopes for their claims, in the order given; it claims nothing."""
    dialect = connection.dialect.name
    statement = prepared(_READ_AHEAD[dialect], dialect)
    found = connection.exec_driver_sql(statement, {"ids": as_list(envelopes, dialect)})
    return [SealedAhead(Envelope(*row), frozenset(from_list(ready))) for *row, ready in found]


# -- addresses and places ----------------------------------------------------------


def address_of(envelope: int, place: int) -> int:
    """Return the address of a place of an envelope."""
    return envelope * PLACES + place


def envelope_of(address: int) -> int:
    """Return the envelope of an address."""
    return address // PLACES


def span(envelope: int) -> tuple[int, int]:
    """Return the first and the last address of an envelope."""
    return envelope * PLACES, envelope * PLACES + PLACES - 1


def address_range(envelope: int) -> dict[str, int]:
    """Return the first and the last address of an envelope as the parameters `low` and `high`."""
    return dict(zip(("low", "high"), span(envelope), strict=True))


def by_envelope(addresses: Iterable[int]) -> Mapping[int, list[int]]:
    """Group addresses: the sorted places of each envelope, the first envelope first."""
    grouped = groupby(sorted(addresses), key=envelope_of)
    return {envelope: [address % PLACES for address in found] for envelope, found in grouped}


def format_places(places: Iterable[int]) -> str:
    """Write sorted places as events keep them: "0-41,43"."""
    texts: list[str] = []
    first = last = -2
    for place in (*places, -9):
        if place == last + 1:
            last = place
            continue
        if first >= 0:
            texts.append(str(first) if first == last else f"{first}-{last}")
        first = last = place
    return ",".join(texts)


def parse_places(text: str) -> list[int]:
    """Read what `format_places` wrote."""
    places: list[int] = []
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        places += range(int(first), int(last or first) + 1)
    return places
