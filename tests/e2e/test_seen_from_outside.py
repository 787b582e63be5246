"""What a day tells whoever looks from outside: metrics, an event, a log with fields."""

from __future__ import annotations

import atexit
import io
import json
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from airflow import settings
from airflow.models.asset import AssetEvent, AssetModel
from airflow.sdk._shared.logging.structlog import drop_positional_args, structlog_processors
from airflow.sdk._shared.observability.metrics.base_stats_logger import NoStatsLogger
from airflow.sdk._shared.observability.metrics.otel_logger import flush_otel_metrics
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils
from opentelemetry import metrics
from sqlalchemy import delete, select

from stand_ins.track_api import faults
from tests.e2e.hms_patients import Patient, plant
from tests.e2e.otlp_receiver import OtlpReceiver
from track_dispatch.hooks import alert as hook
from track_dispatch.metric_table import Metric, Sample

if TYPE_CHECKING:
    from tests.airflow_world import AirflowWorld

DAY = date(2026, 3, 10)
HMS = ("hospital", "HMS")


@pytest.fixture
def patients(world: AirflowWorld) -> list[Patient]:
    """Plant three patients with an address and one with neither address nor telephone."""
    return [*plant(world.erp(), DAY, 3), *plant(world.erp(), DAY, by="nothing")]


# -- metrics -----------------------------------------------------------------------


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[OtlpReceiver]:
    """Start a collector that Airflow is configured for."""
    with OtlpReceiver() as receiver:
        monkeypatch.setenv("AIRFLOW__METRICS__OTEL_ON", "True")
        monkeypatch.setenv("AIRFLOW__METRICS__OTEL_HOST", "127.0.0.1")
        monkeypatch.setenv("AIRFLOW__METRICS__OTEL_PORT", str(receiver.port))
        yield receiver


@pytest.fixture
def measured(collector: OtlpReceiver) -> Iterator[Callable[[], None]]:
    """Begin as a task's process does; what is returned sends what is still to be sent."""
    hook._warn.cache_clear()
    stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)
    yield flush_otel_metrics
    stats.initialize(factory=NoStatsLogger, export_legacy_names=True)
    metrics.get_meter_provider().shutdown()
    atexit.unregister(flush_otel_metrics)


def test_a_day_is_measured_where_airflows_own_metrics_go(
    world: AirflowWorld,
    patients: list[Patient],
    collector: OtlpReceiver,
    measured: Callable[[], None],
) -> None:
    world.run_day("HMS", DAY)
    measured()

    told = {
        (name.removeprefix("airflow.track."), *sorted(value for _, value in labels - {HMS})): value
        for (name, labels), value in collector.values.items()
        if name.startswith("airflow.track.") and value
    }
    assert told == {
        ("rows_read",): 4,
        ("requests_taken",): 1,
        ("lines_settled", "accepted"): 3,
        ("lines_of_day", "accepted"): 3,
        ("lines_of_day", "excluded"): 1,
        ("reports", "green"): 1,
    }
    posts = frozenset({HMS, ("verdict", "accepted")})
    assert collector.timings["airflow.track.post_duration", posts][0] == 1


@pytest.fixture
def statsd(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """Listen where Airflow's StatsD client sends to; what is returned tells what came."""
    hook._warn.cache_clear()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)

        def came() -> list[str]:
            found: list[str] = []
            with suppress(BlockingIOError):
                while True:
                    found.append(listener.recv(65536).decode())
            return found

        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "True")
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_HOST", "127.0.0.1")
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_PORT", str(listener.getsockname()[1]))
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED", "True")  # with labels
        client = stats_utils.get_stats_factory()()
        stats.initialize(factory=lambda: client, export_legacy_names=True)
        yield came
        stats.initialize(factory=NoStatsLogger, export_legacy_names=True)
        client.statsd.close()


def test_a_day_is_measured_over_statsd_too(
    world: AirflowWorld, patients: list[Patient], statsd: Callable[[], list[str]]
) -> None:
    world.run_day("HMS", DAY)

    told = [one for one in statsd() if one.startswith("airflow.track.")]
    counted = {frozenset(one.partition(":")[0].split(",")): one.partition(":")[2] for one in told}
    assert counted[frozenset({"airflow.track.rows_read", "hospital=HMS"})] == "4|c"
    assert counted[frozenset({"airflow.track.reports", "hospital=HMS", "colour=green"})] == "1|c"
    posts = frozenset({"airflow.track.post_duration", "hospital=HMS", "verdict=accepted"})
    assert counted[posts].endswith("|ms")
    assert [value for patient in patients for value in patient.values() if value in str(told)] == []


def test_a_doubt_and_a_red_report_are_told_apart(
    world: AirflowWorld,
    patients: list[Patient],
    collector: OtlpReceiver,
    measured: Callable[[], None],
) -> None:
    world.track.script(faults.drop(accepted=True))

    world.run_day("HMS", DAY)
    measured()

    uncertain = frozenset({HMS, ("verdict", "uncertain")})
    assert collector.timings["airflow.track.post_duration", uncertain][0] == 1
    in_doubt = frozenset({HMS, ("state", "in_doubt")})
    assert collector.values["airflow.track.lines_settled", in_doubt] == 3
    red = frozenset({HMS, ("colour", "red")})
    assert collector.values["airflow.track.reports", red] == 1


def test_no_metric_tells_anything_of_a_patient(
    world: AirflowWorld,
    patients: list[Patient],
    collector: OtlpReceiver,
    measured: Callable[[], None],
) -> None:
    world.run_day("HMS", DAY)
    measured()

    told = collector.texts()
    assert "airflow.track." in told
    assert [one for patient in patients for one in patient.values() if one in told] == []


@pytest.mark.parametrize(
    "sample",
    [
        Metric.LINES_SETTLED.sample(3, "HMS", "accepted"),
        Metric.REQUESTS_TAKEN.sample(3),
        Metric.POST_DURATION.sample(0.5, "HMS", "accepted"),
    ],
    ids=lambda sample: str(sample.metric.kind),
)
def test_a_metric_that_cannot_be_sent_costs_one_warning_and_nothing_else(
    measured: Callable[[], None],
    sample: Sample,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("AIRFLOW__METRICS__METRICS_ALLOW_LIST", "(")  # no regular expression

    for _ in range(3):
        hook.send_metric(sample)

    said = [one.getMessage() for one in caplog.records if one.name == hook.__name__]
    assert said == [f"the metric {sample.metric} was not sent: error; see Airflow's [metrics]"]


# -- the event of a day ------------------------------------------------------------


@pytest.fixture
def events(world: AirflowWorld) -> Callable[[], list[dict[str, Any]]]:
    """Return a function that reads what each event of HMS's days carries, from now on."""
    session = settings.Session()
    session.execute(delete(AssetEvent))
    session.commit()

    def read() -> list[dict[str, Any]]:
        session.rollback()
        chosen = select(AssetEvent.extra).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
        rows = session.scalars(chosen.where(AssetModel.uri == "track://HMS/day"))
        return [dict(row) for row in rows]

    return read


def test_a_green_report_makes_the_day_an_event_with_its_counts(
    world: AirflowWorld,
    patients: list[Patient],
    events: Callable[[], list[dict[str, Any]]],
) -> None:
    run = world.run_day("HMS", DAY)

    (event,) = events()
    assert event == {"business_day": "2026-03-10", **world.report(run)}
    assert (event["rows"], event["accepted"], event["excluded"]) == (4, 3, 1)


def test_a_red_report_is_no_event(
    world: AirflowWorld,
    patients: list[Patient],
    events: Callable[[], list[dict[str, Any]]],
) -> None:
    world.track.script(faults.drop(accepted=True))

    assert world.run_day("HMS", DAY).state == "failed"
    assert events() == []


def test_a_dry_run_is_no_event(
    world: AirflowWorld,
    patients: list[Patient],
    events: Callable[[], list[dict[str, Any]]],
) -> None:
    conf = {"business_day": DAY.isoformat(), "mode": "dry_run"}

    assert world.run_day("HMS", DAY, conf=conf).state == "success"
    assert events() == []


# -- the log -----------------------------------------------------------------------


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Write our log as a task's process writes it for Airflow: JSON by Airflow's own formatter."""
    shared, renderer, _ = structlog_processors(json_output=True)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                drop_positional_args,
                renderer,
            ],
        )
    )
    ours = logging.getLogger("track_dispatch")
    level = ours.level
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    yield stream
    ours.removeHandler(handler)
    ours.setLevel(level)
    structlog.contextvars.clear_contextvars()


def test_a_line_about_a_post_has_hospital_day_unit_and_batch_as_fields(
    world: AirflowWorld, patients: list[Patient], log: io.StringIO
) -> None:
    run = world.run_day("HMS", DAY)

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    (posted,) = [line for line in lines if "batch" in line]
    assert run.state == "success"
    assert (posted["hospital"], posted["business_day"]) == ("HMS", "2026-03-10")
    assert posted["unit"] == "HMS 2026-03-10 PRONTO SOCORRO GERAL · e-mail"
    assert posted["verdict"] == "accepted"
    assert f"batch_id={posted['batch']}" in posted["event"]
    assert {line.get("hospital") for line in lines if "HMS" in line["event"]} == {"HMS"}
