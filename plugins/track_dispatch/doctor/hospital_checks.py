"""A hospital's own settings: its file, its surveys and templates, the rules of going live."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from track_dispatch.config import (
    BrokenHospital,
    check_go_live,
    check_lease_margin,
    is_demo_template_set,
    is_practice_host,
)
from track_dispatch.doctor.check import DoubtError, check
from track_dispatch.doctor.surveys import is_active
from track_dispatch.errors import ConfigError
from track_dispatch.records import Area

if TYPE_CHECKING:
    from track_dispatch.config import Hospital
    from track_dispatch.doctor.check import Check
    from track_dispatch.doctor.track_checks import Track

#: What `make new-hospital` writes where a person must put the truth.
PLACEHOLDER = "TODO"


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
    host = _known(track.host)
    check_go_live(hospital, host)
    return "nobody real is reached" if is_practice_host(host) else "date and surveys are our own"


def _lease_margin(hospital: Hospital, track: Track) -> str:
    check_lease_margin(hospital, _known(track.host))
    return (
        f"{hospital.lease_margin_seconds} s remain to write the outcome of a POST of"
        f" {hospital.post_deadline_seconds} s"
    )


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
    if track.surveys is None:
        raise DoubtError("not looked at: Track did not list its surveys")
    listed = {survey.uuid.lower(): survey for survey in track.surveys}
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


def _known(host: str | None) -> str:
    if host is None:
        raise DoubtError("not looked at: nobody knows Track's host without its connection")
    return host
