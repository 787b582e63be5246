"""The task `volume_gate` and its approval: days whose number of lines is odd wait for a person.

Transform has judged each day in its own transaction and holds what is odd; here a person is asked,
once for all days that the run holds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from track_dispatch.ledger.approvals import (
    answer_question,
    ask_again,
    open_questions,
    questions_shown,
)

if TYPE_CHECKING:
    from track_dispatch.ledger.approvals import ApprovalAnswer, VolumeQuestion
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.pipeline import Run


def ask(run: Run, *, ledger: Ledger) -> list[VolumeQuestion]:
    """Return what a person must be asked: also what the run asked before and got no yes to.

    Raises:
        LedgerError: the ledger failed.
    """
    ask_again(ledger, hospital=run.hospital.code, actor=run.actor)
    return asked_by(run, ledger=ledger)


def asked_by(run: Run, *, ledger: Ledger) -> list[VolumeQuestion]:
    """Return what a run has asked and nobody answered, the earliest day first.

    Raises:
        LedgerError: the ledger failed.
    """
    with ledger.reading() as connection:
        return open_questions(connection, hospital=run.hospital.code, run_id=run.id)


def question_text(questions: Iterable[VolumeQuestion]) -> str:
    """Ask about all days held, in Portuguese; pure."""
    days = "\n".join(
        f"- **{one.day.business_day:%d/%m/%Y}**: **{one.volume}** convites; o usual neste dia da"
        f" semana é **{one.usual}**; **{one.lines}** linhas esperam"
        for one in questions
    )
    return (
        f"{days}\n\nAprove para enviar exatamente estas linhas; rejeite se o ERP ou a consulta"
        " parecem errados: as linhas ficam retidas, nada se perde."
    )


def take_answer(
    run: Run,
    answer: ApprovalAnswer,
    *,
    shown: Collection[int],
    ledger: Ledger,
    decided_by: str | None,
) -> int:
    """Record a person's answer, or its absence; return how many lines may go.

    Args:
        run: that asked.
        answer: how it ended.
        shown: ids of the questions that the person saw: what was asked later is not answered.
        ledger: open.
        decided_by: the person; None where nobody answered.

    Raises:
        LedgerError: the ledger failed.
    """
    with ledger.reading() as connection:
        questions = questions_shown(connection, shown)
    return sum(
        answer_question(
            ledger,
            question,
            answer,
            decided_by=decided_by,
            max_age_hours=run.hospital.extraction_max_age_hours,
            actor=run.actor,
        )
        for question in questions
    )
