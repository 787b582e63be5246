"""The way to Track, which may go wrong: a name that leads elsewhere, and the places it leads to."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from cryptography import x509

from tests.proof.fault_terms import Detour
from tests.unit.delivery.certificates import self_signed, serving
from tests.unit.delivery.raw_server import RawServer, answer, read_request, without_reading

#: Track's name in these tests; `.test` reaches no real patient.
HOST = "track.test"
Place = tuple[str, int]


class Names:
    """The system's resolver, with one name of ours: it leads to Track, or once somewhere else.

    Args:
        home: where Track is.
    """

    def __init__(self, home: Place) -> None:
        self.home = home
        self._resolve = socket.getaddrinfo
        self._detours: list[Place | bool | None] = []

    def lead_astray(self, place: Place | None, *, after: int) -> None:
        """Lead one look-up to a place, or nowhere, after so many that lead to Track."""
        self._detours = [True] * after + [place]

    def lead_home(self) -> None:
        """Forget what was to go wrong."""
        self._detours = []

    def __call__(self, host: Any, *args: Any, **options: Any) -> list[Any]:
        """Resolve a name, as `socket.getaddrinfo` does."""
        if host != HOST:
            return self._resolve(host, *args, **options)
        place = self._detours.pop(0) if self._detours else True
        if place is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        address = self.home if place is True else place
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)]


@contextmanager
def end_of(detour: Detour, folder: Path) -> Iterator[Place | None]:
    """Open the place where a detour ends; None: the name is not found.

    Args:
        detour: which.
        folder: for a certificate.
    """
    with ExitStack() as stack:
        match detour:
            case Detour.NO_NAME:
                yield None
            case Detour.NOBODY_LISTENS:
                bound = stack.enter_context(socket.socket())
                bound.bind(("127.0.0.1", 0))
                yield bound.getsockname()
            case Detour.FULL_QUEUE:
                yield stack.enter_context(_full_queue())
            case Detour.STRANGER:
                tls = serving(certificate_of(HOST, folder / "stranger.pem"))
                yield "127.0.0.1", stack.enter_context(RawServer(answer(500), tls=tls)).port
            case Detour.NEVER_READS:
                yield stack.enter_context(_never_reading())


@contextmanager
def _full_queue() -> Iterator[Place]:
    """Listen, with a queue that is full and takes nobody any more."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()


@contextmanager
def _never_reading() -> Iterator[Place]:
    """Take connections and read nothing; buffers so small that a batch of a hundred fills them."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()
        listener.setblocking(False)
        with listener.accept()[0] as taken:
            taken.settimeout(5)
            assert not read_request(taken), "the whole request fitted into the buffers"


@contextmanager
def over_tls(port: int, certificate: Path) -> Iterator[Place]:
    """Serve by TLS what somebody serves in clear."""

    def forward(outside: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as inside:
            inside.sendall(read_request(outside))
            while part := inside.recv(65536):
                outside.sendall(part)

    with RawServer(without_reading(forward), tls=serving(certificate)) as front:
        yield "127.0.0.1", front.port


def certificate_of(host: str, path: Path) -> Path:
    """Write a certificate of a host with its key."""
    return self_signed(path, x509.DNSName(host))
