"""Check hospitals' files against each other, and against what a real host of Track demands.

Two files that claim the same survey, source or company stop both hospitals, as nobody can know
which of them is right. The files' raw contents are compared, so that a broken file counts, too.
Time grows with the number of files, not of their pairs. A host that reaches real patients is
refused while a file holds values of the demo.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from datetime import date
from ipaddress import ip_address
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from track_dispatch.config.hospital import Hospital
from track_dispatch.config.policies import TemplateSet
from track_dispatch.errors import ConfigError
from track_dispatch.records import Area

#: What a file holds, as YAML gives it: a value may be of any type.
Content = Mapping[str, Any]

#: The most files that a message names.
_NAMED = 3


class _File(NamedTuple):
    """The values of a file that can be in conflict; None where missing or of a wrong type."""

    path: Path
    source: str | None
    connection: str | None
    companies: tuple[int, ...] | None
    surveys: Mapping[str, UUID]


def find_conflicts(contents: Mapping[Path, Content]) -> dict[Path, list[str]]:
    """Return the conflicts of each file with other files; pure.

    A file that is not named after its code is left out, as no hospital uses it.

    Args:
        contents: what the files hold, by path.
    """
    files = [_read(path, content) for path, content in contents.items() if _is_used(path, content)]
    problems: defaultdict[Path, list[str]] = defaultdict(list)
    rules = (_shared_surveys, _shared_sources, _shared_connections)
    for path, text in chain.from_iterable(rule(files) for rule in rules):
        problems[path].append(f"hospitals/{path.name}: {text}")
    return dict(problems)


def _is_used(path: Path, content: Content) -> bool:
    code = content.get("code")
    return isinstance(code, str) and path.name == f"{code.lower()}.yaml"


def _read(path: Path, content: Content) -> _File:
    surveys, companies = content.get("surveys"), content.get("companies", [])
    source, connection = content.get("source"), content.get("oracle_conn_id")
    found = {str(key): _uuid(text) for key, text in _items(surveys)}
    return _File(
        path,
        source if isinstance(source, str) else None,
        connection if isinstance(connection, str) else None,
        tuple(company for company in companies if isinstance(company, int))
        if isinstance(companies, list)
        else None,
        {key: survey for key, survey in found.items() if survey},
    )


def _items(value: object) -> Iterable[tuple[object, object]]:
    return value.items() if isinstance(value, Mapping) else ()


def _uuid(value: object) -> UUID | None:
    """Read a survey's id, however it is written."""
    try:
        return UUID(str(value))
    except ValueError:
        return None


def _grouped(pairs: Iterable[tuple[Hashable, _File]]) -> dict[Any, list[_File]]:
    groups: defaultdict[Hashable, list[_File]] = defaultdict(list)
    for key, file in pairs:
        groups[key].append(file)
    return dict(groups)


def _shared_surveys(files: list[_File]) -> Iterator[tuple[Path, str]]:
    """Yield surveys that two hospitals share: an answer would not tell whose patient gave it."""
    pairs = ((survey, file) for file in files for survey in {*file.surveys.values()})
    for survey, users in _grouped(pairs).items():
        for file in users if len(users) > 1 else ():
            key = next(key for key, one in file.surveys.items() if one == survey)
            yield file.path, f"surveys.{key}: {survey} is also a survey{_elsewhere(users, file)}"


def _shared_sources(files: list[_File]) -> Iterator[tuple[Path, str]]:
    """Yield conflicts of hospitals that share a source: its companies and its connection."""
    for source, users in _grouped((file.source, file) for file in files if file.source).items():
        if len(users) < 2:
            continue
        yield from _shared_companies(source, users)
        reaching = _grouped((file.connection, file) for file in users if file.connection)
        for file in users:
            other = next((name for name in reaching if name != file.connection), None)
            if other and file.connection:
                reached = f"the source {source} is reached by {other}"
                place = _elsewhere(reaching[other], file)
                yield file.path, f"oracle_conn_id: {file.connection}, but {reached}{place}"


def _shared_companies(source: str, users: list[_File]) -> Iterator[tuple[Path, str]]:
    """Yield companies of a source that two hospitals claim; a hospital that lists none has all."""
    whole = [file for file in users if file.companies == ()]
    for file in users:
        if file.companies == ():
            where = _elsewhere(users, file)
            yield file.path, f"companies: lists none, but the source {source} is also used{where}"
        elif whole and file.companies:
            where = _elsewhere(whole, file)
            yield file.path, f"companies: the whole source {source} is also taken{where}"
    pairs = ((company, file) for file in users for company in dict.fromkeys(file.companies or ()))
    for company, listing in sorted(_grouped(pairs).items()):
        for file in listing if len(listing) > 1 else ():
            where = _elsewhere(listing, file)
            yield file.path, f"companies: {company} of the source {source} is also listed{where}"


def _shared_connections(files: list[_File]) -> Iterator[tuple[Path, str]]:
    """Yield connections that two sources share: one patient would be known under two identities."""
    complete = [file for file in files if file.connection and file.source]
    for connection, users in _grouped((file.connection, file) for file in complete).items():
        sources = _grouped((file.source, file) for file in users)
        for file in users:
            other = next((source for source in sources if source != file.source), None)
            if other:
                place = _elsewhere(sources[other], file)
                reached = f"{connection} reaches the source {other}"
                yield file.path, f"source: {file.source}, but {reached}{place}"


def _elsewhere(files: Iterable[_File], one: _File) -> str:
    """Name the other files, the first few of them."""
    others = (f"hospitals/{file.path.name}" for file in files if file.path != one.path)
    named = list(islice(others, _NAMED + 1))
    return f" in {', '.join(named[:_NAMED])}{', ...' if len(named) > _NAMED else ''}"


# -- what a real Track host demands ------------------------------------------------

#: The namespace of the demo's survey ids, and the four bytes that each begins with, so that the ids
#: are recognised in a file copied from another hospital's, too.
_DEMO_NAMESPACE = UUID("0d5d6fdc-2b53-4c0b-9f7e-6f2d3b0b4a10")
_DEMO_MARK = bytes.fromhex("de300de3")

#: How the demo's e-mail templates and WhatsApp messages are called.
_DEMO_TEMPLATE = re.compile(r"dm[A-Z][a-z]{2}[1-3]$|HX0{20}")

#: The first business day that the hospital files are shipped with.
SHIPPED_FIRST_BUSINESS_DAY = date(2024, 1, 1)

#: The least seconds from a POST's deadline to the end of its lease, to record the outcome.
LEAST_LEASE_MARGIN_SECONDS = 60
#: The same for a host that reaches no patient, so that a lease may end within a test.
LEAST_PRACTICE_MARGIN_SECONDS = 1


def demo_survey_uuid(code: str, area: Area) -> UUID:
    """Return the id of the demo's survey of a hospital and area."""
    return UUID(bytes=_DEMO_MARK + uuid5(_DEMO_NAMESPACE, f"{code}/{area.key}").bytes[4:])


def is_demo_survey(survey: UUID) -> bool:
    """Tell whether a survey is one of the demo's, which Track does not know."""
    return survey.bytes.startswith(_DEMO_MARK)


def is_demo_template_set(templates: TemplateSet) -> bool:
    """Tell whether any template of a set is the demo's, which Track does not know."""
    return any(_DEMO_TEMPLATE.match(template) for template in templates.ids())


def is_practice_host(host: str) -> bool:
    """Tell whether a host can reach no real patient: loopback, or under the reserved `.test`.

    Args:
        host: A host, with or without scheme and port.

    Source: RFC 2606 section 2 reserves `.test`; RFC 6761 section 6.3 `localhost`.
    """
    try:
        name = (urlsplit(host if "//" in host else f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name.split(".")[-1] in {"test", "localhost"}


def check_lease_margin(hospital: Hospital, track_host: str) -> None:
    """Refuse a lease that may end before the outcome of a POST is recorded.

    Raises:
        ConfigError: `lease_margin_seconds` is below the minimum for the host.
    """
    practice = is_practice_host(track_host)
    least = LEAST_PRACTICE_MARGIN_SECONDS if practice else LEAST_LEASE_MARGIN_SECONDS
    if hospital.lease_margin_seconds < least:
        raise ConfigError(
            f"{hospital.code}: lease_margin_seconds: {hospital.lease_margin_seconds} is too"
            f" short for {track_host}: must be at least {least}"
        )


def check_go_live(hospital: Hospital, track_host: str) -> None:
    """Refuse to reach real patients with the date and the surveys that the project ships.

    Raises:
        ConfigError: The host is real and the hospital's file still holds shipped values.
    """
    if is_practice_host(track_host):
        return
    file = f"hospitals/{hospital.code.lower()}.yaml"
    problems = [
        f"{file}: surveys.{area.key}: is the demo's; put the id of the survey in Track"
        for area in Area
        if (survey := hospital.survey(area)) and is_demo_survey(survey)
    ]
    if hospital.first_business_day == SHIPPED_FIRST_BUSINESS_DAY:
        problems.insert(
            0,
            f"{file}: first_business_day: is still the shipped {SHIPPED_FIRST_BUSINESS_DAY}; put"
            " the first day whose patients the old program has not asked",
        )
    if problems:
        problems.append(f"{track_host} reaches real patients; nothing was sent")
        raise ConfigError("\n".join(problems))
