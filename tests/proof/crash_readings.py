"""Days that are read a second time, after some of them went out: what a reading that dies works on.

The second reading finds a line that was accepted, one that Track refused and the ERP mended, one
that changed, one that did not, two new ones; one of the first reading is gone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from tests.proof.crash_hospital import (
    DAY_BEFORE,
    POLICIES,
    Reading,
    Scenario,
    Visit,
    extract_days,
)
from tests.unit.delivery.delivery_rig import NOW
from track_dispatch.ledger import schema
from track_dispatch.ledger.envelopes import envelope_of, open_envelope, parse_places
from track_dispatch.ledger.extractions import run_extractions
from track_dispatch.pipeline.transform import transform

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger

ACCEPTED, REFUSED, SAME, CHANGED, GONE, NEW, EXCLUDED = (str(910_000_001 + n) for n in range(7))

_SENT = (Visit(ACCEPTED, DAY_BEFORE), Visit(REFUSED, DAY_BEFORE))
#: What the hospital holds at first, read by a run of its own.
FIRST = Scenario(
    "readings", lambda _: None, visits=(*_SENT, Visit(SAME), Visit(CHANGED), Visit(GONE))
)
#: What the reading that dies finds.
SECOND = Reading(
    "run-2",
    (
        _SENT[0],
        replace(_SENT[1], fields=(("email", "mended@exemplo.test"),)),
        Visit(SAME),
        Visit(CHANGED, fields=(("name", "OUTRO NOME"),)),
        Visit(NEW, area="INTERNACAO"),
        Visit(EXCLUDED, fields=(("email", ""),)),
    ),
    POLICIES,
)


def clear(ledger: Ledger, reading: Reading) -> None:
    """Run again what is not done, as Airflow's retries do."""
    with ledger.reading() as connection:
        staged = run_extractions(connection, hospital=reading.hospital.code, run_id=reading.run_id)
    if {one.business_day for one in staged} != reading.days().keys():
        extract_days(ledger, reading)
    transform(reading.run, ledger=ledger, now=NOW)


def told(ledger: Ledger) -> tuple[Any, ...]:
    """Tell what the ledger holds of people: its lines with their contents, and their events.

    Lines are told by their attendance and their unit: ids differ from reading to reading.
    """
    lines, events = schema.lines, schema.events
    with ledger.reading() as connection:
        units = {row.id: tuple(row)[1:5] for row in connection.execute(select(schema.units))}
        envelopes = {row.id: row for row in connection.execute(select(schema.envelopes))}
        found = connection.execute(select(lines).order_by(lines.c.attendance_id)).all()
        lives = connection.execute(select(events)).all()
    contents = {
        line.attendance_id: line.fields
        for row in envelopes.values()
        if row.payload is not None
        for line in open_envelope(ledger.keys, row.id, row.payload)
    }
    people = [
        (
            line.attendance_id,
            (line.state, line.reason, line.digest, line.ask_until),
            units[envelopes[envelope_of(line.address)].unit],
            contents.get(line.attendance_id),
        )
        for line in found
    ]
    moves = Counter[tuple[str, str, str | None]]()
    for event in lives:
        moves[event.transition, event.state, event.reason] += len(parse_places(event.places))
    return people, moves
