"""No look at days or people reads through a table that grows with every line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest
from big_ledger import fill_big_ledger
from sqlalchemy import create_engine, event, insert, text

from tests.unit.ledger.steps import Steps
from track_dispatch.ledger import measures, retention, schema
from track_dispatch.ledger.approvals import release_day
from track_dispatch.ledger.database import Ledger, connect
from track_dispatch.ledger.decisions import Decision, decide_batch, retry_refused
from track_dispatch.ledger.extractions import days_read, last_runs, run_work
from track_dispatch.ledger.history import attendance_history, refused_lines
from track_dispatch.ledger.in_doubt import in_doubt_batches
from track_dispatch.ledger.keys import new_keys
from track_dispatch.ledger.privacy import erase_person, held_about
from track_dispatch.ledger.sql import moment_in
from track_dispatch.ledger.views import day_facts, open_days, open_lines
from track_dispatch.records import Actor, HospitalDay
from track_dispatch.states import Verb

LAST = date(2026, 3, 10)
TODAY = LAST + timedelta(days=1)
HMS_LAST = HospitalDay("HMS", LAST)
KEEPER = Actor("housekeeping")
#: A table that grows with every line, or every POST, is read through, or an index made for once.
_READ_THROUGH = re.compile(
    r"Seq Scan on (lines|events|identities)\b"  # PostgreSQL reads a hundred pages rather than seek
    r"|SCAN (lines|events|identities|envelopes|batches)\b(?! USING (COVERING )?INDEX [iu][xq]_)"
    r"|AUTOMATIC"
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def ledger(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ledger]:
    """Return a ledger of 150,000 settled lines."""
    url = f"sqlite:///{tmp_path_factory.mktemp('big')}/track_ledger.db"
    if request.param == "postgresql":
        server = create_engine(request.getfixturevalue("postgres"), isolation_level="AUTOCOMMIT")
        with server.connect() as connection:
            connection.execute(text("create database big_ledger"))
        server.dispose()
        url = server.url.set(database="big_ledger").render_as_string(hide_password=False)
    keys = new_keys()
    with Ledger(connect(url), keys) as opened:
        with opened.writing() as connection:
            schema.metadata.create_all(connection)
            connection.execute(
                insert(schema.ledger).values(ledger_id=keys.ledger_id, created_at=moment_in())
            )
        filled = fill_big_ledger(
            opened, 150_000, hospitals=("HMS", "OTOA", "HSMC", "HPM"), last_day=LAST
        )
        assert filled.lines == 150_000
        yield opened


@contextmanager
def plans(ledger: Ledger) -> Iterator[list[str]]:
    """Collect how the database finds the rows of each statement that runs meanwhile."""
    found: list[str] = []

    def explain(_: Any, cursor: Any, statement: str, parameters: Any, *__: Any) -> None:
        if not re.match(
            r"\s*(select|update|delete|with|insert into \w+ .*select)", statement, re.IGNORECASE
        ):
            return
        verb = "explain" if ledger.on_postgresql else "explain query plan"
        cursor.execute(f"{verb} {statement}", parameters)
        plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
        found.append(f"{statement}\n{plan}")

    event.listen(ledger.engine, "before_cursor_execute", explain)
    try:
        yield found
    finally:
        event.remove(ledger.engine, "before_cursor_execute", explain)


def assert_by_index(found: list[str]) -> None:
    assert found
    bad = [plan for plan in found if _READ_THROUGH.search(plan)]
    assert not bad, "\n\n".join(bad)


def test_a_statement_that_reads_through_a_table_is_seen(ledger: Ledger) -> None:
    with plans(ledger) as found, ledger.reading() as connection:
        connection.execute(text("select count(*) from lines where state = 'ready'"))

    with pytest.raises(AssertionError):
        assert_by_index(found)


@pytest.mark.parametrize("hospitals", [("HMS",), ("HMS", "OTOA", "HSMC", "HPM")])
def test_days_are_judged_by_index(ledger: Ledger, hospitals: tuple[str, ...]) -> None:
    days = [
        HospitalDay(code, LAST - timedelta(days=back)) for code in hospitals for back in range(3)
    ]
    with plans(ledger) as found, ledger.reading() as connection:
        facts = day_facts(connection, days)
        last_runs(connection, days)
        for code in hospitals:
            run_work(connection, hospital=code, run_ids=["scheduled__2026-03-11"])

    assert sum(facts[HMS_LAST].states.values()) == 1500
    assert_by_index(found)


def test_open_days_are_found_by_index(steps: Steps) -> None:
    open_day = HospitalDay("HMS", LAST - timedelta(days=20))
    steps.put_lines(2, "held", day=open_day, first=1)
    steps.put_lines(2, "reopened", day=open_day, first=11)
    steps.put_batch(2, day=open_day, first=21)
    with plans(steps.ledger) as found, steps.ledger.reading() as connection:
        opened = open_days(connection, today=TODAY)
        in_doubt_batches(connection)
        days_read(connection, ["HMS", "OTOA"])

    assert opened[0].states == {"held": 2, "reopened": 2, "in_doubt": 2}
    assert_by_index(found)


def test_what_a_scrape_asks_is_found_by_index(steps: Steps) -> None:
    reading = steps.put_extraction(2, day=HMS_LAST)
    steps.put_lines(2, day=HMS_LAST, first=111, extraction=reading)
    steps.put_batch(2, day=HMS_LAST, first=121, batch={"status": 502})
    with plans(steps.ledger) as found, steps.ledger.reading() as connection:
        read = measures.latest_readings(connection)
        days = [HospitalDay(code, one.business_day) for code, one in read.items()]
        ready = measures.oldest_ready(connection, open_lines(connection, TODAY))
        measures.oldest_in_doubt(connection)
        times = measures.post_times(connection, days)

    assert ready.keys() == {"HMS"}
    assert times[HMS_LAST].posts
    assert_by_index(found)


def test_an_attendance_and_a_person_are_found_by_index(steps: Steps) -> None:
    steps.put_lines(1, "accepted", day=HospitalDay("HSMC", LAST), first=31)
    with plans(steps.ledger) as found, steps.ledger.reading() as connection:
        life = attendance_history(connection, source="src", attendance_id="B1")
        held = held_about(connection, steps.ledger.keys, ["cpf:00000000031"], rows_about=len)
    with plans(steps.ledger) as erased:
        erase_person(steps.ledger, ["cpf:00000000031"], Decision(Verb.ERASE, "ana", "pedido"))

    assert life is not None
    assert len(life.steps) == 3
    assert len(held.attendances) == 1
    assert_by_index(found)
    assert_by_index(erased)


def test_refusals_of_a_month_are_found_by_index(steps: Steps) -> None:
    steps.put_batch(1, "refused", day=HMS_LAST, first=41, reason="refused_4xx")
    with plans(steps.ledger) as found, steps.ledger.reading() as connection:
        refused = refused_lines(connection, since=LAST - timedelta(days=5))

    assert [one.lines for one in refused] == [1]
    assert_by_index(found)


def test_what_people_decide_is_found_by_index(steps: Steps) -> None:
    day = HospitalDay("HPM", LAST)
    batch = steps.put_batch(2, day=day, first=51).batch
    never_posted = steps.put_batch(2, day=day, first=61, batch={"envelope": None}).batch
    steps.put_batch(1, "refused", day=day, first=71, batch_state="settled", lease=None)
    steps.put_lines(2, "held", day=day, first=81, extraction=steps.put_extraction(2, day=day))
    steps.put_question(2, day=day)
    with plans(steps.ledger) as found:
        for one in (batch, never_posted):
            decide_batch(
                steps.ledger, str(one), Decision(Verb.SETTLE_UNSENT, "ana", "não há"), today=TODAY
            )
        retry_refused(steps.ledger, day, Decision(Verb.RETRY_REFUSED, "ana", "mudou"), today=TODAY)
        release_day(
            steps.ledger, day, Decision(Verb.RELEASE, "ana", "visto"), max_age_hours=36, today=TODAY
        )

    assert_by_index(found)


def test_what_waits_too_long_is_found_by_index(steps: Steps) -> None:
    old = steps.put_extraction(4, day=HMS_LAST, hours_old=99)
    steps.put_lines(2, day=HMS_LAST, first=91, ask_until=LAST)
    steps.put_lines(2, day=HMS_LAST, first=101, extraction=old)
    with plans(steps.ledger) as found:
        expired = retention.expire_past(steps.ledger, hospital="HMS", today=TODAY, actor=KEEPER)
        dropped = retention.drop_old_payloads(steps.ledger, max_age_hours=36, actor=KEEPER)

    assert (expired, dropped.reopened) == (2, 2)
    assert_by_index(found)


def test_a_day_is_purged_by_index(ledger: Ledger) -> None:
    """A day is purged as if the others were not there; so is what is anonymised."""
    first = LAST - timedelta(days=23)
    with plans(ledger) as anonymising:
        anonymised = retention.anonymise(ledger, hospital="OTOA", before=first, days=-1)
    with plans(ledger) as purging:
        purged = retention.purge(ledger, hospital="OTOA", first_known_day=first)

    assert anonymised == purged == 1500
    assert_by_index(anonymising)
    assert_by_index(purging)
