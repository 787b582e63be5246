"""What a mistake in a file costs: its own hospital, with a message that says what to mend."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from track_dispatch.config import BrokenHospital, Hospital, load_hospital, load_hospitals
from track_dispatch.config.policies import shared_policy_names
from track_dispatch.errors import ConfigError
from track_dispatch.records import Channel

if TYPE_CHECKING:
    Write = Callable[..., Path]
    Broken = Callable[[], dict[str, str]]


MISTAKES: list[tuple[dict[str, Any], str]] = [
    (
        {"bacth_size": 5},
        'bacth_size: is not a known field (did you mean "batch_size"?); allowed: batch_',
    ),
    ({"name": None}, "name: is missing"),
    ({"template_set": {}}, 'template_set: is not a known field (did you mean "templates"?)'),
    ({"code": "Hms"}, 'code: "Hms" must be like "HMS"'),
    ({"erp": "soul"}, 'erp: "soul" must be one of mv, tasy'),
    ({"client_id": 40085}, "client_id: 40085 must be text: put it in quotes"),
    ({"source": "HMS"}, 'source: "HMS" must be like "oto_ing": Fixed short name'),
    ({"oracle_conn_id": "hms"}, 'oracle_conn_id: "hms" must be like "oracle_oto_ing"'),
    (
        {"timezone": "America/São_Paulo"},
        'timezone: "America/São_Paulo" is not an IANA time zone (did you mean "America/Sao_',
    ),
    ({"timezone": "../../etc/passwd"}, 'timezone: "../../etc/passwd" is not an IANA time zone'),
    ({"timezone": "America"}, 'timezone: "America" is not an IANA time zone'),
    ({"schedule": "0 25 * * *"}, 'schedule: "0 25 * * *" must be like "0 9 * * *"'),
    ({"schedule": "@daily"}, 'schedule: "@daily" must be like "0 9 * * *"'),
    ({"schedule": "0 9 * * 1-5"}, "patients of a day left out would never be asked"),
    ({"first_business_day": "yesterday"}, 'first_business_day: "yesterday" must be a valid date'),
    ({"first_business_day": 86400}, "first_business_day: 86400 must be a day, YYYY-MM-DD"),
    ({"sql": "mv/otto.sql"}, '(did you mean "mv/oto.sql"?)'),
    ({"sql": "../defaults.yaml"}, 'sql: "../defaults.yaml" must be like "mv/hms.sql"'),
    ({"companies": [1, 2, 1]}, "companies: [1, 2, 1] lists 1 twice"),
    ({"companies": [True]}, "companies.0: true must be a valid integer"),
    ({"companies": 7}, "companies: 7 must be a list"),
    ({"channels": []}, "channels: [] "),
    ({"channels": ["email", "email"]}, "lists email twice"),
    (
        {"channels": ["whatsap"]},
        f'channels.0: "whatsap" must be one of {", ".join(Channel)} (did you mean "whatsapp"?)',
    ),
    (
        {"templates": "hubes"},
        (
            'templates: "hubes" is not a set of defaults.yaml, which has anchieta, hub_es, ing,'
            ' oto, tasy (did you mean "hub_es"?)'
        ),
    ),
    ({"templates": ["oto"]}, "templates: ['oto'] must be a valid string"),
    (
        {"surveys": {"internaco": "00000000-0000-4000-8000-000000000001"}},
        'surveys.internaco: is not a known field (did you mean "internacao"?); allowed: ambul',
    ),
    ({"surveys": {"exames": "abc"}}, 'surveys.exames: "abc" must be a valid UUID'),
    ({"surveys": ["exames"]}, "surveys: ['exames'] must hold fields: pronto_socorro, internacao"),
    (
        {"surveys": dict.fromkeys(("exames", "oncologia"), "1dd63e6d-2146-4258-92e8-2b873a439953")},
        "lists 1dd63e6d-2146-4258-92e8-2b873a439953 twice",
    ),
    ({"batch_size": 0}, "batch_size: 0 must be greater than or equal to 1"),
    ({"batch_size": True}, "batch_size: true must be a valid integer"),
    ({"batch_size": "100"}, 'batch_size: "100" must be a valid integer'),
    ({"max_age_days": -1}, "max_age_days: -1 must be greater than or equal to 0"),
    ({"reminder_days": 15}, "reminder_days: 15 must be less than validity_days, 15"),
    ({"send_window": "8-20"}, 'send_window: "8-20" must be like "08:00-20:00"'),
    (
        {"volume_gate": {"lo": 1}},
        'volume_gate.lo: is not a known field (did you mean "low"?); allowed: h',
    ),
    ({"volume_gate": True}, "volume_gate: true must be off, or low, high"),
]


@pytest.mark.parametrize(("changes", "expected"), MISTAKES, ids=lambda value: str(value)[:40])
def test_a_mistake_is_told_with_file_field_value_and_what_is_allowed(
    write: Write, broken: Broken, changes: dict[str, Any], expected: str
) -> None:
    write(**changes)
    message = broken()["HMS"]

    assert message.startswith("hospitals/hms.yaml: ")
    assert expected in message


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("send_window", "20:00-08:00", "must end after it begins"),
        ("send_window", "8-20", "send_window"),
        ("import_fields", ["cd_atendimeto"], "cd_atendimento"),
        ("send_days", [], "send_days"),
        ("send_days", ["seg"], "mon"),
        ("test_patterns", ["("], "is not a regular expression"),
        ("newborn_patterns", ["rn", "["], "is not a regular expression"),
        ("death_patterns", ["x*"], "holds in an empty text"),
        ("staff_patterns", [r"(?:\w+ ?)+x"], "repeats a choice"),
        ("test_patterns", ["(?:a|ab)+c"], "repeats a choice"),
        ("test_patterns", ["(?:a?b?){30}c"], "repeats a choice"),
        ("staff_patterns", [""], "staff_patterns"),
        ("min_age_years", -1, "min_age_years"),
        ("rehearsal_lines", 0, "rehearsal_lines"),
        ("rehearsal_contacts", [{"e-mail": "ana@example.com"}], "email"),
    ],
)
@pytest.mark.parametrize("file", ["hms.yaml", "defaults.yaml"])
def test_a_policy_that_makes_no_sense_is_refused_with_file_and_field(
    *,
    write: Write,
    include: Path,
    broken: Broken,
    field: str,
    value: object,
    said: str,
    file: str,
) -> None:
    if file == "hms.yaml":
        write(**{field: value})
    else:
        path = include / file
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        path.write_text(yaml.safe_dump({**content, field: value}), encoding="utf-8")

    message = broken()["HMS"]

    assert f"{file}: {field}" in message
    assert said in message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("send_window", "00:00-24:00"),
        ("import_fields", "all"),
        ("volume_gate", "off"),
        ("max_age_days", 0),
        ("rehearsal_contacts", []),
        ("ledger_retention_days", 60),
        ("ledger_retention_days", 0),
    ],
)
def test_a_policy_accepts(write: Write, include: Path, field: str, value: object) -> None:
    write(**{field: value})

    assert isinstance(load_hospital("HMS", include), Hospital)


@pytest.mark.parametrize("field", sorted(shared_policy_names()))
def test_what_is_one_setting_for_all_hospitals_is_refused_in_a_file(
    write: Write, broken: Broken, field: str
) -> None:
    write(**{field: 30})

    assert f"hospitals/hms.yaml: {field}: is one setting for all hospitals" in broken()["HMS"]


def test_who_was_asked_is_remembered_longer_than_anybody_may_be_asked(
    write: Write, broken: Broken
) -> None:
    write(ledger_retention_days=59)

    assert "max_age_days + contact_cap_days" in (said := broken()["HMS"])
    assert "+ 15 = 60 at least" in said


def test_a_day_that_runs_still_read_is_remembered(write: Write, broken: Broken) -> None:
    write(ledger_retention_days=45, look_back_days=31, max_age_days=0)

    assert "look_back_days, + 15 = 46 at least" in broken()["HMS"]


@pytest.mark.parametrize(
    ("days", "look_back", "said"),
    [
        (["mon"], 2, "leaves 6 days closed in a row"),
        (["mon", "tue", "wed", "thu", "fri"], 1, "leaves 2 days closed in a row"),
        (["tue", "fri"], 2, "leaves 3 days closed in a row"),
    ],
)
def test_closed_days_that_no_run_looks_back_over_are_refused(
    write: Write, broken: Broken, days: list[str], look_back: int, said: str
) -> None:
    write(send_days=days, look_back_days=look_back)

    assert said in broken()["HMS"]


@pytest.mark.parametrize(
    ("days", "look_back"), [(["mon", "tue", "wed", "thu", "fri"], 2), (["sun"], 6)]
)
def test_closed_days_within_the_look_back_are_taken(
    write: Write, include: Path, days: list[str], look_back: int
) -> None:
    write(send_days=days, look_back_days=look_back)

    assert load_hospital("HMS", include).send_days == tuple(days)


@pytest.mark.parametrize(
    ("own", "said"),
    [
        # a Monday's patients leave on the Monday after: their seventh day
        (
            {"send_days": ["mon"], "look_back_days": 6, "max_age_days": 6},
            "lets patients wait until the 7th day: needs max_age_days of 7 at least, or 0",
        ),
        # a run at 21:00 waits for the morning
        ({"schedule": "0 21 * * *", "max_age_days": 1}, "needs max_age_days of 2 at least"),
        # Saturday's run may still be reading when Sunday's quarter of an hour is over
        (
            {
                "schedule": "30 23 * * *",
                "send_window": "00:00-00:15",
                "send_days": ["sun"],
                "look_back_days": 6,
            },
            "a slow run could miss it on every send day",
        ),
    ],
)
def test_a_wait_that_outlasts_the_patients_turn_is_refused(
    write: Write, broken: Broken, own: dict[str, Any], said: str
) -> None:
    write(**({"send_window": "08:00-20:00"} | own))

    assert said in broken()["HMS"]


def test_a_wait_that_outlasts_what_was_read_is_refused(
    write: Write, include: Path, broken: Broken
) -> None:
    defaults = include / "defaults.yaml"
    text = defaults.read_text(encoding="utf-8")
    defaults.write_text(text.replace("extraction_max_age_hours: 36", "extraction_max_age_hours: 9"))
    write(schedule="0 22 * * *", send_window="08:00-20:00")

    assert "needs extraction_max_age_hours of 11 at least (in defaults.yaml)" in broken()["HMS"]


def test_contacts_of_a_rehearsal_are_in_no_message(write: Write, broken: Broken) -> None:
    write(rehearsal_contacts=["ana@example.com", 5511999990000])

    assert not {"ana@example.com", "5511999990000"} & set(broken()["HMS"].replace(",", " ").split())


def test_all_mistakes_of_a_file_are_told_one_a_line(write: Write, broken: Broken) -> None:
    write(batch_size=0, erp="soul", nmae="x", channels=["fax"])
    fields = [line.split(": ")[1] for line in broken()["HMS"].splitlines()]

    assert sorted(fields) == ["batch_size", "channels.0", "erp", "nmae"]


def test_a_channel_without_templates_is_told(write: Write, include: Path, broken: Broken) -> None:
    path = include / "defaults.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    del content["templates"]["hub_es"]["email"]
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    write(channels=["whatsapp", "email"])

    assert (
        "channels: ['whatsapp', 'email'] need templates, but the set \"hub_es\" has none for"
        " email" in broken()["HMS"]
    )


def test_a_broken_file_takes_no_other_hospital_away(write: Write, include: Path) -> None:
    write("hpc.yaml", code="HPC", source="hpc", oracle_conn_id="oracle_hpc", erp="soul")
    entries = {entry.code: type(entry) for entry in load_hospitals(include)}

    assert entries == {"HMS": Hospital, "HPC": BrokenHospital}


def test_a_broken_file_keeps_its_dag_id(write: Write, include: Path) -> None:
    write(code="OTHER")

    assert [entry.dag_id for entry in load_hospitals(include)] == ["track_hms"]


def test_loading_a_broken_hospital_raises_its_message(write: Write, include: Path) -> None:
    write(erp="soul")

    with pytest.raises(ConfigError, match=r"erp: .soul. must be one of mv, tasy"):
        load_hospital("HMS", include)


@pytest.mark.parametrize("code", ["MORNING", "DECIDE", "HOUSEKEEPING", "DOCTOR"])
def test_a_code_whose_dag_is_an_operations_dag_is_refused(
    write: Write, include: Path, code: str
) -> None:
    write(f"{code.lower()}.yaml", code=code, source="other", oracle_conn_id="oracle_other")
    entry = next(entry for entry in load_hospitals(include) if isinstance(entry, BrokenHospital))

    assert entry.dag_id != f"track_{code.lower()}"
    assert "is taken" in entry.message


def test_dates_in_quotes_are_dates_too(write: Write, include: Path) -> None:
    write(first_business_day="2026-11-20")

    assert load_hospital("HMS", include).first_business_day == date(2026, 11, 20)


def test_a_field_that_the_whatsapp_message_shows_must_go_to_track(
    write: Write, broken: Broken
) -> None:
    write(import_fields=["area_pesquisa", "cd_atendimento"])

    assert "need unidade for the WhatsApp message" in broken()["HMS"]
