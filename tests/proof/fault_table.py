"""The fault matrix: one row for each way in which Track, the network or an ERP may fail a day.

Unless a row says otherwise the day has nine patients of one unit, sent in batches of three, and the
fault strikes at the second POST: what was sent before must stay sent, and what becomes of the rest
is the row's matter. Each row tells

1. what the operator sees: the task's error and what Airflow does with it, the report's red lines;
2. what the ledger holds, and what Track got and accepted;
3. what a rerun does when the fault is over.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from stand_ins.track_api import ErrorsForm, Fault, faults
from stand_ins.track_api.answers import document
from tests.proof.fault_terms import (
    After,
    Astray,
    BadLines,
    Day,
    Detour,
    Down,
    DroppedOnConnect,
    ErpConnection,
    ErpRow,
    ListenerDown,
    OnErp,
    OnPost,
    OnQuestion,
    OtherQuery,
    RenamedColumn,
    Sees,
    TrackConnection,
    TrackRow,
    Wire,
)
from track_dispatch.errors import (
    ConfigError,
    DeliveryUncertainError,
    LogOnRefusedError,
    NotDeliveredError,
    ServiceStoppedError,
    SourceContractError,
    SourceUnavailableError,
)

#: The moment of every dispatch.
NOW = datetime(2026, 3, 11, 12, tzinfo=UTC)

RETRY, FAIL = "retry", "fail"
READY = "{} linhas prontas não foram enviadas: limpe dispatch (Enviar ao Track)"
IN_DOUBT = "{} linhas em dúvida: confira no Track e decida com track_decide"
STOPPED = (
    "envio parado para todos os hospitais desde {} por HMS (HTTP {}): confira a conta no Track;"
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


PEACE = TrackRow(name="no fault", wire=Wire.SUCCESS, fault=None, first=DONE, rerun=DONE_BEFORE)

BEFORE_THE_FIRST_POST = (
    TrackRow(
        name="Track is down",
        wire=Wire.REFUSED_CONNECTION,
        fault=Down(),
        first=NOT_CLAIMED.seen(NotDeliveredError, "the connection was refused", RETRY),
        rerun=SENT_ALL,
    ),
    TrackRow(
        name="Track is under maintenance",
        wire=Wire.SERVER_ERROR,
        fault=OnQuestion(faults.answer(503)),
        first=NOT_CLAIMED.seen(NotDeliveredError, "did not list its surveys", RETRY),
        rerun=SENT_ALL,
    ),
    stopping(
        NOT_CLAIMED,
        "the question is answered by a CAPTCHA",
        Wire.CAPTCHA,
        OnQuestion(faults.captcha()),
        "wants a person (CAPTCHA)",
    ),
    stopping(
        NOT_CLAIMED,
        "the token was revoked",
        Wire.UNAUTHORIZED,
        TrackConnection({"password": "revoked-token"}),
        "does not know the token",
    ),
    stopping(
        NOT_CLAIMED,
        "the organization is another one",
        Wire.FORBIDDEN,
        TrackConnection({"login": "00000000-0000-4000-8000-000000000001"}),
        "the token lacks the right",
    ),
)

CERTAINLY_NOT = (
    astray("the name is gone", Wire.NAME, Detour.NO_NAME, "name could not be resolved"),
    TrackRow(
        name="nobody listens",
        wire=Wire.REFUSED_CONNECTION,
        fault=OnPost(faults.refuse_connections()),
        first=NOT_REACHED.seen(NotDeliveredError, "the connection was refused", RETRY),
        rerun=SENT_REST,
    ),
    astray("unknown certificate", Wire.TLS, Detour.STRANGER, "no trusted TLS connection"),
    astray(
        "full queue", Wire.CONNECT_TIMEOUT, Detour.FULL_QUEUE, "not be opened in time", slow=True
    ),
    slow_down("429 for 90 s", Wire.TOO_MANY_SECONDS, faults.too_many_requests(90), "retry in 90 s"),
    slow_down(
        "429 until in two minutes",
        Wire.TOO_MANY_DATE,
        faults.too_many_requests(NOW + timedelta(minutes=2)),
        "retry in 120 s",
    ),
    slow_down(
        "429 for a day",  # the task's retries are not endless
        Wire.TOO_MANY_SECONDS,
        faults.too_many_requests(86_400),
        "retry in 3600 s",
    ),
    slow_down("429", Wire.TOO_MANY, faults.too_many_requests(), RETRY),
    stopped("405", Wire.CAPTCHA, faults.captcha(), "look at the account"),
    stopped("401", Wire.UNAUTHORIZED, faults.answer(401), "check the connection's password"),
    stopped("403", Wire.FORBIDDEN, faults.answer(403), "check it in Track"),
    misconfigured("307", Wire.MOVED, faults.redirect(307), "at another address"),
    misconfigured("308", Wire.MOVED, faults.redirect(308), "at another address"),
    misconfigured("404", Wire.NOT_FOUND, faults.answer(404), "no such address"),
    misconfigured("415", Wire.UNSUPPORTED, faults.refuse(415), "does not take JSON"),
    misconfigured("418", Wire.OTHER_4XX, faults.answer(418), "refuses the request as such"),
)

# -- Track: lines refused for their content --------------------------------------------------------

#: Line 4 of 0 to 8 is bad and named: the rest of its batch goes out as a batch of its own.
BAD_NAMED = After(
    posts=(3, 3, 2, 3),
    delivered=8,
    lines={"accepted": 8, "refused_4xx": 1},
    batches={"settled": 3, "split": 1},
)
#: Line 4 is bad and not named: its batch is halved until it stands alone.
BAD_HALVED = BAD_NAMED.but(posts=(3, 3, 2, 1, 1, 1, 3), batches={"settled": 5, "split": 2})
#: Of the second batch nothing gets through: no patient is to blame, a setting is.
BATCH_REFUSED = UNIT_FAILED.seen(ConfigError, "Track refuses every line of this unit", FAIL)

REFUSED = (
    refused("422, one bad line", Wire.REFUSED_NAMED, BadLines((4,)), BAD_NAMED),
    refused(
        "400, one bad line by position",
        Wire.REFUSED_NAMED,
        BadLines((4,), status=400, form=ErrorsForm.BY_LINE),
        BAD_NAMED,
    ),
    refused(
        "422, one bad line by attendance",
        Wire.REFUSED_NAMED,
        BadLines((4,), form=ErrorsForm.BY_ATTENDANCE),
        BAD_NAMED,
    ),
    refused(
        "422, one bad line, unnamed", Wire.REFUSED_UNNAMED, BadLines((4,), named=False), BAD_HALVED
    ),
    refused(
        "400, one bad line, unnamed",
        Wire.REFUSED_UNNAMED,
        BadLines((4,), status=400, named=False),
        BAD_HALVED,
    ),
    refused(
        "422 naming lines of another batch",  # counts as naming none; it was a whim
        Wire.REFUSED_UNNAMED,
        OnPost(
            Fault(
                name="422_elsewhere",
                answer=document(422, {"errors": {"import_lines.99.email": ["?"]}}),
            )
        ),
        DONE.but(posts=(3, 3, 2, 1, 3), batches={"settled": 4, "split": 1}),
    ),
    TrackRow(
        name="422 for all, named",
        wire=Wire.REFUSED_ALL,
        fault=BadLines((3, 4, 5)),
        first=BATCH_REFUSED,
        rerun=SENT_REST,
    ),
    TrackRow(
        name="422 for all, unnamed",
        wire=Wire.REFUSED_ALL,
        fault=BadLines((), named=False),
        first=After(
            posts=(3, 2, 1, 1, 1),
            delivered=0,
            lines={"ready": 9},
            batches={"split": 2, "not_delivered": 3},
            red=(READY.format(9), FAILED.format(9)),
        ).seen(ConfigError, "check its templates", FAIL),
        rerun=SENT_ALL.but(batches={"split": 2, "not_delivered": 3, "settled": 3}),
    ),
    TrackRow(
        name="422, a line claimed alone, unnamed",
        wire=Wire.REFUSED_ALONE,
        fault=BadLines((8,), named=False),
        batch_size=4,
        first=BAD_NAMED.but(posts=(4, 4, 1), batches={"settled": 3}),
        rerun=stays(BAD_NAMED).but(batches={"settled": 3}),
    ),
    TrackRow(
        name="422, the only line of its unit",
        wire=Wire.REFUSED_UNIT,
        fault=BadLines((0,), named=False),
        day=Day.ONE,
        first=After(
            posts=(1,),
            delivered=0,
            lines={"refused_4xx": 1},
            batches={"settled": 1},
            red=ALL_REFUSED,
        ),
        rerun=After(
            posts=(),
            delivered=0,
            lines={"refused_4xx": 1},
            batches={"settled": 1},
            red=ALL_REFUSED,
        ),
    ),
    refused(
        "413, a batch",
        Wire.TOO_LARGE_BATCH,
        OnPost(faults.refuse(413)),
        DONE.but(posts=(3, 3, 2, 1, 3), batches={"settled": 4, "split": 1}),
    ),
    refused(
        "413, a single line",
        Wire.TOO_LARGE_LINE,
        BadLines((4,), status=413, named=False),
        BAD_HALVED,
    ),
)

# -- Track: accepted, or nobody knows --------------------------------------------------------------

#: Track took the second batch but for one line, for good.
TAKEN_BUT_ONE = DONE.but(delivered=8, lines={"accepted": 8, "refused_2xx": 1})

ACCEPTED = (
    success("200 without a body", Wire.EMPTY, faults.empty()),
    success("204", Wire.EMPTY, faults.empty(status=204)),
    *(
        refused(
            f"201 with errors by {form}",
            Wire.ERRORS_MATCHED,
            BadLines((4,), status=201, form=form),
            TAKEN_BUT_ONE,
        )
        for form in ErrorsForm
    ),
)

UNKNOWN = (
    *(
        doubt(f"201 with foreign errors by {form}", Wire.ERRORS_UNMATCHED, fault)
        for form in ErrorsForm
        for fault in [faults.unmatched_errors(form)]
    ),
    TrackRow(
        name="201 with errors for every line",
        wire=Wire.ERRORS_ALL,
        fault=BadLines((3, 4, 5), status=201),
        first=DOUBT,
        rerun=stays(DOUBT),
    ),
    doubt("truncated JSON", Wire.CUT_SHORT, faults.truncated()),
    doubt("a body that never ends", Wire.CUT_SHORT, faults.slow_body(), slow=True),
    doubt("200, but success is false", Wire.SAYS_FAILURE, faults.failure_within()),
    doubt(
        "200, but success is false, after accepting",
        Wire.SAYS_FAILURE,
        faults.failure_within(accepted=True),
    ),
    doubt("200 without a receipt", Wire.NO_RECEIPT, faults.without_receipt()),
    doubt("200 and a list", Wire.NO_OBJECT, faults.saying("list", [1, 2], accepted=False)),
    doubt("200 and false", Wire.NO_OBJECT, faults.saying("false", content=False, accepted=False)),
    doubt("207", Wire.IN_PARTS, faults.in_parts()),
    doubt("302", Wire.REDIRECT, faults.redirect(302)),
    doubt("303 after accepting", Wire.REDIRECT, faults.redirect(303, accepted=True)),
    doubt("408", Wire.REQUEST_TIMEOUT, faults.answer(408)),
    doubt("409", Wire.CONFLICT, faults.answer(409)),
    doubt("409 after accepting", Wire.CONFLICT, faults.answer(409, accepted=True)),
    doubt("HTML before Track", Wire.HTML, faults.html(accepted=False)),
    doubt("HTML after accepting", Wire.HTML, faults.html(accepted=True)),
    doubt("200 in plain text", Wire.OTHER_TYPE, faults.plain_text()),
    doubt("500 before accepting", Wire.SERVER_ERROR, faults.answer(500)),
    doubt("500 after accepting", Wire.SERVER_ERROR, faults.answer(500, accepted=True)),
    doubt("502", Wire.SERVER_ERROR, faults.answer(502)),
    doubt("503 after accepting", Wire.SERVER_ERROR, faults.answer(503, accepted=True)),
    doubt("drop before accepting", Wire.RESET, faults.drop(accepted=False)),
    doubt("drop after accepting", Wire.RESET, faults.drop(accepted=True)),
    doubt("hang-up after accepting", Wire.RESET, faults.drop(accepted=True, orderly=True)),
    TrackRow(
        name="drop amid the request",
        wire=Wire.RESET,
        fault=OnPost(faults.drop_unread()),
        first=DOUBT.but(posts=(3, 0, 3)),
        rerun=stays(DOUBT),
    ),
    doubt(
        "slow headers before accepting",
        Wire.READ_TIMEOUT,
        faults.slow_headers(accepted=False),
        slow=True,
    ),
    doubt("slow headers after accepting", Wire.READ_TIMEOUT, faults.slow_headers(), slow=True),
    doubt("drip before accepting", Wire.READ_TIMEOUT, faults.drip(0.05, accepted=False), slow=True),
    doubt("drip after accepting", Wire.READ_TIMEOUT, faults.drip(0.05), slow=True),
    TrackRow(
        name="nobody reads the request",
        wire=Wire.WRITE_TIMEOUT,
        fault=Astray(Detour.NEVER_READS, number=1),
        day=Day.HUNDRED,
        batch_size=100,
        first=After(
            posts=(),
            delivered=0,
            lines={"in_doubt": 100},
            batches={"in_doubt": 1},
            red=(IN_DOUBT.format(100),),
        ).seen(DeliveryUncertainError, "100 lines may have reached Track", FAIL),
        rerun=After(
            posts=(),
            delivered=0,
            lines={"in_doubt": 100},
            batches={"in_doubt": 1},
            red=(IN_DOUBT.format(100),),
        ),
        slow=True,
    ),
)

# -- Track: more than one thing goes wrong ---------------------------------------------------------


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

#: Rows after which some lines are in doubt.
DOUBT_ROWS = (*UNKNOWN, *ONE_AFTER_THE_OTHER)

TRACK_ROWS = (
    PEACE,
    *BEFORE_THE_FIRST_POST,
    *CERTAINLY_NOT,
    *REFUSED,
    *ACCEPTED,
    *DOUBT_ROWS,
    *TWO_UNITS,
)

# -- the ERP ---------------------------------------------------------------------------------------
# Nothing is read in part: the ledger holds what it held, Track gets nothing, the report is red.
# A rerun from `extract` on sends the whole day; of a day that was sent before it sends nothing.

TOO_FEW_COLUMNS = """
select a.cd_atendimento as "cd_atendimento", p.nm_paciente as "name"
from dbamv.atendime a
join dbamv.paciente p on p.cd_paciente = a.cd_paciente
where a.dt_alta >= :day_start and a.dt_alta < :day_end
"""


def unavailable(text: str) -> Sees:
    """Tell an ERP that may be back by itself."""
    return Sees(SourceUnavailableError, text, RETRY)


def on_query(code: int) -> OnErp:
    """Fail the hospital's query with an ORA number."""
    return OnErp({"errors": [("atendime", code, "")]})


ERP_ROWS = (
    ErpRow(
        name="listener down",
        fault=ListenerDown(),
        sees=unavailable("DPY-6005: the ERP cannot be reached: check its listener"),
    ),
    ErpRow(
        name="dropped on connect",
        fault=DroppedOnConnect(),
        sees=unavailable("trying again is safe"),
    ),
    ErpRow(
        name="service not there yet",
        fault=OnErp({"refuse": 12514}),
        sees=unavailable("the listener does not know the service"),
    ),
    ErpRow(
        name="no further sessions",
        fault=OnErp({"refuse": 12516}),
        sees=unavailable("nothing was sent, and trying again is safe"),
    ),
    ErpRow(
        name="wrong password",
        fault=ErpConnection({"password": "wrong-one"}),
        sees=Sees(LogOnRefusedError, "ORA-01017: the ERP refused user and password", FAIL),
    ),
    ErpRow(
        name="account locked",
        fault=OnErp({"log_on": 28000}),
        sees=Sees(ConfigError, "ORA-28000: the ERP's account is locked", FAIL),
    ),
    ErpRow(
        name="drop in the first answer",
        fault=OnErp({"drop_after_rows": 5}),
        sees=unavailable("DPY-4011: the connection to the ERP broke off"),
    ),
    ErpRow(
        name="drop mid-fetch",
        fault=OnErp({"drop_after_rows": 2050}),
        sees=unavailable("DPY-4011: the connection to the ERP broke off"),
        day=Day.LONG,
        slow=True,
    ),
    ErpRow(
        name="call timeout",
        fault=OnErp({"latency": 30.0}),
        sees=unavailable("DPY-4024: the ERP did not answer within the call timeout"),
        call_timeout_seconds=0.3,
    ),
    ErpRow(
        name="ORA-00942",
        fault=on_query(942),
        sees=Sees(SourceContractError, "ORA-00942: the query names a table", FAIL),
    ),
    ErpRow(
        name="ORA-01555",
        fault=on_query(1555),
        sees=unavailable("ORA-01555: the ERP could not keep what the query needs"),
    ),
    ErpRow(
        name="session killed",
        fault=on_query(28),
        sees=unavailable("ORA-00028: the connection to the ERP broke off"),
    ),
    ErpRow(
        name="a column renamed in the ERP",
        fault=RenamedColumn("dbamv.paciente", "nm_paciente"),
        sees=Sees(SourceContractError, "ORA-00904", FAIL),
    ),
    ErpRow(
        name="a column missing in the query",
        fault=OtherQuery(TOO_FEW_COLUMNS),
        sees=Sees(SourceContractError, "the query lacks the columns", FAIL),
    ),
)
