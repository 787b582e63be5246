"""The ledger's tables, for SQLite and PostgreSQL alike, and the database's own clock.

What a settled line may keep is a constraint of the database, not a habit of the code: outside the
waiting states its payload must be null. Migrations create exactly these tables; a test compares.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    literal_column,
    text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

from track_dispatch.records import BatchState, LineState

#: States in which a line still needs its payload; in every other state the payload is erased.
WAITING = (LineState.READY, LineState.HELD, LineState.SENDING, LineState.IN_DOUBT)


class Moment(TypeDecorator[datetime]):
    """An aware UTC moment; naive ones are refused (SQLite keeps no zone, so we keep UTC)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Any) -> datetime | None:
        """Refuse naive moments and store UTC."""
        if value is not None and value.tzinfo is None:
            message = "a moment without a time zone cannot be stored"
            raise ValueError(message)
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, _dialect: Any) -> datetime | None:
        """Give the zone back that SQLite forgot, and UTC where PostgreSQL has another."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class moment_in(FunctionElement[datetime]):  # noqa: N801 - reads as an SQL function
    """The database's clock, `seconds` from now: the only clock that leases know."""

    type = Moment()
    inherit_cache = True
    name = "moment_in"

    def __init__(self, seconds: float | BindParameter[float] = 0) -> None:
        fixed = isinstance(seconds, int | float)
        super().__init__(literal_column(str(float(seconds))) if fixed else seconds)


@compiles(moment_in, "postgresql")
def _on_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    # clock_timestamp moves inside a transaction; now() would stand still while a claim waits
    return f"(clock_timestamp() + make_interval(secs => {compiler.process(element.clauses, **kw)}))"


@compiles(moment_in, "sqlite")
def _on_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    seconds = compiler.process(element.clauses, **kw)
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', {seconds} || ' seconds')"


def _one_of(column: str, values: Any) -> str:
    return f"{column} in ({', '.join(repr(str(value)) for value in values)})"


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

ledger = Table(
    "ledger",
    metadata,
    Column("ledger_id", Text, primary_key=True),
    Column("created_at", Moment, nullable=False),
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
    Column("started_at", Moment, nullable=False),
    Column("completed_at", Moment),  # set in the transaction of the last chunk
    Column("applied_at", Moment),  # its lines are in the ledger
    Column("superseded_at", Moment),  # a newer one was applied first: nothing to do
    Column("rows", Integer),  # staged, counted by extract
    Column("rows_merged", Integer),  # further rows of an attendance that has one already
    Column("attendances", Integer),
    Column("other_day", Integer),  # known under another day
    Column("other_hospital", Integer),  # known as another hospital's
    Index("ix_extractions_hospital_business_day", "hospital", "business_day"),
)

staged_rows = Table(
    "staged_rows",
    metadata,
    Column("extraction_id", Text, ForeignKey("extractions.id"), primary_key=True),
    Column("chunk", Integer, primary_key=True),
    Column("payload", LargeBinary, nullable=False),  # encrypted
)

batches = Table(
    "batches",
    metadata,
    Column("id", Text, primary_key=True),  # the Idempotency-Key
    Column("claim_id", Text, nullable=False),
    Column("survey_uuid", Text, nullable=False),
    Column("hospital", Text, nullable=False),
    Column("business_day", Date, nullable=False),
    Column("area", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("lines", Integer, nullable=False),
    Column("validity_at", BigInteger, nullable=False),  # unix seconds, as posted
    Column("reminder_at", BigInteger),
    Column("lease_until", Moment, nullable=False),
    Column("split_from", Text, ForeignKey("batches.id")),
    Column("status", Integer),  # HTTP status of the answer
    Column("receipt", Text),  # Track's id of the distribution
    Column("run_id", Text),
    Column("try_number", Integer),
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("decision_id", BigInteger),  # the `restored` that doubted its lines: never posted
    CheckConstraint(_one_of("state", BatchState), name="state"),
    # At most one batch per survey is in flight: simultaneous uploads have left Track stuck.
    Index(
        "uq_batches_survey_in_flight",
        "survey_uuid",
        unique=True,
        sqlite_where=text("state = 'sending'"),
        postgresql_where=text("state = 'sending'"),
    ),
    Index("ix_batches_changed_at", "changed_at"),  # the rate look-out
)

lines = Table(
    "lines",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("source", Text, nullable=False),
    Column("attendance_id", Text, nullable=False),
    Column("hospital", Text, nullable=False),
    Column("business_day", Date, nullable=False),
    Column("area", Text),  # null: the ERP gave a label outside the six
    Column("channel", Text),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("payload", LargeBinary),  # encrypted import line, while it waits
    Column("digest", Text),  # keyed digest of the import line, to see a correction in the ERP
    Column("cpf_hash", Text),
    Column("email_hash", Text),
    Column("phone_hash", Text),
    Column("retry_allowed", Boolean, nullable=False, server_default=false()),
    Column("extraction_id", Text, ForeignKey("extractions.id"), nullable=False),  # last seen by
    Column("batch_id", Text, ForeignKey("batches.id")),
    Column("claim_id", Text),
    Column("lease_until", Moment),
    Column("found_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    UniqueConstraint("source", "attendance_id"),
    CheckConstraint(_one_of("state", LineState), name="state"),
    CheckConstraint(f"payload is null or {_one_of('state', WAITING)}", name="payload_erased"),
    CheckConstraint(
        "state <> 'sending' or (claim_id is not null and lease_until is not null"
        " and batch_id is not null)",
        name="sending_is_claimed",
    ),
    Index("ix_lines_unit", "hospital", "business_day", "state", "area", "channel", "id"),
    Index("ix_lines_extraction_id", "extraction_id"),
    Index("ix_lines_batch_id", "batch_id"),
    # Not "where state = 'sending'": a settlement by ids would look through it, with all that
    # left it since the last vacuum.
    Index(
        "ix_lines_lease",
        "lease_until",
        sqlite_where=text("lease_until is not null"),
        postgresql_where=text("lease_until is not null"),
    ),
)

events = Table(
    "events",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("line_id", _Id, ForeignKey("lines.id"), nullable=False),
    Column("transition", Text, nullable=False),
    Column("state", Text, nullable=False),  # the state entered
    Column("reason", Text),
    Column("detail", Text),  # what Track faulted: a code, a field; never a value
    Column("batch_id", Text),
    Column("actor", Text, nullable=False),
    Column("run_id", Text),
    Column("try_number", Integer),
    Column("decision_id", BigInteger),  # where a person moved the line
    Index("ix_events_line_id", "line_id"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("what", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("hospital", Text),
    Column("business_day", Date),
    Column("batch_id", Text),
    Column("as_of", Moment),  # of a restored backup
    Column("lines", Integer, nullable=False),  # that it moved
    Column("run_id", Text, unique=True),  # a run of track_decide is carried out once
)

stops = Table(
    "stops",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("stopped_at", Moment, nullable=False),
    Column("why", Text, nullable=False),
    Column("status", Integer),  # HTTP status of the answer
    Column("hospital", Text, nullable=False),  # whose dispatch met it
    Column("actor", Text, nullable=False),
    Column("run_id", Text),
    Column("try_number", Integer),
    Column("resumed_at", Moment),  # null: nothing may be sent, by any hospital
    Column("decision_id", BigInteger),  # who resumed, and why
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
    Column("person_hash", Text, primary_key=True),  # of a CPF, an e-mail or a phone
    Column("channel", Text, primary_key=True),  # "" = every channel
    Column("kind", Text, nullable=False),
    Column("source", Text, nullable=False),  # who told us: a person, a file, a clinic's list
    Column("added_at", Moment, nullable=False),
)

contacts = Table(
    "contacts",
    metadata,
    Column("person_hash", Text, primary_key=True),  # of a CPF, or of a contact with the name
    Column("claimed_at", Moment, nullable=False),
    Column("line", _Id, nullable=False),  # whose invitation it was
    Index("ix_contacts_line", "line"),
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("hospital", Text, nullable=False),
    Column("business_day", Date, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("lines", Integer, nullable=False),  # that the day has
    Column("usual", Integer, nullable=False),  # the median it was held against
    Column("answer", Text),  # approved, rejected, timeout; null while nobody answered
    Column("answered_at", Moment),
    Column("person", Text),
    Index("ix_approvals_hospital_business_day", "hospital", "business_day"),
)

rehearsals = Table(
    "rehearsals",
    metadata,
    Column("id", Text, primary_key=True),  # the Idempotency-Key
    Column("at", Moment, nullable=False),
    Column("hospital", Text, nullable=False),
    Column("business_day", Date, nullable=False),
    Column("area", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("survey_uuid", Text, nullable=False),
    Column("lines", Integer, nullable=False),  # synthetic: nobody's
    Column("verdict", Text),  # null: posted, and no answer written down
    Column("status", Integer),
    Column("receipt", Text),
    Column("run_id", Text, nullable=False),
)

__all__ = [
    "WAITING",
    "Moment",
    "approvals",
    "batches",
    "contacts",
    "decisions",
    "events",
    "extractions",
    "horizons",
    "ledger",
    "lines",
    "metadata",
    "moment_in",
    "optouts",
    "rehearsals",
    "staged_rows",
    "stops",
]
