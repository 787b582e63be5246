"""The model's machine: Hypothesis takes the steps of a `World` in any order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.proof.ledger_erp import DAYS, HOSPITALS, LABELS, NUMBERS, RUNS, Attendance, Where
from tests.proof.ledger_trouble import FAULTS, MEANWHILE, SPURNS, Death, Trouble
from track_dispatch.ledger.approvals import Answer
from track_dispatch.records import LineState, Verb

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.proof.ledger_world import World

CODES = tuple(HOSPITALS)

days = st.sampled_from((DAYS[0],) * 4 + DAYS)
numbers = st.sampled_from(NUMBERS)
places = st.builds(Where, st.sampled_from((CODES[0],) * 4 + CODES), days)
runs = st.sampled_from(RUNS)
attendances = st.builds(
    Attendance,
    codes=st.sampled_from((CODES[:1],) * 8 + (CODES[1:], CODES)),
    day=days,
    label=st.sampled_from((LABELS[0],) * 6 + LABELS),
    contact=st.sampled_from(("a",) * 5 + ("b",) * 3 + ("phone", "shared", "none")),
    twice=st.booleans(),
)
deaths = st.builds(Death, st.integers(0, 24), st.integers(0, 2))
picks = st.integers(0, 7)
often = st.sampled_from((True, True, True, False))
seldom = st.sampled_from((False,) * 5 + (True,))


def perhaps(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw one time in six, else None."""
    return seldom.flatmap(lambda yes: strategy if yes else st.none())


troubles = st.builds(
    Trouble,
    script=st.lists(st.sampled_from(list(FAULTS)), max_size=3).map(tuple),
    spurned=perhaps(st.tuples(numbers, st.sampled_from(SPURNS))),
    dies=perhaps(deaths),
    meanwhile=st.none() | perhaps(st.sampled_from(MEANWHILE)) | st.sampled_from(MEANWHILE),
    room=st.sampled_from((800,) * 8 + (1, 2)),
    stops_after=perhaps(st.integers(0, 2)),
    waits=st.booleans(),
)
#: What may change in a hospital's file; "as shipped" comes up often, so that days go on.
CHANGES: dict[str, dict[str, Any]] = {
    "one at a time": {"batch_size": 1},
    "three at a time": {"batch_size": 3},
    "a survey removed": {"surveys": {}},
    "gone live later": {"first_business_day": DAYS[1]},
    "a cap": {"contact_cap_days": 30},
}


def machine_of(new_world: Callable[[], World]) -> type[RuleBasedStateMachine]:
    """Return the machine whose every sequence runs in a new world."""

    class LedgerMachine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.world = new_world()

        @initialize(erp=st.fixed_dictionaries(dict.fromkeys(NUMBERS, attendances)))
        def fill_the_erp(self, erp: dict[str, Attendance]) -> None:
            for number, found in erp.items():
                self.world.change(number, found)
            for day in DAYS[:2]:
                self.world.read(Where(CODES[0], day))

        def teardown(self) -> None:
            try:
                self.world.come_to_rest()
            finally:
                self.world.close()

        # -- the ERP and the pipeline --------------------------------------------------

        @rule(changed=st.dictionaries(numbers, st.none() | attendances, min_size=1, max_size=4))
        def change_and_read(self, changed: dict[str, Attendance | None]) -> None:
            for number, found in changed.items():
                self.world.change(number, found)
            found_in = {(code, one.day) for one in changed.values() if one for code in one.codes}
            for code, day in sorted(found_in):
                self.world.read(Where(code, day))

        @rule(number=numbers, changed=st.none() | attendances)
        def change(self, number: str, changed: Attendance | None) -> None:
            self.world.change(number, changed)

        @rule(where=places, run=runs, breaks_off=seldom, dies=perhaps(deaths))
        def extract(self, where: Where, run: str, breaks_off: bool, dies: Death | None) -> None:
            self.world.extract(where, run, breaks_off=breaks_off, dies=dies)

        @precondition(lambda self: self.world.watch.staged)
        @rule(run=runs, pick=picks, dies=perhaps(deaths))
        def transform(self, run: str, pick: int, dies: Death | None) -> None:
            where = sorted(self.world.watch.staged, key=str)
            self.world.transform(where[pick % len(where)], run, dies=dies)

        @precondition(lambda self: self.world.watch.standing(LineState.READY))
        @rule(pick=picks, trouble=troubles, run=runs)
        def dispatch(self, pick: int, trouble: Trouble, run: str) -> None:
            units = self.world.units(LineState.READY)
            self.world.dispatch(units[pick % len(units)], trouble, run)

        @precondition(lambda self: self.world.watch.standing(LineState.READY))
        @rule(befalling=st.lists(troubles, min_size=1, max_size=4), run=runs)
        def dispatch_all(self, befalling: list[Trouble], run: str) -> None:
            for unit, trouble in zip(self.world.units(LineState.READY), befalling, strict=False):
                self.world.dispatch(unit, trouble, run)

        @precondition(lambda self: self.world.watch.standing(LineState.SENDING, LineState.IN_DOUBT))
        @rule(pick=picks, trouble=troubles, run=runs)
        def dispatch_a_unit_under_way(self, pick: int, trouble: Trouble, run: str) -> None:
            units = self.world.units(LineState.SENDING, LineState.IN_DOUBT)
            self.world.dispatch(units[pick % len(units)], trouble, run)

        @rule(where=places, trouble=troubles, run=runs)
        def morning(self, where: Where, trouble: Trouble, run: str) -> None:
            self.world.morning(where, trouble, run)

        @precondition(lambda self: self.world.watch.standing(LineState.READY))
        @rule(where=places, run=runs)
        def hold(self, where: Where, run: str) -> None:
            self.world.hold(where, run)

        @precondition(lambda self: self.world.watch.standing(LineState.HELD))
        @rule(where=places, answer=st.sampled_from(tuple(Answer)), run=runs)
        def answer(self, where: Where, answer: Answer, run: str) -> None:
            self.world.answer(where, answer, run)

        # -- time and settings ---------------------------------------------------------

        @precondition(lambda self: self.world.watch.standing(LineState.SENDING, LineState.IN_DOUBT))
        @rule(where=places)
        def end_leases(self, where: Where) -> None:
            self.world.end_leases()
            self.world.report(where)

        @rule(passing=st.sampled_from((1,) * 9 + (12, 16, 800)), dies=perhaps(deaths))
        def pass_days(self, passing: int, dies: Death | None) -> None:
            self.world.pass_days(passing)
            self.world.keep_house(dies=dies)

        @rule(code=st.sampled_from(CODES), changed=st.sampled_from(("as shipped", *CHANGES)))
        def set_hospital(self, code: str, changed: str) -> None:
            self.world.settings[code] = CHANGES.get(changed, {})

        # -- people --------------------------------------------------------------------

        @precondition(lambda self: self.world.watch.standing(LineState.IN_DOUBT))
        @rule(
            pick=picks,
            verb=st.sampled_from((Verb.SETTLE_SENT, Verb.ABANDON, *[Verb.SEND_AGAIN] * 3)),
            waited=often,
            trouble=troubles,
        )
        def decide_about_a_doubt(
            self, pick: int, verb: Verb, waited: bool, trouble: Trouble
        ) -> None:
            if waited:
                self.world.end_leases()
            found = self.world.doubts()
            batch_id, unit = found[pick % len(found)]
            self.world.decide_batch(batch_id, verb, trouble, unit=unit)

        @precondition(lambda self: self.world.watch.standing(LineState.REFUSED))
        @rule(where=places)
        def allow_the_retry(self, where: Where) -> None:
            self.world.decide_day(where, Verb.RETRY_REFUSED)
            self.world.read(where)

        @precondition(lambda self: self.world.has_gone_back)
        @rule(where=places, verb=st.sampled_from((Verb.RELEASE, Verb.ALLOW_DAY)))
        def trust_a_day(self, where: Where, verb: Verb) -> None:
            self.world.decide_day(where, verb)

        @rule(number=numbers, sure=seldom)
        def opt_out(self, number: str, sure: bool) -> None:
            if sure:
                self.world.opt_out(number)

        @precondition(lambda self: self.world.watch.stopped)
        @rule()
        def resume(self) -> None:
            self.world.resume()

        @precondition(lambda self: self.world.watch.standing(*LineState))
        @rule()
        def back_up(self) -> None:
            self.world.back_up()

        @precondition(lambda self: self.world.backup is not None and self.world.may_go_back)
        @rule(sure=seldom)
        def put_back(self, sure: bool) -> None:
            if sure:
                self.world.put_back()

    return LedgerMachine
