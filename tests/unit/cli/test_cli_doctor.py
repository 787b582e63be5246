"""`doctor` and `surveys`, as a shell meets them: over an installation that runs."""

from __future__ import annotations

import io
import json
import os
import pty
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from demo.world import World, surveys_of
from tests.airflow_rows import AirflowInDatabase
from track_dispatch.cli import app
from track_dispatch.cli.installation import doctor
from track_dispatch.config import load_hospital
from track_dispatch.errors import ConfigError
from track_dispatch.hooks import ledger as place
from track_dispatch.hooks.airflow_state import create_pools
from track_dispatch.ledger.batches import insert_batch
from track_dispatch.records import Area
from track_dispatch.states import BatchState

if TYPE_CHECKING:
    from cli_shell import Shell
    from click.testing import Result


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World([load_hospital("HMS")], days=[date(2026, 3, 2)]) as running:
        yield running


@pytest.fixture
def installed(
    world: World,
    airflow_runs: AirflowInDatabase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    """Return the stand-ins of an installation in which all is well."""
    monkeypatch.setattr(place, "AIRFLOW_HOME", str(tmp_path))
    for name, connection in world.connections().items():
        monkeypatch.setenv(name, connection)
    create_pools()
    place.init()
    airflow_runs.at(datetime.now(UTC))
    return world


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_a_line_for_each_check_and_a_count_at_the_end(installed: World) -> None:
    done = run("doctor", "hms")

    lines = done.stdout.splitlines()
    assert {line.split()[0] for line in lines[:-1]} == {"ok"}
    assert (lines[-1], done.exit_code) == (f"{len(lines) - 1} ok, 0 warn, 0 FAIL", 0)


def test_a_failure_is_told_with_what_to_do_and_by_the_exit_code(
    installed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_ORACLE_HMS")

    done = run("doctor", "HMS")

    failed = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    assert [line.split()[:3] for line in failed] == [["FAIL", "oracle_hms", "connection"]]
    assert "create it with type oracle, " in failed[0]
    assert done.exit_code == 1


def test_a_warning_is_no_failure(
    installed: World, include: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = include / "hospitals" / "hms.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("name: Hospital", "name: TODO Hospital"), encoding="utf-8")
    monkeypatch.setenv("TRACK_INCLUDE_DIR", str(include))

    done = run("doctor", "HMS")

    assert " 1 warn, 0 FAIL" in done.stdout
    assert done.exit_code == 0


def test_checks_as_json(installed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_ORACLE_HMS")

    done = run("doctor", "HMS", "--json")

    checks = json.loads(done.stdout)
    assert {tuple(check) for check in checks} == {("subject", "name", "verdict", "detail")}
    assert ("oracle_hms", "connection", "FAIL") in {tuple(check.values())[:3] for check in checks}
    assert done.exit_code == 1


def test_the_first_day_shows_what_was_assumed_of_track(installed: World) -> None:
    text, held = run("doctor", "--first-day"), run("doctor", "--first-day", "--json")

    assert text.stdout.startswith("Track has accepted nothing yet.")
    assert "(acceptance)" in text.stdout
    assert [*json.loads(held.stdout)] == ["answers", "assumptions"]
    assert (text.exit_code, held.exit_code) == (0, 0)


def test_the_first_day_as_json_has_its_moments_in_iso_8601(installed: World) -> None:
    with place.open_ledger() as ledger, ledger.writing() as connection:
        insert_batch(
            connection,
            state=BatchState.SETTLED,
            id="b-1",
            claim="b-1",
            survey="s",
            lines=3,
            validity_at=1_800_000_000,
            status=201,
            run_id="manual__1",
            try_number=1,
        )

    [answer] = json.loads(run("doctor", "--first-day", "--json").stdout)["answers"]

    assert answer["at"][10] == "T"
    assert datetime.fromisoformat(answer["at"]).tzinfo is not None


def test_an_unknown_hospital_is_no_visit(installed: World) -> None:
    error = run("doctor", "HMS", "OTOX").exception

    assert isinstance(error, ConfigError)
    assert 'no hospital "OTOX" (did you mean "OTO' in str(error)


def test_a_process_of_its_own_finds_the_installation_and_keeps_airflow_quiet(
    shell: Shell, world: World, include: Path
) -> None:
    more = world.connections() | {"TRACK_INCLUDE_DIR": str(include)}
    shell.track_dispatch("setup", **more)

    done = shell.track_dispatch("doctor", "HMS", "--json", **more)

    failed = {check["name"] for check in json.loads(done.stdout) if check["verdict"] != "ok"}
    assert failed == {"scheduler", "dag processor", "triggerer", "operations", "dag"}
    assert (done.stderr, done.returncode) == ("", 1)


def test_a_terminal_shows_what_is_looked_at(
    installed: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb") as screen:
        with os.fdopen(theirs, "w") as terminal, redirect_stdout(io.StringIO()):
            monkeypatch.setattr(sys, "stderr", terminal)
            doctor(["HMS"])
        parts: list[bytes] = []
        with suppress(OSError):  # how a terminal that nobody writes to ends
            while part := screen.read1(65536):
                parts.append(part)
    shown = b"".join(parts).decode()

    looked_at = [part for part in shown.split("\r\x1b[K") if part]
    assert looked_at[:2] == [
        "looking at installation: airflow database ...",
        "looking at installation: scheduler ...",
    ]
    assert shown.endswith("\r\x1b[K")


def test_surveys_are_listed_with_who_uses_them(installed: World) -> None:
    done = run("surveys")

    exames = load_hospital("HMS").survey(Area.EXAMES)
    missing = load_hospital("HSMC").survey(Area.INTERNACAO)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["·", "EXAMES", str(exames), "active", "HMS", "exames"] in [line[-6:] for line in lines]
    assert [str(missing), "missing", "HSMC", "internacao"] in lines


def test_surveys_as_json(installed: World) -> None:
    listed = json.loads(run("surveys", "--json").stdout)

    ours = surveys_of(load_hospital("HMS"))
    assert {
        "uuid": ours[0].uuid,
        "name": ours[0].name,
        "status": "active",
        "used_by": ["HMS oncologia"],
    } in listed
