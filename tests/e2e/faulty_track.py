"""Answers of a careless Track: they repeat what they were sent, in every place they can."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stand_ins.track_api import Fault, faults
from stand_ins.track_api.answers import Reply, document
from stand_ins.track_api.faults import LineRefusal

if TYPE_CHECKING:
    Lines = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class _Echo(LineRefusal):
    """An answer that is made of the lines it answers."""

    content: Callable[[Lines], Any] = list

    def answer(self, lines: Lines) -> Reply:
        return document(self.status, self.content(lines))


def _echo(
    status: int,
    content: Callable[[Lines], Any],
    *,
    positions: tuple[int, ...] = (),
    accepted: bool = False,
) -> Fault:
    return Fault(
        name=f"echo_{status}", accepted=accepted, answer=_Echo(status, positions, content=content)
    )


def _text(line: Mapping[str, str]) -> str:
    return ", ".join(line.values())


def _by_key(lines: Lines) -> Any:
    line = lines[0]
    return {
        "message": f"{_text(line)} is not acceptable",
        "errors": {
            f"import_lines.0.{line['name']}": [_text(line)],
            "import_lines.0.email": [f"{line['email']} is taken by {line['cpf']}"],
        },
    }


def _by_attendance(lines: Lines) -> Any:
    line = lines[0]
    return {
        "uuid": "d-1",
        "errors": [
            {
                "cd_atendimento": line["cd_atendimento"],
                "code": line["name"].split()[0],
                "field": line["email"] or line["phone"],
                "message": _text(line),
            }
        ],
    }


def _by_position(lines: Lines) -> Any:
    return {
        "errors": [
            {"line": number, "code": f"E_{line['cd_atendimento']}", "field": line["name"]}
            for number, line in enumerate(lines)
        ]
    }


def _by_first_position(lines: Lines) -> Any:
    return _by_position(lines[:1])


def _of_nobody(lines: Lines) -> Any:
    line = lines[0]
    return {"uuid": line["cd_atendimento"], "errors": {line["name"]: [_text(line)]}}


def _receipt(key: str) -> Callable[[Lines], Any]:
    return lambda lines: {"uuid": lines[0][key], "id": 4711}


def _whole(lines: Lines) -> Any:
    return {"message": json.dumps(lines), "import_lines": lines}


#: Lines are refused, some batches in peace between them.
REFUSALS: tuple[Fault | None, ...] = (
    _echo(422, _by_key, positions=(0,)),
    None,
    None,
    _echo(422, _by_attendance, positions=(0,)),
    None,
    _echo(400, _by_first_position, positions=(0,)),
    None,
    _echo(201, _by_attendance, positions=(0,), accepted=True),
    _echo(201, _receipt("phone"), accepted=True),
    _echo(201, _receipt("cpf"), accepted=True),
    *[_echo(422, _whole)] * 4,
)

#: Nobody can tell what became of these batches.
DOUBTS: tuple[Fault | None, ...] = (
    _echo(500, _whole),
    _echo(201, _of_nobody, accepted=True),
    faults.drop(accepted=True),
    faults.drip(0.5),
    faults.html(),
    _echo(409, _whole),
)

#: A unit after the other fails for good.
MISFITS: tuple[Fault | None, ...] = (_echo(422, _by_position), _echo(404, _whole))

#: Track takes nothing for now, each time for another reason.
STOPS: tuple[Fault | None, ...] = (
    _echo(429, _whole),
    faults.redirect(307),
    _echo(401, _whole),  # the last one: from here on nothing is sent until a person resumes
)
