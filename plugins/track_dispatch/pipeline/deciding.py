"""What a person decides, carried out: the one way of `track_decide` and of the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from track_dispatch.config import load_hospital
from track_dispatch.delivery.again import send_again
from track_dispatch.errors import ConfigError
from track_dispatch.ledger.deciding import allow_retry, release_day, settle_doubt
from track_dispatch.ledger.doubts import require_doubt
from track_dispatch.ledger.restoring import allow_day, restore
from track_dispatch.ledger.switch import resume_service
from track_dispatch.records import Decision, Verb

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from datetime import date, datetime

    from track_dispatch.config import Hospital
    from track_dispatch.delivery.desk import Desk
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.records import Actor

    #: Opens the desk that sends for a hospital, for an actor.
    OpenDesk = Callable[[Hospital, Actor], AbstractContextManager[Desk]]

T = TypeVar("T")

#: Verbs about one batch, and those about a hospital's day.
OF_BATCHES = frozenset({Verb.SETTLE_SENT, Verb.SEND_AGAIN, Verb.ABANDON})
OF_DAYS = frozenset({Verb.RELEASE, Verb.RETRY_REFUSED, Verb.ALLOW_DAY})

#: Room for a sentence, not for a list of patients.
LONGEST_WHY = 300
#: An e-mail address, or digits enough for a phone or a CPF, however they are set apart.
_PERSONAL = re.compile(r"@|\d(?:[ .()/-]*\d){8}")


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be decided about: a batch, a hospital's day, a backup, or nothing more."""

    batch_id: str | None = None
    hospital: str | None = None
    business_day: date | None = None
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What a decision did; `hospital` and `business_day` where it was about one."""

    what: Verb
    lines: int
    hospital: str | None = None
    business_day: date | None = None


def decision(what: Verb, *, person: str | None, why: str, run_id: str | None = None) -> Decision:
    """Make a decision of what a person says.

    Raises:
        ConfigError: nobody answers for it, or the reason is missing or looks like patient data.
    """
    who, reason = " ".join((person or "").split()), " ".join(why.split())
    if not who:
        raise ConfigError("nobody answers for this decision: it needs the name of a person")
    if len(reason) < 3 or len(reason) > LONGEST_WHY:
        raise ConfigError(
            f"say why, in 3 to {LONGEST_WHY} characters: it is kept with the decision"
        )
    if _PERSONAL.search(reason):
        raise ConfigError(
            "the reason looks as if it held an e-mail address, a phone or a CPF: it is kept and"
            " shown, so leave patients out of it"
        )
    return Decision(what, who, reason, run_id)


def carry_out(order: Order, decided: Decision, *, ledger: Ledger, open_desk: OpenDesk) -> Done:
    """Do what a person decided, once, and keep who and why.

    Raises:
        ConfigError: what it is about is missing, or is not there, or was decided before.
        LinesInFlightError: the lease of what it is about still runs.
        DeliveryError: "send again" was not accepted; the batch is in doubt as before.
        LedgerError: the ledger failed; nothing was done.
    """
    if decided.what in OF_BATCHES:
        return _about_a_batch(_required(order.batch_id, "batch"), decided, ledger, open_desk)
    if decided.what in OF_DAYS:
        code = load_hospital(_required(order.hospital, "hospital")).code
        return _about_a_day(code, _required(order.business_day, "business_day"), decided, ledger)
    if decided.what is Verb.RESUME:
        return Done(Verb.RESUME, resume_service(ledger, decided))
    moment = _required(order.as_of, "as_of")
    return Done(Verb.RESTORED, restore(ledger, as_of=moment, decision=decided))


def _about_a_batch(batch_id: str, decided: Decision, ledger: Ledger, open_desk: OpenDesk) -> Done:
    with ledger.reading() as connection:
        unit = require_doubt(connection, batch_id).unit
    if decided.what is Verb.SEND_AGAIN:
        with open_desk(load_hospital(unit.hospital), decided.actor) as desk:
            tally = send_again(desk, batch_id, decided)
        lines = tally.accepted + tally.refused
    else:
        lines = settle_doubt(ledger, batch_id, decided)
    return Done(decided.what, lines, unit.hospital, unit.business_day)


def _about_a_day(code: str, day: date, decided: Decision, ledger: Ledger) -> Done:
    if decided.what is Verb.RELEASE:
        lines = release_day(ledger, hospital=code, business_day=day, decision=decided)
    elif decided.what is Verb.RETRY_REFUSED:
        lines = allow_retry(ledger, hospital=code, business_day=day, decision=decided)
    else:
        allow_day(ledger, hospital=code, business_day=day, decision=decided)
        lines = 0
    return Done(decided.what, lines, code, day)


def _required(value: T | None, name: str) -> T:
    if value is None:
        raise ConfigError(f"{name} is missing: this decision is about one")
    return value
