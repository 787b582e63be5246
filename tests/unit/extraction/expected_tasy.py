"""A second reading of docs/hospitals.md for the Tasy hospitals, in plain Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from erp_rows import UNIDADES
from expected_mv import PRIORITY, moment

if TYPE_CHECKING:
    from stand_ins.erp.tables import Tables
    from track_dispatch.records import ErpRow

HAC_REASONS = (7, 16, 21, 26, 27, 28, 30)
HPM_REASONS = (7, 9, 13, 15, 16, 18)
HSMC_REASONS = (7, 18, 22, 24)
ENCORE_REASONS = (7, 8, 9, 10, 16, 23)
ENCORE_IMAGES = (353, 354, 365, 405)
ENCORE_EXAMS = (355, 369, 370)

INPATIENT, EMERGENCY, EXTERNAL, OUTPATIENT = 1, 3, 7, 8

#: An area that an attendance matches, and the setor it has there.
Match = tuple[str, str]
WARD: Match = ("INTERNACAO", "INTERNACAO")


def expected(code: str, tables: Tables, day: date) -> dict[str, ErpRow]:
    """Return what the hospital's extraction of the day must hold, by attendance id."""
    erp = _Erp(tables)
    found = {}
    for row in tables["atendimento_paciente"]:
        visit = _Visit(row, erp, day)
        if visit.cancelled is None:
            matches = sorted(_RULES[code](visit), key=lambda match: PRIORITY.index(match[0]))
            for area, setor in matches[:1]:
                found[str(visit.id)] = _line(code, visit, area, setor)
    return found


class _Erp:
    """The tables, to look things up in."""

    def __init__(self, tables: Tables) -> None:
        self.people: dict[Any, dict[str, Any]] = {
            row["cd_pessoa_fisica"]: row for row in tables["pessoa_fisica"]
        }
        self.entries: dict[Any, list[datetime]] = {}
        for row in tables["atendimento_paciente"]:
            is_admission = row.get("ie_tipo_atendimento") == INPATIENT
            if is_admission and row.get("dt_cancelamento") is None:
                entered: Any = row["dt_entrada"]
                self.entries.setdefault(row["cd_pessoa_fisica"], []).append(entered)


class _Visit:
    """An attendance in the words of docs/hospitals.md#philips-tasy."""

    def __init__(self, row: dict[str, Any], erp: _Erp, day: date) -> None:
        self.id = row["nr_atendimento"]
        self.type = row.get("ie_tipo_atendimento")
        self.entered, self.left = row.get("dt_entrada"), row.get("dt_alta")
        self.cancelled = row.get("dt_cancelamento")
        self.reason, self.clinic = row.get("cd_motivo_alta"), row.get("ie_clinica")
        self.classification = row.get("nr_seq_classificacao")
        self.establishment = row.get("cd_estabelecimento")
        self.first_department = row.get("demo_primeiro_setor")
        self.physician = erp.people.get(row.get("cd_medico_resp"), {})
        self.person = erp.people.get(row.get("cd_pessoa_fisica"), {})
        # the view, whose column it is, does not show an attendance of nobody
        self.department = row.get("demo_setor") if self.person else None
        self.entered_today = self.entered is not None and self.entered.date() == day
        self.left_today = self.left is not None and self.left.date() == day
        self.admitted_lately = any(
            entry.date() in (day, day - timedelta(days=1))
            for entry in erp.entries.get(row.get("cd_pessoa_fisica"), [])
        )


def _hac(visit: _Visit) -> Iterator[Match]:
    if visit.reason in HAC_REASONS:
        return
    if visit.type == INPATIENT and visit.left_today and visit.person.get("demo_idade") != 0:
        yield ("MATERNIDADE", "MATERNIDADE") if visit.department == 54 else WARD
    if visit.type == EMERGENCY and visit.left_today:
        rooms = {13: "PA_GINECOLOGICO", 4: "PA_PEDIATRICO", 10: "PA_PEDIATRICO"}
        yield "PRONTO SOCORRO GERAL", rooms.get(visit.clinic, "PA_ADULTO")
    if visit.entered_today and visit.left is not None:
        if visit.type == OUTPATIENT:
            yield "AMBULATORIO", "AMBULATORIO_GERAL"
        if visit.type == EXTERNAL and visit.classification is not None:
            kinds = {2: "IMAGEM", 16: "IMAGEM", 6: "LABORATORIO", 14: "LABORATORIO"}
            yield "EXAMES", kinds.get(visit.classification, "EXAMES")


def _hpm_or_hst(*establishments: int) -> Callable[[_Visit], Iterator[Match]]:
    """Read the rule of both.

    "The types decide before the departments": an emergency is an emergency and types 1 and 7 are
    admissions, whatever the first department. "Type 8 otherwise": a type 8 that began in one of
    the oncology departments is ONCOLOGIA, every other type 8 is AMBULATORIO. Every other type, and
    a type that is not known, counts only when it began in a department that is listed.
    """

    def rule(visit: _Visit) -> Iterator[Match]:
        if visit.establishment not in establishments:
            return
        if not visit.left_today or visit.reason in HPM_REASONS:
            return
        if visit.type == EMERGENCY:
            yield "PRONTO SOCORRO GERAL", "PA_ADULTO"
        elif visit.type in (INPATIENT, EXTERNAL):
            yield WARD
        elif visit.first_department in (151, 164, 269, 271):
            yield "ONCOLOGIA", "ONCOLOGIA"
        elif visit.type == OUTPATIENT or visit.first_department == 154:
            yield "AMBULATORIO", "GERAL_AMBULATORIO"

    return rule


def _hsmc(visit: _Visit) -> Iterator[Match]:
    if not visit.left_today or visit.reason in HSMC_REASONS:
        return
    match visit.type, visit.first_department:
        case 3, _:
            yield "PRONTO SOCORRO GERAL", "PA_ADULTO"
        case 1 | 7, _:
            yield WARD
        case 8, 148:
            yield "ONCOLOGIA", "ONCOLOGIA"
        case 8, _:
            yield "AMBULATORIO", "GERAL_AMBULATORIO"


def _encore(visit: _Visit) -> Iterator[Match]:
    ours = visit.establishment == 21
    if ours and visit.type not in (INPATIENT, EMERGENCY) and visit.entered_today:
        if visit.classification == 1:
            yield "AMBULATORIO", "AMBULATORIO"
        else:
            yield "EXAMES", _encore_room(visit.department)
    if not visit.left_today or visit.reason in ENCORE_REASONS:
        return
    if visit.type == OUTPATIENT and visit.establishment in (1, 2, 4):
        yield "EXAMES", "HEMODINAMICA"
    if ours and visit.type == INPATIENT:
        yield WARD
    if ours and visit.type == EMERGENCY and not visit.admitted_lately:
        yield "PRONTO SOCORRO GERAL", "PA ADULTO"


def _encore_room(department: int | None) -> str:
    if department == 357:
        return "LABORATORIO"
    if department in ENCORE_IMAGES:
        return "IMAGEM"
    return "EXAMES" if department in ENCORE_EXAMS else "OUTROS"


_RULES: dict[str, Callable[[_Visit], Iterator[Match]]] = {
    "HAC": _hac,
    "HPM": _hpm_or_hst(1, 71),
    "HST": _hpm_or_hst(81),
    "HSMC": _hsmc,
    "ENCORE": _encore,
}


def _line(code: str, visit: _Visit, area: str, setor: str) -> ErpRow:
    person = visit.person
    phone = f"{person.get('nr_ddd_celular') or ''}{person.get('nr_telefone_celular') or ''}"
    if code != "HAC":  # whose columns are taken as they are
        phone = "".join(filter(str.isdigit, phone))
    return {
        "ID_Cliente_Hfocus": "40085",
        "cd_atendimento": str(visit.id),
        "data_atendimento": moment(visit.entered),
        "data_saida_alta": moment(visit.left),
        "name": person.get("nm_pessoa_fisica") or "",
        "email": "" if code == "HSMC" else person.get("demo_email") or "",
        "phone": f"55{phone}",
        "cpf": person.get("nr_cpf") or "",
        "medico": visit.physician.get("nm_pessoa_fisica") or "",
        "area_pesquisa": area,
        "unidade": UNIDADES[code],
        "setor": setor,
    }
