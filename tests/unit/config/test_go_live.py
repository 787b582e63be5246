"""Shipped values and short leases are for practice; a real Track host refuses them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from track_dispatch.config import (
    TemplateSet,
    check_go_live,
    check_lease_margin,
    is_demo_template_set,
    load_hospital,
)
from track_dispatch.errors import ConfigError
from track_dispatch.records import Channel

PRACTICE_HOSTS = [
    "127.0.0.1",
    "http://127.0.0.1:8081",
    "localhost",
    "http://localhost:80",
    "http://[::1]:8080",
    "track-api.test",
    "http://track-api.test:8080/v1",
    "TRACK-API.TEST.",
]
REAL_HOSTS = [
    "https://api.track.co",
    "api.track.co",
    "",
    "test.track.co",
    "localhost.track.co",
    "http://127.0.0.1@api.track.co",
    "http://127.0.0.1.nip.io",
    "https://latest",
    "http://api.track.co/.test",
    "http://[broken",
    "10.0.0.1",
]
A_REAL_SURVEY = {"exames": "6c1f39b2-8d67-4b1e-9a53-0c4c6a1d7e10"}


@pytest.mark.parametrize("host", PRACTICE_HOSTS)
def test_practice_needs_no_real_values(host: str) -> None:
    check_go_live(load_hospital("HMS"), host)


@pytest.mark.parametrize("host", REAL_HOSTS)
def test_a_real_host_refuses_the_shipped_values(host: str) -> None:
    with pytest.raises(ConfigError, match="reaches real patients"):
        check_go_live(load_hospital("HMS"), host)


def test_every_shipped_survey_is_named(include: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        check_go_live(load_hospital("HMS", include), "api.track.co")
    named = [line.split(": ")[1] for line in str(caught.value).splitlines()[:-1]]

    assert sorted(named) == [
        "first_business_day",
        "surveys.ambulatorio",
        "surveys.exames",
        "surveys.internacao",
        "surveys.maternidade",
        "surveys.oncologia",
        "surveys.pronto_socorro",
    ]


def test_the_shipped_first_day_alone_is_refused(write: Callable[..., Path], include: Path) -> None:
    write(surveys=A_REAL_SURVEY)

    with pytest.raises(ConfigError, match="first_business_day: is still the shipped 2024-01-01"):
        check_go_live(load_hospital("HMS", include), "api.track.co")


def test_a_demo_survey_copied_to_another_hospital_is_refused(
    write: Callable[..., Path], include: Path
) -> None:
    write("hpc.yaml", code="HPC", first_business_day=date(2026, 11, 20))

    with pytest.raises(ConfigError, match=r"surveys.exames: is the demo's"):
        check_go_live(load_hospital("HPC", include), "api.track.co")


def test_real_values_go_live(write: Callable[..., Path], include: Path) -> None:
    write(surveys=A_REAL_SURVEY, first_business_day=date(2026, 11, 20))

    check_go_live(load_hospital("HMS", include), "https://api.track.co")


@pytest.mark.parametrize(
    ("seconds", "host"), [(60, "api.track.co"), (300, "api.track.co"), (1, "http://127.0.0.1:1")]
)
def test_a_margin_long_enough_passes(
    write: Callable[..., Path], include: Path, seconds: int, host: str
) -> None:
    write(lease_margin_seconds=seconds)

    check_lease_margin(load_hospital("HMS", include), host)


def test_a_margin_too_short_for_a_real_host_is_refused(
    write: Callable[..., Path], include: Path
) -> None:
    write(lease_margin_seconds=59)

    with pytest.raises(ConfigError, match=r"lease_margin_seconds: 59 .* at least 60"):
        check_lease_margin(load_hospital("HMS", include), "https://api.track.co")


@pytest.mark.parametrize("channel", Channel)
def test_the_demos_templates_of_each_channel_are_known_by_sight(channel: Channel) -> None:
    shipped = load_hospital("HMS").template_set

    assert is_demo_template_set(TemplateSet.model_validate({channel: shipped.of(channel)}))
