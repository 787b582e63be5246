"""What the doctor finds of a ledger, on either database."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import date
from pathlib import Path
from socket import create_connection, create_server
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from sqlalchemy import Connection, create_engine
from sqlalchemy.engine import make_url

from tests.debian import installed, skip_without
from tests.relay import Relay, relay
from tests.unit.delivery.certificates import self_signed, serving
from tests.unit.ledger.steps import Steps
from track_dispatch.doctor.check import CheckStatus, DoubtError
from track_dispatch.doctor.ledger_checks import judge_tls, reading
from track_dispatch.errors import ConfigError
from track_dispatch.ledger import schema
from track_dispatch.ledger.creation import (
    Way,
    durability,
    is_local,
    require_rights,
    way_to_server,
)
from track_dispatch.ledger.extractions import stage_extraction
from track_dispatch.ledger.keys import KeyRing, new_keys
from track_dispatch.records import Actor, HospitalDay

if TYPE_CHECKING:
    from premises import Premises

LEDGER, SERVER, KEYS, COMMITS, RIGHTS, TLS, POOLER = (
    ("installation", f"ledger{name}")
    for name in ("", " server", " keys", " commits", " rights", " TLS", " pooler")
)
SOFTWARE = ("installation", "software")

on_postgresql = pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)
on_sqlite = pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)


def test_a_ledger_that_was_never_made_is_told_and_not_made(bare_premises: Premises) -> None:
    for _ in range(2):
        visit = bare_premises.visit()
        assert "by `python -m track_dispatch ledger init`" in visit[LEDGER].detail
        assert (LEDGER, "FAIL") in visit.not_well().items()


@on_postgresql
def test_a_database_that_does_not_answer_is_told(premises: Premises) -> None:
    premises.connect("track_ledger", host="127.0.0.1", port=1)

    visit = premises.visit()

    assert set(visit.not_well()) == {LEDGER, SERVER, KEYS, COMMITS, RIGHTS, TLS, POOLER, SOFTWARE}
    assert "at 127.0.0.1:1" in visit[LEDGER].detail
    assert "nothing listens there: correct the Host and Port fields" in visit[LEDGER].detail


@on_sqlite
def test_sqlite_is_refused_where_tasks_run_on_several_machines(
    premises: Premises, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")

    assert "point the connection track_ledger to PostgreSQL" in premises.visit()[LEDGER].detail


@on_sqlite
def test_a_connection_that_cannot_be_read_is_told_and_not_taken_for_none(
    premises: Premises, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "AIRFLOW_CONN_TRACK_LEDGER"
    monkeypatch.setenv(name, f"{os.environ[name]}}}")

    detail = premises.visit()[LEDGER].detail

    assert f": correct {name}" in detail
    assert "ledger init" not in detail


def test_keys_of_another_ledger_are_told(premises: Premises) -> None:
    premises.use_keys(new_keys())

    visit = premises.visit()

    assert visit.not_well() == {KEYS: "FAIL"}
    assert "the keys are those of" in visit[KEYS].detail


def test_missing_keys_are_told(premises: Premises) -> None:
    premises.connect("track_ledger", extra={})

    visit = premises.visit()

    assert visit.not_well() == {KEYS: "FAIL"}
    assert "holds no keys of a ledger" in visit[KEYS].detail


def test_payloads_that_no_key_opens_are_counted(premises: Premises) -> None:
    with premises.ledger() as ledger:
        Steps(ledger).fill(3)
    premises.use_keys(changed(premises.keys, payload_secrets=new_keys().payload_secrets))

    visit = premises.visit()

    assert visit.not_well() == {KEYS: "FAIL"}
    assert "no payload key opens 1 of the payloads that wait" in visit[KEYS].detail


def test_staged_rows_that_no_key_opens_are_counted(premises: Premises) -> None:
    day = {"source": "hms", "day": HospitalDay("HMS", date(2026, 3, 2))}
    rows = [{"cd_atendimento": ["1"]}, {"cd_atendimento": ["2"]}]
    with premises.ledger() as ledger:
        stage_extraction(ledger, rows, actor=Actor("extract", run_id="r", try_number=1), **day)
    premises.use_keys(changed(premises.keys, payload_secrets=new_keys().payload_secrets))

    visit = premises.visit()

    assert "no payload key opens 2 of the payloads that wait" in visit[KEYS].detail


def test_an_older_payload_key_opens_what_waits(premises: Premises) -> None:
    with premises.ledger() as ledger:
        Steps(ledger).fill(3)
    older = premises.keys.payload_secrets
    premises.use_keys(changed(premises.keys, payload_secrets=new_keys().payload_secrets + older))

    assert premises.visit().not_well() == {}


def test_an_identity_key_that_somebody_has_alone_is_missed(premises: Premises) -> None:
    with premises.ledger() as ledger:
        Steps(ledger).fill(2)
    premises.use_keys(changed(premises.keys, identity_secrets=new_keys().identity_secrets))

    visit = premises.visit()

    assert visit.not_well() == {KEYS: "FAIL"}
    assert "2 rows of identities would have none" in visit[KEYS].detail


def test_older_keys_that_something_needs_are_well(premises: Premises) -> None:
    with premises.ledger() as ledger:
        Steps(ledger).fill(2)
    premises.use_keys(premises.keys.with_new_keys())

    assert premises.visit().not_well() == {}


def test_an_older_key_that_nothing_needs_may_go(premises: Premises) -> None:
    """A key that leaked, or whose copy did, is of use to somebody else only."""
    premises.use_keys(premises.keys.with_new_keys())

    found = premises.visit()[KEYS]

    assert found.verdict is CheckStatus.WARN
    assert found.detail == (
        f"identity key {premises.keys.identity_secrets[1].id}, the older payload keys: needed by"
        " nothing any more: leave them out with `python -m track_dispatch ledger rotate-keys"
        " --drop-unneeded`"
    )


def test_an_older_key_that_may_go_is_told_beside_one_that_may_not(premises: Premises) -> None:
    with premises.ledger() as ledger:
        Steps(ledger).fill(2)
    needed = premises.keys.payload_secrets
    identity = premises.keys.identity_secrets + new_keys().identity_secrets
    payload = new_keys().payload_secrets + needed
    premises.use_keys(changed(premises.keys, payload_secrets=payload, identity_secrets=identity))

    found = premises.visit()[KEYS]

    assert found.verdict is CheckStatus.WARN
    assert found.detail.startswith(f"identity key {identity[1].id}: needed by nothing any more")


@on_postgresql
def test_another_server_than_before_is_told(premises: Premises) -> None:
    premises.administer("update ledger set timeline = timeline + 1")

    visit = premises.visit()

    assert visit.not_well() == {SERVER: "FAIL"}
    assert "ledger restored" in visit[SERVER].detail


@on_postgresql
def test_what_a_commit_survives_is_said(premises: Premises) -> None:
    assert "sets synchronous_commit = on" in premises.visit()[COMMITS].detail


# --- the way to the server ------------------------------------------------------------------


@contextmanager
def on_the_way(
    premises: Premises, *, fields: Mapping[str, Any] | None = None, **kept: Any
) -> Iterator[Relay]:
    """Put somebody between us and the server, who is reached by TCP."""
    socket = make_url(premises.ledger_url).query["host"]
    with relay(f"{socket}/.s.PGSQL.5432", **kept) as proxy:
        there = {"host": "127.0.0.1", "port": proxy.port}
        premises.connect("track_ledger", **there, **(fields or {}))
        yield proxy


@on_postgresql
def test_a_pooler_is_told_and_tried(premises: Premises) -> None:
    with on_the_way(premises, pid=4711):
        visit = premises.visit()

    assert visit.not_well() == {}
    assert "a pooler answers, and 4 transactions like a claim's passed" in visit[POOLER].detail


@on_postgresql
def test_no_pooler_is_told_as_well(premises: Premises) -> None:
    assert premises.visit()[POOLER].detail == "none: the server itself answers"


@on_postgresql
def test_a_pooler_that_takes_no_transactions_is_told(premises: Premises) -> None:
    with on_the_way(premises, pid=4711, refuses=b"advisory"):
        visit = premises.visit()

    assert visit.not_well() == {POOLER: "FAIL"}
    assert "set its mode to transaction" in visit[POOLER].detail


@on_postgresql
@pytest.mark.parametrize(("mode", "well"), [("transaction", True), ("statement", False)])
def test_a_real_pgbouncer(premises: Premises, tmp_path: Path, mode: str, *, well: bool) -> None:
    skip_without("pgbouncer")
    with pgbouncer(premises.ledger_url, tmp_path, mode) as port:
        premises.connect("track_ledger", host="127.0.0.1", port=port)
        visit = premises.visit()

    assert (visit.not_well() == {}) is well
    assert ("a pooler answers" in visit[POOLER].detail) is well


@contextmanager
def pgbouncer(url: str, folder: Path, mode: str) -> Iterator[int]:
    """Run a PgBouncer in front of the tests' server."""
    with closing(create_server(("127.0.0.1", 0))) as free:
        port: int = free.getsockname()[1]
    address = make_url(url)
    (folder / "users").write_text(f'"{address.username}" ""\n', encoding="utf-8")
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={address.query['host']}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nauth_type = trust\nauth_file = {folder}/users\n"
        f"pool_mode = {mode}\nunix_socket_dir =\n",
        encoding="utf-8",
    )
    owner = Path(str(address.query["host"])).owner()  # the socket's folder is for him alone
    running = subprocess.Popen(
        [
            installed("pgbouncer"),
            *(("-u", owner) if os.getuid() == 0 else ()),
            str(folder / "pgbouncer.ini"),
        ]
    )
    try:
        while running.poll() is None:
            with suppress(OSError), closing(create_connection(("127.0.0.1", port), timeout=1)):
                break
        yield port
    finally:
        running.terminate()
        running.wait()


@pytest.mark.parametrize(
    ("host", "address", "local"),
    [
        ("/run/postgresql", "", True),
        ("localhost", "", True),
        ("db.test", "127.0.0.1", True),
        ("::1", "::1", True),
        ("db.test", "10.1.1.1", False),
        ("db.test", "", False),
    ],
)
def test_what_is_this_machine(host: str, address: str, *, local: bool) -> None:
    assert is_local(host, address) is local


@pytest.mark.parametrize(
    ("way", "mode", "told"),
    [
        (Way("db.test", is_local=False, is_encrypted=False, has_pooler=False), "prefer", "is not"),
        (Way("db.test", is_local=False, is_encrypted=True, has_pooler=False), "prefer", "whoever"),
        (Way("db.test", is_local=False, is_encrypted=True, has_pooler=False), "require", "whoever"),
    ],
)
def test_a_way_that_others_may_read_or_end_is_told(way: Way, mode: str, told: str) -> None:
    with pytest.raises(DoubtError, match=f'{told}.*"sslmode": "verify-full"'):
        judge_tls(way, mode)


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_a_way_that_is_encrypted_and_checked_is_well(mode: str) -> None:
    way = Way("db.test", is_local=False, is_encrypted=True, has_pooler=False)

    assert "its certificate checked" in judge_tls(way, mode)


@on_postgresql
def test_tls_is_seen_where_it_is_spoken(premises: Premises, tmp_path: Path) -> None:
    shown = serving(self_signed(tmp_path / "db.pem", x509.DNSName("db.test")))
    seen = []
    for tls in (shown, None):
        with on_the_way(premises, tls=tls), reading() as connection:
            seen.append(way_to_server(connection))

    assert [way and (way.host, way.is_encrypted) for way in seen] == [
        ("127.0.0.1", True),
        ("127.0.0.1", False),
    ]


# --- rights ---------------------------------------------------------------------------------


@on_postgresql
def test_a_role_that_may_only_read_is_told_what_to_grant(premises: Premises) -> None:
    role = f"reader_{uuid.uuid4().hex}"
    premises.administer(f"create role {role} login")
    premises.administer(f"grant select on all tables in schema public to {role}")
    premises.administer(f"grant insert, update, delete on lines to {role}")
    premises.connect("track_ledger", login=role)

    visit = premises.visit()
    premises.administer(f"drop owned by {role}")
    premises.administer(f"drop role {role}")

    assert visit.not_well() == {RIGHTS: "FAIL"}
    assert "batches" in visit[RIGHTS].detail
    assert "lines" not in visit[RIGHTS].detail
    assert "`grant select, insert, update, delete on all tables" in visit[RIGHTS].detail


@contextmanager
def as_role(premises: Premises, role: str) -> Iterator[Connection]:
    engine = create_engine(make_url(premises.ledger_url).set(username=role))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@on_postgresql
@pytest.mark.parametrize("right", ["select", "insert", "update", "delete"])
def test_each_table_that_a_role_may_not_use_is_named(premises: Premises, right: str) -> None:
    role = f"worker_{uuid.uuid4().hex}"
    rights = f"select, insert, update, delete on all tables in schema public to {role}"
    premises.administer(f"create role {role} login")
    told = {}
    for table in schema.metadata.tables:
        premises.administer(f"grant {rights}")
        premises.administer(f"revoke {right} on {table} from {role}")
        with as_role(premises, role) as connection, pytest.raises(ConfigError) as raised:
            require_rights(connection)
        told[table] = str(raised.value)
    premises.administer(f"drop owned by {role}")
    premises.administer(f"drop role {role}")

    assert all(f"may not read and write {table}: " in message for table, message in told.items())


@on_postgresql
def test_a_server_that_falls_silent_is_told_in_time(premises: Premises) -> None:
    brief = {"extra": premises.keys.model_dump(mode="json") | {"connect_timeout": 2}}
    with on_the_way(premises, fields=brief) as proxy:
        proxy.fall_silent_after_first_answer()
        visit = premises.visit()

    assert "nobody answers there" in visit[LEDGER].detail


def test_sqlite_that_does_not_wait_for_the_disk_is_refused(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/any.db")
    with engine.connect() as connection:
        connection.exec_driver_sql("pragma synchronous = normal")
        with pytest.raises(ConfigError, match="does not wait for the disk"):
            durability(connection)
    engine.dispose()


def changed(keys: KeyRing, **fields: object) -> KeyRing:
    return KeyRing.model_validate(keys.model_dump() | fields)
