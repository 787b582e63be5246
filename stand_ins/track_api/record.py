"""What reached the stand-in: one record per POST, and how every line of it ended."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from stand_ins.track_api.answers import Problem


class Fate(StrEnum):
    """What became of one line in one POST."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # named in a refusal, or alone in a refused batch
    UNTOUCHED = "untouched"


@dataclass(frozen=True, slots=True)
class Line:
    """The part of an import line that counting needs, and its fate."""

    cd_atendimento: str = field(repr=False)
    unidade: str
    area_pesquisa: str
    fate: Fate


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A POST to `distributions` as it arrived, and what was done with it.

    Attributes:
        number: 1 for the first POST.
        at: When its headers had been read.
        connection: 1 for the first connection; two POSTs of one number shared it.
        idempotency_key: The header, None without.
        authorized: The bearer token was right; None: there was no Authorization header.
        content_type: The header.
        raw: The body's bytes, empty when it was not read or is not kept.
        body: The body, None when it was not read, no object, or is not kept.
        lines: The lines with their fates, empty where the body could not be read.
        status: The answer's status, None when no answer was begun.
        fault: The fault's name, None when the stand-in behaved.
        problems: The rules that the POST broke; never values.
        concurrent: Another POST to the same survey was still waiting for its answer.
    """

    number: int
    at: datetime
    connection: int
    idempotency_key: str | None = None
    authorized: bool | None = None
    content_type: str = ""
    raw: bytes = field(default=b"", repr=False)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    survey_uuid: str = ""
    channel: str = ""
    lines: tuple[Line, ...] = ()
    status: int | None = None
    fault: str | None = None
    problems: tuple[Problem, ...] = ()
    concurrent: bool = False

    @property
    def accepted(self) -> bool:
        """Whether at least one line was accepted."""
        return any(line.fate is Fate.ACCEPTED for line in self.lines)

    def ids(self, fate: Fate) -> list[str]:
        """List the `cd_atendimento` of the lines that met this fate."""
        return [line.cd_atendimento for line in self.lines if line.fate is fate]


class Record:
    """The POSTs so far, for many threads."""

    def __init__(self, *, keep_bodies: bool = True) -> None:
        self._keep_bodies = keep_bodies
        self._lock = threading.Lock()
        self._received: list[Received] = []

    def add(self, received: Received) -> None:
        """Append a POST; without its body where bodies are not kept."""
        kept = received if self._keep_bodies else replace(received, body=None, raw=b"")
        with self._lock:
            self._received.append(kept)

    def all(self) -> tuple[Received, ...]:
        """Take the POSTs up to now, in the order of their arrival."""
        with self._lock:
            return tuple(sorted(self._received, key=lambda received: received.number))
