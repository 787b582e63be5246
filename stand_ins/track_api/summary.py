"""Counts over what was received, for tests, the demo's table and the page. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from stand_ins.track_api.record import Fate, Received
from stand_ins.track_api.terms import Survey


@dataclass(kw_only=True)
class SurveyCounts:
    """What one survey got; moments in ISO 8601."""

    uuid: str
    name: str
    batches: int = 0
    accepted: int = 0
    refused: int = 0
    last_received_at: str | None = None


@dataclass(kw_only=True)
class UnitCounts:
    """What came for one hospital, area and channel."""

    unidade: str
    area_pesquisa: str
    channel: str
    posts: int = 0
    accepted: int = 0
    refused: int = 0


def accepted_counts(received: Iterable[Received]) -> Counter[tuple[str, str]]:
    """Count how often each line was accepted, by survey and `cd_atendimento`."""
    return Counter(
        (post.survey_uuid, attendance)
        for post in received
        for attendance in post.ids(Fate.ACCEPTED)
    )


def accepted_twice(received: Iterable[Received]) -> list[tuple[str, str]]:
    """List the (unidade, `cd_atendimento`) accepted more than once, whatever the survey."""
    counts = Counter(
        (line.unidade, line.cd_atendimento)
        for post in received
        for line in post.lines
        if line.fate is Fate.ACCEPTED
    )
    return sorted(identity for identity, count in counts.items() if count > 1)


def survey_counts(
    received: Sequence[Received], surveys: Mapping[str, Survey]
) -> list[SurveyCounts]:
    """Count by survey, in the order of the survey list; strangers come last."""
    counts = {uuid: SurveyCounts(uuid=uuid, name=survey.name) for uuid, survey in surveys.items()}
    for post in received:
        row = counts.setdefault(
            post.survey_uuid, SurveyCounts(uuid=post.survey_uuid, name="(no survey of ours)")
        )
        row.batches += 1
        row.accepted += len(post.ids(Fate.ACCEPTED))
        row.last_received_at = post.at.isoformat(timespec="seconds")
    for (survey, _unidade, _area, _channel), refused in _refused(received).items():
        counts[survey].refused += refused
    return list(counts.values())


def unit_counts(received: Sequence[Received]) -> list[UnitCounts]:
    """Count by hospital, area and channel, sorted by these."""
    counts: dict[tuple[str, str, str], UnitCounts] = {}

    def row(unit: tuple[str, str, str]) -> UnitCounts:
        unidade, area, channel = unit
        blank = UnitCounts(unidade=unidade, area_pesquisa=area, channel=channel)
        return counts.setdefault(unit, blank)

    for post in received:
        for unit in {(line.unidade, line.area_pesquisa, post.channel) for line in post.lines}:
            row(unit).posts += 1
        for line in post.lines:
            if line.fate is Fate.ACCEPTED:
                row((line.unidade, line.area_pesquisa, post.channel)).accepted += 1
    for (_survey, unidade, area, channel), refused in _refused(received).items():
        row((unidade, area, channel)).refused += refused
    return [counts[unit] for unit in sorted(counts)]


def _refused(received: Sequence[Received]) -> Counter[tuple[str, str, str, str]]:
    """Count, by survey and unit, the lines that were singled out and never accepted, each once."""
    accepted = accepted_counts(received)
    refused = {
        (post.survey_uuid, line.unidade, line.area_pesquisa, post.channel, line.cd_atendimento)
        for post in received
        for line in post.lines
        if line.fate is Fate.REFUSED
    }
    return Counter(
        (survey, unidade, area, channel)
        for survey, unidade, area, channel, attendance in refused
        if (survey, attendance) not in accepted
    )


def summarize(
    received: Sequence[Received],
    *,
    surveys: Mapping[str, Survey],
    requests: Mapping[str, int],
    violations: Sequence[str],
) -> dict[str, Any]:
    """Build the content of `/received.json`: counts and survey ids, nothing of a patient."""
    return {
        "requests": dict(requests),
        "posts": len(received),
        "accepted": sum(len(post.ids(Fate.ACCEPTED)) for post in received),
        "accepted_twice": len(accepted_twice(received)),
        "violations": list(violations),
        "surveys": [asdict(row) for row in survey_counts(received, surveys)],
        "units": [asdict(row) for row in unit_counts(received)],
    }
