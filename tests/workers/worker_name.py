"""The host name that a worker tells Airflow: each plays a machine of its own."""

from __future__ import annotations

import os


def name() -> str:
    """Return it."""
    return os.environ["WORKER_NAME"]
