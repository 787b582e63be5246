"""At most once and nothing lost under a live Airflow, whatever befalls it.

Judged by what Track's stand-in has received, by the ledger and by the REST API only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.known_patients import known_patients
from tests.e2e.leaks import files, find
from tests.live.accounts import claimed, in_the_erp, lost, posted_after, red_days
from tests.live.books import cells_of
from tests.live.scenario import HOSPITALS

if TYPE_CHECKING:
    from tests.live.conftest import Proof


def test_no_attendance_was_accepted_twice(proof: Proof) -> None:
    track = proof.stage.world.track

    assert track.accepted_twice() == []
    assert set(track.accepted_ids().values()) == {1}
    assert len(track.accepted_ids()) > 500


def test_a_survey_never_got_two_posts_at_once(proof: Proof) -> None:
    assert proof.stage.world.track.violations == []


def test_every_attendance_is_at_track_or_accounted_for(proof: Proof) -> None:
    accepted = proof.stage.world.track.accepted_ids()
    missing = {
        (hospital.code, day): found
        for hospital, day in proof.hospital_days()
        if (found := lost(in_the_erp(hospital, day, days=proof.days), proof.lines, accepted))
    }

    assert missing == {}


def test_what_the_ledger_calls_accepted_is_at_track(proof: Proof) -> None:
    assert claimed(proof.lines, proof.stage.world.track.accepted_ids()) == []


def test_what_is_at_track_is_accepted_or_in_doubt_in_the_ledger(proof: Proof) -> None:
    accepted = proof.stage.world.track.accepted_ids()
    states = {line.state for line in proof.lines if line.attendance_id in accepted}

    assert states == {"accepted", "in_doubt"}


def test_nothing_waits_any_more(proof: Proof) -> None:
    states = {line.state for line in proof.lines}

    assert states == {"accepted", "excluded", "refused", "in_doubt"}


def test_track_throttled_one_survey_and_broke_down_at_another(proof: Proof) -> None:
    assert {429, 500} <= {post.status for post in proof.stage.world.track.received}


#: What befell a task or a component while a POST was held, and where its lines must be then.
STRUCK = {
    "task_killed": {"in_doubt"},
    "supervisor_killed": {"accepted"},
    "marked_failed": {"in_doubt"},
    "marked_success": {"accepted"},
    "cleared": {"in_doubt"},
    "execution_timeout": {"in_doubt"},
    "scheduler_killed": {"in_doubt"},
    "api_server_down": {"accepted"},
}


@pytest.mark.parametrize(("what", "states"), STRUCK.items(), ids=STRUCK)
def test_what_was_under_way_when_it_struck_was_sent_once(
    proof: Proof, what: str, states: set[str]
) -> None:
    first = proof.stage.struck[what].first
    ids, later = posted_after(first, proof.stage.world.track.received)

    assert later == 0
    assert {line.state for line in proof.lines if line.attendance_id in ids} == states


def test_the_timeout_struck_in_the_middle_of_a_post(proof: Proof) -> None:
    assert "AirflowTaskTimeout" in proof.stage.logs["execution_timeout"]


def test_the_day_of_the_late_arrivals_was_run_twice_at_once(proof: Proof) -> None:
    kinds = {run_id.split("__")[0] for run_id in proof.late_runs}

    assert {"backfill", "manual"} <= kinds


def test_each_run_has_the_colour_of_its_day(proof: Proof) -> None:
    red = red_days(proof.lines)
    wrong = {
        day: colours
        for day, colours in proof.colours.items()
        if colours != {"failed" if day in red else "success"}
    }

    assert wrong == {}
    assert len(proof.colours) >= len(HOSPITALS) + 5


def test_nothing_that_airflow_left_tells_of_a_patient(proof: Proof) -> None:
    secrets, _ = known_patients(proof.stage.world, proof.days)
    places = [*cells_of(proof.airflow), *files(proof.home)]

    assert [
        f"{where}: {what}" for where, content in places for what in sorted(find(secrets, content))
    ] == []
