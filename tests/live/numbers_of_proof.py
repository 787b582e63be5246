"""The numbers of a run, for the page of guarantees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.live.accounts import in_the_erp, lost

if TYPE_CHECKING:
    from tests.live.conftest import Proof


def numbers(proof: Proof, *, seconds: float) -> dict[str, int | float]:
    """Count what was done and what came of it."""
    stage, track = proof.stage, proof.stage.world.track
    accepted = track.accepted_ids()
    erp = [in_the_erp(hospital, day, days=proof.days) for hospital, day in proof.hospital_days()]
    return {
        "hospitals": len(stage.world.hospitals),
        **{what: stage.live.done[what] for what in ("runs", "tasks", "kills", "marks", "clears")},
        "struck": len(stage.struck),
        "posts": len(track.received),
        "attendances": sum(map(len, erp)),
        "accepted": accepted.total(),
        "in_doubt": sum(line.state == "in_doubt" for line in proof.lines),
        "duplicates": len(track.accepted_twice()),
        "violations": len(track.violations),
        "lost": sum(len(lost(keys, proof.lines, accepted)) for keys in erp),
        "seconds": round(seconds, 1),
    }
