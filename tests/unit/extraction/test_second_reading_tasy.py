"""The SQL of the Tasy hospitals against a second reading of the facts, attendance by attendance."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random
from typing import TYPE_CHECKING

import pytest
from erp_rows import DAYS, Serving, at, read
from expected_tasy import expected

from stand_ins.erp import schemas
from stand_ins.erp_data import erp_schema, erp_tables

if TYPE_CHECKING:
    from stand_ins.erp.tables import Row, Tables
    from track_dispatch.records import ErpRow


SOURCES = {
    "hac": ("HAC",),
    "hpm_hst": ("HPM", "HST"),
    "hsmc": ("HSMC",),
    "encore": ("ENCORE",),
}
SOURCE = {code: source for source, codes in SOURCES.items() for code in codes}
ROWS_A_DAY = 2500

#: Most attendances lie on the day, the others beside it.
DAYS_OFF = (0, 0, 0, 0, 0, -2, -1, 1)
TIMES = (0, 1, 8 * 3600, 43_200, 86_398, 86_399)

#: Every code that a rule of a Tasy hospital names, the codes beside it, and none.
CODES: dict[str, tuple[object, ...]] = {
    "cd_medico_resp": ("M1", "M999", None),
    "ie_tipo_atendimento": (1, 3, 7, 8, 1, 3, 7, 8, 0, 2, 4, 6, 9, None),
    "cd_motivo_alta": (None, *range(1, 32)),
    "cd_estabelecimento": (*(21, 1, 71, 81) * 4, 2, 3, 4, 5, 20, 22, 70, 72, 80, 82, None),
    "ie_clinica": (None, *range(1, 15)),
    "nr_seq_classificacao": (None, *range(1, 18), 1, 1, 1),
    "demo_primeiro_setor": (
        *(None, 147, 148, 148, 149, 150, 151, 152, 153, 154, 154, 155, 163, 164, 165),
        *(268, 269, 270, 271, 272),
    ),
    "demo_setor": (
        *(None, 53, 54, 54, 54, 54, 55, 352, 353, 354, 355, 356, 357, 358),
        *(364, 365, 366, 368, 369, 370, 371, 404, 405, 406),
    ),
}
PEOPLE = 400


def moment(rng: Random, day: date) -> object:
    return at(day, timedelta(days=rng.choice(DAYS_OFF), seconds=rng.choice(TIMES)))


def drawn_tables() -> Tables:
    rng, rows = Random(2026), []
    for place, day in enumerate(DAYS):
        for number in range(ROWS_A_DAY):
            row: Row = {name: rng.choice(codes) for name, codes in CODES.items()}
            row |= {
                "nr_atendimento": 910_000_000 + place * 100_000 + number,
                "cd_pessoa_fisica": f"P{rng.randrange(PEOPLE)}",
                "dt_entrada": moment(rng, day),
                "dt_alta": rng.choice((None, *(moment(rng, day) for _ in range(5)))),
                "dt_cancelamento": rng.choice((None, None, None, moment(rng, day))),
            }
            rows.append(row)
    people: list[Row] = [
        {
            "cd_pessoa_fisica": f"P{n}",
            "nm_pessoa_fisica": f"PACIENTE {n}" if n % 7 else None,
            "nr_ddd_celular": f"({65 + n % 3})" if n % 5 else None,
            "nr_telefone_celular": f"9{n:04}-{n * 7:04}" if n % 3 else None,
            "nr_cpf": f"{n:011}" if n % 4 else None,
            "demo_email": f"pessoa{n}@example.com" if n % 6 else None,
            "demo_idade": (0, 1, 2, None, 10, 45, 101)[n % 7],
        }
        for n in range(PEOPLE - 40)  # one attendance in ten has no person
    ]
    people.append({"cd_pessoa_fisica": "M1", "nm_pessoa_fisica": "DRA. M1"})
    return {"pessoa_fisica": people, "atendimento_paciente": rows}


@pytest.fixture(scope="module")
def drawn(serving: Serving) -> Iterator[Tables]:
    """Serve every hospital the same attendances, in its own schema."""
    tables = drawn_tables()
    connections = " ".join(f"oracle_{source}" for source in SOURCES if source != "encore")
    with (
        serving(connections, schemas.TASY, tables),
        serving("oracle_encore", schemas.ENCORE, tables),
    ):
        yield tables


def by_id(rows: list[ErpRow]) -> dict[str, ErpRow]:
    found = {row["cd_atendimento"]: row for row in rows}
    assert len(found) == len(rows)
    return found


@pytest.mark.parametrize("day", DAYS, ids=str)
@pytest.mark.parametrize("code", SOURCE)
def test_drawn_attendances_of_tasy_are_read_as_the_facts_say(
    drawn: Tables, code: str, day: date
) -> None:
    wanted = expected(code, drawn, day)

    assert len(wanted) > 40  # else the draw proves nothing
    assert by_id(read(code, day)) == wanted


@pytest.mark.parametrize("day", DAYS, ids=str)
@pytest.mark.parametrize("source", SOURCES)
def test_the_demo_s_tasy_is_read_as_the_facts_say(source: str, day: date, serving: Serving) -> None:
    tables = erp_tables(source, days=[day])
    with serving(f"oracle_{source}", erp_schema(source), tables):
        for code in SOURCES[source]:
            assert by_id(read(code, day)) == expected(code, tables, day)


def test_palmas_and_santa_thereza_share_no_attendance(drawn: Tables) -> None:
    ids = [row["cd_atendimento"] for code in ("HPM", "HST") for row in read(code, DAYS[0])]

    assert sorted(ids) == sorted(set(ids))
