"""`make demo` tells a newcomer what is wrong, and stops when it is told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from demo import run
from demo.world import ROOT

#: Runs the demo below the folder that is the first argument.
AT_HOME = """
import sys
from pathlib import Path
from demo import run
run.HOME = Path(sys.argv[1])
sys.exit(run.main(sys.argv[2:]))
"""


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the demo with files of its own."""
    inherited = {name: value for name, value in os.environ.items() if "AIRFLOW" not in name}
    return subprocess.Popen(
        [sys.executable, "-c", AT_HOME, str(home), "--hospitals", "HMS", *arguments],
        env=inherited | {"PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_what_is_no_day_is_told_as_it_was_typed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run.main(["--day", "garbage"])

    said = capsys.readouterr().err
    assert "'garbage' is not a day: DAY=2026-11-20" in said
    assert "isoformat" not in said


def test_a_green_run_accounts_for_every_day_that_it_read_and_nobody_is_asked_twice(
    tmp_path: Path,
) -> None:
    demo = start(tmp_path / "demo", "--day", "2026-11-20")

    said, errors = demo.communicate(timeout=300)

    assert (demo.returncode, errors) == (0, "")
    assert said.splitlines()[-1] == "accepted twice by Track: 0"
    assert "track_hms: run green" in said
    assert said.count(": holds") == said.count(" rows = ") > 1


def test_a_red_run_says_why_and_where_its_log_is(tmp_path: Path) -> None:
    home = tmp_path / "demo"

    said, errors = start(home, "--day", "2999-01-01").communicate(timeout=300)

    lines = said.splitlines()
    assert "track_hms: run RED" in lines
    assert lines[-2].startswith("the business day 2999-01-01 is not over for this run:")
    assert lines[-1] == f"the whole log: {home / 'demo.log'}"
    assert errors == ""


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


def test_ctrl_c_stops_it_without_a_stack_trace(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    demo = start(home, "--day", "2026-11-20")
    limit = time.monotonic() + 120
    while demo.poll() is None and not (home / "airflow.db").exists():
        assert time.monotonic() < limit
        time.sleep(0.02)

    demo.send_signal(signal.SIGINT)
    said, errors = demo.communicate(timeout=60)

    assert (demo.returncode, errors) == (130, "")
    assert said.splitlines()[-1] == "stopped"
