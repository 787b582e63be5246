"""VolumeApproval: a person decides whether a day of an odd volume goes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk.exceptions import TaskAwaitingInput

from track_dispatch.hooks.ledger import open_ledger
from track_dispatch.operators.run_context import run_from_context
from track_dispatch.pipeline.volume_gate import (
    ApprovalAnswer,
    asked_by,
    question_text,
    take_answer,
)

if TYPE_CHECKING:
    from airflow.sdk import Context


class VolumeApproval(ApprovalOperator):
    """Ask about the volume of the days that are held; approved, the counted lines are ready again.

    An answer counts for the questions that its form showed, whose ids travel with it: what a day
    holds that was read again meanwhile stays held. A rejection and silence leave all held; silence
    is written down as such, so that the report can tell it from a person's no.

    Args:
        hospital: the hospital's code.
    """

    def __init__(self, *, hospital: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.hospital = hospital

    def execute(self, context: Context) -> Any:
        """Ask, if transform has held a day; somebody may have marked the gate a success."""
        run = run_from_context(self.hospital, context)
        with open_ledger() as ledger:
            questions = asked_by(run, ledger=ledger)
        if not questions:
            return None
        self.body = question_text(questions)
        try:
            return super().execute(context)
        except TaskAwaitingInput as waiting:
            waiting.kwargs = {"shown": [one.id for one in questions]}
            raise

    def execute_complete(
        self, context: Context, event: dict[str, Any], shown: Sequence[int] = ()
    ) -> Any:
        """Take the answer, or its absence, to what the form showed."""
        run = run_from_context(self.hospital, context)
        approved = event.get("chosen_options") == [self.APPROVE]
        answer = ApprovalAnswer.APPROVED if approved else ApprovalAnswer.REJECTED
        if event.get("timedout") or "error" in event:
            answer = ApprovalAnswer.TIMEOUT
        decided_by = (event.get("responded_by_user") or {}).get("name")
        with open_ledger() as ledger:
            lines = take_answer(run, answer, shown=shown, ledger=ledger, decided_by=decided_by)
            later = asked_by(run, ledger=ledger)
        self.log.info("%s: %d linhas liberadas", answer.label, lines)
        if later:
            self.log.warning(
                "ATENÇÃO: um dia foi relido depois deste formulário: %d linhas que ele não mostrava"
                " continuam retidas; limpe volume_gate para responder por elas",
                sum(one.lines for one in later),
            )
        return super().execute_complete(context, event)
