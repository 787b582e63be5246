"""The body of a distribution as bytes, put together of the lines as they were sealed.

Each line is JSON already: to read and write it anew would cost more than the whole POST.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import orjson

from track_dispatch.delivery.distribution import distribution, posted_fields

if TYPE_CHECKING:
    from track_dispatch.config import Hospital
    from track_dispatch.ledger.envelopes import SealedLine
    from track_dispatch.records import Channel

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
        fields = (_filtered(one, hospital, channel) for one in fields)
    joined = b",".join([one[:-1] + tail for one in fields])
    return b"".join((head, lines_follow[:-2], joined, b"]}"))


def _filtered(fields: bytes, hospital: Hospital, channel: Channel) -> bytes:
    return orjson.dumps(posted_fields(orjson.loads(fields), hospital, channel))
