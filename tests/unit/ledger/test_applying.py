"""Applying an extraction: one line or exclusion per attendance, and nothing that is on its way."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from ledger_steps import (
    ACTOR,
    DAY,
    OTHER_RUN,
    UNIT,
    apply,
    blocked,
    events_of,
    everything,
    invited,
    lines_of,
    not_invited,
    read_day,
    refusing,
    rows_of,
    sql,
    stage,
    stage_all,
    states_of,
    take,
)

from track_dispatch.errors import LedgerError
from track_dispatch.ledger import schema
from track_dispatch.ledger.applying import applying
from track_dispatch.ledger.settling import Settlement, settle
from track_dispatch.ledger.staging import staged_chunks
from track_dispatch.records import Area, Channel, Proposal, Reason, Refusal, Unit

if TYPE_CHECKING:
    from track_dispatch.ledger.applying import Application
    from track_dispatch.ledger.database import Ledger

NUMBER = 900_000_001


def staged_rows(ledger: Ledger) -> int:
    return len(rows_of(ledger, schema.staged_rows, "chunk"))


def extractions(ledger: Ledger) -> dict[str, Any]:
    return {found["id"]: found for found in rows_of(ledger, schema.extractions)}


def line_of(ledger: Ledger) -> Any:
    (line,) = lines_of(ledger)
    return line


def refuse(ledger: Ledger, refusal: Refusal = Refusal.BY_STATUS) -> None:
    """Let Track refuse the unit's only line."""
    read_day(ledger, invited(NUMBER))
    batch = take(ledger)
    refused = Settlement(refused={batch.lines[0].id: "invalid_email"}, refusal=refusal)
    settle(ledger, batch, refused, actor=ACTOR)


def test_each_attendance_becomes_one_line_or_exclusion(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER), not_invited(NUMBER + 1, Reason.DEATH))

    told = ("attendance_id", "state", "reason", "area", "channel")
    assert [tuple(line[name] for name in told) for line in lines_of(ledger)] == [
        (str(NUMBER), "ready", None, UNIT.area, UNIT.channel),
        (str(NUMBER + 1), "excluded", "death", UNIT.area, None),
    ]


def test_an_attendance_of_an_unknown_area_is_kept_without_one(ledger: Ledger) -> None:
    read_day(ledger, (Proposal(str(NUMBER), None, reason=Reason.UNKNOWN_AREA), {}))

    line = line_of(ledger)
    assert (line["area"], line["state"], line["reason"]) == (None, "excluded", "unknown_area")


def test_a_line_keeps_hashes_of_its_person_and_an_exclusion_none(ledger: Ledger) -> None:
    proposal, _ = invited(NUMBER)
    read_day(ledger, (proposal, {"cpf": "52998224725", "email": ""}), not_invited(NUMBER + 1))

    hashes = [
        (line["cpf_hash"], line["email_hash"], line["phone_hash"]) for line in lines_of(ledger)
    ]
    assert hashes == [
        (ledger.keys.identity("cpf", "52998224725"), None, None),
        (None, None, None),
    ]


def test_no_value_of_a_patient_is_readable_in_the_ledger(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER, name="ANASTACIA PLANTADA", email="plantada@example.test"))

    held = repr([dict(row) for rows in everything(ledger).values() for row in rows]).lower()
    assert (str(NUMBER) in held, "plantada" in held) == (True, False)


def test_a_day_read_twice_alike_changes_nothing(ledger: Ledger) -> None:
    proposed = [invited(NUMBER), not_invited(NUMBER + 1)]
    read_day(ledger, *proposed)
    read_day(ledger, *proposed)

    assert events_of(ledger) == ["found", "found"]


def test_every_line_tells_which_extraction_saw_it_last(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER), invited(NUMBER + 1))
    second = read_day(ledger, invited(NUMBER))

    seen = [line["extraction_id"] == second.id for line in lines_of(ledger)]
    assert seen == [True, False]


@pytest.mark.parametrize(
    "now",
    [
        invited(NUMBER, name="MARIA DO CARMO"),
        invited(NUMBER, replace(UNIT, area=Area.EXAMES)),
        invited(NUMBER, replace(UNIT, channel=Channel.WHATSAPP)),
        not_invited(NUMBER),
    ],
    ids=["content", "area", "channel", "exclusion"],
)
def test_a_ready_line_follows_what_is_read_anew(ledger: Ledger, now: Any) -> None:
    read_day(ledger, invited(NUMBER))
    read_day(ledger, now)

    proposal, line = now[0], line_of(ledger)
    held = ledger.keys.decrypt(line["payload"]) if line["payload"] else None
    assert (line["state"], line["reason"], line["area"], line["channel"], held) == (
        proposal.state,
        proposal.reason,
        proposal.area,
        proposal.channel,
        proposal.line,
    )


def test_an_exclusion_that_no_longer_holds_becomes_ready(ledger: Ledger) -> None:
    read_day(ledger, not_invited(NUMBER))
    read_day(ledger, invited(NUMBER))

    assert (line_of(ledger)["state"], line_of(ledger)["reason"]) == ("ready", None)


@pytest.mark.parametrize(
    ("state", "read_as"),
    [
        (state, read_as)
        for state in ("sending", "in_doubt", "accepted", "abandoned", "expired", "held")
        for read_as in ("changed", "excluded", "missing")
        if (state, read_as) != ("held", "missing")
    ],
)
def test_what_is_on_its_way_or_final_is_not_touched(
    ledger: Ledger, state: str, read_as: str
) -> None:
    read_day(ledger, invited(NUMBER))
    take(ledger)
    erased = "" if state in schema.WAITING else ", payload = null"
    sql(ledger, f"update lines set state = :state{erased}", state=state)
    before = dict(line_of(ledger))
    again = {"changed": [invited(NUMBER, name="MARIA DO CARMO")], "excluded": [not_invited(NUMBER)]}
    read_day(ledger, *again.get(read_as, []))

    after = dict(line_of(ledger))
    assert {**after, "extraction_id": None} == {**before, "extraction_id": None}


@pytest.mark.parametrize("state", ["ready", "held"])
def test_what_the_day_no_longer_holds_is_gone(ledger: Ledger, state: str) -> None:
    read_day(ledger, invited(NUMBER))
    sql(ledger, "update lines set state = :state", state=state)
    read_day(ledger, invited(NUMBER + 1))

    gone, new = lines_of(ledger)
    assert (gone["state"], gone["reason"], gone["payload"]) == ("excluded", "gone", None)
    assert new["state"] == "ready"


def test_what_reappears_after_it_was_gone_is_ready_again(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER))
    read_day(ledger)
    read_day(ledger, invited(NUMBER))

    assert (line_of(ledger)["state"], line_of(ledger)["reason"]) == ("ready", None)
    assert ledger.keys.decrypt(line_of(ledger)["payload"]) == invited(NUMBER)[0].line


@pytest.mark.parametrize(
    "where",
    [{"day": DAY + timedelta(1)}, {"hospital": "HMSM", "source": "hmsm"}],
    ids=["day", "hospital"],
)
def test_an_empty_reading_takes_nothing_from_another(ledger: Ledger, where: Any) -> None:
    read_day(ledger, invited(NUMBER))
    read_day(ledger, **where)

    assert states_of(ledger) == ["ready"]


# --- refusals ------------------------------------------------------------------------------


def test_a_refusal_by_status_is_reopened_when_the_erp_mended_the_line(ledger: Ledger) -> None:
    refuse(ledger)
    read_day(ledger, invited(NUMBER, email="mended@example.test"))

    line = line_of(ledger)
    assert (line["state"], line["reason"], line["batch_id"]) == ("ready", None, None)


def test_a_refusal_by_status_stays_while_the_line_is_the_same(ledger: Ledger) -> None:
    refuse(ledger)
    read_day(ledger, invited(NUMBER))

    assert line_of(ledger)["state"] == "refused"


def test_a_refused_line_that_may_no_longer_be_asked_is_excluded(ledger: Ledger) -> None:
    refuse(ledger)
    read_day(ledger, not_invited(NUMBER, Reason.DEATH))

    assert (line_of(ledger)["state"], line_of(ledger)["reason"]) == ("excluded", "death")


@pytest.mark.parametrize(
    "read_as",
    [invited(NUMBER), invited(NUMBER, email="mended@example.test"), not_invited(NUMBER)],
    ids=["alike", "mended", "excluded"],
)
def test_a_refusal_inside_an_acceptance_is_never_reopened(ledger: Ledger, read_as: Any) -> None:
    refuse(ledger, Refusal.IN_ACCEPTANCE)
    read_day(ledger, read_as)

    assert line_of(ledger)["state"] == "refused"


@pytest.mark.parametrize("refusal", list(Refusal))
def test_any_refusal_is_reopened_when_a_person_allows_it(ledger: Ledger, refusal: Refusal) -> None:
    refuse(ledger, refusal)
    sql(ledger, "update lines set retry_allowed = true")
    read_day(ledger, invited(NUMBER))

    assert (line_of(ledger)["state"], bool(line_of(ledger)["retry_allowed"])) == ("ready", False)


def test_a_refused_line_that_is_gone_stays_refused(ledger: Ledger) -> None:
    refuse(ledger)
    read_day(ledger)

    assert line_of(ledger)["state"] == "refused"


# --- attendances that are known already ----------------------------------------------------


@pytest.mark.parametrize(
    ("where", "counted"),
    [
        ({"day": DAY + timedelta(1)}, "other_day"),
        ({"hospital": "HMSM"}, "other_hospital"),
    ],
)
def test_an_attendance_that_is_known_elsewhere_makes_no_second_line(
    ledger: Ledger, where: Any, counted: str
) -> None:
    read_day(ledger, invited(NUMBER))
    before = dict(line_of(ledger))
    second = read_day(ledger, invited(NUMBER, name="MARIA DO CARMO"), **where)

    found = extractions(ledger)[second.id]
    assert dict(line_of(ledger)) == before
    assert {name: found[name] for name in ("other_day", "other_hospital")} == {
        "other_day": 0,
        "other_hospital": 0,
        counted: 1,
    }


def test_attendances_of_another_source_are_other_people(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER))
    read_day(
        ledger,
        invited(NUMBER, Unit("HSMC", DAY, Area.INTERNACAO, Channel.EMAIL)),
        hospital="HSMC",
        source="hsmc",
    )

    assert [(line["source"], line["state"]) for line in lines_of(ledger)] == [
        ("hms", "ready"),
        ("hsmc", "ready"),
    ]


def test_a_line_moved_to_another_hospital_of_its_source_is_not_asked_again(
    ledger: Ledger,
) -> None:
    """Renaming a hospital must not make a new person of its patient."""
    read_day(ledger, invited(NUMBER))
    batch = take(ledger)
    settle(ledger, batch, Settlement(accepted=[batch.lines[0].id]), actor=ACTOR)
    read_day(ledger, invited(NUMBER, replace(UNIT, hospital="NEW")), hospital="NEW")

    assert states_of(ledger) == ["accepted"]


# --- once, and in the order of completion ---------------------------------------------------


def test_an_extraction_is_applied_once(ledger: Ledger) -> None:
    extraction = stage(ledger)
    apply(ledger, extraction, invited(NUMBER))
    before = everything(ledger)

    assert not apply(ledger, extraction, not_invited(NUMBER))
    assert everything(ledger) == before


def test_an_older_extraction_is_not_applied_after_a_newer_one(ledger: Ledger) -> None:
    older = stage(ledger, [{"cd_atendimento": str(NUMBER)}], actor=OTHER_RUN)
    read_day(ledger, invited(NUMBER))

    assert not apply(ledger, older, actor=OTHER_RUN)
    assert states_of(ledger) == ["ready"]


def test_a_superseded_extraction_says_so_and_its_rows_are_erased(ledger: Ledger) -> None:
    older = stage(ledger, [{"cd_atendimento": str(NUMBER)}], actor=OTHER_RUN)
    read_day(ledger, invited(NUMBER))
    apply(ledger, older, actor=OTHER_RUN)

    found = extractions(ledger)[older.id]
    assert (found["applied_at"], found["superseded_at"] is not None) == (None, True)
    assert staged_rows(ledger) == 0


def test_a_newer_extraction_that_is_not_applied_supersedes_nothing(ledger: Ledger) -> None:
    older = stage(ledger, actor=OTHER_RUN)
    stage(ledger)

    assert apply(ledger, older, invited(NUMBER), actor=OTHER_RUN)


def test_an_extraction_of_another_day_supersedes_nothing(ledger: Ledger) -> None:
    extraction = stage(ledger)
    read_day(ledger, day=DAY + timedelta(1))

    assert apply(ledger, extraction, invited(NUMBER))


@pytest.mark.parametrize("first_is_newer", [True, False])
def test_of_two_transforms_of_one_day_the_second_sees_what_the_first_did(
    ledger: Ledger, first_is_newer: bool
) -> None:
    """Each waits for the other, and the newer extraction has the last word."""
    older = stage(ledger, actor=OTHER_RUN)
    newer = stage(ledger)
    asked, dead = invited(NUMBER), not_invited(NUMBER, Reason.DEATH)
    first, second = (newer, older) if first_is_newer else (older, newer)
    proposed = {older.id: asked, newer.id: dead}
    with applying(ledger, first, ACTOR) as application:
        assert application is not None
        with blocked(ledger, lambda: apply(ledger, second, proposed[second.id])) as later:
            application.propose([proposed[first.id]])
            application.finish(rows_merged=0)
            application.connection.commit()
        applied = later.result(30)

    assert applied is not first_is_newer
    assert (line_of(ledger)["state"], line_of(ledger)["reason"]) == ("excluded", "death")


def test_a_day_may_go_on_being_staged_while_it_is_transformed(
    postgresql_ledger: Ledger,
) -> None:
    """Staging holds a cursor of the ERP open: it must not wait for a transform."""
    ledger = postgresql_ledger

    def chunks() -> Any:
        yield [{"cd_atendimento": "1"}]
        with applying(ledger, mine, ACTOR) as application:
            assert application is not None
            yield [{"cd_atendimento": "2"}]
            yield [{"cd_atendimento": "3"}]  # the second chunk is written now
            application.finish(rows_merged=0)

    mine = stage(ledger)
    stage_all(ledger, chunks(), actor=OTHER_RUN)

    assert staged_rows(ledger) == 3


# --- all or nothing, and nothing left behind ------------------------------------------------


def test_staged_rows_are_erased_with_the_application(ledger: Ledger) -> None:
    extraction = stage(ledger, [{"cd_atendimento": str(NUMBER)}])
    apply(ledger, extraction, invited(NUMBER))

    assert staged_rows(ledger) == 0


def test_an_application_reads_what_was_staged(ledger: Ledger) -> None:
    extraction = stage(ledger, [{"cd_atendimento": "1"}], [{"cd_atendimento": "2"}])
    with applying(ledger, extraction, ACTOR) as application:
        assert application is not None
        read = list(staged_chunks(ledger, application.connection, extraction.id))

    assert read == [[{"cd_atendimento": "1"}], [{"cd_atendimento": "2"}]]


class BrokenOffError(Exception):
    pass


def broken_off_try(ledger: Ledger, **where: Any) -> None:
    """Leave a chunk behind, as a try that was killed."""

    def chunks() -> Any:
        yield [{"cd_atendimento": "1"}]
        yield [{"cd_atendimento": "2"}]
        raise BrokenOffError

    with pytest.raises(BrokenOffError):
        stage_all(ledger, chunks(), **where)


def test_what_earlier_tries_of_the_run_left_behind_is_erased_too(ledger: Ledger) -> None:
    broken_off_try(ledger)
    stage(ledger, [{"cd_atendimento": "1"}])
    read_day(ledger, invited(NUMBER))

    assert staged_rows(ledger) == 0


@pytest.mark.parametrize(
    "where",
    [
        {"actor": OTHER_RUN},
        {"day": DAY + timedelta(1)},
        {"hospital": "HMSM"},
    ],
    ids=["run", "day", "hospital"],
)
def test_what_another_run_or_day_is_staging_is_left_alone(ledger: Ledger, where: Any) -> None:
    broken_off_try(ledger, **where)
    read_day(ledger, invited(NUMBER))

    assert staged_rows(ledger) == 1


def test_what_a_later_try_is_staging_is_left_alone(ledger: Ledger) -> None:
    extraction = stage(ledger, [{"cd_atendimento": str(NUMBER)}])
    broken_off_try(ledger)
    apply(ledger, extraction, invited(NUMBER))

    assert staged_rows(ledger) == 1


def test_a_lost_try_that_ends_after_all_is_not_applied_without_its_rows(ledger: Ledger) -> None:
    """Its first rows were erased with those of the try that took its place."""

    def slowly() -> Any:
        yield [{"cd_atendimento": str(NUMBER)}]
        yield [{"cd_atendimento": str(NUMBER + 1)}]
        read_day(ledger, invited(NUMBER), invited(NUMBER + 1))

    lost = stage_all(ledger, slowly())

    assert not apply(ledger, lost, invited(NUMBER + 1))
    assert states_of(ledger) == ["ready", "ready"]


def test_an_application_that_breaks_off_leaves_the_ledger_as_it_was(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER))
    extraction = stage(ledger, [{"cd_atendimento": str(NUMBER)}])
    before = everything(ledger)
    with pytest.raises(BrokenOffError), applying(ledger, extraction, ACTOR) as application:
        _apply_and_break_off(application)

    assert everything(ledger) == before


def _apply_and_break_off(application: Application | None) -> None:
    assert application is not None
    application.propose([not_invited(NUMBER), invited(NUMBER + 1)])
    application.finish(rows_merged=0)
    raise BrokenOffError


def test_an_application_that_the_database_refuses_leaves_the_ledger_as_it_was(
    ledger: Ledger,
) -> None:
    extraction = stage(ledger, [{"cd_atendimento": str(NUMBER)}])
    before = everything(ledger)
    with refusing(ledger, "extractions", "update"), pytest.raises(LedgerError):
        apply(ledger, extraction, invited(NUMBER))

    assert everything(ledger) == before


def test_a_chunk_without_attendances_writes_nothing(ledger: Ledger) -> None:
    """Every row of a chunk may belong to an attendance that another row stands for."""
    extraction = stage(ledger, [{"cd_atendimento": str(NUMBER)}])
    with applying(ledger, extraction, ACTOR) as application:
        assert application is not None
        application.propose([])
        application.propose([invited(NUMBER)])
        application.finish(rows_merged=0)

    assert states_of(ledger) == ["ready"]
