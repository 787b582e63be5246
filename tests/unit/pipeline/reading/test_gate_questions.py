"""What a person is asked about the days that a run holds, and what the answer does."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from erp_days import DAY
from sqlalchemy import select

from track_dispatch.config.policies import VolumeGate
from track_dispatch.ledger import schema
from track_dispatch.ledger.approvals import ApprovalAnswer, VolumeQuestion
from track_dispatch.pipeline.decide import asked_by, question_text, take_answer
from track_dispatch.records import HospitalDay

if TYPE_CHECKING:
    from erp_days import ErpDays

BEFORE = DAY - timedelta(days=1)


def with_two_odd_days(erp_days: ErpDays) -> None:
    """Read a day of five and one of four patients, after weeks with one a day."""
    erp_days.settings["max_age_days"] = 60
    for week in range(1, 5):
        for day in (DAY, BEFORE):
            past = day - timedelta(weeks=week)
            erp_days.add(1000 + 10 * week + (day == DAY), past)
            erp_days.read(f"{past}", day=past)
    erp_days.sql("update envelopes set payload = null, waiting = 0")
    erp_days.sql("update lines set state = 'accepted', batch = 'b'")
    erp_days.settings |= {"volume_gate": VolumeGate(min_lines=2), "look_back_days": 1}
    for number in range(9):
        erp_days.add(number, DAY if number < 5 else BEFORE)
    erp_days.read()


def shown(erp_days: ErpDays) -> list[int]:
    """Return what a form made now shows."""
    return [one.id for one in asked_by(erp_days.run(), ledger=erp_days.ledger)]


def answer(
    erp_days: ErpDays,
    said: ApprovalAnswer,
    form: list[int] | None = None,
    *,
    decided_by: str | None = "ana",
) -> int:
    """Answer a form; one made now by default."""
    form = shown(erp_days) if form is None else form
    return take_answer(
        erp_days.run(), said, shown=form, ledger=erp_days.ledger, decided_by=decided_by
    )


def test_one_question_names_every_day_that_the_run_holds(erp_days: ErpDays) -> None:
    with_two_odd_days(erp_days)

    questions = asked_by(erp_days.run(), ledger=erp_days.ledger)
    text = question_text(questions)
    assert [(one.day.business_day, one.lines, one.usual) for one in questions] == [
        (BEFORE, 4, 1),
        (DAY, 5, 1),
    ]
    assert "**09/03/2026**: **4 convites**" in text
    assert "**10/03/2026**: **5 convites**" in text
    assert asked_by(erp_days.run("run-2"), ledger=erp_days.ledger) == []


def test_a_yes_frees_what_was_counted_of_all_days(erp_days: ErpDays) -> None:
    with_two_odd_days(erp_days)

    freed = answer(erp_days, ApprovalAnswer.APPROVED)
    assert (freed, erp_days.states()["ready"]) == (9, 9)
    assert asked_by(erp_days.run(), ledger=erp_days.ledger) == []


def test_silence_is_recorded_and_frees_nothing(erp_days: ErpDays) -> None:
    with_two_odd_days(erp_days)

    freed = answer(erp_days, ApprovalAnswer.TIMEOUT, decided_by=None)
    assert (freed, erp_days.states()["held"]) == (0, 9)
    with erp_days.ledger.reading() as connection:
        answers = connection.execute(
            select(schema.approvals.c.answer, schema.approvals.c.decided_by)
        ).all()
    assert [tuple(answer) for answer in answers] == [("timeout", None)] * 2


def test_an_answer_counts_once(erp_days: ErpDays) -> None:
    with_two_odd_days(erp_days)
    form = shown(erp_days)
    answer(erp_days, ApprovalAnswer.REJECTED, form)

    again = answer(erp_days, ApprovalAnswer.APPROVED, form, decided_by="rui")
    assert (again, erp_days.states()["held"]) == (0, 9)


def test_a_yes_does_not_count_for_a_question_that_its_form_did_not_show(
    erp_days: ErpDays,
) -> None:
    """Both days are read again under the form, with more patients, by the run that asks."""
    with_two_odd_days(erp_days)
    form = shown(erp_days)
    for number in range(100, 150):
        erp_days.add(number, DAY)
    erp_days.read()

    freed = answer(erp_days, ApprovalAnswer.APPROVED, form)

    questions = asked_by(erp_days.run(), ledger=erp_days.ledger)
    assert (freed, erp_days.states()["held"]) == (0, 59)
    assert [one.lines for one in questions] == [4, 55]
    assert not {one.id for one in questions} & set(form)
    assert answer(erp_days, ApprovalAnswer.APPROVED) == 59


def test_what_a_yes_finds_too_old_must_be_read_again(erp_days: ErpDays) -> None:
    with_two_odd_days(erp_days)
    erp_days.grow_old(hours=37)

    answer(erp_days, ApprovalAnswer.APPROVED)
    assert erp_days.states()["reopened"] == 9


def test_the_text_tells_lines_volume_and_the_usual_number() -> None:
    question = VolumeQuestion(1, HospitalDay("HMS", DAY), "run-1", 5, 7, 100, None)

    text = question_text([question])
    assert text.startswith(
        "- **10/03/2026**: **7 convites**; o usual neste dia da semana é **100**; **5 linhas"
    )
    assert "Aprove para enviar exatamente estas linhas" in text
