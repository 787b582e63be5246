"""The steps of a day on a ledger, as one object: the fixture `steps`."""

from __future__ import annotations

from tests.unit.ledger.claim_steps import ClaimSteps
from tests.unit.ledger.put_steps import PutSteps
from tests.unit.ledger.reading_steps import ReadingSteps


class Steps(ReadingSteps, ClaimSteps, PutSteps):
    """What happens to a ledger, step by step, and what it holds afterwards.

    A day is read (`extract`, `transform`, or `read` for both), its envelopes are claimed and
    settled, people decide; `fill` and `put_...` begin in the middle of such a day.
    """
