"""The fault matrix: one row for each way in which Track or the network may fail a day.

Unless a row says otherwise the day has nine patients of one unit, sent in batches of three, and the
fault strikes at the second POST: what was sent before must stay sent, and what becomes of the rest
is the row's matter. Each row tells

1. what the operator sees: the task's error and what Airflow does with it, the report's red lines;
2. what the ledger holds, and what Track got and accepted;
3. what a rerun does when the fault is over.

`fault_table_erp.py` has the rows of the ERP.
"""

from __future__ import annotations

from datetime import timedelta

from stand_ins.track_api import ErrorsForm, Fault, faults
from stand_ins.track_api.answers import document
from tests.proof.fault_outcomes import (
    ALL_REFUSED,
    DONE,
    DONE_BEFORE,
    DOUBT,
    FAIL,
    FAILED,
    IN_DOUBT,
    NOT_CLAIMED,
    NOT_REACHED,
    NOW,
    READY,
    RETRY,
    SENT_ALL,
    SENT_REST,
    UNIT_FAILED,
    astray,
    doubt,
    misconfigured,
    refused,
    slow_down,
    stays,
    stopped,
    stopping,
    success,
)
from tests.proof.fault_series import ONE_AFTER_THE_OTHER, TWO_UNITS
from tests.proof.fault_terms import (
    After,
    Astray,
    BadLines,
    Day,
    Detour,
    Down,
    OnPost,
    OnQuestion,
    TrackConnection,
    TrackRow,
    Wire,
)
from track_dispatch.errors import ConfigError, DeliveryUncertainError, NotDeliveredError

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
