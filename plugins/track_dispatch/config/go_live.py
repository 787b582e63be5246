"""What a real Track host demands of a hospital before anything may be sent to people."""

from __future__ import annotations

import re
from datetime import date
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from track_dispatch.errors import ConfigError
from track_dispatch.records import Area

if TYPE_CHECKING:
    from track_dispatch.config.hospital import Hospital
    from track_dispatch.config.templates import TemplateSet

#: Where the ids of the demo's surveys come from, and the four bytes that each begins with: a file
#: copied from another hospital's is recognised, too.
_DEMO_NAMESPACE = UUID("0d5d6fdc-2b53-4c0b-9f7e-6f2d3b0b4a10")
_DEMO_MARK = bytes.fromhex("de300de3")

#: How the demo's e-mail templates and WhatsApp messages are called.
_DEMO_TEMPLATE = re.compile(r"dm[A-Z][a-z]{2}[1-3]$|HX0{20}")

#: The first business day that the hospital files are shipped with.
SHIPPED_FIRST_BUSINESS_DAY = date(2024, 1, 1)

#: Seconds that a claim must outlive its POST at least: the outcome has to be written down.
LEAST_LEASE_MARGIN_SECONDS = 60
#: The same where nobody real is reached, so that a lease may end within a test.
LEAST_PRACTICE_MARGIN_SECONDS = 1


def demo_survey_uuid(code: str, area: Area) -> UUID:
    """Return the id of the demo's survey of a hospital and area."""
    return UUID(bytes=_DEMO_MARK + uuid5(_DEMO_NAMESPACE, f"{code}/{area.key}").bytes[4:])


def is_demo_survey(survey: UUID) -> bool:
    """Tell whether a survey is one of the demo's, which Track does not know."""
    return survey.bytes.startswith(_DEMO_MARK)


def is_demo_template_set(templates: TemplateSet) -> bool:
    """Tell whether a set of templates is the demo's, even in part: Track does not know those."""
    return any(_DEMO_TEMPLATE.match(one) for one in templates.ids())


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
    """Refuse a lease that may end before the outcome of a POST is written down.

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
