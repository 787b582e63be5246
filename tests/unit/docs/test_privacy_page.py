"""The privacy officer's page says of every table what it keeps, and what of a patient goes out."""

from __future__ import annotations

from pathlib import Path

import pytest

from track_dispatch.config import working_hospitals
from track_dispatch.config.hospital import Hospital
from track_dispatch.delivery.client import posted_fields
from track_dispatch.ledger.schema import metadata
from track_dispatch.records import COLUMNS, Channel

PAGE = (Path(__file__).parents[3] / "docs/policy.md").read_text(encoding="utf-8")

#: Each with the law's article that it answers, and what the page must say of it.
MATTERS = ("art. 7º", "art. 11", "art. 14", "art. 18", "art. 33", "art. 37", "art. 48")


def section(heading: str) -> str:
    return PAGE.split(f"## {heading}")[1].split("\n## ")[0]


def test_every_table_is_in_the_list_of_what_is_stored_where() -> None:
    stored = section("O que fica guardado")
    places = " ".join(row.split(" | ")[1] for row in stored.splitlines() if row.startswith("| "))

    assert [name for name in sorted(metadata.tables) if f"`{name}" not in places] == []


@pytest.mark.parametrize("hospital", working_hospitals(), ids=lambda hospital: hospital.code)
@pytest.mark.parametrize("channel", Channel)
def test_as_shipped_neither_cpf_nor_the_other_contact_goes_to_track(
    hospital: Hospital, channel: Channel
) -> None:
    assert "**CPF e o segundo contato não são enviados.**" in section("O que vai para o Track")

    going = posted_fields(dict.fromkeys(COLUMNS, "x"), hospital, channel)

    assert {*COLUMNS} - going.keys() == {"cpf", *{"email", "phone"} - {channel.contact}}


@pytest.mark.parametrize("matter", MATTERS)
def test_each_matter_of_the_law_has_its_place(matter: str) -> None:
    assert matter in PAGE
    assert "**[preencher" in PAGE  # what only the hospital knows is never made up
