"""The problems of days in the shell's language; the UI's is in `pipeline/problems.py`."""

from __future__ import annotations

from collections.abc import Mapping

from track_dispatch.pipeline.problems import NoticeKind
from track_dispatch.pipeline.problems import ProblemKind as K

ENGLISH: Mapping[K, str] = {
    K.STOPPED: "sending is stopped for all hospitals: look at the account in Track, then `resume`",
    K.BROKEN_FILE: "its file has errors: see `config check`",
    K.NOT_READ: "no run read {detail}: is {dag} paused? trigger each day, or backfill",
    K.NOT_EXTRACTED: "the run's extraction did not end: see the log of extract, then clear it",
    K.NOT_TRANSFORMED: "the run's transformation did not end: see the log of transform, clear it",
    K.UNBALANCED: "the day's rows and lines do not add up",
    K.OTHER_HOSPITAL: "{lines} attendances are another hospital's: check `companies`",
    K.LACKING: "{lines} known attendances are lacking, most of the day: ERP or SQL?",
    K.EMPTY_DAY: "0 attendances, usually {usual}: ERP or SQL?",
    K.UNKNOWN_AREA: "{lines} attendances of an unknown area: mend the hospital's SQL",
    K.UNREADABLE_COLUMN: (
        "{lines} values of column {detail}, most of them, cannot be read: mend the hospital's SQL,"
        " then trigger {dag} with business_day={day}"
    ),
    K.CLAIMED_ANEW: "{lines} lines were accepted twice: an answer came after a person's decision",
    K.IN_DOUBT: "{lines} lines in doubt: `doubt list`, look at Track, `doubt settle`",
    K.UNANSWERED: "{lines} lines held, usually {usual}: nobody answered; `release`, or ask again",
    K.HELD: "{lines} lines held since the last answer: `release`",
    K.UNIT_REFUSED: "{detail}: Track refused every line",
    K.UNIT_FAILED: "{detail}: sending failed for good, {lines} lines are left: see dispatch's log",
    K.READY: "{lines} ready lines were not sent: clear dispatch",
    K.SENDING: "{lines} lines on their way: wait for the lease, then clear dispatch",
    K.REOPENED: (
        "{lines} lines to be read again: the next run takes them; now: trigger {dag} with"
        " business_day={day}"
    ),
}

NOTICES: Mapping[NoticeKind, str] = {
    NoticeKind.EXPIRING: "{lines} lines expire tomorrow unless they leave today",
    NoticeKind.WAITING: "{lines} lines wait for the hours of dispatch: the next run sends them",
    NoticeKind.KEPT: "{lines} lines held, by a person's decision",
}
