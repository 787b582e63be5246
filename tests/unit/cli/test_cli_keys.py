"""The verbs of the ledger's keys, as a shell meets them; no secret is shown but where it must."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.engine import make_url
from typer.testing import CliRunner

from demo.world import practice_include
from tests.unit.ledger.reading_steps import invited
from tests.unit.ledger.steps import Steps
from track_dispatch.cli import app
from track_dispatch.errors import ConfigError
from track_dispatch.hooks import ledger as place
from track_dispatch.ledger.creation import init_ledger, open_ledger_at
from track_dispatch.ledger.decisions import Decision
from track_dispatch.ledger.keys import KeyRing, new_keys, parse_keys
from track_dispatch.ledger.privacy import add_optouts, optouts_of
from track_dispatch.states import Verb

if TYPE_CHECKING:
    from click.testing import Result

ANA = "email:ana@example.test"
OPT_OUT = Decision(Verb.OPT_OUT, decided_by="ana", why="pedido da pessoa")


@pytest.fixture
def key_file(airflow_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the key file of an installation with a ledger beside Airflow's database."""
    monkeypatch.setattr(place, "AIRFLOW_HOME", str(tmp_path))
    monkeypatch.delenv("AIRFLOW_CONN_TRACK_LEDGER", raising=False)
    place.init()
    return tmp_path / "track_ledger.keys"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["ledger", *arguments], catch_exceptions=False)


def read(key_file: Path) -> KeyRing:
    return parse_keys(json.loads(key_file.read_text(encoding="utf-8")), "the file")


def listed(*arguments: str) -> Any:
    return json.loads(run("keys", "--json", *arguments).stdout)


def opt_ana_out() -> None:
    with place.open_ledger() as ledger:
        add_optouts(ledger, [([ANA], None)], source="balcão", decision=OPT_OUT)


def test_of_two_who_change_the_keys_the_second_changes_nothing(key_file: Path) -> None:
    before = read(key_file)
    place.use_keys(first := before.with_new_keys(), instead_of=before)

    with pytest.raises(ConfigError, match="nothing was changed"):
        place.use_keys(before.with_new_keys(), instead_of=before)
    assert read(key_file) == first


def test_while_somebody_changes_the_keys_nobody_else_does(key_file: Path) -> None:
    before = read(key_file)
    folder = os.open(key_file.parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)

    with pytest.raises(ConfigError, match="at this moment"):
        run("rotate-keys")
    assert read(key_file) == before
    os.close(folder)
    assert run("rotate-keys").exit_code == 0


def test_keys_that_cannot_be_read_are_told(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place.Path, "is_file", lambda _: True)
    key_file.unlink()
    key_file.mkdir()  # no permission hides a file from root, who runs these tests

    with pytest.raises(ConfigError, match=r"track_ledger.keys cannot be read \(Is a directory\)"):
        run("keys")


def test_new_keys_come_first_and_the_old_ones_stay(key_file: Path) -> None:
    before = read(key_file)

    done = run("rotate-keys")

    after = read(key_file)
    assert after.identity_secrets[1:] == before.identity_secrets
    assert after.payload_secrets[1:] == before.payload_secrets
    assert after.ledger_id == before.ledger_id
    assert done.stdout.splitlines() == [
        f"identity key {after.identity_secrets[0].id}: the newest",
        f"identity key {before.identity_secrets[0].id}: may go",
        "payload keys: 1 and 1 older",
        "  the older ones may go",
    ]
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in key_file.parent.glob("track_ledger.keys*")] == [key_file.name]


def test_an_old_key_that_an_opt_out_needs_stays_until_it_is_entered_again(key_file: Path) -> None:
    opt_ana_out()
    run("rotate-keys")
    rotated = key_file.read_bytes()

    told, dropped = run("keys").stdout, run("rotate-keys", "--drop-unneeded")

    [old] = listed()["older"]
    assert (old["may_go"], old["needed_by"]["optouts"]) == (False, 1)
    assert old["optout_sources"] == {"balcão": 1}
    assert "  1 opt-outs: each takes the newest key as well when its person is read again" in told
    assert ": balcão 1\n" in told
    assert len(read(key_file).identity_secrets) == 2
    assert len(read(key_file).payload_secrets) == 1
    assert dropped.exit_code == 0

    key_file.write_bytes(rotated)
    opt_ana_out()
    run("rotate-keys", "--drop-unneeded")

    assert (listed()["older"], listed()["older_payload_keys"]) == ([], 0)
    with place.open_ledger() as ledger, ledger.reading() as connection:
        assert len(optouts_of(connection, ledger.keys, [ANA])) == 1


def test_where_every_key_is_needed_nothing_is_written(key_file: Path) -> None:
    before = key_file.stat().st_mtime_ns

    assert run("rotate-keys", "--drop-unneeded").stdout == (
        "every key is needed; nothing was changed\n"
    )
    assert key_file.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("age", "leaves", "said"),
    [
        (
            15,
            "2026-05-10",
            "the last one leaves by itself on 2026-05-10\n",
        ),  # 15 + 30 + 15 days after the visit
        (0, None, "none of them leaves while max_age_days = 0\n"),
    ],
)
def test_lines_that_need_an_old_key_tell_when_the_last_of_them_leaves(
    key_file: Path, monkeypatch: pytest.MonkeyPatch, age: int, leaves: str | None, said: str
) -> None:
    include = practice_include(key_file.parent / "include", max_age_days=age, contact_cap_days=30)
    monkeypatch.setenv("TRACK_INCLUDE_DIR", str(include))
    with place.open_ledger() as ledger:
        Steps(ledger).read(invited(1), invited(2))
    run("rotate-keys")

    told, [old] = run("keys").stdout, listed()["older"]

    assert (old["needed_by"]["identities"], old["identities_leave"]) == (2, leaves)
    assert f"  2 lines with a patient's identities: {said}" in told
    assert "  1 payload that waits needs an older one: until sent or read again" in told


def test_no_secret_is_told_of_a_key_file(key_file: Path) -> None:
    said = run("rotate-keys").stdout + run("keys").stdout + run("keys", "--json").stdout

    ring = read(key_file)
    hidden = [*ring.payload_secrets, *(key.secret for key in ring.identity_secrets)]
    assert [secret for secret in hidden if secret in said] == []


def test_a_connection_gets_its_new_extra_from_a_person(
    airflow_db: None, ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = new_keys()
    init_ledger(ledger_url, ring)
    options = {"connect_timeout": "7"} if ledger_url.startswith("postgresql") else {}

    def connect_with(extra: dict[str, Any]) -> None:
        uri = make_url(ledger_url)
        kind = "sqlite" if uri.get_backend_name() == "sqlite" else "postgres"
        connection = {
            "conn_type": kind,
            "host": uri.database if kind == "sqlite" else None,
            "login": uri.username,
            "password": uri.password,
            "port": uri.port,
            "schema": uri.database,
            "extra": extra,
        }
        monkeypatch.setenv("AIRFLOW_CONN_TRACK_LEDGER", json.dumps(connection))

    if options:
        monkeypatch.setenv("PGHOST", str(make_url(ledger_url).query["host"]))
    connect_with({**ring.model_dump(), **options})

    done = run("rotate-keys")

    extra = json.loads(done.stdout)
    assert done.stderr == "put this line into the extra of the connection track_ledger\n"
    assert {name: value for name, value in extra.items() if name in options} == options
    after = parse_keys(extra, "what was printed")
    assert (after.identity_secrets[1:], after.payload_secrets[1:]) == (
        ring.identity_secrets,
        ring.payload_secrets,
    )
    open_ledger_at(ledger_url, ring).close()  # a task that began before
    connect_with(extra)
    assert [key["id"] for key in listed()["older"]] == [ring.identity_secrets[0].id]
