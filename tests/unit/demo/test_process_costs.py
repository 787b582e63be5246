"""What a component has cost is counted where it belongs, also of processes that have ended."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.components import Components
from demo.process_costs import cpu_seconds, memory_bytes

#: CPU that each process below uses, in seconds, and more than one tick of the kernel's clock.
OWN, CHILD, LIVING = 0.1, 0.4, 0.8
#: Uses CPU itself, by a child that ends, and by one that lives.
BUSY = f"""
import os, time
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end: pass
if not os.fork():
    burn({CHILD})
    os._exit(0)
os.wait()
here, there = os.pipe()
if not os.fork():
    burn({LIVING})
    os.write(there, b"x")
    time.sleep(600)
os.read(here, 1)
burn({OWN})
print("done", flush=True)
time.sleep(600)
"""
#: Holds what a child shares with it.
SHARING = """
import os, time
held = bytearray(os.urandom(1)) * 200_000_000
if not os.fork():
    print("done", flush=True)
time.sleep(600)
"""


@pytest.fixture
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Components]:
    names, program = request.param
    commands = {name: [sys.executable, "-c", program] for name in names}
    with Components(commands, logs=tmp_path, patience=0.1) as components:
        for name in names:
            while "done" not in components.log(name).read_text(encoding="utf-8"):
                assert not components.ended()
                time.sleep(0.02)
        yield components


@pytest.mark.parametrize(
    "running", [(("scheduler", "dag-processor", "api-server"), BUSY)], indirect=True
)
def test_cpu_is_of_who_used_it(running: Components) -> None:
    used = cpu_seconds(running)

    assert set(used) == {"scheduler", "tasks", "dag-processor", "parsing", "api-server"}
    for own, children in (("scheduler", "tasks"), ("dag-processor", "parsing")):
        assert OWN * 0.8 <= used[own] < CHILD
        assert (CHILD + LIVING) * 0.9 <= used[children] < (CHILD + LIVING) * 1.5
    assert used["api-server"] >= (OWN + CHILD + LIVING) * 0.9


@pytest.mark.parametrize("running", [(("one",), SHARING)], indirect=True)
def test_memory_that_two_processes_share_is_counted_once(running: Components) -> None:
    assert len(running.processes()) == 2
    assert 200_000_000 < memory_bytes(running) < 300_000_000


def test_nothing_that_runs_costs_nothing(tmp_path: Path) -> None:
    with Components({}, logs=tmp_path) as components:
        assert (cpu_seconds(components), memory_bytes(components)) == ({}, 0)
