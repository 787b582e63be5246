"""Leases are found by an index that settlements have no use for.

PostgreSQL took the old one for every settlement, and read all that had left it since the last
vacuum. The code of 0003 works on either.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Replace the index."""
    leased = sa.text("lease_until is not null")
    op.drop_index("ix_lines_lease", "lines")
    op.create_index(
        "ix_lines_lease", "lines", ["lease_until"], sqlite_where=leased, postgresql_where=leased
    )
