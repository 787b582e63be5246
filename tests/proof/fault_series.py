"""Rows of the fault matrix in which one fault follows another, or strikes one of two units."""

from __future__ import annotations

from stand_ins.track_api import Fault, faults
from tests.proof.fault_outcomes import (
    DONE,
    DONE_BEFORE,
    DOUBT,
    FAIL,
    IN_DOUBT,
    READY,
    RETRY,
    SENT_REST,
    UNIT_FAILED,
    stays,
    stopping,
)
from tests.proof.fault_terms import After, Day, OnPost, TrackRow, Wire
from track_dispatch.errors import ConfigError, DeliveryUncertainError, NotDeliveredError


def twice(fault: Fault) -> TrackRow:
    """Make the row of two uncertain outcomes on end: the second one stops the dispatch."""
    stands = TWO_DOUBTS.but(delivered=6 if fault.accepted else 2)
    first = stands.seen(DeliveryUncertainError, "the rest is ready", FAIL)
    rest = stands.but(
        posts=(2, 1),
        delivered=stands.delivered + 3,
        lines={"accepted": 5, "in_doubt": 4},
        batches={"settled": 3, "in_doubt": 2},
        red=(IN_DOUBT.format(4),),
    )
    return TrackRow(
        name=f"{fault.name}, twice",
        wire=Wire.SERVER_ERROR,
        fault=OnPost(fault, then=(fault,)),
        batch_size=2,
        first=first,
        rerun=rest,
    )


def after_doubt(name: str, wire: Wire, fault: OnPost, after: After) -> TrackRow:
    """Make the row of a doubt that is followed by what keeps the rest from going."""
    rerun = DOUBT.but(posts=(3,), sees=None, batches={**after.batches, "settled": 2})
    return TrackRow(name=name, wire=wire, fault=fault, first=after, rerun=rerun)


#: Nobody knows of the second and third of five batches; nothing went out after them.
TWO_DOUBTS = After(
    posts=(2, 2, 2),
    delivered=2,
    lines={"accepted": 2, "in_doubt": 4, "ready": 3},
    batches={"settled": 1, "in_doubt": 2},
    red=(IN_DOUBT.format(4), READY.format(3)),
)
#: Nobody knows of the second of three batches; the third did not go out.
DOUBT_ALONE = After(
    posts=(3, 3),
    delivered=3,
    lines={"accepted": 3, "in_doubt": 3, "ready": 3},
    batches={"settled": 1, "in_doubt": 1},
    red=(IN_DOUBT.format(3), READY.format(3)),
)

ONE_AFTER_THE_OTHER = (
    twice(faults.answer(500)),
    twice(faults.answer(500, accepted=True)),
    after_doubt(
        "500, then maintenance",
        Wire.SERVER_ERROR,
        OnPost(faults.answer(500), question=faults.answer(503)),
        DOUBT_ALONE.seen(NotDeliveredError, "did not list its surveys", RETRY),
    ),
    after_doubt(
        "500, then 429",
        Wire.SERVER_ERROR,
        OnPost(faults.answer(500), then=(faults.too_many_requests(90),)),
        DOUBT_ALONE.but(
            posts=(3, 3, 3), batches={"settled": 1, "in_doubt": 1, "not_delivered": 1}
        ).seen(NotDeliveredError, "Track asks us to slow down", "retry in 90 s"),
    ),
    TrackRow(
        name="500 for a part of a refused batch",
        wire=Wire.REFUSED_UNNAMED,
        fault=OnPost(faults.refuse(422), then=(faults.answer(500),)),
        # 3, 3, then the larger half of it; the smaller one goes with the next claim of its envelope
        first=After(
            posts=(3, 3, 2, 1, 3),
            delivered=7,
            lines={"accepted": 7, "in_doubt": 2},
            batches={"settled": 3, "split": 1, "in_doubt": 1},
            red=(IN_DOUBT.format(2),),
        ).seen(DeliveryUncertainError, "2 lines may have reached Track", FAIL),
        rerun=After(
            posts=(),
            delivered=7,
            lines={"accepted": 7, "in_doubt": 2},
            batches={"settled": 3, "split": 1, "in_doubt": 1},
            red=(IN_DOUBT.format(2),),
        ),
    ),
)

# -- Track: a hospital with two units --------------------------------------------------------------


def of_two_units(name: str, wire: Wire, fault: OnPost, first: After, rerun: After) -> TrackRow:
    """Make the row of a dispatch of two batches of one unit and one of another."""
    return TrackRow(
        name=f"{name}, two units",
        wire=wire,
        fault=fault,
        first=first,
        rerun=rerun,
        day=Day.TWO_UNITS,
    )


#: Of the first unit nothing went out; the other one did.
OTHER_UNIT_SENT = UNIT_FAILED.but(posts=(3, 3))
#: Nothing of either unit went out.
NO_UNIT_SENT = After(
    posts=(3,),
    delivered=0,
    lines={"ready": 9},
    batches={"not_delivered": 1},
    red=(READY.format(9),),
)
SENT_ALL_AFTER_ONE = DONE.but(batches={"settled": 3, "not_delivered": 1})
#: Nobody knows of a batch of the one unit, nor of the other's.
DOUBT_IN_EACH = After(
    posts=(3, 3, 3),
    delivered=3,
    lines={"accepted": 3, "in_doubt": 6},
    batches={"settled": 1, "in_doubt": 2},
    red=(IN_DOUBT.format(6),),
)

TWO_UNITS = (
    of_two_units("no fault", Wire.SUCCESS, OnPost(faults.empty()), DONE, DONE_BEFORE),
    of_two_units(
        "404",  # a unit that fails does not keep the next one from going
        Wire.NOT_FOUND,
        OnPost(faults.answer(404), number=1),
        OTHER_UNIT_SENT.seen(ConfigError, "no such address", FAIL),
        SENT_REST,
    ),
    of_two_units(
        "429",  # it binds them all
        Wire.TOO_MANY_SECONDS,
        OnPost(faults.too_many_requests(90), number=1),
        NO_UNIT_SENT.seen(NotDeliveredError, "Track asks us to slow down", "retry in 90 s"),
        SENT_ALL_AFTER_ONE,
    ),
    stopping(
        NO_UNIT_SENT,
        "405, two units",
        Wire.CAPTCHA,
        OnPost(faults.captcha(), number=1),
        "look at the account",
        day=Day.TWO_UNITS,
    ),
    of_two_units(
        "500 for each",
        Wire.SERVER_ERROR,
        OnPost(faults.answer(500), then=(faults.answer(500),)),
        DOUBT_IN_EACH.seen(DeliveryUncertainError, "6 lines may have reached Track", FAIL),
        stays(DOUBT_IN_EACH),
    ),
)
