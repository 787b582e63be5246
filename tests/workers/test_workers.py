"""At most once and nothing lost with Celery workers on several machines, whatever befalls them.

Judged by what Track's stand-in has received, by the ledger and by the REST API only.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.known_patients import known_patients
from tests.e2e.leaks import find
from tests.live.accounts import claimed, posted_after
from tests.proof.proof_report import IN_FULL
from tests.workers.machines import WORKERS
from track_dispatch.records import Channel

if TYPE_CHECKING:
    from tests.workers.conftest import Proof


def test_no_attendance_was_accepted_twice(proof: Proof) -> None:
    track = proof.faults.world.track

    assert track.accepted_twice() == []
    assert set(track.accepted_ids().values()) == {1}
    assert len(track.accepted_ids()) > 100


def test_a_survey_never_got_two_posts_at_once(proof: Proof) -> None:
    assert proof.faults.world.track.violations == []


def test_every_attendance_is_at_track_or_accounted_for(proof: Proof) -> None:
    assert proof.faults.lost(proof.lines, proof.days) == []


def test_what_the_ledger_calls_accepted_is_at_track(proof: Proof) -> None:
    assert claimed(proof.lines, proof.faults.world.track.accepted_ids()) == []


def test_both_workers_ran_tasks_and_nobody_else_did(proof: Proof) -> None:
    hosts = {
        host
        for hospital in proof.faults.world.hospitals
        for host in proof.faults.machines.hosts(hospital.dag_id)
    }

    assert hosts == {*WORKERS}


#: What befell a worker, or what workers share, while a POST was held; where its lines must be then.
STRUCK = {
    "delivered_twice": {"accepted", "in_doubt"},
    "worker_killed": {"in_doubt"},
}
if IN_FULL:
    STRUCK |= {
        # accepted: it wakes with Track's answer in its hands, which its own claim may still settle
        "worker_asleep": {"accepted", "in_doubt"},
        "broker_killed": {"accepted"},
        "postgres_crashed": {"accepted", "in_doubt"},
    }


@pytest.mark.parametrize(("what", "states"), STRUCK.items(), ids=STRUCK)
def test_what_was_under_way_when_it_struck_was_sent_once(
    proof: Proof, what: str, states: set[str]
) -> None:
    first = proof.faults.struck[what].first
    ids, later = posted_after(first, proof.faults.world.track.received)

    assert later == 0
    assert {line.state for line in proof.lines if line.attendance_id in ids} <= states


def test_what_is_at_track_is_accepted_or_in_doubt_in_the_ledger(proof: Proof) -> None:
    accepted = proof.faults.world.track.accepted_ids()

    assert {line.state for line in proof.lines if line.attendance_id in accepted} <= {
        "accepted",
        "in_doubt",
    }


def test_nothing_waits_any_more(proof: Proof) -> None:
    assert {line.state for line in proof.lines} <= {"accepted", "excluded", "refused", "in_doubt"}


def test_days_whose_runs_were_deleted_are_not_sent_again(proof: Proof) -> None:
    assert proof.faults.posts_after_deletion == 0


def test_a_workers_log_has_run_unit_and_batch_of_each_post_as_fields(proof: Proof) -> None:
    lines = [
        json.loads(line)
        for file in proof.faults.machines.task_logs()
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    posts = [line for line in lines if "batch" in line]
    known = {
        (one.batch_id, one.run_id, f"{one.hospital} {one.business_day} {one.area} · {label}")
        for one in proof.faults.books.flights()
        for label in [Channel(one.channel).label]
    }

    assert len(posts) > 20
    assert {(line["batch"], line["run_id"], line["unit"]) for line in posts} <= known


def test_no_log_tells_of_a_patient(proof: Proof) -> None:
    machines = proof.faults.machines
    secrets, _ = known_patients(proof.faults.world, proof.days)
    logs = [*machines.task_logs(), *machines.process_logs()]

    assert [
        f"{file}: {what}" for file in logs for what in sorted(find(secrets, file.read_bytes()))
    ] == []


def test_the_doctor_finds_no_worker_that_could_not_work(proof: Proof) -> None:
    assert set(proof.faults.machines.runs("track_doctor").values()) == {"success"}
