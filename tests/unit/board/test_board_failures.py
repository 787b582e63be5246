"""Whatever fails, a page says a sentence, in Portuguese, and nobody waits for long."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.board.conftest import Person
from track_dispatch.board import words
from track_dispatch.config import include_dir
from track_dispatch.errors import LedgerError
from track_dispatch.ledger.keys import new_keys

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger


@pytest.fixture
def silent_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Let the ledger be at a server that lets everybody in and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = {
            "conn_type": "postgres",
            "host": "127.0.0.1",
            "port": server.getsockname()[1],
            "schema": "ledger",
            "extra": new_keys().model_dump(mode="json") | {"connect_timeout": "2"},
        }
        monkeypatch.setenv("AIRFLOW_CONN_TRACK_LEDGER", json.dumps(connection))
        yield server


@pytest.fixture
def include(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the installation's files be ours to spoil."""
    folder = tmp_path / "include"
    shutil.copytree(include_dir(), folder)
    monkeypatch.setenv("TRACK_INCLUDE_DIR", str(folder))
    return folder


def test_who_comes_while_a_silent_ledger_is_opened_does_not_queue_up(
    airflow_db: None, tmp_path: Path, silent_server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    from track_dispatch.board.app import LedgerToLookAt  # noqa: PLC0415 - imports Airflow
    from track_dispatch.hooks import ledger as place  # noqa: PLC0415

    monkeypatch.setattr(place, "AIRFLOW_HOME", str(tmp_path))
    held = LedgerToLookAt(patience=0.01)
    errors: list[BaseException] = []

    def first() -> None:
        try:
            held.open()
        except LedgerError as error:
            errors.append(error)

    opening = threading.Thread(target=first)
    opening.start()
    with closing(silent_server.accept()[0]):  # the first one has come, and gets no answer
        with pytest.raises(LedgerError, match="another page"):
            held.open()
        assert opening.is_alive()
        opening.join()

    assert len(errors) == 1


def test_a_ledger_that_somebody_holds_is_out_of_reach_and_not_waited_for(
    installed: Ledger, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    from track_dispatch.ledger import database  # noqa: PLC0415 - after Airflow

    brief = database.Limits(lock=0.05, statement=0.05, whole=1)
    monkeypatch.setattr(database, "LOOKING", brief)
    installed.close()
    with closing(sqlite3.connect(installed.engine.url.database or "")) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        answer = person("viewer").get("/pesquisas/")
        card = person("viewer").get("/pesquisas/summary")

    assert (answer.status_code, card.status_code) == (503, 503)
    assert words.UNREACHABLE in answer.text
    assert card.json() == {"red": True, "text": words.UNREACHABLE, "lines": [], "more": 0}


def test_the_tab_of_a_hospital_with_a_broken_file_says_so(
    installed: Ledger, person: Person, include: Path
) -> None:
    (include / "hospitals" / "hms.yaml").write_text("garbage: yes\n", encoding="utf-8")
    client = person("viewer")

    for page in ("dag?dag_id=track_hms", "run?dag_id=track_hms&run_id=x"):
        answer = client.get(f"/pesquisas/{page}")
        assert answer.status_code == 200
        assert "arquivo com erro: avise a engenharia de dados" in answer.text
    board = client.get("/pesquisas/")
    assert 'class="cell no_file"' in board.text
    assert client.get("/pesquisas/trends").status_code == 200


def test_without_any_hospital_no_page_calls_that_in_order_or_is_missing(
    installed: Ledger, person: Person, include: Path
) -> None:
    for one in (include / "hospitals").iterdir():
        one.unlink()
    client = person("viewer")

    assert client.get("/pesquisas/summary").json()["text"] == words.NO_HOSPITALS
    for page in ("", "trends"):
        answer = client.get(f"/pesquisas/{page}")
        assert (answer.status_code, words.NO_HOSPITALS in answer.text) == (200, True)
    assert client.get("/pesquisas/trends?hospital=HMS").status_code == 404


def test_what_no_database_can_be_asked_about_is_refused(installed: Ledger, person: Person) -> None:
    client: Any = person("viewer")
    tab = client.get("/pesquisas/run", params={"dag_id": "track_hms", "run_id": "a\0b"})
    asked = client.post("/pesquisas/explain", data={"hospital": "HMS", "attendance": "4711\0"})

    assert (tab.status_code, asked.status_code) == (422, 422)
    assert "4711" not in asked.text
