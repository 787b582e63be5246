"""The webhook that is told of a red morning: its connection and whether it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from track_dispatch.config import is_practice_host
from track_dispatch.delivery.responses import TransportFailure
from track_dispatch.doctor.check import INSTALLATION, DoubtError, check
from track_dispatch.hooks.alert import CONN_ID, DEADLINE_SECONDS, find_webhook

if TYPE_CHECKING:
    from track_dispatch.doctor.check import Check


def check_alert() -> Check:
    """Look at the alert's webhook; nobody is told anything."""
    return check(INSTALLATION, "alert webhook", _look)


def _look() -> str:
    """Ask for the head of its address, which posts nothing: any answer shows the way is open."""
    webhook = find_webhook()
    if webhook is None:
        return f"there is no connection {CONN_ID}: a red morning is told in Airflow only"
    address = urlsplit(webhook.url)
    if address.scheme == "http" and not is_practice_host(webhook.url):
        raise DoubtError(f"{address.hostname}: without https, its secret address can be read")
    answer = webhook.request("HEAD", deadline_seconds=DEADLINE_SECONDS)
    if isinstance(answer, TransportFailure):
        raise DoubtError(f"{address.hostname}: {answer.value}")
    return (
        f"{address.hostname} answers (HTTP {answer.status} to a HEAD, which posts nothing); told"
        f" as {webhook.shape}"
    )
