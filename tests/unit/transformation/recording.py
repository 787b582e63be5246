"""The recorded results of the rules: which rows, under which settings, and a digest of each result.

    python -m tests.unit.transformation.recording    writes recorded_results.json anew

That is right only where a change of the results is meant, and its commit says which. A change of
speed or of structure keeps every digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import oracledb

from demo.world import PASSWORD, ROOT, SERVICE, USER, erp_server
from stand_ins.erp_data import SOURCES, erp_sql
from stand_ins.oracle import OracleStandIn
from tests.unit.transformation.dirty_rows import dirty_rows
from tests.unit.transformation.one_row import evaluate, person_keys, usable_email, usable_mobile
from track_dispatch.config import Hospital, Identifier, working_hospitals
from track_dispatch.extraction.oracle import Erp
from track_dispatch.extraction.query import render
from track_dispatch.records import Area, Channel
from track_dispatch.transformation import Candidate, Evaluator, rank
from track_dispatch.transformation.identities import PersonCandidate, surplus, usable_cpf
from track_dispatch.transformation.names import clean, plain_name, read_names

if TYPE_CHECKING:
    from tests.unit.transformation.one_row import Proposal
    from track_dispatch.records import ErpRow

RECORDED = Path(__file__).with_name("recorded_results.json")
BLOCKS = range(50)
#: Not a divisor of a block's rows: the last chunk is a short one.
CHUNK_ROWS = 300
DAY = date(2026, 11, 20)
DEMO_DAYS = tuple(DAY + timedelta(days=n) for n in range(3))

#: What the rules read of a hospital: with other settings, other results are right.
SETTINGS = (
    *("client_id", "unidade", "channels", "surveys", "identifier", "first_business_day"),
    *("max_age_days", "min_age_years", "newborn_patterns", "death_patterns"),
    *("test_patterns", "staff_patterns"),
)
_SURVEYS = {area.key: UUID(int=number) for number, area in enumerate(Area, start=1)}
_PLAIN: dict[str, Any] = {
    "client_id": "40085",
    "unidade": "Meridional Serra",
    "channels": (Channel.EMAIL, Channel.WHATSAPP),
    "surveys": _SURVEYS,
    "identifier": Identifier.ATTENDANCE,
    "first_business_day": DAY,
    "max_age_days": 15,
    "min_age_years": 0,
    "newborn_patterns": (r"\brn\b", "^r n "),
    "death_patterns": (r"\bfeto\b",),
    "test_patterns": (r"\bteste\b", r"\bhomologa[cç][aã]o\b"),
    "staff_patterns": (),
}
_STAFF = (r"@funcionario\.example$", r"^recepcao")
_NOT_ONCOLOGY = {key: survey for key, survey in _SURVEYS.items() if key != Area.ONCOLOGIA.key}


class Setting(NamedTuple):
    """Under which settings rows are evaluated."""

    hospital: Hospital
    day: date = DAY
    age_days: int = 1
    include_old: bool = False

    def told(self) -> str:
        """Return all that the rules read of the setting, as text."""
        policies = {name: getattr(self.hospital, name) for name in SETTINGS}
        return _json([policies, self.day, self.age_days, self.include_old])


#: What each block of dirty rows is evaluated under, in turn: policies, and the rest of `Setting`.
VARIANTS: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({}, {}),
    (
        {
            "channels": (Channel.WHATSAPP, Channel.EMAIL),
            "identifier": Identifier.CPF,
            "min_age_years": 12,
            "unidade": None,
        },
        {},
    ),
    (
        {
            "channels": (Channel.EMAIL,),
            "identifier": Identifier.EMAIL,
            "staff_patterns": _STAFF,
            "surveys": _NOT_ONCOLOGY,
        },
        {},
    ),
    (
        {
            "channels": (Channel.WHATSAPP,),
            "identifier": Identifier.PHONE,
            "min_age_years": 18,
            "test_patterns": (),
            "staff_patterns": _STAFF,
        },
        {},
    ),
    ({"max_age_days": 0, "surveys": _NOT_ONCOLOGY}, {"age_days": 400}),
    ({"min_age_years": 12, "staff_patterns": _STAFF}, {}),
    ({"unidade": None, "test_patterns": ()}, {"age_days": 16, "include_old": True}),
    ({"client_id": "40094", "identifier": Identifier.CPF}, {"age_days": 15}),
)
#: Of the last blocks nobody may be asked.
_CLOSED: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {
    48: ({}, {"age_days": 16}),
    49: ({}, {"day": DAY - timedelta(days=1)}),
}


class RecordedRows(NamedTuple):
    """Rows, and under which settings they are evaluated."""

    name: str
    setting: Setting
    rows: list[ErpRow]


class RowResult(NamedTuple):
    """What the rules make of a row, in one form for any way of evaluating."""

    attendance_id: str
    area: Area | None
    channel: Channel | None
    reason: str | None
    line: Mapping[str, str] | None
    person_keys: frozenset[object]


def block_case(block: int) -> RecordedRows:
    """Return a block of dirty rows; every second variant's query gives `x_` columns."""
    policies, rest = _CLOSED.get(block) or VARIANTS[block % len(VARIANTS)]
    hospital = _hospitals()["HMS"].model_copy(update={**_PLAIN, **policies})
    rows = dirty_rows(block, extra_columns=bool(block % 2))
    return RecordedRows(f"block {block}", Setting(hospital, **rest), rows)


def demo_cases(source: str) -> Iterator[RecordedRows]:
    """Yield what the hospitals' own queries find in the made-up ERP of a source."""
    hospitals = [hospital for hospital in _hospitals().values() if hospital.source == source]
    script = erp_sql(source, days=DEMO_DAYS, seed=1)
    with erp_server(script) as erp:
        for hospital in hospitals:
            for day in DEMO_DAYS:
                yield RecordedRows(
                    f"{hospital.code} {day}", Setting(hospital, day), _extracted(erp, hospital, day)
                )


@cache
def _hospitals() -> dict[str, Hospital]:
    """Return the hospitals as the repository ships them, not as a test's own folder has them."""
    return {one.code: one for one in working_hospitals(ROOT / "include")}


def _extracted(erp: OracleStandIn, hospital: Hospital, day: date) -> list[ErpRow]:
    """Read a day as `extract` does; sorted, since the stand-in returns rows in any order."""
    with oracledb.connect(
        user=USER, password=PASSWORD, host="127.0.0.1", port=erp.port, service_name=SERVICE
    ) as connection:
        erp = Erp(connection, call_timeout_seconds=60)
        chunks = erp.read(
            render(hospital, ROOT / "include"), day=day, action=f"{hospital.code} {day}"
        )
        rows = (
            dict(zip(columns, texts, strict=True))
            for columns in chunks
            for texts in zip(*columns.values(), strict=True)
        )
        return sorted(rows, key=_json)


def row_by_row(
    rows: Sequence[ErpRow], setting: Setting, barred: Sequence[Container[Channel]] | None = None
) -> list[RowResult]:
    """Evaluate each row by itself."""
    return [
        _of_proposal(
            evaluate(
                row,
                setting.hospital,
                setting.day,
                evaluated_on=setting.day + timedelta(days=setting.age_days),
                include_old=setting.include_old,
                barred=channels,
            )
        )
        for row, channels in zip(rows, barred or [()] * len(rows), strict=True)
    ]


def _of_proposal(proposal: Proposal) -> RowResult:
    keys = person_keys(proposal.line).items() if proposal.line is not None else ()
    return RowResult(
        proposal.attendance_id,
        proposal.area,
        proposal.channel,
        proposal.reason,
        proposal.line,
        frozenset(keys),
    )


def by_column(
    rows: Sequence[ErpRow], setting: Setting, barred: Sequence[Container[Channel]] | None = None
) -> list[RowResult]:
    """Evaluate chunks of rows; those of barred patients a second time, as the ledger does."""
    evaluator = Evaluator(
        setting.hospital,
        setting.day,
        evaluated_on=setting.day + timedelta(days=setting.age_days),
        include_old=setting.include_old,
    )
    found = []
    for start in range(0, len(rows), CHUNK_ROWS):
        chunk = rows[start : start + CHUNK_ROWS]
        columns = {column: [row[column] for row in chunk] for column in chunk[0]}
        candidates = evaluator.evaluate(columns)
        its_barred = dict(enumerate(barred[start : start + CHUNK_ROWS])) if barred else {}
        for position, candidate in evaluator.evaluate_barred(columns, its_barred).items():
            candidates[position] = candidate
        found += map(_of_candidate, candidates)
    return found


def _of_candidate(candidate: Candidate) -> RowResult:
    line = json.loads(candidate.line) if candidate.line is not None else None
    return RowResult(
        candidate.attendance_id,
        candidate.area,
        candidate.channel,
        candidate.reason,
        line,
        frozenset(candidate.identities.persons),
    )


def standing(rows: Iterable[ErpRow]) -> list[ErpRow]:
    """Return of each attendance the row that stands for it."""
    best: dict[str, tuple[tuple[bool, int, int], int, ErpRow]] = {}
    for position, row in enumerate(rows):
        found = (rank(row), position, row)
        key = clean(row["cd_atendimento"])
        best[key] = min(found, best.get(key, found), key=lambda one: one[:2])
    return [row for _, _, row in best.values()]


def barred_channels(case: RecordedRows, number: int) -> list[frozenset[Channel]]:
    """Draw which channels each of a case's patients has opted out of; most have of some."""
    rng = Random(f"barred {case.name}")
    every = (frozenset(), *(frozenset({channel}) for channel in Channel), frozenset(Channel))
    return [rng.choice(every) for _ in range(number)]


def input_digest(case: RecordedRows) -> str:
    """Return the digest of what goes in: where it differs, the recording says nothing."""
    return _digest([case.setting.told(), *map(_json, case.rows)])


def result_digests(
    case: RecordedRows, evaluated: Callable[..., list[RowResult]] = by_column
) -> dict[str, str]:
    """Return the digests of what comes out.

    Of every cell that is more than cleaned, of every line, of every line where patients have opted
    out, and of the attendances whose person is asked about another one.
    """
    rows = standing(case.rows)
    results = evaluated(rows, case.setting)
    barred = evaluated(rows, case.setting, barred_channels(case, len(rows)))
    return {
        "cells": _digest(map(_cells, case.rows)),
        "lines": _digest(map(_told, results)),
        "barred": _digest(map(_told, barred)),
        "surplus": _digest(sorted(_surplus(results))),
    }


def _cells(row: ErpRow) -> str:
    readers = {"name": _tidy_name, "email": usable_email, "phone": usable_mobile, "cpf": usable_cpf}
    read = [reader(row[column]) for column, reader in readers.items()]
    return _json([*read, *map(clean, row.values()), plain_name(row["name"])])


def _tidy_name(text: str) -> str:
    [tidy], _ = read_names([clean(text)])
    return tidy


def _told(result: RowResult) -> str:
    state = "excluded" if result.reason else "ready"
    line = dict(result.line) if result.line is not None else None
    return _json([result.attendance_id, state, result.reason, result.area, result.channel, line])


def _surplus(results: Iterable[RowResult]) -> set[str]:
    return surplus(
        PersonCandidate(
            result.attendance_id, (result.area.priority,), frozenset(map(hash, result.person_keys))
        )
        for result in results
        if result.line is not None and result.area is not None
    )


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:24]


def main() -> None:
    """Write the recording anew."""
    cases = [case for source in SOURCES for case in demo_cases(source)]
    cases += map(block_case, BLOCKS)
    recorded = {case.name: {"input": input_digest(case), **result_digests(case)} for case in cases}
    RECORDED.write_text(json.dumps(recorded, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
