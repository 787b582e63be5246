"""A new key forgets nobody: who opted out, or was asked, stays so when the old one has left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from erp_days import DAY, HOSPITAL, NOW
from sqlalchemy import insert, select

from track_dispatch.errors import ConfigError
from track_dispatch.ledger import schema
from track_dispatch.ledger.creation import open_ledger_at
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.decisions import Decision
from track_dispatch.ledger.keys import OlderKeys, older_keys, without_unneeded
from track_dispatch.ledger.privacy import add_optouts
from track_dispatch.pipeline.housekeeping import identities_leave
from track_dispatch.states import Verb
from track_dispatch.transformation.identities import identity_values

if TYPE_CHECKING:
    from erp_days import ErpDays

    from track_dispatch.ledger.keys import KeyRing

Reopen = Callable[["KeyRing"], None]
OPT_OUT = Decision(Verb.OPT_OUT, decided_by="ana", why="pedido da pessoa")
CPF = "529.982.247-25"


def opt_out(ledger: Ledger, typed: str, source: str = "balcão") -> None:
    add_optouts(ledger, [(identity_values(typed), None)], source=source, decision=OPT_OUT)


@pytest.fixture
def reopen(erp_days: ErpDays) -> Iterator[Reopen]:
    """Open the ledger with another ring, as every task does from then on."""
    url = erp_days.ledger.engine.url.render_as_string(hide_password=False)
    with ExitStack() as opened:

        def with_keys(keys: KeyRing) -> None:
            erp_days.ledger = opened.enter_context(open_ledger_at(url, keys))

        yield with_keys


def look(ledger: Ledger) -> OlderKeys:
    with ledger.reading() as connection:
        return older_keys(connection, ledger.keys)


@pytest.mark.parametrize("by", ["cpf", "email", "phone"])
def test_who_opted_out_under_the_old_key_is_not_asked_when_it_has_left(
    erp_days: ErpDays, reopen: Reopen, by: str
) -> None:
    contacts = {"cpf": CPF, "email": "ana@example.test", "phone": "27998761234"}
    opt_out(erp_days.ledger, contacts[by])
    reopen(erp_days.ledger.keys.with_new_keys())
    [before] = look(erp_days.ledger).identity
    erp_days.add(1, **contacts)
    read = erp_days.read().counts

    after = look(erp_days.ledger)
    reopen(without_unneeded(erp_days.ledger.keys, after))
    erp_days.add(2, DAY - timedelta(days=1), **contacts)

    assert (before.alone["optouts"], before.sources) == (1, {"balcão": 1})
    assert read == {"excluded(opt_out)": 1}
    assert [key.may_go for key in after.identity] == [True]
    assert len(erp_days.ledger.keys.identity_secrets) == 1
    assert erp_days.read(day=DAY - timedelta(days=1)).counts == {"excluded(opt_out)": 1}


def test_what_a_reading_did_not_bring_keeps_the_old_key(erp_days: ErpDays, reopen: Reopen) -> None:
    opt_out(erp_days.ledger, f"{CPF}; ana@example.test")
    opt_out(erp_days.ledger, "rui@example.test", source="clínica")
    reopen(erp_days.ledger.keys.with_new_keys())
    erp_days.add(1, email="ana@example.test")
    erp_days.read()

    found = look(erp_days.ledger)

    assert [key.may_go for key in found.identity] == [False]
    assert found.identity[0].sources == {"balcão": 1, "clínica": 1}
    ring = without_unneeded(erp_days.ledger.keys, found)
    assert ring.identity_secrets == erp_days.ledger.keys.identity_secrets
    with pytest.raises(ConfigError, match="2 rows of optouts"):
        reopen(ring.holding(identity_secrets=ring.identity_secrets[:1]))


def test_lines_of_the_old_key_keep_it_until_their_identities_leave(
    erp_days: ErpDays, reopen: Reopen
) -> None:
    erp_days.add(1)
    erp_days.read()
    reopen(erp_days.ledger.keys.with_new_keys())

    found = look(erp_days.ledger)

    [old] = found.identity
    assert (old.alone, old.may_go) == ({"optouts": 0, "identities": 1, "forgotten": 0}, False)
    assert old.last_days == {"HMS": DAY}
    assert (found.payload, found.payloads) == (1, 1)


def test_what_was_posted_later_than_its_visit_stays_from_then_on(
    erp_days: ErpDays, reopen: Reopen
) -> None:
    erp_days.add(1)
    erp_days.read()
    with erp_days.ledger.writing() as connection:
        unit = connection.scalar(select(schema.units.c.id))
        posted = {"id": "b", "claim": "c", "survey": "s", "unit": unit, "state": "settled"}
        moments = {"validity_at": 0, "created_at": NOW, "changed_at": NOW}
        connection.execute(insert(schema.batches).values(**posted, **moments, lines=1))
    reopen(erp_days.ledger.keys.with_new_keys())

    [old] = look(erp_days.ledger).identity

    assert old.last_days == {"HMS": NOW.date()}


def test_a_line_that_waits_takes_the_new_keys_when_it_is_read_again(
    erp_days: ErpDays, reopen: Reopen
) -> None:
    erp_days.add(1)
    erp_days.read()
    reopen(erp_days.ledger.keys.with_new_keys())
    erp_days.read()

    found = look(erp_days.ledger)

    assert ([key.may_go for key in found.identity], found.payloads) == ([True], 0)
    ring = without_unneeded(erp_days.ledger.keys, found)
    assert (len(ring.payload_secrets), len(ring.identity_secrets)) == (1, 1)


def test_what_only_two_older_keys_have_keeps_one_of_them(erp_days: ErpDays, reopen: Reopen) -> None:
    first = erp_days.ledger.keys
    reopen(first.with_new_keys())
    opt_out(erp_days.ledger, CPF)
    reopen(erp_days.ledger.keys.with_new_keys())

    oldest, middle = look(erp_days.ledger).identity

    assert (oldest.id, oldest.may_go) == (first.identity_secrets[0].id, True)
    assert (middle.may_go, middle.alone["optouts"]) == (False, 1)


@pytest.mark.parametrize(
    ("days", "age", "leave"),
    [
        ({"HMS": date(2026, 3, 10)}, 15, date(2026, 5, 10)),
        ({"HMS": date(2026, 3, 10), "GONE": date(2026, 3, 12)}, 15, date(2026, 5, 12)),
        ({"HMS": date(2026, 3, 10)}, 0, None),
        ({}, 15, None),
    ],
)
def test_identities_leave_when_no_rule_needs_them(
    days: dict[str, date], age: int, leave: date | None
) -> None:
    hospital = HOSPITAL.model_copy(update={"max_age_days": age, "contact_cap_days": 30})

    assert NOW.date() < date(2026, 5, 10)
    assert identities_leave([hospital], days) == leave
