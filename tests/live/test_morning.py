"""`make morning` runs a day of made-up hospitals to its end, and Ctrl-C leaves nothing of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import psutil

from demo.world import ROOT

#: One that is shipped would do; the others are made up.
HOSPITALS = 19
COMMAND = [sys.executable, "-m", "demo.morning", "--json", "--hospitals"]
ENVIRONMENT = os.environ | {"PYTHONPATH": f"{ROOT / 'plugins'}{os.pathsep}{ROOT}"}


def test_a_morning_of_more_hospitals_than_there_are_is_good() -> None:
    done = subprocess.run(
        [*COMMAND, str(HOSPITALS)], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    print(done.stdout)  # noqa: T201 - for -s
    assert told["hospitals"] == HOSPITALS
    assert told["runs"] == {"success": HOSPITALS}
    assert told["accepted_twice"] == 0
    assert told["accepted"] > 50 * HOSPITALS
    assert "failed" not in told["tasks"]
    assert set(told["cpu_seconds"]) == {
        "api-server", "dag-processor", "parsing", "scheduler", "tasks", "triggerer",
    }  # fmt: skip
    assert all(told["cpu_seconds"].values())


def test_ctrl_c_leaves_no_process() -> None:
    morning = subprocess.Popen(
        [*COMMAND, "1"], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    it = psutil.Process(morning.pid)
    while len(started := it.children()) < 4:
        assert morning.poll() is None
        time.sleep(0.05)
    started = it.children(recursive=True)

    morning.send_signal(signal.SIGINT)
    said, _ = morning.communicate()

    assert (morning.returncode, said.decode()) == (1, "stopped\n")
    assert [one for one in started if one.is_running()] == []
