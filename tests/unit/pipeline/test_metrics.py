"""The ledger as numbers: each counts what it says, and the text is what Prometheus reads."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from prometheus_client.parser import text_string_to_metric_families
from shell_rig import run as run_verb
from sqlalchemy import insert, update

from tests.unit.ledger.put_steps import HOUR
from track_dispatch.config import BrokenHospital, load_hospital
from track_dispatch.ledger import schema
from track_dispatch.ledger.decisions import Decision, decide_batch
from track_dispatch.ledger.request_budget import take_request
from track_dispatch.ledger.sql import moment_in
from track_dispatch.ledger.stop_switch import resume_service, stop_service
from track_dispatch.metric_table import Metric, Sample, prometheus_text
from track_dispatch.pipeline.housekeeping import run_housekeeping
from track_dispatch.pipeline.metrics import read_metrics
from track_dispatch.records import Actor, HospitalDay
from track_dispatch.states import OPEN, Verb

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps

DUE = date(2026, 3, 2)
DAY = HospitalDay("HMS", DUE)
EARLIER = HospitalDay("HMS", DUE - timedelta(days=7))
#: The morning after, when both runs of DUE are over.
MOMENT = datetime(2026, 3, 3, 15, tzinfo=UTC)
#: Two hospitals that begin with DUE.
HMS, HSMC = (
    load_hospital(code).model_copy(update={"first_business_day": DUE}) for code in ("HMS", "HSMC")
)
SOMEBODY = Actor("dispatch", run_id="run-1", try_number=1)


class Numbers(NamedTuple):
    """What a scrape found."""

    samples: list[Sample]

    def of(self, metric: Metric, *labels: str) -> float | None:
        """Return the value with these labels; None without one. Raises where there are several."""
        (found,) = [
            one.value
            for one in self.samples
            if one.metric is metric and tuple(one.labels.values()) == labels
        ] or [None]
        return found


def scrape(steps: Steps, *hospitals: Any, moment: datetime = MOMENT) -> Numbers:
    with steps.ledger.reading() as connection:
        return Numbers(read_metrics(connection, hospitals or (HMS, HSMC), moment=moment))


def near(seconds: float) -> Any:
    """Compare an age with what it should be; the database's clock goes on between."""
    return pytest.approx(seconds, abs=600)


def test_open_lines_of_whatever_day_are_counted_by_state(steps: Steps) -> None:
    steps.put_lines(2, day=DAY)
    steps.put_lines(3, day=EARLIER, first=11)
    steps.put_lines(4, "held", day=DAY, first=21)
    steps.put_lines(5, "accepted", day=DAY, first=31)

    found = scrape(steps)

    open_lines = {str(state): found.of(Metric.OPEN_LINES, "HMS", state) for state in OPEN}
    assert open_lines == {"ready": 5, "held": 4, "reopened": 0, "sending": 0, "in_doubt": 0}


def test_a_hospital_where_nothing_is_open_has_zeros_and_one_without_a_file_is_not_left_out(
    steps: Steps,
) -> None:
    steps.put_lines(1, day=HospitalDay("GONE", DUE))

    found = scrape(steps)

    assert found.of(Metric.OPEN_LINES, "HSMC", "ready") == 0
    assert found.of(Metric.OLDEST_READY, "HSMC") == 0
    assert found.of(Metric.OPEN_LINES, "GONE", "ready") == 1


def test_the_latest_day_that_was_read_is_counted_by_state(steps: Steps) -> None:
    steps.put_extraction(3, day=DAY)
    steps.put_lines(2, "accepted", day=DAY)
    steps.put_lines(1, "excluded", day=DAY, channel="", reason="death", first=11)
    steps.put_extraction(4, day=EARLIER)
    steps.put_lines(4, "accepted", day=EARLIER, first=21)

    found = scrape(steps)

    assert found.of(Metric.DAY_LINES, "HMS", "accepted") == 2
    assert found.of(Metric.DAY_LINES, "HMS", "excluded") == 1
    assert found.of(Metric.DAY_LINES, "HMS", "refused") == 0
    assert found.of(Metric.DAY_LINES, "HSMC", "accepted") is None


def test_the_age_of_what_is_ready_is_that_of_the_oldest_reading(steps: Steps) -> None:
    for hours, state, first in ((2, "ready", 1), (5, "ready", 11), (30, "held", 21)):
        extraction = steps.put_extraction(1, day=DAY, hours_old=hours)
        steps.put_lines(1, state, day=DAY, extraction=extraction, first=first)

    assert scrape(steps).of(Metric.OLDEST_READY, "HMS") == near(5 * HOUR)


def test_the_age_of_a_doubt_is_that_of_the_oldest_batch(steps: Steps) -> None:
    steps.put_batch(1, day=DAY, hours_old=3)
    steps.put_batch(1, day=EARLIER, hours_old=40, first=11)
    steps.put_batch(1, "accepted", batch_state="settled", day=DAY, hours_old=90, first=21)

    found = scrape(steps)

    assert found.of(Metric.OLDEST_IN_DOUBT, "HMS") == near(40 * HOUR)
    assert found.of(Metric.OLDEST_IN_DOUBT, "HSMC") == 0


def answered(steps: Steps, seconds: float, *, first: int, **more: Any) -> str:
    """Put a batch that took so long, and return its id."""
    put = steps.put_batch(
        1, "accepted", batch_state="settled", lease=None, hours_old=1, first=first,
        batch={"status": 200, "changed_at": moment_in(seconds - HOUR)}, **more,
    )  # fmt: skip
    return str(put.batch)


def test_posts_of_the_latest_day_are_counted_from_claim_to_settlement(steps: Steps) -> None:
    steps.put_extraction(3, day=DAY)
    answered(steps, 2, first=1, day=DAY)
    answered(steps, 10, first=11, day=DAY)
    answered(steps, 99, first=21, day=EARLIER)
    steps.put_batch(1, day=DAY, hours_old=2, first=31)  # nobody answered that one

    found = scrape(steps)

    assert found.of(Metric.DAY_POSTS, "HMS") == 2
    assert found.of(Metric.DAY_POST_SECONDS, "HMS") == pytest.approx(12, abs=1)
    assert found.of(Metric.DAY_LONGEST_POST, "HMS") == pytest.approx(10, abs=1)


def test_the_time_that_a_person_took_to_decide_is_no_post(steps: Steps) -> None:
    steps.put_extraction(2, day=DAY)
    put = steps.put_batch(1, day=DAY, hours_old=20, batch={"status": 502})
    decision = Decision(Verb.SETTLE_SENT, decided_by="ana", why="o lote está no Track")
    decide_batch(steps.ledger, str(put.batch), decision, today=MOMENT.date())

    assert scrape(steps).of(Metric.DAY_POSTS, "HMS") == 0


def test_the_budget_is_told_with_its_limit(steps: Steps) -> None:
    for _ in range(3):
        with steps.ledger.writing() as connection:
            take_request(connection, limit=100)

    found = scrape(steps)

    assert found.of(Metric.REQUESTS) == 3
    assert found.of(Metric.REQUESTS_LIMIT) == HMS.requests_per_5_minutes


def test_a_stop_is_told_until_it_is_resumed(steps: Steps) -> None:
    stop_service(steps.ledger, hospital="HMS", why="CAPTCHA", status=403, actor=SOMEBODY)
    stopped = scrape(steps).of(Metric.STOPPED)
    resume_service(steps.ledger, Decision(Verb.RESUME, decided_by="ana", why="resolvido no Track"))

    assert (stopped, scrape(steps).of(Metric.STOPPED)) == (1, 0)


def test_days_that_were_due_and_that_nobody_read_are_counted(steps: Steps) -> None:
    steps.put_extraction(1, day=DAY)
    later = MOMENT + timedelta(days=2)

    found = scrape(steps, moment=later)

    assert found.of(Metric.UNREAD_DAYS, "HMS") == 2
    assert found.of(Metric.UNREAD_DAYS, "HSMC") == 3


def test_the_age_of_the_last_reading_is_that_of_the_newest_whatever_its_day(steps: Steps) -> None:
    steps.put_extraction(1, day=DAY, hours_old=30)
    steps.put_extraction(1, day=EARLIER, hours_old=4)
    steps.put_extraction(1, day=DAY, applied_at=None)

    found = scrape(steps)

    assert found.of(Metric.LAST_READING, "HMS") == near(4 * HOUR)
    assert found.of(Metric.LAST_READING, "HSMC") is None


def test_a_broken_file_is_counted_and_its_hospital_is_still_looked_at(steps: Steps) -> None:
    steps.put_lines(2, day=DAY)
    broken = BrokenHospital("HMS", "track_hms", "hospitals/hms.yaml: broken")

    found = scrape(steps, broken, HSMC)

    assert found.of(Metric.BROKEN_FILES) == 1
    assert found.of(Metric.OPEN_LINES, "HMS", "ready") == 2


def test_the_age_of_housekeeping_begins_anew_when_it_was_done(steps: Steps) -> None:
    with steps.ledger.writing() as connection:
        connection.execute(
            update(schema.ledger).values(tidied_at=None, created_at=moment_in(-50 * HOUR))
        )
    never = scrape(steps).of(Metric.HOUSEKEEPING)

    run_housekeeping([HMS], ledger=steps.ledger, actor=SOMEBODY, now=MOMENT)

    assert (never, scrape(steps).of(Metric.HOUSEKEEPING)) == (near(50 * HOUR), near(0))


def test_a_scrape_tells_every_metric_of_the_table_and_no_other(steps: Steps) -> None:
    steps.put_extraction(1, day=DAY)

    told = {one.metric for one in scrape(steps).samples}

    assert told == {metric for metric in Metric if metric.is_scraped}


# -- the text ----------------------------------------------------------------------


#: A series: its name, and its labels with their values.
Series = tuple[str, frozenset[tuple[str, str]]]


def read_text(text: str) -> dict[Series, float]:
    """Read the text as Prometheus's own client does, and demand what it only puts up with.

    Each metric's lines stand together below its HELP and its TYPE, and no series comes twice.
    """
    families = [*text_string_to_metric_families(text)]
    names = [family.name for family in families]
    assert len(names) == len({*names})
    assert [family.name for family in families if not family.documentation] == []
    assert {family.type for family in families} <= {"gauge", "counter"}
    samples = [one for family in families for one in family.samples]
    series = {(one.name, frozenset(one.labels.items())): one.value for one in samples}
    assert len(series) == len(samples)
    return series


def labelled(name: str, **labels: str) -> Series:
    return name, frozenset(labels.items())


@pytest.fixture
def shuffled() -> list[Sample]:
    """Return samples whose metrics do not stand together."""
    return [
        Metric.OPEN_LINES.sample(1_234_567, "HMS", "ready"),
        Metric.STOPPED.sample(True),
        Metric.OPEN_LINES.sample(0, 'A"B\\C\nD', "held"),
        Metric.DAY_POST_SECONDS.sample(0.125, "HMS"),
    ]


def test_the_text_is_what_the_format_says_and_loses_no_digit(shuffled: list[Sample]) -> None:
    assert read_text(prometheus_text(shuffled)) == {
        labelled("track_open_lines", hospital="HMS", state="ready"): 1_234_567,
        labelled("track_open_lines", hospital='A"B\\C\nD', state="held"): 0,
        labelled("track_day_post_seconds", hospital="HMS"): 0.125,
        labelled("track_stopped"): 1,
    }


def test_a_sample_without_one_of_its_labels_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        Metric.OPEN_LINES.sample(1, "HMS")


def test_the_verb_prints_what_is_in_the_installations_ledger_and_nothing_of_a_patient(
    installed: Steps,
) -> None:
    installed.put_extraction(2, day=DAY)
    put = installed.put_batch(2, day=DAY, hours_old=1)
    with installed.ledger.writing() as connection:
        connection.execute(insert(schema.requests).values(slot=1, taken=9))

    done = run_verb("metrics")

    series = read_text(done.stdout)
    assert done.exit_code == 0
    assert series[labelled("track_open_lines", hospital="HMS", state="in_doubt")] == 2
    assert "900000001" not in done.stdout
    assert str(put.batch) not in done.stdout
