"""What stands between us and the ledger's server: TLS, a pooler, and what that does to a claim."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, select, text

from track_dispatch.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: The advisory lock of a trial; any number that no claim takes.
_LOOKS_TURN = 7_249_003


class Way(NamedTuple):
    """The way to PostgreSQL, as our end of it sees it.

    Attributes:
        host: whom we are connected to: a name, an address, or a socket's folder.
        is_local: whether that is this machine.
        is_encrypted: whether TLS is spoken on it.
        has_pooler: whether somebody else than the server answers.
    """

    host: str
    is_local: bool
    is_encrypted: bool
    has_pooler: bool


def way_to_server(connection: Connection) -> Way | None:
    """Look at the way; None on SQLite.

    Whom a pooler answers for has another backend than the one it named at the log-on.
    """
    if connection.dialect.name != "postgresql":
        return None
    driver: Any = connection.connection.driver_connection
    host = driver.info.host
    backend = connection.scalar(text("select pg_backend_pid()"))
    return Way(
        host=host,
        is_local=is_local(host, driver.info.hostaddr),
        is_encrypted=bool(driver.pgconn.ssl_in_use),
        has_pooler=backend != driver.info.backend_pid,
    )


def try_claim(connection: Connection) -> int:
    """Do in a writing transaction what a claim needs; return the server's backend.

    Raises:
        ConfigError: what one transaction set is seen by another one.
    """
    # a lock like the claims', for ourselves: nobody is to wait for a look
    connection.execute(select(func.pg_advisory_xact_lock(_LOOKS_TURN)))
    backend: int = connection.scalar(text("select pg_backend_pid()")) or 0
    if connection.scalar(text("show synchronous_commit")) != "on":
        raise ConfigError(
            "what a transaction sets is lost on the way (synchronous_commit): set the pooler's mode"
            " to transaction or session"
        )
    return backend


def is_local(host: str, address: str) -> bool:
    """Tell whether a host, at this address if it is known, is this machine."""
    if host.startswith("/") or host in {"", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(address or host).is_loopback
    except ValueError:
        return False
