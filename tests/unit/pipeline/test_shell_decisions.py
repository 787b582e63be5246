"""`day`, `explain` and the verbs by which a person decides, as a shell meets them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.ledger.put_steps import DAY, HMS_DAY
from tests.unit.ledger.steps import Steps
from tests.unit.pipeline.shell_rig import message_of, run
from track_dispatch.cli.inspection import ENGLISH, NOTICES
from track_dispatch.ledger import schema
from track_dispatch.ledger.retention import purge
from track_dispatch.ledger.stop_switch import stop_service
from track_dispatch.ledger.transitions import Transition, append_events
from track_dispatch.pipeline.problems import DayNotice, DayProblem, NoticeKind, ProblemKind
from track_dispatch.records import Actor, HospitalDay
from track_dispatch.states import LineState

WHO = ("--by", "ana", "--why", "visto no Track")
#: The command line knows no clock but the real one.
YESTERDAY = HospitalDay("HMS", (datetime.now(UTC) - timedelta(days=1)).date())


# -- doubts ------------------------------------------------------------------------


def test_doubts_are_listed_and_settled(installed: Steps) -> None:
    batch = str(installed.put_batch(2, "sending", batch_state="sending", lease=-1).batch)

    listed = run("doubt", "list").stdout.splitlines()
    settled = run("doubt", "settle", batch, "--sent", *WHO)
    left = run("doubt", "list").stdout

    assert batch in listed[0]
    assert "HMS 2026-03-10 EXAMES · email  2 lines" in listed[0]
    assert listed[0].endswith("to decide")
    assert settled.stdout == "HMS 2026-03-10: 2 lines, settle_sent\n"
    assert left == "0 batches in doubt\n"
    assert installed.fates() == {"accepted": 2}


def test_what_was_not_sent_is_read_again_and_the_shell_says_how_to_send_it_now(
    installed: Steps,
) -> None:
    batch = str(installed.put_batch(2).batch)

    done = run("doubt", "settle", batch, "--unsent", *WHO)

    assert done.stdout.splitlines() == [
        "HMS 2026-03-10: 2 lines to be read again",
        (
            "what is read again goes with the next run; to send it now, trigger track_hms with"
            " business_day=2026-03-10"
        ),
    ]
    assert installed.states() == ["reopened"] * 2


def test_one_doubt_of_one_line_is_told_in_the_singular(installed: Steps) -> None:
    batch = str(installed.put_batch(1, "sending", batch_state="sending", lease=-1).batch)

    listed = run("doubt", "list").stdout.splitlines()
    settled = run("doubt", "settle", batch, "--unsent", *WHO).stdout

    assert "EXAMES · email  1 line  since" in listed[0]
    assert listed[-1] == "1 batch in doubt"
    assert settled.startswith("HMS 2026-03-10: 1 line to be read again\n")


def test_a_doubt_under_its_lease_tells_when_it_can_be_decided(installed: Steps) -> None:
    batch = str(installed.put_batch(2, lease=300).batch)

    assert "decide in" in run("doubt", "list").stdout
    assert "decide in" in message_of("doubt", "settle", batch, "--abandon", *WHO)


def test_a_doubt_of_a_backup_says_so(installed: Steps) -> None:
    installed.put_lines(2)

    moment = ("--as-of", "2026-03-03T03:00-03:00")
    restored = run("ledger", "restored", *moment, "--by", "rui", "--why", "disco trocado").stdout
    listed = run("doubt", "list").stdout

    assert restored.startswith("2 lines in doubt")
    assert "a backup was put back  to decide" in listed
    assert installed.fates() == {"in_doubt": 2}


def test_a_moment_without_an_offset_is_no_moment(installed: Steps) -> None:
    done = run("ledger", "restored", "--as-of", "2026-03-03T03:00", "--by", "r", "--why", "abc")

    assert done.exit_code == 2


@pytest.mark.parametrize("verbs", [(), ("--sent", "--abandon"), ("--sent", "--unsent")])
def test_one_thing_is_decided_at_a_time(installed: Steps, verbs: tuple[str, ...]) -> None:
    assert run("doubt", "settle", "b1", *verbs, *WHO).exit_code == 2


@pytest.mark.parametrize("missing", ["--by", "--why"])
def test_nothing_is_decided_without_a_person_and_a_reason(installed: Steps, missing: str) -> None:
    given = {"--by": "ana", "--why": "por isso"}
    del given[missing]

    assert run("resume", *(part for pair in given.items() for part in pair)).exit_code == 2


def test_a_name_that_looks_like_a_patient_is_refused(installed: Steps) -> None:
    said = message_of("resume", "--by", "maria@exemplo.test", "--why", "por isso")

    assert "leave patients out" in said


# -- accepted, held, refused, stopped ----------------------------------------------


def test_an_accepted_batch_is_reopened_only_when_it_is_confirmed(installed: Steps) -> None:
    batch = str(installed.put_batch(2, "accepted", batch_state="settled", lease=None).batch)

    refused = run("accepted", "reopen", batch, *WHO, said="n")
    before = installed.states()
    done = run("accepted", "reopen", batch, *WHO, said="y")

    assert (refused.exit_code, before) == (1, ["accepted"] * 2)
    assert "2 lines to be read again" in done.stdout
    assert installed.states() == ["reopened"] * 2


@pytest.mark.parametrize("more", [(), ("--yes",)])
def test_an_accepted_batch_that_nobody_knows_is_told_before_it_is_confirmed(
    installed: Steps, more: tuple[str, ...]
) -> None:
    done = run("accepted", "reopen", "b-unknown", *WHO, *more, said="y")

    assert "explain HMS 1234567" in str(done.exception)
    assert "asked" not in done.stdout


def test_a_held_day_is_released(installed: Steps) -> None:
    installed.put_lines(2, "held", extraction=installed.put_extraction(2))
    installed.put_question(2, answer="timeout")

    done = run("release", "hms", "2026-03-10", *WHO)

    assert done.stdout.splitlines() == [
        "HMS 2026-03-10: 2 lines ready",
        "the ready ones go with dispatch: clear it",
    ]


def test_refusals_are_listed_and_read_again(installed: Steps) -> None:
    put = installed.put_batch(
        2, "refused", batch_state="settled", day=YESTERDAY, reason="refused_4xx"
    )
    with installed.ledger.writing() as connection:
        append_events(
            connection,
            Transition.ANSWERED,
            LineState.REFUSED,
            put.ids,
            actor=Actor("dispatch"),
            detail="invalid_email email",
        )

    listed = run("refused", "list").stdout
    as_json = json.loads(run("refused", "list", "--json").stdout)
    done = run("refused", "retry", "HMS", str(YESTERDAY.business_day), *WHO)

    assert "refused_4xx  invalid_email email  2 lines" in listed
    assert "2 lines refused since" in listed
    assert [one["lines"] for one in as_json] == [2]
    assert "2 lines to be read again" in done.stdout


def test_resume_opens_the_switch(installed: Steps) -> None:
    stop_service(
        installed.ledger, hospital="HMS", why="captcha", status=405, actor=Actor("dispatch")
    )

    first = run("resume", *WHO).stdout
    second = run("resume", *WHO).stdout

    assert first == "all hospitals go on; clear dispatch, or extract, where it is red\n"
    assert second.startswith("nothing was stopped")


# -- explain -----------------------------------------------------------------------


def test_explain_tells_the_life_of_an_attendance_and_no_name(installed: Steps) -> None:
    put = installed.put_batch(
        1, "accepted", batch_state="settled", lease=None, batch={"receipt": "dist-7"}
    )

    told = run("explain", "hms", "900000001").stdout.splitlines()

    assert told[0] == "HMS  2026-03-10  EXAMES · email  accepted"
    assert told[1] == "hashes kept of: contact, other, person"
    assert "found" in told[2]
    assert f"batch={put.batch}" in told[2]
    assert "receipt=dist-7" in told[2]
    for secret in ("MARIA", "example.test", "00000000001"):
        assert secret not in "\n".join(told)


def test_explain_of_what_left_the_ledger_says_that_it_was_asked(installed: Steps) -> None:
    installed.put_batch(1, "accepted", batch_state="settled", lease=None)
    purge(installed.ledger, hospital="HMS", first_known_day=DAY + timedelta(days=1))

    assert run("explain", "HMS", "900000001").stdout.startswith("it was asked once")


def test_explain_of_an_unknown_attendance_says_so(installed: Steps) -> None:
    assert "no such attendance" in message_of("explain", "HMS", "123")


# -- day ---------------------------------------------------------------------------


def test_day_says_what_to_do_in_the_shells_language_and_exits_1(installed: Steps) -> None:
    installed.put_lines(2)
    installed.put_extraction(2)

    red = run("day", str(DAY))
    installed.run_sql("update envelopes set payload = null")
    installed.run_sql("update lines set state = 'accepted'")
    after = run("day", str(DAY))

    assert red.exit_code == 1
    assert (
        "HMS 2026-03-10: 2 ready lines are not sent: if no run goes on, clear dispatch"
        in red.stdout
    )
    assert "ready lines" not in after.stdout
    assert "HMS" in after.stdout


def test_day_prints_all_that_it_knows_as_json(installed: Steps) -> None:
    installed.put_batch(2)

    found = json.loads(run("day", "--json").stdout)

    (doubt,) = [one for one in found["problems"] if one["kind"] == "in_doubt"]
    assert (doubt["hospital"], doubt["lines"]) == ("HMS", 2)
    assert found["notices"] == []
    (hms,) = [one for one in found["hospitals"] if one["code"] == "HMS"]
    assert hms["problems"] > 0
    assert set(hms["counts"]) <= {"accepted", "excluded", "refused", "held", "in doubt"}


@pytest.mark.parametrize("kind", NoticeKind)
def test_every_notice_has_words_for_the_shell(kind: NoticeKind) -> None:
    words = DayNotice(kind, HMS_DAY, 7).text(NOTICES[kind])

    assert words.startswith("7 lines ")


@pytest.mark.parametrize("kind", ProblemKind)
def test_every_problem_has_words_for_the_shell(kind: ProblemKind) -> None:
    words = DayProblem(kind, "HMS", HMS_DAY, 1, 2, "detail").text(ENGLISH[kind])

    assert "{" not in words
    assert words.isascii()


def test_a_look_decides_nothing(installed: Steps) -> None:
    installed.put_lines(2)

    run("day")
    run("doubt", "list")

    assert installed.rows(schema.decisions) == []
    assert installed.states() == ["ready"] * 2
