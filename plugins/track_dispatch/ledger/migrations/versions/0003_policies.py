"""Who may be asked: opt-outs, contacts, approvals of a day's volume, rehearsals.

Expand-only: the code of 0002 still works on these tables.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add tables."""
    big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "optouts",
        sa.Column("person_hash", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("added_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("person_hash", "channel", name=op.f("pk_optouts")),
    )
    op.create_table(
        "contacts",
        sa.Column("person_hash", sa.Text(), nullable=False),
        sa.Column("claimed_at", moment, nullable=False),
        sa.Column("line", big_id, nullable=False),
        sa.PrimaryKeyConstraint("person_hash", name=op.f("pk_contacts")),
    )
    op.create_index("ix_contacts_line", "contacts", ["line"])
    op.create_table(
        "approvals",
        sa.Column("id", big_id, autoincrement=True, nullable=False),
        sa.Column("hospital", sa.Text(), nullable=False),
        sa.Column("business_day", sa.Date(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("asked_at", moment, nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("usual", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("answered_at", moment, nullable=True),
        sa.Column("person", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
    )
    op.create_index("ix_approvals_hospital_business_day", "approvals", ["hospital", "business_day"])
    op.create_table(
        "rehearsals",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("hospital", sa.Text(), nullable=False),
        sa.Column("business_day", sa.Date(), nullable=False),
        sa.Column("area", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("survey_uuid", sa.Text(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rehearsals")),
    )
