"""What an envelope holds, and that it never holds a line that does not wait."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, select

from track_dispatch.errors import LedgerError
from track_dispatch.ledger import schema
from track_dispatch.ledger.envelopes import (
    SealedLine,
    format_places,
    open_envelope,
    parse_places,
    put_back,
    read_envelope,
    reserve_envelopes,
    seal,
    unit_id,
)
from track_dispatch.ledger.transitions import RULES, Transition, apply_transition
from track_dispatch.records import Actor
from track_dispatch.states import LineState, Reason

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger

ACTOR = Actor("dispatch", run_id="manual__1", try_number=1)


def filled(ledger: Ledger, count: int = 5) -> int:
    with ledger.writing() as connection:
        unit = unit_id(connection, "HMS", date(2026, 3, 10), "EXAMES", "email")
        envelope = reserve_envelopes(connection, 1)[0]
        lines = [
            SealedLine(i, envelope * 1000 + i, f"A{i}", (i,), (-i,), (), b'{"name":"a\\nb"}')
            for i in range(count)
        ]
        connection.execute(
            insert(schema.envelopes).values(
                id=envelope,
                unit=unit,
                extraction="x",
                rules="r",
                lines=count,
                waiting=count,
                payload=seal(ledger.keys, envelope, lines),
            )
        )
        connection.execute(
            insert(schema.lines),
            [
                {
                    "id": line.line,
                    "address": line.line,
                    "source": "hms",
                    "attendance_id": line.attendance_id,
                    "state": "ready",
                }
                for line in lines
            ],
        )
    return envelope


def test_a_line_that_no_longer_waits_leaves_the_payload(ledger: Ledger) -> None:
    envelope = filled(ledger)
    with ledger.writing() as connection:
        moved = apply_transition(
            connection,
            Transition.EXPIRED,
            LineState.EXCLUDED,
            schema.lines.c.attendance_id.in_(["A1", "A3"]),
            keys=ledger.keys,
            actor=ACTOR,
            reason=Reason.EXPIRED,
        )
        found = read_envelope(connection, envelope)
        events = connection.execute(select(schema.events)).mappings().all()

    assert found.payload is not None
    assert [line.place for line in open_envelope(ledger.keys, envelope, found.payload)] == [0, 2, 4]
    assert found.version == 1
    assert [line.address % 1000 for line in moved] == [1, 3]
    assert [(row["places"], row["state"], row["reason"]) for row in events] == [
        ("1,3", "excluded", "expired")
    ]


def test_an_envelope_in_which_nothing_waits_has_no_payload(ledger: Ledger) -> None:
    envelope = filled(ledger)
    with ledger.writing() as connection:
        apply_transition(
            connection,
            Transition.GONE,
            LineState.EXCLUDED,
            keys=ledger.keys,
            actor=ACTOR,
            reason=Reason.GONE,
        )

        assert read_envelope(connection, envelope).payload is None


def test_released_lines_are_put_back_where_they_were(ledger: Ledger) -> None:
    envelope = filled(ledger)
    with ledger.writing() as connection:
        before = read_envelope(connection, envelope).payload
        assert before is not None
        lines = open_envelope(ledger.keys, envelope, before)
        chosen = schema.lines.c.attendance_id.in_(["A1", "A3"])
        for transition, state in (
            (Transition.CLAIMED, LineState.SENDING),
            (Transition.ANSWERED, LineState.READY),
        ):
            apply_transition(
                connection, transition, state, chosen, keys=ledger.keys, actor=ACTOR, batch="b"
            )
        put_back(connection, ledger.keys, envelope, [lines[1], lines[3]])
        after = read_envelope(connection, envelope).payload
        assert after is not None

    assert open_envelope(ledger.keys, envelope, after) == lines


def test_the_payload_of_another_envelope_is_refused(ledger: Ledger) -> None:
    token = seal(ledger.keys, 7, [])

    with pytest.raises(LedgerError, match=r"envelope 8 .* of 7"):
        open_envelope(ledger.keys, 8, token)


def test_reserved_envelopes_are_never_reserved_again(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        first = reserve_envelopes(connection, 3)
    with ledger.writing() as connection:
        second = reserve_envelopes(connection, 2)

    assert len({*first, *second}) == 5
    assert max(first) < min(second)


def test_a_state_that_the_rule_never_enters_is_refused(ledger: Ledger) -> None:
    with ledger.writing() as connection, pytest.raises(ValueError, match="never enters"):
        apply_transition(
            connection, Transition.CLAIMED, LineState.ACCEPTED, keys=ledger.keys, actor=ACTOR
        )


def test_every_transition_has_a_rule() -> None:
    assert set(RULES) == set(Transition)


@pytest.mark.parametrize(
    ("places", "text"),
    [([], ""), ([0], "0"), ([0, 1, 2, 5], "0-2,5"), ([3, 5, 6], "3,5-6"), ([999], "999")],
)
def test_places_are_read_as_they_were_written(places: list[int], text: str) -> None:
    assert format_places(places) == text
    assert parse_places(text) == places
