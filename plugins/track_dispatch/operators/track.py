"""TrackOperator: what is ready of a hospital to Track, as one task."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import TaskDeferred

from track_dispatch.delivery.dispatch import dispatch
from track_dispatch.errors import BudgetSpentError, QuietHoursError
from track_dispatch.hooks.context import open_dispatch
from track_dispatch.hooks.track import TrackHook
from track_dispatch.operators.run_context import run_from_context

if TYPE_CHECKING:
    from airflow.sdk import Context

    from track_dispatch.delivery.context import DispatchContext


log = logging.getLogger(__name__)

#: The shortest wait for Track's requests without a worker. To begin again costs seconds of CPU:
#: by then there must be room for more than one batch.
SHORTEST_WAIT = timedelta(minutes=1)


class TrackOperator(BaseOperator):
    """Claim, POST and settle what is ready of a hospital, up to the run's day.

    Its arguments are labels only: Airflow stores and shows them.

    Args:
        hospital: the hospital's code.
        track_conn_id: the Airflow connection to Track.
    """

    ui_color = "#d8ecf3"

    def __init__(
        self,
        *,
        hospital: str,
        track_conn_id: str = TrackHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hospital = hospital
        self.track_conn_id = track_conn_id
        self._is_killed = False

    def execute(self, context: Context) -> dict[str, int]:
        """Dispatch the hospital and return counts.

        Raises:
            TaskDeferred: what is ready waits, without a worker and without a try.
            TrackDispatchError: see `delivery.dispatch.dispatch`.
        """
        run = run_from_context(self.hospital, context)
        with open_dispatch(
            run.hospital,
            run.actor,
            series=series_of(context),
            stopped=lambda: self._is_killed,
            track_conn_id=self.track_conn_id,
        ) as opened:
            try:
                return asdict(dispatch(opened, run.business_day))
            except (QuietHoursError, BudgetSpentError) as error:
                moment = resumes_at(error, opened)
                local = moment.astimezone(run.hospital.zone)
                log.info(
                    "%s: o resto espera, sem ocupar ninguém, até %s; depois continua sozinho (%s)",
                    run.hospital.code,
                    f"{local:%d/%m/%Y %H:%M}",
                    error,
                )
        raise TaskDeferred(trigger=DateTimeTrigger(moment=moment), method_name="go_on")

    def go_on(self, context: Context, event: Any = None) -> dict[str, int]:  # noqa: ARG002 - Airflow's
        """Dispatch what is ready, now that it may go."""
        return self.execute(context)

    def on_kill(self) -> None:
        """Start no further batch; Airflow calls this in the middle of whatever we are doing."""
        self._is_killed = True


def series_of(context: Mapping[str, Any]) -> str:
    """Name a task's tries up to the next clear: that raises `max_tries`, a retry does not."""
    return f"{context['dag_run'].run_id}#{context['ti'].max_tries}"


def resumes_at(error: QuietHoursError | BudgetSpentError, opened: DispatchContext) -> datetime:
    """Return when a dispatch that has to wait goes on."""
    if isinstance(error, QuietHoursError):
        return error.opens_at
    return opened.now() + max(SHORTEST_WAIT, timedelta(seconds=error.retry_after))
