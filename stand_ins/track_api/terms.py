"""What a stand-in of Track is set up with: organization, token, surveys, limits, clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

#: The keys of an import line: the customer's four, and the attributes of the interaction.
LINE_FIELDS = frozenset(
    {
        "ID_Cliente_Hfocus",
        "cd_atendimento",
        "data_atendimento",
        "data_saida_alta",
        "name",
        "email",
        "phone",
        "cpf",
        "medico",
        "area_pesquisa",
        "unidade",
        "setor",
        "uuid",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """A survey of the organization, as the list of surveys shows it."""

    uuid: str
    name: str
    status: str = "active"


def now() -> datetime:
    """Tell the time, aware and in UTC: the clock where nobody brings another one."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractTerms:
    """The rules of one stand-in.

    Attributes:
        organization: UUID in the path.
        token: What the bearer header must carry.
        surveys: The organization's surveys by UUID.
        identifier: The field that every line must fill, as the organization has configured it.
        line_fields: The keys that a line may have.
        max_lines: More lines than this in one POST are answered by 413.
        clock: Tells the time, aware.
    """

    organization: str
    token: str = field(repr=False)
    surveys: Mapping[str, Survey]
    identifier: str = "cd_atendimento"
    line_fields: frozenset[str] = LINE_FIELDS
    max_lines: int = 100
    clock: Callable[[], datetime] = now

    @property
    def bearer(self) -> str:
        """The only Authorization header that is let in."""
        return f"Bearer {self.token}"


def by_uuid(surveys: Mapping[str, str] | Iterable[Survey]) -> dict[str, Survey]:
    """Index surveys, given as records or as names by UUID, by their UUID."""
    if isinstance(surveys, Mapping):
        return {uuid: Survey(uuid=uuid, name=name) for uuid, name in surveys.items()}
    return {survey.uuid: survey for survey in surveys}
