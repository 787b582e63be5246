"""The task `volume_gate`: a day whose number of invitations is odd waits for a person."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from track_dispatch.ledger.approvals import (
    Answer,
    answer_question,
    hold_day,
    last_question,
    past_volumes,
    volume_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from track_dispatch.config.policies import VolumeGate
    from track_dispatch.ledger.approvals import Question, Volume
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.pipeline.run import Run


@dataclass(frozen=True, slots=True)
class Oddity:
    """A day's number of invitable lines, and the usual one that it is far from."""

    lines: int
    usual: int

    def text(self) -> str:
        """Ask about it, in Portuguese."""
        return (
            f"**{self.lines}** convites neste dia; o usual neste dia da semana é **{self.usual}**."
            " Aprove para enviar; rejeite se o ERP ou a consulta parecem errados: as linhas ficam"
            " retidas, nada se perde."
        )


def odd_volume(volume: Volume, past: Sequence[int], gate: VolumeGate) -> Oddity | None:
    """Tell whether a person should look at a day's volume first; pure."""
    if not volume.waiting or len(past) < gate.min_history_days:
        return None
    usual = median(past)
    far = abs(volume.invitable - usual) >= gate.min_lines
    outside = not gate.low * usual <= volume.invitable <= gate.high * usual
    return Oddity(volume.invitable, round(usual)) if far and outside else None


def hold_odd_day(run: Run, *, ledger: Ledger, is_backfill: bool) -> Oddity | None:
    """Hold the day's lines where a person must look first, and return why.

    Raises:
        LedgerError: the ledger failed; the day is as it was.
    """
    gate, day = run.hospital.volume_gate, {"hospital": run.hospital.code}
    if gate is None or (is_backfill and not gate.backfills):
        return None
    with ledger.reading() as connection:
        volume = volume_of(connection, **day, business_day=run.business_day)
        past = past_volumes(connection, **day, business_day=run.business_day, weeks=gate.weeks)
    odd = odd_volume(volume, past, gate)
    if odd is not None:
        hold_day(
            ledger,
            **day,
            business_day=run.business_day,
            lines=odd.lines,
            usual=odd.usual,
            actor=run.actor,
        )
    return odd


def open_question(run: Run, *, ledger: Ledger) -> Question | None:
    """Return the question that the run has asked and nobody answered."""
    with ledger.reading() as connection:
        question = last_question(
            connection,
            hospital=run.hospital.code,
            business_day=run.business_day,
            run_id=run.id,
        )
    return question if question is not None and question.answer is None else None


def take_answer(run: Run, answer: Answer, *, ledger: Ledger, person: str | None) -> int:
    """Write a person's answer, or its absence, down; return how many lines may go."""
    question = open_question(run, ledger=ledger)
    if question is None:
        return 0
    return answer_question(
        ledger,
        question,
        answer,
        hospital=run.hospital.code,
        business_day=run.business_day,
        person=person,
        actor=run.actor,
    )
