"""A second reading of hospitals.md for HSMC, in plain Python, written from the facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from expected_mv import moment

if TYPE_CHECKING:
    from datetime import date

    from demo.erp.tables import Row, Tables
    from track_dispatch.records import ErpRow


def expected(tables: Tables, day: date) -> dict[str, ErpRow]:
    """Return what HSMC's extraction of the day must hold, by attendance id."""
    people: dict[Any, Row] = {row["cd_pessoa_fisica"]: row for row in tables["pessoa_fisica"]}
    found = {}
    for row in tables["atendimento_paciente"]:
        left: Any = row.get("dt_alta")
        area, setor = _area(row)
        if left is None or left.date() != day or row.get("dt_cancelamento") is not None:
            continue
        if row.get("cd_motivo_alta") in (7, 18, 22, 24) or not area:
            continue
        person = people.get(row["cd_pessoa_fisica"], {})
        digits = f"{person.get('nr_ddd_celular') or ''}{person.get('nr_telefone_celular') or ''}"
        physician = people.get(row.get("cd_medico_resp"), {})
        found[str(row["nr_atendimento"])] = {
            "ID_Cliente_Hfocus": "40085",
            "cd_atendimento": str(row["nr_atendimento"]),
            "data_atendimento": moment(row["dt_entrada"]),  # type: ignore[arg-type]
            "data_saida_alta": moment(left),
            "name": str(person.get("nm_pessoa_fisica") or ""),
            "email": "",
            "phone": "55" + "".join(filter(str.isdigit, digits)),
            "cpf": str(person.get("nr_cpf") or ""),
            "medico": str(physician.get("nm_pessoa_fisica") or ""),
            "area_pesquisa": area,
            "unidade": "Hospital Sao Mateus Cuiabá",
            "setor": setor,
        }
    return found


def _area(row: Row) -> tuple[str, str]:
    match row["ie_tipo_atendimento"], row.get("demo_primeiro_setor"):
        case 3, _:
            return "PRONTO SOCORRO GERAL", "PA_ADULTO"
        case 1 | 7, _:
            return "INTERNACAO", "INTERNACAO"
        case 8, 148:
            return "ONCOLOGIA", "ONCOLOGIA"
        case 8, _:
            return "AMBULATORIO", "GERAL_AMBULATORIO"
    return "", ""
