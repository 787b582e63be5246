"""What an Oracle error means for us: which of our errors it is, and what to do about it.

Of the driver's own text only the error numbers are passed on, and the name of an unknown column:
since Oracle 23ai a message may quote the value that it stumbled over.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from track_dispatch.errors import (
    ConfigError,
    LogOnRefusedError,
    SourceContractError,
    SourceUnavailableError,
    TrackDispatchError,
)
from track_dispatch.extraction.query import place_in

if TYPE_CHECKING:
    import oracledb

_NUMBER = re.compile(r"\b(?:ORA|DPY|DPI)-\d+")
_UNKNOWN_NAME = re.compile(r'ORA-00904: (?P<name>"[\w$#]+"(?:\."[\w$#]+")*)')

_AGAIN = "nothing was sent, and trying again is safe"

#: Our error, and its advice, by Oracle's numbers. Read from the top: an error may name several
#: numbers, the driver's beside the server's.
#: Source: Oracle Database Error Messages; the cross reference in python-oracledb's errors.py.
_MEANINGS: dict[type[TrackDispatchError], dict[str, str]] = {
    LogOnRefusedError: {
        "ORA-01017 ORA-01005": (
            "the ERP refused user and password: correct the connection's login and password "
            "(never tried again by itself: failed log-ons lock the account)"
        ),
    },
    ConfigError: {
        "DPY-4001": "the connection has no login or no password: put both in",
        "ORA-28000 ORA-28001 ORA-01045": (
            "the ERP's account is locked, expired or may not log on: ask the DBA to open it"
        ),
        "DPY-3001 DPY-3010 DPY-3015 DPY-3040 ORA-12660": (
            "this server needs the driver's thick mode: set thick_mode and thick_mode_lib_dir in "
            "the connection's extra"
        ),
        "DPI-1047 DPI-1072 DPY-2017 DPY-2019": (
            "thick mode found no usable Oracle Client: check thick_mode_lib_dir in the "
            "connection's extra, and the libraries there"
        ),
        "DPY-2049 DPY-4000 DPY-4017 DPY-4018 DPY-4026 DPY-4027 ORA-12154": (
            "the connection's address cannot be understood: give host, port and, in the extra, "
            "service_name; or a whole dsn in the extra"
        ),
        "ORA-28040": (
            "this ERP and the driver have no way to log on in common: ask the DBA for a newer "
            "password verifier, or set thick_mode with an older Oracle Client"
        ),
        "ORA-29024 ORA-28860 ORA-28759 DPY-6002": (
            "the two sides could not agree on TLS: check the wallet or certificate in the "
            "connection's extra, and the server's"
        ),
        "ORA-12504 ORA-65011": (
            "the address names no service, or none that is there: put service_name in the "
            "connection's extra"
        ),
        "ORA-01435": (
            "the connection's Schema field, or the path of its URI, names no schema of this ERP: "
            "leave it empty, and put service_name in the extra"
        ),
    },
    SourceContractError: {
        "ORA-00942 ORA-01031 ORA-04043": (
            "the query names a table that is not there or not granted to the connection's user: "
            "ask the DBA for the grant, or correct the SQL"
        ),
        "ORA-01801": (
            "the ERP holds a date that it cannot write itself: ask the DBA to find it by dump, "
            "and to mend it"
        ),
        "ORA-04063": (
            "the query reads a view of the ERP that is broken there: ask the DBA to compile it"
        ),
        "ORA-00904": "the query names a column or function that this ERP has not: correct the SQL",
    },
    SourceUnavailableError: {
        "DPY-4024 DPI-1067 ORA-00040 ORA-01013 ORA-03136 ORA-10173 ORA-56735": (
            "the ERP did not answer within the call timeout"
        ),
        (
            "ORA-00060 ORA-01410 ORA-01555 ORA-01652 ORA-04020 ORA-04021 ORA-04030 ORA-04031 "
            "ORA-04036 ORA-04061 ORA-04065 ORA-04068 ORA-08103 ORA-08176 ORA-12801 ORA-12805 "
            "ORA-12827 ORA-12842 ORA-12850 ORA-30036"
        ): "the ERP could not keep what the query needs while it ran",
        (
            "ORA-00257 ORA-01033 ORA-01034 ORA-01035 ORA-01089 ORA-01090 ORA-01109 ORA-01219 "
            "ORA-12526 ORA-12527 ORA-16456 ORA-27101"
        ): "the ERP is starting, shutting down or being maintained",
        "ORA-02392 ORA-02393 ORA-02394 ORA-02395": (
            "the account's profile in the ERP ended the query for what it used: ask the DBA to look"
            " at its limits"
        ),
        "ORA-00018 ORA-00020 ORA-02391 ORA-12516 ORA-12519 ORA-12520 ORA-12540": (
            "the ERP takes no further sessions now"
        ),
        "DPY-6001 DPY-6003 ORA-12505 ORA-12514 ORA-12528": (
            "the listener does not know the service: the ERP is starting, or service_name in the "
            "connection's extra is wrong"
        ),
        (
            "DPY-6000 DPY-6005 ORA-12170 ORA-12518 ORA-12535 ORA-12541 ORA-12543 ORA-12545 "
            "ORA-12560 ORA-12608 ORA-12609"
        ): "the ERP cannot be reached: check its listener, host and port",
        (
            "DPY-1001 DPY-4011 DPI-1010 DPI-1080 ORA-00028 ORA-01012 ORA-01092 ORA-02068 "
            "ORA-02396 ORA-02399 ORA-03113 ORA-03114 ORA-03135 ORA-03150 ORA-12537 ORA-12547 "
            "ORA-12570 ORA-12571 ORA-25400 ORA-25401 ORA-25402 ORA-25403 ORA-25404 ORA-25405 "
            "ORA-25406 ORA-25407 ORA-25408 ORA-25409 ORA-25425"
        ): "the connection to the ERP broke off",
    },
}


def explain(
    error: oracledb.Error,
    *,
    where: str,
    otherwise: type[TrackDispatchError],
    sql: str = "",
) -> TrackDispatchError:
    """Return our error for Oracle's; raise it `from None`.

    Args:
        error: as the driver raised it.
        where: connection, or module and action: what the reader of the message must look at.
        otherwise: what an unknown error is, unless the driver calls it recoverable. Never a type
            that is tried again: the error could be a log-on that fails.
        sql: what was sent, if the error is about it; the place in it is named where Oracle does.
    """
    text = str(error)
    told = error.args[0] if error.args else None
    numbers = list(dict.fromkeys(_NUMBER.findall(text)))
    named = _UNKNOWN_NAME.search(text)
    label = f"{where}: {', '.join(numbers) or type(error).__name__}"
    label += f" {named['name']}" if named else ""
    if offset := getattr(told, "offset", 0) if sql else 0:
        label += f" at {place_in(sql, offset)} of what `python -m track_dispatch sql` prints"
    for kind, meanings in _MEANINGS.items():
        for listed, advice in meanings.items():
            if not set(listed.split()).isdisjoint(numbers):
                again = f"; {_AGAIN}" if kind is SourceUnavailableError else ""
                return kind(f"{label}: {advice}{again}")
    if getattr(told, "isrecoverable", False):
        return SourceUnavailableError(f"{label}: the ERP failed for now; {_AGAIN}")
    return otherwise(f"{label}: the ERP refused; look the number up, then mend SQL or connection")
