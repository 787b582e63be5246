"""Track's surveys beside ours: who uses which, and which of ours Track lacks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from track_dispatch.records import Area

if TYPE_CHECKING:
    from track_dispatch.config import Hospital
    from track_dispatch.delivery.client import TrackSurvey

#: The status of a survey that only our files know.
MISSING = "missing"


@dataclass(frozen=True, slots=True)
class SurveyUse:
    """One survey, and the areas of our hospitals that use it, as `HMS internacao`."""

    uuid: str
    name: str
    status: str
    used_by: tuple[str, ...]


def is_active(survey: TrackSurvey) -> bool:
    """Tell whether Track would take a distribution of the survey.

    Source: docs/track-api.md#unconfirmed
    """
    return survey.status.lower() == "active"


def survey_uses(listed: Iterable[TrackSurvey], hospitals: Iterable[Hospital]) -> list[SurveyUse]:
    """Return Track's surveys by name, and after them those of ours that Track lacks."""
    used: defaultdict[str, list[str]] = defaultdict(list)
    for hospital in hospitals:
        for area in Area:
            if uuid := hospital.survey(area):
                used[str(uuid)].append(f"{hospital.code} {area.key}")
    uses = [
        SurveyUse(one.uuid, one.name, one.status, tuple(used.pop(one.uuid.lower(), ())))
        for one in sorted(listed, key=lambda one: (one.name.casefold(), one.uuid))
    ]
    return uses + [SurveyUse(uuid, "", MISSING, tuple(areas)) for uuid, areas in used.items()]
