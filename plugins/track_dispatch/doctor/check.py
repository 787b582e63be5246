"""A single check of the doctor: how it is run, how long it may take, what it results in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from track_dispatch.errors import TrackDispatchError
from track_dispatch.process import within

T = TypeVar("T")

#: Seconds for one check: longer than any deadline inside it, whose message says more.
LONGEST_LOOK = 120.0

#: The subject of checks that concern all hospitals.
INSTALLATION = "installation"


_ANNOUNCE: ContextVar[Callable[[str, str], object]] = ContextVar(
    "announce", default=lambda _subject, _name: None
)


class CheckStatus(StrEnum):
    """The verdict of a check."""

    OK = "ok"
    """Nothing to do."""
    WARN = "warn"
    """It works, but somebody should look."""
    FAIL = "FAIL"
    """A run would fail, or do harm; the exit code is 1."""


@dataclass(frozen=True, slots=True)
class Check:
    """The result of a check, without secrets and patients' data.

    Attributes:
        subject: the installation, an ERP's connection, or a hospital's code.
        name: what was looked at.
        verdict: whether it is well.
        detail: what was found; where it is not well, what to do.
    """

    subject: str
    name: str
    verdict: CheckStatus
    detail: str


def softened(checks: Iterable[Check]) -> Iterator[Check]:
    """Turn the failures of a hospital that is not live yet into warnings: no run would fail."""
    for checked in checks:
        if checked.verdict is CheckStatus.FAIL:
            detail = f"not live yet: {checked.detail}"
            yield replace(checked, verdict=CheckStatus.WARN, detail=detail)
        else:
            yield checked


class DoubtError(Exception):
    """A check's warning: the installation works, but a person should look."""


def required(value: T | None, why: str) -> T:
    """Return the value of an earlier check that this one needs.

    Raises:
        DoubtError: there is no value, so that this check is left out; `why` says the reason.
    """
    if value is None:
        raise DoubtError(f"not looked at: {why}")
    return value


@contextmanager
def announcing(announce: Callable[[str, str], None]) -> Iterator[None]:
    """Call `announce` with the subject and the name of each check before it begins."""
    token = _ANNOUNCE.set(announce)
    try:
        yield
    finally:
        _ANNOUNCE.reset(token)


def check(
    subject: str, name: str, look: Callable[[], str], *, seconds: float = LONGEST_LOOK
) -> Check:
    """Run one check; `look` returns the detail of what is well, and raises where it is not.

    A `DoubtError` is a warning; any other error, or a look that takes too long, is a failure. No
    error is raised, so that the next check runs in any case.
    """
    return obtain(subject, name, lambda: (None, look()), seconds=seconds)[1]


def obtain(
    subject: str,
    name: str,
    look: Callable[[], tuple[T, str]],
    *,
    seconds: float = LONGEST_LOOK,
) -> tuple[T | None, Check]:
    """Run one check whose value later checks need; the value is None where it is not well."""
    _ANNOUNCE.get()(subject, name)
    try:
        found, detail = within(seconds, look)
    except DoubtError as doubt:
        return None, Check(subject, name, CheckStatus.WARN, _one_line(doubt))
    except TrackDispatchError as error:
        return None, Check(subject, name, CheckStatus.FAIL, _one_line(error))
    except TimeoutError:
        detail = (
            f"gave no answer within {seconds:g} s and was left: look at the system behind it and at"
            " the way there (firewall, DNS)"
        )
        return None, Check(subject, name, CheckStatus.FAIL, detail)
    except Exception as error:  # noqa: BLE001 - a fault of ours or a plugin's must not end the visit
        # the text of a foreign error may quote a password
        detail = f"failed with an unexpected {type(error).__name__}: report it to the developers"
        return None, Check(subject, name, CheckStatus.FAIL, detail)
    return found, Check(subject, name, CheckStatus.OK, detail)


def _one_line(error: Exception) -> str:
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
