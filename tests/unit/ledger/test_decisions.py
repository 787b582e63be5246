"""People decide about lines and batches: what moves, what does not, and who did it is on record."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from tests.unit.ledger.put_steps import DAY, HMS_DAY, TODAY, patient
from track_dispatch.errors import ConfigError, LinesInFlightError, TrackDispatchError
from track_dispatch.ledger import schema
from track_dispatch.ledger.approvals import release_day
from track_dispatch.ledger.decisions import (
    DecidedLines,
    Decision,
    decide_batch,
    record_decision,
    retry_refused,
)
from track_dispatch.ledger.in_doubt import in_doubt_batches
from track_dispatch.states import Verb

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps
    from track_dispatch.ledger.database import Ledger

SENT = Decision(Verb.SETTLE_SENT, "ana", "visto no Track")
UNSENT = Decision(Verb.SETTLE_UNSENT, "ana", "não está no Track")
ABANDON = Decision(Verb.ABANDON, "ana", "não dá para saber")
REOPEN = Decision(Verb.REOPEN_ACCEPTED, "ana", "o Track nunca processou")
RELEASE = Decision(Verb.RELEASE, "ana", "volume conferido")
RETRY = Decision(Verb.RETRY_REFUSED, "ana", "modelo corrigido")


def released(ledger: Ledger, decision: Decision = RELEASE, hours: float = 36) -> DecidedLines:
    return release_day(ledger, HMS_DAY, decision, max_age_hours=hours, today=TODAY)


# -- batches in doubt --------------------------------------------------------------


@pytest.mark.parametrize(
    ("decision", "state", "batch_state"),
    [
        (SENT, "accepted", "settled"),
        (ABANDON, "abandoned", "settled"),
        (UNSENT, "reopened", "not_delivered"),
    ],
)
def test_a_batch_in_doubt_is_what_the_person_says(
    steps: Steps, decision: Decision, state: str, batch_state: str
) -> None:
    put = steps.put_batch(2)
    assert put.batch is not None

    done = decide_batch(steps.ledger, put.batch, decision, today=TODAY)

    assert (done.day, done.lines, done.too_late) == (HMS_DAY, 2, 0)
    assert steps.states() == [state] * 2
    assert [row["batch"] for row in steps.rows(schema.lines)] == [put.batch] * 2
    (batch,) = steps.rows(schema.batches)
    assert (batch["state"], batch["lease_until"]) == (batch_state, None)
    (written,) = steps.rows(schema.decisions)
    names = ("verb", "decided_by", "why", "hospital", "business_day", "batch", "lines")
    assert [written[name] for name in names] == [
        decision.verb,
        "ana",
        decision.why,
        "HMS",
        DAY,
        put.batch,
        2,
    ]
    last = steps.rows(schema.events)[-1]
    assert (last["actor"], last["decision"], last["places"]) == ("ana", written["id"], "0-1")


def test_what_is_reopened_is_counted_where_extract_looks_for_it(steps: Steps) -> None:
    put = steps.put_batch(2)

    decide_batch(steps.ledger, str(put.batch), UNSENT, today=TODAY)

    (envelope,) = steps.rows(schema.envelopes)
    assert (envelope["waiting"], envelope["reopened"], envelope["payload"]) == (0, 2, None)


@pytest.mark.parametrize(
    ("state", "batch_state"), [("in_doubt", "in_doubt"), ("sending", "sending")]
)
def test_nothing_is_decided_before_the_lease_ends(
    steps: Steps, state: str, batch_state: str
) -> None:
    put = steps.put_batch(2, state, batch_state=batch_state, lease=300)

    with pytest.raises(LinesInFlightError, match=r"decide in \d+ s") as caught:
        decide_batch(steps.ledger, str(put.batch), ABANDON, today=TODAY)

    assert 0 < caught.value.retry_after <= 300
    assert steps.states() == [state] * 2
    assert steps.rows(schema.decisions) == []


@pytest.mark.parametrize("batch", ["", "no-such-batch"])
def test_a_batch_that_is_not_there_is_named(ledger: Ledger, batch: str) -> None:
    with pytest.raises(ConfigError, match="knows no batch"):
        decide_batch(ledger, batch, ABANDON, today=TODAY)


def test_a_rehearsals_batch_cannot_be_decided(steps: Steps) -> None:
    put = steps.put_batch(1, batch={"unit": None})

    with pytest.raises(ConfigError, match="knows no batch"):
        decide_batch(steps.ledger, str(put.batch), ABANDON, today=TODAY)


@pytest.mark.parametrize("second", [SENT, UNSENT, ABANDON])
def test_a_decided_batch_tells_the_next_person_who_was_first(
    steps: Steps, second: Decision
) -> None:
    put = steps.put_batch(2)
    decide_batch(steps.ledger, str(put.batch), ABANDON, today=TODAY)

    with pytest.raises(ConfigError, match=r"ana decided about it already \(abandon"):
        decide_batch(steps.ledger, str(put.batch), second, today=TODAY)

    assert steps.states() == ["abandoned"] * 2
    assert len(steps.rows(schema.decisions)) == 1


def test_of_two_people_who_decide_at_once_one_wins_and_the_other_is_told(steps: Steps) -> None:
    """Before, this was a TypeError, a batch stuck for good, or a deadlock."""
    together = Barrier(2)

    def decide(wanted: tuple[str, Decision]) -> DecidedLines | TrackDispatchError:
        together.wait(30)
        try:
            return decide_batch(steps.ledger, *wanted, today=TODAY)
        except TrackDispatchError as error:
            return error

    for round_ in range(5):
        batch = str(steps.put_batch(3, first=10 * round_ + 1).batch)
        by_rui = Decision(Verb.SETTLE_UNSENT, "rui", "não está lá")
        with ThreadPoolExecutor(2) as pool:
            ended = list(pool.map(decide, [(batch, SENT), (batch, by_rui)]))
        (won,) = [one for one in ended if isinstance(one, DecidedLines)]
        (lost,) = [one for one in ended if isinstance(one, ConfigError)]
        winner = "ana" if ended[0] is won else "rui"
        assert f"{winner} decided about it already" in str(lost)
        with steps.ledger.reading() as connection:
            assert in_doubt_batches(connection) == []

    assert len(steps.rows(schema.decisions)) == 5


def test_only_lines_in_doubt_are_settled(steps: Steps) -> None:
    put = steps.put_batch(3)
    steps.run_sql("update lines set state = 'refused' where id = :id", id=put.ids[1])

    assert decide_batch(steps.ledger, str(put.batch), SENT, today=TODAY).lines == 2

    assert steps.states() == ["accepted", "refused", "accepted"]


def test_a_batch_that_was_never_posted_is_all_of_its_units(steps: Steps) -> None:
    """`ledger restored` makes one for a unit: its lines lie in several envelopes."""
    put = steps.put_batch(2, batch={"envelope": None, "decision": 1, "survey": ""})
    steps.put_lines(2, "in_doubt", first=10, batch=put.batch)
    with steps.ledger.reading() as connection:
        (found,) = in_doubt_batches(connection)

    done = decide_batch(steps.ledger, str(put.batch), SENT, today=TODAY)

    assert (found.lines, found.restored) == (4, True)
    assert done.lines == 4
    assert steps.states() == ["accepted"] * 4


def test_a_decision_whose_patients_may_no_longer_be_asked_says_so(steps: Steps) -> None:
    put = steps.put_batch(2, ask_until=TODAY - timedelta(days=1))
    on_time = steps.put_batch(1, first=9, ask_until=TODAY)

    late = decide_batch(steps.ledger, str(put.batch), UNSENT, today=TODAY)
    other = decide_batch(steps.ledger, str(on_time.batch), UNSENT, today=TODAY)

    assert (late.reopened, late.too_late) == (2, 2)
    assert (other.reopened, other.too_late) == (1, 0)


def test_who_stood_back_for_what_was_not_sent_comes_back(steps: Steps) -> None:
    put = steps.put_batch(1)
    steps.put_lines(1, "excluded", first=5, patients=[patient(1)], reason="contact_cap")
    steps.put_lines(1, "excluded", first=6, reason="contact_cap")

    decide_batch(steps.ledger, str(put.batch), UNSENT, today=TODAY)

    assert steps.states() == ["reopened", "reopened", "excluded"]


def test_who_stood_back_for_what_was_sent_stays_back(steps: Steps) -> None:
    put = steps.put_batch(1)
    steps.put_lines(1, "excluded", first=5, patients=[patient(1)], reason="contact_cap")

    decide_batch(steps.ledger, str(put.batch), SENT, today=TODAY)

    assert steps.states() == ["accepted", "excluded"]


# -- what Track said it took -------------------------------------------------------


def test_an_accepted_batch_that_track_never_processed_is_read_again(steps: Steps) -> None:
    put = steps.put_batch(3, "accepted", batch_state="settled", lease=None)
    steps.run_sql("update lines set state = 'refused' where id = :id", id=put.ids[1])

    done = decide_batch(steps.ledger, str(put.batch), REOPEN, today=TODAY)

    assert done.reopened == 2
    assert steps.states() == ["reopened", "refused", "reopened"]


def test_a_batch_in_doubt_is_not_reopened_as_an_accepted_one(steps: Steps) -> None:
    put = steps.put_batch(1)

    with pytest.raises(ConfigError, match="is in_doubt, this decides about one that is settled"):
        decide_batch(steps.ledger, str(put.batch), REOPEN, today=TODAY)


def test_an_abandoned_batch_has_nothing_that_was_accepted(steps: Steps) -> None:
    put = steps.put_batch(1)
    decide_batch(steps.ledger, str(put.batch), ABANDON, today=TODAY)

    with pytest.raises(ConfigError, match="none of its lines is accepted"):
        decide_batch(steps.ledger, str(put.batch), REOPEN, today=TODAY)

    assert steps.states() == ["abandoned"]
    assert [row["state"] for row in steps.rows(schema.batches)] == ["settled"]


# -- decisions on record -----------------------------------------------------------


def test_a_run_decides_once(steps: Steps) -> None:
    first, second = steps.put_batch(1), steps.put_batch(1, first=9)
    decision = Decision(Verb.ABANDON, "ana", "não dá para saber", run_id="manual__1")
    decide_batch(steps.ledger, str(first.batch), decision, today=TODAY)

    with pytest.raises(ConfigError, match="carried out before"):
        decide_batch(steps.ledger, str(second.batch), decision, today=TODAY)

    assert steps.states() == ["abandoned", "in_doubt"]


def test_a_shell_decides_as_often_as_it_likes(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        ids = [record_decision(connection, ABANDON) for _ in range(2)]

    assert len(set(ids)) == 2


# -- held days ---------------------------------------------------------------------


def test_what_is_held_and_fresh_is_ready(steps: Steps) -> None:
    extraction = steps.put_extraction(2, hours_old=35)
    steps.put_lines(2, "held", extraction=extraction, question=7)

    done = released(steps.ledger)

    assert (done.ready, done.reopened) == (2, 0)
    assert steps.states() == ["ready"] * 2
    assert steps.payloads() == [True]
    assert [row["question"] for row in steps.rows(schema.lines)] == [None, None]


@pytest.mark.parametrize("why", ["too old", "erased meanwhile"])
def test_what_is_held_and_too_old_must_be_read_again(steps: Steps, why: str) -> None:
    old = why == "too old"
    extraction = steps.put_extraction(2, hours_old=37 if old else 1)
    steps.put_lines(2, "held", extraction=extraction)
    if not old:
        steps.run_sql("update envelopes set payload = null")

    done = released(steps.ledger)

    assert (done.ready, done.reopened) == (0, 2)
    assert steps.states() == ["reopened"] * 2
    assert steps.payloads() == [False]


def test_a_release_answers_what_was_asked_about_the_day(steps: Steps) -> None:
    """Else the next transform would hold again what had to be read anew."""
    steps.put_question(5, answer="timeout")
    steps.put_question(5, day=HMS_DAY._replace(hospital="OTOA"))
    steps.put_lines(2, "held", extraction=steps.put_extraction(3, hours_old=99))
    steps.put_lines(1, "accepted", first=8)
    steps.put_lines(1, "excluded", first=9, channel="", reason="no_contact")

    released(steps.ledger)

    ours, theirs = steps.rows(schema.approvals)
    assert (ours["answer"], ours["decided_by"], ours["volume"]) == ("approved", "ana", 3)
    assert theirs["answer"] is None


def test_what_was_posted_is_never_released(steps: Steps) -> None:
    steps.put_batch(2)

    with pytest.raises(ConfigError, match="nothing to release"):
        released(steps.ledger)

    assert steps.states() == ["in_doubt"] * 2


def test_other_days_stay_held(steps: Steps) -> None:
    extraction = steps.put_extraction(1)
    steps.put_lines(1, "held", extraction=extraction)
    before = HMS_DAY._replace(business_day=DAY - timedelta(days=1))
    steps.put_lines(1, "held", day=before, first=5, extraction=extraction)
    steps.put_lines(1, "held", day=HMS_DAY._replace(hospital="OTOA"), extraction=extraction)

    released(steps.ledger)

    assert steps.states() == ["ready", "held", "held"]


# -- refused lines -----------------------------------------------------------------


@pytest.mark.parametrize("refusal", ["refused_4xx", "refused_2xx"])
def test_refused_lines_are_read_again_when_a_person_allows_it(steps: Steps, refusal: str) -> None:
    steps.put_batch(2, "refused", batch_state="settled", lease=None, reason=refusal)
    steps.put_lines(1, "accepted", first=9)

    done = retry_refused(steps.ledger, HMS_DAY, RETRY, today=TODAY)

    assert done.reopened == 2
    assert steps.fates() == {"reopened": 2, "accepted": 1}
    assert steps.rows(schema.events)[-1]["transition"] == "reopened_by_person"


def test_a_day_without_refusals_says_so(steps: Steps) -> None:
    steps.put_lines(1)

    with pytest.raises(ConfigError, match="refused no line"):
        retry_refused(steps.ledger, HMS_DAY, RETRY, today=TODAY)

    assert steps.rows(schema.decisions) == []


# -- the list of doubts ------------------------------------------------------------


def test_doubts_are_listed_with_what_a_person_needs_to_decide(steps: Steps) -> None:
    put = steps.put_batch(3, lease=300, batch={"status": 500})
    steps.run_sql("update lines set state = 'accepted' where id = :id", id=put.ids[0])
    steps.put_batch(1, "accepted", batch_state="settled", lease=None, first=9)

    with steps.ledger.reading() as connection:
        (found,) = in_doubt_batches(connection)
        assert in_doubt_batches(connection, hospital="OTOA") == []
        assert in_doubt_batches(connection, batch="another") == []

    assert (found.id, found.day, found.area, found.channel) == (
        put.batch,
        HMS_DAY,
        "EXAMES",
        "email",
    )
    assert (found.posted_lines, found.lines, found.status) == (3, 2, 500)
    assert (found.restored, 0 < found.lease_seconds <= 300) == (False, True)
