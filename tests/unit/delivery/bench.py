"""A unit to dispatch, between a real ledger and the Track stand-in, judged from both ends."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import requests
from sqlalchemy import select, text

from demo.track_api import ORGANIZATION, TOKEN, Fault, TrackStandIn
from track_dispatch.config import Hospital, load_hospital
from track_dispatch.delivery.client import TrackClient
from track_dispatch.delivery.desk import Desk
from track_dispatch.delivery.dispatch import dispatch
from track_dispatch.delivery.transport import BearerAuth
from track_dispatch.errors import TrackDispatchError
from track_dispatch.ledger import schema
from track_dispatch.ledger.applying import applying
from track_dispatch.ledger.staging import newest_extraction, stage_extraction
from track_dispatch.ledger.switch import RATE_LIMIT
from track_dispatch.records import Actor, Area, Channel, Proposal, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sqlalchemy import Row

    from track_dispatch.delivery.splitting import Tally
    from track_dispatch.ledger.database import Ledger

NOW = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
DAY = date(2026, 3, 2)
UNIT = Unit("HMS", DAY, Area.EXAMES, Channel.EMAIL)
HOSPITAL = load_hospital("HMS").model_copy(update={"lease_margin_seconds": 60})
SURVEY = str(HOSPITAL.survey(Area.EXAMES))

#: Where the wire is in question and not the ledger, one database is enough.
on_one_database = pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)


def import_line(attendance_id: str) -> dict[str, str]:
    return {
        "ID_Cliente_Hfocus": "40085",
        "cd_atendimento": attendance_id,
        "data_atendimento": "2026-03-02 08:00:00",
        "data_saida_alta": "",
        "name": "Fulana Sintética",
        "email": f"fulana{attendance_id}@exemplo.test",
        "phone": "5527999990000",
        "cpf": "",
        "medico": "",
        "area_pesquisa": "EXAMES",
        "unidade": "Meridional Serra",
        "setor": "IMAGEM",
    }


def fill(ledger: Ledger, count: int, *, unit: Unit = UNIT, first: int = 1) -> list[str]:
    """Put `count` ready lines of a unit, the only one of its day, into the ledger."""
    ids = [f"{910_000_000 + number}" for number in range(first, first + count)]
    actor = Actor("transform", run_id=f"run-{uuid4()}", try_number=1)
    day = {"hospital": unit.hospital, "business_day": unit.business_day}
    rows = [{"cd_atendimento": attendance_id} for attendance_id in ids]
    stage_extraction(ledger, [rows], source="hms", actor=actor, **day)
    with ledger.reading() as connection:
        extraction = newest_extraction(connection, run_id=str(actor.run_id), **day)
    assert extraction is not None
    with applying(ledger, extraction, actor) as application:
        assert application is not None
        proposals = [Proposal(id_, unit.area, unit.channel, line=import_line(id_)) for id_ in ids]
        application.propose([(proposal, {}) for proposal in proposals])
        application.finish(rows_merged=0)
    return ids


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


def no_pause(_: float) -> None:
    """Go on at once."""


@dataclass
class Bench:
    """What a test works with; `settings` are the hospital's, where a test wants its own."""

    ledger: Ledger
    api: TrackStandIn
    settings: dict[str, Any] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)

    @property
    def hospital(self) -> Hospital:
        return HOSPITAL.model_copy(update=self.settings)

    def fill(self, count: int, *, unit: Unit = UNIT, **settings: Any) -> list[str]:
        """Put lines into the ledger and set policies of the hospital."""
        self.settings |= settings
        self.ids += fill(self.ledger, count, unit=unit, first=len(self.ids) + 1)
        return self.ids[-count:]

    @contextmanager
    def desk(
        self,
        *,
        ledger: Ledger | None = None,
        url: str | None = None,
        track_host: str | None = None,
        now: datetime = NOW,
        pause: Callable[[float], None] = no_pause,
        stopped: Callable[[], bool] = lambda: False,
        rate_limit: int = RATE_LIMIT,
    ) -> Iterator[Desk]:
        """Open a desk as the operator does."""
        hospital = self.hospital
        url = url or self.api.url
        with track_client(url, deadline=hospital.post_deadline_seconds) as client:
            yield Desk(
                hospital=hospital,
                ledger=ledger or self.ledger,
                client=client,
                track_host=track_host or url,
                actor=Actor("dispatch", run_id="run-1", try_number=1),
                now=lambda: now,
                pause=pause,
                stopped=stopped,
                rate_limit=rate_limit,
            )

    def dispatch(self, unit: Unit = UNIT, **desk: Any) -> Tally:
        """Dispatch a unit as the operator does; the options are those of `desk`."""
        with self.desk(**desk) as opened:
            return dispatch(opened, unit)

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

    def batches(self) -> list[Row[Any]]:
        with self.ledger.reading() as connection:
            return list(connection.execute(select(schema.batches)))

    def batch_states(self) -> Counter[str]:
        return Counter(batch.state for batch in self.batches())

    def details(self) -> dict[str, str]:
        """What the refusal of a line says, by attendance id."""
        events, lines = schema.events, schema.lines
        with self.ledger.reading() as connection:
            found = connection.execute(
                select(lines.c.attendance_id, events.c.detail)
                .join(lines, lines.c.id == events.c.line_id)
                .where(events.c.state == "refused")
            )
            return {row.attendance_id: row.detail for row in found}

    # -- what happens meanwhile ----------------------------------------------------

    def execute(self, statement: str) -> None:
        """Change the ledger behind its back."""
        with self.ledger.writing() as connection:
            connection.execute(text(statement))

    def end_leases(self) -> None:
        """Let every lease be over, by the database's clock."""
        self.execute("update lines set lease_until = '2026-01-01 00:00:00' where state = 'sending'")
        self.execute("update batches set lease_until = '2026-01-01 00:00:00'")

    def during_post(self, number: int, act: Callable[[], None]) -> None:
        """Act while Track works on its `number`-th POST, before it answers."""
        acted = False

        def look(_: Mapping[str, str]) -> bool:
            nonlocal acted
            if not acted and len(self.api.received) == number - 1:
                acted = True
                act()
            return False

        self.api.reject(look)


def once_each(ids: Iterable[str]) -> Counter[str]:
    return Counter(dict.fromkeys(ids, 1))


def by_name(value: object) -> str | None:
    """Call a parameter that is a fault by the fault's name."""
    return value.name if isinstance(value, Fault) else None
