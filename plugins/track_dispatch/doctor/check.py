"""One thing that the doctor looks at, and what he found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, replace
from enum import StrEnum
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar, cast

from track_dispatch.errors import ConfigError, TrackDispatchError

T = TypeVar("T")

#: Seconds for one look: more than any deadline of ours within it, so that those speak first.
LONGEST_LOOK = 120.0

#: The subject of what all hospitals share.
INSTALLATION = "installation"


_ANNOUNCE: ContextVar[Callable[[str, str], object]] = ContextVar(
    "announce", default=lambda _subject, _name: None
)


class CheckStatus(StrEnum):
    """How well it is."""

    OK = "ok"
    """Nothing to do."""
    WARN = "warn"
    """It works, but somebody should look."""
    FAIL = "FAIL"
    """A run would fail, or do harm; the exit code is 1."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, and what was found; free of secrets and of patients' data.

    Attributes:
        subject: the installation, an ERP's connection, or a hospital's code.
        name: what was looked at.
        verdict: how well it is.
        detail: what was found; where it is not well, what to do.
    """

    subject: str
    name: str
    verdict: CheckStatus
    detail: str


def softened(found: Iterable[Check]) -> Iterator[Check]:
    """Make warnings of the failures of what is not live yet: no run would fail, nobody is asked."""
    for one in found:
        if one.verdict is CheckStatus.FAIL:
            detail = f"not live yet: {one.detail}"
            yield replace(one, verdict=CheckStatus.WARN, detail=detail)
        else:
            yield one


class DoubtError(Exception):
    """Something a person should look at, though the work can be done."""


def required(value: T | None, why: str) -> T:
    """Return what a look needs from an earlier one.

    Raises:
        DoubtError: it is missing, `why` says the reason: this is not looked at.
    """
    if value is None:
        raise DoubtError(f"not looked at: {why}")
    return value


@contextmanager
def announcing(announce: Callable[[str, str], None]) -> Iterator[None]:
    """Let `announce` be told the subject and the name of each look before it begins."""
    token = _ANNOUNCE.set(announce)
    try:
        yield
    finally:
        _ANNOUNCE.reset(token)


def check(
    subject: str, name: str, look: Callable[[], str], *, seconds: float = LONGEST_LOOK
) -> Check:
    """Look at one thing; `look` returns what is well, and raises what is not.

    A `DoubtError` is a warning, any other error a failure, and so is a look that does not end. No
    error gets out: the next thing is looked at whatever became of this one.
    """
    return obtain(subject, name, lambda: (None, look()), seconds=seconds)[1]


def obtain(
    subject: str,
    name: str,
    look: Callable[[], tuple[T, str]],
    *,
    seconds: float = LONGEST_LOOK,
) -> tuple[T | None, Check]:
    """Look at one thing that later checks need: return it, None where it is not well."""
    _ANNOUNCE.get()(subject, name)
    try:
        found, detail = _within(seconds, look)
    except DoubtError as doubt:
        return None, Check(subject, name, CheckStatus.WARN, _one_line(doubt))
    except TrackDispatchError as error:
        return None, Check(subject, name, CheckStatus.FAIL, _one_line(error))
    except Exception as error:  # noqa: BLE001 - a fault of ours or a plugin's must not end the visit
        # its text is anybody's, and may quote a password
        detail = f"failed with an unexpected {type(error).__name__}: report it to the developers"
        return None, Check(subject, name, CheckStatus.FAIL, detail)
    return found, Check(subject, name, CheckStatus.OK, detail)


def _within(seconds: float, look: Callable[[], T]) -> T:
    """Return what `look` returns, or give it up: a foreign system that is silent ends no wait.

    Raises:
        ConfigError: it took longer. Its thread is left behind, and ends with the process.
    """
    outcome: SimpleQueue[tuple[T | None, Exception | None]] = SimpleQueue()

    def run() -> None:
        try:
            outcome.put((look(), None))
        except Exception as error:  # noqa: BLE001 - raised again, in the thread that waits
            outcome.put((None, error))

    context = copy_context()
    Thread(target=context.run, args=(run,), name="look", daemon=True).start()
    try:
        found, error = outcome.get(timeout=seconds)
    except Empty:
        message = (
            f"gave no answer within {seconds:g} s and was left: look at the system behind it and at"
            " the way there (firewall, DNS)"
        )
        raise ConfigError(message) from None
    if error is not None:
        raise error
    return cast("T", found)


def _one_line(error: Exception) -> str:
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
