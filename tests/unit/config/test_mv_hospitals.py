"""The MV hospitals' files against the table in docs/hospitals.md#the-eighteen."""

from __future__ import annotations

import pytest

from track_dispatch.config import load_hospital
from track_dispatch.records import Area, Channel

HERE, FORTALEZA = "America/Sao_Paulo", "America/Fortaleza"
NOTHING: set[Area] = set()
NO_EXAMS = {Area.EXAMES, Area.ONCOLOGIA}

#: unidade, template set, source, companies, time zone, areas without a survey
FACTS = {
    "HMS": ("Meridional Serra", "hub_es", "hms", (), HERE, NOTHING),
    "HMC": ("Meridional Cariacica", "hub_es", "hmc", (), HERE, NOTHING),
    "HPC": ("Meridional Praia Da Costa", "hub_es", "hpc", (), HERE, NOTHING),
    "HMV": ("Meridional Vitoria", "hub_es", "hmsm", (2,), HERE, NOTHING),
    "HMSM": ("Hospital São Mateus", "hub_es", "hmsm", (1,), HERE, NOTHING),
    "HSF": ("Hospital São Francisco", "hub_es", "hsf", (), HERE, NO_EXAMS),
    "HSL": ("Hospital São Luiz", "hub_es", "hsl", (), HERE, NO_EXAMS),
    "HAT": ("Hospital Anchieta", "anchieta", "hat", (), HERE, {Area.MATERNIDADE}),
    "OTOA": (
        *("Hospital Oto Aldeota", "oto", "oto_ing", (1, 2, 3, 6, 7, 12, 13, 16, 26)),
        *(FORTALEZA, {Area.ONCOLOGIA}),
    ),
    "OTOM": ("Hospital Oto Meireles", "oto", "oto_ing", (18,), FORTALEZA, {Area.ONCOLOGIA}),
    "OTOS": (
        *("Hospital Oto Sul", "oto", "oto_ing", (10, 11)),
        *(FORTALEZA, {Area.ONCOLOGIA, Area.MATERNIDADE}),
    ),
    "OTOSD": (
        *("Hospital Oto Santos Dumont", "oto", "oto_ing", (8, 19, 23, 25)),
        *(FORTALEZA, {Area.ONCOLOGIA}),
    ),
    "ING": (
        *("Instituto De Neurologia De Goiania", "ing", "oto_ing", (20, 21, 22)),
        *(HERE, {Area.ONCOLOGIA}),
    ),
}


@pytest.mark.parametrize("code", FACTS)
def test_a_hospital_s_file_says_what_the_table_says(code: str) -> None:
    h = load_hospital(code)
    without = {area for area in Area if h.survey(area) is None}

    assert (h.unidade, h.templates, h.source, h.companies, h.timezone, without) == FACTS[code]
    assert (h.erp, h.oracle_conn_id) == ("mv", f"oracle_{h.source}")
    assert h.channels == (Channel.EMAIL, Channel.WHATSAPP)


@pytest.mark.parametrize("code", FACTS)
def test_only_hat_has_another_client_id(code: str) -> None:
    assert load_hospital(code).client_id == ("40094" if code == "HAT" else "40085")


@pytest.mark.parametrize("source", ["hmsm", "oto_ing"])
def test_hospitals_of_one_source_start_five_minutes_apart(source: str) -> None:
    hospitals = [load_hospital(code) for code, facts in FACTS.items() if facts[2] == source]
    minutes = sorted(int(h.schedule.split()[0]) for h in hospitals)

    assert {h.schedule.split()[1] for h in hospitals} == {"9"}
    assert minutes == list(range(0, 5 * len(hospitals), 5))
