"""The table of all metrics: those that tasks send through Airflow, and those a scrape reads.

`docs/metrics.md` is made of it, and the alert rules and the board of `deploy/` may name no other.
A label holds a hospital's code, a state, a verdict or a colour: never anything of a patient.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import groupby
from typing import NamedTuple


class MetricKind(StrEnum):
    """How a metric is counted."""

    COUNTER = "counter"
    """Only ever grows; what is sent is by how much."""
    GAUGE = "gauge"
    """What is so now."""
    TIMING = "timing"
    """How long something took: sent in seconds, passed on in the milliseconds of StatsD."""


class Metric(StrEnum):
    """A metric: its value is its name.

    Attributes:
        kind: how it is counted.
        labels: the names of what it is told apart by.
        help: what it counts, and its unit.
    """

    kind: MetricKind
    labels: tuple[str, ...]
    help: str

    def __new__(cls, name: str, kind: MetricKind, labels: tuple[str, ...], text: str) -> Metric:
        """Make a metric of its name, kind, labels and help."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.kind, member.labels, member.help = kind, labels, text
        return member

    # -- sent by tasks, through Airflow --------------------------------------------

    ROWS_READ = (
        "track.rows_read",
        MetricKind.COUNTER,
        ("hospital",),
        "Rows that `extract` has read of the run's own day.",
    )
    DAYS_NOT_READ = (
        "track.days_not_read",
        MetricKind.COUNTER,
        ("hospital",),
        "Further days that `extract` was to read again and could not.",
    )
    POST_DURATION = (
        "track.post_duration",
        MetricKind.TIMING,
        ("hospital", "verdict"),
        "How long a POST took, by what Track's answer means.",
    )
    LINES_SETTLED = (
        "track.lines_settled",
        MetricKind.COUNTER,
        ("hospital", "state"),
        "Lines that a POST made `accepted`, `refused` or `in_doubt`.",
    )
    REQUESTS_TAKEN = (
        "track.requests_taken",
        MetricKind.GAUGE,
        (),
        "Requests that count within Track's 5 minutes, of all hospitals, as a dispatch begins.",
    )
    LINES_OF_DAY = (
        "track.lines_of_day",
        MetricKind.GAUGE,
        ("hospital", "state"),
        "Lines of the run's own day, as `report` found them.",
    )
    REPORTS = (
        "track.reports",
        MetricKind.COUNTER,
        ("hospital", "colour"),
        "Reports, `green` or `red`.",
    )

    # -- read from the ledger ------------------------------------------------------

    OPEN_LINES = (
        "track_open_lines",
        MetricKind.GAUGE,
        ("hospital", "state"),
        "Lines of whatever day that something still has to happen to.",
    )
    DAY_LINES = (
        "track_day_lines",
        MetricKind.GAUGE,
        ("hospital", "state"),
        "Lines of the hospital's latest day that was read.",
    )
    OLDEST_READY = (
        "track_oldest_ready_seconds",
        MetricKind.GAUGE,
        ("hospital",),
        "Seconds since the oldest of the ready lines was read; 0 without any.",
    )
    OLDEST_IN_DOUBT = (
        "track_oldest_in_doubt_seconds",
        MetricKind.GAUGE,
        ("hospital",),
        "Seconds since the oldest batch in doubt became so; 0 without any.",
    )
    DAY_POSTS = (
        "track_day_posts",
        MetricKind.GAUGE,
        ("hospital",),
        "Batches of the hospital's latest day that Track answered.",
    )
    DAY_POST_SECONDS = (
        "track_day_post_seconds",
        MetricKind.GAUGE,
        ("hospital",),
        "Seconds that these took together, each from its claim to its settlement.",
    )
    DAY_LONGEST_POST = (
        "track_day_longest_post_seconds",
        MetricKind.GAUGE,
        ("hospital",),
        "Seconds that the longest of these took.",
    )
    REQUESTS = (
        "track_requests",
        MetricKind.GAUGE,
        (),
        "Requests to Track that count within its 5 minutes, of all hospitals.",
    )
    REQUESTS_LIMIT = (
        "track_requests_limit",
        MetricKind.GAUGE,
        (),
        "Requests that we allow ourselves in 5 minutes (`requests_per_5_minutes`).",
    )
    STOPPED = (
        "track_stopped",
        MetricKind.GAUGE,
        (),
        "1 while sending is stopped for all hospitals, until a person resumes it; else 0.",
    )
    UNREAD_DAYS = (
        "track_unread_days",
        MetricKind.GAUGE,
        ("hospital",),
        "Days since the go-live that were due and that no run has read.",
    )
    LAST_READING = (
        "track_last_reading_seconds",
        MetricKind.GAUGE,
        ("hospital",),
        "Seconds since a reading of the hospital was applied; none before the first one.",
    )
    BROKEN_FILES = (
        "track_broken_files",
        MetricKind.GAUGE,
        (),
        "Hospitals' files that cannot be used.",
    )
    HOUSEKEEPING = (
        "track_housekeeping_seconds",
        MetricKind.GAUGE,
        (),
        "Seconds since housekeeping was done, or since the ledger was made.",
    )

    @property
    def is_scraped(self) -> bool:
        """Whether the verb `metrics` tells it: its name is Prometheus's, the others' Airflow's."""
        return "." not in self

    def sample(self, value: float, *labels: str) -> Sample:
        """Return one value of it.

        Args:
            value: of the kind; seconds, where it is a timing.
            labels: in the order of `labels`.
        """
        return Sample(self, value, dict(zip(self.labels, labels, strict=True)))


class Sample(NamedTuple):
    """One value of a metric."""

    metric: Metric
    value: float
    labels: dict[str, str]


def prometheus_text(samples: Iterable[Sample]) -> str:
    """Return samples in Prometheus's text format, each metric's together below its help."""
    in_order = sorted(samples, key=lambda sample: list(Metric).index(sample.metric))
    by_metric = groupby(in_order, key=lambda sample: sample.metric)
    return "".join(f"{line}\n" for metric, found in by_metric for line in _family(metric, [*found]))


def _family(metric: Metric, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {metric} {_escaped(metric.help)}"
    yield f"# TYPE {metric} {metric.kind}"
    for sample in samples:
        labels = ",".join(
            f'{name}="{_escaped(value, quotes=True)}"' for name, value in sample.labels.items()
        )
        yield (
            f"{metric}{{{labels}}} {sample.value:.15g}"
            if labels
            else f"{metric} {sample.value:.15g}"
        )


def _escaped(text: str, *, quotes: bool = False) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quotes else text
