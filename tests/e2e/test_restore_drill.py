"""`make restore-drill`: a dump of the ledger, put back on another server; nobody is asked twice.

It does what docs/cli.md#a-backup-put-back tells a person to do. The dump is older than what was
done since: a day that waited in it was sent, another day is not in it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.engine import make_url
from typer.testing import CliRunner

from tests.e2e.hms_patients import plant
from tests.postgres import connection_to, program, running_postgres
from track_dispatch.cli import app
from track_dispatch.hooks import ledger as ledger_hook
from track_dispatch.ledger.keys import KeyRing, new_keys

if TYPE_CHECKING:
    from tests.airflow_world import AirflowWorld

#: What became of each day before the dump and after it; no run looks back from these to those.
DONE, SENT_SINCE, READ_SINCE = (date(2026, 3, day) for day in (10, 11, 12))
NEVER_SENT, NEVER_READ = (date(2026, 3, day) for day in (25, 26))
DAYS = (DONE, SENT_SINCE, READ_SINCE, NEVER_SENT, NEVER_READ)
PATIENTS = 3
SAID = ("--by", "rui", "--why", "restore drill")


@pytest.fixture
def keys() -> KeyRing:
    """Make the keys, which are kept apart from every dump."""
    return new_keys()


@pytest.fixture
def world(
    world: AirflowWorld, postgres_url: str, keys: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> AirflowWorld:
    """Start HMS with patients on every day, and its ledger on PostgreSQL."""
    monkeypatch.setenv("AIRFLOW_CONN_TRACK_LEDGER", connection_to(postgres_url, keys))
    ledger_hook.init()
    for day in DAYS:
        plant(world.erp(), day, PATIENTS)
    return world


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start another PostgreSQL."""
    with running_postgres(tmp_path_factory.mktemp("elsewhere")) as url:
        yield url


def run_program(name: str, url: str, *arguments: str) -> None:
    """Run one of PostgreSQL's own programs on a database."""
    place = make_url(url)
    where = ("--host", str(place.query["host"]), "--username", str(place.username))
    command = [program(name), *where, "--dbname", str(place.database), *arguments]
    subprocess.run(command, check=True, timeout=120)


def shell(*verb: str) -> str:
    """Run a verb that must end well, and return what it prints."""
    done = CliRunner().invoke(app, verb, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_dump_that_is_put_back_elsewhere_asks_nobody_twice_and_loses_nobody(
    world: AirflowWorld,
    postgres_url: str,
    elsewhere: str,
    keys: KeyRing,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dump = tmp_path / "ledger.dump"
    world.run_day("HMS", DONE)
    waiting = [world.run_day("HMS", day, before="dispatch") for day in (SENT_SINCE, NEVER_SENT)]
    as_of = datetime.now(UTC)
    run_program("pg_dump", postgres_url, "--format", "custom", "--file", str(dump))
    world.go_on(waiting[0])
    world.run_day("HMS", READ_SINCE)
    posts = len(world.track.received)
    assert posts == 3

    # the server is lost: the dump goes to another one, and the tasks find that one
    run_program("pg_restore", elsewhere, "--no-owner", "--exit-on-error", str(dump))
    monkeypatch.setenv("AIRFLOW_CONN_TRACK_LEDGER", connection_to(elsewhere, keys))
    refused = world.run_day("HMS", NEVER_READ)
    assert "ledger restored" in refused.said("extract")

    told = shell("ledger", "restored", "--as-of", as_of.isoformat(timespec="seconds"), *SAID)
    assert f"{2 * PATIENTS} lines in doubt" in told
    for day in (READ_SINCE, NEVER_READ):
        world.run_day("HMS", day)
        assert world.lines("HMS", day) == {"in_doubt": PATIENTS}
    assert len(world.track.received) == posts

    # a person asks Track about each batch
    at_track = {day.isoformat() for day in (SENT_SINCE, READ_SINCE)}
    for batch in json.loads(shell("doubt", "list", "--json")):
        answer = "--sent" if batch["day"][1] in at_track else "--unsent"
        shell("doubt", "settle", batch["id"], answer, *SAID)

    states = [world.run_day("HMS", day).state for day in DAYS]
    assert states == ["success"] * 5
    assert len(world.track.received) == posts + 2
    assert set(world.track.accepted_ids().values()) == {1}
    assert world.track.accepted_ids().total() == 5 * PATIENTS
    for day in DAYS:
        assert world.lines("HMS", day) == {"accepted": PATIENTS}
