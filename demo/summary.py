"""What the demo prints at its end: the ledger's account of the day beside what Track received."""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import closing
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from track_dispatch.hooks.ledger import open_configured
from track_dispatch.ledger.views import day_counts, equation
from track_dispatch.records import Area, LineState

if TYPE_CHECKING:
    from datetime import date

    from rich.console import Console

    from demo.world import World
    from track_dispatch.config import Hospital
    from track_dispatch.ledger.database import Ledger

NO_AREA = "?"
STATES = (LineState.ACCEPTED, LineState.REFUSED, LineState.IN_DOUBT)


def show(world: World, days: dict[str, date], states: dict[str, str], console: Console) -> int:
    """Print the tables; return the demo's exit code."""
    # by survey, which each hospital has for itself: ENCORE's unidade only its ERP knows
    received = Counter({row["uuid"]: row["accepted"] for row in world.track.summary()["surveys"]})
    good = True
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("hospital", "day", "area"):
        table.add_column(name, no_wrap=True)
    for name in ("extracted", "accepted", "refused", "in doubt", "at Track"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("excluded", no_wrap=True)
    sentences = []
    with closing(open_configured()) as ledger:
        for hospital in world.hospitals:
            day = days[hospital.code]
            good &= _rows(table, ledger, hospital, day, received)
            sentence, holds = _equation(ledger, hospital, day)
            green = states[hospital.code] == "success"
            sentences.append(f"{hospital.dag_id}: run {'green' if green else 'RED'}\n{sentence}")
            good &= holds and green
    console.print(table)
    console.print("\n".join(sentences), highlight=False, soft_wrap=True)
    twice = world.track.accepted_twice()
    console.print(f"accepted twice by Track: {len(twice)}")
    return 0 if good and not twice else 1


def _rows(
    table: Table,
    ledger: Ledger,
    hospital: Hospital,
    day: date,
    received: Counter[str],
) -> bool:
    """Add a hospital's rows; tell whether Track received what the ledger calls accepted."""
    areas: defaultdict[str, Counter[str]] = defaultdict(Counter)
    with ledger.reading() as connection:
        for count in day_counts(connection, hospital=hospital.code, business_day=day):
            kind = count.reason if count.state is LineState.EXCLUDED else count.state
            areas[count.area or NO_AREA][str(kind)] += count.lines
    agree = True
    for area, kinds in areas.items():
        excluded = ", ".join(
            f"{lines} {reason}" for reason, lines in kinds.items() if reason not in set(LineState)
        )
        survey = hospital.survey(Area(area)) if area != NO_AREA else None
        at_track = received[str(survey)]
        agree &= at_track == kinds["accepted"]
        table.add_row(
            hospital.code,
            str(day),
            area,
            str(kinds.total()),
            *(str(kinds[state]) for state in STATES),
            str(at_track),
            excluded,
        )
    table.add_section()
    return agree


def _equation(ledger: Ledger, hospital: Hospital, day: date) -> tuple[str, bool]:
    with ledger.reading() as connection:
        balance = equation(connection, hospital=hospital.code, business_day=day)
    if balance is None:
        return "nothing was extracted", False
    states = " + ".join(f"{count} {state}" for state, count in balance.states) or "0"
    verdict = "holds" if balance.holds else "FAILS"
    merged = (
        f"  {balance.rows} rows = {balance.attendances} attendances + {balance.rows_merged} merged"
    )
    whole = (
        f"  {balance.attendances} attendances = {states} + {balance.other_day} of another day"
        f" + {balance.other_hospital} of another hospital: {verdict}"
    )
    return f"{merged}\n{whole}", balance.holds
