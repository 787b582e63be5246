"""What the user that reads an ERP must be allowed to: what its queries name, and nothing else."""

from __future__ import annotations

from track_dispatch.config import load_hospital
from track_dispatch.extraction.query import render
from track_dispatch.extraction.query_tree import grants


def test_the_tables_of_a_query_are_granted_for_reading() -> None:
    assert grants([render(load_hospital("HMS"))], to="track") == [
        "grant create session to track",
        "grant select on dbamv.atendime to track",
        "grant select on dbamv.paciente to track",
        "grant select on dbamv.prestador to track",
        "grant select on dbamv.ser_dis to track",
    ]


def test_its_functions_are_granted_too() -> None:
    found = grants([render(load_hospital("HPM")), render(load_hospital("HST"))], to="reader")

    assert found == [
        "grant create session to reader",
        "grant select on tasy.atendimento_paciente to reader",
        "grant execute on tasy.obter_email_pf_hpm to reader",
        "grant execute on tasy.obter_primeiro_setor_atend to reader",
        "grant execute on tasy.obter_telefone_pf to reader",
        "grant select on tasy.pessoa_fisica to reader",
    ]


def test_a_function_of_a_constant_is_asked_once_a_query() -> None:
    sql = " ".join(render(load_hospital("ENCORE")).split())

    assert "(select usuario_principal.obter_nome_fantasia_estab(21) from dual)" in sql
