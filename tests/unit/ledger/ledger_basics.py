"""What the tests of the bare ledger share: one line by SQL, everything as it stands, a proxy."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, text

from track_dispatch.ledger import schema
from track_dispatch.ledger.envelopes import reserve_envelopes, unit_id

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger

DAY = date(2026, 3, 10)


def add_line(ledger: Ledger, attendance_id: str, *, state: str = "excluded") -> None:
    """Write a line with its unit and its envelope, as transform would."""
    with ledger.writing() as connection:
        unit = unit_id(connection, "HMS", DAY, "EXAMES", "")
        envelope = reserve_envelopes(connection, 1)[0]
        connection.execute(
            insert(schema.envelopes).values(
                id=envelope, unit=unit, extraction="x", rules="r", lines=1, waiting=0
            )
        )
        connection.execute(
            insert(schema.lines).values(
                id=envelope * 1000,
                address=envelope * 1000,
                source="hms",
                attendance_id=attendance_id,
                state=state,
                reason="no_contact",
            )
        )


def run_sql(ledger: Ledger, statement: str, **parameters: Any) -> None:
    """Change the ledger behind the product's back."""
    with ledger.writing() as connection:
        connection.execute(text(statement), parameters)


def everything(ledger: Ledger) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of all tables."""
    with ledger.reading() as connection:
        return {
            table.name: sorted(tuple(row) for row in connection.execute(select(table)))
            for table in schema.metadata.sorted_tables
        }


class Relay:
    """A server in front of another one, that can fall silent without closing anything."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._silent = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def fall_silent(self) -> None:
        """Pass nothing on any more; connections stay open, new ones are accepted."""
        self._silent.set()

    def close(self) -> None:
        """End everything."""
        for one in self._sockets:
            with suppress(OSError):
                one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                self._sockets += [client, server]
                server.connect(self._target)
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while content := source.recv(65536):
                if not self._silent.is_set():
                    sink.sendall(content)


@contextmanager
def relay(target: str) -> Iterator[Relay]:
    """Run a relay in front of a Unix socket."""
    made = Relay(target)
    try:
        yield made
    finally:
        made.close()
