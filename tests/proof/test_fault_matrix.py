"""Every row of the fault matrix: what is seen, what is left behind, what a rerun does.

Half of the rows on SQLite, by a fixed seed; TRACK_PROOF=full: all of them on both databases, rerun
from either task.
"""

from __future__ import annotations

import logging
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

import pytest

from demo.world import surveys_of
from stand_ins.track_api import TrackStandIn, faults
from tests.proof.fault_causes import erp_fault, track_fault
from tests.proof.fault_outcomes import NOT_EXTRACTED, NOW
from tests.proof.fault_scene import HOSPITAL, Scene, erp
from tests.proof.fault_table import DOUBT_ROWS, TRACK_ROWS
from tests.proof.fault_table_erp import ERP_ROWS
from tests.proof.fault_terms import After, OnPost, Wire
from tests.proof.proof_report import IN_FULL, note
from tests.unit.ledger.conftest import (
    _postgresql,
    _sqlite,
    ledger,
    postgresql_ledger,
    sqlite_ledger,
)
from tests.unit.ledger.steps import Steps
from track_dispatch.errors import ConfigError
from track_dispatch.states import LineState

if TYPE_CHECKING:
    from stand_ins.oracle import OracleStandIn
    from tests.proof.fault_scene import Seen
    from tests.proof.fault_terms import ErpRow, TrackRow
    from track_dispatch.ledger.database import Ledger

    OpenScene = Callable[..., Scene]

__all__ = ["_postgresql", "_sqlite", "ledger", "postgresql_ledger", "sqlite_ledger"]

DATABASES = ("sqlite_ledger", "postgresql_ledger") if IN_FULL else ("sqlite_ledger",)
SEED = 20260310
#: Seconds for a request to Track that never ends by itself, and for all others.
IMPATIENT, PATIENT = 1, 20


def cases(rows: tuple[TrackRow | ErpRow, ...], variants: tuple[object, ...]) -> list[object]:
    """Choose rows, each with all variants of its rerun or with one of them."""
    if IN_FULL:
        chosen = list(product(rows, variants))
    else:
        draw = random.Random(SEED)
        sample = draw.sample(rows, (len(rows) + 1) // 2)
        chosen = [(row, draw.choice(variants)) for row in rows if row in sample]
    return [pytest.param(row, variant, id=f"{row.name}-{variant}") for row, variant in chosen]


on_databases = pytest.mark.parametrize("ledger", DATABASES, indirect=True)


@pytest.fixture(scope="module")
def counted() -> Iterator[Counter[str]]:
    """Count what the whole matrix has shown."""
    numbers: Counter[str] = Counter(faults=0, duplicates=0, lost=0)
    yield numbers
    note("faults", **numbers)


@pytest.fixture
def make_oracle() -> Callable[[], OracleStandIn]:
    """Let `oracle` be the hospital's ERP with the patients of all days."""
    return erp


@pytest.fixture
def open_scene(
    ledger: Ledger,
    oracle: OracleStandIn,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    counted: Counter[str],
) -> Iterator[OpenScene]:
    """Open a scene; whatever comes of it, nobody is asked twice, lost, or told of in a log."""
    caplog.set_level(logging.DEBUG, logger="track_dispatch")
    opened: list[Scene] = []
    with TrackStandIn(surveys=surveys_of(HOSPITAL), clock=lambda: NOW) as api:

        def open_(row: TrackRow | ErpRow, **settings: Any) -> Scene:
            scene = Scene(
                ledger,
                oracle,
                api,
                monkeypatch,
                folder=tmp_path,
                day=row.day,
                deadline=IMPATIENT if row.slow else PATIENT,
                **settings,
            )
            opened.append(scene)
            return scene

        yield open_
    (scene,) = opened
    counted["faults"] += 1
    promise(scene, counted)
    told = "\n".join([caplog.text, *scene.told]).lower()
    assert [secret for secret in ("plantada", *scene.patients()) if secret in told] == []


def promise(scene: Scene, counted: Counter[str]) -> None:
    """Check at the end of a scene: at most once to each patient, and none lost silently."""
    accepted, lines = scene.api.accepted_ids(), scene.lines()
    by_state = {state: {id_ for id_, s in lines.items() if s == state} for state in lines.values()}
    twice = [id_ for id_, times in accepted.items() if times > 1]
    open_ends = {"in_doubt", "refused_4xx", "refused_2xx", "ready"}
    lost = [
        id_ for id_ in scene.patients() if id_ not in accepted and lines.get(id_) not in open_ends
    ]
    counted["duplicates"] += len(twice)
    counted["lost"] += len(lost)

    assert (twice, lost) == ([], [])
    assert by_state.get("accepted", set()) <= accepted.keys()
    assert accepted.keys() <= by_state.get("accepted", set()) | by_state.get("in_doubt", set())
    assert scene.api.violations == []


def check(scene: Scene, seen: Seen, after: After, *, posts_before: int = 0) -> None:
    """Compare how things stand with what the table says."""
    sees = after.sees
    if sees is None:
        assert seen.error is None
    else:
        assert type(seen.error) is sees.error
        assert sees.text in str(seen.error)
    assert seen.airflow == (sees and sees.airflow)
    assert tuple(map(timeless, seen.report.last_words())) == after.red
    assert Counter(scene.lines().values()) == after.lines
    assert scene.batches() == after.batches
    assert tuple(len(post.lines) for post in scene.api.received[posts_before:]) == after.posts
    assert scene.api.accepted_ids().total() == after.delivered
    assert no_data_without_need(scene)
    tells_the_lines(seen, after)


def no_data_without_need(scene: Scene) -> bool:
    """Tell whether only envelopes in which somebody waits hold patients' data, and count truly."""
    return all(scene.kept_payloads()) and Steps(scene.ledger).counts_are_true()


def timeless(problem: str) -> str:
    """Leave out since when sending is stopped: it is the database's clock."""
    return re.sub(r"desde [\d/]+ \d\d:\d\d \(hora de Brasília\)", "desde {}", problem)


def tells_the_lines(seen: Seen, after: After) -> None:
    """Compare the report's account with the table: it ends green, or says what is red."""
    told = list(seen.report.text())
    expected: Counter[str] = Counter()
    for kind, lines in after.lines.items():
        state = LineState.REFUSED if kind.startswith("refused") else LineState(kind)
        expected[state.label] += lines
    units = [line for line in told if re.match("[A-Z ]+ · (e-mail|WhatsApp): ", line)]
    plural = {
        state.counted(one).partition(" ")[2]: state.label for state in LineState for one in (1, 2)
    }
    counts: Counter[str] = Counter()
    for number, label in re.findall(r"(\d+) ([^\d,\n]+)", "\n".join(units)):
        counts[plural[label]] += int(number)
    assert counts == expected
    assert timeless(told[-1]) == (
        "VERDE: o dia está completo" if not after.red else f"VERMELHO: {after.red[-1]}"
    )


# -- Track -----------------------------------------------------------------------------------------


@on_databases
@pytest.mark.parametrize(("row", "cleared"), cases(TRACK_ROWS, ("dispatch", "extract")))
def test_a_fault_of_track(row: TrackRow, cleared: str, open_scene: OpenScene) -> None:
    scene = open_scene(row, batch_size=row.batch_size)
    scene.work_off("extract", "transform")

    with track_fault(scene, row.fault):
        seen = scene.work_off("dispatch")
    check(scene, seen, row.first)

    posts = len(scene.api.received)
    seen = scene.clear(cleared)
    check(scene, seen, row.rerun, posts_before=posts)


@on_databases
@pytest.mark.parametrize(("row", "asked"), cases(DOUBT_ROWS, ("by the next reading",)))
def test_a_doubt_that_a_person_settles_by_what_track_has_ends_with_everybody_asked_once(
    row: TrackRow, asked: str, open_scene: OpenScene
) -> None:
    scene = open_scene(row, batch_size=row.batch_size)
    scene.work_off("extract", "transform")
    with track_fault(scene, row.fault):
        scene.work_off("dispatch")

    scene.decide_as_it_was()
    seen = scene.clear("extract")

    assert (seen.error, seen.report.problems) == (None, ())
    assert set(scene.lines().values()) == {"accepted"}
    assert set(scene.api.accepted_ids()) == set(scene.patients())
    assert scene.kept_payloads() == []


def test_the_table_has_every_case_of_the_wire_and_every_fault_of_the_stand_in() -> None:
    shipped = {fault.name for fault in faults.QUICK}
    scripted = {row.fault.fault.name for row in TRACK_ROWS if isinstance(row.fault, OnPost)}

    assert {row.wire for row in TRACK_ROWS} == set(Wire)
    assert shipped - scripted == {"refuse_400_named"}  # a row with BadLines
    assert len({row.name for row in (*TRACK_ROWS, *ERP_ROWS)}) == len(TRACK_ROWS) + len(ERP_ROWS)


# -- the ERP ---------------------------------------------------------------------------------------


@pytest.mark.filterwarnings(  # the driver leaves the socket of a torn connection to the collector
    "ignore:.*unclosed <socket:ResourceWarning",
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning",
)
@on_databases
@pytest.mark.parametrize(("row", "day"), cases(ERP_ROWS, ("new", "sent before")))
def test_a_fault_of_the_erp(row: ErpRow, day: str, open_scene: OpenScene) -> None:
    scene = open_scene(row, batch_size=100, call_timeout=row.call_timeout_seconds)
    if day == "sent before":
        scene.work_off("extract", "transform", "dispatch")
    posts, lines = len(scene.api.received), scene.lines()

    with erp_fault(scene, row.fault):
        seen = scene.clear("extract")

    assert type(seen.error) is row.sees.error
    assert row.sees.text in str(seen.error)
    assert seen.airflow == row.sees.airflow
    assert tuple(seen.report.last_words()) == NOT_EXTRACTED
    assert (scene.lines(), len(scene.api.received)) == (lines, posts)

    seen = scene.clear("transform")  # in vain: what was read in part is not used

    assert type(seen.error) is (ConfigError if day == "new" else NoneType)
    assert tuple(seen.report.last_words()) == NOT_EXTRACTED
    assert (scene.lines(), len(scene.api.received)) == (lines, posts)

    seen = scene.clear("extract")
    patients = len(scene.patients())

    assert (seen.error, seen.report.problems) == (None, ())
    assert Counter(scene.lines().values()) == {"accepted": patients}
    assert scene.api.accepted_ids().total() == patients
    assert day == "new" or len(scene.api.received) == posts
