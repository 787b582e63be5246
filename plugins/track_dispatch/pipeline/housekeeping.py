"""The task of `track_housekeeping`: what has had its time leaves the ledger."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from track_dispatch.ledger import retention
from track_dispatch.ledger.contacts import forget_contacts
from track_dispatch.ledger.settling import expire_leases

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from track_dispatch.config import Hospital
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.records import Actor


def keep_house(
    hospitals: Sequence[Hospital], *, ledger: Ledger, actor: Actor, now: datetime
) -> dict[str, int]:
    """Do all there is to do, and return counts of it.

    `in_doubt`, `expired`, `thinned` and `forgotten` count lines, `erased` payloads that may not be
    sent any more, `unstaged` extractions that nobody took, `contacts` invitations past every cap.

    Raises:
        LedgerError: the ledger failed; what was done before stands, the rest is for the next time.
    """
    done = Counter(
        {
            "in_doubt": expire_leases(ledger, actor=actor),
            "unstaged": retention.erase_staged(ledger),
            "erased": retention.erase_settled_payloads(ledger),
        }
    )
    longest_cap = max((hospital.contact_cap_days for hospital in hospitals), default=0)
    if hospitals:
        with ledger.writing() as connection:
            done["contacts"] = forget_contacts(connection, days=longest_cap)
    for hospital in hospitals:
        done.update(_keep(hospital, ledger, actor, now))
    return dict(done)


def _keep(hospital: Hospital, ledger: Ledger, actor: Actor, now: datetime) -> dict[str, int]:
    """Apply a hospital's own limits; a limit of 0 is none."""
    code, done = hospital.code, {"expired": 0, "erased": 0, "thinned": 0, "forgotten": 0}
    today = now.astimezone(hospital.zone).date()
    if age := hospital.max_age_days:
        last = today - timedelta(days=age + 1)
        done["expired"] = retention.expire_day_and_before(
            ledger, hospital=code, last=last, actor=actor
        )
        done["erased"] = retention.erase_doubtful_payloads(ledger, hospital=code, last=last)
        # until then a rule may need to recognise the person, or a correction in the ERP
        days = age + hospital.contact_cap_days
        done["thinned"] = retention.thin(ledger, hospital=code, days=days)
    if kept := hospital.ledger_retention_days:
        first = today - timedelta(days=kept)
        done["forgotten"] = retention.forget(ledger, hospital=code, first_known_day=first)
    return done
