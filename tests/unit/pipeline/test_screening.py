"""What people type is refused by a form and by the shell alike, before anything keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any
from unicodedata import digit

import pytest
from airflow.sdk.exceptions import ParamValidationError

from tests.unit.pipeline.shell_rig import message_of, run
from track_dispatch.errors import ConfigError
from track_dispatch.pipeline.screening import LONGEST_WHY, refuse_personal
from track_dispatch.states import SHELL_ONLY, Verb

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from tests.unit.ledger.steps import Steps

PERSONAL = [
    # e-mail addresses
    "a paciente maria@exemplo.test já recebeu",
    "maria.silva @ exemplo.test",
    "maria\uff20exemplo.test",
    "maria%40exemplo.test",
    "maria arroba exemplo ponto test",
    "MARIA (ARROBA) EXEMPLO",
    "pedido de <ana+sac@exemplo.test>",
    "@mariasilva pediu",
    "maria[at]exemplo.test",
    "maria (AT) exemplo.test",
    "maria\ufe6bexemplo.test",
    "visto no Track\nmaria@exemplo.test",
    # phones
    "ligou do 27 99999-0000",
    "ligou do (27) 99999-0000",
    "+55 27 9 9999-0000",
    "telefone 5527999990000",
    "tel27999990000",
    "27.99999.0000",
    "27 - 99999 - 0000",
    "27/99999/0000",
    "27_99999_0000",
    "27*99999*0000",
    "27;99999;0000",
    "27|99999|0000",
    "27, 99999, 0000",
    "27, 9, 9999, 0000",
    "27, 32221234",
    "27:99999:0000",
    "11:32:22:12:34",
    '"27" + "99999" + "0000"',
    "27 99999\u22120000",
    "3222\u20131234",
    "2\ufe0f\u20e37\ufe0f\u20e3 99999-0000",
    "\u00b2\u2077 \u2079\u2079\u2079\u2079\u2079 \u2070\u2070\u2070\u2070",
    "\u2461\u2466 \u2468\u2468\u2468\u2468\u2468 \u24ea\u24ea\u24ea\u24ea",
    "falou 09:15 do 27 99999-0000",
    "lotes 12, 13, 27 99999-0000",
    "27\u00a099999\u20110000",
    "27 99999\u20130000",
    "27\u200b99999\u200b0000",
    "(27)3222-1234",
    "fixo 3222-1234",
    "99999-0000 sem ddd",
    "0800 123 4567",
    "2 7 9 9 9 9 9 0 0 0 0",
    "falou em 20/11/2026 do 27 99999-0000",
    "chamado 48213 27999990000",
    # documents
    "CPF 529.982.247-25",
    "CPF 52998224725",
    "CPF 529982247-25",
    "529 982 247 25",
    "529.982.247/25",
    "529-982-247-25",
    "529, 982, 247, 25",
    "529; 982; 247; 25",
    "\uff15\uff12\uff19\uff19\uff18\uff12\uff12\uff14\uff17\uff12\uff15",
    "cartão 898 0012 3456 7890",
    "20261120123 do cadastro",
    "2026-11-2099 99999",
]
HARMLESS = [
    "visto no Track",
    "chamado 48213 do Track",
    "chamado #4821398",
    "visto às 09:15 de 20/11/2026",
    "20/11/2026 09:15, visto no painel",
    "20-11-2026 09h15",
    "2026-11-20 03:00 backup put back",
    "2026-11-20T03:00-03:00",
    "de 10/03/2026 a 12/03/2026",
    "10/03/2026 - 12/03/2026",
    "1/3/2026, 2/3/2026 e 3/3/2026",
    "lote 0f5a1b52-7c1e-4c55-9d0e-123456789012 visto",
    "lotes 0f5a1b52-7c1e-4c55-9d0e-123456789012 12345678-1234-1234-1234-123456789012",
    "lotes 12, 13, 14, 15, 16 e 17",
    "lotes 12, 13, 14, 15, 16 (3 hospitais)",
    "lotes 12; 13; 14; 15; 16",
    "lotes 112, 113, 114 e 115",
    "lotes 12, 13, 14, 15, 16, 20/11/2026",
    "dias 1, 2, 20/11/2026",
    "em 2024, 2025, 2026",
    "chamados 48213, 48214",
    "chamados 4821398, 4821399",
    "visto 10:15, 10:30, 11:45",
    "visto 10:15:30 20/11/2026",
    "20/11/2026 10:15:30; 21/11/2026",
    "de 2025\u20132026",
    "3 de 5 linhas, 27 recusadas",
    "HTTP 405 às 09:20",
    "planos de 2025-2026",
    "Lei 13.709, art. 18, inciso VI",
    "não chegou; conferido com a Ana (TI)",
    "pedido da ouvidoria, protocolo 1234567",
    "100% das linhas",
]


@pytest.fixture
def form(dags: Mapping[str, DAG]) -> Any:
    return deepcopy(dags["track_decide"].params)


def test_the_table_is_as_long_as_it_was() -> None:
    assert len({*PERSONAL, *HARMLESS}) == 92


def test_no_digit_escapes_in_another_shape(form: Any) -> None:
    every = [chr(number) for number in range(0x10000) if digit(chr(number), None) is not None]
    for one in every:
        with pytest.raises(ConfigError):
            refuse_personal(one * 9, "name")
        with pytest.raises(ParamValidationError):
            form.get_param("why").resolve(one * 9)


@pytest.mark.parametrize("text", PERSONAL)
@pytest.mark.parametrize("option", ["--why", "--by", "--source"])
def test_the_shell_refuses_what_looks_like_a_patient_without_repeating_it(
    option: str, text: str
) -> None:
    told = {"--why": "por um motivo", "--by": "ana", "--source": "balcão"} | {option: text}

    said = message_of("optout", "add", *(part for pair in told.items() for part in pair))

    assert "leave patients out" in said
    assert text.rpartition(" ")[-1] not in said


@pytest.mark.parametrize("text", PERSONAL)
def test_the_form_refuses_what_looks_like_a_patient(form: Any, text: str) -> None:
    with pytest.raises(ParamValidationError):
        form.get_param("why").resolve(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_the_shell_and_the_form_take_what_is_nobodys(
    installed: Steps, form: Any, text: str
) -> None:
    assert run("resume", "--by", "ana", "--why", text).exit_code == 0
    assert form.get_param("why").resolve(text) == text


@pytest.mark.parametrize("text", ["", "ok", "x" * (LONGEST_WHY + 1)])
def test_the_shell_and_the_form_want_a_sentence(installed: Steps, form: Any, text: str) -> None:
    assert run("resume", "--by", "ana", "--why", text).exit_code == 1
    with pytest.raises(ParamValidationError):
        form.get_param("why").resolve(text)


def test_a_name_is_not_a_list_of_people() -> None:
    with pytest.raises(ConfigError, match="more than"):
        refuse_personal("ana " * LONGEST_WHY, "name")


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("batch", "maria@exemplo.test"),
        ("batch", "Maria da Silva"),
        ("batch", "52998224725"),
        ("hospital", "27 99999-0000"),
        ("hospital", "HMS Maria"),
        ("business_day", "ontem, da Maria"),
        ("what", "maria"),
    ],
)
def test_no_other_field_of_the_form_takes_a_text(form: Any, field: str, text: str) -> None:
    with pytest.raises(ParamValidationError):
        form.get_param(field).resolve(text)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch", " 0f5a1b52-7c1e-4c55-9d0e-3b1f6a2c9d10\n"),
        ("batch", ""),
        ("batch", None),
        ("hospital", "hms "),
        ("hospital", ""),
        ("hospital", None),
        ("business_day", "2026-11-20"),
    ],
)
def test_a_field_is_taken_as_it_is_pasted_or_left_empty(
    form: Any, field: str, value: str | None
) -> None:
    assert form.get_param(field).resolve(value) == value


def test_a_decision_and_its_reason_are_preset_to_nothing(form: Any) -> None:
    """Before, a form that nobody had filled in let all hospitals send again."""
    for field in ("what", "why"):
        with pytest.raises(ParamValidationError, match="no default"):
            form.get_param(field).resolve()


def test_the_form_offers_what_is_not_the_shells_alone(form: Any) -> None:
    offered = form.get_param("what").schema["enum"]

    assert set(offered) == {str(verb) for verb in Verb if verb not in SHELL_ONLY}
