"""What a real PostgreSQL refuses before the first statement is told by its cause."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from cryptography import x509
from sqlalchemy.engine import URL, make_url

from tests.postgres import administer
from tests.relay import relay
from tests.unit.delivery.certificates import self_signed, serving
from track_dispatch.errors import ConfigError, LedgerError, TrackDispatchError
from track_dispatch.ledger.database import Ledger, connect
from track_dispatch.ledger.keys import new_keys


def refused(url: URL, **options: str) -> TrackDispatchError:
    """Try to read and return what came of it."""
    address = url.render_as_string(hide_password=False)
    with (
        Ledger(connect(address, options=options), new_keys()) as ledger,
        pytest.raises(TrackDispatchError) as caught,
        ledger.reading(),
    ):
        pass
    return caught.value


@pytest.fixture
def plain(postgres_url: str) -> Iterator[URL]:
    """Return the address for a role of no rank in a database of its own."""
    name = f"plain_{uuid.uuid4().hex}"
    administer(postgres_url, f"create role {name} login", f"create database {name} owner {name}")
    yield make_url(postgres_url).set(username=name, database=name)
    administer(postgres_url, f"drop database {name}", f"drop role {name}")


@pytest.mark.parametrize(
    ("change", "kind", "told"),
    [
        (
            "alter database {name} allow_connections false",
            ConfigError,
            "somebody has closed the database: `alter database ... allow_connections true`",
        ),
        (
            "alter role {name} connection limit 0",
            LedgerError,
            "all connections that the role may have are taken: raise its limit, `alter role",
        ),
        (
            "alter database {name} connection limit 0",
            LedgerError,
            "all connections that the database may have are taken: raise its limit, `alter data",
        ),
        ("alter role {name} nologin", ConfigError, "`alter role ... login`"),
        ("revoke connect on database {name} from public, {name}", ConfigError, "`grant connect"),
    ],
)
def test_what_was_changed_on_the_server_is_told(
    plain: URL, postgres_url: str, change: str, kind: type, told: str
) -> None:
    administer(postgres_url, change.format(name=plain.username))

    error = refused(plain)

    assert type(error) is kind
    assert told in str(error)
    assert "max_connections" not in str(error)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"options": "-c statement_timeout=abc"}, 'invalid value for parameter "statement_timeou'),
        ({"options": "-c log_statement=none"}, 'permission denied to set parameter "log_statemen'),
        ({"options": "-c jitt=off"}, 'unrecognized configuration parameter "jitt"'),
        ({"options": "-c port=5"}, 'parameter "port" cannot be changed'),
    ],
)
def test_an_option_that_the_server_does_not_take_is_told(
    plain: URL, options: dict[str, str], told: str
) -> None:
    error = refused(plain, **options)

    assert isinstance(error, ConfigError)
    assert "no such option, or not from this role: correct the extra" in str(error)
    assert told in str(error)


def test_a_service_that_no_file_defines_is_told(plain: URL) -> None:
    error = refused(plain, service="nowhere")

    assert isinstance(error, ConfigError)
    assert "no file on this machine defines that service: correct `service`" in str(error)


def test_a_version_of_tls_that_the_server_does_not_take_is_told(
    postgres_url: str, tmp_path: Path
) -> None:
    tls = serving(self_signed(tmp_path / "db.pem", x509.DNSName("db.test")))
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    address = make_url(postgres_url)
    with relay(f"{address.query['host']}/.s.PGSQL.5432", tls=tls) as proxy:
        error = refused(
            address.set(host="127.0.0.1", port=proxy.port, query={}),
            sslmode="require",
            ssl_max_protocol_version="TLSv1.2",
        )

    assert isinstance(error, ConfigError)
    assert "alert protocol version" in str(error)
    assert "the two sides have no version of TLS in common" in str(error)


def test_the_driver_gives_no_code_for_a_refused_connection(plain: URL) -> None:
    """So its words decide, in both languages; where it began to give one, the code would."""
    nobody = plain.set(drivername="postgresql", username="nobody_at_all")
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect(nobody.render_as_string(hide_password=False))

    assert caught.value.sqlstate is None
