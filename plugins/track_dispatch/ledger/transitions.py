"""Every way a line may move, once, as data, and the only code that moves one.

A transition is one UPDATE whose WHERE names the states that it may leave, with its events and what
it means for the payloads in the same transaction. The model test walks `RULES`; the page
`docs/state-machine.md` is drawn from it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, insert, literal_column, update

from track_dispatch.ledger import schema
from track_dispatch.ledger.envelopes import (
    address_of,
    by_envelope,
    envelope_of,
    format_places,
    reseal,
)
from track_dispatch.ledger.keys import KeyRing
from track_dispatch.ledger.sql import among, moment_in
from track_dispatch.records import Actor
from track_dispatch.states import WAITING, Labelled, LineState

_S = LineState


class Transition(Labelled):
    """The name of a transition, as events record it, and what an analyst reads for it."""

    FOUND = "found", "encontrado no ERP"
    REEVALUATED = "reevaluated", "relido e julgado de novo"
    CORRECTED = "corrected", "corrigido no ERP"
    GONE = "gone", "não está mais no ERP"
    MOVED = "moved", "passou para outro dia"
    APPROVED = "approved", "volume aprovado por uma pessoa"
    EXCLUDED_AT_CLAIM = "excluded_at_claim", "excluído na hora do envio"
    EXPIRED = "expired", "o prazo de perguntar acabou"
    OUTDATED = "outdated", "leitura antiga demais para sair"
    CLAIMED = "claimed", "separado para envio"
    SPLIT = "split", "lote dividido"
    ANSWERED = "answered", "o Track respondeu"
    MARKED_IN_DOUBT = "marked_in_doubt", "a resposta do Track se perdeu"
    LEASE_EXPIRED = "lease_expired", "o envio foi interrompido"
    ANSWERED_LATE = "answered_late", "o Track respondeu depois do prazo"
    ACCEPTED_AFTER_ALL = "accepted_after_all", "o Track aceitou depois da decisão"
    SETTLED_BY_PERSON = "settled_by_person", "decidido por uma pessoa"
    REOPENED_BY_PERSON = "reopened_by_person", "uma pessoa mandou reler"
    CAME_BACK = "came_back", "voltou: o outro atendimento não foi perguntado"
    RESTORED = "restored", "cópia de segurança restaurada"
    ERASED = "erased", "dados da pessoa apagados"


@dataclass(frozen=True, slots=True)
class TransitionRule:
    """One row of the table: the pairs of states it takes (from None: a new line), who, and when."""

    pairs: frozenset[tuple[LineState | None, LineState]]
    who: str
    condition: str

    @property
    def leaves(self) -> frozenset[LineState]:
        """The states that lines may be in before."""
        return frozenset(left for left, _ in self.pairs if left is not None)

    def into(self, state: LineState) -> frozenset[LineState]:
        """Return the states from which lines may enter `state`."""
        return frozenset(left for left, entered in self.pairs if entered is state and left)


def _rule(
    who: str, condition: str, *rows: tuple[Iterable[LineState | None], Iterable[LineState]]
) -> TransitionRule:
    pairs = frozenset(
        (left, entered) for lefts, entereds in rows for left in lefts for entered in entereds
    )
    return TransitionRule(pairs, who, condition)


#: What transform makes of an attendance; it then holds what is ready of a day that the gate holds.
_JUDGED = (_S.READY, _S.EXCLUDED)
#: States that an envelope's payload or counts tell of.
_SEALED = (*WAITING, _S.REOPENED)
RULES: Mapping[Transition, TransitionRule] = {
    Transition.FOUND: _rule("transform", "insert", ((None,), _JUDGED)),
    Transition.REEVALUATED: _rule(
        "transform",
        "a newer extraction of the day; what is ready is held when the gate holds the day",
        ((_S.READY, _S.EXCLUDED, _S.REOPENED), _JUDGED),
        ((_S.READY, _S.HELD), (_S.HELD, _S.EXCLUDED)),
    ),
    Transition.CORRECTED: _rule(
        "transform", "refused by a 4xx, and its keyed digest changed", ((_S.REFUSED,), _JUDGED)
    ),
    Transition.GONE: _rule(
        "transform",
        "the newest complete extraction of its day lacks it",
        ((_S.READY, _S.HELD, _S.REOPENED), (_S.EXCLUDED,)),
    ),
    Transition.MOVED: _rule(
        "transform",
        "the ERP moved the attendance to another day",
        ((_S.READY, _S.EXCLUDED, _S.REOPENED), _JUDGED),
        ((_S.HELD,), (_S.HELD, _S.EXCLUDED)),
    ),
    Transition.APPROVED: _rule(
        "approve_volume, a person",
        "exactly the lines that the question counted; reopened where the payload is too old",
        ((_S.HELD,), (_S.READY, _S.REOPENED)),
    ),
    Transition.EXCLUDED_AT_CLAIM: _rule(
        "claim", "opt-out, cap, same contact, ask_until past", ((_S.READY,), (_S.EXCLUDED,))
    ),
    Transition.EXPIRED: _rule(
        "housekeeping", "ask_until past", ((_S.READY, _S.HELD, _S.REOPENED), (_S.EXCLUDED,))
    ),
    Transition.OUTDATED: _rule(
        "claim, settlement, housekeeping",
        "its extraction is too old, judged under other rules, or passed by while it was sending",
        ((_S.READY,), (_S.REOPENED,)),
    ),
    Transition.CLAIMED: _rule(
        "claim", "batch and lease committed before the POST", ((_S.READY,), (_S.SENDING,))
    ),
    Transition.SPLIT: _rule(
        "the claim's owner", "a part of a split batch", ((_S.SENDING,), (_S.SENDING,))
    ),
    Transition.ANSWERED: _rule(
        "the claim's owner",
        "a certain answer, or no connection was opened",
        ((_S.SENDING,), (_S.ACCEPTED, _S.REFUSED, _S.READY)),
    ),
    Transition.MARKED_IN_DOUBT: _rule(
        "the claim's owner", "the outcome is unknown", ((_S.SENDING,), (_S.IN_DOUBT,))
    ),
    Transition.LEASE_EXPIRED: _rule(
        "anybody", "the lease is over", ((_S.SENDING,), (_S.IN_DOUBT,))
    ),
    Transition.ANSWERED_LATE: _rule(
        "the claim's owner",
        "a certain answer after the lease",
        ((_S.IN_DOUBT,), (_S.ACCEPTED, _S.REFUSED, _S.REOPENED)),
    ),
    Transition.ACCEPTED_AFTER_ALL: _rule(
        "the claim's owner",
        "a late acceptance of the batch that the line still names",
        ((_S.READY, _S.HELD, _S.REOPENED, _S.EXCLUDED, _S.ABANDONED), (_S.ACCEPTED,)),
    ),
    Transition.SETTLED_BY_PERSON: _rule(
        "a person: sent, give up, not sent",
        "not before the lease ends",
        ((_S.IN_DOUBT,), (_S.ACCEPTED, _S.ABANDONED, _S.REOPENED)),
    ),
    Transition.REOPENED_BY_PERSON: _rule(
        "a person",
        "Track never processed the accepted batch; what it refused is mended",
        ((_S.ACCEPTED, _S.REFUSED), (_S.REOPENED,)),
    ),
    Transition.CAME_BACK: _rule(
        "whoever ends the line it stood back for",
        "that one was refused, excluded or reopened; same identity, within ask_until",
        ((_S.EXCLUDED,), (_S.REOPENED,)),
    ),
    Transition.RESTORED: _rule(
        "`ledger restored`, and transform for the days before it",
        "could have been sent since the backup",
        ((None, _S.EXCLUDED, _S.REFUSED, _S.READY, _S.HELD, _S.REOPENED), (_S.IN_DOUBT,)),
    ),
    Transition.ERASED: _rule(
        "`person --erase`",
        "the patient asked for it; an opt-out is entered",
        ((_S.READY, _S.HELD, _S.REOPENED), (_S.EXCLUDED,)),
    ),
}


@dataclass(frozen=True, slots=True)
class MovedLine:
    """A line that a transition has just moved."""

    id: int
    address: int
    batch: str | None


def apply_transition(
    connection: Connection,
    transition: Transition,
    to: LineState,
    *where: ColumnElement[bool],
    ids: Collection[int] | None = None,
    addresses: Collection[int] | None = None,
    keys: KeyRing,
    actor: Actor,
    reason: str | None = None,
    detail: str | None = None,
    decision: int | None = None,
    event_batch: str | None = None,
    **values: Any,
) -> list[MovedLine]:
    """Move those of the chosen lines that the transition may take; return them.

    Their events are appended, and an envelope in which some of its lines no longer wait is sealed
    anew without them. Lines that enter `ready` get no payload by this: who releases lines seals
    them (`envelopes.put_back`).

    Args:
        connection: of the writing transaction.
        transition: the row of the table.
        to: the state entered.
        where: conditions on `schema.lines` beside the choice by ids or addresses.
        ids: only lines with these ids.
        addresses: only lines at these addresses.
        keys: open and seal the payloads.
        actor: who moves.
        reason: the new reason; None clears it.
        detail: into the events; carries no patient data.
        decision: where a person moves the lines.
        event_batch: the batch that events name, where it is not the lines' own any more.
        values: further columns of `schema.lines` to set.
    """
    leaves = RULES[transition].into(to)
    if not leaves:
        message = f"{transition} never enters {to}"
        raise ValueError(message)
    changes = {"state": to, "reason": reason, **values}
    if to is not LineState.HELD:
        changes.setdefault("question", None)
    moved = _update_lines(connection, leaves, where, changes, ids=ids, addresses=addresses)
    by_batch = sorted(moved, key=lambda line: line.batch or "")
    for batch, group in groupby(by_batch, lambda line: line.batch):
        append_events(
            connection,
            transition,
            to,
            [line.address for line in group],
            actor=actor,
            reason=reason,
            detail=detail,
            batch=event_batch or batch,
            decision=decision,
        )
    if not {*leaves, to}.isdisjoint(_SEALED):
        reseal(connection, keys, {envelope_of(line.address) for line in moved})
    return moved


def _update_lines(
    connection: Connection,
    leaves: Collection[LineState],
    where: Iterable[ColumnElement[bool]],
    changes: Mapping[str, Any],
    *,
    ids: Collection[int] | None,
    addresses: Collection[int] | None,
) -> list[MovedLine]:
    """Change the chosen lines that are in one of the states; return them by address."""
    table = schema.lines
    states: list[Any] = [literal_column(f"'{state}'") for state in sorted(leaves)]
    chosen = {table.c.id: ids, table.c.address: addresses}
    listed = {column: sorted(found) for column, found in chosen.items() if found is not None}
    moved = connection.execute(
        update(table)
        .where(table.c.state.in_(states), *where)
        .where(*(among(column, f"{column.name}_list") for column in listed))
        .values(changes)
        .returning(table.c.id, table.c.address, table.c.batch),
        {f"{column.name}_list": found for column, found in listed.items()},
    )
    return sorted((MovedLine(*row) for row in moved), key=lambda line: line.address)


_APPENDING = insert(schema.events).values(at=moment_in())


def append_events(
    connection: Connection,
    transition: Transition,
    to: LineState,
    addresses: Iterable[int],
    *,
    actor: Actor,
    reason: str | None = None,
    detail: str | None = None,
    batch: str | None = None,
    decision: int | None = None,
    came_from: Mapping[int, int] | None = None,
) -> None:
    """Append one event for each envelope whose lines moved together.

    `came_from` maps new addresses to old ones, for lines that changed their address.
    """
    rows = []
    for envelope, places in by_envelope(addresses).items():
        old = {
            str(place): came_from[address_of(envelope, place)]
            for place in places
            if came_from and address_of(envelope, place) in came_from
        }
        rows.append(
            {
                "envelope": envelope,
                "places": format_places(places),
                "transition": transition,
                "state": to,
                "reason": reason,
                "detail": detail,
                "batch": batch,
                "actor": actor.name,
                "run_id": actor.run_id,
                "try_number": actor.try_number,
                "decision": decision,
                "came_from": orjson.dumps(old).decode() if old else None,
            }
        )
    for row in rows:
        connection.execute(_APPENDING, row)
