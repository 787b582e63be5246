"""The pipeline's phases as one task's process sees them."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

# everything a phase needs is imported here: it is there before a phase's own memory is counted
import psycopg  # noqa: F401
from airflow.providers.oracle.hooks.oracle import OracleHook  # noqa: F401

from tests.bench.big_day import DAY, HOSPITAL, NOW
from tests.bench.figures import Measured, measured
from track_dispatch.config import load_hospital, rules_digest
from track_dispatch.delivery.context import DispatchContext
from track_dispatch.delivery.dispatch import dispatch as dispatch_hospital
from track_dispatch.hooks.track import TrackHook, track_host
from track_dispatch.ledger.batches import Batch, ClaimRequest
from track_dispatch.ledger.claims import settle_and_claim
from track_dispatch.ledger.creation import open_ledger_at
from track_dispatch.ledger.envelopes import read_ahead, ready_envelopes
from track_dispatch.ledger.keys import parse_keys
from track_dispatch.ledger.settling import Settlement
from track_dispatch.pipeline import Run
from track_dispatch.pipeline.extract import extract as extract_day
from track_dispatch.pipeline.rehearse import claim_terms
from track_dispatch.pipeline.transform import transform as transform_day
from track_dispatch.records import Actor

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger

#: A large day in a minute is what is measured, not Track's limit of requests.
NO_LIMIT = 10_000_000


def measure(phase: str, url: str, keys: str, connections: Mapping[str, str]) -> Measured:
    """Run one phase, once, in a process that will do nothing else.

    Args:
        phase: one of `PHASES`.
        url: the ledger's.
        keys: the ledger's, as JSON.
        connections: Airflow's, as environment variables.
    """
    os.environ.update(connections)
    # one day, at any hour, as the plain script sends it
    plain = {
        "requests_per_5_minutes": NO_LIMIT,
        "look_back_days": 0,
        "send_window": "00:00-24:00",
        "send_days": None,
    }
    hospital = load_hospital(HOSPITAL).model_copy(update=plain)
    run = Run(hospital, DAY, Actor(phase, run_id="bench", try_number=1))
    with open_ledger_at(url, parse_keys(json.loads(keys), "the benchmark")) as opened:
        return measured(lambda: PHASES[phase](run, opened))


def extract(run: Run, opened: Ledger) -> int:
    return int(extract_day(run, ledger=opened, track_host=track_host(), now=NOW)["rows"])


def transform(run: Run, opened: Ledger) -> int:
    return sum(transform_day(run, ledger=opened, now=NOW).counts.values())


def ledger(run: Run, opened: Ledger, *, now: datetime = NOW) -> int:
    """Claim and settle what a dispatch would, without a POST in between."""
    settled, settlement = 0, None
    with opened.reading() as connection:
        envelopes = ready_envelopes(connection, run.hospital.code, until=run.business_day)
    for one in envelopes:
        with opened.reading() as connection:
            [sealed] = read_ahead(connection, [one.envelope])
        read = sealed.open(opened.keys)
        survey = str(run.hospital.survey(one.unit.area))
        request = ClaimRequest(
            read,
            one.unit,
            one.unit_id,
            replace(claim_terms(run.hospital, now), survey=survey, lease_seconds=360),
            batch_id=str(uuid.uuid4()),
            claim_id=str(uuid.uuid4()),
        )
        batch = settle_and_claim(opened, settlement=settlement, request=request, actor=run.actor)
        if not isinstance(batch, Batch):
            raise TypeError(batch)
        settlement = Settlement(batch, accepted=batch.places, status=201)
        settled += len(batch.lines)
    settle_and_claim(opened, settlement=settlement, request=None, actor=run.actor)
    return settled


def dispatch(run: Run, opened: Ledger) -> int:
    hook = TrackHook()
    with hook.client(deadline_seconds=run.hospital.post_deadline_seconds) as client:
        context = DispatchContext(
            hospital=run.hospital,
            ledger=opened,
            client=client,
            track_host=hook.base_url,
            actor=run.actor,
            series="bench#0",
            rules=rules_digest(run.hospital),
            now=lambda: NOW,
        )
        return dispatch_hospital(context, run.business_day).accepted


def whole(run: Run, opened: Ledger) -> int:
    """Take the whole path, from driver to API."""
    extract(run, opened)
    transform(run, opened)
    return dispatch(run, opened)


PHASES = {
    "extract": extract,
    "transform": transform,
    "ledger": ledger,
    "dispatch": dispatch,
    "whole": whole,
}
