"""What `make ui` starts ends with it, however it resists."""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path

import psutil
import pytest

from demo.components import Components
from demo.live import require_free

#: Ignores SIGTERM and has a child that does so too, in a process group of its own, as a task of
#: Airflow's is; prints both process ids once they are set up.
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if not child:
    os.setpgid(0, 0)
    print(os.getppid(), os.getpid(), flush=True)
time.sleep(600)
"""
#: Leaves a child behind and goes.
DESERTER = """
import os, time
if not os.fork():
    os.setpgid(0, 0)
    print(os.getpid(), flush=True)
    time.sleep(600)
"""


def printed(log: Path) -> list[int]:
    """Wait for a component's process ids."""
    limit = time.monotonic() + 30
    while not (text := log.read_text(encoding="utf-8")).endswith("\n"):
        assert time.monotonic() < limit
        time.sleep(0.02)
    return [int(pid) for pid in text.split()]


def is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("program", [STUBBORN, DESERTER], ids=["stubborn", "deserter"])
def test_no_process_outlives_the_stop(program: str, tmp_path: Path) -> None:
    commands = {"one": [sys.executable, "-c", program], "two": [sys.executable, "-c", program]}

    with Components(commands, logs=tmp_path, patience=0.1) as components:
        pids = printed(components.log("one")) + printed(components.log("two"))
        assert all(is_running(pid) for pid in pids)

    assert not [pid for pid in pids if is_running(pid)]


def test_a_component_is_killed_with_its_children_and_started_again(tmp_path: Path) -> None:
    commands = {name: [sys.executable, "-c", STUBBORN] for name in ("one", "two")}

    with Components(commands, logs=tmp_path, patience=0.1) as components:
        first, other = printed(components.log("one")), printed(components.log("two"))
        components.kill("one")
        assert not [pid for pid in first if is_running(pid)]
        assert all(is_running(pid) for pid in other)
        assert components.ended() == []

        components.log("one").write_text("", encoding="utf-8")
        components.start("one")
        again = printed(components.log("one"))

    assert not [pid for pid in (*again, *other) if is_running(pid)]


def test_a_component_has_the_environment_that_is_given(tmp_path: Path) -> None:
    program = "import os, time; print(os.environ['NUMBER'], flush=True); time.sleep(600)"
    commands = {"one": [sys.executable, "-c", program]}

    with Components(commands, logs=tmp_path, env={"NUMBER": "7"}, patience=0.1) as components:
        assert printed(components.log("one")) == [7]


def test_a_component_that_ends_by_itself_is_named(tmp_path: Path) -> None:
    commands = {
        "failing": [sys.executable, "-c", "print('why', flush=True)"],
        "lasting": [sys.executable, "-c", "import time; time.sleep(600)"],
    }

    with Components(commands, logs=tmp_path, patience=0.1) as components:
        limit = time.monotonic() + 30
        while not components.ended() and time.monotonic() < limit:
            time.sleep(0.02)

        assert components.ended() == ["failing"]
        assert components.log("failing").read_text(encoding="utf-8") == "why\n"


def test_a_taken_port_is_a_message() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(SystemExit, match=rf"port {port} is not free .*make ui PORT="):
            require_free(port)
