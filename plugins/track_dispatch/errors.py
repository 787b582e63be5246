"""Every error of the product; the type says how to recover.

TrackDispatchError
├── ConfigError                 fix and redeploy                              fail
│   ├── LogOnRefusedError       an ERP refused user and password: once        fail
│   ├── ForgottenDayError       nobody can tell who was asked on this day     fail
│   └── DecisionRefusedError    what a person decided cannot be carried out   fail
├── SourceError
│   ├── SourceUnavailableError  ERP unreachable or too slow; nothing was sent retry
│   └── SourceContractError     a column is missing or of another type        fail
├── DeliveryError               carries batch id and status, never a body
│   ├── NotDeliveredError       certainly not processed                       release, retry
│   ├── ServiceStoppedError     405/CAPTCHA, 401, 403                         release, fail
│   ├── LinesInFlightError      another claim's lease is running              retry after it
│   └── DeliveryUncertainError  maybe processed                               in doubt, fail
├── QuietHoursError             not now: nobody's telephone rings at night    wait until it opens
├── BudgetSpentError            Track's requests are used up for now          wait, then go on
├── LedgerError                 before any claim                              retry
└── RedDayError                 the report's verdict: a person must look      fail

A line that Track refuses is a value, its state, not an error. Messages say what happened, where,
and what to do. They never carry a patient's data: no name, no contact, no attendance id, no body of
an answer.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime


class TrackDispatchError(Exception):
    """Anything this package raises on purpose."""


class ConfigError(TrackDispatchError):
    """A file, a connection or a setting is wrong: fix it and run again."""


class LogOnRefusedError(ConfigError):
    """An ERP refused user and password: nobody tries again, failed log-ons lock the account."""


class ForgottenDayError(ConfigError):
    """The lines of a day left the ledger when their time was over: it is never read again."""


class DecisionRefusedError(ConfigError):
    """What a person decided cannot be carried out; nothing changed.

    `for_analyst` says why in Portuguese; see `states.DecisionRefusal`.
    """

    def __init__(self, message: str, *, for_analyst: str) -> None:
        """Keep the analyst's text beside the shell's."""
        super().__init__(message)
        self.for_analyst = for_analyst


class SourceError(TrackDispatchError):
    """The hospital's ERP did not give us the day."""


class SourceUnavailableError(SourceError):
    """The ERP is unreachable or too slow; nothing was sent, trying again is safe."""


class SourceContractError(SourceError):
    """The query's columns are not the agreed ones; somebody must change the SQL."""


class DeliveryError(TrackDispatchError):
    """A POST to Track did not end in plain acceptance."""

    def __init__(
        self, message: str, *, batch_id: str | None = None, status: int | None = None
    ) -> None:
        """Keep the batch's id and the HTTP status beside the message."""
        where = [f"batch {batch_id}"] if batch_id else []
        where += [f"HTTP {status}"] if status else []
        super().__init__(f"{message} ({', '.join(where)})" if where else message)
        self.batch_id = batch_id
        self.status = status


class NotDeliveredError(DeliveryError):
    """Track certainly did not process the batch: its lines are ready again.

    `retry_after` is the number of seconds Track asked us to wait, if it did.
    """

    def __init__(
        self,
        message: str,
        *,
        batch_id: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        """Keep what the retry policy needs."""
        super().__init__(message, batch_id=batch_id, status=status)
        self.retry_after = retry_after


class ServiceStoppedError(DeliveryError):
    """Track wants a person (CAPTCHA) or another key: nobody may go on by himself."""


class LinesInFlightError(DeliveryError):
    """Another claim's lease is still running; `retry_after` is what is left of it, in seconds."""

    def __init__(self, message: str, *, retry_after: float) -> None:
        """Keep the rest of the lease for the retry policy."""
        super().__init__(message)
        self.retry_after = retry_after


class DeliveryUncertainError(DeliveryError):
    """Track may have processed the batch: its lines are in doubt until a person decides."""


class QuietHoursError(TrackDispatchError):
    """Invitations may not leave now; `opens_at` is the moment from which they may, aware."""

    def __init__(self, message: str, *, opens_at: datetime) -> None:
        """Keep the moment to wait for."""
        super().__init__(message)
        self.opens_at = opens_at


class BudgetSpentError(TrackDispatchError):
    """Track takes no further request now; one is free in `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: float) -> None:
        """Keep the seconds to wait."""
        super().__init__(message)
        self.retry_after = retry_after


class LedgerError(TrackDispatchError):
    """The ledger cannot be reached or answered with an error, before any claim."""


class RedDayError(TrackDispatchError, SystemExit):
    """The day's report found something that needs a person.

    A `SystemExit`, because Airflow logs that as one line: the traceback of any other exception
    would hide the end of the report.
    """

    def __init__(self, message: str) -> None:
        """Exit as failed; the message is in the log already."""
        super().__init__(message)
        self.code = 1


@contextmanager
def raised_alone() -> Iterator[None]:
    """Raise our errors without the foreign errors that caused them; also a decorator.

    `raise ... from None` only hides the other error: it stays in `__context__`, with a statement's
    parameters or the ERP's text, for whoever reports more of an error than its traceback.
    """
    try:
        yield
    except TrackDispatchError as error:
        error.__context__ = None
        raise


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` (did you mean "x"?)` for the known name nearest to `word`, or "" if none is near."""
    by_folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), by_folded, n=1)
    return f' (did you mean "{by_folded[near[0]]}"?)' if near else ""
