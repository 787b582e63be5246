"""What passes is told from what stays, whatever number Oracle gives it."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import oracledb
import pytest
from cryptography import x509
from many_rows import CONN_ID, connection_to, consume, opened

from demo.world import PASSWORD, SERVICE, USER
from stand_ins.oracle import OracleStandIn
from tests.unit.delivery.certificates import self_signed, serving
from track_dispatch.errors import ConfigError, SourceContractError, SourceUnavailableError
from track_dispatch.extraction.oracle_errors import explain

#: Broken off, full, unreachable: what the network and the instances of an ERP come back from.
PASSING = [
    12150, 12151, 12152, 12157, 12161, 12203, 12224, 12225, 12230, 12500, 12518, 12521, 12523,
    12525, 12530, 12531, 12549, 12564, 12569, 12592, 12602, 12606, 12607, 12636, 12637,
    1014, 1113, 3106, 3111, 29701, 29702, 29740, 29746,
]  # fmt: skip
#: Locks, memory and space that others hold for a while, and a standby that lags behind.
PASSING_IN_A_QUERY = [54, 376, 1115, 1591, 2049, 3172, 30006]
#: Space that the ERP needs to note that somebody logged on.
PASSING_AT_LOG_ON = [1653, 1654, 1688, 2002, 9817, 9925]


@pytest.mark.parametrize("code", PASSING + PASSING_IN_A_QUERY)
def test_a_number_that_passes_in_a_query_is_tried_again(server: OracleStandIn, code: int) -> None:
    server.faults.errors = [("dbamv", code, "it passes")]

    with pytest.raises(SourceUnavailableError, match=f"ORA-{code:05}: .*trying again is safe"):
        consume()


@pytest.mark.parametrize("code", PASSING + PASSING_AT_LOG_ON)
def test_a_number_that_passes_at_log_on_is_tried_again(server: OracleStandIn, code: int) -> None:
    server.faults.log_on = code

    with pytest.raises(SourceUnavailableError, match=f"ORA-{code:05}: .*trying again is safe"):
        consume()


@pytest.mark.parametrize("code", [600, 603, 1041, 12153, 12583, 28511])
def test_what_the_driver_takes_for_a_closed_connection_is_tried_again(
    server: OracleStandIn, code: int
) -> None:
    server.faults.errors = [("dbamv", code, "the session is gone")]

    with pytest.raises(SourceUnavailableError, match=f"DPY-4011, ORA-{code:05}: .*broke off"):
        consume()


@pytest.mark.parametrize("code", [12516, 12541, 12564, 12523, 12599, 12611])
def test_what_the_listener_says_for_now_is_tried_again(server: OracleStandIn, code: int) -> None:
    server.faults.refuse = code

    with pytest.raises(SourceUnavailableError, match=f"DPY-6000, ORA-{code:05}: "):
        consume()


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (12502, "service_name"),
        (12524, "cannot be understood"),
        (12529, "filter.*let this machine in"),
        (12533, "cannot be understood"),
    ],
)
def test_what_the_listener_refuses_for_good_is_told(
    server: OracleStandIn, code: int, advice: str
) -> None:
    server.faults.refuse = code

    with pytest.raises(ConfigError, match=f"ORA-{code:05}: .*{advice}"):
        consume()


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (28000, "DBA"),
        (1045, "may not log on"),
        (28040, "verifier"),
        (3134, "older Oracle Client"),
        (12162, "cannot be understood"),
        (12261, "cannot be understood"),
        (12504, "service_name"),
        (12638, "sqlnet.ora"),
        (12650, "sqlnet.ora"),
        (12270, "TLS"),
        (29024, "TLS"),
    ],
)
def test_what_stays_at_log_on_is_told_with_what_to_do(
    server: OracleStandIn, code: int, advice: str
) -> None:
    server.faults.log_on = code

    with pytest.raises(ConfigError, match=f"ORA-{code:05}: .*{advice}"):
        consume()


def test_an_unknown_number_of_oracles_network_is_tried_again(server: OracleStandIn) -> None:
    """No password has been tried yet where the network fails."""
    server.faults.log_on = 12611

    with pytest.raises(
        SourceUnavailableError, match=r"ORA-12611: Oracle's network failed.*again is safe"
    ):
        consume()


def test_an_unknown_number_at_log_on_is_told_as_one(server: OracleStandIn) -> None:
    """Whoever tries a failing log-on again may lock the account."""
    server.faults.log_on = 28007

    with pytest.raises(ConfigError, match=r"ORA-28007: .*not known here.*not tried again.*clear"):
        consume()


def test_an_unknown_number_in_a_query_is_told_as_one(server: OracleStandIn) -> None:
    server.faults.errors = [("dbamv", 4032, "")]

    with pytest.raises(
        SourceContractError, match=r"ORA-04032: .*not known here.*not tried again.*clear"
    ):
        consume()


# --- a database behind the ERP --------------------------------------------------------------


@pytest.mark.parametrize("code", [1017, 1005, 28000, 28001, 12154, 12504, 2019, 2085])
def test_a_database_link_that_is_refused_is_not_our_own_log_on(
    server: OracleStandIn, code: int
) -> None:
    """The account of another database: our password must not be changed for it."""
    stack = "refused\nORA-02063: preceding line from OTHER"
    server.faults.errors = [("dbamv", code, stack)]

    with pytest.raises(SourceContractError, match=f"ORA-{code:05}, ORA-02063: .*link") as told:
        consume()

    assert "password" not in str(told.value)
    assert "service_name" not in str(told.value)


@pytest.mark.parametrize("code", [12541, 12514, 12170])
def test_a_database_link_whose_far_end_is_away_is_tried_again(
    server: OracleStandIn, code: int
) -> None:
    server.faults.errors = [("dbamv", code, "")]

    with pytest.raises(SourceUnavailableError, match=f"ORA-{code:05}: .*link.*again is safe"):
        consume()


# --- TLS and names --------------------------------------------------------------------------


@contextmanager
def answering_tls(certificate: Path) -> Iterator[int]:
    """Give the port of a server that shows a certificate and goes."""
    context = serving(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_show, args=(listener, context))
        thread.start()
        yield listener.getsockname()[1]
        thread.join(30)


def _show(listener: socket.socket, context: ssl.SSLContext) -> None:
    client, _ = listener.accept()
    with client, suppress(OSError), context.wrap_socket(client, server_side=True):
        pass


def over_tls(monkeypatch: pytest.MonkeyPatch, port: int, wallet: Path | None) -> None:
    extra = {"dsn": f"tcps://127.0.0.1:{port}/{SERVICE}"}
    extra |= {"wallet_location": str(wallet)} if wallet else {}
    known = {"conn_type": "oracle", "login": USER, "password": PASSWORD, "extra": extra}
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(known))


@pytest.mark.parametrize(
    ("name", "wallet", "told"),
    [
        ("127.0.0.1", False, "DPY-6005, CERTIFICATE_VERIFY_FAILED"),
        ("db.test", True, "DPY-6005, DPY-6006"),
    ],
)
def test_a_certificate_that_does_not_fit_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, wallet: bool, told: str
) -> None:
    shown = self_signed(tmp_path / "ewallet.pem", x509.DNSName(name))
    with answering_tls(shown) as port:
        over_tls(monkeypatch, port, tmp_path if wallet else None)

        with pytest.raises(ConfigError, match=f"{told}.*TLS: check the wallet or certificate"):
            consume()


def test_a_wallet_that_is_not_there_is_not_tried_again(
    server: OracleStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over_tls(monkeypatch, server.port, tmp_path)

    with pytest.raises(ConfigError, match=r"DPY-2018: .*TLS: check the wallet"):
        consume()


def _hear_and_go(listener: socket.socket) -> None:
    client, _ = listener.accept()
    with client:
        client.recv(8192)


def test_whoever_hangs_up_may_be_another_service(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", connection_to(port))
        thread = threading.Thread(target=_hear_and_go, args=(listener,))
        thread.start()

        with pytest.raises(SourceUnavailableError, match=r"DPY-6005, DPY-4011: .*host and port"):
            consume()

        thread.join(30)


def test_a_host_that_nobody_knows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver lets the resolver's own error out."""
    uri = connection_to(1521).replace("127.0.0.1", "no-such-host.invalid")
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", uri)

    with pytest.raises(SourceUnavailableError, match=r"oracle_test: .*Host field.*DNS") as told:  # noqa: SIM117
        with opened():
            pass

    assert told.value.__context__ is None


# --- what the driver finds by itself --------------------------------------------------------


def _refuse_the_way(listener: socket.socket) -> None:
    client, _ = listener.accept()
    with client:
        client.recv(8192)
        client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")


# the driver leaves its socket to the proxy open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_proxy_that_lets_nobody_through_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        way = f"(HTTPS_PROXY=127.0.0.1)(HTTPS_PROXY_PORT={listener.getsockname()[1]})"
        address = f"(ADDRESS=(PROTOCOL=tcps)(HOST=erp.invalid)(PORT=2484){way})"
        dsn = f"(DESCRIPTION={address}(CONNECT_DATA=(SERVICE_NAME={SERVICE})))"
        known = {"conn_type": "oracle", "login": USER, "password": PASSWORD, "extra": {"dsn": dsn}}
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(known))
        thread = threading.Thread(target=_refuse_the_way, args=(listener,))
        thread.start()

        with pytest.raises(SourceUnavailableError, match=r"DPY-6004.*https_proxy"):
            consume()

        thread.join(30)


@pytest.mark.parametrize(
    ("kind", "number", "advice"),
    [
        (ConfigError, 4028, "address cannot be understood"),
        (ConfigError, 4030, "address cannot be understood"),
        (ConfigError, 4032, "TLS"),
        (ConfigError, 6008, "could not prove that it is the ERP"),
        (ConfigError, 6009, "TLS"),
        (SourceUnavailableError, 4019, "host and port"),
        (SourceUnavailableError, 4033, "broke off"),
        (SourceUnavailableError, 4035, "host and port"),
    ],
)
def test_a_number_of_the_drivers_own_is_told(
    kind: type[Exception], number: int, advice: str
) -> None:
    found = explain(
        oracledb.DatabaseError(f"DPY-{number}: as the driver says"), where="oracle_test"
    )

    assert type(found) is kind
    assert f"DPY-{number}" in str(found)
    assert advice in str(found)
