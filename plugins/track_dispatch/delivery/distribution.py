"""The body of one POST: pure data from a batch and a template set, and the same as bytes.

Source: docs/track-api.md#distribution
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from track_dispatch.config import Hospital
from track_dispatch.config.templates import TemplateSet
from track_dispatch.errors import ConfigError
from track_dispatch.ledger.envelopes import SealedLine
from track_dispatch.records import Channel


def validity_and_reminder(now: datetime, hospital: Hospital) -> tuple[int, int | None]:
    """Count the end of validity and the moment of the reminder from the moment of dispatch.

    A reminder that would come at night waits for the window to open.

    Returns:
        Both in unix seconds; no reminder where it would come after the end.
    """
    validity_at = int((now + timedelta(days=hospital.validity_days)).timestamp())
    wanted = now + timedelta(days=hospital.reminder_days)
    reminder_at = int(hospital.window.opening(wanted).timestamp())
    return validity_at, reminder_at if reminder_at < validity_at else None


def posted_fields(line: Mapping[str, str], hospital: Hospital, channel: Channel) -> dict[str, str]:
    """Leave of an import line what the hospital lets go to Track.

    The identifier, the name and the channel's contact always go: without them there is nobody to
    ask.
    """
    if hospital.import_fields is None:
        return dict(line)
    going = {*hospital.import_fields, hospital.identifier, "name", channel.contact}
    return {name: value for name, value in line.items() if name in going}


def distribution(
    *,
    channel: Channel,
    survey_uuid: str,
    lines: Sequence[Mapping[str, str]],
    template_set: TemplateSet,
    validity_at: int,
    reminder_at: int | None = None,
) -> dict[str, Any]:
    """Compose the POST that hands a batch's lines to Track.

    Args:
        channel: how Track reaches the patients.
        survey_uuid: the survey of the hospital's area; each line gets it as `uuid`, too.
        lines: the import lines, in the batch's order.
        template_set: the hospital's templates.
        validity_at: end of the survey's validity, unix seconds.
        reminder_at: moment of the reminder, unix seconds; None = no reminder.

    Raises:
        ConfigError: the template set has no templates for the channel.
    """
    templates = template_set.of(channel)
    if templates is None:
        raise ConfigError(
            f"The hospital's template set has no templates for {channel.label}: add them to its"
            " file, or take the channel out of the hospital's channels."
        )
    body: dict[str, Any] = {
        "survey_uuid": survey_uuid,
        "distribution_channel": channel.value,
        "validity_at": validity_at,
    }
    if reminder_at is not None:
        body |= {"reminder_channel": channel.value, "reminder_at": reminder_at}
    body |= templates.posted(reminder=reminder_at is not None)
    body["import_lines"] = [{**line, "uuid": survey_uuid} for line in lines]
    return body


_NO_LINES = b'"import_lines":[]}'


def encode_distribution(
    lines: Iterable[SealedLine],
    hospital: Hospital,
    *,
    channel: Channel,
    survey: str,
    validity_at: int,
    reminder_at: int | None,
) -> bytes:
    """Compose the POST that hands lines to Track; equal, once parsed, to `distribution`.

    Args:
        lines: in the batch's order.
        hospital: its templates, and what of a line it lets go.
        channel: how Track reaches the patients.
        survey: of the lines' area; each line gets it as `uuid`, too.
        validity_at: end of the survey's validity, unix seconds.
        reminder_at: moment of the reminder, unix seconds; None = no reminder.

    Raises:
        ConfigError: the hospital's templates do not serve the channel.
    """
    body = orjson.dumps(
        distribution(
            channel=channel,
            survey_uuid=survey,
            lines=(),
            template_set=hospital.template_set,
            validity_at=validity_at,
            reminder_at=reminder_at,
        )
    )
    head, lines_follow, _ = body.rpartition(_NO_LINES)
    tail = b',"uuid":%b}' % orjson.dumps(survey)
    fields = (line.fields for line in lines)
    if hospital.import_fields is not None:
        fields = (
            orjson.dumps(posted_fields(orjson.loads(one), hospital, channel)) for one in fields
        )
    joined = b",".join([one[:-1] + tail for one in fields])
    return b"".join((head, lines_follow[:-2], joined, b"]}"))
