"""How long report, morning, explain and the rest take on a ledger of a million lines.

`python -m tests.unit.ledger.measure_views [LINES [HOSPITALS]]`: CPU of this process, of
PostgreSQL's (where it can be read), and wall, in milliseconds, the medians of five. Nothing is
asserted.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from sqlalchemy import insert, text
from sqlalchemy.engine import make_url

from tests.postgres import administer, running_postgres
from tests.unit.ledger.big_ledger import BigLedger, fill_big_ledger
from tests.unit.ledger.steps import Steps
from track_dispatch.config import Hospital, load_hospital, working_hospitals
from track_dispatch.ledger import retention, schema
from track_dispatch.ledger.database import Ledger, connect
from track_dispatch.ledger.decisions import Decision, decide_batch
from track_dispatch.ledger.history import attendance_history, refused_lines
from track_dispatch.ledger.keys import new_keys
from track_dispatch.ledger.privacy import held_about
from track_dispatch.ledger.sql import moment_in
from track_dispatch.metric_table import prometheus_text
from track_dispatch.pipeline import Run
from track_dispatch.pipeline.metrics import read_metrics
from track_dispatch.pipeline.morning import morning
from track_dispatch.pipeline.report import report
from track_dispatch.records import Actor, HospitalDay
from track_dispatch.states import Verb

LAST = date(2026, 3, 10)
TODAY = date(2026, 3, 11)
#: 12:30 in São Paulo: every run is over.
NOW = datetime(2026, 3, 11, 15, 30, tzinfo=UTC)
LOOKER = Actor("report", run_id="scheduled__2026-03-11", try_number=1)
TIMES = 5


def main(lines: int = 1_000_000, number: int = 18) -> None:
    """Fill a ledger on each database, and measure; more hospitals than there are are made up."""
    shipped = working_hospitals()
    made_up = (shipped[0].model_copy(update={"code": f"X{one}"}) for one in range(number))
    hospitals = [*shipped, *made_up][:number]
    with tempfile.TemporaryDirectory() as folder:
        measure("SQLite", f"sqlite:///{folder}/track_ledger.db", lines, hospitals)
        with running_postgres(Path(folder)) as url:
            administer(url, "create database big_ledger")
            big = make_url(url).set(database="big_ledger")
            measure("PostgreSQL", big.render_as_string(hide_password=False), lines, hospitals)


def measure(name: str, url: str, lines: int, hospitals: Sequence[Hospital]) -> None:
    """Measure each look at one ledger."""
    keys = new_keys()
    with Ledger(connect(url), keys) as ledger:
        with ledger.writing() as connection:
            schema.metadata.create_all(connection)
            connection.execute(
                insert(schema.ledger).values(ledger_id=keys.ledger_id, created_at=moment_in())
            )
        began = time.perf_counter()
        codes = tuple(one.code for one in hospitals)
        filled = fill_big_ledger(ledger, lines, hospitals=codes, last_day=LAST)
        spent = time.perf_counter() - began
        print(f"{name}: {filled.lines} lines filled in {spent:.1f} s")  # noqa: T201
        for what, look in looks(Steps(ledger), filled, hospitals):
            cpu, server, wall = timed(look, ledger)
            print(f"  {what:<32}{cpu:8.1f} CPU {server:8.1f} server's {wall:8.1f} wall")  # noqa: T201


def looks(
    steps: Steps, filled: BigLedger, hospitals: Sequence[Hospital]
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield each look by its name."""
    hms = load_hospital("HMS")
    run = Run(hms, LAST, LOOKER)
    old = HospitalDay("HMS", date(2026, 2, 1))
    steps.put_lines(5, "held", day=old, first=1)
    steps.put_lines(5, "reopened", day=old, first=11)
    batches = [str(steps.put_batch(5, day=old, first=21 + 10 * one).batch) for one in range(5)]
    yield "report of HMS", lambda: report(run, ledger=steps.ledger, now=NOW)
    yield (
        "morning of all hospitals",
        lambda: morning(hospitals, ledger=steps.ledger, actor=LOOKER, moment=NOW),
    )
    yield (
        "morning of one day",
        lambda: morning(
            hospitals, ledger=steps.ledger, actor=LOOKER, moment=NOW, business_day=LAST
        ),
    )

    def explain() -> object:
        with steps.ledger.reading() as connection:
            number = f"B{filled.lines // 2}"
            return attendance_history(connection, source="src", attendance_id=number)

    def held() -> object:
        with steps.ledger.reading() as connection:
            return held_about(connection, steps.ledger.keys, ["cpf:00000000001"], rows_about=len)

    def refused() -> object:
        with steps.ledger.reading() as connection:
            return refused_lines(connection, since=date(2026, 2, 8))

    def scrape() -> object:
        with steps.ledger.reading() as connection:
            return prometheus_text(read_metrics(connection, hospitals, moment=NOW))

    yield "explain", explain
    yield "what is held about a person", held
    yield "refusals of 30 days", refused
    yield "a scrape of the metrics", scrape
    decision = Decision(Verb.SETTLE_UNSENT, "ana", "não chegou")
    yield (
        "a decision about a batch",
        lambda: decide_batch(steps.ledger, batches.pop(), decision, today=TODAY),
    )
    yield (
        "expire",
        lambda: retention.expire_past(steps.ledger, hospital="HMS", today=TODAY, actor=LOOKER),
    )
    yield (
        "old payloads",
        lambda: retention.drop_old_payloads(steps.ledger, max_age_hours=36, actor=LOOKER),
    )


def timed(look: Callable[[], object], ledger: Ledger) -> tuple[float, ...]:
    """Return the medians of our CPU, the server's, and the wall, in milliseconds."""
    spent = []
    for _ in range(TIMES):
        ours, theirs, wall = time.process_time(), server_cpu(ledger), time.perf_counter()
        look()
        ended = time.perf_counter()
        spent.append((time.process_time() - ours, server_cpu(ledger) - theirs, ended - wall))
    return tuple(1000 * statistics.median(found) for found in zip(*spent, strict=True))


def server_cpu(ledger: Ledger) -> float:
    """Return the CPU seconds of PostgreSQL's sessions with this ledger, on this machine."""
    if not ledger.on_postgresql:
        return 0.0
    sessions = text("select pid from pg_stat_activity where datname = current_database()")
    with ledger.engine.connect() as connection:
        pids = list(connection.scalars(sessions))
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
