"""Run the examples beside the hospitals' queries: `make examples`, `make examples CODE=hms`.

Each hospital's examples are planted in an ERP of its own, its query reads their day as `extract`
does, and what comes out is held against what they say.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import count

from demo.world import PASSWORD, SERVICE, USER, chosen_hospitals, erp_server
from stand_ins.erp import schemas
from stand_ins.erp.tables import Row, Tables
from track_dispatch.config import Hospital
from track_dispatch.errors import TrackDispatchError
from track_dispatch.extraction import examples as form
from track_dispatch.extraction.examples import (
    Example,
    Examples,
    WrittenRow,
    moment,
    read_examples,
)
from track_dispatch.records import CONTRACT, ColumnKind, ErpRow

#: Any day does: an example's moments are told from its business day.
DAY = date(2026, 11, 20)
_MIDNIGHT = datetime.combine(DAY, time.min)

#: Between the ids of two examples: one's children and further attendances lie there.
_STEP = 100

#: What Tasy's functions and its view answer is planted in columns of the made-up tables.
_ANSWERS = {
    "obter_primeiro_setor_atend": "demo_primeiro_setor",
    "cd_setor_atendimento": "demo_setor",
    "obter_dados_pf": "demo_idade",
    "obter_compl_pf": "demo_email",
    "obter_email_pf_hpm": "demo_email",
    "obter_telefone_pf": "nr_telefone_celular",
}

#: Who sees every patient.
_PHYSICIAN = "DRA. ANA"
#: Patients' numbers are so much higher than their attendances'.
_PATIENTS = 500_000

#: What is told of a row that should not be there.
_WHERE = ("area_pesquisa", "setor")

_MOMENTS = {column.name for column in CONTRACT if column.kind is ColumnKind.MOMENT}


def main(arguments: list[str] | None = None) -> int:
    """Run the examples of some hospitals; return 1 when the query of one contradicts one."""
    parser = argparse.ArgumentParser(prog="make examples", description=__doc__)
    parser.add_argument("codes", nargs="*", metavar="CODE", help="hms; by default all hospitals")
    options = parser.parse_args(arguments)
    wrong = False
    for hospital in chosen_hospitals([code.upper() for code in options.codes] or ["ALL"]):
        try:
            told = run(hospital, read_examples(hospital))
        except TrackDispatchError as error:
            told = str(error).splitlines()
        wrong |= bool(told)
        print("\n".join(f"{hospital.code}: {line}" for line in told or ["ok"]))
    return int(wrong)


def run(hospital: Hospital, examples: Examples) -> list[str]:
    """Plant a hospital's examples, let its query read them; return where it contradicts them."""
    told = []
    for tables, planted in planted_examples(hospital, examples):
        with erp_server(schema_of(hospital).duckdb(tables)) as erp:
            told += contradictions(planted, _read(hospital, erp.port))
    return told


def _read(hospital: Hospital, port: int) -> list[ErpRow]:
    import oracledb  # noqa: PLC0415 - only where it is wanted

    from track_dispatch.extraction.oracle import Erp  # noqa: PLC0415 - imports it, too
    from track_dispatch.extraction.query import render  # noqa: PLC0415 - imports Jinja

    where = {"host": "127.0.0.1", "port": port, "service_name": SERVICE}
    with oracledb.connect(user=USER, password=PASSWORD, **where) as connection:
        erp = Erp(connection, call_timeout_seconds=60)
        chunks = erp.read(render(hospital), day=DAY, action=f"examples {hospital.code}")
        return [
            dict(zip(chunk, texts, strict=True))
            for chunk in chunks
            for texts in zip(*chunk.values(), strict=True)
        ]


def schema_of(hospital: Hospital) -> schemas.ErpSchema:
    """Return the schema of a hospital's ERP, empty."""
    if hospital.erp == "mv":
        return schemas.MV
    return schemas.ENCORE if hospital.source == "encore" else schemas.TASY


@dataclass(frozen=True, slots=True)
class Planted:
    """One attendance of an example, and those that come with it.

    Attributes:
        id: of the attendance; the others' follow it.
        example: what is told of it.
        row: the attendance.
    """

    id: int
    example: Example
    row: form.Row

    @property
    def name(self) -> str:
        """What messages call it: a list of the example stands there with its one value."""
        lists = [
            name for name, value in self.example.atendimento.items() if isinstance(value, list)
        ]
        chosen = ", ".join(f"{name} {self.row[name]}" for name in lists)
        return f'"{self.example.exemplo}"{f" ({chosen})" if chosen else ""}'


def planted_examples(
    hospital: Hospital, examples: Examples
) -> Iterator[tuple[Tables, list[Planted]]]:
    """Yield the tables of an ERP with examples; those with a catalogue of their own stand alone."""
    make = _mv_tables if hospital.erp == "mv" else _tasy_tables
    number = count(1)
    planted = [
        Planted(next(number) * _STEP, example, row)
        for example in examples.exemplos
        for row in examples.attendances(example)
    ]
    alone = [one for one in planted if one.example.catalogo]
    together = [one for one in planted if not one.example.catalogo]
    for some in (together, *([one] for one in alone)):
        if some:
            catalogue = examples.catalogo | some[0].example.catalogo
            yield make(examples, some) | _rows(catalogue), some


def _mv_tables(examples: Examples, planted: list[Planted]) -> Tables:
    attendances: list[Row] = []
    patients: list[Row] = []
    for one in planted:
        row, who = _at_day(one.row), one.id + _PATIENTS
        children = [_child(row) | {"cd_atendimento_pai": one.id}] * one.example.filhos
        others = [_at_day(other) for other in examples.others(one.example)]
        for place, further in enumerate((row, *children, *others)):
            ids = {"cd_atendimento": one.id + place, "cd_paciente": who, "cd_prestador": 1}
            attendances.append(ids | further)
        patients.append({"cd_paciente": who, "nm_paciente": f"PACIENTE {one.id}"})
        patients[-1] |= one.example.paciente
    return {
        "atendime": attendances,
        "paciente": patients,
        "prestador": [
            {"cd_prestador": 1, "nm_prestador": _PHYSICIAN},
            {"cd_prestador": 2, "nm_prestador": "DR. OUTRO"},
        ],
    }


def _tasy_tables(examples: Examples, planted: list[Planted]) -> Tables:
    attendances: list[Row] = []
    people: list[Row] = [{"cd_pessoa_fisica": "M1", "nm_pessoa_fisica": _PHYSICIAN}]
    for one in planted:
        who = f"P{one.id}"
        person = {"cd_pessoa_fisica": who, "nm_pessoa_fisica": f"PACIENTE {one.id}"}
        people.append(person | _answers(one.example.paciente))
        for place, row in enumerate((one.row, *examples.others(one.example))):
            ids = {"nr_atendimento": one.id + place, "cd_pessoa_fisica": who}
            attendances.append(ids | {"cd_medico_resp": "M1"} | _answers(_at_day(row)))
    return {"atendimento_paciente": attendances, "pessoa_fisica": people}


def contradictions(planted: Sequence[Planted], rows: Iterable[ErpRow]) -> list[str]:
    """Return one line for each attendance that comes out otherwise than its example says.

    Args:
        planted: what stood in the ERP.
        rows: what the query returned of it.
    """
    found: defaultdict[int, list[ErpRow]] = defaultdict(list)
    for row in rows:
        found[int(row["cd_atendimento"])].append(row)
    told = []
    for one in planted:
        wanted = _outcome(one.example)
        came = [{name: row[name] or "" for name in wanted or _WHERE} for row in found[one.id]]
        if came != ([wanted] if wanted else []):
            must = f"fora ({one.example.fora})" if wanted is None else _called([wanted])
            told.append(f"{one.name}: must be {must}, is {_called(came)}")
        others = {row["medico"] for row in found[one.id]} - {_PHYSICIAN}
        told += [f"{one.name}: medico is {name or 'empty'}" for name in sorted(map(str, others))]
        for place in range(one.id + 1, one.id + _STEP):
            told += [f"{one.name}: another attendance of it came out" for _ in found[place]]
    return told


def _outcome(example: Example) -> ErpRow | None:
    if example.outcome is None:
        return None
    return {
        name: f"{_MIDNIGHT + moment(str(value)):%Y-%m-%d %H:%M:%S}"
        if name in _MOMENTS and value
        else str(value or "")
        for name, value in example.outcome.items()
    }


def _called(outcome: Sequence[ErpRow]) -> str:
    return " and ".join("/".join(v or "(empty)" for v in row.values()) for row in outcome) or "fora"


def _at_day(row: form.Row) -> Row:
    return {
        column: _MIDNIGHT + value if isinstance(value, timedelta) else value
        for column, value in row.items()
    }


def _child(mother: Row) -> Row:
    """Return a newborn, who leaves when the mother is long gone."""
    moments = ("dt_atendimento", "hr_atendimento", "dt_alta", "hr_alta")
    later = dict.fromkeys(moments, _MIDNIGHT + timedelta(days=5))
    return mother | later | {"tp_atendimento": "I", "cd_cid": "Z380"}


def _answers(row: Mapping[str, object]) -> Row:
    return {_ANSWERS.get(column, column): value for column, value in row.items()}


def _rows(catalogue: Mapping[str, Sequence[WrittenRow]]) -> Tables:
    return {table: [dict(row) for row in rows] for table, rows in catalogue.items()}


if __name__ == "__main__":
    sys.exit(main())
