"""Whether an attendance may be asked, over which channel, or why not."""

from __future__ import annotations

import math
import re
from functools import cache
from typing import TYPE_CHECKING

from track_dispatch.errors import ConfigError
from track_dispatch.records import Area, Channel, Proposal, Reason
from track_dispatch.transformation.attendances import area_of, attendance_id
from track_dispatch.transformation.clean_text import clean
from track_dispatch.transformation.import_lines import import_line

if TYPE_CHECKING:
    from collections.abc import Container
    from datetime import date

    from track_dispatch.config import Hospital
    from track_dispatch.records import ErpRow

#: How the ERPs name a newborn before it has a name ("RN DE MARIA ...").
_NEWBORN = "RN "
#: The field of an import line that each channel needs.
CONTACT = {Channel.EMAIL: "email", Channel.WHATSAPP: "phone"}


def evaluate(
    row: ErpRow,
    hospital: Hospital,
    business_day: date,
    *,
    evaluated_on: date,
    include_old: bool = False,
    barred: Container[Channel] = (),
) -> Proposal:
    """Return the line that the attendance becomes, or its exclusion with one reason.

    Where several reasons hold, the first counts, in this order: `before_go_live` (in every kind
    of run, whatever else is wrong), `unknown_area` (a defect of the SQL, which must be seen),
    `too_old`, `no_survey`, then the patient's own: `death`, `newborn`, `under_age`, `test_record`,
    `staff`, `no_contact`, `opt_out`, `no_identifier`. So the hospital's own reasons come
    before the patient's, and contacts are not even looked at where nobody will be asked.
    A row without attendance id is `no_identifier` whatever the identifier is: nothing could
    tell later that it was asked.

    Args:
        row: The row that stands for the attendance (`attendances.rank` decides between several).
        hospital: The hospital with its policies.
        business_day: The day whose patients are extracted.
        evaluated_on: Today in the hospital's time zone; age is counted up to it.
        include_old: Whether a person wants attendances older than `max_age_days`, too.
        barred: The channels that the patient opted out of.
    """
    attendance, area = attendance_id(row), area_of(row)
    reason = _reason_of_the_day(
        hospital, area, business_day, evaluated_on, include_old=include_old
    ) or _reason_of_the_record(row, hospital)
    if reason is not None:
        return Proposal(attendance, area, reason=reason)
    line = import_line(row, client_id=hospital.client_id, unidade=hospital.unidade)
    reachable = [channel for channel in hospital.channels if line[CONTACT[channel]]]
    channel = next((channel for channel in reachable if channel not in barred), None)
    if channel is None:
        reason = Reason.OPT_OUT if reachable else Reason.NO_CONTACT
        return Proposal(attendance, area, reason=reason)
    if not attendance or not line[hospital.identifier]:
        return Proposal(attendance, area, reason=Reason.NO_IDENTIFIER)
    return Proposal(attendance, area, channel=channel, line=line)


def _reason_of_the_day(
    hospital: Hospital,
    area: Area | None,
    business_day: date,
    evaluated_on: date,
    *,
    include_old: bool,
) -> Reason | None:
    """Return the reason that day, area and configuration give, without a look at the patient."""
    if business_day < hospital.first_business_day:
        return Reason.BEFORE_GO_LIVE
    if area is None:
        return Reason.UNKNOWN_AREA
    too_old = is_too_old(business_day, evaluated_on, max_age_days=hospital.max_age_days)
    if too_old and not include_old:
        return Reason.TOO_OLD
    return Reason.NO_SURVEY if hospital.survey(area) is None else None


def _reason_of_the_record(row: ErpRow, hospital: Hospital) -> Reason | None:
    """Return the reason that the ERP's record of the patient gives, before any contact is read.

    `x_obito` and `x_idade` are columns that a hospital's query may add: what its own rule calls a
    death ("S"), and the patient's age in years.
    """
    if clean(row.get("x_obito", "")).upper() == "S":
        return Reason.DEATH
    name = clean(row["name"])
    if name.upper().startswith(_NEWBORN):
        return Reason.NEWBORN
    if hospital.min_age_years and _age(row, hospital) < hospital.min_age_years:
        return Reason.UNDER_AGE
    for patterns, reason in (
        (hospital.test_patterns, Reason.TEST_RECORD),
        (hospital.staff_patterns, Reason.STAFF),
    ):
        if patterns and _any_of(patterns).search(f"{name}\n{clean(row['email'])}"):
            return reason
    return None


def _age(row: ErpRow, hospital: Hospital) -> float:
    """Return the patient's age in years; an unknown one is no reason.

    Raises:
        ConfigError: the query does not tell ages: the minimum would only look obeyed.
    """
    if "x_idade" not in row:
        raise ConfigError(
            f"{hospital.code}: min_age_years is set, but the query returns no x_idade: add that"
            f" column to {hospital.sql}, or set min_age_years to 0"
        )
    age = clean(row["x_idade"])
    return int(age) if age.isdecimal() else math.inf


@cache
def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)


def is_too_old(business_day: date, on: date, *, max_age_days: int) -> bool:
    """Tell whether more days than the limit have passed since the business day; 0 = no limit."""
    return max_age_days > 0 and (on - business_day).days > max_age_days
