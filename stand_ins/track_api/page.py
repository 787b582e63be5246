"""The page that shows what the stand-in received: counts, batches, initials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stand_ins.track_api.record import Fate, Received
from stand_ins.track_api.summary import accepted_twice, survey_counts
from stand_ins.track_api.terms import Survey

#: How many batches the page shows.
RECENT = 50

_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(
    received: Sequence[Received], *, surveys: Mapping[str, Survey], violations: Sequence[str]
) -> str:
    """Write the page: one table by survey, one of the most recent batches."""
    counts = survey_counts(received, surveys)
    names = {row.uuid: row.name for row in counts}
    return _environment.get_template("page.html").render(
        surveys=counts,
        posts=len(received),
        accepted=sum(row.accepted for row in counts),
        refused=sum(row.refused for row in counts),
        twice=len(accepted_twice(received)),
        violations=violations,
        batches=[_batch(post, names) for post in islice(reversed(received), RECENT)],
    )


def _batch(post: Received, names: Mapping[str, str]) -> dict[str, object]:
    return {
        "number": post.number,
        "at": post.at.isoformat(sep=" ", timespec="seconds"),
        "survey": names[post.survey_uuid],
        "channel": post.channel,
        "key": post.idempotency_key or "",
        "lines": len(post.lines),
        "accepted": len(post.ids(Fate.ACCEPTED)),
        "status": post.status,
        "fault": post.fault or "",
        "people": _people(post),
    }


def _people(post: Received) -> str:
    """Mask the first three names to initials and count the rest."""
    lines = post.body.get("import_lines", []) if post.body else []
    names = [str(line.get("name", "")) for line in lines if isinstance(line, dict)]
    shown = [" ".join(f"{word[0]}." for word in name.split()) or "?" for name in names[:3]]
    rest = [f"+ {len(names) - 3}"] if len(names) > 3 else []
    return ", ".join(shown + rest)
