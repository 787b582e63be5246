"""The desk of a dispatch, over the installation's ledger and its connection to Track."""

from __future__ import annotations

from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from track_dispatch.delivery.desk import Desk
from track_dispatch.hooks.ledger import open_configured
from track_dispatch.hooks.track import TrackHook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from track_dispatch.config import Hospital
    from track_dispatch.records import Actor


@contextmanager
def open_desk(
    hospital: Hospital,
    actor: Actor,
    *,
    stopped: Callable[[], bool] = lambda: False,
    track_conn_id: str = TrackHook.default_conn_name,
    include_old: bool = False,
) -> Iterator[Desk]:
    """Open what a dispatch works with, and close it afterwards.

    Args:
        hospital: whose lines are sent.
        actor: who sends.
        stopped: tells that no further batch may be started.
        track_conn_id: the Airflow connection to Track.
        include_old: whether a person wants what is older than `max_age_days`, too.

    Raises:
        ConfigError: a connection is missing or something in it is wrong.
        LedgerError: the ledger's database does not answer.
    """
    hook = TrackHook(track_conn_id)
    deadline = hospital.post_deadline_seconds
    with closing(open_configured()) as ledger, hook.client(deadline_seconds=deadline) as client:
        yield Desk(
            hospital=hospital,
            ledger=ledger,
            client=client,
            track_host=hook.base_url,
            actor=actor,
            now=lambda: datetime.now(UTC),
            stopped=stopped,
            include_old=include_old,
        )
