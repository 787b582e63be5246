"""The task of `track_housekeeping`: what has had its time leaves the ledger.

It works by the hospitals that the ledger itself knows: one whose file is broken or gone is tidied
like the others, by the widest limits there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING

from track_dispatch.config.policies import RETENTION_MARGIN_DAYS
from track_dispatch.ledger import retention
from track_dispatch.ledger.batches import expire_leases

if TYPE_CHECKING:
    from track_dispatch.config import Hospital
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.records import Actor

#: Where a day ends last: what is over there is over everywhere.
LAST_ZONE = timezone(timedelta(hours=-12))


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a hospital's lines stay, in days; 0 = no limit."""

    zone: tzinfo
    age: int
    retention: int

    def identity_days(self, cap: int) -> int | None:
        """Return the days that a line's identities stay: a rule may need to recognise the patient.

        None: they stay for good.
        """
        return self.age + cap + RETENTION_MARGIN_DAYS if self.age else None


def identities_leave(hospitals: Sequence[Hospital], last_days: Mapping[str, date]) -> date | None:
    """Return the first day without the identities of lines whose last days these are.

    Args:
        hospitals: those whose files can be used.
        last_days: by hospital, of a visit or of a POST.

    Returns:
        None where a hospital's stay for good, or nobody can tell.
    """
    limits = _limits(hospitals)
    leave = []
    for code, last in last_days.items():
        own = limits.get(code) or _widest([*limits.values()])
        days = own.identity_days(_cap(hospitals)) if own else None
        if days is None:
            return None
        leave.append(last + timedelta(days=days + 1))
    return max(leave, default=None)


def run_housekeeping(
    hospitals: Sequence[Hospital], *, ledger: Ledger, actor: Actor, now: datetime
) -> dict[str, int]:
    """Do all there is to do, and return counts of it.

    `in_doubt`, `reopened`, `expired`, `anonymised` and `purged` count lines, `erased` payloads of
    held lines that were too old to be sent, `unstaged` extractions that nobody took.

    Args:
        hospitals: those whose files can be used.
        ledger: open.
        actor: who tidies.
        now: aware; decides which days are over.

    Raises:
        LedgerError: the ledger failed; what was done before stands, the rest is for the next time.
    """
    done = Counter(in_doubt=expire_leases(ledger, actor=actor))
    done["unstaged"] = retention.erase_staged(ledger)
    if hospitals:
        hours = max(one.extraction_max_age_hours for one in hospitals)
        old = retention.drop_old_payloads(ledger, max_age_hours=hours, actor=actor)
        done.update(reopened=old.reopened, erased=old.erased)
    cap = _cap(hospitals)
    limits = _limits(hospitals)
    with ledger.reading() as connection:
        codes = retention.known_hospitals(connection)
    for code in codes:
        own = limits.get(code) or _widest(list(limits.values()))
        today = now.astimezone(own.zone).date() if own else now.astimezone(LAST_ZONE).date()
        done["expired"] += retention.expire_past(ledger, hospital=code, today=today, actor=actor)
        if own:
            done.update(_let_go(ledger, code, own, today=today, cap=cap))
    return dict(done)


def _cap(hospitals: Sequence[Hospital]) -> int:
    return max((one.contact_cap_days for one in hospitals), default=0)


def _limits(hospitals: Sequence[Hospital]) -> dict[str, Retention]:
    return {
        one.code: Retention(one.zone, one.max_age_days, one.ledger_retention_days)
        for one in hospitals
    }


def _widest(known: Sequence[Retention]) -> Retention | None:
    """Return limits under which nothing leaves too early; None where nothing is known."""
    if not known:
        return None
    ages, stays = [one.age for one in known], [one.retention for one in known]
    return Retention(
        LAST_ZONE,
        age=0 if 0 in ages else max(ages),
        retention=0 if 0 in stays else max(stays),
    )


def _let_go(ledger: Ledger, code: str, own: Retention, *, today: date, cap: int) -> dict[str, int]:
    """Anonymise and purge a hospital's old lines."""
    done = {"anonymised": 0, "purged": 0}
    if days := own.identity_days(cap):
        before = today - timedelta(days=days)
        done["anonymised"] = retention.anonymise(ledger, hospital=code, before=before, days=days)
    if own.retention:
        first = today - timedelta(days=own.retention)
        done["purged"] = retention.purge(ledger, hospital=code, first_known_day=first)
    return done
