"""A chunk of an extraction, read column by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from track_dispatch.transformation.attendances import AREA_BY_LABEL
from track_dispatch.transformation.clean_text import clean_column
from track_dispatch.transformation.cpf import usable_cpf
from track_dispatch.transformation.email_addresses import usable_emails
from track_dispatch.transformation.names import read_names
from track_dispatch.transformation.phones import usable_mobiles

if TYPE_CHECKING:
    from track_dispatch.records import Area


class Chunk:
    """Some rows of an extraction; each column is read as a whole, once, if something asks for it.

    Every list has a value for each row, in the rows' order. All of it is patient data.

    Args:
        columns: the texts of each column as the ERP has them.
    """

    def __init__(self, columns: Mapping[str, Sequence[str]]) -> None:
        self._columns = columns
        self._clean: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return len(self._columns["cd_atendimento"])

    def __contains__(self, column: str) -> bool:
        return column in self._columns

    def clean(self, column: str) -> list[str]:
        """Return a column's texts clean."""
        if column not in self._clean:
            self._clean[column] = clean_column(self._columns[column])
        return self._clean[column]

    @cached_property
    def areas(self) -> list[Area | None]:
        """Each row's area, None where its label is none of the six, letter for letter."""
        return [AREA_BY_LABEL.get(label) for label in self.clean("area_pesquisa")]

    @cached_property
    def names(self) -> tuple[list[str], list[str]]:
        """The patients' names as a letter would write them, and as names are compared."""
        return read_names(self.clean("name"))

    @cached_property
    def cpfs(self) -> list[str]:
        """Each patient's CPF, "" where there is no valid one."""
        return [usable_cpf(text) for text in self._columns["cpf"]]

    @cached_property
    def emails(self) -> list[tuple[str, ...]]:
        """Each row's usable addresses."""
        return [usable_emails(text) for text in self._columns["email"]]

    @cached_property
    def phones(self) -> list[tuple[str, ...]]:
        """Each row's usable mobiles."""
        return [usable_mobiles(text) for text in self._columns["phone"]]
