"""Who was invited lately: at most one invitation a person, over all hospitals.

A person is a set of keyed hashes. A claim must win all of them, in its own transaction: two
hospitals that both look first and write then would both win. Source: design.md, experiments.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, BigInteger, Text, bindparam, cast, delete, func, or_, select, true
from sqlalchemy.dialects import postgresql, sqlite

from track_dispatch.ledger import schema
from track_dispatch.ledger.lists import among
from track_dispatch.ledger.schema import moment_in

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import Connection
    from sqlalchemy.sql.dml import ReturningInsert

_SECONDS_A_DAY = 86_400.0
_RELEASING = delete(schema.contacts).where(among(schema.contacts.c.line, "lines"))


def win_contacts(
    connection: Connection, wanted: Mapping[int, Collection[str]], *, cap_days: int
) -> set[int]:
    """Enter the invitations of lines, given with their person's hashes; return the lines that lost.

    A line loses when somebody invited one of its hashes within `cap_days`, an earlier line of the
    same claim included. What a loser entered is taken back.
    """
    firsts: dict[str, int] = {}
    lost: set[int] = set()
    for line in sorted(wanted):
        if any(found in firsts for found in wanted[line]):
            lost.add(line)
        else:
            firsts.update(dict.fromkeys(wanted[line], line))
    if not firsts:
        return lost
    won = _enter(connection, firsts, cap_days)
    lost |= {line for found, line in firsts.items() if found not in won}
    release_contacts(connection, lost)
    return lost


def release_contacts(connection: Connection, line_ids: Collection[int]) -> None:
    """Free the persons of lines that were certainly not invited."""
    if line_ids:
        connection.execute(_RELEASING, {"lines": sorted(line_ids)})


def forget_contacts(connection: Connection, *, days: int) -> int:
    """Delete invitations that no cap reaches any more; return how many hashes."""
    contacts = schema.contacts
    old = contacts.c.claimed_at < moment_in(-days * _SECONDS_A_DAY)
    return int(connection.execute(delete(contacts).where(old)).rowcount)


def _enter(connection: Connection, firsts: Mapping[str, int], cap_days: int) -> set[str]:
    """Insert or take over each hash, sorted so that two claims never lock crosswise."""
    entering = _entering(connection.dialect.name, cap_days)
    return set(connection.scalars(entering, {"firsts": dict(sorted(firsts.items()))}))


@cache
def _entering(dialect: str, cap_days: int) -> ReturningInsert[tuple[str]]:
    contacts = schema.contacts
    insert: Any = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}[dialect](contacts)
    given = func.json_each(bindparam("firsts", type_=JSON)).table_valued("key", "value")
    line = cast(cast(given.c.value, Text), BigInteger)
    new = insert.from_select(
        ["person_hash", "line", "claimed_at"],
        # without a WHERE, SQLite would read the upsert's ON as a join's
        select(given.c.key, line, moment_in()).where(true()),
    )
    free = or_(
        contacts.c.claimed_at < moment_in(-cap_days * _SECONDS_A_DAY),
        contacts.c.line == new.excluded.line,
    )
    entering: ReturningInsert[tuple[str]] = new.on_conflict_do_update(
        index_elements=["person_hash"],
        set_={"claimed_at": new.excluded.claimed_at, "line": new.excluded.line},
        where=free,
    ).returning(contacts.c.person_hash)
    return entering
