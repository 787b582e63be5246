"""The role of docs/board-access.md: it shows every page, and may change nothing."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import ProgrammingError

from demo.world import ROOT
from tests.postgres import administer, connection_to
from tests.unit.board.conftest import PAGES, Person
from track_dispatch.ledger.keys import new_keys

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger


def statements_of_the_page() -> list[str]:
    """Return the block's statements, but for what asks for a password."""
    page = (ROOT / "docs" / "board-access.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    return [line.rstrip(";") for line in block.splitlines() if not line.startswith("\\")]


@pytest.fixture
def ledger_connection(postgres_url: str) -> str:
    return connection_to(postgres_url, new_keys())


@pytest.fixture
def role(installed: Ledger, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give the API server's connection the role that the page makes; return its database."""
    place = make_url(postgres_url)
    administer(
        postgres_url,
        f"revoke all on database {place.database} from public",
        *(line.replace("track_ledger", str(place.database)) for line in statements_of_the_page()),
    )
    known = json.loads(os.environ["AIRFLOW_CONN_TRACK_LEDGER"]) | {"login": "board"}
    monkeypatch.setenv("AIRFLOW_CONN_TRACK_LEDGER", json.dumps(known))
    yield place.set(username="board").render_as_string(hide_password=False)
    administer(postgres_url, "drop owned by board", "drop role board")


@pytest.mark.usefixtures("role")
def test_every_page_is_shown_to_it(person: Person) -> None:
    answers = {page: person("viewer").get(f"/pesquisas/{page}") for page in PAGES}

    assert {page: answer.status_code for page, answer in answers.items()} == dict.fromkeys(
        PAGES, 200
    )


def test_it_may_change_nothing(role: str) -> None:
    engine = create_engine(role)
    with engine.connect() as connection, pytest.raises(ProgrammingError, match="permission denied"):
        connection.execute(text("delete from lines"))
    engine.dispose()
