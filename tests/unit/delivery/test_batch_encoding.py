"""The bytes that are posted say what the distribution says."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.delivery.delivery_rig import HOSPITAL, SURVEY, import_line
from track_dispatch.delivery.client import distribution, encode_distribution, posted_fields
from track_dispatch.errors import ConfigError
from track_dispatch.ledger.envelopes import SealedLine
from track_dispatch.records import COLUMNS, Channel

VALID, REMINDER = 1_774_000_000, 1_773_400_000
#: Every text that UTF-8 can say, with what JSON escapes.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('"\\\n\x00}],/'))


def sealed(lines: list[dict[str, str]]) -> list[SealedLine]:
    return [
        SealedLine(place, place, line["cd_atendimento"], (), (), (), orjson.dumps(line))
        for place, line in enumerate(lines)
    ]


def encoded(lines: list[dict[str, str]], **settings: Any) -> bytes:
    return encode_distribution(
        sealed(lines),
        HOSPITAL.model_copy(update=settings),
        channel=Channel.EMAIL,
        survey=SURVEY,
        validity_at=VALID,
        reminder_at=REMINDER,
    )


@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize("reminder_at", [REMINDER, None])
@pytest.mark.parametrize("import_fields", [None, ("area_pesquisa", "unidade")])
@pytest.mark.parametrize("count", [1, 3])
def test_the_body_says_what_the_distribution_says(
    channel: Channel, reminder_at: int | None, import_fields: Any, count: int
) -> None:
    hospital = HOSPITAL.model_copy(update={"import_fields": import_fields})
    lines = [import_line(str(910_000_000 + number)) for number in range(count)]

    body = encode_distribution(
        sealed(lines),
        hospital,
        channel=channel,
        survey=SURVEY,
        validity_at=VALID,
        reminder_at=reminder_at,
    )

    assert json.loads(body) == distribution(
        channel=channel,
        survey_uuid=SURVEY,
        lines=[posted_fields(line, hospital, channel) for line in lines],
        template_set=hospital.template_set,
        validity_at=VALID,
        reminder_at=reminder_at,
    )


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(COLUMNS, TEXTS)), min_size=1, max_size=3))
def test_whatever_stands_in_a_line_is_posted_as_it_stands(lines: list[dict[str, str]]) -> None:
    posted = json.loads(encoded(lines))["import_lines"]

    assert posted == [line | {"uuid": SURVEY} for line in lines]


def test_lines_are_not_written_anew() -> None:
    """A line is posted by its own bytes: a second spelling of the same text would differ."""
    spelled = b'{"cd_atendimento":"1","name":"\\u00c9rica"}'
    line = SealedLine(0, 0, "1", (), (), (), spelled)

    body = encode_distribution(
        [line], HOSPITAL, channel=Channel.EMAIL, survey=SURVEY, validity_at=1, reminder_at=None
    )

    assert spelled[:-1] in body


def test_a_channel_that_no_template_serves_is_a_matter_of_the_hospitals_file() -> None:
    templates = HOSPITAL.template_set.model_copy(update={"email": None})

    with pytest.raises(ConfigError, match="no templates"):
        encoded([import_line("1")], template_set=templates)
