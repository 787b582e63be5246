"""Open a client of Track and the context of a dispatch from the Airflow connection to Track."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

import requests
from airflow.providers.http.hooks.http import HttpHook
from airflow.utils.strings import to_boolean

from track_dispatch.config import Hospital, is_practice_host, rules_digest
from track_dispatch.connections import check_http_extra, require_connection, set_certificates
from track_dispatch.delivery.client import TrackClient, TrackSurvey
from track_dispatch.delivery.context import DispatchContext
from track_dispatch.delivery.transport import BearerAuth
from track_dispatch.errors import ConfigError, TrackDispatchError
from track_dispatch.hooks.alert import send_metric
from track_dispatch.hooks.ledger import open_ledger
from track_dispatch.records import Actor

if TYPE_CHECKING:
    from airflow.sdk import Connection

DEFAULT_DEADLINE_SECONDS = 60.0


class TrackHook(HttpHook):
    """Opens Track's API from an Airflow connection of type http.

    The connection: host `https://api.track.co`, login the organization's UUID, password the token.
    Of its extra only `proxies`, `verify`, `cert` and `trust_env` count; HttpHook would send any
    other key as a header. With `trust_env` the environment's proxies and certificates count where
    the extra has none; without it they never do.

    Args:
        track_conn_id: the connection's id.
    """

    conn_name_attr = "track_conn_id"
    default_conn_name = "track_api"
    conn_type = "http"
    hook_name = "Track"

    def __init__(self, track_conn_id: str = default_conn_name) -> None:
        super().__init__(method="POST", http_conn_id=track_conn_id, tcp_keep_alive=False)
        self.track_conn_id = track_conn_id

    def get_conn(
        self,
        headers: dict[Any, Any] | None = None,
        extra_options: dict[str, Any] | None = None,
    ) -> requests.Session:
        """Open a session with Track's token and the connection's proxies and certificates.

        Raises:
            ConfigError: the connection is missing or something in it is wrong.
        """
        return self._session(self._connection(), headers, extra_options)

    def client(self, *, deadline_seconds: float = DEFAULT_DEADLINE_SECONDS) -> TrackClient:
        """Open a client; close it after use.

        Args:
            deadline_seconds: for each whole request.

        Raises:
            ConfigError: the connection is missing or something in it is wrong.
        """
        connection = self._connection()
        organization = _organization(connection.login, self.track_conn_id)
        return TrackClient(
            self._session(connection),
            base_url=self.base_url,
            organization=organization,
            deadline_seconds=deadline_seconds,
        )

    def list_surveys(self) -> list[TrackSurvey]:
        """Fetch all surveys of the organization; raises what `TrackClient.list_surveys` does."""
        with self.client() as client:
            return client.list_surveys()

    def test_connection(self) -> tuple[bool, str]:
        """Answer the UI's test button by listing the surveys; nothing is sent to anybody."""
        try:
            surveys = self.list_surveys()
        except TrackDispatchError as error:
            return False, str(error)
        return True, f"Track answers: {len(surveys)} surveys"

    def _connection(self) -> Connection:
        return require_connection(
            self.track_conn_id,
            "type http, host https://api.track.co, the organization's UUID as login and the token"
            " as password",
        )

    def _session(
        self,
        connection: Connection,
        headers: dict[Any, Any] | None = None,
        extra_options: dict[str, Any] | None = None,
    ) -> requests.Session:
        _check_address(connection, self.track_conn_id)
        check_http_extra(connection.extra_dejson, self.track_conn_id)
        auth = BearerAuth(connection.password or "")
        session = super().get_conn(headers, extra_options)
        session.auth = auth
        session.headers.clear()
        session.headers.update(requests.utils.default_headers())
        session.headers.update(headers or {})
        session.trust_env = to_boolean(str(connection.extra_dejson.get("trust_env", False)))
        set_certificates(session, connection.extra_dejson)
        return session


def track_host(track_conn_id: str = TrackHook.default_conn_name) -> str:
    """Return the address that the connection points to.

    Raises:
        ConfigError: there is no such connection, or its address cannot be used.
    """
    hook = TrackHook(track_conn_id)
    hook.get_conn().close()
    return hook.base_url


def _check_address(connection: Connection, conn_id: str) -> None:
    """Refuse an address that would send patients' data unencrypted over a network."""
    host, scheme = connection.host or "", connection.schema or ""
    try:
        address = urlsplit(host if "://" in host else f"{scheme}://{host}")
        name = address.hostname
    except ValueError:
        address, name = urlsplit(""), None
    if address.scheme not in {"http", "https"} or not name:
        problem = "needs a host with its scheme"
    elif "@" in host + scheme:  # also where the address hides it, in a path or a backslash
        problem = "has a user or a password in its host, which stand in login and password only"
    elif address.query or address.fragment:
        problem = "has more in its host than scheme, name, port and path"
    elif address.scheme == "http" and not is_practice_host(host):
        problem = "would send patients' data unencrypted: its host needs https"
    else:
        return
    raise ConfigError(
        f"The Airflow connection {conn_id!r} {problem}: set it to https://api.track.co."
    )


def _organization(login: str | None, conn_id: str) -> str:
    """Read the organization's UUID; the error does not quote the login, which may be a token."""
    try:
        return str(UUID(login or ""))
    except ValueError:
        raise ConfigError(
            f"The Airflow connection {conn_id!r} needs the organization's UUID as login"
            " (Track shows it in the organization's settings); what stands there is not one."
        ) from None


@contextmanager
def open_dispatch(
    hospital: Hospital,
    actor: Actor,
    *,
    series: str | None = None,
    stopped: Callable[[], bool] = lambda: False,
    track_conn_id: str = TrackHook.default_conn_name,
) -> Iterator[DispatchContext]:
    """Open the ledger and the client of a dispatch, and close them afterwards.

    Args:
        hospital: whose lines are sent.
        actor: who sends.
        series: of the tries among which a unit that failed for good is not tried again; None: this
            try stands alone.
        stopped: tells that no further batch may be started.
        track_conn_id: the Airflow connection to Track.

    Raises:
        ConfigError: a connection is missing or something in it is wrong.
        LedgerError: the ledger's database does not answer.
    """
    hook = TrackHook(track_conn_id)
    deadline = hospital.post_deadline_seconds
    with open_ledger() as ledger, hook.client(deadline_seconds=deadline) as client:
        yield DispatchContext(
            hospital=hospital,
            ledger=ledger,
            client=client,
            track_host=hook.base_url,
            actor=actor,
            series=series or str(uuid.uuid4()),
            rules=rules_digest(hospital),
            now=lambda: datetime.now(UTC),
            stopped=stopped,
            observe=send_metric,
        )
