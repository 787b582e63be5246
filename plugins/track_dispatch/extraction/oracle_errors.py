"""Explain Oracle's errors: which of our errors each one is, and what to do about it.

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

_NUMBER = re.compile(r"\b(?:ORA|DPY|DPI)-\d+|(?<=\[SSL: )\w+|(?<=\[X509: )\w+")
_UNKNOWN_NAME = re.compile(r'ORA-00904: (?P<name>"[\w$#]+"(?:\."[\w$#]+")*)')

_AGAIN = "nothing was sent, and trying again is safe"

_LINK = (
    "the query reads another database over a link that fails there, not this connection: ask the "
    "DBA to mend the database link"
)
_FAR_AWAY = (
    "another database that the query reads over a database link cannot be reached now, or the ERP "
    "itself"
)

#: What a log-on fails of, by Oracle's numbers: our error and its advice. Read from the top: an
#: error may name several numbers, the driver's beside the server's, OpenSSL's beside both.
#: Source: Oracle Database Error Messages; the cross reference in python-oracledb's errors.py.
_OF_A_LOG_ON: dict[type[TrackDispatchError], dict[str, str]] = {
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
        (
            "DPY-2049 DPY-4000 DPY-4017 DPY-4018 DPY-4021 DPY-4026 DPY-4027 DPY-4028 DPY-4030 "
            "ORA-12154 ORA-12162 ORA-12163 ORA-12171 ORA-12261 ORA-12263 ORA-12524 "
            "ORA-12533 ORA-12538"
        ): (
            "the connection's address cannot be understood: give host, port and, in the extra, "
            "service_name; or a whole dsn in the extra"
        ),
        "ORA-28040 ORA-03134": (
            "this ERP and the driver have no way to log on in common: ask the DBA for a newer "
            "password verifier, or set thick_mode with an older Oracle Client"
        ),
        (
            "ORA-12268 ORA-12269 ORA-12630 ORA-12631 ORA-12638 ORA-12639 ORA-12641 ORA-12649 "
            "ORA-12650 DPY-5016"
        ): (
            "the two sides have no encryption or authentication in common: compare the server's "
            "sqlnet.ora with the client's, with the DBA"
        ),
        (
            "ORA-12270 ORA-29024 ORA-28860 ORA-28759 DPY-2018 DPY-4032 DPY-6002 DPY-6006 DPY-6009 "
            "CERTIFICATE_VERIFY_FAILED NO_CERTIFICATE_OR_CRL_FOUND WRONG_VERSION_NUMBER "
            "UNSUPPORTED_PROTOCOL TLSV1_ALERT_PROTOCOL_VERSION TLSV1_ALERT_UNKNOWN_CA "
            "SSLV3_ALERT_HANDSHAKE_FAILURE SSLV3_ALERT_BAD_CERTIFICATE "
            "SSLV3_ALERT_CERTIFICATE_EXPIRED TLSV13_ALERT_CERTIFICATE_REQUIRED"
        ): (
            "the two sides could not agree on TLS: check the wallet or certificate in the "
            "connection's extra, and the server's"
        ),
        "ORA-12502 ORA-12504 ORA-65011": (
            "the address names no service, or none that is there: put service_name in the "
            "connection's extra"
        ),
        "DPY-6008": (
            "what answers there could not prove that it is the ERP, as it does not know the "
            "password: check host and port, with the DBA"
        ),
        "ORA-12529": (
            "a filter before the ERP turns this machine away: ask the DBA to let this machine in"
        ),
    },
}

#: What a query, or whatever was let in, fails of.
_OF_A_QUERY: dict[type[TrackDispatchError], dict[str, str]] = {
    ConfigError: {
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
        "ORA-02019 ORA-02085": _LINK,
        "ORA-16000": (
            "the query calls a function that writes, on a standby that only reads: read the "
            "primary, or leave the function out"
        ),
    },
}

#: What passes, wherever it is met.
_PASSING = {
    "DPY-4024 DPI-1067 ORA-00040 ORA-01013 ORA-03136 ORA-10173 ORA-56735": (
        "the ERP did not answer within the call timeout"
    ),
    (
        "ORA-00060 ORA-01410 ORA-01555 ORA-01652 ORA-03172 ORA-04020 ORA-04021 ORA-04030 "
        "ORA-04031 ORA-04036 ORA-04061 ORA-04065 ORA-04068 ORA-08103 ORA-08176 ORA-12801 "
        "ORA-12805 ORA-12827 ORA-12842 ORA-12850 ORA-30036"
    ): "the ERP could not keep what the query needs while it ran",
    "ORA-00054 ORA-01591 ORA-02049 ORA-30006": (
        "another session of the ERP holds what the query wants: if it comes again, ask the DBA "
        "which"
    ),
    "ORA-01653 ORA-01654 ORA-01688 ORA-02002 ORA-09817 ORA-09925": (
        "the ERP has no room to note what it does: ask the DBA to make some"
    ),
    (
        "ORA-00257 ORA-01014 ORA-01033 ORA-01034 ORA-01035 ORA-01089 ORA-01090 ORA-01109 "
        "ORA-01113 ORA-01219 ORA-12526 ORA-12527 ORA-16456 ORA-27101"
    ): "the ERP is starting, shutting down or being maintained",
    "ORA-02392 ORA-02393 ORA-02394 ORA-02395": (
        "the account's profile in the ERP ended the query for what it used: ask the DBA to look"
        " at its limits"
    ),
    (
        "ORA-00018 ORA-00020 ORA-02391 ORA-12500 ORA-12516 ORA-12518 ORA-12519 ORA-12520 "
        "ORA-12530 ORA-12531 ORA-12540 ORA-12549 ORA-12602"
    ): (
        "the ERP takes no further sessions now: if it comes again, ask the DBA about its limits "
        "and memory"
    ),
}

#: What keeps somebody out for now; in a query, out of another database.
_UNREACHED = {
    "DPY-6004": (
        "the proxy before the ERP let nobody through: check https_proxy and https_proxy_port in "
        "the connection's address, and that proxy's rules"
    ),
    "DPY-6001 DPY-6003 ORA-12505 ORA-12514 ORA-12521 ORA-12523 ORA-12528": (
        "the listener does not know the service: the ERP is starting, or service_name in the "
        "connection's extra is wrong"
    ),
    (
        "DPY-4019 DPY-4035 DPY-6000 DPY-6005 ORA-12170 ORA-12203 ORA-12224 ORA-12225 ORA-12230 "
        "ORA-12525 ORA-12535 ORA-12262 ORA-12541 ORA-12543 ORA-12545 ORA-12560 ORA-12564 ORA-12607"
    ): "the ERP cannot be reached: check its listener, host and port",
}

#: What ends a connection; one that never came about says so first.
_BROKEN_OFF = {
    (
        "DPY-1001 DPY-4011 DPY-4033 DPI-1010 DPI-1080 ORA-00028 ORA-01012 ORA-01092 ORA-02068 "
        "ORA-02396 ORA-02399 ORA-03106 ORA-03111 ORA-03113 ORA-03114 ORA-03135 ORA-03150 "
        "ORA-12150 ORA-12151 ORA-12152 ORA-12157 ORA-12161 ORA-12537 ORA-12547 ORA-12569 "
        "ORA-12570 ORA-12571 ORA-12592 ORA-12606 ORA-12608 ORA-12609 ORA-12636 ORA-12637 "
        "ORA-25400 ORA-25401 ORA-25402 ORA-25403 ORA-25404 ORA-25405 ORA-25406 ORA-25407 "
        "ORA-25408 ORA-25409 ORA-25425 "
        "ORA-29701 ORA-29702 ORA-29740 ORA-29746"
    ): "the connection to the ERP broke off",
}

#: Numbers of Oracle's network, which come before any password: an unknown one is tried again.
_NETWORK = range(12500, 12630)


def explain(error: oracledb.Error, *, where: str, sql: str | None = None) -> TrackDispatchError:
    """Return our error for Oracle's; raise it `from None`.

    Args:
        error: as the driver raised it.
        where: connection, or module and action: what the reader of the message must look at.
        sql: what was sent; the place in it is named where Oracle does. None: this is a log-on.
    """
    text = str(error)
    told = error.args[0] if error.args else None
    numbers = list(dict.fromkeys(_NUMBER.findall(text)))
    named = _UNKNOWN_NAME.search(text)
    label = f"{where}: {', '.join(numbers) or type(error).__name__}"
    label += f" {named['name']}" if named else ""
    if sql and (offset := getattr(told, "offset", 0)):
        label += f" at {place_in(sql, offset)} of what `python -m track_dispatch sql` prints"
    found = _meaning(numbers, logging_on=sql is None)
    if found is None and getattr(told, "isrecoverable", False):
        found = SourceUnavailableError, "the ERP failed for now"
    kind, advice = found or _unknown(logging_on=sql is None)
    return kind(f"{label}: {advice}{f'; {_AGAIN}' if kind is SourceUnavailableError else ''}")


def _meaning(
    numbers: list[str], *, logging_on: bool
) -> tuple[type[TrackDispatchError], str] | None:
    """Return our error and its advice for numbers of which one is known.

    Whoever runs a query is logged on already: what a log-on fails of is then another database's.
    """
    own = _OF_A_LOG_ON if logging_on else _OF_A_QUERY
    passing = _PASSING | _UNREACHED | _BROKEN_OFF
    for kind, meanings in {**own, SourceUnavailableError: passing}.items():
        if advice := _listed(numbers, meanings):
            is_far = advice in _UNREACHED.values() and not logging_on
            return kind, _FAR_AWAY if is_far else advice
    of_oracle = [number for number in numbers if number.startswith("ORA-")]
    if any(_listed(of_oracle, meanings) for meanings in _OF_A_LOG_ON.values()):
        return SourceContractError, _LINK
    if any(int(number.removeprefix("ORA-")) in _NETWORK for number in of_oracle):
        return SourceUnavailableError, (
            "Oracle's network failed, in a way that is not known here: if it comes again, look the "
            "number up with the DBA"
        )
    return None


def _listed(numbers: list[str], meanings: dict[str, str]) -> str | None:
    """Return the first advice of a table that stands for one of these numbers."""
    return next(
        (
            advice
            for listed, advice in meanings.items()
            if not set(listed.split()).isdisjoint(numbers)
        ),
        None,
    )


def _unknown(*, logging_on: bool) -> tuple[type[TrackDispatchError], str]:
    """Take it for one that stays: it could be a log-on that fails, and tries lock the account."""
    mend = "the connection" if logging_on else "the SQL"
    return ConfigError if logging_on else SourceContractError, (
        "the ERP refused, with a number that is not known here and is therefore not tried again: "
        f"look it up with the DBA, then mend {mend}, or clear the task if it has passed"
    )
