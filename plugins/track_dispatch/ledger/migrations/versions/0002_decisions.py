"""People decide: decisions, the switch that stops all hospitals, days that are forgotten.

Expand-only: the code of 0001 still works on these tables.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add tables, nullable columns and an index."""
    big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "decisions",
        sa.Column("id", big_id, autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("hospital", sa.Text(), nullable=True),
        sa.Column("business_day", sa.Date(), nullable=True),
        sa.Column("batch_id", sa.Text(), nullable=True),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
        sa.UniqueConstraint("run_id", name=op.f("uq_decisions_run_id")),
    )
    op.create_table(
        "stops",
        sa.Column("id", big_id, autoincrement=True, nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("hospital", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("try_number", sa.Integer(), nullable=True),
        sa.Column("resumed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stops")),
    )
    op.create_table(
        "horizons",
        sa.Column("hospital", sa.Text(), nullable=False),
        sa.Column("first_known_day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("hospital", name=op.f("pk_horizons")),
    )
    # without foreign keys: SQLite adds none to a table that is there
    op.add_column("batches", sa.Column("decision_id", sa.BigInteger(), nullable=True))
    op.add_column("events", sa.Column("decision_id", sa.BigInteger(), nullable=True))
    op.create_index("ix_batches_changed_at", "batches", ["changed_at"])
