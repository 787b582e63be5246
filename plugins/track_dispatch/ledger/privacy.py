"""The list of opt-outs, and the disclosure and erasure of a person's data.

People are found by keyed hashes under every key of the ring, so that a new key loses nobody.
Values are "cpf:...", "email:...", "phone:..." in their normal forms: patient data, never kept.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from itertools import islice
from typing import Any

import orjson
from sqlalchemy import Connection, Row, and_, delete, func, or_, select, update

from track_dispatch.ledger import schema
from track_dispatch.ledger.contact_policy import come_back
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.decisions import Decision, count_lines, deciding, record_decision
from track_dispatch.ledger.envelopes import envelope_of
from track_dispatch.ledger.history import AttendanceHistory, line_history
from track_dispatch.ledger.keys import IdentityHash, KeyRing
from track_dispatch.ledger.sql import among, insert_into, moment_in
from track_dispatch.ledger.transitions import Transition, apply_transition
from track_dispatch.records import Channel, IdentityKind
from track_dispatch.states import WAITING, LineState, Reason

#: Counts the rows of staged columns that are about the person.
RowsAbout = Callable[[Mapping[str, Sequence[str]]], int]

#: The channel of an opt-out that holds for every channel.
EVERY_CHANNEL = ""
#: The source of an opt-out that an erasure entered.
ERASURE = "erasure"
#: People entered in one transaction: a long list must not keep claims waiting.
PEOPLE_AT_ONCE = 500
#: States of a line that may still be settled: an erasure leaves it as it is.
UNDER_WAY = (LineState.SENDING, LineState.IN_DOUBT)

_optouts, _lines, _identities = schema.optouts, schema.lines, schema.identities


# -- the list ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OptOut:
    """An opt-out of a value, with its source, and the person and the reason that entered it.

    `channel` is None for every channel.
    """

    kind: str
    channel: Channel | None
    source: str
    added_at: datetime
    entered_by: str | None
    why: str | None


@dataclass(frozen=True, slots=True)
class OptOutCount:
    """The number of values of a kind from one source, and the moment of the latest."""

    source: str
    kind: str
    channel: Channel | None
    values: int
    last_added_at: datetime


def add_optouts(
    ledger: Ledger,
    entries: Iterable[tuple[Collection[str], Channel | None]],
    *,
    source: str,
    decision: Decision,
) -> int:
    """Add people, each with her values and a channel; return how many were new to the list.

    Without a channel it holds for every one. `source` says who told us, without patient data. The
    decision is on record once, with the first people.
    """
    people, new, decided = iter(entries), 0, None
    while some := list(islice(people, PEOPLE_AT_ONCE)):
        with ledger.writing() as connection:
            decided = decided or record_decision(connection, decision)
            enter = partial(enter_optouts, connection, ledger.keys, source=source, decision=decided)
            for values, channel in some:
                new += bool(enter(values, channel=channel))
    return new


def enter_optouts(
    connection: Connection,
    keys: KeyRing,
    values: Collection[str],
    *,
    channel: Channel | None,
    source: str,
    decision: int,
) -> int:
    """Add each value under every key; return how many were not on the list for the channel.

    What is on it already keeps the source and the decision that it came with.
    """
    new = 0
    for value in sorted(set(values)):
        hashes = keys.identity_hashes(value)
        where = channel or EVERY_CHANNEL
        # the hashes of one value share an entry: so it is known which keys it needs
        entry = connection.scalar(
            select(_optouts.c.entry).where(_on_list(hashes), _optouts.c.channel == where).limit(1)
        )
        new += entry is None
        told = {
            "channel": where,
            "entry": entry or str(uuid.uuid4()),
            "kind": value.partition(":")[0],
            "source": source,
            "decision": decision,
        }
        rows = [
            {"full_hash": digest.full, "hash": digest.hash, "key": digest.key, **told}
            for digest in hashes
        ]
        # rows as parameters: as literal values they would be compiled each time
        entered = insert_into(connection, _optouts).values(added_at=moment_in())
        connection.execute(entered.on_conflict_do_nothing(), rows)
    return new


def remove_optouts(
    ledger: Ledger, values: Collection[str], *, channel: Channel | None, decision: Decision
) -> int:
    """Take values off the list; return how many of them it had.

    Without a channel they are taken off altogether. With one, whoever is on the list for every
    channel stays on it for the others.
    """
    removed = 0
    with ledger.writing() as connection:
        record_decision(connection, decision)
        for value in sorted(set(values)):
            found = connection.execute(
                select(_optouts).where(_on_list(ledger.keys.identity_hashes(value)))
            ).all()
            gone = [row for row in found if channel is None or row.channel in {channel, ""}]
            for row in gone:
                _take_off(connection, row, channel)
            removed += bool(gone)
    return removed


def optouts_of(connection: Connection, keys: KeyRing, values: Collection[str]) -> list[OptOut]:
    """Return the opt-outs of values, the oldest first."""
    hashes = [digest for value in sorted(set(values)) for digest in keys.identity_hashes(value)]
    decisions = schema.decisions
    rows = connection.execute(
        select(_optouts, decisions.c.decided_by, decisions.c.why)
        .outerjoin(decisions, decisions.c.id == _optouts.c.decision)
        .where(_on_list(hashes))
        .order_by(_optouts.c.added_at, _optouts.c.kind)
    )
    entries = {(row.entry, row.channel): row for row in reversed(rows.all())}
    return [
        OptOut(row.kind, _channel(row), row.source, row.added_at, row.decided_by, row.why)
        for row in reversed(entries.values())
    ]


def count_optouts(connection: Connection) -> list[OptOutCount]:
    """Count the list by source, kind of value and channel; it holds no values to show."""
    kinds = (_optouts.c.source, _optouts.c.kind, _optouts.c.channel)
    counted = func.count(_optouts.c.entry.distinct()), func.max(_optouts.c.added_at)
    rows = connection.execute(select(*kinds, *counted).group_by(*kinds).order_by(*kinds))
    return [OptOutCount(row.source, row.kind, _channel(row), *row[3:]) for row in rows]


def _channel(row: Row[Any]) -> Channel | None:
    return Channel(row.channel) if row.channel != EVERY_CHANNEL else None


def _take_off(connection: Connection, row: Row[Any], channel: Channel | None) -> None:
    """Delete a row of the list; one for every channel leaves the other channels barred."""
    same = and_(_optouts.c.full_hash == row.full_hash, _optouts.c.channel == row.channel)
    connection.execute(delete(_optouts).where(same))
    if channel is None or row.channel != EVERY_CHANNEL:
        return
    others = [{**row._mapping, "channel": other} for other in Channel if other is not channel]
    connection.execute(insert_into(connection, _optouts).values(others).on_conflict_do_nothing())


def _on_list(hashes: Sequence[IdentityHash]) -> Any:
    """Select by the full hashes: 64 bits alone could be another person's."""
    return _optouts.c.full_hash.in_([digest.full for digest in hashes])


# -- one person --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Erased:
    """The counts of an erasure.

    Attributes:
        excluded: lines that waited, and that nobody will be asked about.
        unlinked: lines that lost what tells of the person.
        under_way: lines on their way or in doubt, which stay until they are settled.
        optouts: values that are new to the list.
        accepted: of the unlinked lines, those that Track has.
        identities: hashes that stay: of lines under way, and what tells that she was asked before.
    """

    excluded: int
    unlinked: int
    under_way: int
    optouts: int
    accepted: int = 0
    identities: int = 0


def erase_person(
    ledger: Ledger, values: Collection[str], decision: Decision, *, today: date | None = None
) -> Erased:
    """Put a person on the list, and erase her data that are not under way.

    Waiting lines are excluded. Of lines that were asked, the hashes that prevent a second
    invitation stay, unless the list bars it by itself.

    `values` are all that the person gave, of any kind. Others who stood back for a contact of hers
    come back if they may still be asked `today`.

    Raises:
        DecisionRefusedError: the run was carried out before.
    """
    keys = ledger.keys
    hashes = [
        digest.hash for value in sorted(set(values)) for digest in keys.identity_hashes(value)
    ]
    with deciding(ledger) as connection:
        decided = record_decision(connection, decision)
        optouts = enter_optouts(
            connection, keys, values, channel=None, source=ERASURE, decision=decided
        )
        found = select(_identities.c.line).where(among(_identities.c.hash, "hashes")).distinct()
        ids = sorted(connection.scalars(found, {"hashes": hashes}))
        excluded = _exclude(connection, keys, ids, decision, decided)
        contact = (IdentityKind.CONTACT,)
        come_back(connection, keys, excluded, actor=decision.actor, today=today, over=contact)
        # one of her own lines may have come back as well
        excluded += _exclude(connection, keys, ids, decision, decided)
        unlinked = _unlink(connection, ids, hashes)
        count_lines(connection, decided, len(unlinked))
        return Erased(
            excluded=len(excluded),
            unlinked=len(unlinked),
            under_way=len(ids) - len(unlinked),
            optouts=optouts,
            accepted=list(unlinked.values()).count(LineState.ACCEPTED),
            identities=_count_identities(connection, ids),
        )


def _exclude(
    connection: Connection, keys: KeyRing, ids: list[int], decision: Decision, decided: int
) -> list[int]:
    moved = apply_transition(
        connection,
        Transition.ERASED,
        LineState.EXCLUDED,
        ids=ids,
        keys=keys,
        actor=decision.actor,
        decision=decided,
        reason=Reason.OPT_OUT,
    )
    return [line.id for line in moved]


def _unlink(connection: Connection, ids: list[int], hashes: list[int]) -> dict[int, str]:
    """Erase the person's hashes from lines that are not under way; return them, with states.

    Of whoever was asked, the cap needs the identities that the list does not bar.
    """
    states = connection.execute(
        select(_lines.c.id, _lines.c.state).where(
            among(_lines.c.id, "ids"), _lines.c.state.not_in(UNDER_WAY)
        ),
        {"ids": ids},
    ).all()
    asked = [row.id for row in states if row.state in {LineState.ACCEPTED, LineState.ABANDONED}]
    never = [row.id for row in states if row.id not in set(asked)]
    barred = or_(_identities.c.kind == IdentityKind.OTHER, among(_identities.c.hash, "hashes"))
    connection.execute(delete(_identities).where(among(_identities.c.line, "ids")), {"ids": never})
    connection.execute(
        delete(_identities).where(among(_identities.c.line, "ids"), barred),
        {"ids": asked, "hashes": hashes},
    )
    connection.execute(
        update(_lines).where(among(_lines.c.id, "ids")).values(digest=None),
        {"ids": [row.id for row in states]},
    )
    return {row.id: row.state for row in states}


# -- what is held ------------------------------------------------------------------


#: Tables whose rows cannot be found by a person's values, and why.
WITHOUT_A_PERSON: Mapping[str, str] = {
    "ledger": "of the ledger itself",
    "identity_keys": "of the ledger itself",
    "extractions": "counts of a day",
    "units": "a hospital's day and area, shared by all of its patients",
    "requests": "counts",
    "approvals": "counts of a day, and who answered for the hospital",
    "horizons": "days of a hospital",
    "stops": "of the service",
    "refused_log_ons": "a keyed digest of an ERP's account",
    "forgotten": "a keyed hash of an attendance's number; `explain` finds it by that number",
}


@dataclass(frozen=True, slots=True)
class HeldAttendance:
    """One attendance that shares an identity with a person.

    Attributes:
        history: where it stands, and how it came there.
        found_by: the kinds of the identities by which it was found.
        payload: whether its data wait, encrypted.
    """

    history: AttendanceHistory
    found_by: tuple[str, ...]
    payload: bool


@dataclass(frozen=True, slots=True)
class HeldData:
    """The data held about a person.

    Attributes:
        attendances: the earliest first.
        optouts: on the list.
        rows: how many rows of each table tell of her; of `envelopes` and `staged`, which are
            encrypted, how many payloads and how many of an ERP's rows hold her data.
        further: attendances that were not found by what she said, but are those of a person who
            was: by the CPF, or the name with a contact.
    """

    attendances: tuple[HeldAttendance, ...]
    optouts: tuple[OptOut, ...]
    rows: Mapping[str, int] = field(default_factory=dict)
    further: int = 0


def held_about(
    connection: Connection, keys: KeyRing, values: Collection[str], *, rows_about: RowsAbout
) -> HeldData:
    """Return the data of every table about a person, given by any of her values.

    `rows_about` counts the rows of staged columns that hold one of the values.
    """
    hashes = [digest for value in sorted(set(values)) for digest in keys.identity_hashes(value)]
    attendances = _attendances(connection, [digest.hash for digest in hashes])
    held, ids = tuple(attendances.values()), [*attendances]
    steps = [step for attendance in held for step in attendance.history.steps]
    optouts = schema.optouts
    listed = connection.scalars(
        select(optouts.c.decision).where(
            optouts.c.full_hash.in_([digest.full for digest in hashes])
        )
    ).all()
    rows = {
        "lines": len(held),
        "identities": _count_identities(connection, ids),
        "envelopes": sum(attendance.payload for attendance in held),
        "events": len(steps),
        "batches": len({step.batch for step in steps if step.batch}),
        "decisions": len({*(step.decision for step in steps), *listed} - {None}),
        "optouts": len(listed),
        "staged": _count_staged(connection, keys, rows_about),
    }
    return HeldData(
        held, tuple(optouts_of(connection, keys, values)), rows, _count_further(connection, ids)
    )


def _attendances(connection: Connection, hashes: list[int]) -> dict[int, HeldAttendance]:
    """Return the attendances that have one of the identities by the ids of their lines."""
    kinds: dict[int, list[str]] = {}
    found = (
        select(_identities.c.line, _identities.c.kind)
        .where(among(_identities.c.hash, "hashes"))
        .distinct()
        .order_by(_identities.c.line, _identities.c.kind)
    )
    for line, kind in connection.execute(found, {"hashes": hashes}):
        kinds.setdefault(line, []).append(IdentityKind(kind).label)
    held = {
        row.id: HeldAttendance(
            line_history(connection, row), tuple(sorted(kinds[row.id])), _waits(connection, row)
        )
        for row in connection.execute(
            select(_lines).where(among(_lines.c.id, "ids")), {"ids": sorted(kinds)}
        ).all()
    }
    return dict(sorted(held.items(), key=lambda item: (item[1].history.business_day, item[0])))


def _waits(connection: Connection, line: Row[Any]) -> bool:
    """Tell whether a line's data lie in its envelope."""
    sealed = select(schema.envelopes.c.payload.is_not(None)).where(
        schema.envelopes.c.id == envelope_of(line.address)
    )
    return line.state in WAITING and bool(connection.scalar(sealed))


def _count_identities(connection: Connection, ids: list[int]) -> int:
    counted = select(func.count()).where(among(_identities.c.line, "ids"))
    return connection.scalar(counted, {"ids": ids}) or 0


def _count_further(connection: Connection, ids: list[int]) -> int:
    """Count further lines that share a person hash with these."""
    persons = _identities.c.kind == IdentityKind.PERSON
    theirs = select(_identities.c.hash).where(among(_identities.c.line, "ids"), persons).distinct()
    hashes = sorted(connection.scalars(theirs, {"ids": ids}))
    same = select(_identities.c.line).where(among(_identities.c.hash, "hashes"), persons).distinct()
    return len(set(connection.scalars(same, {"hashes": hashes})) - set(ids))


def _count_staged(connection: Connection, keys: KeyRing, rows_about: RowsAbout) -> int:
    """Count a person's rows in readings that no transform has taken; one chunk is open at a time.

    Raises:
        ConfigError: no key opens them.
    """
    staged, rows = schema.staged, 0
    for extraction, chunk in connection.execute(select(staged.c.extraction, staged.c.chunk)).all():
        its = (staged.c.extraction == extraction, staged.c.chunk == chunk)
        payload = connection.scalar(select(staged.c.payload).where(*its))
        if payload is not None:  # erased since the chunks were listed
            rows += rows_about(orjson.loads(keys.decrypt(payload))[2])
    return rows
