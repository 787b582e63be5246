"""What the doctor finds of a hospital's settings."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from demo.world import surveys_of
from track_dispatch.config import load_hospital
from track_dispatch.delivery.client import TrackSurvey
from track_dispatch.doctor.check import CheckStatus
from track_dispatch.doctor.hospital_checks import Track, check_file, check_hospital
from track_dispatch.records import Area

if TYPE_CHECKING:
    from track_dispatch.doctor.check import Check

HMS = load_hospital("HMS")
LISTED = [TrackSurvey(one.uuid, one.name, one.status) for one in surveys_of(HMS)]
PRACTICE = Track("http://127.0.0.1:8000", LISTED)
REAL = Track("https://api.track.co", LISTED)
OWN_SURVEY = UUID("11111111-1111-4111-8111-111111111111")


def found(name: str, track: Track, **changed: Any) -> Check:
    checks = check_hospital(HMS.model_copy(update=changed), track)
    return next(check for check in checks if check.name == name)


def own_templates() -> dict[str, Any]:
    """Return HMS's set with nothing of the demo left in it."""
    whatsapp = HMS.template_set.whatsapp
    email = HMS.template_set.email
    assert whatsapp
    assert email
    return {
        "email": email.model_copy(
            update={"invite": "a1B2c3", "expired": "d4E5f6", "thanks": "g7H8i9"}
        ),
        "whatsapp": whatsapp.model_copy(
            update={
                "template": whatsapp.template.model_copy(update={"id_provider": "HX17"}),
                "reminder": whatsapp.reminder.model_copy(update={"id_provider": "HX18"}),
            }
        ),
    }


@pytest.mark.parametrize("name", ["go-live", "lease margin", "templates", "surveys"])
def test_the_shipped_settings_are_well_where_nobody_real_is_reached(name: str) -> None:
    assert found(name, PRACTICE).verdict is CheckStatus.OK


def test_shipped_settings_are_refused_where_real_patients_are_reached() -> None:
    check = found("go-live", REAL)

    assert check.verdict is CheckStatus.FAIL
    assert "first_business_day: is still the shipped 2024-01-01" in check.detail
    assert "surveys.oncologia: is the demo's" in check.detail


def test_own_date_and_surveys_are_well_where_real_patients_are_reached() -> None:
    own = {"first_business_day": date(2026, 3, 1), "surveys": {"exames": OWN_SURVEY}}

    assert found("go-live", REAL, **own).verdict is CheckStatus.OK


@pytest.mark.parametrize(
    ("track", "seconds", "verdict"),
    [(REAL, 59, "FAIL"), (REAL, 60, "ok"), (PRACTICE, 1, "ok"), (PRACTICE, 0, "FAIL")],
)
def test_a_lease_margin_that_is_too_short_is_refused(
    track: Track, seconds: int, verdict: str
) -> None:
    assert found("lease margin", track, lease_margin_seconds=seconds).verdict == verdict


@pytest.mark.parametrize("channel", ["email", "whatsapp"])
def test_a_channel_without_templates_is_refused(channel: str) -> None:
    without = HMS.template_set.model_copy(update={channel: None})

    check = found("templates", PRACTICE, template_set=without)

    assert check.verdict is CheckStatus.FAIL
    assert check.detail.startswith("defaults.yaml: templates.hub_es: has nothing for ")


@pytest.mark.parametrize("demo_s", ["email", "whatsapp", None])
def test_the_demo_s_templates_are_refused_where_real_patients_are_reached(
    demo_s: str | None,
) -> None:
    own = {channel: part for channel, part in own_templates().items() if channel != demo_s}

    check = found("templates", REAL, template_set=HMS.template_set.model_copy(update=own))

    assert (check.verdict == "FAIL") is (demo_s is not None)


@pytest.mark.parametrize(
    ("status", "verdict"), [("active", "ok"), ("ACTIVE", "ok"), ("draft", "FAIL"), ("", "FAIL")]
)
def test_a_survey_must_be_active(status: str, verdict: str) -> None:
    listed = [TrackSurvey(one.uuid, one.name, status) for one in LISTED[:1]] + LISTED[1:]

    check = found("surveys", Track(PRACTICE.host, listed))

    assert check.verdict == verdict
    assert ("oncologia: the survey " in check.detail) is (verdict == "FAIL")


def test_a_survey_that_track_lacks_is_named() -> None:
    check = found("surveys", Track(PRACTICE.host, LISTED[:-1]))

    missing = HMS.survey(Area.AMBULATORIO)
    assert check.verdict is CheckStatus.FAIL
    assert check.detail.startswith(f"ambulatorio: Track has no survey {missing}; correct")


def test_a_survey_is_found_however_track_writes_its_id() -> None:
    shouted = [TrackSurvey(one.uuid.upper(), one.name, one.status) for one in LISTED]

    assert found("surveys", Track(PRACTICE.host, shouted)).verdict is CheckStatus.OK


def test_areas_without_a_survey_are_named() -> None:
    only = {"exames": HMS.survey(Area.EXAMES), "oncologia": HMS.survey(Area.ONCOLOGIA)}

    assert found("surveys", PRACTICE, surveys=only).detail == (
        "2 active; none for maternidade, internacao, pronto_socorro, ambulatorio, never posted"
    )


@pytest.mark.parametrize("field", ["name", "unidade"])
def test_a_placeholder_that_was_left_is_a_warning(field: str) -> None:
    check = check_file(HMS.model_copy(update={field: "TODO the hospital"}))

    assert check.verdict is CheckStatus.WARN
    assert check.detail == f"hospitals/hms.yaml: {field}: still a placeholder"
