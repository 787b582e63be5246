"""How Airflow recovers from each of our errors: the error's type decides, in one table."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk import RetryDecision, RetryPolicy

from track_dispatch.errors import (
    BudgetSpentError,
    ConfigError,
    DeliveryUncertainError,
    LedgerError,
    LinesInFlightError,
    NotDeliveredError,
    QuietHoursError,
    RedDayError,
    ServiceStoppedError,
    SourceContractError,
    SourceUnavailableError,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Errors after which nobody but a person can help.
FAIL = (
    ConfigError,
    DeliveryUncertainError,
    QuietHoursError,  # `dispatch` waits by itself; who rehearses at night is told when to
    RedDayError,
    ServiceStoppedError,
    SourceContractError,
)
#: Errors that may pass by themselves; nothing was sent.
RETRY = (
    BudgetSpentError,  # `dispatch` waits by itself
    LedgerError,
    LinesInFlightError,
    NotDeliveredError,
    SourceUnavailableError,
)

#: Seconds by which a lease's end is missed on purpose: asked too early, it would still run.
AFTER_LEASE = 1.0
#: The longest that a Retry-After is obeyed, in seconds; the task's retries are not endless.
LONGEST_WAIT = 3600.0


class TrackRetryPolicy(RetryPolicy):
    """Retries what is safe and may help, fails the rest at once."""

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,  # noqa: ARG002 - Airflow's contract
        max_tries: int,  # noqa: ARG002
        context: Context | None = None,  # noqa: ARG002
    ) -> RetryDecision:
        """Decide by the error's type; the reason holds no more than its name."""
        reason = type(exception).__name__
        if isinstance(exception, FAIL):
            return RetryDecision.fail(reason)
        if isinstance(exception, RETRY):
            return RetryDecision.retry(delay=_delay(exception), reason=reason)
        return RetryDecision.default()


def _delay(exception: BaseException) -> timedelta | None:
    seconds = getattr(exception, "retry_after", None)
    if seconds is None:
        return None
    if isinstance(exception, LinesInFlightError):
        seconds += AFTER_LEASE
    return timedelta(seconds=min(seconds, LONGEST_WAIT))
