"""`make demo` tells a newcomer what is wrong, and stops when it is told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from demo import run
from demo.world import ROOT, practice_include
from track_dispatch.config import load_hospital

#: Runs the demo below the folder that is the first argument.
AT_HOME = """
import sys
from pathlib import Path
from demo import run
run.HOME = Path(sys.argv[1])
sys.exit(run.main(sys.argv[2:]))
"""


def start(home: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """Start the demo with files of its own; `more` is added to the environment."""
    inherited = {name: value for name, value in os.environ.items() if "AIRFLOW" not in name}
    return subprocess.Popen(
        [sys.executable, "-c", AT_HOME, str(home), "--hospitals", "HMS", *arguments],
        env=inherited | {"PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}"} | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_green_run_accounts_for_every_day_that_it_read_and_nobody_is_asked_twice(
    tmp_path: Path,
) -> None:
    demo = start(tmp_path / "demo", "--day", "2026-11-20")

    said, errors = demo.communicate(timeout=300)

    assert (demo.returncode, errors) == (0, "")
    assert said.splitlines()[-1] == "accepted twice by Track: 0"
    assert "track_hms: run green" in said
    assert said.count(": holds") == said.count(" rows = ") > 1


def test_without_a_terminal_each_step_is_a_line_when_it_begins(tmp_path: Path) -> None:
    demo = start(tmp_path / "demo", "--day", "2026-11-20")
    assert demo.stdout

    said = [next(demo.stdout) for _ in range(2)]
    demo.kill()
    demo.communicate()

    assert said[0] == "Airflow database, ledger, pools ...\n"
    assert said[1].startswith("Airflow database, ledger, pools: ")


def test_a_red_run_says_why_and_where_its_log_is(tmp_path: Path) -> None:
    home, spoilt = tmp_path / "demo", practice_include(tmp_path / "include")
    query = spoilt / "sql" / load_hospital("HMS").sql
    query.write_text("select nothing from nowhere", encoding="utf-8")
    demo = start(home, "--day", "2026-11-20", TRACK_INCLUDE_DIR=str(spoilt))

    said, errors = demo.communicate(timeout=300)

    lines = said.splitlines()
    [folder] = [one for one in home.iterdir() if one.is_dir()]
    assert "track_hms: run RED" in lines
    assert lines[-1] == f"the whole log: {folder / 'demo.log'}"
    assert lines[-3].startswith("reading the ERP (HMS 2026-11-20): ")
    assert (errors, demo.returncode) == ("", 1)


def test_each_of_our_errors_is_told_once_and_whole() -> None:
    moment = "2026-11-30T16:35:31.796487Z [info     ] Post"
    error = moment.replace("[info     ] Post", "[error    ]")
    log = f"""{moment}
Traceback (most recent call last):
track_dispatch.errors.LedgerError: one
two
{error} VERMELHO: a dia [x]: zero   [unusual_prefix_f7_hospital_surveys] loc=texts.py:108
{error} VERMELHO: a dia [x]: zero   [unusual_prefix_f7_hospital_surveys] loc=texts.py:108
{moment}
track_dispatch.errors.ConfigError: three
{moment}
track_dispatch.errors.ConfigError: three
"""

    assert run.reasons(log) == ["one\ntwo", "a dia [x]: zero", "three"]


def test_ctrl_c_stops_it_with_one_line(tmp_path: Path) -> None:
    demo = start(tmp_path / "demo", "--day", "2026-11-20")
    assert demo.stdout
    begun = next(demo.stdout)

    demo.send_signal(signal.SIGINT)
    said, errors = demo.communicate(timeout=60)

    assert begun == "Airflow database, ledger, pools ...\n"
    assert (said, errors, demo.returncode) == ("stopped\n", "", 130)
