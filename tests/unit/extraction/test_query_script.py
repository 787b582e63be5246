"""The query for the DBA's tool: as the ERP gets it, or with the day written into it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
import sqlglot
from erp_rows import UNIDADES, hospital
from sqlglot import exp

from track_dispatch.extraction.query import place_in, render, script, typed

LEAP_DAY = date(2024, 2, 29)


def parsed(text: str) -> exp.Expr:
    (statement,) = filter(None, sqlglot.parse(text, read="oracle"))
    return statement


def test_a_script_is_the_query_and_below_it_its_binds() -> None:
    sql = render(hospital("HMS"))

    assert script(sql, LEAP_DAY) == (
        f"{sql}\n;\n"
        "-- :day_start  date  2024-02-29 00:00:00\n"
        "-- :day_end    date  2024-03-01 00:00:00"
    )


@pytest.mark.parametrize("code", UNIDADES)
def test_with_literals_a_query_needs_no_binds(code: str) -> None:
    query = parsed(script(render(hospital(code)), LEAP_DAY, literals=True))

    days = {node.name for node in query.find_all(exp.Literal) if node.name[:4] == "2024"}
    assert query.find(exp.Placeholder) is None
    assert days == {"2024-02-29", "2024-03-01"}


def test_only_binds_are_replaced() -> None:
    sql = """-- :day_start
select ':day_start', q.":day_end" /* :day_end
:day_end */ from q where d >= :DAY_START and d < :day_end - 1 and e = :other"""

    assert script(sql, LEAP_DAY, literals=True) == (
        """-- :day_start
select ':day_start', q.":day_end" /* :day_end
:day_end */ from q where d >= date '2024-02-29' and d < date '2024-03-01' - 1 and e = :other
;"""
    )


def test_a_typed_query_says_that_its_binds_are_dates() -> None:
    assert typed("select 1 from q where d >= :day_start - 1 -- :day_end") == (
        "select 1 from q where d >= cast(:day_start as date) - 1 -- :day_end"
    )


@pytest.mark.parametrize("sent", [str, typed], ids=["as_it_is", "typed"])
@pytest.mark.parametrize(
    ("word", "place"),
    [("select", "line 1, column 1"), ("wrong", "line 3, column 39"), ("é.b", "line 4, column 5")],
)
def test_a_place_is_that_of_the_printed_query(
    sent: Callable[[str], str], word: str, place: str
) -> None:
    sql = "select 'São'\nfrom é\nwhere :day_start < x and x < :day_end wrong\nand é.b = :DAY_END"

    text = sent(sql)

    assert place_in(text, text.encode().index(word.encode())) == place
