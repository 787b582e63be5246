"""The tables of metrics."""

from __future__ import annotations

from docs.make_tables import code, table
from track_dispatch.metric_table import Metric


def metrics(*, scraped: bool) -> str:
    """Return the table of what a scrape reads, or of what tasks send."""
    rows = [
        (code(one), one.kind, code(*one.labels), one.help)
        for one in Metric
        if one.is_scraped is scraped
    ]
    return table(("metric", "kind", "labels", "meaning"), rows)
