"""Every way a line may move, once, as data; `moves.py` is the only code that moves one.

A transition that nobody takes yet (`built=False`) is listed all the same: the table is the promise,
and the tests walk it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from track_dispatch.records import LineState

_S = LineState


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: which states it leaves, which it may enter, who moves, and when."""

    leaves: frozenset[LineState]
    enters: frozenset[LineState]
    who: str
    condition: str
    built: bool = True


def _rule(
    leaves: set[LineState], enters: set[LineState], who: str, condition: str, *, built: bool = True
) -> Rule:
    return Rule(frozenset(leaves), frozenset(enters), who, condition, built)


class Transition(StrEnum):
    """The name of a transition, as events record it."""

    FOUND = "found"
    REEVALUATED = "reevaluated"
    REFUSAL_REOPENED = "refusal_reopened"
    GONE = "gone"
    HELD_FOR_APPROVAL = "held_for_approval"
    APPROVED = "approved"
    EXCLUDED_AT_CLAIM = "excluded_at_claim"
    EXPIRED = "expired"
    CLAIMED = "claimed"
    SPLIT = "split"
    ANSWERED = "answered"
    DOUBTED = "doubted"
    LEASE_OVER = "lease_over"
    ANSWERED_LATE = "answered_late"
    DECIDED = "decided"
    SENT_AGAIN = "sent_again"
    RESTORED = "restored"
    RETRY_ALLOWED = "retry_allowed"


TABLE: dict[Transition, Rule] = {
    Transition.FOUND: _rule(set(), {_S.READY, _S.EXCLUDED}, "transform", "insert"),
    Transition.REEVALUATED: _rule(
        {_S.READY, _S.EXCLUDED}, {_S.READY, _S.EXCLUDED}, "transform", "a newer extraction"
    ),
    Transition.REFUSAL_REOPENED: _rule(
        {_S.REFUSED},
        {_S.READY, _S.EXCLUDED},
        "transform",
        "a person allowed the retry, or refused by 4xx and the keyed digest changed",
    ),
    Transition.GONE: _rule(
        {_S.READY, _S.HELD}, {_S.EXCLUDED}, "transform", "the newest extraction has it no more"
    ),
    Transition.HELD_FOR_APPROVAL: _rule({_S.READY}, {_S.HELD}, "gate", "before it asks"),
    Transition.APPROVED: _rule(
        {_S.HELD}, {_S.READY}, "approve_volume, a person", "approved or released"
    ),
    Transition.EXCLUDED_AT_CLAIM: _rule(
        {_S.READY}, {_S.EXCLUDED}, "claim", "a rule checked again at the claim"
    ),
    Transition.EXPIRED: _rule(
        {_S.READY, _S.HELD}, {_S.EXPIRED}, "claim, housekeeping", "older than max_age_days"
    ),
    Transition.CLAIMED: _rule({_S.READY}, {_S.SENDING}, "claim", "new claim_id, lease"),
    Transition.SPLIT: _rule(
        {_S.SENDING}, {_S.SENDING}, "the claim's owner", "after a certain refusal"
    ),
    Transition.ANSWERED: _rule(
        {_S.SENDING}, {_S.ACCEPTED, _S.REFUSED, _S.READY}, "the claim's owner", "claim_id is mine"
    ),
    Transition.DOUBTED: _rule(
        {_S.SENDING}, {_S.IN_DOUBT}, "the claim's owner", "the outcome is unknown"
    ),
    Transition.LEASE_OVER: _rule({_S.SENDING}, {_S.IN_DOUBT}, "anybody", "the lease is over"),
    Transition.ANSWERED_LATE: _rule(
        {_S.IN_DOUBT},
        {_S.ACCEPTED, _S.REFUSED, _S.READY},
        "the owner's late answer",
        "claim_id is still mine: a person's decision changes it",
    ),
    Transition.DECIDED: _rule(
        {_S.IN_DOUBT},
        {_S.ACCEPTED, _S.ABANDONED, _S.READY},
        "a person",
        "not before the lease ends; back to ready only what was never posted (restored)",
    ),
    Transition.SENT_AGAIN: _rule(
        {_S.IN_DOUBT},
        {_S.SENDING},
        "a person",
        "not before the lease ends; same batch and key, new claim_id and lease",
    ),
    Transition.RESTORED: _rule(
        {_S.READY, _S.HELD}, {_S.IN_DOUBT}, "ledger restored", "a backup was put back"
    ),
    Transition.RETRY_ALLOWED: _rule(
        {_S.REFUSED}, {_S.REFUSED}, "a person", "the next extraction may take the line up"
    ),
}
