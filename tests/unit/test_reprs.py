"""What our values and errors say of themselves, to a log or a debugger, tells of no patient."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert

from tests.e2e.elsewhere import chain, told
from tests.e2e.leaks import find, secrets_of
from track_dispatch.delivery.responses import TrackResponse, classify_response
from track_dispatch.errors import LedgerError, SourceError, raised_alone
from track_dispatch.ledger import schema
from track_dispatch.ledger.batches import Batch
from track_dispatch.ledger.envelopes import Envelope, ReadAhead, SealedLine
from track_dispatch.ledger.history import DayLine
from track_dispatch.ledger.keys import new_keys
from track_dispatch.records import Area, Channel, Unit
from track_dispatch.transformation import Candidate

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger

NOW = datetime(2026, 3, 11, 12, tzinfo=UTC)
DAY = date(2026, 3, 10)
ID = "21739685098"
LINE = {
    "cd_atendimento": ID,
    "name": "Conceição Araújo Gonçalves",
    "email": "conceicao.goncalves7@correio.test",
    "phone": "5527998761234",
    "cpf": "52998224725",
}
SECRETS = secrets_of(LINE.values())
UNIT = Unit("HMS", DAY, Area.EXAMES, Channel.EMAIL)
ECHO = TrackResponse(
    status=422,
    content_type="application/json",
    body=json.dumps(
        {"errors": [{"line": 0, "code": LINE["name"], "field": ID}], "message": list(LINE.values())}
    ).encode(),
)


FIELDS = json.dumps(LINE).encode()
SEALED = SealedLine(1, 1001, ID, (1,), (2,), (), FIELDS)
ENVELOPE = Envelope(id=1, unit=1, extraction="x", rules="r", version=0, payload=FIELDS)
BATCH = Batch(
    id="b",
    claim="c",
    survey="s",
    unit=UNIT,
    unit_id=1,
    envelope=1,
    lines=(SEALED,),
    validity_at=1,
    reminder_at=None,
)


@pytest.mark.parametrize(
    "value",
    [
        Candidate(ID, Area.EXAMES, Channel.EMAIL, None, FIELDS, ()),
        SEALED,
        ENVELOPE,
        ReadAhead(ENVELOPE, (SEALED,)),
        BATCH,
        DayLine(ID, 1001, "EXAMES", "email", "ready", None),
        ECHO,
        classify_response(ECHO, [ID], now=NOW, acceptance=("uuid",), values=LINE.values()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_does_not_show_the_patient_it_holds(value: Any) -> None:
    assert find(SECRETS, f"{value!r} {value}") == set()


def test_keys_show_no_key() -> None:
    keys = new_keys()
    secret = [*keys.payload_secrets, *(key.secret for key in keys.identity_secrets)]

    assert [key for key in secret if key in f"{keys!r} {keys} {keys.identity_secrets!r}"] == []


def test_our_error_holds_on_to_no_foreign_one() -> None:
    def fail() -> None:
        try:
            int(LINE["name"])
        except ValueError:
            raise SourceError("a row cannot be read") from None

    with pytest.raises(SourceError) as raised, raised_alone():
        fail()

    assert list(chain(raised.value)) == [raised.value]


def test_a_failing_statement_leaves_nothing_of_its_parameters_in_the_error(ledger: Ledger) -> None:
    row = {"id": LINE["name"], "source": LINE["email"], "hospital": ID, "business_day": DAY}

    with pytest.raises(LedgerError) as raised, ledger.writing() as connection:
        connection.execute(insert(schema.extractions).values(row))

    assert find(SECRETS, "\n".join(told(raised.value))) == set()
