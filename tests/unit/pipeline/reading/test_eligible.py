"""Who must not be asked takes nobody's turn, and what cannot be read is told by the report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from erp_days import DAY, HOSPITAL, NOW
from sqlalchemy import select

from track_dispatch.ledger import schema
from track_dispatch.pipeline import Mode
from track_dispatch.pipeline.rehearse import dry_run, fate
from track_dispatch.pipeline.report import report

if TYPE_CHECKING:
    from erp_days import ErpDays

CPF = "52998224725"
#: What a mother and her child have in common in the ERP.
MOTHER = {"cpf": CPF, "email": "maria@example.test", "phone": "5527998761234", "x_idade": "30"}
#: What marks a record that must not be asked, and the reason.
MARKED: list[tuple[dict[str, str], str]] = [
    ({"name": "RN1 DE MARIA DE SOUZA"}, "newborn"),
    ({"name": "R.N. (GEMELAR 2) DE MARIA"}, "newborn"),
    ({"name": "RECÉM-NASCIDO DE MARIA"}, "newborn"),
    ({"name": "FETO MORTO DE MARIA"}, "death"),
    ({"name": "NATIMORTO"}, "death"),
    ({"name": "MARIA (NÃO USAR)"}, "test_record"),
    ({"x_obito": "S"}, "death"),
    ({"x_obito": "SIM"}, "unreadable"),
    ({"x_idade": "0.5"}, "under_age"),
    ({"x_idade": "2 meses"}, "unreadable"),
    ({"area_pesquisa": "ONCOLOGIA"}, "no_survey"),
]


@pytest.fixture
def erp(erp_days: ErpDays) -> ErpDays:
    surveys = {key: one for key, one in HOSPITAL.surveys.items() if key != "oncologia"}
    erp_days.settings |= {"min_age_years": 12, "surveys": surveys, "look_back_days": 0}
    erp_days.settings |= {"test_patterns": ("nao usar",)}
    return erp_days


def identities(erp: ErpDays) -> Sequence[Any]:
    with erp.ledger.reading() as connection:
        return connection.execute(select(schema.identities)).all()


@pytest.mark.parametrize(("marked", "reason"), MARKED)
@pytest.mark.parametrize(("first", "last"), [(1, 2), (2, 1)])
def test_who_is_excluded_does_not_take_the_turn_of_somebody_with_the_same_cpf_and_contact(
    erp: ErpDays, marked: dict[str, str], reason: str, first: int, last: int
) -> None:
    """The excluded one has the area that comes first, too."""
    excluded = MOTHER | {"name": "MARIA DE SOUZA", "area_pesquisa": "MATERNIDADE"} | marked
    erp.add(first, **excluded)
    erp.add(last, **MOTHER | {"name": "MARIA DE SOUZA", "area_pesquisa": "AMBULATORIO"})

    assert erp.read().counts == {"ready": 1, f"excluded({reason})": 1}
    assert erp.stands()[str(last)] == f"{DAY} ready"


@pytest.mark.parametrize(("marked", "reason"), MARKED)
def test_who_is_excluded_leaves_nothing_that_the_cap_could_count(
    erp: ErpDays, marked: dict[str, str], reason: str
) -> None:
    erp.add(1, DAY - timedelta(days=1), **MOTHER | marked)
    erp.add(2, **MOTHER)

    assert erp.read("run-0", day=DAY - timedelta(days=1)).counts == {f"excluded({reason})": 1}
    assert not identities(erp)
    run = erp.run("dry", mode=Mode.DRY_RUN)
    assert [fate(one) for one in dry_run(run, ledger=erp.ledger, now=NOW).lines] == ["convidar"]


@pytest.mark.parametrize(("marked", "reason"), MARKED)
def test_who_is_excluded_later_gives_the_turn_back(
    erp: ErpDays, marked: dict[str, str], reason: str
) -> None:
    erp.add(1, **MOTHER | {"name": "MARIA", "area_pesquisa": "MATERNIDADE"})
    erp.add(2, **MOTHER | {"name": "MARIA", "area_pesquisa": "AMBULATORIO"})
    before = erp.read("run-0").counts
    erp.clear()
    erp.add(1, **MOTHER | {"name": "MARIA", "area_pesquisa": "MATERNIDADE"} | marked)
    erp.add(2, **MOTHER | {"name": "MARIA", "area_pesquisa": "AMBULATORIO"})

    assert before == {"ready": 1, "excluded(same_person)": 1}
    assert erp.read("run-1").counts == {"ready": 1, f"excluded({reason})": 1}
    with erp.ledger.reading() as connection:
        lines = schema.lines
        [ready] = connection.scalars(select(lines.c.id).where(lines.c.state == "ready"))
    assert {row.line for row in identities(erp)} == {ready}


def test_of_the_rows_of_one_attendance_one_that_tells_of_a_death_is_enough(erp: ErpDays) -> None:
    erp.add(1, x_obito="N", area_pesquisa="MATERNIDADE")
    erp.add(1, x_obito="S", area_pesquisa="AMBULATORIO")
    erp.add(2, x_obito="N")
    erp.add(2, x_obito="S")

    assert erp.read().counts == {"excluded(death)": 2}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"email": "ana@uol.com.br; bia@uol.com.br"}, {"email": "bia@uol.com.br; ana@uol.com.br"}),
        ({"email": "ana@uol.com.br; bia@uol.com.br"}, {"email": "bia@uol.com.br"}),
        ({"phone": "27 99876-1234 / 27 98888-4321"}, {"phone": "27 98888-4321 / 27 99876-1234"}),
        ({"phone": "27 99876-1234 / 27 98888-4321"}, {"phone": "27988884321"}),
    ],
)
def test_one_person_is_asked_once_in_whatever_order_her_contacts_stand(
    erp: ErpDays, one: dict[str, str], other: dict[str, str]
) -> None:
    erp.add(1, **{"name": "ANA DE SOUZA", "email": "", **one})
    erp.add(2, **{"name": "Ana de Souza", "email": "", **other})
    erp.add(3, **{"name": "BIA DE SOUZA", "email": "", **other})

    assert erp.read().counts == {"ready": 2, "excluded(same_person)": 1}


# -- safeguards that cannot be read ------------------------------------------------


def words(erp: ErpDays) -> list[str]:
    """Return the last words of the run's report about columns."""
    found = report(erp.run(), ledger=erp.ledger, now=NOW).last_words()
    return [one for one in found if "coluna" in one]


@pytest.mark.parametrize(
    ("told", "odd"),
    [
        ([{"x_obito": "SIM"}, {"x_obito": "1"}, {}], "2 valores ilegíveis na coluna x_obito"),
        # who died is read, and of nobody else can it be told: no one would be asked
        ([{"x_obito": "S"}, *[{"x_obito": "NAO"}] * 2], "2 valores ilegíveis na coluna x_obito"),
        ([{"x_idade": "2 meses"}, {}, {}], "1 valor ilegível na coluna x_idade"),
        ([{"x_idade": "-1", "name": "RN DE ANA"}, {}], "1 valor ilegível na coluna x_idade"),
    ],
)
def test_a_column_of_which_most_cannot_be_read_makes_the_run_red_and_says_what_to_do(
    erp: ErpDays, told: list[dict[str, str]], odd: str
) -> None:
    for number, columns in enumerate(told):
        erp.add(number, **columns)
    erp.read()

    [word] = words(erp)
    assert f"{odd}, a maior parte: corrija" in word
    assert "corrija o SQL do hospital" in word
    assert "business_day=2026-03-10" in word


@pytest.mark.parametrize(
    "told",
    [
        [{"x_obito": "SIM"}, {"x_obito": "n"}, {}],
        [{"x_idade": "2 meses"}, {"x_idade": "44"}],
        [{"x_idade": ""}, {"x_obito": ""}],
        [],
    ],
)
def test_a_column_of_which_half_can_be_read_is_no_fault_of_the_query(
    erp: ErpDays, told: list[dict[str, str]]
) -> None:
    for number, columns in enumerate(told):
        erp.add(number, **columns)
    erp.read()

    assert words(erp) == []


def test_the_report_counts_unreadable_values_by_column(erp: ErpDays) -> None:
    for number, age in enumerate(["2 meses", "-1", "17,92", "44", ""]):
        erp.add(number, x_idade=age, x_obito="N")
    erp.read()

    text = list(report(erp.run(), ledger=erp.ledger, now=NOW).text())

    assert "coluna x_idade: 2 de 4 valores ilegíveis" in text
    assert not [line for line in text if "x_obito" in line]
    assert "excluídas: 2 dado ilegível (unreadable)" in text


def test_the_report_counts_damaged_texts_by_column_and_asks_their_patients(erp: ErpDays) -> None:
    names = ["JO\ufffdO", "JO¿O", "JoÃ£o", "JOÃO", "MARIA"]
    for number, name in enumerate(names):
        erp.add(number, name=name, medico="DR. JOS¿")

    assert erp.read().counts == {"ready": 5}
    assert words(erp) == []
    text = list(report(erp.run(), ledger=erp.ledger, now=NOW).text())
    assert [line for line in text if "danificados" in line] == [
        "coluna medico: 5 textos danificados no ERP, com letras perdidas",
        "coluna name: 2 textos danificados no ERP, com letras perdidas",
    ]


def test_a_query_mended_ends_the_red(erp: ErpDays) -> None:
    erp.add(1, x_idade="dois anos")
    erp.read("run-0")
    erp.clear()
    erp.add(1, x_idade="22")

    assert erp.read("run-1").counts == {"ready": 1}
    assert words(erp) == []
