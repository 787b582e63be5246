"""Everything by which the patients of a world of stand-ins could be known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING

from stand_ins.erp_data import erp_people
from tests.e2e.leaks import Secrets, secrets_of

if TYPE_CHECKING:
    from demo.world import World


def known_patients(world: World, days: Sequence[date]) -> tuple[Secrets, frozenset[str]]:
    """Return what must not be found, and the attendance ids among it."""
    people = [person for source in world.erps for person in erp_people(source, days=days)]
    values = [value for person in people for value in person.values()]
    ids = frozenset(one for person in people for one in person.attendance_ids)
    return secrets_of([*values, *_sent(world)]), ids


def _sent(world: World) -> Iterator[str]:
    """Yield the values that Track was sent: normalised ones are patients' values, too."""
    for received in world.track.received:
        for line in (received.body or {}).get("import_lines", ()):
            for name in ("name", "email", "phone", "cpf", "cd_atendimento"):
                if len(line[name]) >= 9:
                    yield line[name]
