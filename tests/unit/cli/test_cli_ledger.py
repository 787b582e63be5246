"""The verbs of the ledger, as a shell meets them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cli_shell import query
from typer.testing import CliRunner

from track_dispatch import cli
from track_dispatch.ledger.creation import init_ledger, open_ledger_at
from track_dispatch.ledger.keys import new_keys, parse_keys

if TYPE_CHECKING:
    from cli_shell import Shell


def test_a_connection_in_airflows_database_is_found(shell: Shell) -> None:
    database = shell.home / "elsewhere.db"
    query(
        shell.home / "airflow.db",
        "insert into connection (conn_id, conn_type, host, extra, is_encrypted, is_extra_encrypted)"
        " values ('track_ledger', 'sqlite', ?, ?, 0, 0)",
        str(database),
        new_keys().model_dump_json(),
    )

    done = shell.track_dispatch("ledger", "init")

    assert (done.stdout, done.stderr) == (f"ledger sqlite:///{database}: created\n", "")
    assert not (shell.home / "track_ledger.db").exists()


def test_migrate_tells_the_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("track_dispatch.hooks.ledger.AIRFLOW_HOME", str(tmp_path))
    created = CliRunner().invoke(cli.app, ["ledger", "init"])

    migrated = CliRunner().invoke(cli.app, ["ledger", "migrate"])

    assert created.stdout == f"ledger sqlite:///{tmp_path}/track_ledger.db: created\n"
    assert (migrated.stdout, migrated.exit_code) == ("ledger: at 0001 already\n", 0)


def test_new_keys_open_a_new_ledger(empty_shell: Shell, ledger_url: str) -> None:
    printed = empty_shell.track_dispatch("ledger", "new-keys").stdout

    keys = parse_keys(json.loads(printed), "what new-keys printed")
    assert init_ledger(ledger_url, keys)
    open_ledger_at(ledger_url, keys).close()


def test_new_keys_are_new_each_time(empty_shell: Shell) -> None:
    printed = [empty_shell.track_dispatch("ledger", "new-keys").stdout for _ in range(2)]

    first, second = (json.loads(line) for line in printed)
    assert not set(first["payload_secrets"]) & set(second["payload_secrets"])
    assert first["identity_secrets"] != second["identity_secrets"]
    assert first["ledger_id"] != second["ledger_id"]


@pytest.mark.parametrize("verb", [(), ("ledger",), ("setup", "--force"), ("stup",)])
def test_wrong_usage_exits_with_2(empty_shell: Shell, verb: tuple[str, ...]) -> None:
    assert empty_shell.track_dispatch(*verb).returncode == 2


def test_help_does_not_wait_for_airflow(empty_shell: Shell) -> None:
    done = empty_shell.python("-X", "importtime", "-m", "track_dispatch", "--help")

    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "typer" in imported
    assert not imported & {"airflow", "alembic", "cryptography"}
