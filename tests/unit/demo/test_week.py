"""What `make ui` shows at its start: a week that has left whatever an analyst may meet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from demo.week import DAYS, Plan
from demo.world import ROOT, chosen_hospitals
from track_dispatch.pipeline.morning import due_day
from track_dispatch.states import LineState

MOMENT = datetime(2026, 11, 20, 18, tzinfo=UTC)
#: Plays a week of HMS below the folder that is the first argument; prints what it left on the last
#: line: lines by state, runs by state, and how many tasks' logs there are.
PLAY = f"""
import json, os, sys
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from demo import week
from demo.run import prepare
from demo.world import World, airflow_settings, chosen_hospitals

home, moment = Path(sys.argv[1]), datetime.fromisoformat("{MOMENT.isoformat()}")
[hms] = chosen_hospitals(["HMS"])
days = [moment.date() - timedelta(days=back) for back in range(week.PATIENT_DAYS + 1)]
with World([hms], days=days) as world:
    os.environ.update(airflow_settings(home, **week.POLICIES) | world.connections())
    prepare()
    for what in week.play(world, home / "logs", moment=moment, by="admin"):
        pass
    assert not world.track.accepted_twice()
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from sqlalchemy import select
from track_dispatch.hooks.ledger import open_ledger
from track_dispatch.ledger.views import day_counts
from track_dispatch.records import HospitalDay
lines = Counter()
with open_ledger() as ledger, ledger.reading() as connection:
    for counts in day_counts(connection, [HospitalDay("HMS", day) for day in days]).values():
        for one in counts:
            lines[str(one.state)] += one.lines
with create_session() as session:
    runs = Counter(f"{{one.run_type}} {{one.state}}" for one in session.scalars(select(DagRun)))
logs = len(list((home / "logs").rglob("attempt=1.log")))
print(json.dumps([lines, runs, logs]))
"""
#: What a run logs: extract, transform, volume_gate, dispatch, report.
TASKS = 5


def test_a_hospital_alone_meets_everything_and_leaves_nothing_to_the_live_airflow() -> None:
    [hospital] = chosen_hospitals(["HMS"])

    plan = Plan.of([hospital], moment=MOMENT)

    assert plan.thin == plan.left
    assert not plan.is_left(*plan.left)


def test_of_three_hospitals_one_latest_day_is_left_to_the_live_airflow() -> None:
    hospitals = chosen_hospitals(["HMS", "OTOA", "HSMC"])
    plan = Plan.of(hospitals, moment=MOMENT)

    run = {(hospital.code, day) for hospital, day in plan.days(hospitals, MOMENT)}

    assert len(run) == len(hospitals) * DAYS - 1
    assert ("HMS", due_day(hospitals[0], MOMENT)) not in run


def test_a_week_leaves_lines_in_every_state_that_waits_or_ends(tmp_path: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if "AIRFLOW" not in name}

    played = subprocess.run(
        [sys.executable, "-c", PLAY, str(tmp_path)],
        env=inherited | {"PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert played.returncode == 0, played.stderr[-3000:]
    lines, runs, logs = json.loads(played.stdout.splitlines()[-1])
    wanted = {"accepted", "excluded", "refused", "held", "in_doubt", "reopened"}
    assert wanted <= {*lines} <= {str(state) for state in LineState}
    assert runs.pop("scheduled running") == 1
    assert runs.pop("manual success") == 1
    assert sum(runs.values()) == 7
    assert logs > 7 * TASKS
