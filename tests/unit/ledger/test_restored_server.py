"""Only who declares a restored backup may use the ledger on another server than before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from tests.unit.ledger.steps import Steps
from track_dispatch.errors import ConfigError
from track_dispatch.ledger.backups import restore
from track_dispatch.ledger.creation import init_ledger, open_ledger_at
from track_dispatch.ledger.decisions import Decision
from track_dispatch.ledger.keys import new_keys
from track_dispatch.states import Verb

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.ledger.keys import KeyRing

RESTORED = Decision(Verb.RESTORED, "rui", "o servidor de reserva assumiu")


@pytest.fixture
def keys() -> KeyRing:
    return new_keys()


@pytest.fixture
def opened(postgres_url: str, keys: KeyRing) -> Iterator[Ledger]:
    """Open the ledger as tasks do."""
    init_ledger(postgres_url, keys)
    with open_ledger_at(postgres_url, keys) as ledger:
        yield ledger


def fail_over(steps: Steps) -> None:
    """Let the next connection meet a server that is not the one the ledger knows."""
    steps.run_sql("update ledger set timeline = timeline - 1")
    steps.ledger.engine.dispose()


def test_a_failover_is_declared_on_the_ledger_that_tasks_refuse(
    postgres_url: str, keys: KeyRing, opened: Ledger
) -> None:
    fail_over(Steps(opened))

    with pytest.raises(ConfigError, match="ledger restored"):
        open_ledger_at(postgres_url, keys)
    with open_ledger_at(postgres_url, keys, restored=True) as declared:
        restore(declared, as_of=datetime(2026, 3, 1, tzinfo=UTC), decision=RESTORED)

    open_ledger_at(postgres_url, keys).close()


@pytest.mark.parametrize("transaction", ["reading", "writing"])
def test_an_open_ledger_refuses_the_server_that_takes_over_until_it_is_declared(
    postgres_url: str, keys: KeyRing, opened: Ledger, transaction: str
) -> None:
    fail_over(Steps(opened))

    for _ in range(2):  # the second time over the connection that was refused
        with pytest.raises(ConfigError, match="ledger restored"), getattr(opened, transaction)():
            pass
    with open_ledger_at(postgres_url, keys, restored=True) as declared:
        restore(declared, as_of=datetime(2026, 3, 1, tzinfo=UTC), decision=RESTORED)
    with getattr(opened, transaction)():
        pass


def test_the_server_is_asked_who_it_is_once_a_connection(opened: Ledger) -> None:
    asked = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.extend([statement] if "pg_control_system" in statement else [])

    event.listen(opened.engine, "before_cursor_execute", note)
    opened.engine.dispose()
    for _ in range(3):
        with opened.writing():
            pass

    assert len(asked) == 1
