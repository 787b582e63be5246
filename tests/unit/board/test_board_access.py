"""Nobody sees a page that Airflow's permissions keep from them, and no page is without them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.board.conftest import PAGES, Person

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger

#: What lets somebody in; every route depends on one of them.
GUARDS = {"board_visitor", "readable_hospital", "hospital_of_tab", "explained_hospital"}


def guards(dependant: Any) -> set[str]:
    found = {getattr(dependant.call, "__name__", "")}
    return found.union(*(guards(one) for one in dependant.dependencies))


def test_every_route_asks_who_is_there_and_what_they_may(board_app: Any) -> None:
    from fastapi.routing import APIRoute  # noqa: PLC0415 - imports Airflow's app before

    routes = [one for one in board_app.routes if isinstance(one, APIRoute)]
    paths = {one.path for one in routes}

    assert paths == {"/", "/summary", "/day", "/run", "/dag", "/trends", "/explain"}
    for route in routes:
        assert guards(route.dependant) & GUARDS, route.path
        assert "get_user" in guards(route.dependant), route.path
    others = [one for one in board_app.routes if one not in routes]
    assert [one.path for one in others] == ["/static"]


@pytest.mark.parametrize("page", PAGES)
def test_nobody_without_a_log_in_sees_a_page(installed: Ledger, person: Person, page: str) -> None:
    assert person(None).get(f"/pesquisas/{page}").status_code == 401
    assert person(None, token="forged").get(f"/pesquisas/{page}").status_code == 403
    assert person("viewer").get(f"/pesquisas/{page}").status_code == 200
