"""The ledger: there, migrated, ours, readable with its keys, and certain of its commits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.engine import make_url

from track_dispatch.doctor.check import INSTALLATION, DoubtError, check, obtain
from track_dispatch.errors import ConfigError
from track_dispatch.hooks.ledger import place
from track_dispatch.ledger import creation
from track_dispatch.ledger.database import Ledger, connect, require_same_ledger
from track_dispatch.ledger.keys import new_keys
from track_dispatch.ledger.server_way import Way, try_claim, way_to_server

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from track_dispatch.doctor.check import Check

#: How many transactions the doctor tries: a pooler gives each to any connection that is free.
TRANSACTIONS = 4


def check_ledger() -> Iterator[Check]:
    """Look at the installation's ledger; what cannot be opened is tried once."""
    reached, answers = obtain(INSTALLATION, "ledger", _reach)
    yield answers
    looks = {
        "ledger server": _recognise_server,
        "ledger keys": _use_keys,
        "ledger commits": _weigh_commits,
        "ledger rights": _try_rights,
        "ledger TLS": _look_at_tls,
        "ledger pooler": _try_pooler,
    }
    for name, look in looks.items():
        yield check(INSTALLATION, name, look if reached else _not_reached)


def _not_reached() -> str:
    raise DoubtError("not looked at: the ledger could not be opened")


def _reach() -> tuple[bool, str]:
    with reading() as connection:
        creation.require_current(connection)
    address = make_url(place().url).render_as_string(hide_password=True)
    return True, f"{address} answers and is migrated"


def _recognise_server() -> str:
    with reading() as connection:
        creation.require_same_server(connection)
    return "it is the server that the ledger was last used on"


def _use_keys() -> str:
    keys = place().keys()
    with reading() as connection:
        require_same_ledger(connection, keys)
        creation.require_keys(connection, keys)
        closed = creation.unopened(connection, keys)
    if closed:
        raise ConfigError(
            f"no payload key opens {closed} of the payloads that wait: put the key they were"
            " written with back at the end of payload_secrets"
        )
    return "they are this ledger's, and open everything that waits"


def _weigh_commits() -> str:
    with reading() as connection:
        return creation.durability(connection)


def _try_rights() -> str:
    with reading() as connection:
        creation.require_rights(connection)
    return "our role reads and writes every table"


def _look_at_tls() -> str:
    with reading() as connection:
        way = way_to_server(connection)
    if way is None:
        return "a file on this machine: nothing travels"
    return judge_tls(way, place().options.get("sslmode", "prefer"))


def judge_tls(way: Way, mode: str) -> str:
    """Say how the way to the server is protected, under libpq's `sslmode`.

    Raises:
        DoubtError: somebody between could read on it, or answer in the server's place.
    """
    if way.is_local:
        return f"{way.host}: nothing leaves this machine"
    mend = 'set "sslmode": "verify-full" and "sslrootcert" in the extra of track_ledger'
    if not way.is_encrypted:
        raise DoubtError(
            f"the way to {way.host} is not encrypted, and hashes and payloads travel on it: {mend}"
        )
    if not mode.startswith("verify"):
        raise DoubtError(
            f"the way to {way.host} is encrypted, but sslmode {mode} trusts whoever answers: {mend}"
        )
    return f"the way to {way.host} is encrypted, and its certificate checked ({mode})"


def _try_pooler() -> str:
    """Do in turn what a claim does, which a pooler in the wrong mode refuses or mixes up."""
    with _opened() as ledger:
        if not ledger.on_postgresql:
            return "a file has none"
        backends = set()
        with ledger.reading() as connection:
            way = way_to_server(connection)
        for _ in range(TRANSACTIONS):
            with ledger.writing() as connection:
                backends.add(try_claim(connection))
    if way is None or not way.has_pooler:
        return "none: the server itself answers"
    return (
        f"a pooler answers, and {TRANSACTIONS} transactions like a claim's passed it over"
        f" {len(backends)} connections to the server"
    )


@contextmanager
def _opened() -> Iterator[Ledger]:
    """Open the ledger's database, whatever its keys are like: they play no part in it."""
    here = place()
    with Ledger(connect(here.url, options=here.options), new_keys()) as ledger:
        creation.require_existing(ledger.engine)
        yield ledger


@contextmanager
def reading() -> Iterator[Connection]:
    """Open the ledger's tables for reading."""
    with _opened() as ledger, ledger.reading() as connection:
        yield connection
