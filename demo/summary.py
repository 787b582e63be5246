"""What the demo prints at its end: the ledger's account of the day beside what Track received."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date

from rich import box
from rich.console import Console
from rich.table import Table

from demo.world import World
from track_dispatch.config import Hospital
from track_dispatch.hooks.ledger import open_ledger
from track_dispatch.ledger.extractions import days_read
from track_dispatch.ledger.views import DayFacts, Equation, day_facts
from track_dispatch.records import Area, HospitalDay
from track_dispatch.states import LineState

NO_AREA = "?"
STATES = (LineState.ACCEPTED, LineState.REFUSED, LineState.IN_DOUBT)


def show(world: World, days: dict[str, date], states: dict[str, str], console: Console) -> int:
    """Print the tables; return the demo's exit code."""
    # by survey, which each hospital has for itself: ENCORE's unidade only its ERP knows
    received = Counter({row["uuid"]: row["accepted"] for row in world.track.summary()["surveys"]})
    good = True
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("hospital", "run of", "area"):
        table.add_column(name, no_wrap=True)
    for name in ("extracted", "accepted", "refused", "in doubt", "at Track"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("excluded", overflow="fold")
    sentences = []
    with open_ledger() as ledger, ledger.reading() as connection:
        read = days_read(connection, days)
        facts = day_facts(
            connection,
            [HospitalDay(code, day) for code in days for day in {days[code], *read[code]}],
        )
    for hospital in world.hospitals:
        own, *before = _own_first(facts, HospitalDay(hospital.code, days[hospital.code]))
        good &= _rows(table, hospital, [own, *before], received)
        green = states[hospital.code] == "success"
        sentences.append(f"{hospital.dag_id}: run {'green' if green else 'RED'}")
        for day in (own, *before):
            sentence, holds = _equation(day.equation)
            if day is not own:
                sentences.append(f"  of {day.day.business_day}, which the run read, too:")
            sentences.append(sentence)
            good &= holds
        good &= green
    console.print(table)
    console.print("\n".join(sentences), highlight=False, soft_wrap=True)
    twice = world.track.accepted_twice()
    console.print(f"accepted twice by Track: {len(twice)}")
    return 0 if good and not twice else 1


def _own_first(facts: Mapping[HospitalDay, DayFacts], own: HospitalDay) -> list[DayFacts]:
    """Return a run's own day, then those before it on which somebody came, the latest first."""
    others = [
        day
        for of, day in facts.items()
        if of.hospital == own.hospital and of != own and (day.counts or not _is_balanced(day))
    ]
    return [facts[own], *sorted(others, key=lambda day: day.day.business_day, reverse=True)]


def _is_balanced(day: DayFacts) -> bool:
    return day.equation is not None and day.equation.holds


def _rows(
    table: Table, hospital: Hospital, days: Sequence[DayFacts], received: Counter[str]
) -> bool:
    """Add a hospital's rows, its run's days together, the own one named.

    Returns:
        Whether Track received what the ledger calls accepted.
    """
    areas: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for count in (count for day in days for count in day.counts):
        kind = count.reason if count.state is LineState.EXCLUDED else count.state
        areas[count.area or NO_AREA][str(kind)] += count.lines
    agree = True
    for area, kinds in areas.items():
        excluded = "\n".join(
            f"{lines} {reason}" for reason, lines in kinds.items() if reason not in set(LineState)
        )
        survey = hospital.survey(Area(area)) if area != NO_AREA else None
        at_track = received[str(survey)]
        agree &= at_track == kinds["accepted"]
        table.add_row(
            hospital.code,
            str(days[0].day.business_day),
            area,
            str(kinds.total()),
            *(str(kinds[state]) for state in STATES),
            str(at_track),
            excluded,
        )
    table.add_section()
    return agree


def _equation(balance: Equation | None) -> tuple[str, bool]:
    """Say what became of the day's rows, and whether every one is accounted for."""
    if balance is None:
        return "nothing was extracted", False
    found = ((state, balance.states.get(state, 0)) for state in LineState)
    states = " + ".join(f"{lines} {state}" for state, lines in found if lines) or "0"
    verdict = "holds" if balance.holds else "FAILS"
    absent = f" - {balance.absent} not read this time" if balance.absent else ""
    merged = (
        f"  {balance.rows} rows = {balance.attendances} attendances + {balance.rows_merged} merged"
    )
    whole = (
        f"  {balance.attendances} attendances = {states}{absent}"
        f" + {balance.other_day} of another day"
        f" + {balance.other_hospital} of another hospital: {verdict}"
    )
    return f"{merged}\n{whole}", balance.holds
