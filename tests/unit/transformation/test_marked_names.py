"""Marks that staff type where a name or an address should be, under the patterns as shipped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from demo.world import ROOT
from track_dispatch.config import Hospital, load_hospital
from track_dispatch.records import COLUMNS, Area
from track_dispatch.transformation.rules import DayPolicy, EvaluatedRows, reasons

#: Made-up names, each after the reason that must come of it; none where it is a patient to ask.
NAMES = [
    tuple(line.split(";", 1))
    for line in Path(__file__)
    .with_name("marked_names.csv")
    .read_text(encoding="utf-8")
    .splitlines()
]


@pytest.fixture(scope="module")
def hospital() -> Hospital:
    return load_hospital("HMS", ROOT / "include")  # not under the policies of the demo


def found(
    hospital: Hospital, names: Sequence[str], emails: Sequence[str] | None = None
) -> list[str]:
    """Return the reason that excludes each patient, "" where there is none."""
    columns = {column: [""] * len(names) for column in COLUMNS} | {
        "cd_atendimento": [str(number) for number in range(1, len(names) + 1)],
        "area_pesquisa": [Area.INTERNACAO.value] * len(names),
        "name": [*names],
        "email": [*(emails or ["maria@example.com"] * len(names))],
        "phone": ["27998761234"] * len(names),
    }
    policy = DayPolicy(hospital, before_go_live=False, too_old=False, surveyed=frozenset(Area))
    return [str(reason or "") for reason in reasons(EvaluatedRows(columns, policy, {}))]


def test_the_list_of_names_is_long_enough_to_tell() -> None:
    assert len(NAMES) == len(set(NAMES)) > 400
    assert {reason for reason, _ in NAMES} == {"", "newborn", "death", "test_record"}


def test_every_spelling_of_a_mark_is_known_and_nobody_who_only_sounds_like_one(
    hospital: Hospital,
) -> None:
    got = found(hospital, [name for _, name in NAMES])

    wrong = [
        (name, wanted, reason)
        for (wanted, name), reason in zip(NAMES, got, strict=True)
        if reason != wanted
    ]
    assert wrong == []


@pytest.mark.parametrize("blanks", ["{}  ", "\t{}", "\u00a0{}", "{}\x00", "\ufeff{}"])
def test_what_nobody_sees_hides_no_mark(hospital: Hospital, blanks: str) -> None:
    marked = ["RN DE MARIA", "FETO MORTO", "TESTE1"]

    assert found(hospital, [blanks.format(name) for name in marked]) == [
        "newborn",
        "death",
        "test_record",
    ]


@pytest.mark.parametrize(
    ("email", "reason"),
    [
        ("teste@example.com", "test_record"),
        ("TESTE1@example.com", "test_record"),
        ("maria.teste@example.com", "test_record"),
        ("maria_teste@example.com", "test_record"),
        ("maria_teste2@example.com", "test_record"),
        ("maria@teste.com.br", "test_record"),
        ("maria@example.com; teste@example.com", "test_record"),
        ("homologacao_mv@example.com", "test_record"),
        ("maria@example.test", ""),
        ("contestes@example.com", ""),
        ("celeste@example.com", ""),
        ("testa@example.com", ""),
        ("treinamento@example.com", "test_record"),
        ("joao@treinamentos.com.br", ""),  # somebody may work there, or be a coach
        ("joao@sul-treinamentos.com.br", ""),
        ("joao.treinamento@example.com", ""),
        ("joao_treinamento@example.com", ""),
        ("rn@example.com", ""),  # no mark of a newborn is looked for in an address
        ("feto@example.com", ""),
        ("CANCELADO", ""),  # said of an address, not of the patient, who has a telephone
        ("INVÁLIDO", ""),
        ("e-mail inativo", ""),
        ("maria@example.com (inativo)", ""),
        ("DESCONHECIDO", ""),
        ("xxx", ""),
        ("teste", ""),
        ("cancelado teste@example.com", "test_record"),
    ],
)
def test_an_address_may_be_a_test_records_too(hospital: Hospital, email: str, reason: str) -> None:
    assert found(hospital, ["MARIA DE SOUZA"], [email]) == [reason]


@pytest.mark.parametrize(
    ("email", "reason"),
    [
        ("ana@hospital.example", "staff"),
        ("ANA@HOSPITAL.EXAMPLE", "staff"),
        ("ana@hospital.example ", "staff"),
        ("ana@hospital.example;ana@example.com", "staff"),
        ("ana@example.com / ana@hospital.example", "staff"),
        ("recepcao@example.com", "staff"),
        ("ana@example.com, recepcao@example.com", "staff"),
        ("ana@hospital.example.com", ""),
        ("ana.recepcao@example.com", ""),
    ],
)
def test_a_pattern_begins_and_ends_with_each_address_of_the_cell(
    hospital: Hospital, email: str, reason: str
) -> None:
    patterns = (r"@hospital\.example$", "^recepcao@")
    hospital = hospital.model_copy(update={"staff_patterns": patterns})

    assert found(hospital, ["MARIA DE SOUZA"], [email]) == [reason]


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("homologação", "MARIA HOMOLOGACAO"),
        ("homologacao", "MARIA HOMOLOGAÇÃO"),
        ("[cç][aã]o$", "MARIA HOMOLOGAÇÃO"),
        (r"r\.n\.", "R.N. DE MARIA"),
        ("^r n ", "R.N. DE MARIA"),
        (r"\(interno\)$", "MARIA DE SOUZA (INTERNO)"),
        (r"\(órgão\)", "MARIA (ÓRGAO)"),
        ("interno$", "MARIA DE SOUZA (INTERNO)"),
        ("mv_x", "MV_X"),
        ("mv x", "MV_X"),
    ],
)
def test_a_pattern_may_name_accents_and_signs_and_need_not(
    hospital: Hospital, pattern: str, name: str
) -> None:
    hospital = hospital.model_copy(
        update={"newborn_patterns": (), "test_patterns": (), "staff_patterns": (pattern,)}
    )

    assert found(hospital, [name, "MARIA DE SOUZA"]) == ["staff", ""]


@pytest.mark.parametrize("setting", ["newborn_patterns", "death_patterns", "test_patterns"])
def test_without_patterns_nobody_is_looked_for(hospital: Hospital, setting: str) -> None:
    reason = {"newborn_patterns": "newborn", "death_patterns": "death"}.get(setting, "test_record")
    name = next(name for wanted, name in NAMES if wanted == reason)

    assert found(hospital, [name]) == [reason]
    assert found(hospital.model_copy(update={setting: ()}), [name]) == [""]
