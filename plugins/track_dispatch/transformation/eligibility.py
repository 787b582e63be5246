"""Whether an attendance may be asked, over which channel, or why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from track_dispatch.records import Area, Channel, Proposal, Reason
from track_dispatch.transformation.attendances import area_of, attendance_id
from track_dispatch.transformation.import_lines import import_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from track_dispatch.config import Hospital
    from track_dispatch.records import ErpRow

#: The field of an import line that each channel needs.
_CONTACT = {Channel.EMAIL: "email", Channel.WHATSAPP: "phone"}


def evaluate(
    row: ErpRow, hospital: Hospital, business_day: date, *, evaluated_on: date
) -> Proposal:
    """Return the line that the attendance becomes, or its exclusion with one reason.

    Where several reasons hold, the first counts, in this order: `before_go_live` (in every kind
    of run, whatever else is wrong), `unknown_area` (a defect of the SQL, which must be seen),
    `too_old`, `no_survey`, `no_contact`, `no_identifier`. So the hospital's own reasons come
    before the patient's, and contacts are not even looked at where nobody will be asked.
    A row without attendance id is `no_identifier` whatever the identifier is: nothing could
    tell later that it was asked.

    Args:
        row: The row that stands for the attendance (`attendances.rank` decides between several).
        hospital: The hospital with its policies.
        business_day: The day whose patients are extracted.
        evaluated_on: Today in the hospital's time zone; age is counted up to it.
    """
    attendance, area = attendance_id(row), area_of(row)
    reason = _reason_of_the_day(hospital, area, business_day, evaluated_on)
    if reason is not None:
        return Proposal(attendance, area, reason=reason)
    line = import_line(row, client_id=hospital.client_id, unidade=hospital.unidade)
    channel = first_channel(line, hospital.channels)
    if channel is None:
        return Proposal(attendance, area, reason=Reason.NO_CONTACT)
    if not attendance or not line[hospital.identifier]:
        return Proposal(attendance, area, reason=Reason.NO_IDENTIFIER)
    return Proposal(attendance, area, channel=channel, line=line)


def first_channel(line: Mapping[str, str], channels: Iterable[Channel]) -> Channel | None:
    """Return the first of the hospital's channels for which the line holds a contact, if any."""
    return next((channel for channel in channels if line[_CONTACT[channel]]), None)


def _reason_of_the_day(
    hospital: Hospital, area: Area | None, business_day: date, evaluated_on: date
) -> Reason | None:
    """Return the reason that day, area and configuration give, without a look at the patient."""
    if business_day < hospital.first_business_day:
        return Reason.BEFORE_GO_LIVE
    if area is None:
        return Reason.UNKNOWN_AREA
    if is_too_old(business_day, evaluated_on, max_age_days=hospital.max_age_days):
        return Reason.TOO_OLD
    return Reason.NO_SURVEY if hospital.survey(area) is None else None


def is_too_old(business_day: date, on: date, *, max_age_days: int) -> bool:
    """Tell whether more days than the limit have passed since the business day; 0 = no limit."""
    return max_age_days > 0 and (on - business_day).days > max_age_days
