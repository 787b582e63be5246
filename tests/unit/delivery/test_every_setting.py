"""No setting's smallest, largest or missing value breaks a promise: a day is run under each.

The values come from the schema that editors use, so that a new setting is walked without a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from tests.proof.crash_hospital import CPF, Reading, Visit, dispatch_once, read_days
from tests.unit.delivery.delivery_rig import DAY, OPT_OUT, Rig, Time, on_one_database
from track_dispatch.config import Hospital, json_schema, load_hospital
from track_dispatch.config.policies import VolumeGate, policy_names
from track_dispatch.errors import TrackDispatchError
from track_dispatch.ledger.privacy import add_optouts
from track_dispatch.ledger.views import day_facts
from track_dispatch.records import HospitalDay

if TYPE_CHECKING:
    from stand_ins.track_api import TrackStandIn
    from track_dispatch.ledger.database import Ledger

FACTS = load_hospital("HMS").model_dump() | {
    "batch_size": 2,
    "contact_cap_days": 30,
    "import_fields": "all",
    "lease_margin_seconds": 60,
    "max_age_days": 15,
    "schedule": "0 9 * * *",
    "send_days": None,
    "send_window": "00:00-24:00",
    "volume_gate": "off",
}
NUMBERS = {"integer", "number"}
TWIN = "familia@exemplo.test"
TWINS = {"910000011", "910000012", "910000013"}
DEAD, OPTED_OUT, NOBODY = "910000021", "910000022", "910000023"
VISITS = (
    *(Visit(f"{910_000_001 + number}") for number in range(3)),
    Visit("910000011", fields=(("cpf", CPF), ("email", TWIN))),
    Visit("910000012", fields=(("cpf", CPF), ("email", TWIN))),
    Visit("910000013", area="INTERNACAO", fields=(("email", TWIN),)),
    Visit(DEAD, fields=(("x_obito", "S"),)),
    Visit(OPTED_OUT, fields=(("email", "nunca@exemplo.test"),)),
    Visit(NOBODY, fields=(("email", ""),)),
)


def schema_of(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json_schema()["properties"].get(name, {})
    return found


def edges(schema: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the smallest and largest values that a schema takes, those beyond them, and none."""
    yield None
    for one in schema.get("anyOf", [schema]):
        if one.get("type") in NUMBERS:
            low, high = one.get("minimum", -1), one.get("maximum", 10**12)
            yield from (low - 1, low, low + 1, high - 1, high, high + 1, 10**12, -(10**12))
        elif one.get("type") == "array":
            yield from ([], list(one["items"].get("enum", []))[:1])
        elif "enum" in one:
            yield from one["enum"]


def gate_edges() -> Iterator[tuple[str, Any]]:
    for name, schema in VolumeGate.model_json_schema()["properties"].items():
        for value in (*edges(schema), float("inf"), float("nan")):
            yield "volume_gate", {name: value}


SHARED = {
    name: schema
    for name, schema in Hospital.model_json_schema()["properties"].items()
    if name in policy_names()
}
CASES = [
    *((name, value) for name, schema in SHARED.items() for value in edges(schema)),
    *gate_edges(),
    *(("send_window", hours) for hours in ("00:00-00:01", "23:59-24:00", "09:00-09:01")),
    *(("test_patterns", [pattern]) for pattern in ("", ".", "(", "(a+)+$")),
]


def hospital_with(name: str, value: Any) -> Hospital | ValidationError:
    """Return HMS under a setting, or why it is refused."""
    try:
        return Hospital.model_validate(FACTS | {name: value})
    except ValidationError as error:
        return error


TAKEN = [case for case in CASES if isinstance(hospital_with(*case), Hospital)]


def test_what_is_refused_is_refused_by_name() -> None:
    refused = [case for case in CASES if case not in TAKEN]

    assert len(refused) > 60
    assert [case for case in refused if case[0] not in str(hospital_with(*case))] == []


def test_every_number_has_a_smallest_and_a_largest_value() -> None:
    """A number without one is an overflow, or a loop without end, in somebody's morning."""
    numbers = {
        **{name: one for name, one in SHARED.items() if one.get("type") in NUMBERS},
        **VolumeGate.model_json_schema()["properties"],
    }
    open_ended = [name for name, one in numbers.items() if not {"minimum", "maximum"} <= one.keys()]

    assert len(numbers) > 15
    assert open_ended == []


@on_one_database
@pytest.mark.parametrize(("name", "value"), TAKEN, ids=lambda one: str(one)[:40])
def test_the_promises_hold_under(ledger: Ledger, api: TrackStandIn, name: str, value: Any) -> None:
    hospital = hospital_with(name, value)
    assert isinstance(hospital, Hospital)
    policies = {policy: getattr(hospital, policy) for policy in policy_names()}
    reading = Reading("run-1", VISITS, policies)
    add_optouts(ledger, [(["email:nunca@exemplo.test"], None)], source="carta", decision=OPT_OUT)
    for _ in range(2):
        day_with(ledger, api, reading)

    with Rig(ledger, api, policies) as rig:
        accepted = api.accepted_ids()
        assert set(accepted.values()) <= {1}, "accepted twice"
        assert not {DEAD, OPTED_OUT, NOBODY} & set(accepted)
        fates = rig.fates()
    assert set(fates) == {visit.number for visit in VISITS}, "lost"
    assert all(fate == "accepted" for number, fate in fates.items() if number in accepted)
    left = {fate.split()[0] for number, fate in fates.items() if number not in accepted}
    assert left <= {"excluded", "ready", "held", "reopened"}
    assert all(" " in fate for fate in fates.values() if fate.startswith("excluded"))
    with ledger.reading() as connection:
        found = day_facts(connection, [HospitalDay("HMS", DAY)]).values()
    assert [one.equation is not None and one.equation.holds for one in found] == [True]
    assert len(TWINS & set(accepted)) <= 1, "two messages to one address on one day"
    assert api.violations == []


def day_with(ledger: Ledger, api: TrackStandIn, reading: Reading) -> None:
    """Read the day, judge it and dispatch; a task that fails has an error of ours."""
    with suppress(TrackDispatchError):
        read_days(ledger, reading)
        dispatch_once(ledger, api.url, dict(reading.policies), time=Time())
