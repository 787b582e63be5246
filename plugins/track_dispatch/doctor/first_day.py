"""The first day: what we assumed of Track, and what its first answers were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from track_dispatch.delivery.assumptions import ASSUMPTIONS
from track_dispatch.doctor.ledger_checks import reading
from track_dispatch.ledger.first_answers import first_answers

if TYPE_CHECKING:
    from track_dispatch.ledger.first_answers import FirstAnswer


def read_answers() -> list[FirstAnswer]:
    """Return the installation's first successes.

    Raises:
        ConfigError: there is no ledger.
    """
    with reading() as connection:
        return first_answers(connection)


def told(answers: Sequence[FirstAnswer]) -> Iterator[str]:
    """Yield the first successes beside what was assumed, line by line."""
    number = len(answers)
    yield f"Track's first {number} successes:" if number else "Track has accepted nothing yet."
    yield from (f"  {_told(answer)}" for answer in answers)
    yield ""
    yield "Assumed of Track, and to be confirmed with it:"
    for one in ASSUMPTIONS:
        yield f"  {one.assumed} ({one.place})"
        yield f"      if not: {one.if_wrong}"


def _told(answer: FirstAnswer) -> str:
    kind = "rehearsal" if answer.is_rehearsal else "batch"
    receipt = "a receipt" if answer.has_receipt else "no receipt"
    lines = f"{answer.posted} lines posted"
    if not answer.is_rehearsal:
        lines += f", {answer.accepted} accepted, {answer.refused} refused"
    return (
        f"{answer.at:%Y-%m-%d %H:%M} UTC  {kind}  HTTP {answer.status}, {receipt}, {answer.state}:"
        f" {lines}"
    )
