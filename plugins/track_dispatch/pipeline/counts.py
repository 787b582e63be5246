"""Days and counts as an analyst reads them, in the logs of all tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from track_dispatch.states import LineState, Reason

if TYPE_CHECKING:
    from track_dispatch.ledger.views import LineCount
    from track_dispatch.records import HospitalDay


def day_text(day: HospitalDay, *, read_again: bool = False) -> str:
    """Name a hospital's day; `read_again`: by a run of a later one."""
    return f"{day.hospital} · {day.business_day:%d/%m/%Y}{' (relido)' if read_again else ''}"


def states_text(states: Mapping[LineState, int]) -> str:
    """List how many lines stand in each state; "" where there are none."""
    return ", ".join(f"{states[state]} {state.label}" for state in LineState if states.get(state))


def excluded_by_reason(counts: Sequence[LineCount]) -> dict[str, int]:
    """Count excluded lines by reason, in the order of the reasons' names."""
    reasons: Counter[str] = Counter()
    for count in counts:
        if count.state is LineState.EXCLUDED and count.reason:
            reasons[count.reason] += count.lines
    return dict(sorted(reasons.items()))


def reason_label(reason: str) -> str:
    """Return a reason's label; one that a later version has written is its own."""
    return Reason(reason).label if reason in set(Reason) else reason


def lines_text(counts: Sequence[LineCount]) -> str:
    """Say in one line where a day's lines stand; the reasons of those excluded come last."""
    states: Counter[LineState] = Counter()
    for count in counts:
        states[count.state] += count.lines
    reasons = excluded_by_reason(counts).items()
    why = ", ".join(f"{lines} {reason_label(reason)}" for reason, lines in reasons)
    return (states_text(states) or "nenhum atendimento") + (f" (excluídas: {why})" if why else "")
