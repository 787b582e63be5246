"""A year of eighteen hospitals costs the board no more than a person waits for without noticing."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import insert

from track_dispatch.board import words
from track_dispatch.board.facts import Scope, read_board
from track_dispatch.board.pages import render
from track_dispatch.config import working_hospitals
from track_dispatch.ledger import schema
from track_dispatch.ledger.envelopes import address_of
from track_dispatch.records import Area

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger

#: Seconds of CPU, threefold what the board may take: a busy machine counts more than it does.
LIMIT = 3 * 0.3
DAYS, UNITS, LINES = 365, 5, 10
LAST = date(2026, 3, 10)
MOMENT = datetime(2026, 3, 11, 15, tzinfo=UTC)


def fill_year(ledger: Ledger, codes: list[str]) -> None:
    """Put a year of settled days into a ledger; their lines only of the days that are shown."""
    units, envelopes, lines, extractions = [], [], [], []
    for number in range(DAYS * len(codes)):
        code, back = codes[number % len(codes)], number // len(codes)
        day = LAST - timedelta(days=back)
        at = datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC)
        extractions += [
            {
                "id": f"x{number}-{again}", "source": "src", "hospital": code, "business_day": day,
                "run_id": f"scheduled__{day + timedelta(days=1 + again)}", "try_number": 1,
                "started_at": at + timedelta(days=again), "completed_at": at, "applied_at": at,
                "rows": UNITS * LINES, "rows_merged": 0, "attendances": UNITS * LINES,
                "other_day": 0, "other_hospital": 0,
            }
            for again in range(min(3, 1 + back))
        ]  # fmt: skip
        for place in range(UNITS if back < 30 else 0):
            id_ = number * UNITS + place + 1
            excluded = place == UNITS - 1
            units.append(
                {
                    "id": id_, "hospital": code, "business_day": day,
                    "area": list(Area)[place], "channel": "" if excluded else "email",
                }
            )  # fmt: skip
            envelopes.append(
                {
                    "id": id_, "unit": id_, "extraction": "x", "rules": "r", "lines": LINES,
                    "waiting": 0, "reopened": 0,
                }
            )  # fmt: skip
            lines += [
                {
                    "id": address_of(id_, line), "address": address_of(id_, line), "source": "src",
                    "attendance_id": f"{id_}-{line}", "digest": b"d",
                    "state": "excluded" if excluded else "accepted",
                    "reason": "no_contact" if excluded else None,
                }
                for line in range(LINES)
            ]  # fmt: skip
    with ledger.long_writing() as connection:
        for table, rows in (
            (schema.extractions, extractions),
            (schema.units, units),
            (schema.envelopes, envelopes),
            (schema.lines, lines),
        ):
            connection.execute(insert(table), rows)


def test_a_year_of_eighteen_hospitals_is_shown_at_once(ledger: Ledger) -> None:
    hospitals = [
        one.model_copy(update={"first_business_day": LAST - timedelta(days=DAYS - 1)})
        for one in working_hospitals()
    ]
    assert len(hospitals) == 18
    fill_year(ledger, [one.code for one in hospitals])
    costs = []
    for _ in range(3):
        began = time.process_time()
        with ledger.reading() as connection:
            found = read_board(connection, Scope(hospitals, MOMENT))
        render(
            "board.html", board=found, verdict=words.verdict(found), explained=[],
            may_decide=True, runnable=set(),
        )  # fmt: skip
        costs.append(time.process_time() - began)

    assert found.extracted == 18 * UNITS * LINES
    assert not found.matters
    assert min(costs) < LIMIT
