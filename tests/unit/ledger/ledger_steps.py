"""Steps that the ledger's tests share: made-up attendances, and what the tables say of them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from threading import Event
from typing import TYPE_CHECKING, Any

from sqlalchemy import event, select, text, update

from track_dispatch.ledger import schema
from track_dispatch.ledger.admission import Admission
from track_dispatch.ledger.applying import applying
from track_dispatch.ledger.claims import Terms, claim
from track_dispatch.ledger.schema import moment_in
from track_dispatch.ledger.staging import Extraction, newest_extraction, stage_extraction
from track_dispatch.records import Actor, Area, Channel, Proposal, Reason, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from sqlalchemy import RowMapping, Table

    from track_dispatch.ledger.batches import Batch
    from track_dispatch.ledger.database import Ledger

DAY = date(2026, 3, 10)
UNIT = Unit("HMS", DAY, Area.INTERNACAO, Channel.EMAIL)
ACTOR = Actor("dispatch", run_id="scheduled__2026-03-10", try_number=2)
OTHER_RUN = Actor("dispatch", run_id="backfill__2026-03-10", try_number=1)
TERMS = Terms(
    survey_uuid="5a0c0f0e-0000-4000-8000-000000000001",
    validity_at=1_774_000_000,
    reminder_at=1_773_400_000,
    lease_seconds=360,
)
#: Reads no person off a line: nobody opts out, nobody is capped.
NOBODY = Admission(lambda _: {}, lambda _: {}, cap_days=0)
OTHER_SURVEY = "5a0c0f0e-0000-4000-8000-000000000002"

#: A proposal with the normalised identity of its person, as `propose` takes them.
Proposed = tuple[Proposal, "Mapping[str, str]"]


def invited(number: int, unit: Unit = UNIT, **changed: str) -> Proposed:
    """Propose to ask the patient of an attendance."""
    line = {
        "cd_atendimento": str(number),
        "name": "MARIA DE TESTE",
        "email": f"p{number}@example.test",
        "phone": "",
        **changed,
    }
    proposal = Proposal(str(number), unit.area, channel=unit.channel, line=line)
    return proposal, {"email": line["email"]}


def not_invited(number: int, reason: Reason = Reason.NO_CONTACT) -> Proposed:
    """Propose to exclude an attendance."""
    return Proposal(str(number), UNIT.area, reason=reason), {}


def stage(ledger: Ledger, *chunks: list[dict[str, str]], **where: Any) -> Extraction:
    """Stage an extraction and return it as transform finds it."""
    return stage_all(ledger, iter(chunks), **where)


def stage_all(
    ledger: Ledger,
    chunks: Iterator[list[dict[str, str]]],
    *,
    hospital: str = UNIT.hospital,
    source: str = "hms",
    day: date = DAY,
    actor: Actor = ACTOR,
) -> Extraction:
    """Stage an extraction that is read while it is staged."""
    stage_extraction(
        ledger, chunks, source=source, hospital=hospital, business_day=day, actor=actor
    )
    let_the_clock_tick(ledger)
    with ledger.reading() as connection:
        found = newest_extraction(
            connection, hospital=hospital, business_day=day, run_id=str(actor.run_id)
        )
    assert found is not None
    return found


def let_the_clock_tick(ledger: Ledger) -> None:
    """Wait until what comes next is later by the ledger's clock: SQLite's counts milliseconds."""
    with ledger.engine.connect() as connection:
        now = connection.scalar(select(moment_in()))
        while connection.scalar(select(moment_in())) == now:
            pass


def apply(
    ledger: Ledger, extraction: Extraction, *proposed: Proposed, actor: Actor = ACTOR
) -> bool:
    """Apply an extraction; tell whether there was anything to apply."""
    with applying(ledger, extraction, actor) as application:
        if application is None:
            return False
        application.propose(proposed)
        application.finish(rows_merged=0)
    return True


def read_day(ledger: Ledger, *proposed: Proposed, **where: Any) -> Extraction:
    """Stage and apply one reading of a day that finds these attendances and no others."""
    rows = [{"cd_atendimento": proposal.attendance_id} for proposal, _ in proposed]
    extraction = stage(ledger, rows, **where)
    assert apply(ledger, extraction, *proposed, actor=where.get("actor", ACTOR))
    return extraction


def fill(ledger: Ledger, count: int) -> list[int]:
    """Put ready lines into the unit and return their ids."""
    read_day(ledger, *(invited(900_000_001 + i) for i in range(count)))
    return [line["id"] for line in lines_of(ledger)]


def take(
    ledger: Ledger,
    unit: Unit = UNIT,
    *,
    terms: Terms = TERMS,
    limit: int = 100,
    after: int = 0,
    actor: Actor = ACTOR,
) -> Batch:
    """Claim, where there is something to claim."""
    batch = claim(ledger, unit, terms, limit=limit, after=after, actor=actor)
    assert batch is not None
    return batch


def ids(batch: Batch) -> list[int]:
    """Return the ids of a batch's lines."""
    return [line.id for line in batch.lines]


def end_leases(ledger: Ledger) -> None:
    """Set every lease back, so that it ended a second ago by the database's clock."""
    with ledger.writing() as connection:
        for table in (schema.lines, schema.batches):
            ended = update(table).where(table.c.lease_until.is_not(None))
            connection.execute(ended.values(lease_until=moment_in(-1)))


def sql(ledger: Ledger, statement: str, **values: Any) -> None:
    """Write by SQL, as a person or an accident would."""
    with ledger.engine.begin() as connection:
        connection.execute(text(statement), values)


def rows_of(ledger: Ledger, table: Table, *order: str) -> Sequence[RowMapping]:
    """Return a table as it stands, seen by another session than the one that wrote it."""
    with ledger.engine.connect() as connection:
        ordered = select(table).order_by(*(table.c[name] for name in order or ("id",)))
        return connection.execute(ordered).mappings().all()


def lines_of(ledger: Ledger) -> Sequence[RowMapping]:
    """Return the lines in the order of their attendances."""
    return rows_of(ledger, schema.lines, "attendance_id", "id")


def batches_of(ledger: Ledger) -> Sequence[RowMapping]:
    """Return the batches in the order of their making."""
    return rows_of(ledger, schema.batches, "created_at")


def events_of(ledger: Ledger) -> list[str]:
    """Return the names of the transitions that were recorded, in order."""
    return [event["transition"] for event in rows_of(ledger, schema.events)]


def states_of(ledger: Ledger) -> list[str]:
    """Return the states of the lines in the order of their ids."""
    return [line["state"] for line in lines_of(ledger)]


def everything(ledger: Ledger, *tables: str) -> dict[str, Sequence[RowMapping]]:
    """Return tables as they stand, by default all of them, to compare them before and after."""
    return {
        table.name: rows_of(ledger, table, next(iter(table.primary_key)).name)
        for table in schema.metadata.sorted_tables
        if table.name in tables or not tables
    }


@contextmanager
def refusing(ledger: Ledger, table: str, action: str) -> Iterator[None]:
    """Make the database refuse `insert` or `update` on a table meanwhile."""
    if ledger.on_postgresql:
        sql(
            ledger,
            "create function refuse() returns trigger language plpgsql as"
            " $$ begin raise exception 'refused'; end $$",
        )
        sql(
            ledger,
            f"create trigger refuse before {action} on {table}"
            " for each row execute function refuse()",
        )
    else:
        sql(
            ledger,
            f"create trigger refuse before {action} on {table}"
            " begin select raise(abort, 'refused'); end",
        )
    try:
        yield
    finally:
        if ledger.on_postgresql:
            sql(ledger, "drop function refuse cascade")
        else:
            sql(ledger, "drop trigger refuse")


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
