"""Metrics of a task, sent to wherever Airflow's own go: StatsD, OpenTelemetry, or nowhere."""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import cache

from airflow.sdk.observability import stats

from track_dispatch.metric_table import MetricKind, Sample

log = logging.getLogger(__name__)


def send_metric(sample: Sample) -> None:
    """Send a value of a metric; what goes wrong is logged once and stops nothing.

    It is called between a POST and its settlement: a metric must not put a patient in doubt.
    """
    metric, labels = sample.metric, sample.labels
    try:
        match metric.kind:
            case MetricKind.COUNTER:
                stats.incr(metric, int(sample.value), tags=labels)
            case MetricKind.GAUGE:
                stats.gauge(metric, sample.value, tags=labels)
            case MetricKind.TIMING:
                stats.timing(metric, timedelta(seconds=sample.value), tags=labels)
    except Exception as error:  # noqa: BLE001 - the client is Airflow's, its settings anybody's
        _warn(metric, type(error).__name__)


@cache
def _warn(metric: str, error: str) -> None:
    log.warning("the metric %s was not sent: %s; see Airflow's [metrics]", metric, error)
