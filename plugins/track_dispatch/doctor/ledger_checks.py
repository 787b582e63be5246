"""The ledger: there, migrated, ours, readable with its keys, and certain of its commits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.engine import make_url

from track_dispatch.doctor.check import INSTALLATION, check
from track_dispatch.errors import ConfigError
from track_dispatch.hooks.ledger import place
from track_dispatch.ledger import creation
from track_dispatch.ledger.database import Ledger, connect, require_same_ledger
from track_dispatch.ledger.keys import new_keys

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from track_dispatch.doctor.check import Check


def check_ledger() -> Iterator[Check]:
    """Look at the installation's ledger."""
    yield check(INSTALLATION, "ledger", _reach)
    yield check(INSTALLATION, "ledger server", _recognise_server)
    yield check(INSTALLATION, "ledger keys", _use_keys)
    yield check(INSTALLATION, "ledger commits", _weigh_commits)


def _reach() -> str:
    with reading() as connection:
        creation.require_current(connection)
    address = make_url(place().url).render_as_string(hide_password=True)
    return f"{address} answers and is migrated"


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


@contextmanager
def reading() -> Iterator[Connection]:
    """Open the ledger's tables, whatever its keys are like: they play no part in reading."""
    here = place()
    with Ledger(connect(here.url, options=here.options), new_keys()) as ledger:
        creation.require_existing(ledger.engine)
        with ledger.reading() as connection:
            yield connection
