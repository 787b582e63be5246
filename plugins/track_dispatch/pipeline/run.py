"""What every task knows of its run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    from track_dispatch.config import Hospital
    from track_dispatch.records import Actor


class Mode(StrEnum):
    """What a run does: send, only say what it would send, or send to our own people."""

    LIVE = "live"
    DRY_RUN = "dry_run"
    REHEARSAL = "rehearsal"


@dataclass(frozen=True, slots=True)
class Run:
    """One try of one task: the hospital, the business day, who acts.

    `include_old` is a person's wish to ask attendances older than `max_age_days`, too.
    """

    hospital: Hospital
    business_day: date
    actor: Actor
    include_old: bool = False
    mode: Mode = Mode.LIVE

    @property
    def id(self) -> str:
        """The run that the ledger keeps extractions under."""
        return self.actor.run_id or self.actor.name
