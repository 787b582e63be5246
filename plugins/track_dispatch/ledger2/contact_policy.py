"""Who may be asked now: opt-outs, and who was invited lately, told by the lines' states.

Both are asked in the transaction that claims, after it has taken its turn: two hospitals that
looked first and wrote afterwards would both invite the patient they share. The hot path asks the
same questions by the same statements.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, or_, select

from track_dispatch.ledger2 import schema
from track_dispatch.ledger2.places import PLACES
from track_dispatch.ledger2.prepared import as_list, as_moment, prepared
from track_dispatch.ledger2.sql import DAY, among
from track_dispatch.ledger2.transitions import Transition, apply_transition
from track_dispatch.records import IdentityKind
from track_dispatch.states import INVITED, LineState, Reason

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date, datetime

    from sqlalchemy import Connection

    from track_dispatch.ledger2.envelopes import SealedLine
    from track_dispatch.ledger2.keys import KeyRing
    from track_dispatch.records import Actor, Channel


@dataclass(frozen=True, slots=True)
class ContactPolicy:
    """How long patients are left in peace; one setting for all hospitals.

    Attributes:
        cap_days: days between two invitations of a person; 0 = no cap.
        day_began: aware; from then on a contact is used once.
    """

    cap_days: int
    day_began: datetime


#: Which of the hashes opted out of the channel.
OPTED_OUT = {
    "sqlite": """
select o.hash from json_each(:hashes) w cross join optouts o on o.hash = w.value
where o.channel = '' or o.channel = :channel""",
    "postgresql": """
select o.hash from optouts o
where o.hash = any(:hashes::bigint[]) and (o.channel = '' or o.channel = :channel)""",
}

_INVITED = " or ".join(f"l.state = '{state}'" for state in INVITED)
_OTHER = f"'{IdentityKind.OTHER}'"

#: Which of the hashes, told by their index, a line of nobody's own was invited with, within the
#: window: the first `capped` hashes have the cap's, the others today's. Both texts fix the order
#: in which tables are looked up: on tables just filled a planner has nothing to choose by.
INVITED_LATELY = {
    "sqlite": f"""
select w.key from json_each(:hashes) w
cross join identities i on i.hash = w.value and i.kind <> {_OTHER}
  and i.line not in (select value from json_each(:own))
cross join lines l on l.id = i.line and ({_INVITED})
cross join batches b on b.id = l.batch and b.created_at >=
  case when w.key < :capped then moment_in(:cap_began) else :day_began end""",  # noqa: S608
    "postgresql": f"""
select w.n - 1 from unnest(:hashes::bigint[]) with ordinality w (hash, n)
cross join lateral (select line from identities i where i.hash = w.hash and i.kind <> {_OTHER}
  and i.line <> all(:own::bigint[]) offset 0) i
cross join lateral (select batch from lines l where l.id = i.line and ({_INVITED}) offset 0) l
cross join lateral (select 1 from batches b where b.id = l.batch and b.created_at >=
  case when w.n <= :capped then moment_in(:cap_began) else :day_began end offset 0) b""",  # noqa: S608
}


def opt_out_parameters(
    lines: Sequence[SealedLine], channel: Channel, dialect: str
) -> Mapping[str, Any]:
    """Return the parameters of `OPTED_OUT`."""
    hashes = chain.from_iterable((*one.persons, *one.contacts, *one.others) for one in lines)
    return {"hashes": as_list(hashes, dialect), "channel": str(channel)}


def invited_parameters(
    lines: Sequence[SealedLine], policy: ContactPolicy, dialect: str
) -> Mapping[str, Any]:
    """Return the parameters of `INVITED_LATELY`."""
    capped, today = _by_window(lines, policy)
    return {
        "hashes": as_list((found for found, _ in chain(capped, today)), dialect),
        "own": as_list((one.line for one in lines), dialect),
        "capped": len(capped),
        "cap_began": -policy.cap_days * DAY,
        "day_began": as_moment(policy.day_began, dialect),
    }


def filter_contactable(
    connection: Connection,
    lines: Sequence[SealedLine],
    *,
    channel: Channel,
    policy: ContactPolicy,
) -> dict[int, Reason]:
    """Return the lines of a claim that may not be asked now, by place, with the reason.

    Of two lines of the claim with the same person or contact, the lower place wins.

    Args:
        connection: of the transaction that claims.
        lines: all that would go out together.
        channel: the unit's.
        policy: the hospital group's.
    """
    dialect = connection.dialect.name
    barred = dict.fromkeys(_opted_out(connection, lines, channel), Reason.OPT_OUT)
    capped, today = _by_window(lines, policy)
    owners = [
        *((line, Reason.CONTACT_CAP) for _, line in capped),
        *((line, Reason.SAME_CONTACT) for _, line in today),
    ]
    found = connection.exec_driver_sql(
        prepared(INVITED_LATELY[dialect], dialect), dict(invited_parameters(lines, policy, dialect))
    )
    for index in sorted(found.scalars()):
        line, reason = owners[index]
        barred.setdefault(line.place, reason)
    left = [one for one in lines if one.place not in barred]
    return barred | alike(left, policy)


def alike(lines: Sequence[SealedLine], policy: ContactPolicy) -> dict[int, Reason]:
    """Return the lines that stand back for one of a lower place among them, with the reason."""
    persons: set[int] = set()
    contacts: set[int] = set()
    standing_back: dict[int, Reason] = {}
    for line in sorted(lines, key=lambda one: one.place):
        if policy.cap_days and not persons.isdisjoint(line.persons):
            standing_back[line.place] = Reason.SAME_PERSON
        elif not contacts.isdisjoint(line.contacts):
            standing_back[line.place] = Reason.SAME_CONTACT
        else:
            persons.update(line.persons)
            contacts.update(line.contacts)
    return standing_back


_Hashed = list[tuple[int, "SealedLine"]]


def _by_window(lines: Sequence[SealedLine], policy: ContactPolicy) -> tuple[_Hashed, _Hashed]:
    """Return the hashes that the cap asks about, and those of which only today counts.

    A line that names no person has but its contact to be known by.
    """
    capped: _Hashed = []
    today: _Hashed = []
    for line in lines:
        if policy.cap_days:
            capped += [(found, line) for found in line.persons or line.contacts]
        if line.persons or not policy.cap_days:
            today += [(found, line) for found in line.contacts]
    return capped, today


def _opted_out(connection: Connection, lines: Sequence[SealedLine], channel: Channel) -> list[int]:
    dialect = connection.dialect.name
    out = set(
        connection.exec_driver_sql(
            prepared(OPTED_OUT[dialect], dialect), dict(opt_out_parameters(lines, channel, dialect))
        ).scalars()
    )
    return [
        one.place for one in lines if not out.isdisjoint((*one.persons, *one.contacts, *one.others))
    ]


#: Over which kind of identity a line comes back that stood back for one that is excluded: whoever
#: bars a person still bars those who share it, but not those who share the contact alone.
OVER = {
    Reason.SAME_PERSON: (IdentityKind.CONTACT,),
    Reason.CONTACT_CAP: (IdentityKind.CONTACT,),
    Reason.SAME_CONTACT: (IdentityKind.PERSON,),
}
EITHER = (IdentityKind.PERSON, IdentityKind.CONTACT)
_BY_KIND = {
    IdentityKind.PERSON: (Reason.SAME_PERSON, Reason.CONTACT_CAP),
    IdentityKind.CONTACT: (Reason.SAME_CONTACT, Reason.CONTACT_CAP),
}


def come_back(
    connection: Connection,
    keys: KeyRing,
    line_ids: Collection[int],
    *,
    actor: Actor,
    today: date | None = None,
    over: Collection[IdentityKind] = EITHER,
) -> int:
    """Let lines that stood back for others be read and judged again; return how many.

    Called by whoever has just ended those others as refused, excluded or reopened. Lines that
    another transaction is working on are passed over: it must not be waited for.

    Args:
        connection: of the writing transaction.
        keys: open and seal the payloads.
        line_ids: of the lines that ended.
        actor: who ended them.
        today: the hospital's day: who may no longer be asked stays excluded.
        over: the kinds of identity that count.
    """
    stood_back = _stood_back(connection, line_ids, today, over) if line_ids else []
    if not stood_back:
        return 0
    moved = apply_transition(
        connection,
        Transition.CAME_BACK,
        LineState.REOPENED,
        among(schema.lines.c.id, "ids"),
        parameters={"ids": stood_back},
        keys=keys,
        actor=actor,
    )
    return len(moved)


def _stood_back(
    connection: Connection,
    line_ids: Collection[int],
    today: date | None,
    over: Collection[IdentityKind],
) -> list[int]:
    lines, identities = schema.lines, schema.identities
    ended = identities.alias("ended")
    by_kind = or_(
        *(
            and_(ended.c.kind == kind, lines.c.reason.in_([str(one) for one in _BY_KIND[kind]]))
            for kind in over
        )
    )
    chosen = (
        select(lines.c.id)
        .select_from(ended)
        .join(
            identities, and_(identities.c.hash == ended.c.hash, identities.c.kind == ended.c.kind)
        )
        .join(lines, lines.c.id == identities.c.line)
        .join(schema.envelopes, schema.envelopes.c.id == lines.c.address // PLACES)
        .where(
            among(ended.c.line, "ids"),
            lines.c.state == LineState.EXCLUDED,
            by_kind,
            identities.c.line != ended.c.line,
        )
        .with_for_update(of=[lines, schema.envelopes], skip_locked=True)
    )
    if today is not None:
        chosen = chosen.where(or_(lines.c.ask_until.is_(None), lines.c.ask_until >= today))
    found = set(connection.scalars(chosen, {"ids": sorted(line_ids)}))
    return sorted(found - set(line_ids))
