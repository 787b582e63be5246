from __future__ import annotations

from datetime import UTC, datetime

import pytest

from track_dispatch.config.templates import TemplateSet
from track_dispatch.delivery.distribution import distribution, schedule
from track_dispatch.errors import ConfigError
from track_dispatch.records import Channel

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
        template_set=BOTH,
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


def test_validity_and_reminder_count_from_the_dispatch_in_unix_seconds() -> None:
    assert schedule(NOW, validity_days=15, reminder_days=8) == (
        1772449200 + 15 * DAY,
        1772449200 + 8 * DAY,
    )


def test_a_distribution_may_go_without_a_reminder() -> None:
    assert schedule(NOW, validity_days=15, reminder_days=None) == (1772449200 + 15 * DAY, None)
