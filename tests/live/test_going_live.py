"""The page that goes live, typed from start to end: from nothing to the day it is taken off again.

The blocks are read out of docs/going-live.md; only its folders and addresses are other ones. What
root does there is done here by other means, and the units' commands start Airflow without systemd.
What a block prints holds the lines that the page shows below it.
"""

from __future__ import annotations

import configparser
import json
import os
import re
import secrets
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from cryptography.fernet import Fernet
from sqlalchemy.engine import make_url

from demo.airflow_api import AirflowApi, free_port
from demo.components import Components
from demo.world import (
    PASSWORD,
    ROOT,
    SERVICE,
    USER,
    World,
    chosen_hospitals,
    leave_hospitals,
    practice_include,
)
from stand_ins.track_api import ORGANIZATION, TOKEN
from tests.postgres import program, running_postgres


class Block(NamedTuple):
    """Commands to be typed, and lines of what they print; `…` stands for what differs."""

    commands: str
    shown: list[str]


DAY = date(2026, 11, 20)
PAGE = (ROOT / "docs/going-live.md").read_text(encoding="utf-8")
WALK = PAGE.split("## The whole way")[1].split("\n## ")[0]
BLOCKS = [
    Block(commands, shown.splitlines())
    for commands, shown in re.findall(
        r"^```bash\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", WALK, re.DOTALL | re.MULTILINE
    )
]
CONNECTIONS = json.loads(re.findall(r"^```json\n(.*?)^```", WALK, re.DOTALL | re.MULTILINE)[0])
UNITS = re.search(r"systemctl enable --now (.*)", WALK)
OURS = "ensaio@hospital.test"

#: How a block begins that PostgreSQL's own user types.
DBA = "# sudo -u postgres bash\n"

#: Ports that components take beside the API server's.
PORTS = (
    "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT",
    "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT",
)


class Machine:
    """A machine on which the page's folders lie in one of ours, with databases and stand-ins."""

    def __init__(self, root: Path, world: World, postgres: str) -> None:
        self.world, self._postgres = world, postgres
        self.api = AirflowApi(free_port(), "admin")
        self._root = root
        self.code, self.etc = self.at("/opt/track-dispatch"), self.at("/etc/track-dispatch")
        self.home, self.dba = self.at("/var/lib/airflow"), self.at("/var/lib/postgresql")
        for folder in (self.code, self.etc, self.home, self.dba):
            folder.mkdir(parents=True)
        #: What a shell has before the page's first block, and nothing of ours.
        self._shell = {"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8"}
        url = make_url(postgres)
        #: What the shell of PostgreSQL's own user has.
        self._dba_shell = self._shell | {
            "PATH": f"{program('psql').parent}:{os.environ['PATH']}", "HOME": str(self.dba),
            "PGHOST": str(url.query["host"]), "PGUSER": str(url.username),
        }  # fmt: skip
        for name in ("dags", "plugins", "deploy", "docker"):
            (self.code / name).symlink_to(ROOT / name)
        (self.code / ".venv").symlink_to(sys.prefix)
        self._hms = practice_include(self.code / "include") / "hospitals" / "hms.yaml"
        leave_hospitals(self.code / "include", world.hospitals)
        self.configure(first_business_day=None, rehearsal_contacts=[{"email": OURS}])

    def at(self, path: str) -> Path:
        return self._root / path.removeprefix("/")

    def _here(self, text: str) -> str:
        for folder in ("/opt/track-dispatch", "/etc/track-dispatch", "/var/lib/airflow"):
            text = text.replace(folder, str(self.at(folder)))
        return text.replace("8080", str(self.api.port))

    def password(self, name: str) -> str:
        """Return a password that a block made."""
        return (self.dba / f"{name}.password").read_text(encoding="utf-8").strip()

    def write_settings(self) -> None:
        """Fill the example of the settings in, as its comments say."""
        text = self._here((ROOT / "deploy/systemd/airflow.env.example").read_text(encoding="utf-8"))
        metadata = make_url(self._postgres).set(
            drivername="postgresql+psycopg2", database="airflow",
            username="airflow", password=self.password("airflow"),
        )  # fmt: skip
        filled = {
            "DATABASE__SQL_ALCHEMY_CONN": metadata.render_as_string(hide_password=False),
            "CORE__FERNET_KEY": Fernet.generate_key().decode(),
            "API__SECRET_KEY": secrets.token_hex(32),
            "API_AUTH__JWT_SECRET": secrets.token_hex(32),
        }
        for name, value in filled.items():
            text, times = re.subn(rf"(?m)^(AIRFLOW__{name}=).*demo-only.*$", rf"\g<1>{value}", text)
            assert times == 1, name
        assert "=demo-only" not in text
        text += "".join(f"{name}={free_port()}\n" for name in PORTS)
        (self.etc / "airflow.env").write_text(text, encoding="utf-8")

    def configure(self, **values: object) -> None:
        """Write a hospital's settings, as somebody does in an editor."""
        content = yaml.safe_load(self._hms.read_text(encoding="utf-8"))
        content |= {
            name: str(one) if isinstance(one, date) else one for name, one in values.items()
        }
        self._hms.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")

    def write_connections(self) -> None:
        """Write the page's file of connections, filled in."""
        found: Any = json.loads(json.dumps(CONNECTIONS))
        url = make_url(self._postgres)
        found["track_api"] |= {
            "host": self.world.track.url, "login": ORGANIZATION, "password": TOKEN,
        }  # fmt: skip
        found["track_ledger"] |= {
            "host": str(url.query["host"]), "password": self.password("ledger"),
            "extra": self.keys(),
        }  # fmt: skip
        found["oracle_hms"] |= {
            "host": "127.0.0.1", "port": self.world.erps["hms"].port, "login": USER,
            "password": PASSWORD, "extra": {"service_name": SERVICE},
        }  # fmt: skip
        (self.home / "connections.json").write_text(json.dumps(found), encoding="utf-8")

    def keys(self) -> dict[str, Any]:
        return dict(json.loads((self.home / "keys.json").read_text(encoding="utf-8")))

    def change_keys(self) -> None:
        """Put the keys into the exported connections, as somebody does in an editor."""
        file = self.home / "connections.json"
        connections = json.loads(file.read_text(encoding="utf-8"))
        assert len(self.keys()["identity_secrets"]) == 2
        connections["track_ledger"]["extra"] = self.keys()
        file.write_text(json.dumps(connections), encoding="utf-8")

    def units(self) -> dict[str, list[str]]:
        """Return what systemd would start, by unit."""
        unit = configparser.ConfigParser(interpolation=None, strict=False)
        unit.optionxform = str  # type: ignore[assignment,method-assign]
        unit.read(ROOT / "deploy/systemd/airflow@.service", encoding="utf-8")
        assert UNITS is not None
        return {
            name: shlex.split(self._here(unit["Service"]["ExecStart"]).replace("%i", name[8:]))
            for name in UNITS[1].split()
        }

    def environment(self) -> dict[str, str]:
        """Return what a unit's processes have: the settings, and nothing of ours."""
        settings = (self.etc / "airflow.env").read_text(encoding="utf-8").splitlines()
        told = dict(line.split("=", 1) for line in settings if line and line[0] != "#")
        return self._shell | told

    def type(self, block: Block) -> str:
        """Type a block of the page into a shell of its own; return what was printed."""
        if block.commands.startswith(DBA):
            said = self._run(block.commands, self._dba_shell)
        else:
            said = self._run(BLOCKS[1].commands + block.commands, self._shell)
        for line in block.shown:
            words = r".*".join(map(re.escape, " ".join(line.split()).split("…")))
            assert re.search(words, re.sub(" +", " ", said)), (line, said)
        return said

    def _run(self, commands: str, env: Mapping[str, str]) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self._here(commands)],
            env=env,
            cwd=self.code,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    hospitals = chosen_hospitals(["HMS"])
    with ExitStack() as running:
        postgres = running.enter_context(running_postgres(tmp_path_factory.mktemp("runtime")))
        world = running.enter_context(World(hospitals, days=[DAY], refused_domain=None))
        yield Machine(tmp_path_factory.mktemp("machine"), world, postgres)


def wait_until(happened: Callable[[], bool], machine: Machine, components: Components) -> None:
    """Look once a second until something has happened, and that nothing has ended meanwhile."""
    deadline = time.monotonic() + 240
    while not happened():
        assert not components.ended()
        assert time.monotonic() < deadline, f"logs in {machine.home}"
        time.sleep(1)


def has_run(machine: Machine, runs: int) -> bool:
    """Tell whether so many runs by hand have ended well, as the page's `list-runs` tells."""
    told = machine.type(Block("airflow dags list-runs track_hms --output plain", []))
    # the hospital's own hour may come meanwhile, with a day that has no patients here
    by_hand = [line for line in told.splitlines() if "manual__" in line]
    assert not any("failed" in line for line in by_hand), told
    return sum("success" in line for line in by_hand) == runs


def running(machine: Machine) -> Components:
    return Components(machine.units(), logs=machine.home, env=machine.environment())


def wait_for_all(machine: Machine, components: Components) -> None:
    parts = ("metadatabase", "scheduler", "dag_processor", "triggerer")
    wait_until(lambda: machine.api.is_healthy(*parts), machine, components)


def install(machine: Machine, databases: Block, tables: Block, connections: Block) -> None:
    machine.type(databases)
    assert not [file for file in machine.dba.iterdir() if file.stat().st_mode & 0o077]
    machine.write_settings()
    machine.type(tables)
    assert (machine.home / "keys.json").stat().st_mode & 0o077 == 0
    machine.write_connections()
    machine.type(connections)
    assert not [*machine.home.glob("*.json")]


def go_live(machine: Machine, components: Components, blocks: list[Block]) -> None:
    password, look, rehearse, answered, first_day, account, others = blocks
    wait_for_all(machine, components)
    [told] = json.loads(machine.type(password)).values()
    assert AirflowApi(machine.api.port, told).count_dags("pesquisa")

    machine.type(look)
    machine.type(rehearse)
    wait_until(lambda: has_run(machine, 1), machine, components)
    machine.type(answered)
    received = machine.world.track.received
    assert {line["email"] for post in received for line in post.body["import_lines"]} == {OURS}

    machine.configure(first_business_day=DAY)
    machine.type(first_day)
    wait_until(lambda: has_run(machine, 2), machine, components)
    assert {*machine.world.track.accepted_ids().values()} == {1}
    machine.type(account)
    machine.type(others)


def test_the_page_leads_from_nothing_to_the_day_it_is_taken_off(machine: Machine) -> None:
    databases, _, tables, connections, *live = BLOCKS[:-9]
    backup, rotate, rotated, migrate, restore, restored, look_again, *gone = BLOCKS[-9:]
    install(machine, databases, tables, connections)
    with running(machine) as components:
        go_live(machine, components, live)
        machine.type(backup)
        machine.type(rotate)
        machine.change_keys()
        machine.type(rotated)
        assert not [*machine.home.glob("*.json")]
    machine.type(migrate)
    machine.type(restore)
    machine.type(restored)
    with running(machine) as components:
        wait_for_all(machine, components)
        machine.type(look_again)
    for block in gone:
        machine.type(block)
