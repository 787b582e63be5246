"""An installation for the doctor to visit: its environment, stand-ins and ledger, all real."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from demo.world import PASSWORD, oracle_connection, track_connection
from track_dispatch.config import load_hospital
from track_dispatch.doctor import run_checks
from track_dispatch.doctor.check import CheckStatus
from track_dispatch.ledger.creation import init_ledger, open_ledger_at
from track_dispatch.ledger.keys import KeyRing, new_keys

if TYPE_CHECKING:
    import pytest

    from stand_ins.oracle import OracleStandIn
    from stand_ins.track_api import TrackStandIn
    from track_dispatch.config import BrokenHospital, Hospital
    from track_dispatch.doctor.check import Check
    from track_dispatch.ledger.database import Ledger

NOW = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)


@dataclass
class Premises:
    """What the doctor finds; each method spoils or mends one thing.

    Attributes:
        ledger_url: where the ledger is.
        keys: those that the connection track_ledger holds.
    """

    patch: pytest.MonkeyPatch
    erp: OracleStandIn
    track: TrackStandIn
    ledger_url: str
    keys: KeyRing = field(default_factory=new_keys)

    def connect(self, conn_id: str, **changed: Any) -> None:
        """Define an Airflow connection; `changed` are fields that differ from the right ones."""
        right = {
            "oracle_hms": oracle_connection(self.erp.port),
            "track_api": track_connection(self.track.url),
            "track_ledger": json.dumps(self._ledger_connection()),
        }
        self.patch.setenv(
            f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(json.loads(right[conn_id]) | changed)
        )

    def disconnect(self, conn_id: str) -> None:
        """Let Airflow know no such connection."""
        self.patch.delenv(f"AIRFLOW_CONN_{conn_id.upper()}")

    def use_keys(self, keys: KeyRing) -> None:
        """Put other keys into the connection track_ledger."""
        self.keys = keys
        self.connect("track_ledger")

    def make_ledger(self) -> None:
        """Create the ledger."""
        init_ledger(self.ledger_url, self.keys)

    def ledger(self) -> Ledger:
        """Open the ledger."""
        return open_ledger_at(self.ledger_url, self.keys)

    def administer(self, statement: str) -> None:
        """Run a statement on the ledger's database."""
        engine = create_engine(self.ledger_url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()

    def visit(self, *entries: Hospital | BrokenHospital, now: datetime = NOW) -> Visit:
        """Let the doctor run_checks; HMS, if no other hospitals are given."""
        return Visit(list(run_checks(entries or (load_hospital("HMS"),), now=lambda: now)))

    def secrets(self) -> list[str]:
        """Return what no check may show."""
        hidden = [*self.keys.payload_secrets, *(key.secret for key in self.keys.identity_secrets)]
        return [*hidden, PASSWORD, self.track.terms.token]

    def _ledger_connection(self) -> dict[str, Any]:
        extra = self.keys.model_dump(mode="json")
        url = make_url(self.ledger_url)
        if url.get_backend_name() == "sqlite":
            return {"conn_type": "sqlite", "host": url.database, "extra": extra}
        # the tests' server is on a Unix socket, which libpq finds by its own environment
        self.patch.setenv("PGHOST", str(url.query["host"]))
        return {
            "conn_type": "postgres",
            "login": url.username,
            "schema": url.database,
            "extra": extra,
        }


@dataclass(frozen=True)
class Visit:
    """What the doctor found."""

    checks: list[Check]

    def __iter__(self) -> Iterator[Check]:
        return iter(self.checks)

    def __getitem__(self, place: tuple[str, str]) -> Check:
        (found,) = [check for check in self.checks if (check.subject, check.name) == place]
        return found

    def not_well(self) -> dict[tuple[str, str], str]:
        """Return the verdicts that are not ok, by subject and name."""
        return {
            (check.subject, check.name): check.verdict.value
            for check in self.checks
            if check.verdict is not CheckStatus.OK
        }
