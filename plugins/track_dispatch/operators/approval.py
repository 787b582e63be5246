"""VolumeApproval: a person decides whether a day of an odd volume goes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator

from track_dispatch.hooks.ledger import open_configured
from track_dispatch.operators.run_context import run_from_context
from track_dispatch.pipeline.volume_gate import ApprovalAnswer, asked_by, take_answer

if TYPE_CHECKING:
    from airflow.sdk import Context


class VolumeApproval(ApprovalOperator):
    """Ask about the volume of the days that are held; approved, the counted lines are ready again.

    A rejection and silence leave them held; silence is written down as such, so that the report
    can tell it from a person's no.

    Args:
        hospital: the hospital's code.
    """

    def __init__(self, *, hospital: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.hospital = hospital

    def execute(self, context: Context) -> Any:
        """Ask, if transform has held a day; somebody may have marked the gate a success."""
        run = run_from_context(self.hospital, context)
        with open_configured() as ledger:
            if not asked_by(run, ledger=ledger):
                return None
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Take the answer, or its absence."""
        run = run_from_context(self.hospital, context)
        approved = event.get("chosen_options") == [self.APPROVE]
        answer = ApprovalAnswer.APPROVED if approved else ApprovalAnswer.REJECTED
        if event.get("timedout") or "error" in event:
            answer = ApprovalAnswer.TIMEOUT
        decided_by = (event.get("responded_by_user") or {}).get("name")
        with open_configured() as ledger:
            lines = take_answer(run, answer, ledger=ledger, decided_by=decided_by)
        self.log.info("volume %s lines=%d", answer, lines)
        return super().execute_complete(context, event)
