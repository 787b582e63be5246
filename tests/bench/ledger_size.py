"""How large a ledger on PostgreSQL gets: days of 1,500 attendances, read, settled and tidied.

`python -m tests.bench.ledger_size 100000 400000`: bytes after so many lines, of the whole database
and by table. Each day takes the real path but for the POSTs, and housekeeping after it, as if the
days had been lived through. A size is asked after a vacuum, as autovacuum would have done it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from sqlalchemy import text

from demo.world import ROOT, airflow_settings, chosen_hospitals, erp_server, oracle_connection
from stand_ins.erp import schemas
from tests.bench.big_day import FILL, HOSPITAL
from tests.postgres import administer, running_postgres
from track_dispatch.ledger.creation import init_ledger, open_ledger_at
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.keys import new_keys

#: Attendances of a day, and the first one.
LINES = 1500
FIRST = date(2026, 1, 1)
#: Days between two vacuums.
VACUUM = 10
#: What is lived through at once happened, as far as the ledger knows, on the mornings it is of.
_DATE_BACK = """
    update batches set created_at = created_at + (:morning - now()),
      changed_at = changed_at + (:morning - now())
    where created_at > now() - interval '1 hour'"""
_SIZES = """
    select relname, pg_total_relation_size(oid) from pg_class
    where relkind = 'r' and relnamespace = 'public'::regnamespace order by 2 desc"""


def main(sizes: Sequence[int]) -> None:
    """Live through days, and print at each of the sizes."""
    days = [FIRST + timedelta(days=number) for number in range(-(-max(sizes) // LINES))]
    script = schemas.MV.duckdb({}) + FILL.format(rows=LINES * len(days), day=FIRST).replace(
        f"timestamp '{FIRST}'", f"(timestamp '{FIRST}' + to_days(cast(n // {LINES} as integer)))"
    )
    keys = new_keys()
    with (
        tempfile.TemporaryDirectory(prefix="track-size-") as folder,
        running_postgres(Path(folder)) as url,
        erp_server(script) as erp,
    ):
        [hospital] = chosen_hospitals([HOSPITAL])
        os.environ.update(airflow_settings(Path(folder)))
        os.environ["TRACK_INCLUDE_DIR"] = str(ROOT / "include")  # the policies as they are shipped
        os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"
        os.environ[f"AIRFLOW_CONN_{hospital.oracle_conn_id.upper()}"] = oracle_connection(erp.port)
        init_ledger(url, keys)
        with open_ledger_at(url, keys) as ledger:
            for lines in live_through(days, ledger):
                if lines % (LINES * VACUUM) == 0 or lines >= min(sizes):
                    administer(url, "vacuum analyze")
                if lines in {-(-size // LINES) * LINES for size in sizes}:
                    tell(ledger, lines)


def live_through(days: Sequence[date], ledger: Ledger) -> Iterator[int]:
    """Take each day's path and the night's; yield how many lines there are."""
    # Airflow reads its settings when it is imported
    from tests.bench import phases  # noqa: PLC0415
    from track_dispatch.config import load_hospital  # noqa: PLC0415
    from track_dispatch.pipeline import Run  # noqa: PLC0415
    from track_dispatch.pipeline.extract import extract  # noqa: PLC0415
    from track_dispatch.pipeline.housekeeping import run_housekeeping  # noqa: PLC0415
    from track_dispatch.pipeline.transform import transform  # noqa: PLC0415
    from track_dispatch.records import Actor  # noqa: PLC0415

    settings = {"first_business_day": FIRST, "requests_per_5_minutes": phases.NO_LIMIT}
    hospital = load_hospital(HOSPITAL).model_copy(update=settings)
    for number, day in enumerate(days, start=1):
        morning = datetime.combine(day + timedelta(days=1), time(12), UTC)
        run = Run(hospital, day, Actor("bench", run_id=f"scheduled__{day}", try_number=1))
        extract(run, ledger=ledger, track_host="track.test", now=morning)
        transform(run, ledger=ledger, now=morning)
        phases.ledger(run, ledger, now=morning)
        with ledger.writing() as connection:
            connection.execute(text(_DATE_BACK), {"morning": morning})
        run_housekeeping([hospital], ledger=ledger, actor=run.actor, now=morning)
        yield number * LINES


def tell(ledger: Ledger, lines: int) -> None:
    """Print how large the ledger is."""
    with ledger.reading() as connection:
        whole = connection.scalar(text("select pg_database_size(current_database())"))
        rows = connection.execute(text(_SIZES)).all()
        states = connection.execute(text("select state, count(*) from lines group by 1 order by 1"))
        told = {
            "lines": dict(map(tuple, states)), "database": whole,
            "tables": {name: size for name, size in rows if size > 100_000},
        }  # fmt: skip
    sys.stdout.write(f"{lines} lines: {json.dumps(told)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [100_000, 400_000])
