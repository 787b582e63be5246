"""A hospital: its file, the rules of going live, what Track and its ERP know of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial

from track_dispatch.config import (
    BrokenHospital,
    Hospital,
    check_go_live,
    check_lease_margin,
    is_demo_template_set,
    is_practice_host,
)
from track_dispatch.doctor.check import Check, CheckStatus, DoubtError, check, obtain, required
from track_dispatch.doctor.track_checks import Track, is_active
from track_dispatch.errors import ConfigError, SourceContractError
from track_dispatch.extraction.contract import ReturnedColumn, check_columns
from track_dispatch.extraction.lint import lint
from track_dispatch.extraction.oracle import Erp, open_erp
from track_dispatch.extraction.query import render
from track_dispatch.hooks.airflow_state import pool_slots
from track_dispatch.records import Area

#: What `make new-hospital` writes where a person must put the truth.
PLACEHOLDER = "TODO"
#: Seconds for one round trip to an ERP: parsing is quick, however long the query would take.
PATIENCE = 60.0


def check_file(entry: Hospital | BrokenHospital) -> Check:
    """Look at a hospital's file."""
    return check(entry.code, "configuration", partial(_read, entry))


def check_hospital(hospital: Hospital, track: Track) -> Iterator[Check]:
    """Look at a hospital's settings and at what Track knows of them."""
    looks = {
        "go-live": _go_live,
        "lease margin": _lease_margin,
        "templates": _templates,
        "surveys": _surveys,
    }
    for name, look in looks.items():
        yield check(hospital.code, name, partial(look, hospital, track))


def _read(entry: Hospital | BrokenHospital) -> str:
    if isinstance(entry, BrokenHospital):
        raise ConfigError(entry.message)
    left = [name for name in ("name", "unidade") if PLACEHOLDER in (getattr(entry, name) or "")]
    if left:
        raise DoubtError(
            f"hospitals/{entry.code.lower()}.yaml: {', '.join(left)}: still a placeholder"
        )
    first = entry.first_business_day
    begins = f"from {first} on" if first else "not live yet"
    return f"{entry.name}, {begins}, {entry.schedule} {entry.timezone}"


def _go_live(hospital: Hospital, track: Track) -> str:
    host = _host(track)
    check_go_live(hospital, host)
    return "nobody real is reached" if is_practice_host(host) else "date and surveys are our own"


def _lease_margin(hospital: Hospital, track: Track) -> str:
    check_lease_margin(hospital, _host(track))
    return (
        f"{hospital.lease_margin_seconds} s remain to write the outcome of a POST of"
        f" {hospital.post_deadline_seconds} s"
    )


def _host(track: Track) -> str:
    return required(track.host, "nobody knows Track's host without its connection")


def _templates(hospital: Hospital, track: Track) -> str:
    templates, name = hospital.template_set, hospital.templates
    if missing := [c.label for c in hospital.channels if not templates.serves(c)]:
        raise ConfigError(
            f"defaults.yaml: templates.{name}: has nothing for {', '.join(missing)}, which the"
            " hospital uses"
        )
    if track.host and not is_practice_host(track.host) and is_demo_template_set(templates):
        raise ConfigError(
            f"defaults.yaml: templates.{name}: is the demo's, which Track refuses; put the"
            " organization's hashes, names and ids"
        )
    return f"the set {name} has those for {', '.join(c.label for c in hospital.channels)}"


def _surveys(hospital: Hospital, track: Track) -> str:
    surveys = required(track.surveys, "Track did not list its surveys")
    listed = {survey.uuid.lower(): survey for survey in surveys}
    wrong, without = [], []
    for area in Area:
        uuid = hospital.survey(area)
        found = listed.get(str(uuid))
        if uuid is None:
            without.append(area.key)
        elif found is None:
            wrong.append(f"{area.key}: Track has no survey {uuid}")
        elif not is_active(found):
            wrong.append(f"{area.key}: the survey {uuid} is {found.status or 'without a status'}")
    if wrong:
        raise ConfigError(
            f"{', '.join(wrong)}; correct `surveys:` (`python -m track_dispatch surveys` lists"
            " them) or activate the survey in Track"
        )
    active = f"{len(Area) - len(without)} active"
    return f"{active}; none for {', '.join(without)}, never posted" if without else active


# -- the ERP ------------------------------------------------------------------------------------


def check_pools(hospitals: Sequence[Hospital]) -> Iterator[Check]:
    """Look at the pools that let one extraction at a time into each source."""
    for pool in sorted({hospital.pool for hospital in hospitals}):
        yield check(pool, "pool", partial(_look_up_pool, pool))


def check_erp(conn_id: str, hospitals: Sequence[Hospital]) -> Iterator[Check]:
    """Look at one ERP's connection, and the queries of the hospitals behind it.

    It is opened once: failed log-ons lock the account.
    """
    with ExitStack() as stack:
        deadline = hospitals[0].oracle_logon_deadline_seconds  # one for all hospitals

        def log_on() -> tuple[Erp, str]:
            erp = stack.enter_context(
                open_erp(conn_id, logon_deadline_seconds=deadline, call_timeout_seconds=PATIENCE)
            )
            return erp, f"Oracle {erp.version} lets {erp.user} in"

        erp, reached = obtain(conn_id, "connection", log_on)
        yield reached
        if erp is not None and erp.warning:
            yield Check(conn_id, "log-on", CheckStatus.WARN, str(erp.warning))
        for hospital in hospitals:
            columns, parsed = obtain(hospital.code, "query", partial(_parse, hospital, erp))
            yield parsed
            yield check(hospital.code, "columns", partial(_compare_columns, columns))


def _look_up_pool(pool: str) -> str:
    slots = pool_slots().get(pool)
    if slots is None:
        raise ConfigError(
            f"Airflow has no pool {pool}, and extractions would wait for ever: run"
            " `python -m track_dispatch setup`"
        )
    if slots != 1:
        raise ConfigError(
            f"the pool {pool} has {slots} slots: give it one, or"
            f" {'no extraction ever runs' if slots == 0 else 'extractions meet in the ERP'}"
        )
    return "one slot"


def _parse(hospital: Hospital, erp: Erp | None) -> tuple[Sequence[ReturnedColumn], str]:
    """Let the ERP parse a hospital's query; it is never run."""
    sql = render(hospital)
    # Oracle runs what is not a query as soon as it parses it: nothing doubtful gets there.
    if findings := lint(sql, file=hospital.sql):
        raise SourceContractError(
            f"the linter refuses it, {findings[0]}; all of it:"
            f" `python -m track_dispatch sql {hospital.code} --check`"
        )
    opened = required(erp, f"{hospital.oracle_conn_id} could not be opened")
    columns = opened.describe(sql, action=f"{hospital.code} doctor")
    return columns, "the ERP parses it, with its binds; it was not run"


def _compare_columns(columns: Sequence[ReturnedColumn] | None) -> str:
    agreed = check_columns(required(columns, "the query was not parsed"))
    return f"{len(agreed)} columns, as agreed"
