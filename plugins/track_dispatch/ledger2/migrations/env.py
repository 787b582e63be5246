"""Run the ledger's migrations on the connection that `creation.py` opened, in its transaction."""

from __future__ import annotations

from alembic import context

from track_dispatch.ledger2.creation import VERSION_TABLE
from track_dispatch.ledger2.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=False,  # the caller's transaction is the transaction
)
context.run_migrations()
