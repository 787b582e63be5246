"""Explain errors of connecting to PostgreSQL, and what to do about them.

Before the first statement there is no patient's value to hide, so what libpq says may be shown.
Its own words are English, the server's follow `lc_messages`: its ordinary refusals are known in
Portuguese, too. Only what is refused later has a code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy.engine import URL

from track_dispatch.errors import ConfigError, LedgerError, TrackDispatchError


class _Cause(NamedTuple):
    """One cause: how libpq or the server words it, what a person does, whether it may pass."""

    words: str
    what: str
    passes: bool = False


#: The first whose words are found is the cause. What may pass is tried again.
#: Source: PostgreSQL's and PgBouncer's messages, each met by a test.
CAUSES = (
    _Cause(
        r"failed to resolve host|could not translate host name",
        "no such host is known: correct the Host field, or this machine's DNS",
        passes=True,
    ),
    _Cause(
        r"on socket .* failed: (No such file|Connection refused)",
        'no server listens on that socket: a Host that begins with "/" is the folder of the'
        " server's socket, an empty one the local default; put the server's name into the Host"
        " field, or start the server",
        passes=True,
    ),
    _Cause(
        r"on socket .* failed: Permission denied",
        "this user may not open the server's socket: let it into the folder, or put the server's"
        " name into the Host field",
    ),
    _Cause(
        r"Connection refused|conex.o recusada",
        "nothing listens there: correct the Host and Port fields, or start the server"
        " (`listen_addresses`)",
        passes=True,
    ),
    _Cause(
        r"timeout expired|timed out|No route to host|Network is unreachable",
        "nobody answers there: correct the Host and Port fields, or let the firewall pass it",
        passes=True,
    ),
    _Cause(
        r"invalid response to SSL negotiation|expected authentication request",
        "what listens there does not speak PostgreSQL: correct the Port field",
    ),
    _Cause(
        r"certificate .* does not match host name|Hostname mismatch",
        "the server's certificate is of another host: put the name that the certificate has into"
        " the Host field",
    ),
    _Cause(
        r"certificate verify failed|self-signed certificate|unable to get local issuer",
        "nobody here trusts the server's certificate: let `sslrootcert` in the extra name the file"
        " of the CA that signed it",
    ),
    _Cause(
        r"root certificate file .* does not exist|could not read root certificate",
        "the file of the CA is not there or cannot be read on this machine: correct `sslrootcert`"
        " in the extra",
    ),
    _Cause(
        r"could not (load|read|open) .*(certificate|private key)|private key file",
        "the client's certificate or key cannot be used on this machine: correct `sslcert` and"
        " `sslkey` in the extra",
    ),
    _Cause(
        r"server does not support SSL",
        "the server takes no TLS, which `sslmode` asks for: switch it on there (`ssl = on`), or"
        " correct `sslmode` in the extra",
    ),
    _Cause(
        r"no pg_hba.conf entry|nenhuma entrada no pg_hba.conf",
        "the server lets nobody in from here with this user, database and TLS: add a line to its"
        " pg_hba.conf, or ask for TLS by `sslmode` in the extra",
    ),
    _Cause(
        r"pg_hba.conf (rejects|rejeit)",
        "a line of the server's pg_hba.conf forbids this user, database or address: change the"
        " line there",
    ),
    _Cause(
        r"requires a valid client certificate|requer um certificado cliente"
        r"|alert (unknown ca|certificate|bad certificate)|certificate (required|expired|revoked)",
        "the server does not accept the client's certificate: let `sslcert` and `sslkey` in the"
        " extra name one that it knows and that is still valid",
    ),
    _Cause(
        r"(TLS|SSL) required|SSL is required",
        "the pooler or server takes nobody without TLS: ask for it by `sslmode` in the extra",
    ),
    _Cause(
        r"unsupported protocol|no protocols available|wrong version number|handshake failure"
        r"|no shared cipher|alert protocol version",
        "the two sides have no version of TLS in common: raise the server's, or correct"
        " `ssl_min_protocol_version` or `ssl_max_protocol_version` in the extra",
    ),
    _Cause(
        r"channel binding|require_auth|authentication method requirement",
        "the server lets nobody in the way that the extra asks for: correct `channel_binding` or"
        " `require_auth` in the extra, or the server's pg_hba.conf",
    ),
    _Cause(
        r"server login failed:.*(password|authentication)",
        "the pooler itself is refused by the server: correct the user and password that the pooler"
        " has for it",
    ),
    _Cause(
        r"password (has )?expired|senha expir",
        "the role's password has expired: give it a new one, and put that into the Password field",
    ),
    _Cause(r"no password supplied", "the connection has no password: fill the Password field"),
    _Cause(
        r"password authentication failed|autentica\S+ .*falhou|authentication failed|SASL",
        "the server refuses the user or the password: correct the Login and Password fields",
    ),
    _Cause(
        r"tenant.* not found",
        "the pooler knows no such user: a pooler that serves many wants a Login that names the"
        " project, too (user.project), and the Host of that project's region",
    ),
    _Cause(
        r'role ".*" does not exist|(role|papel|usu.rio) ".*" n.o existe|no such user',
        "the server knows no such user: correct the Login field, or create the role",
    ),
    _Cause(
        r"is not permitted to log in|n.o (tem permiss.o|pode) .*(conectar|login|entrar)",
        "the role may not log in: `alter role ... login`, or correct the Login field",
    ),
    _Cause(
        r'not currently accepting connections|banco de dados ".*" n.o est. aceitando',
        "somebody has closed the database: `alter database ... allow_connections true`",
    ),
    _Cause(
        r'database ".*" does not exist|banco de dados ".*" n.o existe|no such database',
        "the server has no such database: correct the Schema field, which names it, or create it",
    ),
    _Cause(
        r"permission denied for database|permiss.o negada (para|ao) .*banco de dados",
        "the role may not connect to the database: `grant connect on database ... to ...`",
    ),
    _Cause(
        r"unsupported startup parameter",
        "the pooler refuses what the extra asks for: take it out of the extra, or let the pooler"
        " pass it (PgBouncer's `ignore_startup_parameters`)",
    ),
    _Cause(
        r"server_login_retry|query_wait_timeout|server login (has been )?fail"
        r"|cannot connect to server",
        "the pooler does not reach the server: see the pooler's log",
        passes=True,
    ),
    _Cause(
        r"(too many connections|muitas conex.es) (for|para) (role|papel|usu.rio)",
        "all connections that the role may have are taken: raise its limit, `alter role ..."
        " connection limit`, or end what holds them",
        passes=True,
    ),
    _Cause(
        r"(too many connections|muitas conex.es) (for|para) (database|banco de dados)",
        "all connections that the database may have are taken: raise its limit, `alter database"
        " ... connection limit`, or end what holds them",
        passes=True,
    ),
    _Cause(
        r"max_\w*client_conn",
        "the pooler takes no further connections: raise its limit, which the message names, or end"
        " what holds them",
        passes=True,
    ),
    _Cause(
        r"too many (clients|connections)|muit(as conex.es|os clientes)|remaining connection slots"
        r"|conex.o remanescentes",
        "no connection is free: raise `max_connections`, or end what holds them",
        passes=True,
    ),
    _Cause(
        r"starting up|shutting down|in recovery mode|not yet accepting"
        r"|sendo (iniciado|desligado)|est. (iniciando|desligando)",
        "the server is starting or stopping: it takes connections in a moment",
        passes=True,
    ),
    _Cause(
        r"session is (not )?read-only|read-only (mode|transaction)|hot standby mode",
        "no server among the hosts is the one that `target_session_attrs` asks for: is there a"
        " primary?",
        passes=True,
    ),
    _Cause(
        r"invalid \S+ value|invalid connection option|bad value for|invalid integer value"
        r"|weak sslmode|invalid command-line argument|invalid port number",
        "libpq takes no such option: correct the extra",
    ),
    _Cause(
        r"definition of service .* not found|service file .* not found",
        "no file on this machine defines that service: correct `service` in the extra, or take it"
        " out and fill the fields",
    ),
    _Cause(
        r"(unrecognized configuration|invalid value for|permission denied to set) parameter"
        r"|parameter .* cannot be (set|changed)"
        r"|inv.lido para par.metro|ao definir par.metro|par.metro de configura\S+ .* desconhecido"
        r"|par.metro .* n.o pode ser (definido|mudado)",
        "the server takes no such option, or not from this role: correct the extra",
    ),
)


def connection_error(
    said: str, url: URL, options: Mapping[str, str] | None = None
) -> TrackDispatchError:
    """Return our error for a failed connection.

    Args:
        said: libpq's or the server's message.
        url: of the ledger.
        options: libpq's, from the connection's extra.

    Returns:
        `ConfigError` where only a person helps, `LedgerError` where it may pass.
    """
    shown = _shown(said, url.password)
    cause = next(
        (listed for listed in CAUSES if re.search(listed.words, shown, re.IGNORECASE)), None
    )
    what = cause.what if cause else "see what it says, and the server's log"
    message = f'the ledger\'s PostgreSQL {_place(url, options or {})}: {what} ("{shown}")'
    return LedgerError(message) if cause is None or cause.passes else ConfigError(message)


def _place(url: URL, options: Mapping[str, str]) -> str:
    """Name server, database and user; user and database have libpq's defaults."""
    host = url.host or options.get("hostaddr") or url.query.get("host") or "the default socket"
    at = f"at {host}:{url.port or 5432}" if not str(host).startswith("/") else f"at {host}"
    return f"{at} (database {url.database or 'by default'}, user {url.username or 'by default'})"


def _shown(said: str, password: str | None) -> str:
    """Return a message as one short line without the password."""
    line = " ".join(said.split())
    if password:
        line = line.replace(password, "***")
    return line[:400]


_DAMAGED = (
    "what is stored is damaged, and trying again does not help: pause the hospitals, keep a copy of"
    " it as it is, and look for the cause (disk, memory); then put a backup back and declare it"
    " with `ledger restored`"
)

#: What the server, or SQLite, refuses later, by its code: why, and what to do.
#: Source: PostgreSQL documentation, "PostgreSQL Error Codes"; SQLite's "Result and Error Codes".
REFUSALS: Mapping[str, str] = {
    "08P01": "a pooler that takes no transactions stands between (statement mode): set its mode to"
    " transaction",
    "25006": "the server only reads, as a standby does: point track_ledger to the primary",
    "26000": "a pooler mixes prepared statements of several sessions: set its mode to session",
    "40P01": "somebody else wanted the same in another order: try again",
    "42501": "the connection's role lacks a right",
    "42P05": "a pooler mixes prepared statements of several sessions: set its mode to session",
    "53100": "the server's disk is full: make room",
    "53200": "the server has no memory left: try again, and look at its load",
    "53300": "no connection is free: raise `max_connections`, or end what holds them",
    "55P03": "somebody else holds what it wanted for too long: try again",
    "57014": "it took longer than it may: try again, and look at the server's load",
    "57P02": "another of the server's processes broke down, it begins anew: try again in a moment",
    "57P01": "the server is being stopped: try again when it runs",
    "57P03": "the server is starting: try again in a moment",
    "XX001": _DAMAGED,
    "XX002": _DAMAGED,
    "SQLITE_BUSY": "another process writes for too long: try again, and see which one",
    "SQLITE_CANTOPEN": "the file or its folder cannot be opened: is the disk there, and does this"
    " user own them?",
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_FULL": "the disk is full: make room",
    "SQLITE_IOERR": "the disk does not read or write: look at it, and at the system's log",
    "SQLITE_NOTADB": _DAMAGED,
    "SQLITE_READONLY": "the file may not be written: is the disk mounted read-only, does this user"
    " own file and folder?",
}
#: Of these, what only a person can mend.
PERMANENT = frozenset({"08P01", "42501"})

#: What PostgreSQL says of a missing right names objects, and no value.
_RIGHT = re.compile(r"for (schema|table|sequence|database|function) \w+")
_GRANTS = {
    "schema": "grant create, usage on {object}",
    "table": "grant select, insert, update, delete on {object}",
    "sequence": "grant usage on {object}",
    "database": "grant connect on {object}",
    "function": "grant execute on {object}",
}


def refusal(code: str | None, said: str) -> str:
    """Return `: why and what to do` for a code that is known, or "".

    SQLite refines its codes: SQLITE_IOERR_WRITE is a SQLITE_IOERR.
    """
    why = REFUSALS.get("_".join(code.split("_")[:2])) if code else None
    if why is None:
        return ""
    if code == "42501" and (found := _RIGHT.search(said)):
        on = found[0].removeprefix("for ")
        grant = _GRANTS[found[1]].format(object=on)
        why += f" on {on}: `{grant} to` the role of the Login field"
    return f": {why}"
