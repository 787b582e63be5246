"""Find the ledger: the Airflow connection `track_ledger`, or the file beside Airflow's own.

A task only ever opens a ledger; `python -m track_dispatch ledger init` is what creates one.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.configuration import AIRFLOW_HOME, conf
from sqlalchemy.engine import URL, make_url

from track_dispatch.connections import find_connection
from track_dispatch.errors import ConfigError, did_you_mean
from track_dispatch.ledger import creation
from track_dispatch.ledger.creation import open_ledger_at
from track_dispatch.ledger.database import Ledger, keep_private
from track_dispatch.ledger.keys import KeyRing, new_keys, parse_keys

if TYPE_CHECKING:
    from airflow.sdk import Connection

CONN_ID = "track_ledger"
#: Executors whose tasks run on machines that may not share a file.
DISTRIBUTED = ("Celery", "Kubernetes", "ECS", "Batch", "Edge")


#: Keys of the connection's extra that libpq reads: how to reach the server, and whom to trust.
#: Source: PostgreSQL documentation, "Parameter Key Words".
LIBPQ_OPTIONS = frozenset(
    {
        "channel_binding", "connect_timeout", "gssencmode", "hostaddr", "keepalives",
        "keepalives_count", "keepalives_idle", "keepalives_interval", "krbsrvname",
        "load_balance_hosts", "options", "passfile", "require_auth", "service", "sslcert",
        "sslcrl", "sslcrldir", "sslkey", "sslmode", "sslnegotiation", "sslpassword",
        "sslrootcert", "sslsni", "ssl_max_protocol_version", "ssl_min_protocol_version",
        "target_session_attrs", "tcp_user_timeout",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where a ledger is and where its keys are; `key_file` only without a connection.

    `options` are libpq's, from the connection's extra.
    """

    url: str = field(repr=False)
    connection: Connection | None = field(default=None, repr=False)
    key_file: Path | None = None
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    def keys(self) -> KeyRing:
        """Read the keys.

        Raises:
            ConfigError: they are missing or unusable.
        """
        if self.connection is not None:
            return parse_keys(self.connection.extra_dejson, f"connection {CONN_ID}")
        path = self.key_file
        if path is None or not path.is_file():
            message = (
                f"there are no keys at {path}: is AIRFLOW_HOME ({AIRFLOW_HOME}) the one that"
                f" Airflow runs with? If it is, {creation.INIT_HINT}"
            )
            raise ConfigError(message)
        keep_private(path)
        try:
            return parse_keys(json.loads(path.read_text(encoding="utf-8")), str(path))
        except json.JSONDecodeError:
            message = f"{path} is not JSON: put the ledger's keys back from their backup"
            raise ConfigError(message) from None
        except OSError as error:
            message = (
                f"{path} cannot be read ({error.strerror}): run this as the user that Airflow runs"
                " as, who owns it"
            )
            raise ConfigError(message) from None


def place() -> Place:
    """Find the ledger's place.

    Raises:
        ConfigError: two ledgers to choose from, an SQLite ledger where tasks run on several
            machines, another database, or nobody can tell whether there is a connection.
    """
    file = Path(AIRFLOW_HOME) / "track_ledger.db"
    connection = find_connection(CONN_ID)
    if connection is None:
        found = Place(url=f"sqlite:///{file}", key_file=file.with_suffix(".keys"))
    else:
        found = Place(_url(connection), connection, options=_options(connection))
        _require_one_ledger(found.url, file)
    executor = conf.get("core", "executor")
    if make_url(found.url).get_backend_name() == "sqlite" and any(
        name in executor for name in DISTRIBUTED
    ):
        message = (
            f"the executor {executor} runs tasks on several machines: an SQLite ledger would be"
            f" a different one on each; point the connection {CONN_ID} to PostgreSQL"
        )
        raise ConfigError(message)
    return found


def open_ledger(*, restored: bool = False, read_only: bool = False) -> Ledger:
    """Open the installation's ledger; close it after use.

    Args:
        restored: whether a person is about to declare that a backup was put back.
        read_only: for pages that people look at.

    Raises:
        ConfigError: there is none, or not the right one.
        LedgerError: its database does not answer.
    """
    here = place()
    return open_ledger_at(
        here.url, here.keys(), options=here.options, restored=restored, read_only=read_only
    )


def init() -> tuple[str, bool]:
    """Create the installation's ledger where there is none.

    Returns:
        Its address, without a password, and whether it was created.

    Raises:
        ConfigError: the connection has no keys, or the database holds another ledger, or nobody
            can tell whether there is a connection.
        LedgerError: the database does not answer.
    """
    here = place()
    if here.key_file is not None and not here.key_file.exists():
        database = Path(make_url(here.url).database or "")
        if database.exists():
            message = f"{database} is there but its keys {here.key_file} are not: put them back"
            raise ConfigError(message)
        _write_keys(here.key_file, new_keys())
    shown = make_url(here.url).render_as_string(hide_password=True)
    return shown, creation.init_ledger(here.url, here.keys(), options=here.options)


def migrate() -> tuple[str, str]:
    """Bring the installation's ledger to this version; return the revisions before and after.

    Raises:
        ConfigError: there is no ledger.
        LedgerError: the database does not answer.
    """
    here = place()
    return creation.migrate_ledger(here.url, here.keys(), options=here.options)


def use_keys(keys: KeyRing, *, instead_of: KeyRing) -> str | None:
    """Replace the installation's key ring, once the ledger opens with the new one.

    Args:
        keys: the new ring.
        instead_of: the ring that it was made of.

    Returns:
        None where the ring was written into the key file, which keeps its mode; else the extra that
        a person must give to the connection: who reads it has the keys.

    Raises:
        ConfigError: the ring lacks a key that is still needed, or somebody else changes the keys.
        LedgerError: the database does not answer.
    """
    here = place()
    if here.key_file is None:
        open_ledger_at(here.url, keys, options=here.options).close()
        return json.dumps({**keys.model_dump(), **here.options})
    with _held(here.key_file):
        if here.keys() != instead_of:
            raise ConfigError(_CHANGED_MEANWHILE)
        open_ledger_at(here.url, keys, options=here.options).close()
        new = here.key_file.with_suffix(".keys.new")
        new.unlink(missing_ok=True)
        _write_keys(new, keys)
        new.replace(here.key_file)
    return None


_CHANGED_MEANWHILE = (
    "somebody else changes the ledger's keys at this moment; by this command nothing was changed:"
    " see what they are now (`ledger keys`), then say it again if it is still wanted"
)


@contextmanager
def _held(key_file: Path) -> Iterator[None]:
    """Hold the key file's folder: of two who change the keys, one would lose what both wrote with.

    Raises:
        ConfigError: somebody else holds it.
    """
    folder = os.open(key_file.parent, os.O_RDONLY)  # the file itself is replaced
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ConfigError(_CHANGED_MEANWHILE) from None
    finally:
        os.close(folder)


def _require_one_ledger(url: str, file: Path) -> None:
    """Refuse a ledger file beside the connection's ledger.

    One of the two does not know who was asked. A task would open the file whenever the look-up of
    the connection fails, which Airflow reports as if there were none.
    """
    if file.exists() and make_url(url).database != str(file):
        message = (
            f"there is the connection {CONN_ID} and the ledger {file} as well: find out which of"
            " them knows who was asked, then remove the connection or move the file away"
        )
        raise ConfigError(message)


def _write_keys(path: Path, keys: KeyRing) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(keys.model_dump_json(indent=2))
        file.flush()
        os.fsync(file.fileno())


def _url(connection: Connection) -> str:
    """Make a database URL of a connection of type postgres or sqlite."""
    if connection.conn_type == "sqlite":
        return f"sqlite:///{connection.host}"
    if connection.conn_type in {"postgres", "postgresql"}:
        if "@" in (connection.host or "")[1:]:  # the first one begins an abstract socket's name
            message = (
                f"connection {CONN_ID} has a user or a password in its host, which messages show:"
                " put them into login and password"
            )
            raise ConfigError(message)
        host = connection.host or ""
        in_folder = host.startswith("/")  # of the server's socket, which stands in no URL's host
        return URL.create(
            "postgresql+psycopg",
            username=connection.login,
            password=connection.password,
            host=None if in_folder else host or None,
            port=connection.port,
            database=connection.schema,
            query={"host": host} if in_folder else {},
        ).render_as_string(hide_password=False)
    message = (
        f"connection {CONN_ID}: the ledger lives on postgres or sqlite, not on"
        f" {connection.conn_type}"
    )
    raise ConfigError(message)


def _options(connection: Connection) -> dict[str, str]:
    """Return libpq's options from the extra.

    Raises:
        ConfigError: an unknown name, with the nearest known one.
    """
    options = {}
    for name, value in connection.extra_dejson.items():
        if name in KeyRing.model_fields:
            continue
        if connection.conn_type == "sqlite" or name not in LIBPQ_OPTIONS:
            known = sorted({*KeyRing.model_fields, *LIBPQ_OPTIONS})
            message = (
                f'connection {CONN_ID}: "{name}" in its extra is neither a key of the ledger nor an'
                f" option of libpq{did_you_mean(name, known)}"
            )
            raise ConfigError(message)
        options[name] = str(value)
    return options
