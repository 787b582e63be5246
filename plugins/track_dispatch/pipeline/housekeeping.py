"""The task of `track_housekeeping`: delete and anonymise what has reached its retention limit.

The hospitals are those in the ledger. One whose file is broken or gone gets the widest limits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo

from track_dispatch.config import Hospital
from track_dispatch.config.policies import RETENTION_MARGIN_DAYS
from track_dispatch.ledger import retention
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.in_doubt import expire_leases
from track_dispatch.records import Actor

#: The zone where a day ends last.
LAST_ZONE = timezone(timedelta(hours=-12))


@dataclass(frozen=True, slots=True)
class Retention:
    """The retention limits of a hospital's lines.

    Attributes:
        zone: where its days end.
        identities: days that a rule may need to recognise the patient of a line; 0: for good.
        lines: days that a settled line stays; 0: for good.
    """

    zone: tzinfo
    identities: int
    lines: int


def identities_leave(hospitals: Sequence[Hospital], last_days: Mapping[str, date]) -> date | None:
    """Return the first day on which identities of lines may be deleted.

    Args:
        hospitals: those whose files can be used.
        last_days: by hospital, the last day of a visit or a POST of such lines.

    Returns:
        None where a hospital keeps them for good, or no hospital's limits are known.
    """
    limits = _limits(hospitals)
    leave = []
    for code, last in last_days.items():
        own = limits.get(code) or _widest(limits.values())
        if own is None or not own.identities:
            return None
        leave.append(last + timedelta(days=own.identities + 1))
    return max(leave, default=None)


def run_housekeeping(
    hospitals: Sequence[Hospital], *, ledger: Ledger, actor: Actor, now: datetime
) -> dict[str, int]:
    """Run all of housekeeping, and return counts.

    `in_doubt`, `reopened`, `expired`, `anonymised` and `purged` count lines, `erased` payloads of
    held lines that were too old to be sent, `unstaged` extractions that were never applied.

    Args:
        hospitals: those whose files can be used.
        ledger: open.
        actor: on whose behalf leases expire.
        now: aware; decides which days are over.

    Raises:
        LedgerError: the ledger failed; what was done before stands, the rest is for the next time.
    """
    done = Counter(in_doubt=expire_leases(ledger, actor=actor))
    done["unstaged"] = retention.erase_staged(ledger)
    if hospitals:
        hours = max(hospital.extraction_max_age_hours for hospital in hospitals)
        old = retention.drop_old_payloads(ledger, max_age_hours=hours, actor=actor)
        done.update(reopened=old.reopened, erased=old.erased)
    limits = _limits(hospitals)
    with ledger.reading() as connection:
        codes = retention.known_hospitals(connection)
    for code in codes:
        own = limits.get(code) or _widest(limits.values())
        today = now.astimezone(own.zone if own else LAST_ZONE).date()
        done["expired"] += retention.expire_past(ledger, hospital=code, today=today, actor=actor)
        if own:
            done.update(_let_go(ledger, code, own, today))
    retention.record_tidied(ledger)
    return dict(done)


def _limits(hospitals: Sequence[Hospital]) -> dict[str, Retention]:
    """Return each hospital's limits; the contact cap is one for all of them."""
    cap = max((hospital.contact_cap_days for hospital in hospitals), default=0)
    return {
        hospital.code: Retention(
            hospital.zone,
            hospital.max_age_days + cap + RETENTION_MARGIN_DAYS if hospital.max_age_days else 0,
            hospital.ledger_retention_days,
        )
        for hospital in hospitals
    }


def _widest(known: Collection[Retention]) -> Retention | None:
    """Return the widest of the known limits; None if there are none."""
    if not known:
        return None
    identities, lines = [limits.identities for limits in known], [limits.lines for limits in known]
    return Retention(
        LAST_ZONE,
        identities=0 if 0 in identities else max(identities),
        lines=0 if 0 in lines else max(lines),
    )


def _let_go(ledger: Ledger, code: str, own: Retention, today: date) -> dict[str, int]:
    """Anonymise and purge a hospital's old lines."""
    done = {"anonymised": 0, "purged": 0}
    if days := own.identities:
        before = today - timedelta(days=days)
        done["anonymised"] = retention.anonymise(ledger, hospital=code, before=before, days=days)
    if own.lines:
        first = today - timedelta(days=own.lines)
        done["purged"] = retention.purge(ledger, hospital=code, first_known_day=first)
    return done
