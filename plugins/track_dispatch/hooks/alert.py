"""The optional alert: a webhook that gets the morning's verdict, counts only."""

from __future__ import annotations

import logging

from airflow.providers.http.hooks.http import HttpHook
from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

log = logging.getLogger(__name__)

CONN_ID = "track_alert"


def send_alert(text: str) -> bool:
    """Post `{"text": ...}` to the connection `track_alert`, if there is one; tell whether it went.

    Slack, Teams and Google Chat take this form. An alert that fails is logged and forgotten: the
    red run it tells of is there without it.
    """
    try:
        connection = BaseHook.get_connection(CONN_ID)
    except AirflowNotFoundException:
        return False
    try:
        hook = HttpHook(method="POST", http_conn_id=connection.conn_id)
        hook.run(json={"text": text}, extra_options={"timeout": 15, "allow_redirects": False})
    except Exception as error:  # noqa: BLE001 - whatever a webhook does, the table has been told
        log.warning("the alert was not taken: %s", type(error).__name__)
        return False
    return True
