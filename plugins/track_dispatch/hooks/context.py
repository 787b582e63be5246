"""The context of a dispatch, over the installation's ledger and its connection to Track."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from track_dispatch.config import rules_digest
from track_dispatch.delivery.context import DispatchContext
from track_dispatch.hooks.ledger import open_ledger
from track_dispatch.hooks.track import TrackHook

if TYPE_CHECKING:
    from track_dispatch.config import Hospital
    from track_dispatch.records import Actor


@contextmanager
def open_dispatch(
    hospital: Hospital,
    actor: Actor,
    *,
    series: str | None = None,
    stopped: Callable[[], bool] = lambda: False,
    track_conn_id: str = TrackHook.default_conn_name,
) -> Iterator[DispatchContext]:
    """Open what a dispatch works with, and close it afterwards.

    Args:
        hospital: whose lines are sent.
        actor: who sends.
        series: of the tries among which a unit that failed for good is not tried again; None: this
            try stands alone.
        stopped: tells that no further batch may be started.
        track_conn_id: the Airflow connection to Track.

    Raises:
        ConfigError: a connection is missing or something in it is wrong.
        LedgerError: the ledger's database does not answer.
    """
    hook = TrackHook(track_conn_id)
    deadline = hospital.post_deadline_seconds
    with open_ledger() as ledger, hook.client(deadline_seconds=deadline) as client:
        yield DispatchContext(
            hospital=hospital,
            ledger=ledger,
            client=client,
            track_host=hook.base_url,
            actor=actor,
            series=series or str(uuid.uuid4()),
            rules=rules_digest(hospital),
            now=lambda: datetime.now(UTC),
            stopped=stopped,
        )
