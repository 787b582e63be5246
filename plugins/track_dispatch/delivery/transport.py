"""One request at a time, each over a fresh connection, under one deadline.

`requests` limits the wait for each packet, not the whole: a server that drips a byte a second is
never too slow for it. And it does not tell whether a failed request had begun to be sent.
Both matter here: the lease of a claim covers one whole POST, and only a request that certainly
never began may be sent again.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import partial
from threading import Lock
from time import monotonic
from types import MappingProxyType
from typing import Any, NamedTuple, Self, cast

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool, HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError
from urllib3.util.ssl_ import create_urllib3_context, resolve_cert_reqs

from track_dispatch.delivery.answer_table import TransportFailure
from track_dispatch.delivery.responses import TrackResponse
from track_dispatch.errors import ConfigError
from track_dispatch.process import Watchdog

#: Bytes of an answer's body that are read; the rest counts as cut off.
MAX_BODY_BYTES = 1024 * 1024
_CHUNK_BYTES = 64 * 1024

#: What every request says: we close each connection ourselves, and unpack nothing.
_HEADERS = {"Accept-Encoding": "identity", "Connection": "close"}


class BearerAuth(AuthBase):
    """Puts Track's token on every request; never shows it.

    Raises:
        ConfigError: the token is empty or cannot stand in a header.
    """

    def __init__(self, token: str) -> None:
        if not re.fullmatch(r"[!-~]+", token):
            raise ConfigError(
                "The token for Track is empty or has spaces or other characters that no header"
                " takes: set the password of the Airflow connection to the token alone."
            )
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the request's Authorization."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _Head(NamedTuple):
    """The prepared method, URL and settings of a request: the same for every request to a URL."""

    request: requests.PreparedRequest
    settings: dict[str, Any]


class Transport:
    """Sends requests with a session's settings; any thread may, but never two at a time.

    Made once and kept: the heads of the requests, the trusted certificates, and the thread that
    watches over the deadlines. Never kept: a connection. It is closed by us before the outcome is
    returned, because a server closes its end when it likes, perhaps in the middle of our next
    request.

    Args:
        session: the headers, token, proxies and certificates; it stays the caller's to close.
        connect_timeout_seconds: for opening a connection to one address.
    """

    def __init__(self, session: requests.Session, *, connect_timeout_seconds: float) -> None:
        self._session = session
        self._connect_timeout = connect_timeout_seconds
        self._heads: dict[tuple[str, str], _Head] = {}
        self._adapter = _Adapter()
        self._watchdog = Watchdog()
        self._in_use = Lock()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Wait for the request under way; no request can be sent afterwards."""
        self._closed = True
        with self._in_use:
            self._watchdog.close()
        self._adapter.close()

    def send_request(
        self,
        method: str,
        url: str,
        *,
        deadline_seconds: float,
        headers: Mapping[str, str] = MappingProxyType({}),
        body: bytes | None = None,
    ) -> TrackResponse | TransportFailure:
        """Send one request and return the answer, or why there is none.

        Redirects are not followed, nothing is retried, no connection is kept. The deadline covers
        everything from name resolution to the answer's last byte. Only resolving a name, and
        connecting to one of several addresses, cannot be interrupted: they may end later, but then
        nothing is sent any more.

        Errors are returned, not raised: their texts and causes could carry the request.

        Raises:
            RuntimeError: another request is under way, or the transport is closed.
        """
        with (
            self._alone(),
            _Exchange(deadline_seconds) as exchange,
            self._watchdog.limit(deadline_seconds, exchange.cut_off),
        ):
            self._adapter.exchange = exchange
            try:
                prepared, settings = self._prepare(method, url, headers, body)
                timeout = (self._connect_timeout, deadline_seconds)
                response = self._adapter.send(prepared, timeout=timeout, **settings)
            except (OSError, HTTPError) as error:  # those of requests are OSErrors
                return _failure(error, exchange)
            with closing(response):
                return _answer(response, exchange)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        is_free = self._in_use.acquire(blocking=False)
        try:
            if self._closed or not is_free:
                raise RuntimeError("a transport sends one request at a time, until it is closed")
            yield
        finally:
            if is_free:
                self._in_use.release()

    def _prepare(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> _Head:
        """Complete the head of a method and a URL with what is one request's own."""
        head = self._heads.get((method, url))
        if head is None:
            head = self._heads[method, url] = self._make_head(method, url)
        prepared = head.request.copy()
        prepared.headers.update(headers)
        prepared.prepare_body(body, None)
        return _Head(prepared, head.settings)

    def _make_head(self, method: str, url: str) -> _Head:
        session = self._session
        request = session.prepare_request(requests.Request(method, url, headers=_HEADERS))
        # the environment may speak where the session is silent, not against its word
        verify = None if session.verify is True else session.verify
        settings = dict(session.merge_environment_settings(request.url, {}, True, verify, None))
        if session.proxies:
            settings["proxies"] = session.proxies
        return _Head(request, settings)


class _Exchange:
    """One request: its only connection, its progress and its deadline."""

    def __init__(self, seconds: float) -> None:
        self.ends_at = monotonic() + seconds
        self.begun = False
        self.cut = False
        self._lock = Lock()
        self._connection: HTTPConnection | None = None
        self._twin: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection in any case, also if a library still holds it."""
        if self._connection is not None:
            self._connection.close()
        if self._twin is not None:
            with suppress(OSError):
                self._twin.shutdown(socket.SHUT_RDWR)
            self._twin.close()

    @property
    def late(self) -> bool:
        """Whether the deadline has passed."""
        return self.cut or monotonic() >= self.ends_at

    def opened(self, connection: HTTPConnection, sock: socket.socket) -> None:
        """Put an open connection under the deadline, before anything goes over it.

        The watchdog gets a duplicate: TLS takes the descriptor out of the original.
        """
        with self._lock:
            self._connection, self._twin = connection, sock.dup()

    def begin(self, connection: HTTPConnection) -> float:
        """Allow the request to be sent, once and in time; from here on it may have arrived.

        Returns:
            The seconds that are left.

        Raises:
            ConnectTimeoutError: it is too late, or a request has already begun.
        """
        with self._lock:
            left = self.ends_at - monotonic()
            if self.cut or self.begun or left <= 0:
                raise ConnectTimeoutError(connection, "too late to begin")
            self.begun = True
            return left

    def cut_off(self) -> None:
        """Shut the connection down, so that a thread that waits on it goes on."""
        with self._lock:
            self.cut = True
            if self._twin is not None:
                with suppress(OSError):
                    self._twin.shutdown(socket.SHUT_RDWR)


class _HeadReader(io.BufferedReader):
    """An answer's bytes, remembering the last line so that a cut head can be told."""

    last_line = b""

    def readline(self, size: int | None = -1, /) -> bytes:
        self.last_line = super().readline(size)
        return self.last_line


class _Response(http.client.HTTPResponse):
    """An answer whose head must have arrived as a whole.

    http.client takes the end of the connection for the end of the head, so that a success cut
    before its Content-Type would look like one without a body.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fp: Any = _HeadReader(self.fp.detach())

    def begin(self) -> None:
        head = self.fp
        super().begin()
        if head.last_line not in {b"\r\n", b"\n"}:
            raise http.client.IncompleteRead(b"")
        # urllib3 would log the text of header lines that it cannot read.
        self.msg.defects = []
        self.msg.set_payload("")


class _Guarded(HTTPConnection):
    """A connection of the exchange that is under way at its adapter."""

    #: http.client prints whole requests when somebody switches its class-wide debugging on.
    debuglevel = 0
    response_class = _Response

    def __init__(self, *args: Any, adapter: _Adapter, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._adapter = adapter

    def _new_conn(self) -> socket.socket:
        exchange = self._adapter.exchange
        sock = super()._new_conn()
        exchange.opened(self, sock)
        if exchange.late:  # the watchdog has come and gone: nobody would end a handshake
            sock.close()
            raise ConnectTimeoutError(self, "too late to begin")
        return sock

    def connect(self) -> None:
        """Connect, through proxy and TLS, and only then let the request begin."""
        super().connect()
        self.sock.settimeout(self._adapter.exchange.begin(self))


class _GuardedTls(_Guarded, HTTPSConnection):
    """The same over TLS."""


class _Adapter(HTTPAdapter):
    """Gives each exchange a guarded connection; retries nothing."""

    exchange: _Exchange

    def __init__(self) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> ConnectionPool:
        """Choose the pool as requests does, and make it open guarded connections."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        guarded = {HTTPConnectionPool: _Guarded, HTTPSConnectionPool: _GuardedTls}.get(type(pool))
        if guarded is None:
            raise requests.exceptions.InvalidProxyURL("only http and https proxies are supported")
        pool.ConnectionCls = partial(guarded, adapter=self)
        return cast("ConnectionPool", pool)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Check the files of certificates as requests does, but load the trusted ones once.

        To load a usual bundle costs 18 ms of CPU, ten times the whole request. A proxy that is
        itself reached over TLS is left alone: urllib3 verifies it from the files.
        """
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
        if conn.scheme != "https" or (conn.proxy and conn.proxy.scheme == "https"):
            return
        if "ssl_context" not in conn.conn_kw:
            context = create_urllib3_context(cert_reqs=resolve_cert_reqs(conn.cert_reqs))
            if conn.ca_certs or conn.ca_cert_dir:
                context.load_verify_locations(conn.ca_certs, conn.ca_cert_dir)
            conn.conn_kw["ssl_context"] = context
        conn.ca_certs = conn.ca_cert_dir = None


def _answer(response: requests.Response, exchange: _Exchange) -> TrackResponse:
    """Read the body as far as it came; a cut body is no error."""
    body = bytearray()
    raw, complete = response.raw, True
    is_delimited = raw.chunked or raw.length_remaining is not None
    try:
        while chunk := raw.read1(_CHUNK_BYTES, decode_content=True):
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                complete = False
                break
    except (OSError, HTTPError, http.client.HTTPException):
        complete = False
    if not body and (raw.tell() or not is_delimited):
        complete = False  # unpacked to nothing, or perhaps cut before it began
    return TrackResponse(
        status=response.status_code,
        content_type=response.headers.get("Content-Type"),
        body=bytes(body),
        # without a length, being cut off by the watchdog looks like an orderly end
        complete=complete and not exchange.cut,
        retry_after=response.headers.get("Retry-After"),
        date=response.headers.get("Date"),
        location=response.headers.get("Location"),
        refresh=response.headers.get("Refresh"),
    )


#: The first type that fits names the reason why a request never began.
_BEFORE: tuple[tuple[type[Exception], TransportFailure], ...] = (
    (requests.exceptions.InvalidURL, TransportFailure.SETTINGS),  # a proxy's, too
    (requests.exceptions.InvalidSchema, TransportFailure.SETTINGS),
    (requests.exceptions.MissingSchema, TransportFailure.SETTINGS),
    (requests.exceptions.InvalidHeader, TransportFailure.SETTINGS),
    (requests.exceptions.ProxyError, TransportFailure.PROXY),
    (requests.exceptions.SSLError, TransportFailure.TLS),
    (requests.exceptions.Timeout, TransportFailure.CONNECT_TIMEOUT),
    (requests.exceptions.ConnectionError, TransportFailure.UNREACHABLE),
    (Exception, TransportFailure.SETTINGS),  # the file of `verify` or `cert` cannot be used
)


def _failure(error: OSError | HTTPError, exchange: _Exchange) -> TransportFailure:
    """Return the reason why there is no answer."""
    if exchange.begun:
        return TransportFailure.DEADLINE if exchange.late else TransportFailure.BROKEN
    failure = next(failure for kind, failure in _BEFORE if isinstance(error, kind))
    if failure is not TransportFailure.SETTINGS and exchange.late:
        return TransportFailure.LATE
    cause = getattr(error.args[0], "reason", None) if error.args else None
    return TransportFailure.NAME if isinstance(cause, NameResolutionError) else failure
