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
from sqlalchemy import event, func, insert, select, text, update

from track_dispatch.ledger import schema
from track_dispatch.ledger.batches import Batch
from track_dispatch.ledger.claims import ClaimTerms, Wanted, settle_and_claim
from track_dispatch.ledger.contact_policy import ContactPolicy
from track_dispatch.ledger.envelopes import (
    SealedLine,
    address_of,
    read_ahead,
    reserve_envelopes,
    seal,
    unit_id,
)
from track_dispatch.ledger.schema import PLACES
from track_dispatch.ledger.settling import Settlement, settle
from track_dispatch.ledger.sql import insert_into, moment_in
from track_dispatch.records import Actor, Area, Channel, IdentityKind, Software, Unit
from track_dispatch.states import BatchState

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping, Table

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


def fill(
    ledger: Ledger,
    lines: int | Sequence[Line] = 3,
    *,
    unit: Unit = UNIT,
    rules: str = RULES,
    age_hours: float = 1,
    start: int = 1,
) -> int:
    """Put an envelope with these lines into the ledger, as transform does; return its id.

    Args:
        ledger: empty or not.
        lines: how many of different patients, or each.
        unit: of the envelope.
        rules: they were judged under.
        age_hours: since their extraction began.
        start: number of the first patient, where `lines` is a number.
    """
    chosen = people(lines, start) if isinstance(lines, int) else list(lines)
    with ledger.writing() as connection:
        unit_number = unit_id(connection, unit.hospital, unit.business_day, unit.area, unit.channel)
        envelope = reserve_envelopes(connection, 1)[0]
        extraction = _extraction(connection, unit, age_hours)
        sealed = [_sealed(ledger, envelope, place, line) for place, line in enumerate(chosen)]
        waiting = [
            one for one, line in zip(sealed, chosen, strict=True) if line.state in {"ready", "held"}
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
                payload=seal(ledger.keys, envelope, waiting) if waiting else None,
            )
        )
        connection.execute(
            insert(schema.lines),
            [_row(unit, envelope, one, line) for one, line in zip(sealed, chosen, strict=True)],
        )
        identities = [row for one in sealed for row in _identities(ledger, one)]
        if identities:
            connection.execute(
                insert_into(connection, schema.identities).on_conflict_do_nothing(), identities
            )
    return envelope


def _extraction(connection: Connection, unit: Unit, age_hours: float) -> str:
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


def wanted(
    ledger: Ledger, envelope: int, *, terms: ClaimTerms = TERMS, batch_id: str | None = None
) -> Wanted:
    """Read an envelope for its claim, as it stands now."""
    with ledger.reading() as connection:
        [sealed] = read_ahead(connection, [envelope])
        read = sealed.open(ledger.keys)
        units = schema.units
        row = connection.execute(select(units).where(units.c.id == read.envelope.unit)).one()
    return Wanted(
        read=read,
        unit=Unit(row.hospital, row.business_day, Area(row.area), Channel(row.channel)),
        unit_id=row.id,
        terms=terms,
        batch_id=batch_id or str(uuid.uuid4()),
        claim_id=str(uuid.uuid4()),
    )


def try_claim(
    ledger: Ledger,
    envelope: int,
    *,
    terms: ClaimTerms = TERMS,
    settlement: Settlement | None = None,
) -> Batch | NotClaimed:
    """Claim an envelope, and settle the batch before."""
    return settle_and_claim(
        ledger, settlement=settlement, wanted=wanted(ledger, envelope, terms=terms), actor=ACTOR
    )


def claim(ledger: Ledger, envelope: int, **options: Any) -> Batch:
    """Claim an envelope of which something may go."""
    batch = try_claim(ledger, envelope, **options)
    assert isinstance(batch, Batch), batch
    return batch


def taken(batch: Batch) -> Settlement:
    """Say that Track took the whole batch."""
    return Settlement(batch, accepted=batch.places, status=200, receipt="r-1")


def mark_in_doubt(ledger: Ledger, batch: Batch, *, status: int | None = None) -> Settled:
    """Settle a batch of which nobody knows whether Track has it."""
    doubt = Settlement(batch, in_doubt=batch.places, status=status, batch_state=BatchState.IN_DOUBT)
    return settle(ledger, doubt, actor=ACTOR)


def batch_state(ledger: Ledger, batch: str) -> BatchState | None:
    """Return where a batch stands; None when it is not in the ledger."""
    row = batches_of(ledger).get(batch)
    return BatchState(row["state"]) if row is not None else None


def rows_of(ledger: Ledger, table: Table, *order: str) -> Sequence[RowMapping]:
    """Return a table as it stands."""
    ordered = select(table).order_by(*(table.c[name] for name in order or ("id",)))
    with ledger.reading() as connection:
        return connection.execute(ordered).mappings().all()


def requests_taken(ledger: Ledger) -> int:
    """Return how many requests to Track were taken of the budget, at any time."""
    return sum(row["taken"] for row in rows_of(ledger, schema.requests, "slot"))


def states_of(ledger: Ledger, envelope: int | None = None) -> list[str]:
    """Return the states of the lines found in an envelope, or of all, in the order of their ids."""
    return [
        line["state"]
        for line in rows_of(ledger, schema.lines)
        if envelope is None or line["id"] // PLACES == envelope
    ]


def reasons_of(ledger: Ledger, envelope: int) -> list[str | None]:
    """Return the reasons of the lines found in an envelope."""
    return [
        line["reason"] for line in rows_of(ledger, schema.lines) if line["id"] // PLACES == envelope
    ]


def events_of(ledger: Ledger) -> list[tuple[str, str]]:
    """Return each event's transition and places, in order."""
    return [(row["transition"], row["places"]) for row in rows_of(ledger, schema.events)]


def batches_of(ledger: Ledger) -> dict[str, RowMapping]:
    """Return the batches by id."""
    return {row["id"]: row for row in rows_of(ledger, schema.batches, "created_at")}


def end_leases(ledger: Ledger) -> None:
    """Set every lease back, so that it ended a second ago by the database's clock."""
    batches = schema.batches
    with ledger.writing() as connection:
        ended = update(batches).where(batches.c.lease_until.is_not(None))
        connection.execute(ended.values(lease_until=moment_in(-1)))


def age_batches(ledger: Ledger, *, hours: float) -> None:
    """Let all batches have gone out that long ago."""
    with ledger.writing() as connection:
        connection.execute(update(schema.batches).values(created_at=moment_in(-3600 * hours)))


def run_sql(ledger: Ledger, statement: str, **values: Any) -> None:
    """Write by SQL, as an accident would."""
    with ledger.writing() as connection:
        connection.execute(text(statement), values)


def opt_out(ledger: Ledger, value: str, channel: str = "") -> None:
    """Let somebody opt out by an identity ("cpf:...", "email:..."), under the oldest key."""
    found = ledger.keys.identity_hashes(value)[-1]
    with ledger.writing() as connection:
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
def blocked(ledger: Ledger, call: Callable[[], Any]) -> Iterator[Future[Any]]:
    """Run a call in another session, and go on when it waits for ours."""
    begun = Event()

    def note(*_: Any) -> None:
        begun.set()

    with ThreadPoolExecutor(1) as pool:
        event.listen(ledger.engine, "before_cursor_execute", note)
        future = pool.submit(call)
        assert begun.wait(30)
        event.remove(ledger.engine, "before_cursor_execute", note)
        if ledger.on_postgresql:
            _until_a_session_waits(ledger)
        yield future


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


@contextmanager
def refusing(ledger: Ledger, table: str, action: str, when: str = "") -> Iterator[None]:
    """Make the database refuse to insert or update on a table meanwhile.

    `when` narrows it to new rows, e.g. "new.state = 'sending'".
    """
    where = f" when ({when})" if when else ""
    if ledger.on_postgresql:
        run_sql(
            ledger,
            "create function refuse() returns trigger language plpgsql as"
            " $$ begin raise exception 'refused'; end $$",
        )
        trigger = f"create trigger refuse before {action} on {table} for each row{where}"
        run_sql(ledger, f"{trigger} execute function refuse()")
    else:
        trigger = f"create trigger refuse before {action} on {table}{where}"
        run_sql(ledger, f"{trigger} begin select raise(abort, 'refused'); end")
    try:
        yield
    finally:
        run_sql(
            ledger,
            "drop function refuse cascade" if ledger.on_postgresql else "drop trigger refuse",
        )


def counts_are_true(ledger: Ledger) -> bool:
    """Tell whether every envelope's counts and payload say what is true of its lines."""
    lines, envelopes = schema.lines, schema.envelopes

    def count(*states: str) -> Any:
        here = lines.c.address.between(envelopes.c.id * PLACES, envelopes.c.id * PLACES + 999)
        counted = select(func.count()).where(here, lines.c.state.in_(states))
        return counted.scalar_subquery()

    with ledger.reading() as connection:
        rows = connection.execute(
            select(
                envelopes.c.waiting == count("ready", "held"),
                envelopes.c.reopened == count("reopened"),
                envelopes.c.payload.is_not(None) == (count("ready", "held") > 0),
            )
        )
        return all(all(row) for row in rows)
