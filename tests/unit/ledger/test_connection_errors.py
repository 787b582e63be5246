"""Why PostgreSQL lets nobody in is told by its cause, with what to do."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url

from tests.postgres import administer
from tests.relay import relay
from tests.unit.delivery.certificates import self_signed, serving
from tests.unit.delivery.raw_server import RawServer, say, without_reading
from track_dispatch.errors import ConfigError, LedgerError, TrackDispatchError
from track_dispatch.ledger.connection_errors import CAUSES, connection_error
from track_dispatch.ledger.creation import init_ledger, migrate_ledger, open_ledger_at
from track_dispatch.ledger.database import Ledger, Limits, connect
from track_dispatch.ledger.keys import new_keys

URL_OF_LEDGER = make_url("postgresql://track:s3cret@db.test:6432/ledger")

#: As libpq, PostgreSQL (English and Portuguese) and PgBouncer word it; what a person then reads.
MESSAGES = [
    ("failed to resolve host 'db.test': [Errno -2] Name or service not known", "no such host"),
    ('server on socket "/x/.s.PGSQL.1" failed: No such file or directory', "listens on that sock"),
    ('server on socket "/x/.s.PGSQL.1" failed: Permission denied', "may not open the server's"),
    ('connection to server at "::1", port 1 failed: Connection refused', "nothing listens there"),
    ("connection timeout expired", "nobody answers there"),
    ('server at "10.0.0.1", port 5432 failed: No route to host', "nobody answers there"),
    ("received invalid response to SSL negotiation: H", "does not speak PostgreSQL"),
    ("SSL error: certificate verify failed", "`sslrootcert` in the extra"),
    ('server certificate for "db" does not match host name "db.test"', "is of another host"),
    ('root certificate file "/ca.pem" does not exist', "correct `sslrootcert`"),
    ('could not load private key file "/k.pem": no such file', "correct `sslcert` and `sslkey`"),
    ("server does not support SSL, but SSL was required", "`ssl = on`"),
    ('FATAL:  no pg_hba.conf entry for host "10.1.1.1", no encryption', "its pg_hba.conf"),
    ('FATAL:  nenhuma entrada no pg_hba.conf para máquina "10.1.1.1"', "its pg_hba.conf"),
    (
        'FATAL:  pg_hba.conf rejects connection for host "10.1.1.1", user "track"',
        "forbids this user",
    ),
    ("FATAL:  connection requires a valid client certificate", "`sslcert` and `sslkey`"),
    ("SSL error: tlsv1 alert unknown ca", "does not accept the client's certificate"),
    ("SSL error: sslv3 alert certificate expired", "does not accept the client's certificate"),
    ("FATAL:  TLS required", "takes nobody without TLS"),
    ("FATAL:  SSL required", "takes nobody without TLS"),
    ("SSL error: unsupported protocol", "no version of TLS in common"),
    ("channel binding required but not supported by server", "`channel_binding`"),
    ('auth method "scram-sha-256" requirement failed: require_auth', "`require_auth`"),
    ("FATAL:  server login failed: FATAL password authentication failed", "the pooler itself"),
    ("FATAL:  password has expired", "has expired"),
    ('FATAL:  database "ledger" is not currently accepting connections', "allow_connections true"),
    ('FATAL:  banco de dados "ledger" não está aceitando conexões', "allow_connections true"),
    ('FATAL:  pg_hba.conf rejeitou conexão para máquina "10.1.1.1"', "forbids this user"),
    ("FATAL:  conexão requer um certificado cliente válido", "`sslcert` and `sslkey`"),
    ("SSL error: tlsv1 alert protocol version", "no version of TLS in common"),
    ('definition of service "x" not found', "`service` in the extra"),
    ('service file "/etc/pg_service.conf" not found', "`service` in the extra"),
    ('FATAL:  invalid value for parameter "statement_timeout": "abc"', "correct the extra"),
    ('FATAL:  valor é inválido para parâmetro "statement_timeout": "abc"', "correct the extra"),
    ('FATAL:  permission denied to set parameter "log_statement"', "correct the extra"),
    ('FATAL:  permissão negada ao definir parâmetro "log_statement"', "correct the extra"),
    ('FATAL:  parâmetro de configuração "jitt" desconhecido', "correct the extra"),
    ('FATAL:  parameter "port" cannot be changed without restarting', "correct the extra"),
    ("FATAL:  Tenant or user not found", "names the project"),
    ('FATAL:  role "track" não tem permissão para entrar', "`alter role ... login`"),
    ('FATAL:  papel "track" não existe', "knows no such user"),
    ('FATAL:  unrecognized configuration parameter "jitt"', "correct the extra"),
    ("FATAL:  invalid command-line argument for server process: -x", "correct the extra"),
    ('invalid port number: "70000"', "correct the extra"),
    ("falhou: conexão recusada", "nothing listens there"),
    ('FATAL:  too many connections for role "track"', "`alter role ... connection limit`"),
    ('FATAL:  muitas conexões para role "track"', "`alter role ... connection limit`"),
    ('FATAL:  too many connections for database "ledger"', "`alter database ... connection lim"),
    ('FATAL:  muitas conexões para banco de dados "ledger"', "`alter database ... connection lim"),
    ("FATAL:  desculpe, muitos clientes conectados", "`max_connections`"),
    ("FATAL:  lacunas de conexão remanescentes são reservadas", "`max_connections`"),
    ("FATAL:  o sistema de banco de dados está iniciando", "in a moment"),
    ("FATAL:  o sistema de banco de dados está sendo iniciado", "in a moment"),
    ("cannot execute nextval() in a read-only transaction", "is there a primary?"),
    ("fe_sendauth: no password supplied", "fill the Password field"),
    ('FATAL:  password authentication failed for user "track"', "Login and Password fields"),
    ('FATAL:  autenticação do tipo senha falhou para usuário "track"', "Login and Password"),
    ("FATAL:  SASL authentication failed", "Login and Password fields"),
    ('FATAL:  role "track" does not exist', "knows no such user"),
    ('FATAL:  role "track" não existe', "knows no such user"),
    ("FATAL:  no such user: track", "knows no such user"),
    ('FATAL:  role "track" is not permitted to log in', "`alter role ... login`"),
    ('FATAL:  database "ledger" does not exist', "correct the Schema field"),
    ('FATAL:  banco de dados "ledger" não existe', "correct the Schema field"),
    ("FATAL:  no such database: ledger", "correct the Schema field"),
    ('FATAL:  permission denied for database "ledger"', "grant connect on database"),
    ("FATAL:  unsupported startup parameter: options", "ignore_startup_parameters"),
    ("FATAL:  server login has been failing, cached error", "see the pooler's log"),
    ("FATAL:  sorry, too many clients already", "`max_connections`"),
    ("FATAL:  no more connections allowed (max_client_conn)", "the pooler takes no further"),
    ("FATAL:  the database system is starting up", "in a moment"),
    ("session is read-only", "is there a primary?"),
    ('invalid sslmode value: "bogus"', "correct the extra"),
    ('invalid connection option "sslmod"', "correct the extra"),
    ("something nobody has met", "see what it says"),
]


@pytest.mark.parametrize(("said", "told"), MESSAGES)
def test_a_message_is_told_by_its_cause(said: str, told: str) -> None:
    message = str(connection_error(said, URL_OF_LEDGER))

    assert told in message
    assert f'"{" ".join(said.split())}"' in message


def test_every_cause_is_met() -> None:
    told = " ".join(str(connection_error(said, URL_OF_LEDGER)) for said, _ in MESSAGES)

    assert [cause.what for cause in CAUSES if cause.what not in told] == []


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Connection refused", LedgerError),
        ("connection timeout expired", LedgerError),
        ("FATAL:  sorry, too many clients already", LedgerError),
        ("FATAL:  the database system is starting up", LedgerError),
        ("something nobody has met", LedgerError),
        ('FATAL:  password authentication failed for user "track"', ConfigError),
        ('FATAL:  database "ledger" does not exist', ConfigError),
        ("SSL error: certificate verify failed", ConfigError),
        ("FATAL:  pg_hba.conf rejects connection", ConfigError),
        ("FATAL:  server login failed: FATAL password authentication failed", ConfigError),
        ("FATAL:  TLS required", ConfigError),
        ("FATAL:  Tenant or user not found", ConfigError),
        ('definition of service "x" not found', ConfigError),
        ("SSL error: tlsv1 alert protocol version", ConfigError),
        ('FATAL:  invalid value for parameter "statement_timeout": "abc"', ConfigError),
        ('FATAL:  permission denied to set parameter "log_statement"', ConfigError),
        ('FATAL:  papel "track" não existe', ConfigError),
        ('FATAL:  autenticação do tipo senha falhou para usuário "track"', ConfigError),
        ('FATAL:  pg_hba.conf rejeitou conexão para máquina "10.1.1.1"', ConfigError),
        ('FATAL:  too many connections for role "track"', LedgerError),
        ('FATAL:  muitas conexões para banco de dados "ledger"', LedgerError),
        ("cannot execute nextval() in a read-only transaction", LedgerError),
    ],
)
def test_what_only_a_person_can_mend_is_not_tried_again(said: str, kind: type) -> None:
    assert type(connection_error(said, URL_OF_LEDGER)) is kind


def test_the_place_is_told_and_never_the_password() -> None:
    message = str(connection_error("bad option s3cret", URL_OF_LEDGER))

    assert "at db.test:6432 (database ledger, user track)" in message
    assert "s3cret" not in message


# --- real ones ------------------------------------------------------------------------------


def refused(url: URL | str, **options: str) -> TrackDispatchError:
    """Try to read and return what came of it."""
    address = make_url(url).render_as_string(hide_password=False)
    with (
        Ledger(connect(address, options=options), new_keys()) as ledger,
        pytest.raises(TrackDispatchError) as caught,
        ledger.reading(),
    ):
        pass
    return caught.value


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"username": "nobody_at_all"}, "knows no such user"),
        ({"database": "no_database"}, "has no such database"),
        ({"query": {"host": "/nowhere"}}, "no server listens on that socket"),
        ({"query": {}, "host": "127.0.0.1", "port": 1}, "nothing listens there"),
        ({"query": {}, "host": "no-such-host.invalid"}, "no such host is known"),
    ],
)
def test_a_wrong_field_of_the_connection_is_told(
    postgres_url: str, changed: dict[str, Any], told: str
) -> None:
    assert told in str(refused(make_url(postgres_url).set(**changed)))


def test_what_speaks_another_protocol_is_told() -> None:
    with RawServer(without_reading(say(b"HTTP/1.1 400 Bad Request\r\n\r\n"))) as server:
        error = refused(f"postgresql://track@127.0.0.1:{server.port}/ledger", sslmode="prefer")

    assert isinstance(error, ConfigError)
    assert "does not speak PostgreSQL: correct the Port field" in str(error)


@contextmanager
def over_tcp(url: str, **kept: Any) -> Iterator[URL]:
    """Give a way to the tests' server that is not its socket."""
    address = make_url(url)
    with relay(f"{address.query['host']}/.s.PGSQL.5432", **kept) as proxy:
        yield address.set(host="127.0.0.1", port=proxy.port, query={})


def test_a_server_without_tls_is_told_where_tls_is_asked_for(postgres_url: str) -> None:
    with over_tcp(postgres_url) as url:
        error = refused(url, sslmode="require")

    assert isinstance(error, ConfigError)
    assert "the server takes no TLS, which `sslmode` asks for" in str(error)


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    return serving(certificate(tmp_path, "other"))


def certificate(folder: Path, name: str) -> Path:
    return self_signed(folder / f"{name}.pem", x509.DNSName(f"{name}.test"))


def test_a_certificate_of_an_unknown_ca_is_told(
    postgres_url: str, tls: ssl.SSLContext, tmp_path: Path
) -> None:
    mine = certificate(tmp_path, "mine")
    with over_tcp(postgres_url, tls=tls) as url:
        error = refused(url, sslmode="verify-ca", sslrootcert=str(mine))

    assert "let `sslrootcert` in the extra name the file of the CA" in str(error)


def test_a_certificate_of_another_host_is_told(
    postgres_url: str, tls: ssl.SSLContext, tmp_path: Path
) -> None:
    with over_tcp(postgres_url, tls=tls) as url:
        error = refused(url, sslmode="verify-full", sslrootcert=str(tmp_path / "other.pem"))

    assert "the server's certificate is of another host" in str(error)


def test_a_ca_file_that_is_not_there_is_told(postgres_url: str, tls: ssl.SSLContext) -> None:
    with over_tcp(postgres_url, tls=tls) as url:
        error = refused(url, sslmode="verify-full", sslrootcert="/no/ca.pem")

    assert "the file of the CA is not there" in str(error)


def test_what_let_us_in_before_is_tried_again_whatever_it_says_now(postgres_url: str) -> None:
    """Between a POST and its settlement only the end of the lease may end the trying."""
    keys = new_keys()
    role = f"track_{uuid.uuid4().hex}"
    administer(postgres_url, f"create role {role} login superuser")
    address = make_url(postgres_url).set(username=role)
    init_ledger(str(address), keys)
    with open_ledger_at(str(address), keys) as ledger:
        administer(postgres_url, f"alter role {role} nologin")
        ledger.engine.dispose()
        with pytest.raises(LedgerError, match="may not log in"), ledger.writing():
            pass
    administer(postgres_url, f"reassign owned by {role} to postgres", f"drop role {role}")


# --- rights and locks -----------------------------------------------------------------------


@pytest.fixture
def plain_role(postgres_url: str) -> Iterator[URL]:
    """Return the address for a role that was granted nothing."""
    role = f"plain_{uuid.uuid4().hex}"
    administer(postgres_url, f"create role {role} login")
    yield make_url(postgres_url).set(username=role)
    administer(postgres_url, f"drop owned by {role} cascade", f"drop role {role}")


def test_a_role_that_may_make_no_tables_is_told_what_to_grant(plain_role: URL) -> None:
    with pytest.raises(ConfigError) as caught:
        init_ledger(str(plain_role), new_keys())

    assert "(42501): the connection's role lacks a right on schema public" in str(caught.value)
    assert "`grant create, usage on schema public to`" in str(caught.value)


def test_a_role_that_may_not_read_is_told_what_to_grant(plain_role: URL, postgres_url: str) -> None:
    keys = new_keys()
    init_ledger(postgres_url, keys)

    with pytest.raises(ConfigError, match="grant select, insert, update, delete on table ledger"):
        open_ledger_at(str(plain_role), keys)


def test_a_migration_waits_for_nobody_longer_than_everybody_can_wait_for_it(
    postgres_url: str,
) -> None:
    keys = new_keys()
    init_ledger(postgres_url, keys)
    engine = create_engine(postgres_url)
    with engine.begin() as busy:
        busy.execute(text("lock table ledger_version in access exclusive mode"))
        with pytest.raises(LedgerError, match=r"55P03.*try again"):
            migrate_ledger(postgres_url, keys, limits=Limits(lock=0.1, statement=9, whole=20))
    engine.dispose()


def test_a_migration_gives_up_a_lock_sooner_than_everybody_behind_it(postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(text("create table seen (lock_timeout text)"))
        connection.execute(
            text(
                "create function see() returns event_trigger language plpgsql as $$ begin"
                " insert into seen values (current_setting('lock_timeout')); end $$"
            )
        )
        connection.execute(
            text("create event trigger see on ddl_command_end execute function see()")
        )
    init_ledger(postgres_url, new_keys())

    with engine.connect() as connection:
        assert set(connection.scalars(text("select lock_timeout from seen"))) == {"5s"}
    engine.dispose()
