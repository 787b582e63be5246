"""The ledger's tables, for SQLite and PostgreSQL alike, and their joins.

What a line that does not wait may keep is a constraint of the database, not a habit of the code:
an envelope in which nothing waits has no payload. Migration 0001 creates exactly these tables; a
test compares.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Sequence,
    Table,
    Text,
    UniqueConstraint,
    false,
    literal_column,
    or_,
    select,
    text,
    union,
)

from track_dispatch.ledger.sql import Moment
from track_dispatch.records import HospitalDay
from track_dispatch.states import BatchState, LineState


def _is_one_of(column: str, values: Iterable[str]) -> str:
    """Return a condition with `or`: for `in (...)` SQLite builds a table with every row written."""
    return " or ".join(f"{column} = '{value}'" for value in values)


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    return Index(
        name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where)
    )


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
_Id = BigInteger().with_variant(Integer(), "sqlite")

#: Places that an envelope has at most; an address is `envelope * PLACES + place`.
PLACES = 1000

#: Where PostgreSQL takes envelope ids from; SQLite, with its one writer, counts in `ledger`.
envelope_ids = Sequence("envelope_ids", metadata=metadata)

ledger = Table(
    "ledger",
    metadata,
    Column("ledger_id", Text, primary_key=True),
    Column("created_at", Moment, nullable=False),
    Column("next_envelope", _Id, nullable=False, server_default="1"),  # SQLite's
    # PostgreSQL's identity: another one is a restored backup, or a failover that lost claims
    Column("system_identifier", Text),
    Column("timeline", Integer),
    Column("tidied_at", Moment),  # when housekeeping was done last
)

identity_keys = Table(
    "identity_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),  # two secrets under one id are told apart
    Column("first_used_at", Moment, nullable=False),
)

extractions = Table(
    "extractions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("hospital", Text, nullable=False),
    Column("business_day", Date, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("try_number", Integer, nullable=False),
    Column("package_version", Text),  # what the worker ran with: `records.Software`
    Column("include_digest", Text),
    Column("started_at", Moment, nullable=False),
    Column("completed_at", Moment),  # set in the transaction of the last chunk
    Column("applied_at", Moment),  # its lines are in the ledger
    Column("superseded_at", Moment),  # a newer one was applied first: nothing to do
    Column("erp_warning", Text),  # what the ERP said when it let us in, for the report
    Column("rows", Integer),  # staged, counted by extract
    Column("rows_merged", Integer),  # further rows of an attendance that has one already
    Column("attendances", Integer),
    Column("other_day", Integer),  # known under another day, and not movable
    Column("other_hospital", Integer),  # known as another hospital's
    Column("absent", Integer),  # the day's known lines that it did not bring, whatever their state
    Column("lacking", Integer),  # known attendances that a wrong reading lacks, and keeps
    Column("column_counts", JSON),  # [column, kind, values]: `records.ColumnCounts`
    Column("volume", Integer),  # the day's lines that are not excluded, after transform
    Index("ix_extractions_hospital_business_day", "hospital", "business_day"),
    Index("ix_extractions_run_id", "run_id"),
)

staged = Table(
    "staged",
    metadata,
    Column("extraction", Text, ForeignKey("extractions.id"), primary_key=True),
    Column("chunk", Integer, primary_key=True),
    Column("ids", LargeBinary, nullable=False),  # encrypted: the attendance ids alone
    Column("payload", LargeBinary, nullable=False),  # encrypted: all columns
)

units = Table(
    "units",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("hospital", Text, nullable=False),
    Column("business_day", Date, nullable=False),
    # '' where excluded lines have none: null would let twins in
    Column("area", Text, nullable=False),
    Column("channel", Text, nullable=False),
    # the tries of a dispatch among which it failed for good: further tries leave it out
    Column("failed_series", Text),
    UniqueConstraint("hospital", "business_day", "area", "channel"),
    Index("ix_units_business_day", "business_day"),
)

envelopes = Table(
    "envelopes",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=False),
    Column("unit", _Id, ForeignKey("units.id"), nullable=False),
    Column("extraction", Text, nullable=False),  # whose rows its payload is of
    Column("rules", Text, nullable=False),  # digest of what its lines were judged under
    Column("version", Integer, nullable=False, server_default="0"),  # counts sealings
    Column("lines", Integer, nullable=False),  # places that were filled
    Column("waiting", Integer, nullable=False),  # of its lines now ready or held
    Column("reopened", Integer, nullable=False, server_default="0"),  # of its lines now so
    Column("payload", LargeBinary),
    CheckConstraint("payload is null or waiting > 0", name="payload_waits"),
    Index("ix_envelopes_unit_id", "unit", "id"),
    Index("ix_envelopes_extraction", "extraction"),
    _partial("ix_envelopes_waiting", "unit", "id", where="waiting > 0"),
    _partial("ix_envelopes_reopened", "unit", "id", where="reopened > 0"),
)

lines = Table(
    "lines",
    metadata,
    # the address it was found at: never changes
    Column("id", _Id, primary_key=True, autoincrement=False),
    # where its payload and its unit are now; another one after a re-evaluation or a move
    Column("address", _Id, nullable=False),
    Column("source", Text, nullable=False),
    Column("attendance_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("digest", LargeBinary),  # keyed, of the import line: tells a correction in the ERP
    Column("ask_until", Date),  # the last day on which the patient may be asked; null: no limit
    Column("batch", Text),  # that it goes out or went out in; null again when that released it
    # whether that ever happened: `batch` alone no longer tells that the line was claimed before
    Column("released", Boolean, nullable=False, server_default=false()),
    Column("question", _Id),  # the approval that counted it, while it is held
    UniqueConstraint("source", "attendance_id"),
    UniqueConstraint("address"),
    CheckConstraint(_is_one_of("state", LineState), name="state"),
    CheckConstraint("state <> 'sending' or batch is not null", name="sending_has_a_batch"),
    # room for a line's later states beside it: what is not indexed is then updated in place
    postgresql_with={"fillfactor": "50"},
)

identities = Table(
    "identities",
    metadata,
    Column("hash", BigInteger, primary_key=True, autoincrement=False),
    Column("line", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, primary_key=True),  # IdentityKind: p, c, o
    Column("key", Text, nullable=False),  # the identity key it was made with
    Index("ix_identities_line", "line"),
    sqlite_with_rowid=False,
)

batches = Table(
    "batches",
    metadata,
    Column("id", Text, primary_key=True),  # the Idempotency-Key
    Column("claim", Text, nullable=False),
    Column("survey", Text, nullable=False),
    Column("unit", _Id, ForeignKey("units.id")),  # null: a rehearsal, which has no lines
    Column("envelope", _Id),  # null: all of the unit's, of a batch that was never posted
    Column("state", Text, nullable=False),
    Column("lines", Integer, nullable=False),
    Column("lease_until", Moment),  # null: nobody owns it any more
    Column("validity_at", BigInteger, nullable=False),  # unix seconds, as posted
    Column("reminder_at", BigInteger),
    Column("parent", Text),  # the batch that it is a part of
    Column("status", Integer),  # HTTP status of the answer
    Column("receipt", Text),  # Track's id of the distribution
    Column("decision", _Id),  # the `restored` that doubted its lines: never posted
    Column("run_id", Text),
    Column("try_number", Integer),
    Column("package_version", Text),  # what the worker ran with: `records.Software`
    Column("include_digest", Text),
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    CheckConstraint(_is_one_of("state", BatchState), name="state"),
    # At most one batch per survey is in flight: simultaneous uploads have left Track stuck.
    _partial("uq_batches_survey_in_flight", "survey", where="state = 'sending'", unique=True),
    _partial("ix_batches_lease", "lease_until", where="lease_until is not null"),
    _partial("ix_batches_in_doubt", "unit", where="state = 'in_doubt'"),
    Index("ix_batches_unit", "unit"),
)

events = Table(
    "events",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("envelope", _Id, nullable=False),
    Column("places", Text, nullable=False),  # of the lines that moved together: "0-41,43"
    Column("transition", Text, nullable=False),
    Column("state", Text, nullable=False),  # the state entered
    Column("reason", Text),
    Column("detail", Text),  # what Track faulted: a code, a field; never a value
    Column("batch", Text),
    Column("actor", Text, nullable=False),
    Column("run_id", Text),
    Column("try_number", Integer),
    Column("decision", _Id),  # where a person moved the lines
    Column("came_from", Text),  # JSON {place: old address}, where lines came here
    Index("ix_events_envelope", "envelope"),
    _partial("ix_events_batch", "batch", where="batch is not null"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("verb", Text, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("hospital", Text),
    Column("business_day", Date),
    Column("batch", Text),
    Column("as_of", Moment),  # of a restored backup
    Column("lines", Integer, nullable=False),  # that it moved
    Column("run_id", Text, unique=True),  # a run of track_decide is carried out once
)

stops = Table(
    "stops",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("stopped_at", Moment, nullable=False),
    Column("why", Text, nullable=False),
    Column("status", Integer),  # HTTP status of the answer
    Column("hospital", Text, nullable=False),  # whose dispatch met it
    Column("actor", Text, nullable=False),
    Column("run_id", Text),
    Column("try_number", Integer),
    Column("resumed_at", Moment),  # null: nothing may be sent, by any hospital
    Column("decision", _Id),  # who resumed, and why
    _partial("ix_stops_standing", "id", where="resumed_at is null"),
)

refused_log_ons = Table(
    "refused_log_ons",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # keyed, of an ERP, a user and a password
    Column("conn_id", Text, nullable=False),
    Column("refused_at", Moment, nullable=False),
)

requests = Table(
    "requests",
    metadata,
    Column("slot", _Id, primary_key=True, autoincrement=False),  # unix seconds / slot length
    Column("taken", Integer, nullable=False),
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("hospital", Text, nullable=False),
    Column("business_day", Date, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("open_until", Moment, nullable=False),  # Airflow waits until then, if nobody answers
    Column("lines", Integer, nullable=False),  # held ones that it counted
    Column("volume", Integer, nullable=False),  # the day's lines that are not excluded
    Column("usual", Integer, nullable=False),  # the median it was held against
    Column("answer", Text),  # approved, rejected, timeout; null while nobody answered
    Column("answered_at", Moment),
    Column("decided_by", Text),
    Index("ix_approvals_hospital_business_day", "hospital", "business_day"),
)

horizons = Table(
    "horizons",
    metadata,
    Column("hospital", Text, primary_key=True),
    Column("first_known_day", Date, nullable=False),  # of earlier days the lines are deleted
)

optouts = Table(
    "optouts",
    metadata,
    Column("full_hash", LargeBinary, primary_key=True),
    Column("channel", Text, primary_key=True),  # '' = every channel
    Column("hash", BigInteger, nullable=False),  # its first 64 bits, as identities have them
    Column("key", Text, nullable=False),
    Column("entry", Text, nullable=False),  # the same for one value's hashes under several keys
    Column("kind", Text, nullable=False),  # cpf, email, phone
    Column("source", Text, nullable=False),  # who told us: a person, a file, a clinic's list
    Column("decision", _Id),  # who entered it, and why
    Column("added_at", Moment, nullable=False),
    Index("ix_optouts_hash", "hash"),
)

forgotten = Table(
    "forgotten",
    metadata,
    Column("source", Text, primary_key=True),
    Column("hash", BigInteger, primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    Column("line", BigInteger, nullable=False),  # the id it had: one for its hashes by several keys
)


# -- how they hang together --------------------------------------------------------


#: A line lies in an envelope.
LIES_IN = lines.c.address.between(envelopes.c.id * PLACES, envelopes.c.id * PLACES + (PLACES - 1))

#: An envelope lies in a unit.
IS_OF_UNIT = units.c.id == envelopes.c.unit

#: A batch is in doubt. Spelled out: for a parameter SQLite would not take the partial index.
IS_IN_DOUBT = batches.c.state == literal_column(f"'{BatchState.IN_DOUBT}'")

#: Something still has to happen to a batch. Each part has an index of its own.
IS_OPEN_BATCH = batches.c.id.in_(
    union(
        select(batches.c.id).where(IS_IN_DOUBT),
        select(batches.c.id).where(batches.c.state == literal_column(f"'{BatchState.SENDING}'")),
        select(batches.c.id).where(batches.c.lease_until.is_not(None)),
    )
)

#: Something waits in an envelope. Each part has an index of its own.
IS_OPEN_ENVELOPE = envelopes.c.id.in_(
    union(
        select(envelopes.c.id).where(envelopes.c.waiting > literal_column("0")),
        select(envelopes.c.id).where(envelopes.c.reopened > literal_column("0")),
    )
)


class Placed(NamedTuple):
    """An envelope, its unit, and how many of its places were filled."""

    id: int
    unit: int
    lines: int


def placed(connection: Connection, *where: Any) -> list[Placed]:
    """Return the envelopes that conditions on envelopes and their units choose.

    To go on from here by `addresses_in` is certain to be by index. In one join PostgreSQL would
    rather read all lines through when it looks for a state that few are in, and SQLite would
    rather make an index of its own.
    """
    chosen = select(envelopes.c.id, envelopes.c.unit, envelopes.c.lines).join(units, IS_OF_UNIT)
    return [Placed(*row) for row in connection.execute(chosen.where(*where))]


def addresses_in(found: Iterable[Placed]) -> list[int]:
    """Return the addresses of all lines that lie in these envelopes, for `among`."""
    return [
        address
        for envelope in sorted(found)
        for address in range(envelope.id * PLACES, envelope.id * PLACES + envelope.lines)
    ]


def of_batches(connection: Connection, found: Iterable[Any]) -> list[Placed]:
    """Return the envelopes of batches; all of its unit's, where one was never posted.

    `found` are rows with the batches' `unit` and `envelope`.
    """
    rows = list(found)
    posted = envelopes.c.id.in_(sorted({row.envelope for row in rows if row.envelope is not None}))
    never = in_units({row.unit for row in rows if row.envelope is None})
    return placed(connection, or_(posted, never)) if rows else []


def in_units(unit_ids: Collection[int]) -> Any:
    """Select envelopes by their units."""
    return envelopes.c.unit.in_(sorted(unit_ids))


def on_days(table: Table, days: Iterable[HospitalDay]) -> tuple[Any, Any]:
    """Select rows of these hospitals and these days: more than the pairs, but by one index.

    The index begins with the hospital: by days alone it would be read as a whole.
    """
    wanted = set(days)
    return (
        table.c.hospital.in_(sorted({day.hospital for day in wanted})),
        table.c.business_day.in_(sorted({day.business_day for day in wanted})),
    )


def plan_without_compiling(connection: Connection) -> None:
    """Keep PostgreSQL from compiling the statements of this transaction.

    It takes every range of addresses for thousands of lines. The plans are right, but by their
    guessed cost it would spend longer on compiling them than on running them.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("set local jit = off")
