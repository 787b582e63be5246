"""What is held about a person is told from every table of the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from tests.unit.ledger.put_steps import DAY, HMS_DAY, RUN, TODAY, Patient, patient
from track_dispatch.ledger import schema
from track_dispatch.ledger.decisions import Decision, decide_batch
from track_dispatch.ledger.extractions import stage_extraction
from track_dispatch.ledger.privacy import WITHOUT_A_PERSON, HeldData, add_optouts, held_about
from track_dispatch.records import HospitalDay, IdentityKind
from track_dispatch.states import Verb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.unit.ledger.steps import Steps
    from track_dispatch.ledger.database import Ledger

OPT_OUT = Decision(Verb.OPT_OUT, "ana", "pedido da pessoa")
OTOA_DAY = HospitalDay("OTOA", DAY)
#: Patient 1's values, as the rig makes them up.
CPF, EMAIL, PHONE = "cpf:00000000001", "email:p1@example.test", "phone:5527900000001"

#: The columns of the tables that lead to nobody. A new one is looked at by whoever adds it: does it
#: tell of a patient? Then the table belongs into `held_about`.
COLUMNS_WITHOUT_A_PERSON = {
    "ledger": "created_at ledger_id next_envelope system_identifier tidied_at timeline",
    "identity_keys": "fingerprint first_used_at id",
    "extractions": "absent applied_at attendances business_day column_counts completed_at"
    " erp_warning hospital id include_digest lacking other_day other_hospital package_version rows"
    " rows_merged run_id source started_at superseded_at try_number volume",
    "units": "area business_day channel failed_series hospital id",
    "requests": "slot taken",
    "approvals": "answer answered_at asked_at business_day decided_by hospital id lines"
    " open_until run_id"
    " usual volume",
    "horizons": "first_known_day hospital",
    "stops": "actor decision hospital id resumed_at run_id status stopped_at try_number why",
    "refused_log_ons": "conn_id digest refused_at",
    "forgotten": "hash key line source",
}


def rows_about(columns: Mapping[str, Sequence[str]]) -> int:
    """Count patient 1's rows."""
    return columns["email"].count("p1@example.test")


def held(ledger: Ledger, *values: str) -> HeldData:
    with ledger.reading() as connection:
        return held_about(connection, ledger.keys, values, rows_about=rows_about)


def fill(steps: Steps) -> None:
    """Put patient 1, and patient 2, into every table there is something of a person in."""
    steps.put_lines(2)
    undecided = steps.put_batch(1, first=11, patients=[patient(1)])
    decide_batch(
        steps.ledger, str(undecided.batch), Decision(Verb.SETTLE_SENT, "ana", "x"), today=TODAY
    )
    steps.put_batch(1, first=12, patients=[patient(2)])
    steps.put_question(1)
    for number in (1, 2):
        add_optouts(
            steps.ledger, [([f"cpf:{number:011}"], None)], source="balcão", decision=OPT_OUT
        )
    columns = {"cd_atendimento": ["7", "8"], "email": ["p1@example.test", "p2@example.test"]}
    stage_extraction(steps.ledger, [columns, columns], source="hms", day=HMS_DAY, actor=RUN)


def test_every_table_leads_to_a_person_or_says_why_none_can(ledger: Ledger) -> None:
    told = set(held(ledger, CPF).rows)

    assert told | set(WITHOUT_A_PERSON) == set(schema.metadata.tables)
    assert told & set(WITHOUT_A_PERSON) == set()


def test_no_column_that_may_tell_of_a_person_joins_the_other_tables() -> None:
    columns = {
        name: " ".join(sorted(schema.metadata.tables[name].columns.keys()))
        for name in WITHOUT_A_PERSON
    }

    assert columns == COLUMNS_WITHOUT_A_PERSON


@pytest.mark.parametrize("value", [CPF, EMAIL, PHONE])
def test_what_every_table_holds_is_counted_by_any_value(steps: Steps, value: str) -> None:
    fill(steps)

    rows = held(steps.ledger, value).rows

    assert rows == {
        "lines": 2,
        "identities": 6,
        "envelopes": 1,
        "events": 3,
        "batches": 1,
        "decisions": 1 + (value == CPF),
        "optouts": int(value == CPF),
        "staged": 2,
    }
    with steps.ledger.reading() as connection:  # and each of them holds something of others, too
        for name in rows:
            total = select(func.count()).select_from(schema.metadata.tables[name])
            assert (connection.scalar(total) or 0) >= rows[name] > 0 or name == "optouts"


def test_of_a_stranger_nothing_is_told(steps: Steps) -> None:
    fill(steps)

    found = held(steps.ledger, "email:nobody@example.test", "cpf:11144477735")

    assert (found.attendances, found.optouts, found.further) == ((), (), 0)
    assert {name: rows for name, rows in found.rows.items() if rows} == {"staged": 2}


def test_an_attendance_is_told_with_its_life(steps: Steps) -> None:
    steps.put_lines(2)
    steps.put_lines(1, "accepted", day=OTOA_DAY)

    found = held(steps.ledger, EMAIL)

    assert [
        (one.history.hospital, one.history.attendance_id, one.history.state, one.payload)
        for one in found.attendances
    ] == [("HMS", "900000001", "ready", True), ("OTOA", "900000001", "accepted", False)]
    assert [one.found_by for one in found.attendances] == [("contact",), ("contact",)]
    assert [step.state for step in found.attendances[0].history.steps] == ["ready"]


def test_a_payload_that_was_dropped_is_not_told(steps: Steps) -> None:
    steps.put_lines(1, "reopened")

    assert not held(steps.ledger, CPF).attendances[0].payload


def test_what_is_the_same_persons_under_other_contacts_is_counted(steps: Steps) -> None:
    """A family's phone leads to all who share it, but to no visit that does not hold it."""
    elsewhere: Patient = {
        IdentityKind.PERSON: (CPF,), IdentityKind.CONTACT: ("email:other@example.test",)
    }  # fmt: skip
    steps.put_lines(1)
    steps.put_lines(1, first=5, patients=[elsewhere])

    assert (len(held(steps.ledger, EMAIL).attendances), held(steps.ledger, EMAIL).further) == (1, 1)
    assert (len(held(steps.ledger, CPF).attendances), held(steps.ledger, CPF).further) == (2, 0)
