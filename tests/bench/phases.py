"""The pipeline's phases as one task's process sees them."""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from typing import TYPE_CHECKING

# everything a phase needs is imported here: it is there before a phase's own memory is counted
import psycopg  # noqa: F401
from airflow.providers.oracle.hooks.oracle import OracleHook  # noqa: F401

from tests.bench.big_day import DAY, HOSPITAL, NOW
from tests.bench.figures import Measured, measured
from track_dispatch.config import load_hospital
from track_dispatch.delivery.desk import Desk
from track_dispatch.delivery.dispatch import dispatch as dispatch_unit
from track_dispatch.hooks.track import TrackHook, track_host
from track_dispatch.ledger.claims import Terms, claim
from track_dispatch.ledger.keys import parse_keys
from track_dispatch.ledger.opening import open_ledger
from track_dispatch.ledger.settling import Settlement, settle
from track_dispatch.ledger.views import day_counts
from track_dispatch.pipeline.extracting import extract as extract_day
from track_dispatch.pipeline.run import Run
from track_dispatch.pipeline.transforming import transform as transform_day
from track_dispatch.records import Actor, Area, Channel, LineState, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from track_dispatch.ledger.database import Ledger


def measure(phase: str, url: str, keys: str, connections: Mapping[str, str]) -> Measured:
    """Run one phase, once, in a process that will do nothing else.

    Args:
        phase: one of `PHASES`.
        url: the ledger's.
        keys: the ledger's, as JSON.
        connections: Airflow's, as environment variables.
    """
    os.environ.update(connections)
    run = Run(load_hospital(HOSPITAL), DAY, Actor(phase, run_id="bench", try_number=1))
    with closing(open_ledger(url, parse_keys(json.loads(keys), "the benchmark"))) as opened:
        return measured(lambda: PHASES[phase](run, opened))


def extract(run: Run, opened: Ledger) -> int:
    return int(extract_day(run, ledger=opened, track_host=track_host())["rows"])


def transform(run: Run, opened: Ledger) -> int:
    return sum(transform_day(run, ledger=opened, now=NOW).counts.values())


def ledger(run: Run, opened: Ledger) -> int:
    """Claim and settle what a dispatch would, without a POST in between."""
    settled = 0
    for unit in _ready_units(run, opened):
        survey = str(run.hospital.survey(unit.area))
        terms = Terms(survey, 0, None, lease_seconds=run.hospital.lease_seconds)
        after = 0
        while batch := claim(
            opened, unit, terms, limit=run.hospital.batch_size, after=after, actor=run.actor
        ):
            accepted = Settlement(accepted=[line.id for line in batch.lines], status=201)
            settle(opened, batch, accepted, actor=run.actor)
            settled += len(batch.lines)
            after = batch.lines[-1].id
    return settled


def dispatch(run: Run, opened: Ledger) -> int:
    hook = TrackHook()
    with hook.client(deadline_seconds=run.hospital.post_deadline_seconds) as client:
        desk = Desk(
            hospital=run.hospital,
            ledger=opened,
            client=client,
            track_host=hook.base_url,
            actor=run.actor,
            now=lambda: NOW,
            rate_limit=sys.maxsize,  # a large day in a minute is what is measured
        )
        return sum(dispatch_unit(desk, unit).accepted for unit in _ready_units(run, opened))


def whole(run: Run, opened: Ledger) -> int:
    """Take the whole path, from driver to API."""
    extract(run, opened)
    transform(run, opened)
    return dispatch(run, opened)


def _ready_units(run: Run, opened: Ledger) -> Iterator[Unit]:
    hospital, day = run.hospital.code, run.business_day
    with opened.reading() as connection:
        counts = day_counts(connection, hospital=hospital, business_day=day)
    for count in counts:
        if count.state is LineState.READY:
            yield Unit(hospital, day, Area(count.area), Channel(count.channel))


PHASES = {
    "extract": extract,
    "transform": transform,
    "ledger": ledger,
    "dispatch": dispatch,
    "whole": whole,
}
