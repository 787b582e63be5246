"""A hospital: its file, the rules of going live, what Track and its ERP know of it.

Of Track: its connection, answers, clock and surveys; and the webhook that is told of a red morning.
Nothing is sent to anybody: Track lists, the webhook answers to a HEAD.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from urllib.parse import urlsplit

from track_dispatch.config import (
    BrokenHospital,
    Hospital,
    check_go_live,
    check_lease_margin,
    is_demo_template_set,
    is_practice_host,
)
from track_dispatch.delivery.answer_table import ASSUMPTIONS, TransportFailure
from track_dispatch.delivery.client import TrackSurvey
from track_dispatch.doctor.check import (
    INSTALLATION,
    Check,
    CheckStatus,
    DoubtError,
    check,
    obtain,
    required,
)
from track_dispatch.errors import ConfigError, SourceContractError
from track_dispatch.extraction.lint import lint
from track_dispatch.extraction.oracle import Erp, open_erp
from track_dispatch.extraction.query import ReturnedColumn, check_columns, render
from track_dispatch.hooks.airflow_state import pool_slots
from track_dispatch.hooks.alert import CONN_ID, DEADLINE_SECONDS, find_webhook
from track_dispatch.hooks.track import TrackHook, track_host
from track_dispatch.records import Area

#: Seconds that our clock may differ from Track's. Validity and reminder are moments of ours that
#: Track compares with its own.
CLOCK_TOLERANCE = 30
#: Seconds for one whole request to Track.
TRACK_PATIENCE = 30.0
#: The status of a survey that a hospital's file names and Track does not list.
MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Track:
    """Track's address and its surveys, each None where its check failed."""

    host: str | None
    surveys: Sequence[TrackSurvey] | None


def check_track(now: Callable[[], datetime]) -> tuple[Track, list[Check]]:
    """Check Track: its connection, its answers, its clock, the demo's values."""
    host, connection = obtain(INSTALLATION, "track connection", _find)
    surveys, answers = obtain(INSTALLATION, "track surveys", _ask)
    clock = check(INSTALLATION, "track clock", lambda: _compare_clocks(now))
    assumed = check(INSTALLATION, "track assumptions", _assumed)
    return Track(host, surveys), [connection, answers, clock, assumed]


def _find() -> tuple[str, str]:
    with TrackHook().client():  # its login is looked at here
        host = track_host()
    reach = "reaches nobody real" if is_practice_host(host) else "reaches real patients"
    return host, f"{host}, which {reach}"


def _ask() -> tuple[list[TrackSurvey], str]:
    with TrackHook().client(deadline_seconds=TRACK_PATIENCE) as client:
        surveys = client.list_surveys()
    return surveys, f"Track knows our token and lists {len(surveys)} surveys"


def _assumed() -> str:
    return (
        f"{len(ASSUMPTIONS)} things are assumed of Track, to be confirmed with it: `doctor"
        " --first-day` lists them beside its first answers"
    )


def _compare_clocks(now: Callable[[], datetime]) -> str:
    before = now()
    with TrackHook().client(deadline_seconds=TRACK_PATIENCE) as client:
        theirs = client.server_time()
    if theirs is None:
        raise DoubtError("Track's answers carry no usable Date to compare our clock with")
    ours = before + (now() - before) / 2
    seconds = round((ours - theirs).total_seconds())
    if abs(seconds) > CLOCK_TOLERANCE:
        where = "ahead of" if seconds > 0 else "behind"
        raise DoubtError(
            f"our clock is {abs(seconds)} s {where} Track's: let NTP set it; validity and reminder"
            " would be off by as much"
        )
    return f"ours and Track's differ by {abs(seconds)} s"


# -- surveys ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SurveyUse:
    """One survey, and the areas of our hospitals that use it, as `HMS internacao`."""

    uuid: str
    name: str
    status: str
    used_by: tuple[str, ...]


def is_active(survey: TrackSurvey) -> bool:
    """Tell whether Track would take a distribution of the survey.

    Source: docs/track-api.md#unconfirmed
    """
    return survey.status.lower() == "active"


def survey_uses(listed: Iterable[TrackSurvey], hospitals: Iterable[Hospital]) -> list[SurveyUse]:
    """Return Track's surveys by name, and after them those that only our files have."""
    used: defaultdict[str, list[str]] = defaultdict(list)
    for hospital in hospitals:
        for area in Area:
            if uuid := hospital.survey(area):
                used[str(uuid)].append(f"{hospital.code} {area.key}")
    uses = [
        SurveyUse(survey.uuid, survey.name, survey.status, tuple(used.pop(survey.uuid.lower(), ())))
        for survey in sorted(listed, key=lambda survey: (survey.name.casefold(), survey.uuid))
    ]
    return uses + [SurveyUse(uuid, "", MISSING, tuple(areas)) for uuid, areas in used.items()]


# -- the alert's webhook ------------------------------------------------------------------------


def check_alert() -> Check:
    """Check the alert's webhook; nothing is posted to it."""
    return check(INSTALLATION, "alert webhook", _look_at_webhook)


def _look_at_webhook() -> str:
    """Send a HEAD to the webhook: any answer shows that it can be reached."""
    webhook = find_webhook()
    if webhook is None:
        return f"there is no connection {CONN_ID}: a red morning is told in Airflow only"
    address = urlsplit(webhook.url)
    if address.scheme == "http" and not is_practice_host(webhook.url):
        raise DoubtError(f"{address.hostname}: without https, its secret address can be read")
    answer = webhook.request("HEAD", deadline_seconds=DEADLINE_SECONDS)
    if isinstance(answer, TransportFailure):
        raise DoubtError(f"{address.hostname}: {answer.value}")
    return (
        f"{address.hostname} answers (HTTP {answer.status} to a HEAD, which posts nothing); told"
        f" as {webhook.shape}"
    )


#: What `make new-hospital` writes for a value that a person must fill in.
PLACEHOLDER = "TODO"
#: Seconds for one round trip to an ERP: parsing is quick, however long the query would take.
PATIENCE = 60.0


def check_file(entry: Hospital | BrokenHospital) -> Check:
    """Check a hospital's file."""
    return check(entry.code, "configuration", partial(_read, entry))


def check_hospital(hospital: Hospital, track: Track) -> Iterator[Check]:
    """Check a hospital's settings, and what Track knows of them."""
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
    """Check the pools that let one extraction at a time into each source."""
    for pool in sorted({hospital.pool for hospital in hospitals}):
        yield check(pool, "pool", partial(_look_up_pool, pool))


def check_erp(conn_id: str, hospitals: Sequence[Hospital]) -> Iterator[Check]:
    """Check an ERP's connection, and the queries of its hospitals.

    The connection is opened only once: failed log-ons lock the account.
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
    """Let the ERP parse a hospital's query without running it."""
    sql = render(hospital)
    # Oracle runs a statement that is no query as soon as it parses it
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
