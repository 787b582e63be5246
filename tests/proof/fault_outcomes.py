"""What comes of a fault and of the rerun, and the row of each kind of fault."""

from __future__ import annotations

from datetime import UTC, datetime

from stand_ins.track_api import Fault
from tests.proof.fault_terms import (
    After,
    Astray,
    BadLines,
    Day,
    Detour,
    OnPost,
    OnQuestion,
    TrackConnection,
    TrackRow,
    Wire,
)
from track_dispatch.errors import (
    ConfigError,
    DeliveryUncertainError,
    NotDeliveredError,
    ServiceStoppedError,
)

#: The moment of every dispatch.
NOW = datetime(2026, 3, 11, 12, tzinfo=UTC)

RETRY, FAIL = "retry", "fail"
READY = "{} linhas prontas não foram enviadas: limpe dispatch (Enviar ao Track)"
IN_DOUBT = "{} linhas em dúvida: confira no Track e decida com track_decide"
STOPPED = (
    "envio parado para todos os hospitais desde {} (HTTP {}): confira a conta no Track;"
    " depois track_decide, resume, e limpe dispatch (Enviar ao Track)"
)
FAILED = (
    "PRONTO SOCORRO GERAL · e-mail: o envio falhou em definitivo, {} linhas não saíram: veja o log"
    " de dispatch"
)
NOT_EXTRACTED = ("a extração desta execução não terminou: veja o log de extract e limpe a tarefa",)
ALL_REFUSED = ("PRONTO SOCORRO GERAL · e-mail: o Track recusou todas as linhas",)

# -- what comes of a fault, and of the rerun -------------------------------------------------------

#: No fault at all.
DONE = After(posts=(3, 3, 3), delivered=9, lines={"accepted": 9}, batches={"settled": 3})
#: Everything has its end: a rerun finds nothing to send.
DONE_BEFORE = DONE.but(posts=())

#: Nothing was claimed: the question before the first POST had no proper answer.
NOT_CLAIMED = After(posts=(), delivered=0, lines={"ready": 9}, red=(READY.format(9),))
SENT_ALL = DONE

#: Track got the second batch and certainly did not process it.
NOT_TAKEN = After(
    posts=(3, 3),
    delivered=3,
    lines={"accepted": 3, "ready": 6},
    batches={"settled": 1, "not_delivered": 1},
    red=(READY.format(6),),
)
#: The same, and the rest of the unit is not tried before a person clears the task.
UNIT_FAILED = NOT_TAKEN.but(red=(*NOT_TAKEN.red, FAILED.format(6)))
#: The second batch never got to Track.
NOT_REACHED = NOT_TAKEN.but(posts=(3,))
SENT_REST = DONE.but(posts=(3, 3), batches={"settled": 3, "not_delivered": 1})

#: Nobody knows of the second batch; the third went out after another question.
DOUBT = After(
    posts=(3, 3, 3),
    delivered=6,
    lines={"accepted": 6, "in_doubt": 3},
    batches={"settled": 2, "in_doubt": 1},
    red=(IN_DOUBT.format(3),),
).seen(DeliveryUncertainError, "3 lines may have reached Track: a person must decide", FAIL)
#: The same, and Track has accepted it, whatever it said.
DOUBT_DELIVERED = DOUBT.but(delivered=9)


def stays(after: After) -> After:
    """Tell that a rerun sends nothing, to nobody, and changes nothing."""
    return after.but(posts=(), sees=None)


# -- Track: rows -----------------------------------------------------------------------------------


def doubt(name: str, wire: Wire, fault: Fault, *, slow: bool = False) -> TrackRow:
    """Make the row of an answer, or of silence, that does not tell what became of the batch."""
    first = DOUBT_DELIVERED if fault.accepted else DOUBT
    return TrackRow(
        name=name, wire=wire, fault=OnPost(fault), first=first, rerun=stays(first), slow=slow
    )


def success(name: str, wire: Wire, fault: Fault, *, slow: bool = False) -> TrackRow:
    """Make the row of an odd answer that is an acceptance all the same."""
    return TrackRow(
        name=name, wire=wire, fault=OnPost(fault), first=DONE, rerun=DONE_BEFORE, slow=slow
    )


def misconfigured(name: str, wire: Wire, fault: Fault, text: str) -> TrackRow:
    """Make the row of an answer that a setting is to blame for."""
    first = UNIT_FAILED.seen(ConfigError, text, FAIL)
    return TrackRow(name=name, wire=wire, fault=OnPost(fault), first=first, rerun=SENT_REST)


def stopped(name: str, wire: Wire, fault: Fault, text: str) -> TrackRow:
    """Make the row of an answer after which a person must look."""
    return stopping(NOT_TAKEN, name, wire, OnPost(fault), text)


def stopping(
    after: After,
    name: str,
    wire: Wire,
    fault: OnPost | OnQuestion | TrackConnection,
    text: str,
    *,
    day: Day = Day.NINE,
) -> TrackRow:
    """Make the row of a fault that stops all hospitals: a rerun asks Track nothing."""
    stands = after.but(red=(STOPPED.format("{}", wire.value), *after.red))
    first = stands.seen(ServiceStoppedError, text, FAIL)
    rerun = stays(stands).seen(ServiceStoppedError, "sending is stopped for all hospitals", FAIL)
    return TrackRow(name=name, wire=wire, fault=fault, first=first, rerun=rerun, day=day)


def slow_down(name: str, wire: Wire, fault: Fault, airflow: str) -> TrackRow:
    """Make the row of a 429."""
    first = NOT_TAKEN.seen(NotDeliveredError, "Track asks us to slow down", airflow)
    return TrackRow(name=name, wire=wire, fault=OnPost(fault), first=first, rerun=SENT_REST)


def astray(name: str, wire: Wire, detour: Detour, text: str, *, slow: bool = False) -> TrackRow:
    """Make the row of a connection that was never opened."""
    first = NOT_REACHED.seen(NotDeliveredError, text, RETRY)
    return TrackRow(
        name=name, wire=wire, fault=Astray(detour), first=first, rerun=SENT_REST, slow=slow
    )


def refused(name: str, wire: Wire, fault: BadLines | OnPost, first: After) -> TrackRow:
    """Make the row of a batch whose content is refused: all that can be sent has been sent."""
    return TrackRow(name=name, wire=wire, fault=fault, first=first, rerun=stays(first))
