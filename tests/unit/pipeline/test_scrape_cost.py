"""A scrape, once a minute, costs what its hospitals' latest days hold, and little of that."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from tests.unit.ledger.big_ledger import fill_big_ledger
from tests.unit.ledger.measure_views import server_cpu
from tests.unit.ledger.steps import Steps
from track_dispatch.config import load_hospital
from track_dispatch.ledger.creation import init_ledger, open_ledger_at
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.keys import new_keys
from track_dispatch.metric_table import Metric, Sample, prometheus_text
from track_dispatch.pipeline.metrics import read_metrics

#: Seconds of CPU, ours and the database's, that a scrape of 500 hospitals and 1.5 million lines
#: takes on PostgreSQL, threefold: a busy machine counts more than it does.
LIMIT = 3 * 1.5
#: So many, and so many lines: what is not of the latest days must cost nothing.
HOSPITALS = [load_hospital("HMS").model_copy(update={"code": f"H{number}"}) for number in range(10)]
LINES = 150_000
SCRAPES = 10
ROUNDS = 3
LAST = date(2026, 3, 10)
MOMENT = datetime(2026, 3, 11, 15, tzinfo=UTC)


@pytest.fixture
def large_ledger(ledger_url: str) -> Iterator[Ledger]:
    """Return a ledger of its own, with lines that are settled and a few that are not."""
    keys = new_keys()
    init_ledger(ledger_url, keys)
    with open_ledger_at(ledger_url, keys) as opened:
        codes = tuple(one.code for one in HOSPITALS)
        filled = fill_big_ledger(opened, LINES, hospitals=codes, last_day=LAST)
        assert filled.lines == LINES
        for day in filled.days:
            steps = Steps(opened)
            steps.put_lines(2, day=day, extraction=steps.put_extraction(2, day=day, hours_old=3))
            steps.put_batch(2, day=day, hours_old=2, first=11)
        yield opened


def scrape(ledger: Ledger) -> list[Sample]:
    """Do what the verb `metrics` does for one scrape."""
    with ledger.reading() as connection:
        found = read_metrics(connection, HOSPITALS, moment=MOMENT)
    prometheus_text(found)
    return found


def cost_of_a_scrape(ledger: Ledger) -> float:
    """Return the seconds of CPU of one scrape, in a round of them."""
    began = time.process_time() + server_cpu(ledger)
    for _ in range(SCRAPES):
        scrape(ledger)
    return (time.process_time() + server_cpu(ledger) - began) / SCRAPES


def test_a_scrape_costs_what_the_latest_days_hold(large_ledger: Ledger) -> None:
    states = {
        str(sample.labels["state"]): sample.value
        for sample in scrape(large_ledger)
        if sample.metric is Metric.DAY_LINES and sample.labels["hospital"] == "H7"
    }
    assert (states["accepted"], states["ready"], states["in_doubt"]) == (1000, 2, 2)

    # the best round: whatever else the machine does only adds
    cost = min(cost_of_a_scrape(large_ledger) for _ in range(ROUNDS))

    assert cost < LIMIT * len(HOSPITALS) / 500
