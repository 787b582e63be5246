"""Sequences drawn by a seed: the steps of a `World` in any order, and how a failing one is told.

What happens while a POST is on its way happens beside the reading ahead, so that two runs of one
sequence may differ: a library that replays its cases exactly is of no use here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stand_ins.track_api.faults import ACCEPTING
from tests.proof.model_erp import CODES, DAYS, LABELS, MARKS, MONDAY, NUMBERS, TUESDAY, Attendance
from tests.proof.model_faults import FAULTS, SPURNS, Death, Trouble
from tests.proof.model_rig import WRONGS
from tests.proof.model_world import MEANWHILE
from track_dispatch.ledger.approvals import ApprovalAnswer
from track_dispatch.records import Channel, HospitalDay
from track_dispatch.states import LineState, Verb

if TYPE_CHECKING:
    from tests.proof.model_world import World

_S = LineState
#: What may change in a hospital's file.
CHANGES: tuple[dict[str, Any], ...] = (
    {"batch_size": 1},
    {"batch_size": 4},
    {"surveys": {}},
    {"first_business_day": TUESDAY},
    {"volume_gate": None},
    {"test_patterns": ("homologa",)},
    {"newborn_patterns": (), "death_patterns": (), "test_patterns": ()},
    {"staff_patterns": ("^recepcao",)},
    {"min_age_years": 18},
    {"contact_cap_days": 0},
    {"contact_cap_days": 2},
    {"max_age_days": 0},
    {"max_age_days": 3},
    {"look_back_days": 3},
    {"look_back_days": 0},
    {"send_window": "09:00-09:30"},
    {"send_days": ("mon", "thu")},
)
#: Hours and days that pass.
PASSING: tuple[dict[str, float], ...] = (
    {"hours": 1}, {"hours": 25}, {"hours": 25}, {"hours": 40}, {"days": 7}, {"days": 16},
    {"days": 40}, {"days": 500},
)  # fmt: skip


class Draw(random.Random):
    """Draws what steps are made of; what is usual comes up often."""

    def seldom(self) -> bool:
        """Say yes one time in six."""
        return self.random() < 1 / 6

    def code(self) -> str:
        """Draw a hospital."""
        return self.choice((CODES[0],) * 4 + CODES)

    def day(self) -> HospitalDay:
        """Draw a hospital's day."""
        return HospitalDay(self.code(), self.choice((MONDAY,) * 4 + DAYS))

    def run(self) -> str:
        """Draw the name of a run."""
        return self.choice(("scheduled", "manual", "backfill"))

    def number(self) -> str:
        """Draw an attendance."""
        return self.choice(NUMBERS)

    def attendance(self) -> Attendance:
        """Draw what the ERP holds of an attendance."""
        return Attendance(
            codes=self.choice((CODES[:1],) * 8 + (CODES[1:2], CODES[2:], CODES[2:], CODES[:2])),
            day=self.day().business_day,
            label=self.choice((LABELS[0],) * 6 + LABELS),
            contact=self.choice(("a",) * 5 + ("b",) * 3 + ("phone", "both", "none")),
            shares=self.choice(("",) * 6 + ("cpf", "contact", "person")),
            dead=self.random() < 0.1,
            mark=self.choice(("",) * 12 + tuple(MARKS)),
            twice=self.random() < 0.2,
        )

    def change(self) -> Attendance | None:
        """Draw a change in the ERP; None: it holds the attendance no more."""
        return None if self.seldom() else self.attendance()

    def death(self) -> Death | None:
        """Draw the end of a worker, seldom."""
        return Death(self.randint(0, 30), self.randint(0, 2)) if self.seldom() else None

    def trouble(self) -> Trouble:
        """Draw what goes wrong around a dispatch."""
        spurned = (self.number(), self.choice(SPURNS)) if self.seldom() else None
        # Track would lie: these say that a batch was taken, whatever is in it
        said = [name for name, fault in FAULTS.items() if not (spurned and fault in ACCEPTING)]
        return Trouble(
            script=tuple(self.choice(said) for _ in range(self.randint(0, 3))),
            spurned=spurned,
            dies=self.death(),
            meanwhile=self.choice(MEANWHILE) if self.random() < 0.4 else None,
            budget=self.choice((800,) * 8 + (2, 5)),
            stops_after=self.randint(0, 2) if self.seldom() else None,
            waits=self.random() < 0.5,
        )


@dataclass(frozen=True)
class Step:
    """One step: a method of `World`, and what it is given."""

    name: str
    given: Mapping[str, Any]

    def take(self, world: World) -> None:
        """Take it."""
        getattr(world, self.name)(**self.given)

    def __str__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.given.items())
        return f"world.{self.name}({given})"


@dataclass(frozen=True)
class Kind:
    """A kind of step.

    Attributes:
        name: a method of `World`.
        weight: how often it comes up.
        draw: draws what it is given.
        states: lines must stand in one of them; empty: always.
    """

    name: str
    weight: int
    draw: Callable[[Draw], Mapping[str, Any]]
    states: tuple[LineState, ...] = ()


def _pick(draw: Draw) -> int:
    return draw.randint(0, 7)


def _verbs(draw: Draw) -> tuple[Verb, ...]:
    """Draw what one person decides, or two at once."""
    verbs = (Verb.SETTLE_SENT, Verb.ABANDON, *[Verb.SETTLE_UNSENT] * 3)
    return tuple(draw.choices(verbs, k=2 if draw.seldom() else 1))


KINDS = (
    Kind(
        "change_and_read",
        6,
        lambda d: {"changed": {d.number(): d.change() for _ in range(d.randint(1, 4))}},
    ),
    Kind("change", 3, lambda d: {"number": d.number(), "found": d.change()}),
    Kind(
        "extract",
        4,
        lambda d: {
            "day": d.day(),
            "run": d.run(),
            "wrong": d.choice(WRONGS) if d.seldom() else None,
            "breaks_off": d.seldom(),
            "dies": d.death(),
        },
    ),
    Kind(
        "transform_staged",
        4,
        lambda d: {"pick": _pick(d), "include_old": d.seldom(), "dies": d.death()},
    ),
    Kind(
        "dispatch",
        6,
        lambda d: {"code": d.code(), "trouble": d.trouble(), "run": d.run()},
        (_S.READY, _S.SENDING),
    ),
    Kind("morning", 8, lambda d: {"day": d.day(), "trouble": d.trouble(), "run": d.run()}),
    Kind(
        "answer",
        3,
        lambda d: {"answer": d.choice(list(ApprovalAnswer)), "code": d.code()},
        (_S.HELD,),
    ),
    Kind("end_leases", 2, lambda d: {"code": d.choice((None, d.code()))}, (_S.SENDING,)),
    Kind("pass_time", 4, lambda d: d.choice(PASSING)),
    Kind("tidy", 3, lambda d: {"dies": d.death()}),
    Kind("report", 1, lambda d: {"day": d.day(), "run": d.run()}),
    Kind("set_hospital", 1, lambda d: {"code": d.code(), **d.choice(CHANGES)}),
    Kind("restore_hospital", 2, lambda d: {"code": d.code()}),
    Kind(
        "decide_about_a_doubt", 5, lambda d: {"pick": _pick(d), "verbs": _verbs(d)}, (_S.IN_DOUBT,)
    ),
    Kind("reopen_accepted", 1, lambda _: {}, (_S.ACCEPTED,)),
    Kind("retry_refused", 3, lambda d: {"day": d.day()}, (_S.REFUSED,)),
    Kind("release", 2, lambda d: {"day": d.day()}, (_S.HELD,)),
    Kind(
        "opt_out",
        1,
        lambda d: {"number": d.number(), "channel": d.choice((None, None, *Channel))},
    ),
    Kind("erase", 1, lambda d: {"number": d.number()}),
    Kind("resume_if_stopped", 6, lambda _: {}),
    Kind("add_key", 1, lambda _: {}),
    Kind("drop_key", 1, lambda _: {}),
    Kind("back_up", 1, lambda _: {}),
    Kind("put_back_if_backed_up", 1, lambda d: {"fails_over": d.random() < 0.5}),
)


class FailedSequenceError(AssertionError):
    """A sequence after which something did not hold; the steps can be taken again."""

    def __init__(self, why: BaseException, steps: Sequence[Step], seed: int) -> None:
        lines = "\n".join(map(str, steps))
        super().__init__(f"{type(why).__name__}: {why}\nseed {seed}:\n{lines}")
        self.steps = list(steps)


def random_sequence(new_world: Callable[[], World], *, seed: int, steps: int) -> None:
    """Take a sequence drawn by a seed, to its rest.

    Raises:
        FailedSequenceError: something did not hold; it names every step.
    """
    draw, world, taken = Draw(seed), new_world(), list[Step]()
    try:
        for step in _beginning(draw):
            taken.append(step)
            step.take(world)
        for _ in range(steps):
            taken.append(_next(draw, world))
            taken[-1].take(world)
        taken.append(Step("come_to_rest", {}))
        taken[-1].take(world)
    except Exception as error:
        raise FailedSequenceError(error, taken, seed) from error
    finally:
        world.close()


def _beginning(draw: Draw) -> list[Step]:
    fill = [Step("change", {"number": one, "found": draw.attendance()}) for one in NUMBERS]
    return fill + [Step("read", {"day": HospitalDay(CODES[0], day)}) for day in DAYS[:2]]


def _next(draw: Draw, world: World) -> Step:
    kinds = [kind for kind in KINDS if not kind.states or world.watch.standing(*kind.states)]
    (kind,) = draw.choices(kinds, weights=[kind.weight for kind in kinds])
    return Step(kind.name, kind.draw(draw))
