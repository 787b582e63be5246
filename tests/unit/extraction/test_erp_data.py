"""The demo's made-up ERPs: the same for the same seed, untidy, and nobody real."""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

import pytest
from expected_mv import expected as expected_mv
from expected_tasy import expected as expected_tasy
from stdnum.br import cpf

from stand_ins.erp_data import SOURCES, TASY_SITES, erp_people, erp_sql, erp_tables
from tests.unit.transformation.recording import Setting, by_column
from track_dispatch.config import load_hospital
from track_dispatch.records import Area
from track_dispatch.states import Reason
from track_dispatch.transformation.names import clean, count_damaged

if TYPE_CHECKING:
    from stand_ins.erp.patients import Patient
    from stand_ins.erp.tables import Tables

DAY = date(2026, 11, 20)
WEEK = [DAY + timedelta(days=n) for n in range(7)]
HOSPITALS = {
    "hms": ("HMS",),
    "hmc": ("HMC",),
    "hpc": ("HPC",),
    "hmsm": ("HMSM", "HMV"),
    "hsf": ("HSF",),
    "hsl": ("HSL",),
    "hat": ("HAT",),
    "oto_ing": ("OTOA", "OTOM", "OTOS", "OTOSD", "ING"),
    "hac": ("HAC",),
    "hpm_hst": ("HPM", "HST"),
    "hsmc": ("HSMC",),
    "encore": ("ENCORE",),
}
RESERVED = re.compile(r"@ ?(example\.(com|net|org)|[a-z-]+\.test|naotem\.com)")


@lru_cache
def tables_of(source: str, days: tuple[date, ...]) -> Tables:
    return erp_tables(source, days=days)


@lru_cache
def patients_of(source: str) -> list[Patient]:
    return [person.patient for person in erp_people(source, days=WEEK)]


def extracted(source: str, code: str, day: date, days: list[date]) -> list[dict[str, str]]:
    tables = tables_of(source, tuple(days))
    expected = expected_tasy if source in TASY_SITES else expected_mv
    return list(expected(code, tables, day).values())


@pytest.mark.parametrize("source", SOURCES)
def test_a_seed_makes_the_same_erp_again(source: str) -> None:
    assert erp_sql(source, days=[DAY], seed=7) == erp_sql(source, days=[DAY], seed=7)
    assert erp_sql(source, days=[DAY], seed=7) != erp_sql(source, days=[DAY], seed=8)


@pytest.mark.parametrize("source", SOURCES)
def test_a_day_is_the_same_whichever_days_are_asked_for(source: str) -> None:
    code = HOSPITALS[source][0]

    assert extracted(source, code, DAY, [DAY]) == extracted(source, code, DAY, WEEK)


@pytest.mark.parametrize("day", [date(2024, 2, 29), date(2026, 1, 1), date(2026, 12, 31)], ids=str)
@pytest.mark.parametrize("source", SOURCES)
def test_any_day_has_a_hospital_s_number_of_patients(source: str, day: date) -> None:
    for code in HOSPITALS[source]:
        assert 30 <= len(extracted(source, code, day, [day])) <= 130


@pytest.mark.parametrize("source", SOURCES)
def test_a_week_holds_every_area_of_the_hospital(source: str) -> None:
    found = {
        code: {row["area_pesquisa"] for day in WEEK for row in extracted(source, code, day, WEEK)}
        for code in HOSPITALS[source]
    }

    without = {
        "hsf": {Area.EXAMES, Area.ONCOLOGIA},
        "hsl": {Area.EXAMES, Area.ONCOLOGIA},
        "hat": {Area.MATERNIDADE},
        "oto_ing": {Area.ONCOLOGIA},
        "hac": {Area.ONCOLOGIA},
        "hpm_hst": {Area.MATERNIDADE, Area.EXAMES},
        "hsmc": {Area.MATERNIDADE, Area.EXAMES},
        "encore": {Area.MATERNIDADE, Area.ONCOLOGIA},
    }.get(source, set())
    assert found == dict.fromkeys(HOSPITALS[source], set(Area) - without)


@pytest.mark.parametrize("source", SOURCES)
def test_everybody_planted_is_known(source: str) -> None:
    tables = tables_of(source, tuple(WEEK))
    planted = {
        str(row.get("cd_atendimento") or row.get("nr_atendimento"))
        for row in tables.get("atendime") or tables["atendimento_paciente"]
    }
    known = [found for person in erp_people(source, days=WEEK) for found in person.attendance_ids]

    assert sorted(known) == sorted(planted)
    assert all(re.fullmatch(r"[0-9]{9,}", found) for found in known)


def test_a_person_s_values_stand_in_the_script_and_tell_him_from_others() -> None:
    script = re.sub(r"\s+", " ", erp_sql("hms", days=[DAY]))
    for person in erp_people("hms", days=[DAY]):
        assert person.values()
        for value in person.values():
            assert len(value) >= 9
            assert "NAO TEM" not in value
            if not value.isdigit():
                assert value.replace("  ", " ") in script


@pytest.mark.parametrize("source", SOURCES)
def test_no_address_is_somebody_s(source: str) -> None:
    addresses = [one.email or "" for one in patients_of(source)]

    assert all(RESERVED.search(one.lower()) for one in addresses if re.search("@.*[.]", one))


@pytest.mark.parametrize(
    "kind",
    [
        lambda one: one.email == "NAO TEM",
        lambda one: one.email == "naotem@naotem.com",
        lambda one: one.email and ";" in one.email,
        lambda one: one.email and one.email.endswith("@recusado.test"),
        lambda one: one.email and one.email.strip() and "@" not in one.email,
        lambda one: one.email and one.email.isupper() and "@" in one.email,
        lambda one: one.email is None,
        lambda one: one.phone is None,
        lambda one: one.phone and "-" in one.phone,
        lambda one: one.phone and len(one.phone) == 8 and one.phone[0] == "3",
        lambda one: one.phone and len(one.phone) == 8 and one.phone[0] in "6789",
        lambda one: one.phone and one.area_code is None,
        lambda one: one.phone and one.country_code == "55" and one.phone.startswith("55"),
        lambda one: one.cpf and "." in one.cpf,
        lambda one: one.cpf and len(set(one.cpf)) == 1,
        lambda one: one.cpf and not cpf.is_valid(one.cpf) and len(set(one.cpf)) > 1,
        lambda one: one.name.startswith("RN DE "),
        lambda one: one.name.islower(),
        lambda one: "  " in one.name.strip(),
        lambda one: one.name.startswith("PACIENTE TESTE"),
        lambda one: one.name.startswith("TESTE TI"),
        lambda one: one.name.startswith("RN-"),
        lambda one: one.name.endswith(" (FALECIDO)"),
        lambda one: "Ã§" in one.name,
        lambda one: re.search("[A-Z][?]+[A-Z]", one.name),
    ],
)
def test_each_kind_of_untidiness_occurs(kind: object) -> None:
    people = patients_of("hms")

    assert any(map(kind, people))  # type: ignore[arg-type]


def test_most_cpfs_are_right() -> None:
    people = patients_of("hms")

    assert sum(cpf.is_valid(one.cpf or "") for one in people) > len(people) * 0.7


#: What the names of every made-up hospital's week must keep from being asked.
MARKED = {Reason.NEWBORN, Reason.DEATH, Reason.TEST_RECORD}


@pytest.mark.parametrize("source", SOURCES)
def test_a_week_holds_names_that_keep_a_patient_from_being_asked(source: str) -> None:
    found = set()
    for code in HOSPITALS[source]:
        hospital = load_hospital(code).model_copy(update={"first_business_day": DAY})
        for day in WEEK:
            rows = extracted(source, code, day, WEEK)
            found |= {one.reason for one in by_column(rows, Setting(hospital, day))}

    assert found >= MARKED


@pytest.mark.parametrize("source", SOURCES)
def test_a_week_holds_names_that_were_damaged(source: str) -> None:
    names = [one.name for one in patients_of(source)]

    assert sum(count_damaged([name]) for name in names) > 0
    assert any("Ã" in name and clean(name) != name.strip() for name in names)  # mended


@pytest.mark.parametrize("source", TASY_SITES)
def test_a_week_holds_ages_that_nobody_has(source: str) -> None:
    ages = {row.get("demo_idade") for row in tables_of(source, tuple(WEEK))["pessoa_fisica"]}

    assert ages >= {0, None, -1, 107, 126, 2025}
