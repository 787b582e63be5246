"""Which index a statement looks through: what left a state must not slow those that come later."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ledger_steps import ACTOR, end_leases, fill, ids, sql, take
from sqlalchemy import event

from track_dispatch.ledger.settling import Settlement, expire_leases, settle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from track_dispatch.ledger.database import Ledger

LEASES = "ix_lines_lease"


@contextmanager
def plans(ledger: Ledger) -> Iterator[list[str]]:
    """Collect how the database would find the lines of each UPDATE that is about to run."""
    found: list[str] = []

    def explain(_: Any, cursor: Any, statement: str, parameters: Any, *__: Any) -> None:
        if not statement.startswith("UPDATE lines"):
            return
        verb = "explain" if ledger.on_postgresql else "explain query plan"
        cursor.execute(f"{verb} {statement}", parameters)
        found.append("\n".join(str(row[-1]) for row in cursor.fetchall()))

    event.listen(ledger.engine, "before_cursor_execute", explain)
    yield found
    event.remove(ledger.engine, "before_cursor_execute", explain)


def settled_before(ledger: Ledger) -> None:
    """Make the ledger so large that PostgreSQL reads no table from its beginning."""
    if ledger.on_postgresql:
        sql(
            ledger,
            "insert into lines (source, attendance_id, hospital, business_day, area, channel,"
            " state, extraction_id, found_at, changed_at)"
            " select source, attendance_id || '-' || n, hospital, business_day, area, channel,"
            " 'accepted', extraction_id, found_at, changed_at"
            " from lines, generate_series(1, 5000) n",
        )


def test_a_settlement_does_not_look_through_all_leases(ledger: Ledger) -> None:
    fill(ledger, 3)
    settled_before(ledger)
    batch = take(ledger)

    with plans(ledger) as found:
        settle(ledger, batch, Settlement(accepted=ids(batch)), actor=ACTOR)

    assert found
    assert not [plan for plan in found if LEASES in plan]


def test_leases_that_are_over_are_found_by_their_index(ledger: Ledger) -> None:
    fill(ledger, 3)
    settled_before(ledger)
    take(ledger)
    end_leases(ledger)

    with plans(ledger) as found:
        assert expire_leases(ledger, actor=ACTOR) == 3

    assert LEASES in found[0]
