"""What the stand-in answers, before anybody thinks of how it travels."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any

CAPTCHA_PAGE = (
    "<!doctype html><html><head><title>Are you human?</title></head>"
    "<body><form><div class='captcha'>Please solve the CAPTCHA to go on.</div></form></body></html>"
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a POST; the text says the rule and never the value."""

    text: str
    field: str | None = None
    line: int | None = None  # from 0; None: not about a line

    @property
    def key(self) -> str:
        """Where it is, dotted: `import_lines.3.email`, `validity_at`."""
        place = [] if self.line is None else ["import_lines", str(self.line)]
        return ".".join([*place, *([self.field] if self.field else [])])


class ErrorsForm(StrEnum):
    """How a body's `errors` names lines."""

    BY_KEY = "key"  # {"import_lines.3.email": ["..."]}
    BY_LINE = "line"  # [{"line": 3, "message": "..."}]
    BY_ATTENDANCE = "cd_atendimento"  # [{"cd_atendimento": "...", "message": "..."}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Status, headers and body of a reply."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()

    def head(self, *, length: int) -> bytes:
        """Encode status line and headers, announcing a body of `length` bytes."""
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "Unknown"
        lines = [f"HTTP/1.1 {self.status} {phrase}", f"Content-Type: {self.content_type}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines += [f"Content-Length: {length}", "", ""]
        return "\r\n".join(lines).encode("latin-1")


def document(status: int, content: object, *, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """Answer with JSON."""
    body = json.dumps(content, ensure_ascii=False).encode()
    return Reply(status=status, body=body, headers=headers)


def page(status: int, html: str) -> Reply:
    """Answer with HTML."""
    return Reply(status=status, body=html.encode(), content_type="text/html; charset=utf-8")


def problem_document(
    status: int,
    problems: Sequence[Problem],
    *,
    lines: Sequence[Mapping[str, str]] = (),
    form: ErrorsForm = ErrorsForm.BY_KEY,
    extra: Mapping[str, str] | None = None,
) -> Reply:
    """Answer with a message and with `errors` in one of the forms that Track may use.

    Args:
        status: The HTTP status.
        problems: What is wrong; those about a line name it.
        lines: The batch, for the form that names lines by their attendance.
        form: How `errors` names lines.
        extra: Further keys of the body, such as the receipt of a batch accepted in part.
    """
    content: dict[str, Any] = {"message": "The given data was invalid."} | dict(extra or {})
    if not problems:
        return document(status, content)
    if form is ErrorsForm.BY_KEY:
        errors: dict[str, list[str]] = {}
        for problem in problems:
            errors.setdefault(problem.key or "distribution", []).append(problem.text)
        content["errors"] = errors
    else:
        content["errors"] = [_entry(problem, lines, form) for problem in problems]
    return document(status, content)


def _entry(
    problem: Problem, lines: Sequence[Mapping[str, str]], form: ErrorsForm
) -> dict[str, object]:
    entry: dict[str, object] = {"message": problem.text}
    if problem.field:
        entry["field"] = problem.field
    if problem.line is not None:
        named_by = "line" if form is ErrorsForm.BY_LINE else "cd_atendimento"
        entry[named_by] = (
            problem.line
            if form is ErrorsForm.BY_LINE
            else lines[problem.line].get("cd_atendimento", "")
        )
    return entry
