"""The list of surveys, page by page."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from stand_ins.track_api.answers import Problem, Reply, document
from stand_ins.track_api.contract import ContractError
from stand_ins.track_api.terms import ContractTerms

#: Rows a page where the query does not say.
DEFAULT_LIMIT = 10

_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def survey_list(terms: ContractTerms, query: str, *, bare: bool) -> Reply:
    """Answer one page of the surveys.

    Args:
        terms: Whose surveys.
        query: The raw query: `include_questions`, `limit` (rows a page), `page` (from 1).
        bare: Answer with the rows alone, as the API may do, instead of wrapped with page counts.

    Raises:
        ContractError: 422 for another parameter or a value out of range.
    """
    given = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
    strangers = given.keys() - {"include_questions", "limit", "page"}
    if strangers:
        raise ContractError(
            422, *(Problem("is not a known parameter", name) for name in sorted(strangers))
        )
    limit = _positive(given, "limit", DEFAULT_LIMIT)
    page = _positive(given, "page", 1)
    include = _FLAGS.get(given.get("include_questions", "false").lower())
    if include is None:
        raise ContractError(422, Problem("must be True or False", "include_questions"))
    rows: list[dict[str, Any]] = [
        {"uuid": survey.uuid, "name": survey.name, "status": survey.status}
        | ({"questions": []} if include else {})
        for survey in terms.surveys.values()
    ]
    total_pages = max(1, -(-len(rows) // limit))
    wanted = rows[(page - 1) * limit : page * limit]
    if bare:
        return document(200, wanted)
    return document(200, {"data": wanted, "page": page, "total_pages": total_pages})


def _positive(given: dict[str, str], name: str, default: int) -> int:
    text = given.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise ContractError(422, Problem("must be a positive integer", name))
    return int(text)
