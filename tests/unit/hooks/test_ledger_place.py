"""Where the ledger is, and what is refused: an empty ledger would ask everybody again."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from track_dispatch.errors import ConfigError, LedgerError
from track_dispatch.hooks import ledger as place
from track_dispatch.ledger.creation import init_ledger
from track_dispatch.ledger.keys import new_keys


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let AIRFLOW_HOME, which Airflow reads once for all, be this test's."""
    monkeypatch.setattr(place, "AIRFLOW_HOME", str(tmp_path))
    monkeypatch.delenv("AIRFLOW_CONN_TRACK_LEDGER", raising=False)
    return tmp_path


def connect_to(
    database: Path, monkeypatch: pytest.MonkeyPatch, extra: dict[str, object] | None = None
) -> None:
    connection = {
        "conn_type": "sqlite",
        "host": str(database),
        "extra": new_keys().model_dump(mode="json") if extra is None else extra,
    }
    monkeypatch.setenv("AIRFLOW_CONN_TRACK_LEDGER", json.dumps(connection))


def test_without_a_connection_the_ledger_is_beside_airflows_database(home: Path) -> None:
    assert place.init() == (f"sqlite:///{home}/track_ledger.db", True)
    place.open_ledger().close()


def test_the_key_file_is_for_its_owner_only(home: Path) -> None:
    place.init()

    assert (home / "track_ledger.keys").stat().st_mode & 0o777 == 0o600


def test_keys_that_were_put_back_for_all_to_read_are_their_owners_again(home: Path) -> None:
    place.init()
    (home / "track_ledger.keys").chmod(0o644)

    place.open_ledger().close()

    assert (home / "track_ledger.keys").stat().st_mode & 0o777 == 0o600


def test_a_password_in_the_host_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {"conn_type": "postgres", "host": "track:its-password@db.test"}
    monkeypatch.setenv("AIRFLOW_CONN_TRACK_LEDGER", json.dumps(connection))

    with pytest.raises(ConfigError, match="login and password") as caught:
        place.place()
    assert "its-password" not in str(caught.value)


def test_a_second_init_keeps_ledger_and_keys(home: Path) -> None:
    place.init()
    before = (home / "track_ledger.keys").read_bytes()

    assert place.init() == (f"sqlite:///{home}/track_ledger.db", False)
    assert (home / "track_ledger.keys").read_bytes() == before


def test_a_ledger_that_lost_its_keys_gets_no_new_ones(home: Path) -> None:
    place.init()
    (home / "track_ledger.keys").unlink()

    with pytest.raises(ConfigError, match="put them back"):
        place.init()


def test_a_connection_is_found(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect_to(home / "elsewhere.db", monkeypatch)

    assert place.init() == (f"sqlite:///{home}/elsewhere.db", True)
    assert not (home / "track_ledger.db").exists()


def test_a_connection_without_keys_makes_neither_ledger_nor_keys(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect_to(home / "elsewhere.db", monkeypatch, extra={})

    with pytest.raises(ConfigError, match="holds no keys of a ledger"):
        place.init()
    assert not list(home.iterdir())


def test_a_ledger_file_beside_the_connections_ledger_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.init()
    connect_to(home / "elsewhere.db", monkeypatch)

    with pytest.raises(ConfigError, match="which of them knows who was asked"):
        place.open_ledger()


def test_a_connection_may_name_the_ledger_file_itself(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = new_keys()
    init_ledger(f"sqlite:///{home}/track_ledger.db", keys)
    connect_to(home / "track_ledger.db", monkeypatch, extra=keys.model_dump(mode="json"))

    place.open_ledger().close()


def test_opening_makes_no_ledger(home: Path) -> None:
    with pytest.raises(ConfigError, match="ledger init"):
        place.open_ledger()
    assert not list(home.iterdir())


def test_without_keys_the_folder_is_asked_about_before_a_ledger_is_made(home: Path) -> None:
    with pytest.raises(ConfigError, match="there are no keys at") as told:
        place.open_ledger()

    message = str(told.value)
    asked = message.index(f"is AIRFLOW_HOME ({home}) the one that Airflow runs with?")
    assert asked < message.index("a first installation") < message.index("ledger init")


def test_an_sqlite_ledger_is_refused_where_tasks_run_on_several_machines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")

    with pytest.raises(ConfigError, match="point the connection track_ledger to PostgreSQL"):
        place.place()


@pytest.mark.parametrize("use", [place.open_ledger, place.migrate, place.init])
@pytest.mark.parametrize("spoilt", ["}", ","])
def test_a_connection_that_cannot_be_read_is_not_taken_for_none(
    home: Path, monkeypatch: pytest.MonkeyPatch, use: Callable[[], object], spoilt: str
) -> None:
    """Airflow passes over it, and the file beside would be a second, empty ledger."""
    place.init()
    written = postgres_connection() + spoilt
    monkeypatch.setenv("AIRFLOW_CONN_TRACK_LEDGER", written)

    with pytest.raises(ConfigError) as caught:
        use()

    assert f"is not JSON from character {len(written)} on" in str(caught.value)
    assert "correct AIRFLOW_CONN_TRACK_LEDGER" in str(caught.value)
    assert "not-to-be-shown" not in "".join(traceback.format_exception(caught.value))


def test_lost_keys_are_not_answered_with_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """New keys would forget whom the ledger knows."""
    connection = json.loads(postgres_connection()) | {"extra": {"sslmode": "require"}}
    monkeypatch.setenv("AIRFLOW_CONN_TRACK_LEDGER", json.dumps(connection))

    with pytest.raises(ConfigError) as caught:
        place.place().keys()

    message = str(caught.value)
    asked = message.index("put them back from their backup")
    assert asked < message.index("where no ledger was ever made") < message.index("new-keys")


def test_a_spoilt_key_is_never_answered_with_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_TRACK_LEDGER", postgres_connection(payload_secrets=[]))

    with pytest.raises(ConfigError, match="put them right from their backup") as caught:
        place.place().keys()
    assert "new-keys" not in str(caught.value)


def test_migrate_makes_no_ledger(home: Path) -> None:
    with pytest.raises(ConfigError, match="there are no keys at"):
        place.migrate()
    assert not list(home.iterdir())


def test_a_database_that_does_not_answer_is_told_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection = {
        "conn_type": "postgres",
        "host": "127.0.0.1",
        "port": 1,
        "login": "ledger",
        "password": "not-to-be-shown",
        "schema": "ledger",
        "extra": new_keys().model_dump(mode="json"),
    }
    monkeypatch.setenv("AIRFLOW_CONN_TRACK_LEDGER", json.dumps(connection))

    with pytest.raises(LedgerError) as caught:
        place.init()
    assert "not-to-be-shown" not in str(caught.value)


def postgres_connection(**extra: object) -> str:
    """Return a connection to a PostgreSQL that is not there."""
    keys = new_keys().model_dump(mode="json")
    return json.dumps(
        {
            "conn_type": "postgres",
            "host": "127.0.0.1",
            "port": 1,
            "login": "ledger",
            "password": "not-to-be-shown",
            "schema": "ledger",
            "extra": keys | extra,
        }
    )


def test_a_host_that_is_the_folder_of_the_servers_socket_is_reached(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, the folder became a part of the database's name."""
    url = make_url(postgres_url)
    connection = {
        "conn_type": "postgres",
        "host": url.query["host"],
        "port": 5432,
        "login": url.username,
        "schema": url.database,
        "extra": new_keys().model_dump(mode="json"),
    }
    monkeypatch.setenv("AIRFLOW_CONN_TRACK_LEDGER", json.dumps(connection))

    _, created = place.init()

    assert created
    place.open_ledger().close()


def test_libpqs_options_pass_from_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"sslmode": "verify-full", "sslrootcert": "/ca.pem", "connect_timeout": 3}
    monkeypatch.setenv("AIRFLOW_CONN_TRACK_LEDGER", postgres_connection(**extra))

    assert place.place().options == {**extra, "connect_timeout": "3"}


def test_what_is_neither_key_nor_option_is_named_with_the_nearest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_TRACK_LEDGER", postgres_connection(sslmod="require"))

    with pytest.raises(ConfigError, match=r'"sslmod" .*did you mean "sslmode"'):
        place.place()


def test_the_repr_of_the_place_shows_neither_password_nor_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_TRACK_LEDGER", postgres_connection())
    here = place.place()
    hidden = ["not-to-be-shown", *here.keys().payload_secrets]

    assert [secret for secret in hidden if secret in repr(here)] == []
