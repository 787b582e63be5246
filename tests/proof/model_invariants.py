"""What must hold of the ledger after every step, whatever was done."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from track_dispatch.ledger.envelopes import address_of, envelope_of, open_envelope
from track_dispatch.ledger.in_doubt import in_doubt_batches
from track_dispatch.ledger.schema import PLACES
from track_dispatch.ledger.views import day_facts
from track_dispatch.records import HospitalDay, IdentityKind
from track_dispatch.states import WAITING, BatchState, LineState, Refusal

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from tests.proof.model_facts import Facts
    from tests.proof.model_readings import Readings
    from tests.proof.model_replay import Replay
    from track_dispatch.ledger.envelopes import SealedLine
    from track_dispatch.ledger.keys import KeyRing

_S = LineState
#: States of a line that have a reason; no other has one.
_REASONED = frozenset({_S.EXCLUDED, _S.REFUSED})
#: States that lines of a batch may be in, by the batch's: none of its lines may be in another one
#: of `sending` and `in_doubt`.
_UNSETTLED: Mapping[str, frozenset[LineState]] = {
    BatchState.SENDING: frozenset({_S.SENDING}),
    BatchState.SPLIT: frozenset({_S.SENDING}),
    BatchState.IN_DOUBT: frozenset({_S.IN_DOUBT}),
    BatchState.SETTLED: frozenset(),
    BatchState.NOT_DELIVERED: frozenset(),
}


def check_lines(facts: Facts, replay: Replay) -> None:
    """Find every line once, in the state and at the place that its events tell."""
    for line in facts.lines.values():
        state = LineState(line.state)
        assert (line.reason is not None) == (state in _REASONED), f"{state} for {line.reason}"
        if state is _S.REFUSED:
            assert line.reason in set(Refusal)
    told = {line.id: (line.address, line.state, line.batch) for line in replay.lines.values()}
    found = {line.id: (line.address, line.state, line.batch) for line in facts.lines.values()}
    wrong = {id_: (told.get(id_), found.get(id_)) for id_ in told.keys() | found.keys()
             if told.get(id_) != found.get(id_)}  # fmt: skip
    assert not wrong, f"the events tell otherwise: {wrong}"


def check_envelopes(facts: Facts) -> None:
    """Find each envelope's counts equal to what they count."""
    for id_, counts in facts.states_by_envelope().items():
        envelope = facts.envelopes[id_]
        waiting = sum(counts[state] for state in WAITING)
        assert (envelope.waiting, envelope.reopened) == (waiting, counts[_S.REOPENED])
        assert envelope.lines >= counts.total()
        assert envelope.lines <= PLACES


def check_payloads(facts: Facts, keys: KeyRing, readings: Readings) -> None:
    """Open every payload: it holds what waits in it, as it was read last, and nothing else."""
    held: dict[int, SealedLine] = {}
    for envelope in facts.envelopes.values():
        if envelope.payload is not None:
            for sealed in open_envelope(keys, envelope.id, envelope.payload):
                held[address_of(envelope.id, sealed.place)] = sealed
    waiting = {line.address: line for line in facts.in_state(*WAITING)}
    # what was held too long keeps its place in the queue, but not its data
    erased = {address for address, line in waiting.items() if _is_erased(facts, line)}
    assert held.keys() == waiting.keys() - erased, "payloads are not those of the lines that wait"
    for address, sealed in held.items():
        line = waiting[address]
        assert (sealed.line, sealed.attendance_id) == (line.id, line.attendance_id)
        found = readings.newest.get(line.attendance_id)
        assert found is not None, "what the newest reading lacks still waits"
        patient, fields = found.patient(line.attendance_id), sealed.fields.decode()
        assert patient.email in fields, "a payload is not of the newest reading"
        assert patient.phone in fields, "a payload is not of the newest reading"


def _is_erased(facts: Facts, line: Row[Any]) -> bool:
    """Tell whether a held line is of a reading that is too old to be sent, and erased for that."""
    envelope = facts.envelopes[envelope_of(line.address)]
    return line.state == _S.HELD and envelope.payload is None and facts.is_old(envelope)


def check_identities(
    facts: Facts, keys: KeyRing, readings: Readings, invited: Collection[int]
) -> None:
    """Find whoever waits under what identifies her, by kind, and under one of the keys at least.

    Lines that were `invited` before keep what their patient was invited as.
    """
    rows: defaultdict[int, defaultdict[str, set[tuple[str, int]]]] = defaultdict(_by_key)
    for row in facts.identities:
        rows[row.line][row.key].add((row.kind, row.hash))
    ours = {key.id for key in keys.identity_secrets}
    for line in facts.in_state(*WAITING):
        found = readings.newest[line.attendance_id]
        assert found is not None
        patient, by_key = found.patient(line.attendance_id), rows[line.id]
        contact = patient.contact_by(facts.unit_at(line.address).channel)
        kinds = {
            IdentityKind.PERSON: patient.persons,
            IdentityKind.CONTACT: {contact},
            IdentityKind.OTHER: patient.contacts - {contact},
        }
        expected: defaultdict[str, set[tuple[str, int]]] = defaultdict(set)
        for kind, values in kinds.items():
            for value in values:
                for one in keys.identity_hashes(value):
                    expected[one.key].add((kind, one.hash))
        assert by_key.keys() & ours, "whoever waits has no hash under any key"
        for key in by_key.keys() & ours:
            known = by_key[key]
            assert expected[key] <= known, "an identity is missing, or counts for another thing"
            may_keep = line.batch is not None or line.id in invited
            assert may_keep or expected[key] == known, "a corrected identity is kept"


def _by_key() -> defaultdict[str, set[tuple[str, int]]]:
    return defaultdict(set)


def check_staged(facts: Facts) -> None:
    """Find no rows of an extraction that is done."""
    done = {row.id for row in facts.extractions if row.applied_at or row.superseded_at}
    assert done.isdisjoint(facts.staged), "an extraction that is done keeps rows"


def check_batches(facts: Facts, connection: Connection) -> None:
    """Find every batch where its lines are, and every line in doubt where a person finds it."""
    states: defaultdict[str, set[LineState]] = defaultdict(set)
    for line in facts.in_state(_S.SENDING, _S.IN_DOUBT):
        states[line.batch].add(LineState(line.state))
    assert states.keys() <= facts.batches.keys()
    for batch in facts.batches.values():
        found = states[batch.id]
        assert found <= _UNSETTLED[batch.state], f"a batch is {batch.state}, lines are {found}"
        if batch.state in {BatchState.SENDING, BatchState.IN_DOUBT}:
            assert found, f"a batch is {batch.state} without a line"
        if _S.SENDING in found:
            assert batch.lease_until is not None, "lines on their way without a lease"
    surveys = Counter(
        batch.survey for batch in facts.batches.values() if batch.state == BatchState.SENDING
    )
    assert all(count == 1 for count in surveys.values()), "two batches of a survey in flight"
    listed = sum(doubt.lines for doubt in in_doubt_batches(connection))
    assert listed == len(facts.in_state(_S.IN_DOUBT)), "lost: nobody can decide about a doubt"


def check_extractions(
    facts: Facts, readings: Readings, deleted: frozenset[str], connection: Connection
) -> None:
    """Find a line for every attendance that was applied, and each day's sum equal to its parts."""
    known = {line.attendance_id for line in facts.lines.values()} | deleted
    newest: dict[HospitalDay, Row[Any]] = {}
    for row in sorted(facts.extractions, key=lambda row: str(row.started_at)):
        if row.applied_at is not None:
            newest[HospitalDay(row.hospital, row.business_day)] = row
    lines = Counter(facts.day_at(line.address) for line in facts.lines.values())
    for day, row in newest.items():
        reading = readings.of(row)
        assert reading.found.keys() <= known, "lost: an attendance was read and has no line"
        assert (row.rows, row.attendances) == (reading.rows, len(reading.found)), day
        assert row.rows == row.rows_merged + row.attendances, day
        brought = row.attendances - row.other_day - row.other_hospital
        assert lines[day] == brought + row.absent, f"{day}: the equation does not hold"
    for day, told in day_facts(connection, list(newest)).items():
        assert told.equation is not None
        assert told.equation.holds, f"{day}: the ledger says its equation does not hold"
