"""Envelopes of made-up lines, as transform leaves them, and what claims make of them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from threading import Event
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import event, insert, select, text, update

from tests.unit.ledger.ledger_facts import LedgerFacts
from track_dispatch.ledger import schema
from track_dispatch.ledger.batches import Batch, ClaimRequest, ClaimTerms
from track_dispatch.ledger.claims import settle_and_claim
from track_dispatch.ledger.contact_policy import ContactPolicy
from track_dispatch.ledger.envelopes import (
    SealedLine,
    address_of,
    read_ahead,
    reserve_envelopes,
    seal,
    unit_id,
)
from track_dispatch.ledger.in_doubt import expire_leases
from track_dispatch.ledger.parts import start_part
from track_dispatch.ledger.settling import Settlement, settle
from track_dispatch.ledger.sql import insert_into, moment_in
from track_dispatch.records import Actor, Area, Channel, IdentityKind, Software, Unit
from track_dispatch.states import BatchState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from track_dispatch.ledger.claims import NotClaimed
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.ledger.settling import Settled

DAY = date(2026, 3, 10)
TODAY = date(2026, 3, 11)
UNIT = Unit("HMS", DAY, Area.INTERNACAO, Channel.EMAIL)
OTHER_UNIT = replace(UNIT, area=Area.EXAMES)
SOFTWARE = Software("0.1.0+5d41402abc4b", "2a765de9c1f0")
ACTOR = Actor("dispatch", run_id="scheduled__2026-03-10", try_number=2, software=SOFTWARE)
SURVEY = "5a0c0f0e-0000-4000-8000-000000000001"
OTHER_SURVEY = "5a0c0f0e-0000-4000-8000-000000000002"
RULES = "rules-1"
#: Long before whatever a test does: all of it is "today".
POLICY = ContactPolicy(cap_days=30, day_began=datetime(2020, 1, 1, tzinfo=UTC))
TERMS = ClaimTerms(
    survey=SURVEY,
    validity_at=1_774_000_000,
    reminder_at=1_773_400_000,
    lease_seconds=360,
    today=TODAY,
    policy=POLICY,
    rules=RULES,
    extraction_max_age_hours=36,
    requests_per_5_minutes=800,
)


@dataclass(frozen=True)
class Line:
    """A line to be: who it is of, and where it stands."""

    person: str | None = None
    contact: str | None = None
    others: tuple[str, ...] = ()
    state: str = "ready"
    reason: str | None = None
    ask_until: date | None = None
    batch: str | None = None
    found_at: int | None = None  # its id, where it was found elsewhere


def people(count: int, start: int = 1, **columns: Any) -> list[Line]:
    """Make lines of as many different patients."""
    return [
        Line(person=f"cpf:{n}", contact=f"email:p{n}@example.test", **columns)
        for n in range(start, start + count)
    ]


def insert_extraction(connection: Connection, unit: Unit, age_hours: float) -> str:
    """Let a day have been read and applied so long ago; return the extraction."""
    extraction = str(uuid.uuid4())
    connection.execute(
        insert(schema.extractions).values(
            id=extraction,
            source=unit.hospital.lower(),
            hospital=unit.hospital,
            business_day=unit.business_day,
            run_id="scheduled__2026-03-10",
            try_number=1,
            started_at=moment_in(-3600 * age_hours),
            completed_at=moment_in(-3600 * age_hours),
            applied_at=moment_in(-3600 * age_hours),
        )
    )
    return extraction


def _sealed(ledger: Ledger, envelope: int, place: int, line: Line) -> SealedLine:
    attendance = str(900_000_000 + address_of(envelope, place))

    def hashes(*values: str | None) -> tuple[int, ...]:
        return tuple(
            one.hash for value in values if value for one in ledger.keys.identity_hashes(value)
        )

    fields = {"cd_atendimento": attendance, "email": line.contact or "", "name": "MARIA DE TESTE"}
    return SealedLine(
        place=place,
        line=line.found_at or address_of(envelope, place),
        attendance_id=attendance,
        persons=hashes(line.person),
        contacts=hashes(line.contact),
        others=hashes(*line.others),
        fields=orjson.dumps(fields),
    )


def _row(unit: Unit, envelope: int, sealed: SealedLine, line: Line) -> dict[str, Any]:
    return {
        "id": sealed.line,
        "address": address_of(envelope, sealed.place),
        "source": unit.hospital.lower(),
        "attendance_id": sealed.attendance_id,
        "state": line.state,
        "reason": line.reason,
        "ask_until": line.ask_until,
        "batch": line.batch,
    }


def _identities(ledger: Ledger, line: SealedLine) -> list[dict[str, Any]]:
    key = ledger.keys.identity_secrets[0].id
    return [
        {"hash": one, "line": line.line, "kind": str(kind), "key": key}
        for kind, found in (
            (IdentityKind.PERSON, line.persons),
            (IdentityKind.CONTACT, line.contacts),
            (IdentityKind.OTHER, line.others),
        )
        for one in found
    ]


def taken(batch: Batch) -> Settlement:
    """Say that Track took the whole batch."""
    return Settlement(batch, accepted=batch.places, status=200, receipt="r-1")


def _until_a_session_waits(ledger: Ledger) -> None:
    waiting = text(
        "select count(*) from pg_stat_activity"
        " where datname = current_database() and wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 30
    with ledger.engine.connect() as connection:
        while not connection.scalar(waiting):
            assert time.monotonic() < deadline, "nobody waits"
            connection.rollback()
            time.sleep(0.01)


class ClaimSteps(LedgerFacts):
    """Envelopes that wait, and what a dispatch does with them."""

    def fill(
        self,
        lines: int | Sequence[Line] = 3,
        *,
        unit: Unit = UNIT,
        rules: str = RULES,
        age_hours: float = 1,
        start: int = 1,
    ) -> int:
        """Put an envelope with these lines into the ledger, as transform does; return its id.

        Args:
            lines: how many of different patients, or each.
            unit: of the envelope.
            rules: they were judged under.
            age_hours: since their extraction began.
            start: number of the first patient, where `lines` is a number.
        """
        chosen = people(lines, start) if isinstance(lines, int) else list(lines)
        with self.ledger.writing() as connection:
            unit_number = unit_id(
                connection, unit.hospital, unit.business_day, unit.area, unit.channel
            )
            envelope = reserve_envelopes(connection, 1)[0]
            extraction = insert_extraction(connection, unit, age_hours)
            sealed = [
                _sealed(self.ledger, envelope, place, line) for place, line in enumerate(chosen)
            ]
            waiting = [
                one
                for one, line in zip(sealed, chosen, strict=True)
                if line.state in {"ready", "held"}
            ]
            connection.execute(
                insert(schema.envelopes).values(
                    id=envelope,
                    unit=unit_number,
                    extraction=extraction,
                    rules=rules,
                    lines=len(chosen),
                    waiting=len(waiting),
                    reopened=sum(line.state == "reopened" for line in chosen),
                    payload=seal(self.ledger.keys, envelope, waiting) if waiting else None,
                )
            )
            connection.execute(
                insert(schema.lines),
                [_row(unit, envelope, one, line) for one, line in zip(sealed, chosen, strict=True)],
            )
            identities = [row for one in sealed for row in _identities(self.ledger, one)]
            if identities:
                connection.execute(
                    insert_into(connection, schema.identities).on_conflict_do_nothing(), identities
                )
        return envelope

    def request(
        self, envelope: int, *, terms: ClaimTerms = TERMS, batch_id: str | None = None
    ) -> ClaimRequest:
        """Read an envelope for its claim, as it stands now."""
        with self.ledger.reading() as connection:
            [sealed] = read_ahead(connection, [envelope])
            read = sealed.open(self.ledger.keys)
            units = schema.units
            row = connection.execute(select(units).where(units.c.id == read.envelope.unit)).one()
        return ClaimRequest(
            read=read,
            unit=Unit(row.hospital, row.business_day, Area(row.area), Channel(row.channel)),
            unit_id=row.id,
            terms=terms,
            batch_id=batch_id or str(uuid.uuid4()),
            claim_id=str(uuid.uuid4()),
        )

    def try_claim(
        self,
        envelope: int,
        *,
        terms: ClaimTerms = TERMS,
        settlement: Settlement | None = None,
    ) -> Batch | NotClaimed:
        """Claim an envelope, and settle the batch before."""
        return settle_and_claim(
            self.ledger,
            settlement=settlement,
            request=self.request(envelope, terms=terms),
            actor=ACTOR,
        )

    def claim(self, envelope: int, **options: Any) -> Batch:
        """Claim an envelope of which something may go."""
        batch = self.try_claim(envelope, **options)
        assert isinstance(batch, Batch), batch
        return batch

    def settle(self, batch: Batch, **said: Any) -> Settled:
        """Write an answer down; what it says is named as `Settlement` names it."""
        return settle(self.ledger, Settlement(batch, **said), actor=ACTOR)

    def mark_in_doubt(self, batch: Batch, *, status: int | None = None) -> Settled:
        """Settle a batch of which nobody knows whether Track has it."""
        return self.settle(
            batch, in_doubt=batch.places, status=status, batch_state=BatchState.IN_DOUBT
        )

    def leave_a_split(self) -> tuple[Batch, Batch]:
        """Claim four lines, have them refused, post two as a part, and come no further."""
        claimed = self.claim(self.fill(4))
        part = start_part(
            self.ledger, claimed, claimed.lines[:2], terms=TERMS, status=422, actor=ACTOR
        )
        assert isinstance(part, Batch)
        self.end_leases()
        expire_leases(self.ledger, actor=ACTOR)
        return claimed, part

    def end_leases(self) -> None:
        """Set every lease back, so that it ended a second ago by the database's clock."""
        batches = schema.batches
        with self.ledger.writing() as connection:
            ended = update(batches).where(batches.c.lease_until.is_not(None))
            connection.execute(ended.values(lease_until=moment_in(-1)))

    def age_batches(self, *, hours: float) -> None:
        """Let all batches have gone out that long ago."""
        with self.ledger.writing() as connection:
            connection.execute(update(schema.batches).values(created_at=moment_in(-3600 * hours)))

    def opt_out(self, value: str, channel: str = "") -> None:
        """Let somebody opt out by an identity ("cpf:...", "email:..."), under the oldest key."""
        found = self.ledger.keys.identity_hashes(value)[-1]
        with self.ledger.writing() as connection:
            connection.execute(
                insert(schema.optouts).values(
                    full_hash=found.full,
                    channel=channel,
                    hash=found.hash,
                    key=found.key,
                    entry=str(uuid.uuid4()),
                    kind=value.partition(":")[0],
                    source="a test",
                    added_at=moment_in(),
                )
            )

    @contextmanager
    def blocked(self, call: Callable[[], Any]) -> Iterator[Future[Any]]:
        """Run a call in another session, and go on when it waits for ours."""
        begun = Event()

        def note(*_: Any) -> None:
            begun.set()

        with ThreadPoolExecutor(1) as pool:
            event.listen(self.ledger.engine, "before_cursor_execute", note)
            future = pool.submit(call)
            assert begun.wait(30)
            event.remove(self.ledger.engine, "before_cursor_execute", note)
            if self.ledger.on_postgresql:
                _until_a_session_waits(self.ledger)
            yield future
