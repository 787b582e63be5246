"""A chunk of rows evaluated at once: candidates, their lines and what identifies their patients."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.transformation.dirty_rows import dirty_rows
from tests.unit.transformation.one_row import person_keys
from track_dispatch.config import Hospital, Identifier, load_hospital
from track_dispatch.errors import ConfigError
from track_dispatch.records import COLUMNS, UNREADABLE_COLUMN, Area, Channel
from track_dispatch.states import Reason
from track_dispatch.transformation import Candidate, Evaluator, Identities
from track_dispatch.transformation.rules import RULES

if TYPE_CHECKING:
    from track_dispatch.records import ErpRow

DAY = date(2026, 3, 12)
CPF, EMAIL, PHONE = "52998224725", "maria.silva@example.com", "5527998761234"
PLAIN = "maria da silva"


@pytest.fixture(scope="module")
def hospital() -> Hospital:
    return load_hospital("HMS").model_copy(
        update={
            "client_id": "40085",
            "unidade": "Meridional Serra",
            "channels": (Channel.EMAIL, Channel.WHATSAPP),
            "surveys": {area.key: UUID(int=1) for area in Area if area != Area.ONCOLOGIA},
            "identifier": Identifier.ATTENDANCE,
            "first_business_day": DAY,
            "max_age_days": 15,
            "min_age_years": 0,
            "test_patterns": (r"\bteste\b",),
            "staff_patterns": (),
        }
    )


def columns_of(*rows: ErpRow) -> dict[str, list[str]]:
    return {column: [row[column] for row in rows] for column in rows[0]}


def evaluated(hospital: Hospital, *rows: ErpRow, age: int = 1, **options: Any) -> list[Candidate]:
    evaluator = Evaluator(hospital, DAY, evaluated_on=DAY + timedelta(days=age))
    return evaluator.evaluate(columns_of(*rows), **options)


def test_every_row_of_a_chunk_gets_its_candidate_in_the_rows_order(
    row: ErpRow, hospital: Hospital
) -> None:
    changes: list[tuple[dict[str, str], Reason | None]] = [
        ({}, None),
        ({"name": "RN DE MARIA"}, Reason.NEWBORN),
        ({"email": "NAO TEM", "phone": ""}, Reason.NO_CONTACT),
        ({"name": "Ana"}, None),
        ({"area_pesquisa": "UTI"}, Reason.UNKNOWN_AREA),
    ]
    rows = [
        row | changed | {"cd_atendimento": f"90000000{number}\t"}
        for number, (changed, _) in enumerate(changes)
    ]

    found = evaluated(hospital, *rows)

    assert [one.reason for one in found] == [reason for _, reason in changes]
    assert [one.attendance_id for one in found] == [f"90000000{n}" for n in range(len(rows))]


def test_a_chunk_without_rows_gives_none(hospital: Hospital) -> None:
    evaluator = Evaluator(hospital, DAY, evaluated_on=DAY)

    assert evaluator.evaluate({column: [] for column in COLUMNS}) == []


#: What makes each reason hold, in the order in which they count.
_CAUSES: list[tuple[Reason, dict[str, Any]]] = [
    (Reason.BEFORE_GO_LIVE, {"first_business_day": DAY + timedelta(days=1)}),
    (Reason.UNREADABLE, {UNREADABLE_COLUMN: "setor,name"}),
    (Reason.UNKNOWN_AREA, {"area_pesquisa": "UTI"}),
    (Reason.TOO_OLD, {"max_age_days": 1}),
    (Reason.NO_SURVEY, {"surveys": {}}),
    (Reason.DEATH, {"x_obito": "S"}),
    (Reason.NEWBORN, {"name": "RN DE MARIA"}),
    (Reason.UNDER_AGE, {"min_age_years": 12, "x_idade": "3"}),
    (Reason.TEST_RECORD, {"test_patterns": ("maria",)}),
    (Reason.STAFF, {"staff_patterns": ("maria",)}),
    (Reason.NO_CONTACT, {"email": "NAO TEM", "phone": "55"}),
    (Reason.OPT_OUT, {"barred": {0: frozenset(Channel)}}),
    (Reason.NO_IDENTIFIER, {"cd_atendimento": " "}),
]


def test_the_causes_below_are_those_of_all_rules_in_their_order() -> None:
    assert [reason for reason, _ in RULES] == [reason for reason, _ in _CAUSES]


@pytest.mark.parametrize("first", range(len(_CAUSES)))
def test_of_several_reasons_the_first_in_the_order_counts(
    row: ErpRow, hospital: Hospital, first: int
) -> None:
    causes = {key: value for _, cause in _CAUSES[first:] for key, value in cause.items()}
    barred = causes.pop("barred", None)
    row = row | {"x_obito": "N", "x_idade": "44", UNREADABLE_COLUMN: "setor"}
    policies = {key: value for key, value in causes.items() if key not in row}
    dirty = row | {key: value for key, value in causes.items() if key in row}

    [found] = evaluated(hospital.model_copy(update=policies), dirty, age=2, barred=barred)

    assert found.reason == _CAUSES[first][0]


def test_an_exclusion_carries_nothing_of_the_patient_but_the_attendance(
    row: ErpRow, hospital: Hospital
) -> None:
    asked, out = evaluated(hospital, row, row | {"name": "PACIENTE TESTE"})

    assert asked.line is not None
    assert out == ("900000001", Area.INTERNACAO, None, Reason.TEST_RECORD, None, Identities())


@given(
    st.fixed_dictionaries({column: st.text() for column in COLUMNS}),
    st.sampled_from(["Meridional Serra", 'Santa "Ana" \\ Lúcia', None]),
)
def test_a_line_is_compact_json_in_the_columns_order(
    hospital: Hospital, strange: ErpRow, unidade: str | None
) -> None:
    contact = {"cd_atendimento": "1", "email": EMAIL, "area_pesquisa": "EXAMES"}
    hospital = hospital.model_copy(update={"unidade": unidade, "test_patterns": ()})

    [found] = evaluated(hospital, strange | contact)

    if found.line is not None:
        line = json.loads(found.line)
        told = json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode()
        assert (tuple(line), told) == (COLUMNS, found.line)


def name_with(contact: str) -> str:
    return f"name:{contact}\x1f{PLAIN}"


@pytest.mark.parametrize(
    ("channels", "changed", "persons", "contact", "others"),
    [
        (
            *("email whatsapp", {}, [f"cpf:{CPF}", name_with(EMAIL), name_with(PHONE)]),
            *(f"email:{EMAIL}", [f"phone:{PHONE}"]),
        ),
        (
            *("whatsapp email", {}, [f"cpf:{CPF}", name_with(EMAIL), name_with(PHONE)]),
            *(f"phone:{PHONE}", [f"email:{EMAIL}"]),
        ),
        (  # the other contact opts out, too, where nobody would be reached over it
            *("email", {"cpf": ""}, [name_with(EMAIL), name_with(PHONE)]),
            *(f"email:{EMAIL}", [f"phone:{PHONE}"]),
        ),
        (
            *("email whatsapp", {"email": "-"}, [f"cpf:{CPF}", name_with(PHONE)]),
            *(f"phone:{PHONE}", []),
        ),
        ("email whatsapp", {"name": "--"}, [f"cpf:{CPF}"], f"email:{EMAIL}", [f"phone:{PHONE}"]),
        (  # what else stands in the cells is no part of the line, but tells the person all the same
            "email whatsapp",
            {
                "email": f"{EMAIL}; ana@example.com",
                "phone": f"{PHONE} / 27 98888-4321",
            },
            [
                f"cpf:{CPF}",
                *map(name_with, (EMAIL, "ana@example.com", PHONE, "5527988884321")),
            ],
            f"email:{EMAIL}",
            ["email:ana@example.com", f"phone:{PHONE}", "phone:5527988884321"],
        ),
    ],
)
def test_a_patient_is_identified_as_a_person_by_the_contact_and_by_what_else_the_row_has(
    row: ErpRow,
    hospital: Hospital,
    channels: str,
    changed: dict[str, str],
    persons: list[str],
    contact: str,
    others: list[str],
) -> None:
    hospital = hospital.model_copy(
        update={"channels": tuple(Channel(name) for name in channels.split())}
    )

    [found] = evaluated(hospital, row | changed)

    assert found.identities == (tuple(persons), (contact,), tuple(others))


@pytest.mark.parametrize("block", [0, 1, 3])
def test_persons_are_known_by_all_that_import_lines_tell_of_them_each_value_once(
    hospital: Hospital, block: int
) -> None:
    rows = dirty_rows(block, extra_columns=False)
    asked = [one for one in evaluated(hospital, *rows) if one.line is not None]

    for one in asked:
        line = json.loads(one.line or b"")
        keys = person_keys(line)
        told = {f"cpf:{keys['person_cpf']}"} if "person_cpf" in keys else set()
        for contact in ("email", "phone"):
            if key := keys.get(f"person_{contact}"):
                told.add("name:" + key.replace(" ", "\x1f", 1))

        assert set(one.identities.persons) >= told
        values = list(chain.from_iterable(one.identities))
        assert len(set(values)) == len(values)
    assert len(asked) > 300


def test_a_candidate_shows_nobody(row: ErpRow, hospital: Hospital) -> None:
    [found] = evaluated(hospital, row)
    shown = f"{found!r} {found} {[found]}".lower()

    assert not [value for value in ("900000001", "silva", "998761234", "52998") if value in shown]


@pytest.mark.parametrize(
    ("barred", "channel", "reason", "contact"),
    [
        ({Channel.EMAIL}, Channel.WHATSAPP, None, [f"phone:{PHONE}"]),
        ({Channel.WHATSAPP}, Channel.EMAIL, None, [f"email:{EMAIL}"]),
        (set(), Channel.EMAIL, None, [f"email:{EMAIL}"]),
        (set(Channel), None, Reason.OPT_OUT, []),
    ],
)
def test_a_barred_patient_is_evaluated_again_for_the_next_channel(
    row: ErpRow,
    hospital: Hospital,
    barred: set[Channel],
    channel: Channel | None,
    reason: Reason | None,
    contact: list[str],
) -> None:
    rows = [row | {"cd_atendimento": str(number)} for number in range(5)]
    evaluator = Evaluator(hospital, DAY, evaluated_on=DAY)

    again = evaluator.evaluate_barred(columns_of(*rows), {3: barred, 1: barred})

    assert {position: one.attendance_id for position, one in again.items()} == {3: "3", 1: "1"}
    for one in again.values():
        assert (one.channel, one.reason) == (channel, reason)
        assert list(one.identities.contacts) == contact


def test_who_is_barred_changes_nobody_else(row: ErpRow, hospital: Hospital) -> None:
    rows: Sequence[ErpRow] = [row | {"cd_atendimento": str(number)} for number in range(4)]

    before = evaluated(hospital, *rows)
    after = evaluated(hospital, *rows, barred={2: {Channel.EMAIL}})

    assert [old == new for old, new in zip(before, after, strict=True)] == [True, True, False, True]


def test_a_missing_column_of_a_rule_is_named_only_where_the_rule_is_asked(
    row: ErpRow, hospital: Hospital
) -> None:
    hospital = hospital.model_copy(update={"min_age_years": 12})

    with pytest.raises(ConfigError, match="returns no x_idade"):
        evaluated(hospital, row)
    assert evaluated(hospital, row | {"area_pesquisa": "ONCOLOGIA"})[0].reason == Reason.NO_SURVEY
