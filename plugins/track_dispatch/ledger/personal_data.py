"""What the ledger holds about somebody, told from every table of it. Reading only.

A person is found by keyed hashes of what she says: CPF, e-mail, phone. Every table of the schema
either leads from there to its rows about her, or stands in `WITHOUT_A_PERSON`; a test walks them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import func, select

from track_dispatch.ledger import schema
from track_dispatch.ledger.envelopes import envelope_of
from track_dispatch.ledger.history import AttendanceHistory, line_history
from track_dispatch.ledger.privacy import OptOut, optouts_of
from track_dispatch.ledger.sql import among
from track_dispatch.records import IdentityKind
from track_dispatch.states import WAITING

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from track_dispatch.ledger.keys import KeyRing

    #: Counts the rows of staged columns that are about the person.
    RowsAbout = Callable[[Mapping[str, Sequence[str]]], int]

#: Tables to whose rows nothing leads that a person says, and why.
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

_lines, _identities, _envelopes = schema.lines, schema.identities, schema.envelopes


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
    """What is held about a person.

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
    """Return what every table holds about a person, given by any of her values.

    Args:
        connection: reading.
        keys: of the ledger.
        values: "cpf:...", "email:...", "phone:..." in their normal forms.
        rows_about: counts the rows of staged columns that hold one of the values.
    """
    hashes = [one for value in sorted(set(values)) for one in keys.identity_hashes(value)]
    attendances = _attendances(connection, [one.hash for one in hashes])
    held, ids = tuple(attendances.values()), [*attendances]
    steps = [step for one in held for step in one.history.steps]
    optouts = schema.optouts
    listed = connection.scalars(
        select(optouts.c.decision).where(optouts.c.full_hash.in_([one.full for one in hashes]))
    ).all()
    rows = {
        "lines": len(held),
        "identities": _count_identities(connection, ids),
        "envelopes": sum(one.payload for one in held),
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
    return dict(sorted(held.items(), key=lambda one: (one[1].history.business_day, one[0])))


def _waits(connection: Connection, line: Row[Any]) -> bool:
    """Tell whether a line's data lie in its envelope."""
    sealed = select(_envelopes.c.payload.is_not(None)).where(
        _envelopes.c.id == envelope_of(line.address)
    )
    return line.state in WAITING and bool(connection.scalar(sealed))


def _count_identities(connection: Connection, ids: list[int]) -> int:
    counted = select(func.count()).where(among(_identities.c.line, "ids"))
    return connection.scalar(counted, {"ids": ids}) or 0


def _count_further(connection: Connection, ids: list[int]) -> int:
    """Count lines that are not among these, but are of a person of theirs."""
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
