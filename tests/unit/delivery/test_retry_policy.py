"""Each kind of error and what Airflow does about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk import RetryAction

from track_dispatch import errors
from track_dispatch.operators import TrackRetryPolicy

FAIL, RETRY = RetryAction.FAIL, RetryAction.RETRY

DECISIONS = [
    (errors.ConfigError("x"), FAIL, None),
    (errors.DecisionRefusedError("x", for_analyst="x"), FAIL, None),
    (errors.ForgottenDayError("x"), FAIL, None),
    (errors.LogOnRefusedError("x"), FAIL, None),
    (errors.SourceContractError("x"), FAIL, None),
    (errors.ServiceStoppedError("x", status=401), FAIL, None),
    (errors.DeliveryUncertainError("x"), FAIL, None),
    (errors.RedDayError("x"), FAIL, None),
    (errors.QuietHoursError("x", opens_at=datetime(2026, 3, 3, 11, tzinfo=UTC)), FAIL, None),
    (errors.SourceUnavailableError("x"), RETRY, None),
    (errors.LedgerError("x"), RETRY, None),
    (errors.BudgetSpentError("x", retry_after=40), RETRY, timedelta(seconds=40)),
    (errors.NotDeliveredError("x"), RETRY, None),
    (errors.NotDeliveredError("x", retry_after=120), RETRY, timedelta(seconds=120)),
    (errors.NotDeliveredError("x", retry_after=86400), RETRY, timedelta(hours=1)),
    (errors.LinesInFlightError("x", retry_after=90), RETRY, timedelta(seconds=91)),
    (errors.LinesInFlightError("x", retry_after=0), RETRY, timedelta(seconds=1)),
]


@pytest.mark.parametrize(
    ("error", "action", "delay"), DECISIONS, ids=lambda value: type(value).__name__
)
def test_the_kind_of_error_decides(
    error: Exception, action: RetryAction, delay: timedelta | None
) -> None:
    decision = TrackRetryPolicy().evaluate(error, try_number=1, max_tries=3)

    assert (decision.action, decision.retry_delay) == (action, delay)


def test_every_kind_of_error_that_can_be_raised_is_decided() -> None:
    decided = {type(error) for error, _, _ in DECISIONS}

    assert leaves(errors.TrackDispatchError) - decided == set()


def test_a_foreign_error_gets_airflows_own_retries() -> None:
    decision = TrackRetryPolicy().evaluate(ValueError("x"), try_number=1, max_tries=3)

    assert decision.action == RetryAction.DEFAULT


def test_the_reason_that_airflow_logs_is_the_errors_name_alone() -> None:
    decision = TrackRetryPolicy().evaluate(errors.ConfigError("MARIA"), try_number=1, max_tries=3)

    assert decision.reason == "ConfigError"


def leaves(kind: type[Exception]) -> set[type[Exception]]:
    """Return the errors that are raised: those that no other one of ours specialises."""
    narrower = [one for one in kind.__subclasses__() if one.__module__ == errors.__name__]
    return set.union(*map(leaves, narrower)) if narrower else {kind}
