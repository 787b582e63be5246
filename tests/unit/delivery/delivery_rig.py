"""A hospital to dispatch, between a real ledger and the Track stand-in, judged from both ends."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import orjson
import pytest
import requests
from sqlalchemy import event, insert, select, text

from stand_ins.track_api import ORGANIZATION, TOKEN, Fault, TrackStandIn
from tests.unit.ledger.claim_steps import insert_extraction
from track_dispatch.config import Hospital, load_hospital
from track_dispatch.delivery.client import TrackClient
from track_dispatch.delivery.context import DispatchContext, Tally
from track_dispatch.delivery.dispatch import dispatch
from track_dispatch.delivery.transport import BearerAuth
from track_dispatch.errors import TrackDispatchError
from track_dispatch.ledger import schema
from track_dispatch.ledger.batches import Batch, ClaimRequest
from track_dispatch.ledger.claims import settle_and_claim
from track_dispatch.ledger.decisions import Decision
from track_dispatch.ledger.envelopes import (
    SealedLine,
    address_of,
    envelope_of,
    parse_places,
    read_ahead,
    reserve_envelopes,
    seal,
    unit_id,
)
from track_dispatch.ledger.settling import Settlement, settle
from track_dispatch.ledger.sql import moment_in
from track_dispatch.records import COLUMNS, Actor, Area, Channel, IdentityKind, Unit
from track_dispatch.states import Verb

if TYPE_CHECKING:
    from sqlalchemy import Row

    from track_dispatch.ledger.database import Ledger

NOW = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
DAY = date(2026, 3, 2)
UNIT = Unit("HMS", DAY, Area.EXAMES, Channel.EMAIL)
RULES = "rules-1"
SOMEBODY = Actor("dispatch", run_id="run-2", try_number=1)
OPT_OUT = Decision(Verb.OPT_OUT, decided_by="ana", why="pedido da pessoa")
#: Seconds that another dispatch's claim lasts.
LEASE = 60.0
HOSPITAL = load_hospital("HMS").model_copy(
    update={
        "contact_cap_days": 30,
        "import_fields": None,
        "lease_margin_seconds": 60,
        "schedule": "0 9 * * *",
        "send_days": None,
        "send_window": "00:00-24:00",
    }
)
SURVEY = str(HOSPITAL.survey(Area.EXAMES))

#: Where the wire is in question and not the ledger, one database is enough.
on_one_database = pytest.mark.parametrize("ledger", ["sqlite_ledger"], indirect=True)
on_postgresql = pytest.mark.parametrize("ledger", ["postgresql_ledger"], indirect=True)


class Time:
    """A dispatch's clocks: they stand still, but for its own pauses."""

    def __init__(self) -> None:
        self.began = NOW
        self.pauses: list[float] = []
        self.on_pause: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        """Tell the time."""
        return self.began + timedelta(seconds=self.clock())

    def clock(self) -> float:
        """Tell the seconds since the beginning."""
        return sum(self.pauses)

    def pause(self, seconds: float) -> None:
        """Let time pass, and what happens meanwhile happen."""
        self.pauses.append(seconds)
        self.on_pause()


def import_line(attendance_id: str, **fields: str) -> dict[str, str]:
    return dict.fromkeys(COLUMNS, "") | {
        "ID_Cliente_Hfocus": "40085",
        "cd_atendimento": attendance_id,
        "data_atendimento": "2026-03-02 08:00:00",
        "name": "Fulana Sintética",
        "email": f"fulana{attendance_id}@exemplo.test",
        "phone": "5527999990000",
        "area_pesquisa": "EXAMES",
        "unidade": "Meridional Serra",
        "setor": "IMAGEM",
        **fields,
    }


def track_client(url: str, *, deadline: float) -> TrackClient:
    """Make a client as TrackHook does, at the moment NOW."""
    session = requests.Session()
    session.trust_env = False
    session.auth = BearerAuth(TOKEN)
    return TrackClient(
        session,
        base_url=url,
        organization=ORGANIZATION,
        deadline_seconds=deadline,
        clock=lambda: NOW,
    )


@dataclass
class Rig:
    """What a test works with; `settings` are the hospital's, where a test wants its own."""

    ledger: Ledger
    api: TrackStandIn
    settings: dict[str, Any] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    time: Time = field(default_factory=Time)
    _cleaning: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._cleaning.close()

    @property
    def hospital(self) -> Hospital:
        return HOSPITAL.model_copy(update=self.settings)

    # -- what is to be sent --------------------------------------------------------

    def fill(
        self,
        count: int,
        *,
        unit: Unit = UNIT,
        person: str | None = None,
        state: str = "ready",
        rules: str = RULES,
        age_hours: float = 1,
        ask_until: date | None = None,
        **settings: Any,
    ) -> list[str]:
        """Put lines into the ledger as transform does, and set policies of the hospital.

        Each is of another patient, unless `person` names the one whose they all are.
        """
        self.settings |= settings
        first = len(self.ids) + 1
        ids = [f"{910_000_000 + number}" for number in range(first, first + count)]
        self.ids += ids
        with self.ledger.writing() as connection:
            number = unit_id(connection, unit.hospital, unit.business_day, unit.area, unit.channel)
            extraction = insert_extraction(connection, unit, age_hours)
            size = self.hospital.batch_size
            for some in (ids[first : first + size] for first in range(0, count, size)):
                envelope = reserve_envelopes(connection, 1)[0]
                lines = [
                    self._sealed(envelope, place, id_, person) for place, id_ in enumerate(some)
                ]
                connection.execute(
                    insert(schema.envelopes).values(
                        id=envelope,
                        unit=number,
                        extraction=extraction,
                        rules=rules,
                        lines=len(lines),
                        waiting=len(lines),
                        payload=seal(self.ledger.keys, envelope, lines),
                    )
                )
                rows = [
                    {
                        "id": line.line,
                        "address": line.line,
                        "source": "hms",
                        "attendance_id": line.attendance_id,
                        "state": state,
                        "ask_until": ask_until,
                    }
                    for line in lines
                ]
                connection.execute(insert(schema.lines), rows)
                connection.execute(insert(schema.identities), self._identities(lines))
        return ids

    def _sealed(self, envelope: int, place: int, id_: str, person: str | None) -> SealedLine:
        fields = import_line(id_)
        return SealedLine(
            place=place,
            line=address_of(envelope, place),
            attendance_id=id_,
            persons=self._hashes(f"cpf:{person or id_}"),
            contacts=self._hashes(f"email:{fields['email']}"),
            others=(),
            fields=orjson.dumps(fields),
        )

    def _hashes(self, value: str) -> tuple[int, ...]:
        return tuple(one.hash for one in self.ledger.keys.identity_hashes(value))

    def _identities(self, lines: Iterable[SealedLine]) -> list[dict[str, Any]]:
        key = self.ledger.keys.identity_secrets[0].id
        return [
            {"hash": found, "line": line.line, "kind": str(kind), "key": key}
            for line in lines
            for kind, hashes in (
                (IdentityKind.PERSON, line.persons),
                (IdentityKind.CONTACT, line.contacts),
            )
            for found in hashes
        ]

    # -- a dispatch ----------------------------------------------------------------

    @contextmanager
    def context(
        self,
        *,
        ledger: Ledger | None = None,
        url: str | None = None,
        track_host: str | None = None,
        now: datetime | None = None,
        stopped: Callable[[], bool] = lambda: False,
        series: str = "run-1#3",
        rules: str = RULES,
    ) -> Iterator[DispatchContext]:
        """Open a context as the operator does."""
        hospital = self.hospital
        url = url or self.api.url
        if now is not None:
            self.time.began = now
        with track_client(url, deadline=hospital.post_deadline_seconds) as client:
            yield DispatchContext(
                hospital=hospital,
                ledger=ledger or self.ledger,
                client=client,
                track_host=track_host or url,
                actor=Actor("dispatch", run_id="run-1", try_number=1),
                series=series,
                rules=rules,
                now=self.time.now,
                clock=self.time.clock,
                pause=self.time.pause,
                stopped=stopped,
            )

    def dispatch(self, until: date = DAY, **context: Any) -> Tally:
        """Dispatch the hospital as the operator does; the options are those of `context`."""
        with self.context(**context) as opened:
            return dispatch(opened, until)

    def dispatch_anyhow(self, *arguments: Any, **options: Any) -> TrackDispatchError | None:
        """Dispatch where the error is not the point; return it."""
        try:
            self.dispatch(*arguments, **options)
        except TrackDispatchError as error:
            return error
        return None

    # -- what Track got ------------------------------------------------------------

    @property
    def posts(self) -> list[list[str]]:
        """The attendance ids of each POST, in the order of arrival."""
        return [[line.cd_atendimento for line in post.lines] for post in self.api.received]

    @property
    def sizes(self) -> list[int]:
        """How many lines each POST had."""
        return [len(ids) for ids in self.posts]

    # -- what the ledger holds -----------------------------------------------------

    def lines(self) -> Mapping[str, Row[Any]]:
        """The lines by attendance id."""
        with self.ledger.reading() as connection:
            return {row.attendance_id: row for row in connection.execute(select(schema.lines))}

    def fates(self) -> dict[str, str]:
        """State, and reason if any, by attendance id."""
        return {
            id_: f"{row.state} {row.reason}" if row.reason else row.state
            for id_, row in self.lines().items()
        }

    def counts(self) -> Counter[str]:
        """How many lines met each fate."""
        return Counter(self.fates().values())

    def rows(self, table: Any) -> Sequence[Row[Any]]:
        with self.ledger.reading() as connection:
            return connection.execute(select(table)).all()

    def batches(self) -> Sequence[Row[Any]]:
        return sorted(self.rows(schema.batches), key=lambda row: row.created_at)

    def batch_states(self) -> Counter[str]:
        return Counter(batch.state for batch in self.batches())

    def details(self) -> dict[str, str | None]:
        """What the refusal of a line says, by attendance id."""
        by_address = {row.address: id_ for id_, row in self.lines().items()}
        return {
            by_address[address_of(row.envelope, place)]: row.detail
            for row in self.rows(schema.events)
            if row.state == "refused"
            for place in parse_places(row.places)
        }

    def kept_payloads(self) -> int:
        """How many envelopes hold patients' data."""
        return sum(row.payload is not None for row in self.rows(schema.envelopes))

    def requests_taken(self) -> int:
        """How much of the budget is used."""
        return sum(row.taken for row in self.rows(schema.requests))

    # -- another dispatch ----------------------------------------------------------

    def claim_elsewhere(self, ids: Sequence[str], *, lease_seconds: float = LEASE) -> Batch:
        """Claim the envelope that these lines lie in, as another dispatch of its survey does."""
        (number,) = envelopes_of(self, ids)
        units = schema.units
        with self.ledger.reading() as connection:
            [sealed] = read_ahead(connection, [number])
            read = sealed.open(self.ledger.keys)
            of = connection.execute(select(units).where(units.c.id == read.envelope.unit)).one()
        unit = Unit(of.hospital, of.business_day, Area(of.area), Channel(of.channel))
        with self.context() as context:
            terms = replace(context.terms(unit.area), lease_seconds=lease_seconds)
        request = ClaimRequest(read, unit, of.id, terms, str(uuid.uuid4()), str(uuid.uuid4()))
        batch = settle_and_claim(self.ledger, settlement=None, request=request, actor=SOMEBODY)
        assert isinstance(batch, Batch)
        return batch

    def accept_elsewhere(self, batch: Batch) -> None:
        settle(self.ledger, Settlement(batch, accepted=batch.places), actor=SOMEBODY)

    # -- what happens meanwhile ----------------------------------------------------

    def execute(self, statement: str, **values: Any) -> None:
        """Change the ledger behind its back."""
        with self.ledger.writing() as connection:
            connection.execute(text(statement), values)

    def end_leases(self) -> None:
        """Let every lease be over, by the database's clock."""
        batches = schema.batches
        with self.ledger.writing() as connection:
            ended = batches.update().where(batches.c.lease_until.is_not(None))
            connection.execute(ended.values(lease_until=moment_in(-1)))

    def oversleep(self) -> None:
        """Let the dispatch, and everybody else, be so late that every lease is over."""
        self.time.pauses.append(self.hospital.lease_seconds)
        self.end_leases()

    def during_post(self, number: int, act: Callable[[], object]) -> None:
        """Act while Track works on its `number`-th POST, before it answers."""
        acted = False

        def look(_: Mapping[str, str]) -> bool:
            nonlocal acted
            if not acted and len(self.api.received) == number - 1:
                acted = True
                act()
            return False

        self.api.reject(look)

    def on_ledger(self, name: str, act: Callable[..., object]) -> None:
        """Act on an event of the ledger's engine, until the test is over."""
        event.listen(self.ledger.engine, name, act)
        self._cleaning.callback(event.remove, self.ledger.engine, name, act)

    def at_the_end(self, act: Callable[[], object]) -> None:
        """Clean up when the test is over."""
        self._cleaning.callback(act)


def once_each(ids: Iterable[str]) -> Counter[str]:
    return Counter(dict.fromkeys(ids, 1))


def by_name(value: object) -> str | None:
    """Call a parameter that is a fault by the fault's name."""
    return value.name if isinstance(value, Fault) else None


def envelopes_of(rig: Rig, ids: Collection[str]) -> list[int]:
    """Return the envelopes that lines lie in."""
    lines = rig.lines()
    return sorted({envelope_of(lines[id_].address) for id_ in ids})
