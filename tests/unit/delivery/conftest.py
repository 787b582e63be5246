from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from cryptography import x509

from demo.world import surveys_of
from stand_ins.track_api import TrackStandIn
from tests.unit.delivery.certificates import self_signed, serving
from tests.unit.delivery.delivery_rig import HOSPITAL, NOW, Rig
from tests.unit.ledger.conftest import (
    _postgresql,
    _sqlite,
    ledger,
    postgresql_ledger,
    sqlite_ledger,
)
from track_dispatch.delivery.transport import Transport

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger

__all__ = ["_postgresql", "_sqlite", "ledger", "postgresql_ledger", "sqlite_ledger"]


@pytest.fixture
def api() -> Iterator[TrackStandIn]:
    with TrackStandIn(surveys=surveys_of(HOSPITAL), clock=lambda: NOW) as stand_in:
        yield stand_in


@pytest.fixture
def rig(ledger: Ledger, api: TrackStandIn) -> Iterator[Rig]:
    with Rig(ledger, api) as opened:
        yield opened


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        opened.trust_env = False
        yield opened


@pytest.fixture
def transport(session: requests.Session) -> Iterator[Transport]:
    """One transport for all requests of a test; what it is to use is set on the session before."""
    with Transport(session, connect_timeout_seconds=5) as opened:
        yield opened


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of 127.0.0.1 with its key, in one file."""
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    return self_signed(tmp_path_factory.mktemp("tls") / "stand-in.pem", loopback)


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    return serving(certificate)
