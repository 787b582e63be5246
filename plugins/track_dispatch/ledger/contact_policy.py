"""The contact policy at a claim: opt-outs, and patients who were invited lately.

Both are queried in the claim's transaction, after it has taken its turn: otherwise two hospitals
might both invite a patient that they share. The fast path runs the same statements.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from track_dispatch.ledger import schema
from track_dispatch.ledger.envelopes import SealedLine
from track_dispatch.ledger.keys import KeyRing
from track_dispatch.ledger.schema import PLACES
from track_dispatch.ledger.sql import DAY, among, as_day, as_list, as_moment, prepared
from track_dispatch.ledger.transitions import Transition, apply_transition
from track_dispatch.records import Actor, Channel, IdentityKind
from track_dispatch.states import INVITED, LineState, Reason


@dataclass(frozen=True, slots=True)
class ContactPolicy:
    """The times within which a patient is not invited again; the same for all hospitals.

    Attributes:
        cap_days: days between two invitations of a person; 0 = no cap.
        day_began: aware; after it a contact gets one invitation.
    """

    cap_days: int
    day_began: datetime


#: Selects which of the hashes opted out of the channel.
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
_PERSON = f"'{IdentityKind.PERSON}'"
_BY_PERSON = f"l.reason = '{Reason.SAME_PERSON}' or l.reason = '{Reason.CONTACT_CAP}'"
_BY_CONTACT = f"""l.reason = '{Reason.SAME_CONTACT}' or l.reason = '{Reason.CONTACT_CAP}'
    and not exists (select 1 from identities p where p.line = l.id and p.kind = {_PERSON})"""  # noqa: S608

#: Which of the hashes, told by their index, a line other than our own was invited with, within the
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

#: Which lines stood back for those that ended (`ids`), by the kinds of identity that count, unless
#: their last day is before `today`. A line without a person stands back by its contact alone.
_STOOD_BACK = f"""l.state = '{LineState.EXCLUDED}'
  and (l.ask_until is null or l.ask_until >= :today)
  and (e.kind = {_PERSON} and :persons = 1 and ({_BY_PERSON})
    or e.kind = '{IdentityKind.CONTACT}' and :contacts = 1 and ({_BY_CONTACT}))"""
STOOD_BACK = {
    "sqlite": f"""
select l.id from json_each(:ids) w
cross join identities e on e.line = w.value
cross join identities i on i.hash = e.hash and i.kind = e.kind
  and i.line not in (select value from json_each(:ids))
cross join lines l on l.id = i.line and {_STOOD_BACK}""",  # noqa: S608
    "postgresql": f"""
select l.id from unnest(:ids::bigint[]) w (line)
cross join lateral (select hash, kind from identities e where e.line = w.line offset 0) e
cross join lateral (select line from identities i where i.hash = e.hash and i.kind = e.kind
  and i.line <> all(:ids::bigint[]) offset 0) i
cross join lateral (select id from lines l where l.id = i.line and {_STOOD_BACK} offset 0) l""",  # noqa: S608
}


class BoundStatement(NamedTuple):
    """A query with its parameters, for either path."""

    text: str
    parameters: Mapping[str, Any]


def contact_questions(
    lines: Sequence[SealedLine], channel: Channel, policy: ContactPolicy, dialect: str
) -> tuple[BoundStatement, BoundStatement]:
    """Return the queries about lines; `barred_by_answers` reads their results."""
    hashes = [found for line in lines for found in (*line.persons, *line.contacts, *line.others)]
    capped, today = _hashes_by_window(lines, policy)
    return (
        BoundStatement(
            OPTED_OUT[dialect], {"hashes": as_list(hashes, dialect), "channel": str(channel)}
        ),
        BoundStatement(
            INVITED_LATELY[dialect],
            {
                "hashes": as_list([*capped, *today], dialect),
                "own": as_list([line.line for line in lines], dialect),
                "capped": len(capped),
                "cap_began": -policy.cap_days * DAY,
                "day_began": as_moment(policy.day_began, dialect),
            },
        ),
    )


def barred_by_answers(
    lines: Sequence[SealedLine],
    policy: ContactPolicy,
    *,
    opted_out: Iterable[int],
    invited: Iterable[int],
    expired: Iterable[int] = (),
) -> dict[int, Reason]:
    """Return the lines that may not be asked now, by place, with the reason.

    Of two lines with the same person or contact, the lower place wins.

    Args:
        lines: all that would go out together.
        policy: the contact policy.
        opted_out: the hashes that `OPTED_OUT` found.
        invited: the indices that `INVITED_LATELY` found.
        expired: places of lines whose last day is over.
    """
    barred = dict.fromkeys(expired, Reason.EXPIRED)
    if out := set(opted_out):
        for line in lines:
            if not out.isdisjoint((*line.persons, *line.contacts, *line.others)):
                barred.setdefault(line.place, Reason.OPT_OUT)
    if found := set(invited):
        capped, today = _hashes_by_window(lines, policy)
        lately = {capped[index] for index in found if index < len(capped)}
        on_this_day = {today[index - len(capped)] for index in found if index >= len(capped)}
        for line in lines:
            capped, today = _hashes_by_window([line], policy)
            if not lately.isdisjoint(capped):
                barred.setdefault(line.place, Reason.CONTACT_CAP)
            elif not on_this_day.isdisjoint(today):
                barred.setdefault(line.place, Reason.SAME_CONTACT)
    return barred | _standing_back(
        [sealed for sealed in lines if sealed.place not in barred], policy
    )


def filter_contactable(
    connection: Connection,
    lines: Sequence[SealedLine],
    *,
    channel: Channel,
    policy: ContactPolicy,
    today: date,
) -> dict[int, Reason]:
    """Return the lines of a claim that may not be asked now, by place, with the reason.

    `lines` are all that would go out together: of two with the same person or contact, the lower
    place wins. `today` is the hospital's day: lines with an earlier last day are excluded.
    """
    over = select(schema.lines.c.id).where(
        among(schema.lines.c.id, "ids"), schema.lines.c.ask_until < today
    )
    ids = {line.line: line.place for line in lines}
    expired = [ids[line] for line in connection.scalars(over, {"ids": sorted(ids)})]
    questions = contact_questions(lines, channel, policy, connection.dialect.name)
    opted_out, invited = (_answers(connection, question) for question in questions)
    return barred_by_answers(lines, policy, opted_out=opted_out, invited=invited, expired=expired)


def _answers(connection: Connection, question: BoundStatement) -> list[int]:
    statement = prepared(question.text, connection.dialect.name)
    return list(connection.exec_driver_sql(statement, dict(question.parameters)).scalars())


def _standing_back(lines: Sequence[SealedLine], policy: ContactPolicy) -> dict[int, Reason]:
    """Return the lines that stand back for one of a lower place among them, with the reason."""
    persons: set[int] = set()
    contacts: set[int] = set()
    standing_back: dict[int, Reason] = {}
    for line in sorted(lines, key=lambda sealed: sealed.place):
        if policy.cap_days and not persons.isdisjoint(line.persons):
            standing_back[line.place] = Reason.SAME_PERSON
        elif not contacts.isdisjoint(line.contacts):
            standing_back[line.place] = Reason.SAME_CONTACT
        else:
            persons.update(line.persons)
            contacts.update(line.contacts)
    return standing_back


def _hashes_by_window(
    lines: Iterable[SealedLine], policy: ContactPolicy
) -> tuple[list[int], list[int]]:
    """Return the hashes that are compared within the cap, and those compared within today.

    A line without person hashes is compared by its contact within the cap.
    """
    capped: list[int] = []
    today: list[int] = []
    for line in lines:
        if policy.cap_days:
            capped += line.persons or line.contacts
        if line.persons or not policy.cap_days:
            today += line.contacts
    return capped, today


#: The kinds of identity over which lines stand back for another one.
EITHER = (IdentityKind.PERSON, IdentityKind.CONTACT)
#: By reason of a claim's exclusion, the kinds over which lines come back that stood back for it: a
#: reason about a person holds for her other visits, but not for others who share her contact.
_OVER: Mapping[Reason, Collection[IdentityKind]] = {
    Reason.SAME_PERSON: (IdentityKind.CONTACT,),
    Reason.CONTACT_CAP: (IdentityKind.CONTACT,),
    Reason.SAME_CONTACT: (IdentityKind.PERSON,),
}


def freed_by(reason: Reason) -> Collection[IdentityKind]:
    """Return the kinds of identity over which lines come back for one excluded for a reason."""
    return _OVER.get(reason, EITHER)


def stood_back(
    line_ids: Collection[int],
    dialect: str,
    *,
    today: date | None = None,
    over: Collection[IdentityKind] = EITHER,
) -> BoundStatement:
    """Return the query for the lines that stood back for these."""
    return BoundStatement(
        STOOD_BACK[dialect],
        {
            "ids": as_list(sorted(line_ids), dialect),
            "today": as_day(today or date.min, dialect),
            "persons": int(IdentityKind.PERSON in over),
            "contacts": int(IdentityKind.CONTACT in over),
        },
    )


def come_back(
    connection: Connection,
    keys: KeyRing,
    line_ids: Collection[int],
    *,
    actor: Actor,
    today: date | None = None,
    over: Collection[IdentityKind] = EITHER,
) -> int:
    """Reopen lines that stood back for others which have ended; return how many.

    Called after those others were refused, excluded or reopened. Lines that another transaction has
    locked are skipped: it must not be waited for.

    A line whose last day is before `today`, the hospital's day, stays excluded. `over` are the
    kinds of identity that count.
    """
    if not line_ids:
        return 0
    question = stood_back(line_ids, connection.dialect.name, today=today, over=over)
    found = _unlocked(connection, sorted(set(_answers(connection, question))))
    if not found:
        return 0
    moved = apply_transition(
        connection, Transition.CAME_BACK, LineState.REOPENED, ids=found, keys=keys, actor=actor
    )
    return len(moved)


def _unlocked(connection: Connection, line_ids: list[int]) -> list[int]:
    """Lock lines with their envelopes; return those that no other transaction has locked."""
    if not line_ids:
        return []
    lines, envelopes = schema.lines, schema.envelopes
    chosen = (
        select(lines.c.id)
        .join(envelopes, envelopes.c.id == lines.c.address // PLACES)
        .where(among(lines.c.id, "ids"))
        .with_for_update(of=[lines, envelopes], skip_locked=True)
    )
    return sorted(connection.scalars(chosen, {"ids": line_ids}))
