"""A ledger of any size, filled by the database itself; made up, with nobody in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import insert, text

from track_dispatch.ledger import schema
from track_dispatch.records import Area, HospitalDay

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger

#: Ids from here on: whatever is put beside them takes lower ones.
BASE = 5_000_000
#: Lines in an envelope, envelopes of a hospital's day; of the last ones all lines are excluded.
LINES, ENVELOPES, SENT = 100, 15, 10
#: Statements that fill a table each; `series` counts envelopes (n) or lines (i).
_STATEMENTS = (
    """
    insert into envelopes (id, unit, extraction, rules, version, lines, waiting, reopened)
    with recursive series (n) as (
      select cast(0 as bigint) union all select n + 1 from series where n < :n - 1)
    select :base + n, :base + (n / :envelopes) * 10 + n % :envelopes % 5
      + case when n % :envelopes < :sent then 0 else 5 end,
      'x' || cast(n / :envelopes as text), 'rules', 1, :lines, 0, 0 from series""",
    """
    insert into batches (id, claim, survey, unit, envelope, state, lines, validity_at, receipt,
      created_at, changed_at)
    with recursive series (n) as (
      select cast(0 as bigint) union all select n + 1 from series where n < :n - 1)
    select 'b' || cast(n as text), 'c' || cast(n as text), 's' || cast(n % 90 as text),
      :base + (n / :envelopes) * 10 + n % :envelopes % 5, :base + n, 'settled', :lines, 0, 'r',
      current_timestamp, current_timestamp
    from series where n % :envelopes < :sent""",
    """
    insert into lines (id, address, source, attendance_id, state, reason, batch)
    with recursive series (i) as (
      select cast(0 as bigint) union all select i + 1 from series where i < :n * :lines - 1)
    select (:base + i / :lines) * 1000 + i % :lines, (:base + i / :lines) * 1000 + i % :lines,
      'src', 'B' || cast(i as text),
      case when i / :lines % :envelopes < :sent then 'accepted' else 'excluded' end,
      case when i / :lines % :envelopes < :sent then null else 'no_contact' end,
      case when i / :lines % :envelopes < :sent then 'b' || cast(i / :lines as text) end
    from series""",
    """
    insert into events (at, envelope, places, transition, state, batch, actor)
    with recursive series (n) as (
      select cast(0 as bigint) union all select n + 1 from series where n < :n * 3 - 1)
    select current_timestamp, :base + n / 3, '0-99',
      case n % 3 when 0 then 'found' when 1 then 'claimed' else 'answered' end,
      case n % 3 when 0 then 'ready' when 1 then 'sending' else 'accepted' end,
      case when n % 3 > 0 then 'b' || cast(n / 3 as text) end, 'task'
    from series where n % 3 = 0 or n / 3 % :envelopes < :sent""",
    """
    insert into identities (hash, line, kind, key)
    with recursive series (i) as (
      select cast(0 as bigint) union all select i + 1 from series where i < :n * :lines * 2 - 1)
    select (i * 7919777) % 9000000000000,
      (:base + i / 2 / :lines) * 1000 + i / 2 % :lines,
      case i % 2 when 0 then 'p' else 'c' end, 'k1'
    from series where i / 2 / :lines % :envelopes < :sent""",
)


@dataclass(frozen=True, slots=True)
class BigLedger:
    """What a ledger was filled with."""

    hospitals: tuple[str, ...]
    last_day: date
    lines: int

    @property
    def days(self) -> list[HospitalDay]:
        """The last day of each hospital."""
        return [HospitalDay(code, self.last_day) for code in self.hospitals]


def fill_big_ledger(
    ledger: Ledger, lines: int, *, hospitals: tuple[str, ...], last_day: date
) -> BigLedger:
    """Fill a ledger with settled lines of many days, 1,500 for a hospital's day.

    Args:
        ledger: empty.
        lines: how many; the days follow from it.
        hospitals: their codes.
        last_day: the latest business day.
    """
    envelopes = lines // LINES
    days = -(-envelopes // ENVELOPES)
    areas = [str(area) for area in list(Area)[:5]]
    extractions, units = [], []
    for number in range(days):
        hospital = hospitals[number % len(hospitals)]
        day = last_day - timedelta(days=number // len(hospitals))
        readings = range(min(3, 1 + number // len(hospitals)))  # by its own run, and by later ones
        extractions += [_extraction(number, hospital, day, reading) for reading in readings]
        units += [
            {
                "id": BASE + number * 10 + place,
                "hospital": hospital,
                "business_day": day,
                "area": areas[place % 5],
                "channel": "email" if place < 5 else "",
            }
            for place in range(10)
        ]
    numbers = {
        "n": envelopes, "base": BASE, "lines": LINES, "envelopes": ENVELOPES, "sent": SENT,
    }  # fmt: skip
    with ledger.long_writing() as connection:
        connection.execute(insert(schema.extractions), extractions)
        connection.execute(insert(schema.units), units)
        for statement in _STATEMENTS:
            # numbers as text: PostgreSQL would take each parameter's type from its first place
            filled = statement
            for name in sorted(numbers, key=len, reverse=True):
                filled = filled.replace(f":{name}", str(numbers[name]))
            connection.execute(text(filled))
    if ledger.on_postgresql:
        with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("vacuum analyze"))
    return BigLedger(hospitals, last_day, envelopes * LINES)


def _extraction(number: int, hospital: str, day: date, reading: int) -> dict[str, object]:
    """Make a reading of a day: by the run of its own day, or by one that looked back."""
    run = day + timedelta(days=1 + reading)
    at = datetime.combine(run, time(12), UTC)
    found = LINES * ENVELOPES
    return {
        "id": f"x{number}" if not reading else f"x{number}-{reading}",
        "source": "src",
        "hospital": hospital,
        "business_day": day,
        "run_id": f"scheduled__{run}",
        "try_number": 1,
        "started_at": at,
        "completed_at": at,
        "applied_at": at,
        "rows": found,
        "rows_merged": 0,
        "attendances": found,
        "other_day": 0,
        "other_hospital": 0,
        "volume": found,
    }
