"""One thing that the doctor looks at, and what he found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from track_dispatch.errors import TrackDispatchError

T = TypeVar("T")

#: The subject of what all hospitals share.
INSTALLATION = "installation"


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


def check(subject: str, name: str, look: Callable[[], str]) -> Check:
    """Look at one thing; `look` returns what is well, and raises what is not.

    A `DoubtError` is a warning, any other error a failure. No error gets out: the next thing is
    looked at whatever became of this one.
    """
    return obtain(subject, name, lambda: (None, look()))[1]


def obtain(subject: str, name: str, look: Callable[[], tuple[T, str]]) -> tuple[T | None, Check]:
    """Look at one thing that later checks need: return it, None where it is not well."""
    try:
        found, detail = look()
    except DoubtError as doubt:
        return None, Check(subject, name, CheckStatus.WARN, _one_line(doubt))
    except TrackDispatchError as error:
        return None, Check(subject, name, CheckStatus.FAIL, _one_line(error))
    except Exception as error:  # noqa: BLE001 - a fault of ours or a plugin's must not end the visit
        # its text is anybody's, and may quote a password
        detail = f"failed with an unexpected {type(error).__name__}: report it to the developers"
        return None, Check(subject, name, CheckStatus.FAIL, detail)
    return found, Check(subject, name, CheckStatus.OK, detail)


def _one_line(error: Exception) -> str:
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
