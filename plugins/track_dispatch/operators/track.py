"""TrackOperator: one unit's lines to Track, as one mapped task."""

from __future__ import annotations

import logging
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import TaskDeferred

from track_dispatch.delivery.dispatch import dispatch
from track_dispatch.errors import QuietHoursError
from track_dispatch.hooks.desk import open_desk
from track_dispatch.hooks.track import TrackHook
from track_dispatch.operators.airflow_run import run_of
from track_dispatch.records import Area, Channel, Unit

if TYPE_CHECKING:
    from airflow.sdk import Context


log = logging.getLogger(__name__)


class TrackOperator(BaseOperator):
    """Claim, POST and settle what is ready of one area and channel of a hospital's day.

    Its arguments are labels and counts only: Airflow stores and shows them.

    Args:
        hospital: the hospital's code.
        area: one of the six areas' labels.
        channel: `email` or `whatsapp`.
        lines: how many lines transform found ready; for the eye, not for the work.
        track_conn_id: the Airflow connection to Track.
    """

    ui_color = "#d8ecf3"

    def __init__(
        self,
        *,
        hospital: str,
        area: str,
        channel: str,
        lines: int = 0,
        track_conn_id: str = TrackHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hospital = hospital
        self.area = area
        self.channel = channel
        self.lines = lines
        self.track_conn_id = track_conn_id

    def execute(self, context: Context) -> dict[str, int]:
        """Dispatch the unit and return counts.

        Raises:
            TrackDispatchError: see `delivery.dispatch.dispatch`.
        """
        self._stopped = threading.Event()
        area, channel = Area(self.area), Channel(self.channel)
        context["unit_label"] = f"{area} · {channel.label}"  # type: ignore[typeddict-unknown-key]
        run = run_of(self.hospital, context)
        unit = Unit(run.hospital.code, run.business_day, area, channel)
        with open_desk(
            run.hospital,
            run.actor,
            stopped=self._stopped.is_set,
            track_conn_id=self.track_conn_id,
            include_old=run.include_old,
        ) as desk:
            try:
                return asdict(dispatch(desk, unit))
            except QuietHoursError as quiet:
                log.info("waiting without a worker: %s", quiet)
                trigger = DateTimeTrigger(moment=quiet.opens_at)
                raise TaskDeferred(trigger=trigger, method_name="go_on") from None

    def go_on(self, context: Context, event: Any = None) -> dict[str, int]:  # noqa: ARG002 - Airflow's
        """Dispatch what is ready, now that the hospital's window is open."""
        return self.execute(context)

    def on_kill(self) -> None:
        """Start no further batch; Airflow calls this in the middle of whatever we are doing."""
        self._stopped.set()
