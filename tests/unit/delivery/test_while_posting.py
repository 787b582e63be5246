"""What happens while an answer is on the wire: the batch it is about is settled, come what may."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from types import FrameType
from typing import TYPE_CHECKING

import orjson
import pytest
from sqlalchemy import update

from stand_ins.track_api import faults
from tests.unit.delivery.delivery_rig import (
    DAY,
    OPT_OUT,
    SOMEBODY,
    UNIT,
    envelopes_of,
    once_each,
)
from track_dispatch.delivery.context import Tally
from track_dispatch.errors import (
    BudgetSpentError,
    ConfigError,
    LedgerError,
    LinesInFlightError,
    NotDeliveredError,
    QuietHoursError,
    ServiceStoppedError,
    TrackDispatchError,
)
from track_dispatch.ledger import schema
from track_dispatch.ledger.envelopes import open_envelope, read_envelope, seal
from track_dispatch.ledger.privacy import add_optouts
from track_dispatch.ledger.request_budget import take_request
from track_dispatch.ledger.stop_switch import stop_service
from track_dispatch.records import Area

if TYPE_CHECKING:
    from tests.unit.delivery.delivery_rig import Rig
    from track_dispatch.ledger.batches import Batch
    from track_dispatch.records import Unit

#: The unit before, of another survey.
MATERNIDADE = replace(UNIT, area=Area.MATERNIDADE)
#: Another run's unit of the same survey.
DAY_AFTER = replace(UNIT, business_day=DAY + timedelta(days=1))
CLOSING = datetime(2026, 3, 3, 23, tzinfo=UTC)  # 20:00 at the hospital


def once_read_ahead(rig: Rig, envelope: int) -> Event:
    """Tell when an envelope has been read while the batch before it is on the wire."""
    read = Event()

    def look(
        _conn: object, _cursor: object, statement: str, parameters: object, *_: object
    ) -> None:
        if "e.payload" in statement and str(envelope) in str(parameters):
            read.set()

    rig.on_ledger("after_cursor_execute", look)
    return read


def correct(rig: Rig, envelope: int, email: str) -> None:
    """Seal an envelope anew with another address, as transform does when the ERP is mended."""
    table = schema.envelopes
    with rig.ledger.writing() as connection:
        found = read_envelope(connection, envelope)
        assert found.payload is not None
        lines = [
            line._replace(fields=orjson.dumps(orjson.loads(line.fields) | {"email": email}))
            for line in open_envelope(rig.ledger.keys, envelope, found.payload)
        ]
        connection.execute(
            update(table)
            .where(table.c.id == envelope)
            .values(payload=seal(rig.ledger.keys, envelope, lines), version=table.c.version + 1)
        )


# -- what is read ahead ------------------------------------------------------------


def test_an_address_corrected_after_it_was_read_ahead_is_the_one_that_is_posted(rig: Rig) -> None:
    """A claim takes an envelope as it was read, or reads it again."""
    ids = rig.fill(2, batch_size=1)
    (envelope,) = envelopes_of(rig, ids[1:])
    read = once_read_ahead(rig, envelope)

    def act() -> None:
        assert read.wait(timeout=30)
        correct(rig, envelope, "nova@exemplo.test")

    rig.during_post(1, act)
    tally = rig.dispatch()

    posted = [(post.body or {})["import_lines"][0]["email"] for post in rig.api.received]
    assert posted == [f"fulana{ids[0]}@exemplo.test", "nova@exemplo.test"]
    assert tally == Tally(accepted=2)


def test_an_address_corrected_before_the_first_claim_is_the_one_that_is_posted(rig: Rig) -> None:
    ids = rig.fill(1)
    (envelope,) = envelopes_of(rig, ids)
    corrected: list[bool] = []

    def look(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        if "e.payload" in statement and not corrected:
            corrected.append(True)
            correct(rig, envelope, "nova@exemplo.test")

    rig.on_ledger("after_cursor_execute", look)
    rig.dispatch()

    posted = [(post.body or {})["import_lines"][0]["email"] for post in rig.api.received]
    assert posted == ["nova@exemplo.test"]


def test_an_envelope_that_is_gone_before_it_is_read_has_nothing_to_send(rig: Rig) -> None:
    ids = rig.fill(10, batch_size=1)
    (last,) = envelopes_of(rig, ids[-1:])

    def purge() -> None:
        rig.execute("delete from identities where line / 1000 = :id", id=last)
        rig.execute("delete from lines where address / 1000 = :id", id=last)
        rig.execute("delete from envelopes where id = :id", id=last)

    rig.during_post(1, purge)

    assert rig.dispatch() == Tally(accepted=9)


def test_a_batch_is_settled_before_anybody_hears_that_no_key_opens_the_next(rig: Rig) -> None:
    ids = rig.fill(4, batch_size=2)
    (envelope,) = envelopes_of(rig, ids[2:])
    rig.execute("update envelopes set payload = :payload where id = :id", payload=b"x", id=envelope)

    with pytest.raises(ConfigError, match="payload_secrets"):
        rig.dispatch()

    assert rig.counts() == {"accepted": 2, "ready": 2}
    assert rig.batch_states() == {"settled": 1}


def test_a_batch_is_settled_before_anybody_hears_that_the_next_envelope_is_broken(
    rig: Rig,
) -> None:
    ids = rig.fill(4, batch_size=2)
    first, second = envelopes_of(rig, ids)
    with rig.ledger.reading() as connection:
        payload = read_envelope(connection, first).payload
    rig.execute("update envelopes set payload = :it where id = :id", it=payload, id=second)

    with pytest.raises(LedgerError, match=f"envelope {second} .* of {first}"):
        rig.dispatch()

    assert rig.counts() == {"accepted": 2, "ready": 2}


def test_what_was_read_ahead_of_an_unknown_outcome_goes_out_after_another_question(
    rig: Rig,
) -> None:
    ids = rig.fill(3, batch_size=1)
    rig.api.script(None, faults.answer(500))

    rig.dispatch_anyhow()

    assert rig.posts == [[id_] for id_ in ids]
    assert rig.api.requests == {"surveys": 2, "distributions": 3}


class OutOfTimeError(BaseException):
    """What Airflow's time limit raises in the middle of whatever the task is doing."""


def test_a_time_limit_that_strikes_while_posting_waits_for_the_answer(rig: Rig) -> None:
    rig.fill(4, batch_size=2)
    rig.during_post(1, lambda: os.kill(os.getpid(), signal.SIGALRM))

    with _striking(OutOfTimeError), pytest.raises(OutOfTimeError):
        rig.dispatch()

    assert rig.sizes == [2]
    assert rig.counts() == {"accepted": 2, "ready": 2}


def test_what_strikes_before_a_post_has_begun_releases_the_batch(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.fill(2)
    start = Thread.start

    def start_no_poster(thread: Thread) -> None:
        if thread.name.startswith("track-post"):
            raise OutOfTimeError
        start(thread)

    monkeypatch.setattr(Thread, "start", start_no_poster)
    with pytest.raises(OutOfTimeError):
        rig.dispatch()

    assert (rig.posts, rig.counts()) == ([], {"ready": 2})
    assert rig.batch_states() == {"not_delivered": 1}


def test_a_time_limit_that_strikes_while_posting_leaves_no_time_to_split(rig: Rig) -> None:
    ids = rig.fill(4)
    rig.during_post(1, lambda: os.kill(os.getpid(), signal.SIGALRM))
    rig.api.reject(ids[3:], named=False)

    with _striking(OutOfTimeError), pytest.raises(OutOfTimeError):
        rig.dispatch()

    assert (rig.sizes, rig.counts()) == ([4], {"ready": 4})
    assert rig.batch_states() == {"not_delivered": 1}


@contextmanager
def _striking(error: type[BaseException]) -> Iterator[None]:
    def strike(_number: int, _frame: FrameType | None) -> None:
        raise error

    before = signal.signal(signal.SIGALRM, strike)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


# -- what keeps the next batch from going ------------------------------------------


def stop(rig: Rig) -> None:
    stop_service(rig.ledger, hospital="OTOA", why="CAPTCHA", status=405, actor=SOMEBODY)


def spend_the_budget(rig: Rig) -> None:
    limit = rig.hospital.requests_per_5_minutes
    with rig.ledger.writing() as connection:
        while take_request(connection, limit=limit) == 0:
            pass


def close_the_window(rig: Rig) -> None:
    rig.time.began = CLOSING


def stop_from_outside(rig: Rig) -> None:
    rig.settings["stopped"] = True


TROUBLES: list[tuple[Callable[[Rig], None], type[TrackDispatchError]]] = [
    (stop, ServiceStoppedError),
    (spend_the_budget, BudgetSpentError),
    (close_the_window, QuietHoursError),
    (stop_from_outside, NotDeliveredError),
]


@pytest.mark.parametrize(
    ("trouble", "error"), TROUBLES, ids=[trouble.__name__ for trouble, _ in TROUBLES]
)
@pytest.mark.parametrize("first", [UNIT, MATERNIDADE], ids=["the same unit", "the next unit"])
def test_a_batch_is_settled_whatever_keeps_the_next_from_going(
    rig: Rig,
    trouble: Callable[[Rig], None],
    error: type[TrackDispatchError],
    first: Unit,
) -> None:
    rig.fill(2, unit=first, batch_size=2)
    rig.fill(2, unit=UNIT)
    rig.settings |= {"send_window": "08:00-20:00", "requests_per_5_minutes": 5}
    rig.during_post(1, lambda: trouble(rig))

    with pytest.raises(error):
        rig.dispatch(stopped=lambda: bool(rig.settings.get("stopped")))

    assert rig.sizes == [2]
    assert rig.counts() == {"accepted": 2, "ready": 2}
    assert rig.batch_states() == {"settled": 1}


def test_a_batch_is_settled_while_the_next_units_survey_is_busy(rig: Rig) -> None:
    rig.fill(2, unit=MATERNIDADE, post_deadline_seconds=5, lease_margin_seconds=10)
    rig.fill(2)
    others = rig.fill(1, unit=DAY_AFTER)
    rig.during_post(1, lambda: rig.claim_elsewhere(others))

    with pytest.raises(LinesInFlightError, match=f"{DAY} EXAMES"):
        rig.dispatch()

    assert rig.counts() == {"accepted": 2, "sending": 1, "ready": 2}


def test_a_batch_is_settled_before_the_next_claim_waits(rig: Rig) -> None:
    rig.fill(2, unit=MATERNIDADE)
    rig.fill(2)
    others = rig.fill(1, unit=DAY_AFTER)
    elsewhere: list[Batch] = []
    seen: list[object] = []

    def on_pause() -> None:
        seen.append(rig.counts())
        rig.accept_elsewhere(elsewhere[0])

    rig.time.on_pause = on_pause
    rig.during_post(1, lambda: elsewhere.append(rig.claim_elsewhere(others)))
    rig.dispatch()

    assert seen == [{"accepted": 2, "sending": 1, "ready": 2}]
    assert rig.counts() == {"accepted": 5}


def test_a_batch_is_settled_while_everybody_of_the_next_opts_out(rig: Rig) -> None:
    ids = rig.fill(4, batch_size=2)
    out = [([f"email:fulana{id_}@exemplo.test"], None) for id_ in ids[2:]]
    rig.during_post(1, lambda: add_optouts(rig.ledger, out, source="balcão", decision=OPT_OUT))

    tally = rig.dispatch()

    assert tally == Tally(accepted=2)
    assert rig.counts() == {"accepted": 2, "excluded opt_out": 2}
    assert rig.kept_payloads() == 0


def test_who_opts_out_meanwhile_is_left_out_of_the_next_batch(rig: Rig) -> None:
    ids = rig.fill(4, batch_size=2)
    out = [([f"email:fulana{ids[2]}@exemplo.test"], None)]
    rig.during_post(1, lambda: add_optouts(rig.ledger, out, source="balcão", decision=OPT_OUT))

    rig.dispatch()

    assert rig.posts == [ids[:2], ids[3:]]
    assert rig.api.accepted_ids() == once_each([*ids[:2], ids[3]])
