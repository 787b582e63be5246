"""A shell that has half of what an installation has: one line says what is missing."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.engine import make_url

from tests.relay import relay
from track_dispatch.cli.options import ExitCode

if TYPE_CHECKING:
    from cli_shell import Shell

#: What a client says until PostgreSQL lets it in by trust: whether TLS, and who it is.
LOG_ON = 2


def test_a_python_without_our_packages_is_one_line(empty_shell: Shell) -> None:
    done = empty_shell.python("-S", "-m", "track_dispatch", "day")

    assert (done.stdout, done.returncode, done.stderr.count("\n")) == ("", ExitCode.FAILED, 1)
    assert done.stderr.startswith("error: No module named 'typer': ")
    assert "is not the Python that the installation has" in done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "planted"),
        ("AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_ENABLED", "planted"),
    ],
)
@pytest.mark.parametrize("verb", [("doctor", "HMS"), ("day", "--json")], ids=" ".join)
def test_an_airflow_that_cannot_be_imported_is_one_line(
    empty_shell: Shell, name: str, value: str, verb: tuple[str, ...]
) -> None:
    done = empty_shell.track_dispatch(*verb, **{name: value})

    assert (done.stdout, done.returncode, done.stderr.count("\n")) == ("", ExitCode.FAILED, 1)
    assert done.stderr.startswith("error: Airflow, or what it needs, cannot be imported (")
    assert "planted" not in done.stderr


def test_what_airflow_logs_is_not_among_the_results(shell: Shell) -> None:
    shell.track_dispatch("ledger", "init")

    done = shell.track_dispatch("optout", "list", "--json", AIRFLOW__LOGGING__LOGGING_LEVEL="DEBUG")

    assert (json.loads(done.stdout), done.returncode) == ([], 0)


def test_an_airflow_database_that_says_nothing_is_not_waited_for(empty_shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql+psycopg2://airflow:planted@127.0.0.1:{silent.getsockname()[1]}/airflow"

        done = empty_shell.track_dispatch("day", AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=url)

    assert (done.stdout, done.returncode, done.stderr.count("\n")) == ("", ExitCode.FAILED, 1)
    assert "check that Airflow's database runs" in done.stderr
    assert "planted" not in done.stderr


@pytest.mark.parametrize(
    ("driver", "verb", "waits"),
    [("psycopg2", "day", {}), ("psycopg", "setup", {"TRACK_AIRFLOW_SECONDS": "2"})],
)
def test_an_airflow_database_that_falls_silent_after_the_log_on_is_left(
    empty_shell: Shell, postgres_url: str, driver: str, verb: str, waits: dict[str, str]
) -> None:
    behind = make_url(postgres_url)
    with relay(f"{behind.query['host']}/.s.PGSQL.5432") as way:
        way.silence_open_ones_after(LOG_ON)
        url = behind.set(
            drivername=f"postgresql+{driver}", host="127.0.0.1", port=way.port, query={}
        ).render_as_string(hide_password=False)

        done = empty_shell.track_dispatch(verb, AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=url, **waits)
        assert way.is_silencing

    assert (done.stdout, done.returncode, done.stderr.count("\n")) == ("", ExitCode.FAILED, 1)
    assert "check that Airflow's database runs" in done.stderr


def test_another_fernet_key_is_named(shell: Shell, tmp_path: Path) -> None:
    keys = [
        "2h0cXhG1xHCLYwAtvHRWe8vDZ4fkXGIEUEpBTLOEzYU=",
        "LGFJ5ebBkgfrH2qmmyBKvHoGZcLYsRyUKsmjM3TD6Ag=",
    ]
    added = shell.python(
        "-m", "airflow", "connections", "add", "track_ledger", "--conn-type", "sqlite",
        "--conn-host", str(tmp_path / "ledger.db"), "--conn-password", "planted",
        AIRFLOW__CORE__FERNET_KEY=keys[0],
    )  # fmt: skip
    assert added.returncode == 0, added.stderr

    for key in (keys[1], "", "short"):
        done = shell.track_dispatch("day", AIRFLOW__CORE__FERNET_KEY=key)

        assert (done.stdout, done.returncode) == ("", ExitCode.FAILED)
        assert "give this process the `core.fernet_key`" in done.stderr
        assert done.stderr.count("\n") == 1
