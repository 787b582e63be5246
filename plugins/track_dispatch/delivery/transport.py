"""One request over one fresh connection, under one deadline.

`requests` limits the wait for each packet, not the whole: a server that drips a byte a second is
never too slow for it. And it does not tell whether a failed request had left the house. Both
matter here: the lease of a claim covers one whole POST, and only a request that certainly never
began may be sent again.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
from contextlib import closing, suppress
from functools import partial
from threading import Lock, Timer
from time import monotonic
from typing import TYPE_CHECKING, Any, Self, cast

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool, HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError

from track_dispatch.delivery.outcomes import Answer, TransportFailure
from track_dispatch.errors import ConfigError

if TYPE_CHECKING:
    from types import TracebackType

#: Bytes of an answer's body that are read; the rest counts as cut off.
MAX_BODY_BYTES = 1024 * 1024
_CHUNK_BYTES = 64 * 1024


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


def send_request(
    session: requests.Session,
    request: requests.Request,
    *,
    deadline_seconds: float,
    connect_timeout_seconds: float,
) -> Answer | TransportFailure:
    """Send one request with the session's settings and bring back what came of it.

    Redirects are not followed, nothing is retried, no connection is kept. The deadline covers
    everything from name resolution to the answer's last byte. Only resolving a name, and
    connecting to one of several addresses, cannot be interrupted: they may end later, but then
    nothing is sent any more.

    Errors are returned, not raised: their texts and causes could carry the request.
    """
    with _Exchange(deadline_seconds) as one, closing(_Adapter(one)) as adapter:
        try:
            prepared = session.prepare_request(request)
            settings: Any = session.merge_environment_settings(prepared.url, {}, True, None, None)
            timeout = (connect_timeout_seconds, deadline_seconds)
            response = adapter.send(prepared, timeout=timeout, **settings)
        except (OSError, HTTPError) as error:  # those of requests are OSErrors
            return _failure(error, one)
        with closing(response):
            return _answer(response, one)


class _Exchange:
    """One request: the only connection it may use, how far it came, and when it must be over."""

    def __init__(self, seconds: float) -> None:
        self.begun = False
        self._ends_at = monotonic() + seconds
        self._lock = Lock()
        self.cut = False
        self._twin: socket.socket | None = None
        self._watchdog = Timer(seconds, self._cut_off)
        self._watchdog.daemon = True

    def __enter__(self) -> Self:
        self._watchdog.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._watchdog.cancel()
        self._watchdog.join()
        if self._twin is not None:
            self._twin.close()

    @property
    def late(self) -> bool:
        """Whether the deadline has passed."""
        return self.cut or monotonic() >= self._ends_at

    def opened(self, sock: socket.socket) -> None:
        """Put an open connection under the deadline, before anything goes over it.

        The watchdog gets a duplicate: TLS takes the descriptor out of the original.
        """
        with self._lock:
            self._twin = sock.dup()

    def begin(self, connection: HTTPConnection) -> float:
        """Allow the request to be sent, once and in time; from here on it may have arrived.

        Returns:
            The seconds that are left.

        Raises:
            ConnectTimeoutError: it is too late, or a request has already begun.
        """
        with self._lock:
            left = self._ends_at - monotonic()
            if self.cut or self.begun or left <= 0:
                raise ConnectTimeoutError(connection, "too late to begin")
            self.begun = True
            return left

    def _cut_off(self) -> None:
        """Wake whoever waits on the connection: it reads as closed from now on."""
        with self._lock:
            self.cut = True
            if self._twin is not None:
                with suppress(OSError):
                    self._twin.shutdown(socket.SHUT_RDWR)


class _Head(io.BufferedReader):
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
        self.fp: Any = _Head(self.fp.detach())

    def begin(self) -> None:
        head = self.fp
        super().begin()
        if head.last_line not in {b"\r\n", b"\n"}:
            raise http.client.IncompleteRead(b"")
        # urllib3 would log the text of header lines that it cannot read.
        self.msg.defects = []
        self.msg.set_payload("")


class _Guarded(HTTPConnection):
    """A connection that belongs to one exchange."""

    #: http.client prints whole requests when somebody switches its class-wide debugging on.
    debuglevel = 0
    response_class = _Response

    def __init__(self, *args: Any, exchange: _Exchange, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._exchange = exchange

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        self._exchange.opened(sock)
        if self._exchange.late:  # the watchdog has come and gone: nobody would end a handshake
            sock.close()
            raise ConnectTimeoutError(self, "too late to begin")
        return sock

    def connect(self) -> None:
        """Connect, through proxy and TLS, and only then let the request begin."""
        super().connect()
        self.sock.settimeout(self._exchange.begin(self))


class _GuardedTls(_Guarded, HTTPSConnection):
    """The same over TLS."""


class _Adapter(HTTPAdapter):
    """Gives the one request of an exchange its guarded connection; retries nothing."""

    def __init__(self, one: _Exchange) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)
        self._exchange = one

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> ConnectionPool:
        """Choose the pool as requests does, and make it open guarded connections."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        guarded = {HTTPConnectionPool: _Guarded, HTTPSConnectionPool: _GuardedTls}.get(type(pool))
        if guarded is None:
            raise requests.exceptions.InvalidProxyURL("only http and https proxies are supported")
        pool.ConnectionCls = partial(guarded, exchange=self._exchange)
        return cast("ConnectionPool", pool)


def _answer(response: requests.Response, one: _Exchange) -> Answer:
    """Read what there is of the body; being cut is a fact about it, not an error."""
    body = bytearray()
    complete = True
    try:
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                complete = False
                break
    except (OSError, HTTPError, http.client.HTTPException):
        complete = False
    return Answer(
        status=response.status_code,
        content_type=response.headers.get("Content-Type"),
        body=bytes(body),
        # without a length, being cut off by the watchdog looks like an orderly end
        complete=complete and not one.cut,
        retry_after=response.headers.get("Retry-After"),
        date=response.headers.get("Date"),
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
    (Exception, TransportFailure.SETTINGS),  # the file of `verify` or `cert` is missing
)


def _failure(error: OSError | HTTPError, one: _Exchange) -> TransportFailure:
    """Name the reason why there is no answer."""
    if one.begun:
        return TransportFailure.DEADLINE if one.late else TransportFailure.BROKEN
    failure = next(failure for kind, failure in _BEFORE if isinstance(error, kind))
    if failure is not TransportFailure.SETTINGS and one.late:
        return TransportFailure.LATE
    cause = getattr(error.args[0], "reason", None) if error.args else None
    return TransportFailure.NAME if isinstance(cause, NameResolutionError) else failure
