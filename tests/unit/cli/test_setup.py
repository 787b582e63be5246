"""`setup`: what an installation needs before its first run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow.models.pool import Pool
from cli_shell import query
from sqlalchemy.exc import OperationalError

from track_dispatch.errors import ConfigError
from track_dispatch.hooks.airflow_state import create_pools

if TYPE_CHECKING:
    from cli_shell import Shell


def test_setup_tells_each_thing_on_a_line_and_repeats_without_harm(
    shell: Shell, include: Path, broken_include: Path
) -> None:
    first = shell.track_dispatch("setup", TRACK_INCLUDE_DIR=str(include))
    made = query(shell.home / "track_ledger.db", "select * from ledger")
    second = shell.track_dispatch("setup", TRACK_INCLUDE_DIR=str(broken_include))

    place = f"ledger sqlite:///{shell.home}/track_ledger.db"
    hms, hsmc, oto = (f"pool oracle_{name}: one slot" for name in ("hms", "hsmc", "oto_ing"))
    assert (first.stdout.splitlines(), first.stderr, first.returncode) == (
        [f"{place}: created", hms, hsmc, oto],
        "",
        0,
    )
    assert second.stdout.splitlines() == [f"{place}: there already, left as it is", hms, oto]
    assert second.stderr.startswith("HSMC: has no pool yet, its file has errors")
    assert second.returncode == 0
    assert query(shell.home / "track_ledger.db", "select * from ledger") == made
    slots = query(shell.home / "airflow.db", "select slots from slot_pool where pool like 'ora%'")
    assert slots == [(1,)] * 3


def test_no_ledger_is_made_while_airflows_database_cannot_be_asked(empty_shell: Shell) -> None:
    done = empty_shell.track_dispatch("setup")

    assert done.stderr.startswith(
        "error: MetastoreBackend failed with OperationalError, so that nobody knows whether there"
        " is a connection track_ledger:"
    )
    assert (done.stdout, done.stderr.count("\n"), done.returncode) == ("", 1, 1)
    assert not list(empty_shell.home.glob("track_ledger*"))


def test_pools_without_airflows_database_are_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("select secret", {}, RuntimeError("secret"))

    monkeypatch.setattr(Pool, "create_or_update_pool", fail)

    with pytest.raises(
        ConfigError, match="Airflow's database failed with OperationalError"
    ) as told:
        create_pools()
    assert "secret" not in str(told.value)
