from __future__ import annotations

from datetime import UTC, datetime

import pytest

from track_dispatch.config import Identifier, load_hospital
from track_dispatch.config.policies import TemplateSet
from track_dispatch.delivery.client import distribution, posted_fields, validity_and_reminder
from track_dispatch.errors import ConfigError
from track_dispatch.records import COLUMNS, Channel

HOSPITAL = load_hospital("HMS")
SURVEY = "0d2a0000-0000-4000-8000-000000000001"
INTEGRATION = "0d2a0000-0000-4000-8000-000000000002"
INVITE = {
    "name": "invite",
    "language": "pt_BR",
    "variables": ["customer.firstname", "interaction.area_pesquisa"],
    "id_provider": "HX01",
}
REMINDER = INVITE | {"name": "reminder", "id_provider": "HX02"}
EMAIL = {"invite": "aaaaaa", "expired": "bbbbbb", "thanks": "cccccc"}
WHATSAPP = {"template": INVITE, "reminder": REMINDER, "integration_uuid": INTEGRATION}
BOTH = TemplateSet.model_validate({"email": EMAIL, "whatsapp": WHATSAPP})
LINES = [{"cd_atendimento": "900000001", "name": "A"}, {"cd_atendimento": "900000002"}]
SENT_LINES = [line | {"uuid": SURVEY} for line in LINES]


def test_an_email_distribution_names_its_three_templates() -> None:
    assert distribution(
        channel=Channel.EMAIL,
        survey_uuid=SURVEY,
        lines=LINES,
        template_set=BOTH,
        validity_at=1_800_000_000,
        reminder_at=1_790_000_000,
    ) == {
        "survey_uuid": SURVEY,
        "distribution_channel": "email",
        "reminder_channel": "email",
        "validity_at": 1_800_000_000,
        "reminder_at": 1_790_000_000,
        "template_invite_hash": "aaaaaa",
        "template_expired_hash": "bbbbbb",
        "template_thanks_hash": "cccccc",
        "import_lines": SENT_LINES,
    }


def test_a_whatsapp_distribution_names_its_templates_and_the_integration() -> None:
    assert distribution(
        channel=Channel.WHATSAPP,
        survey_uuid=SURVEY,
        lines=LINES,
        template_set=BOTH,
        validity_at=1_800_000_000,
        reminder_at=1_790_000_000,
    ) == {
        "survey_uuid": SURVEY,
        "distribution_channel": "whatsapp",
        "reminder_channel": "whatsapp",
        "validity_at": 1_800_000_000,
        "reminder_at": 1_790_000_000,
        "whatsapp_template": INVITE,
        "whatsapp_reminder_template": REMINDER,
        "whatsapp_integration_uuid": INTEGRATION,
        "import_lines": SENT_LINES,
    }


@pytest.mark.parametrize("channel", list(Channel))
def test_without_a_reminder_nothing_speaks_of_one(channel: Channel) -> None:
    body = distribution(
        channel=channel,
        survey_uuid=SURVEY,
        lines=LINES,
        template_set=HOSPITAL.template_set,
        validity_at=1_800_000_000,
    )

    assert not [field for field in body if "reminder" in field]


def test_the_lines_that_were_given_stay_as_they_are() -> None:
    line = {"cd_atendimento": "900000001"}

    distribution(
        channel=Channel.EMAIL,
        survey_uuid=SURVEY,
        lines=[line],
        template_set=BOTH,
        validity_at=1_800_000_000,
    )

    assert line == {"cd_atendimento": "900000001"}


def test_every_channel_has_templates_of_its_own_and_a_contact_in_the_line() -> None:
    assert {*TemplateSet.model_fields} == {*Channel}
    assert {channel.contact for channel in Channel} <= {*COLUMNS}
    assert all(channel.label for channel in Channel)


@pytest.mark.parametrize(
    ("channel", "templates"),
    [(Channel.EMAIL, {"whatsapp": WHATSAPP}), (Channel.WHATSAPP, {"email": EMAIL})],
)
def test_a_channel_without_templates_cannot_be_used(
    channel: Channel, templates: dict[str, object]
) -> None:
    with pytest.raises(ConfigError, match="no templates"):
        distribution(
            channel=channel,
            survey_uuid=SURVEY,
            lines=LINES,
            template_set=TemplateSet.model_validate(templates),
            validity_at=1_800_000_000,
        )


NOW = datetime(2026, 3, 2, 11, 0, 0, 500, tzinfo=UTC)
DAY = 24 * 60 * 60


def scheduled(now: datetime = NOW, **policies: object) -> tuple[int, int | None]:
    return validity_and_reminder(now, HOSPITAL.model_copy(update=policies))


def test_validity_and_reminder_count_from_the_dispatch_in_unix_seconds() -> None:
    assert scheduled() == (1772449200 + 15 * DAY, 1772449200 + 8 * DAY)


def test_a_reminder_that_would_come_at_night_waits_for_the_window() -> None:
    """11:00 UTC is 8:00 at the hospital; the eighth day is a Tuesday."""
    opening_hour = 11

    _, at_noon = scheduled(NOW, send_window="08:00-20:00")
    _, at_night = scheduled(NOW.replace(hour=3), send_window="08:00-20:00")
    _, on_monday = scheduled(NOW, send_window="08:00-20:00", send_days=("mon",))

    assert at_noon == 1772449200 + 8 * DAY
    assert at_night == int((NOW.replace(hour=opening_hour, microsecond=0)).timestamp()) + 8 * DAY
    assert on_monday == 1772449200 + 14 * DAY


def test_a_reminder_that_would_come_after_the_end_is_none() -> None:
    assert scheduled(validity_days=9, send_days=("mon",))[1] is None


@pytest.mark.parametrize("channel", Channel)
def test_only_what_the_hospital_lets_go_goes_to_track(channel: Channel) -> None:
    hospital = HOSPITAL.model_copy(
        update={"import_fields": ("area_pesquisa",), "identifier": Identifier.CPF}
    )

    going = posted_fields(dict.fromkeys(COLUMNS, "x"), hospital, channel)

    assert going.keys() == {"area_pesquisa", "cpf", "name", channel.contact}


def test_without_a_choice_every_column_goes() -> None:
    line = dict.fromkeys(COLUMNS, "x")
    hospital = HOSPITAL.model_copy(update={"import_fields": None})

    assert posted_fields(line, hospital, Channel.EMAIL) == line
