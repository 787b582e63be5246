"""What a POST deserves: accepted, refused in part, refused. Pure, but for the terms' clock."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stand_ins.track_api.answers import ErrorsForm, Problem, Reply, document, problem_document
from stand_ins.track_api.contract import (
    ContractError,
    check_caller,
    check_distribution,
    read_document,
)
from stand_ins.track_api.record import Fate
from stand_ins.track_api.terms import ContractTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A POST to `distributions` after reading."""

    organization: str
    authorization: str
    content_type: str
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentRule:
    """Lines whose content is refused: by 4xx, or inside an acceptance where `status` is 2xx."""

    applies: Callable[[Mapping[str, str]], bool]
    status: int
    named: bool
    form: ErrorsForm


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The answer that a POST deserves, the fate of each of its lines, the rules it broke."""

    answer: Reply
    fates: tuple[Fate, ...] = ()
    problems: tuple[Problem, ...] = ()


def judge(
    request: Request, *, terms: ContractTerms, rules: Sequence[ContentRule], form: ErrorsForm
) -> Judgement:
    """Judge a POST by contract first, then by the rules in their order."""
    content: Mapping[str, Any] = {}
    try:
        check_caller(terms, organization=request.organization, authorization=request.authorization)
        content = read_document(request.content_type, request.raw)
        distribution = check_distribution(terms, content)
    except ContractError as error:
        lines = readable_lines(content)
        return Judgement(
            answer=problem_document(error.status, error.problems, lines=lines, form=form),
            fates=_refused_fates(len(lines), error.status, error.problems),
            problems=error.problems,
        )
    return _by_content(distribution.import_lines, rules)


def _by_content(lines: Sequence[Mapping[str, str]], rules: Sequence[ContentRule]) -> Judgement:
    inside: list[Problem] = []
    inside_form = ErrorsForm.BY_KEY
    for rule in rules:
        hits = [position for position, line in enumerate(lines) if rule.applies(line)]
        problems = tuple(Problem("is not acceptable", None, position) for position in hits)
        if not hits:
            continue
        if rule.status < 300:
            inside += problems
            inside_form = rule.form
            continue
        named = problems if rule.named else ()
        return Judgement(
            answer=problem_document(rule.status, named, lines=lines, form=rule.form),
            fates=_refused_fates(len(lines), rule.status, named),
            problems=problems,
        )
    receipt = {"uuid": str(uuid.uuid4())}
    if not inside:
        return Judgement(answer=document(201, receipt), fates=(Fate.ACCEPTED,) * len(lines))
    refused = {problem.line for problem in inside}
    return Judgement(
        answer=problem_document(201, inside, lines=lines, form=inside_form, extra=receipt),
        fates=tuple(
            Fate.REFUSED if position in refused else Fate.ACCEPTED for position in range(len(lines))
        ),
        problems=tuple(inside),
    )


def _refused_fates(count: int, status: int, problems: Sequence[Problem]) -> tuple[Fate, ...]:
    """Tell which lines a refusal singled out: those it names, or the only one there is."""
    if status not in {400, 413, 422}:
        return (Fate.UNTOUCHED,) * count
    named = {problem.line for problem in problems}
    return tuple(
        Fate.REFUSED if position in named or count == 1 else Fate.UNTOUCHED
        for position in range(count)
    )


def readable_lines(content: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """Take the lines of a body that may be anything; what is no line counts as an empty one."""
    lines = content.get("import_lines")
    if not isinstance(lines, list):
        return []
    return [line if isinstance(line, dict) else {} for line in lines]
