"""Render the board's templates, with the functions that they use."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from track_dispatch.board import facts, pictures, words
from track_dispatch.ledger.transitions import Transition
from track_dispatch.pipeline.problems import reason_label, states_text
from track_dispatch.records import Channel
from track_dispatch.states import BatchState, LineState, Verb

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """Render a template as a page."""
    return HTMLResponse(_ENVIRONMENT.get_template(template).render(context), status)


def dag_path(dag_id: str, run_id: str | None = None, tail: str = "") -> str:
    """Return where Airflow shows a DAG or a run of it, from a page; a run's id may hold `/`."""
    run = f"/runs/{quote(run_id, safe='')}" if run_id else ""
    return f"../dags/{quote(dag_id, safe='')}{run}{tail}"


def unit_name(area: str, channel: str) -> str:
    """Name an area and a channel."""
    return f"{area or 'sem área'} · {Channel(channel).label if channel else 'sem canal'}"


def moment(at: datetime, zone: tzinfo) -> str:
    """Write a moment by a hospital's clock; the pages say so."""
    return f"{at.astimezone(zone):%d/%m/%Y %H:%M}"


def transition_label(name: str) -> str:
    """Return what an analyst reads for a transition; one of a later version is its own."""
    return Transition(name).label if name in set(Transition) else name


def state_label(name: str) -> str:
    """Return what an analyst reads for a state; one of a later version is its own."""
    return LineState(name).label if name in set(LineState) else name


def parts(states: Mapping[LineState, int]) -> list[tuple[str, int]]:
    """Return lines by state in the order of the states, without those of 0."""
    return [(state.value, states[state]) for state in LineState if states.get(state)]


_ENVIRONMENT.globals.update(
    BatchState=BatchState,
    DayStatus=facts.DayStatus,
    DOUBT_VERBS=facts.DOUBT_VERBS,
    LineState=LineState,
    Verb=Verb,
    dag_path=dag_path,
    moment=moment,
    parts=parts,
    pictures=pictures,
    reason_label=reason_label,
    state_label=state_label,
    states_text=states_text,
    transition_label=transition_label,
    unit_name=unit_name,
    words=words,
)
