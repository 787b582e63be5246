"""The small world of the model: two hospitals of one ERP, three days, a handful of attendances."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from track_dispatch.config import Hospital, load_hospital
from track_dispatch.records import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from track_dispatch.records import ErpRow

#: Two hospitals that share a source: one attendance may come up in both, by mistake. Their lines
#: grow too old and are forgotten: the model has a clock of its own.
HOSPITALS: dict[str, Hospital] = {
    code: load_hospital(code).model_copy(update={"max_age_days": 15, "ledger_retention_days": 730})
    for code in ("HMSM", "HMV")
}
SOURCE = HOSPITALS["HMSM"].source
#: The last lies ahead until days have passed.
DAYS = (date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 18))
BEGINNING = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
NUMBERS = tuple(f"{920_000_001 + i}" for i in range(10))
#: Two areas with a survey, and a label that is none of the six.
LABELS = ("EXAMES", "INTERNACAO", "UTI")
RUNS = ("scheduled", "manual", "backfill")


@dataclass(frozen=True)
class Where:
    """A hospital's day."""

    code: str
    day: date


@dataclass(frozen=True)
class Attendance:
    """What the ERP holds of one attendance.

    Attributes:
        codes: the hospitals whose query finds it; two is a mistake in `companies`.
        day: its business day.
        label: its area, as the ERP names it.
        contact: "a" or "b" for one or another e-mail address, "shared" for one that others have,
            too, and so are the same person, "phone", "none".
        twice: two rows of it.
    """

    codes: tuple[str, ...] = ("HMSM",)
    day: date = DAYS[0]
    label: str = LABELS[0]
    contact: str = "a"
    twice: bool = False

    def rows(self, number: str) -> list[ErpRow]:
        """Return its rows as the reader yields them."""
        row = dict.fromkeys(COLUMNS, "") | {
            "cd_atendimento": number,
            "data_atendimento": f"{self.day} 08:00:00",
            "name": "FULANA DE TESTE",
            "area_pesquisa": self.label,
            "unidade": "ERP",
            "setor": "A",
        }
        if self.contact == "phone":
            row["phone"] = f"27 99812-3{number[-3:]}"
        elif self.contact == "shared":
            row["email"] = "fulana@exemplo.test"
        elif self.contact != "none":
            row["email"] = f"fulana.{self.contact}{number[-1]}@exemplo.test"
        return [row, {**row, "setor": "B"}] if self.twice else [row]


def read(erp: Iterable[tuple[str, Attendance | None]], where: Where) -> list[ErpRow]:
    """Return the rows of a hospital's day."""
    return [
        row
        for number, found in erp
        if found is not None and where.code in found.codes and found.day == where.day
        for row in found.rows(number)
    ]
