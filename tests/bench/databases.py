"""Where the ledgers that are measured live: new ones, and copies of one to start from again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sqlalchemy.engine import make_url

from tests.postgres import administer, running_postgres
from track_dispatch.ledger.creation import init_ledger

if TYPE_CHECKING:
    from track_dispatch.ledger.keys import KeyRing

KINDS = ("SQLite", "PostgreSQL")


class Database(Protocol):
    """Somewhere that ledgers can live in."""

    def new(self, name: str, keys: KeyRing) -> str:
        """Make an empty ledger and return its URL."""

    def copy(self, name: str, to: str) -> str:
        """Copy a ledger that nobody has open and return the copy's URL."""


@dataclass(frozen=True, slots=True)
class _Sqlite:
    folder: Path

    def new(self, name: str, keys: KeyRing) -> str:
        init_ledger(self._url(name), keys)
        return self._url(name)

    def copy(self, name: str, to: str) -> str:
        shutil.copy(self.folder / f"{name}.db", self.folder / f"{to}.db")
        return self._url(to)

    def _url(self, name: str) -> str:
        return f"sqlite:///{self.folder}/{name}.db"


@dataclass(frozen=True, slots=True)
class _Postgres:
    server: str

    def new(self, name: str, keys: KeyRing) -> str:
        administer(self.server, f"create database {name}")
        init_ledger(self._url(name), keys)
        return self._url(name)

    def copy(self, name: str, to: str) -> str:
        administer(self.server, f"create database {to} template {name}")
        return self._url(to)

    def _url(self, name: str) -> str:
        return make_url(self.server).set(database=name).render_as_string(hide_password=False)


@contextmanager
def database(kind: str, home: Path) -> Iterator[Database]:
    """Run a database as it comes: PostgreSQL makes every commit durable, as SQLite does."""
    if kind == "SQLite":
        yield _Sqlite(home)
        return
    with running_postgres(home) as server:
        yield _Postgres(server)
