from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from tests.unit.transformation.one_row import Proposal, evaluate
from track_dispatch.config import Hospital, Identifier, load_hospital
from track_dispatch.errors import ConfigError
from track_dispatch.records import Area, Channel
from track_dispatch.states import LineState, Reason

if TYPE_CHECKING:
    from track_dispatch.records import ErpRow

DAY = date(2026, 3, 12)
NO_CONTACT = {"email": "NAO TEM", "phone": "55"}


@pytest.fixture
def hospital() -> Hospital:
    return load_hospital("HMS").model_copy(
        update={
            "client_id": "40085",
            "unidade": "Meridional Serra",
            "channels": (Channel.EMAIL, Channel.WHATSAPP),
            "surveys": {"internacao": UUID(int=1)},
            "identifier": Identifier.ATTENDANCE,
            "first_business_day": DAY,
            "max_age_days": 15,
        }
    )


def _evaluate(row: ErpRow, hospital: Hospital, *, day: date = DAY, age: int = 1) -> Proposal:
    return evaluate(row, hospital, day, evaluated_on=day + timedelta(days=age))


def test_a_patient_who_may_be_asked_becomes_a_ready_line(row: ErpRow, hospital: Hospital) -> None:
    proposal = _evaluate(row, hospital)

    assert (proposal.state, proposal.area, proposal.reason) == (
        LineState.READY,
        Area.INTERNACAO,
        None,
    )
    assert proposal.attendance_id == "900000001"


def test_the_line_carries_both_contacts_and_the_hospitals_labels(
    row: ErpRow, hospital: Hospital
) -> None:
    line = _evaluate(row, hospital).line or {}

    assert {key: line[key] for key in ("email", "phone", "unidade", "ID_Cliente_Hfocus")} == {
        "email": "maria.silva@example.com",
        "phone": "5527998761234",
        "unidade": "Meridional Serra",
        "ID_Cliente_Hfocus": "40085",
    }


@pytest.mark.parametrize(
    ("channels", "missing", "expected"),
    [
        ("email whatsapp", "", Channel.EMAIL),
        ("whatsapp email", "", Channel.WHATSAPP),
        ("email whatsapp", "email", Channel.WHATSAPP),
        ("whatsapp email", "phone", Channel.EMAIL),
        ("email", "email", None),
        ("whatsapp", "phone", None),
    ],
)
def test_the_hospitals_first_channel_that_the_patient_has_is_taken(
    row: ErpRow, hospital: Hospital, channels: str, missing: str, expected: Channel | None
) -> None:
    hospital = hospital.model_copy(
        update={"channels": tuple(Channel(name) for name in channels.split())}
    )
    proposal = _evaluate(row | ({missing: ""} if missing else {}), hospital)

    assert proposal.channel == expected
    assert proposal.reason == (None if expected else Reason.NO_CONTACT)


def test_no_usable_contact_is_no_contact(row: ErpRow, hospital: Hospital) -> None:
    assert _evaluate(row | NO_CONTACT, hospital).reason == Reason.NO_CONTACT


def test_an_area_without_survey_is_no_survey(row: ErpRow, hospital: Hospital) -> None:
    proposal = _evaluate(row | {"area_pesquisa": "ONCOLOGIA"}, hospital)

    assert (proposal.area, proposal.reason) == (Area.ONCOLOGIA, Reason.NO_SURVEY)


def test_a_label_outside_the_six_is_an_unknown_area(row: ErpRow, hospital: Hospital) -> None:
    proposal = _evaluate(row | {"area_pesquisa": "HOSPITAL DIA"}, hospital)

    assert (proposal.area, proposal.reason) == (None, Reason.UNKNOWN_AREA)


def test_a_day_before_the_first_business_day_is_before_go_live(
    row: ErpRow, hospital: Hospital
) -> None:
    proposal = _evaluate(row, hospital, day=DAY - timedelta(days=1))

    assert proposal.reason == Reason.BEFORE_GO_LIVE


@pytest.mark.parametrize(
    ("age", "limit", "reason"),
    [(15, 15, None), (16, 15, Reason.TOO_OLD), (4000, 0, None), (-1, 15, None)],
)
def test_a_day_older_than_the_limit_is_too_old(
    row: ErpRow, hospital: Hospital, age: int, limit: int, reason: Reason | None
) -> None:
    hospital = hospital.model_copy(update={"max_age_days": limit})

    assert _evaluate(row, hospital, age=age).reason == reason


@pytest.mark.parametrize(
    ("identifier", "column"),
    [
        (Identifier.CPF, "cpf"),
        (Identifier.EMAIL, "email"),
        (Identifier.PHONE, "phone"),
        (Identifier.ATTENDANCE, "cd_atendimento"),
    ],
)
def test_a_line_without_the_configured_identifier_is_excluded(
    row: ErpRow, hospital: Hospital, identifier: Identifier, column: str
) -> None:
    hospital = hospital.model_copy(update={"identifier": identifier})

    assert _evaluate(row | {column: ""}, hospital).reason == Reason.NO_IDENTIFIER


def test_a_line_without_another_identifier_is_asked(row: ErpRow, hospital: Hospital) -> None:
    assert _evaluate(row | {"cpf": "", "email": ""}, hospital).reason is None


def test_a_row_without_attendance_id_is_never_asked(row: ErpRow, hospital: Hospital) -> None:
    hospital = hospital.model_copy(update={"identifier": Identifier.CPF})

    assert _evaluate(row | {"cd_atendimento": " "}, hospital).reason == Reason.NO_IDENTIFIER


#: What makes each reason hold, in the order in which they count.
_CAUSES: list[tuple[Reason, dict[str, Any]]] = [
    (Reason.BEFORE_GO_LIVE, {"first_business_day": DAY + timedelta(days=1)}),
    (Reason.UNKNOWN_AREA, {"area_pesquisa": "UTI"}),
    (Reason.TOO_OLD, {"max_age_days": 1}),
    (Reason.NO_SURVEY, {"surveys": {}}),
    (Reason.NO_CONTACT, NO_CONTACT),
    (Reason.NO_IDENTIFIER, {"cpf": ""}),
]


@pytest.mark.parametrize("first", range(len(_CAUSES)))
def test_of_several_reasons_the_first_in_the_order_counts(
    row: ErpRow, hospital: Hospital, first: int
) -> None:
    causes = {key: value for _, cause in _CAUSES[first:] for key, value in cause.items()}
    policies = {key: value for key, value in causes.items() if key not in row}
    dirty = row | {key: value for key, value in causes.items() if key in row}
    hospital = hospital.model_copy(update={"identifier": Identifier.CPF, **policies})

    assert _evaluate(dirty, hospital, age=2).reason == _CAUSES[first][0]


def test_an_exclusion_keeps_no_line(row: ErpRow, hospital: Hospital) -> None:
    proposal = _evaluate(row | NO_CONTACT, hospital)

    assert (proposal.state, proposal.channel, proposal.line) == (LineState.EXCLUDED, None, None)


def test_a_proposal_shows_nobody(row: ErpRow, hospital: Hospital) -> None:
    shown = repr(_evaluate(row, hospital)).lower()

    assert not [value for value in ("900000001", "silva", "998761234", "52998") if value in shown]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"name": "RN DE MARIA DA SILVA"}, Reason.NEWBORN),
        ({"name": " rn de maria"}, Reason.NEWBORN),
        ({"name": "RNALDO DA SILVA"}, None),
        ({"x_obito": "S"}, Reason.DEATH),
        ({"x_obito": "N"}, None),
        ({"x_idade": "11"}, Reason.UNDER_AGE),
        ({"x_idade": "12"}, None),
        ({"x_idade": ""}, None),  # an unknown age passes
        ({"name": "PACIENTE TESTE"}, Reason.TEST_RECORD),
        ({"name": "TESTEMUNHA DE JEOVA"}, None),
        ({"email": "teste@example.com"}, Reason.TEST_RECORD),
        ({"email": "ana@hospital.example"}, Reason.STAFF),
        ({"name": "RN DE TESTE", "x_obito": "S"}, Reason.DEATH),
        (NO_CONTACT | {"name": "RN DE MARIA"}, Reason.NEWBORN),
        ({"area_pesquisa": "ONCOLOGIA", "x_obito": "S"}, Reason.NO_SURVEY),
    ],
)
def test_a_record_that_is_no_patient_to_ask_says_why(
    row: ErpRow, hospital: Hospital, changed: dict[str, str], reason: Reason | None
) -> None:
    hospital = hospital.model_copy(
        update={
            "min_age_years": 12,
            "test_patterns": (r"\bteste\b",),
            "staff_patterns": (r"@hospital\.example$",),
        }
    )

    assert _evaluate(row | {"x_idade": ""} | changed, hospital).reason == reason


def test_a_minimum_that_the_query_cannot_tell_is_refused(row: ErpRow, hospital: Hospital) -> None:
    hospital = hospital.model_copy(update={"min_age_years": 12})

    with pytest.raises(ConfigError, match="returns no x_idade"):
        _evaluate(row, hospital)


def test_without_a_minimum_nobody_is_under_age(row: ErpRow, hospital: Hospital) -> None:
    hospital = hospital.model_copy(update={"min_age_years": 0, "test_patterns": ()})

    assert _evaluate(row | {"x_idade": "0", "name": "PACIENTE TESTE"}, hospital).reason is None


def test_what_decides_never_leaves_the_house(row: ErpRow, hospital: Hospital) -> None:
    line = _evaluate(row | {"x_idade": "70", "x_obito": "N"}, hospital).line or {}

    assert not {key for key in line if key.startswith("x_")}


@pytest.mark.parametrize(
    ("barred", "channel", "reason"),
    [
        ({Channel.EMAIL}, Channel.WHATSAPP, None),
        ({Channel.WHATSAPP}, Channel.EMAIL, None),
        (set(Channel), None, Reason.OPT_OUT),
    ],
)
def test_who_opted_out_of_a_channel_is_asked_over_the_next_or_not_at_all(
    row: ErpRow,
    hospital: Hospital,
    barred: set[Channel],
    channel: Channel | None,
    reason: Reason | None,
) -> None:
    proposal = evaluate(row, hospital, DAY, evaluated_on=DAY, barred=barred)

    assert (proposal.channel, proposal.reason) == (channel, reason)


def test_without_any_contact_it_is_no_contact_whoever_opted_out(
    row: ErpRow, hospital: Hospital
) -> None:
    proposal = evaluate(row | NO_CONTACT, hospital, DAY, evaluated_on=DAY, barred=set(Channel))

    assert proposal.reason == Reason.NO_CONTACT


def test_a_person_may_want_the_old_ones_but_never_those_before_go_live(
    row: ErpRow, hospital: Hospital
) -> None:
    old, before = DAY, DAY - timedelta(days=1)
    later = DAY + timedelta(days=99)

    found = [
        evaluate(row, hospital, day, evaluated_on=later, include_old=True).reason
        for day in (old, before)
    ]

    assert found == [None, Reason.BEFORE_GO_LIVE]
