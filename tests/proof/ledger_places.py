"""Where a model's ledgers lie: databases that can be copied whole, as a backup is."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

if TYPE_CHECKING:
    from pathlib import Path


class Places(Protocol):
    """Databases by name; nobody may be connected to one that is copied."""

    def url(self, name: str) -> str:
        """Return the address of a database."""

    def copy(self, source: str, target: str) -> None:
        """Make `target` what `source` is."""


class Files:
    """SQLite files of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def url(self, name: str) -> str:
        return f"sqlite:///{self._file(name)}"

    def copy(self, source: str, target: str) -> None:
        """Copy a file; with the last connection its write-ahead log went into it."""
        for ending in ("-wal", "-shm"):
            self._file(target).with_name(f"{target}.db{ending}").unlink(missing_ok=True)
        shutil.copy(self._file(source), self._file(target))

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.db"


class Databases:
    """Databases of one PostgreSQL server."""

    def __init__(self, server: str) -> None:
        self._server = make_url(server)
        self._admin = create_engine(server, isolation_level="AUTOCOMMIT")
        self._prefix = f"model_{uuid4().hex}"
        self._names: set[str] = set()

    def url(self, name: str) -> str:
        if name not in self._names:
            self._execute(f"create database {self._full(name)}")
            self._names.add(name)
        return self._server.set(database=self._full(name)).render_as_string(hide_password=False)

    def copy(self, source: str, target: str) -> None:
        full = self._full(target)
        self._names.add(target)
        self._execute(f"drop database if exists {full} with (force)")
        self._execute(f"create database {full} template {self._full(source)}")

    def drop(self) -> None:
        """Drop them all."""
        for name in self._names:
            self._execute(f"drop database if exists {self._full(name)} with (force)")
        self._admin.dispose()

    def _full(self, name: str) -> str:
        return f"{self._prefix}_{name}"

    def _execute(self, statement: str) -> None:
        with self._admin.connect() as connection:
            connection.execute(text(statement))
