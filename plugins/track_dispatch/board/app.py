"""The board's web app: its permissions are Airflow's, its facts the ledger's; a GET never writes.

Every page lies one level below Airflow's root, and every address in a page is relative, so that the
board works below any path.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Form, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from track_dispatch.board import words
from track_dispatch.board.access import (
    BoardVisitorDep,
    ExplainedHospitalDep,
    HospitalOfTabDep,
    ReadableHospitalDep,
    Visitor,
    VisitorDep,
)
from track_dispatch.board.facts import Scope, read_board, read_day, read_trends
from track_dispatch.board.pages import render
from track_dispatch.config import BrokenHospital, Hospital
from track_dispatch.errors import LedgerError, TrackDispatchError
from track_dispatch.hooks.airflow_state import active_runs
from track_dispatch.hooks.ledger import open_ledger
from track_dispatch.ledger.database import LOOKING, Ledger
from track_dispatch.ledger.extractions import run_work
from track_dispatch.ledger.history import attendance_history
from track_dispatch.ledger.request_budget import WINDOW, requests_taken
from track_dispatch.pipeline.morning import problem_line
from track_dispatch.pipeline.problems import ProblemKind

log = logging.getLogger(__name__)

#: Forbid foreign resources and inline scripts and styles; only Airflow may frame a page.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
#: Static files hold no data.
STATIC_CACHE = "max-age=3600"
#: Days that a hospital's tab shows.
TAB_DAYS = 28
#: Matters that the card on Airflow's home page names, at most.
CARD_LINES = 4
#: Texts that a database can be asked about: PostgreSQL refuses NUL.
STORABLE = r"^[^\x00]*$"
#: The longest number of an attendance.
LONGEST_ATTENDANCE = 64

router = APIRouter(default_response_class=HTMLResponse)


class LedgerToLookAt:
    """The installation's ledger for reading, opened at its first use and then kept open.

    Args:
        patience: seconds that a request waits for another one's opening: those that queue up
            behind a silent database would take all of Airflow's threads.
    """

    def __init__(self, patience: float = LOOKING.statement) -> None:
        self._patience = patience
        self._opening = threading.Lock()
        self._ledger: Ledger | None = None

    def open(self) -> Ledger:
        """Return the ledger.

        Raises:
            ConfigError: there is none, or not the right one.
            LedgerError: its database does not answer.
        """
        if not self._opening.acquire(timeout=self._patience):
            raise LedgerError("the ledger is being opened for another page, and takes long")
        try:
            if self._ledger is None:
                self._ledger = open_ledger(read_only=True)
            return self._ledger
        finally:
            self._opening.release()

    def close(self) -> None:
        """Close the ledger's connections."""
        with self._opening:
            if self._ledger is not None:
                self._ledger.close()
                self._ledger = None


def create_app() -> FastAPI:
    """Build the app that Airflow mounts."""
    app = FastAPI(title="Pesquisas", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.ledger = LedgerToLookAt()
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    app.middleware("http")(_with_headers)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _incomplete)
    app.add_exception_handler(TrackDispatchError, _failed)
    return app


@router.get("/")
def board(request: Request, visiting: BoardVisitorDep) -> HTMLResponse:
    """Show all hospitals, and everything that waits for a person."""
    with _ledger(request).reading() as connection:
        found = read_board(connection, _scope(visiting, visiting.hospitals))
    return render(
        "board.html", board=found, verdict=words.verdict(found), explained=visiting.explained(),
        **_powers(visiting),
    )  # fmt: skip


@router.get("/summary", response_class=JSONResponse)
def summary(request: Request, visiting: BoardVisitorDep) -> dict[str, Any]:
    """Return the counts of the card on Airflow's home page."""
    with _ledger(request).reading() as connection:
        found = read_board(connection, _scope(visiting, visiting.hospitals), days=1)
    lines = [problem_line(matter.problem) for matter in found.for_person]
    return {
        "red": bool(found.for_person),
        "text": words.verdict(found),
        "lines": lines[:CARD_LINES],
        "more": max(0, len(lines) - CARD_LINES),
    }


@router.get("/day")
def day(
    request: Request, visiting: VisitorDep, chosen: ReadableHospitalDep, day: date
) -> HTMLResponse:
    """Show the account of one hospital's day."""
    return _day_page(request, visiting, chosen, day)


@router.get("/run")
def run(
    request: Request,
    visiting: VisitorDep,
    chosen: HospitalOfTabDep,
    run_id: Annotated[str, Query(max_length=250, pattern=STORABLE)],
) -> HTMLResponse:
    """Show the account of the day that a run is about: the tab of a run."""
    if not isinstance(chosen, Hospital):
        return _nothing_of(chosen)
    with _ledger(request).reading() as connection:
        work = run_work(connection, hospital=chosen.code, run_ids=[run_id])
    if not work:
        return render("message.html", text=words.RUN_READ_NOTHING)
    own = max(done.day.business_day for done in work)  # the others were read again
    return _day_page(request, visiting, chosen, own)


@router.get("/dag")
def dag(request: Request, visiting: VisitorDep, chosen: HospitalOfTabDep) -> HTMLResponse:
    """Show a hospital's last days: the tab of a DAG."""
    if not isinstance(chosen, Hospital):
        return _nothing_of(chosen)
    with _ledger(request).reading() as connection:
        found = read_board(connection, _scope(visiting, [chosen]), days=TAB_DAYS)
    (row,) = found.rows
    return render("hospital.html", row=row, hospital=chosen, **_powers(visiting))


@router.get("/trends")
def trends(
    request: Request, visiting: BoardVisitorDep, hospital: str | None = None
) -> HTMLResponse:
    """Show a hospital's last 90 days, and how many requests to Track are left."""
    working = [shown for shown in visiting.hospitals if isinstance(shown, Hospital)]
    chosen = next((shown for shown in working if hospital in {None, shown.code}), None)
    if chosen is None and hospital is None:
        return render("message.html", text=words.NO_HOSPITALS)
    if chosen is None:
        raise HTTPException(404)
    with _ledger(request).reading() as connection:
        found = read_trends(connection, chosen, moment=datetime.now(UTC))
        taken = requests_taken(connection)
    return render(
        "trends.html", trends=found, hospital=chosen, hospitals=working, taken=taken,
        limit=chosen.requests_per_5_minutes, minutes=WINDOW // 60,
    )  # fmt: skip


@router.get("/explain")
def explain_again(_visiting: BoardVisitorDep) -> RedirectResponse:
    """Redirect a reload of an answer to the form."""
    return RedirectResponse("./", 303)


@router.post("/explain")
def explain(
    request: Request,
    chosen: ExplainedHospitalDep,
    attendance: Annotated[str, Form(max_length=LONGEST_ATTENDANCE, pattern=STORABLE)],
) -> HTMLResponse:
    """Show what became of an attendance; its number stands in no address and in no page."""
    with _ledger(request).reading() as connection:
        history = attendance_history(
            connection, source=chosen.source, attendance_id=attendance.strip()
        )
    if history is not None and history.hospital != chosen.code:  # another one of the same ERP
        history = None
    return render("history.html", history=history, hospital=chosen)


def _day_page(request: Request, visiting: Visitor, hospital: Hospital, day: date) -> HTMLResponse:
    with _ledger(request).reading() as connection:
        found = read_day(connection, _scope(visiting, [hospital]), hospital, day)
    return render("day.html", account=found, hospital=hospital, **_powers(visiting))


def _nothing_of(chosen: BrokenHospital | None) -> HTMLResponse:
    text = ProblemKind.BROKEN_FILE.label if chosen else words.NOT_OF_HOSPITAL
    return render("message.html", text=text)


def _scope(visiting: Visitor, hospitals: Any) -> Scope:
    ids = [hospital.dag_id for hospital in hospitals if not isinstance(hospital, BrokenHospital)]
    return Scope(hospitals, datetime.now(UTC), active_runs(ids), visiting.hidden)


def _powers(visiting: Visitor) -> dict[str, Any]:
    """Return the user's permissions, for buttons."""
    return {"may_decide": visiting.may_decide(), "runnable": visiting.runnable()}


def _ledger(request: Request) -> Ledger:
    held: LedgerToLookAt = request.app.state.ledger
    return held.open()


async def _with_headers(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    response = await call_next(request)
    response.headers.update(HEADERS)
    if "/static/" in request.url.path and response.status_code < 400:
        response.headers["Cache-Control"] = STATIC_CACHE
    return response


def _refused(_request: Request, error: Exception) -> HTMLResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    text = words.REFUSED.get(status, words.REFUSED[404])
    return render("message.html", status=status, text=text)


def _incomplete(_request: Request, _error: Exception) -> HTMLResponse:
    return render("message.html", status=422, text=words.REFUSED[422])


def _failed(request: Request, error: Exception) -> Response:
    """Show that the ledger cannot be read now; the log has the reason."""
    log.error("the board cannot be shown: %s", error)
    text = words.UNREACHABLE if isinstance(error, LedgerError) else words.MISCONFIGURED
    if request.url.path.endswith("/summary"):
        return JSONResponse({"red": True, "text": text, "lines": [], "more": 0}, 503)
    return render("message.html", status=503, text=text)
