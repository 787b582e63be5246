"""What the pages show and to whom; nobody's data are in them, and looking changes nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from tests.postgres import connection_to
from tests.unit.board.conftest import PAGES, Person
from tests.unit.ledger.steps import Steps
from track_dispatch.board import words
from track_dispatch.board.app import HEADERS
from track_dispatch.board.facts import DOUBT_VERBS, PROBLEM_VERBS
from track_dispatch.config import Hospital
from track_dispatch.ledger import schema
from track_dispatch.ledger.keys import new_keys
from track_dispatch.ledger.stop_switch import stop_service
from track_dispatch.operators.texts import NOT_DECIDED
from track_dispatch.pipeline.screening import IMPERSONAL
from track_dispatch.records import Actor, HospitalDay
from track_dispatch.states import BRASILIA, SHELL_ONLY, DecisionRefusal, Verb

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
DAY = HospitalDay("HMS", YESTERDAY)
DAY_PAGE = f"day?hospital=HMS&day={YESTERDAY}"
RUN_PAGE = "run?dag_id=track_hms&run_id=run-1"
LOOKER = Actor("test", run_id="run-1", try_number=1)


#: What the rig gives a patient, and how it numbers attendances.
PATIENT = re.compile(r"example\.test|cpf:|0000000000\d|phone:|55279\d{8}")


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_connection(request: pytest.FixtureRequest) -> str | None:
    """Let each page be made from either database."""
    if request.param == "sqlite":
        return None
    return connection_to(request.getfixturevalue("postgres_url"), new_keys())


@pytest.fixture
def eventful(installed: Ledger) -> Ledger:
    """Leave a day of everything that somebody may decide about."""
    steps = Steps(installed)
    steps.put_batch(3, "accepted", batch_state="settled", lease=None, day=DAY)
    steps.put_batch(4, day=DAY, first=10)
    steps.put_lines(2, "held", day=DAY, first=20)
    steps.put_question(2, day=DAY, answer="timeout")
    steps.put_lines(2, "reopened", day=DAY, first=30)
    steps.put_lines(1, "refused", day=DAY, first=40, reason="refused_4xx")
    steps.put_lines(2, "excluded", channel="", day=DAY, first=50, reason="no_contact")
    steps.put_lines(2, "ready", day=DAY, first=60, area="INTERNACAO")
    steps.put_extraction(16, day=DAY)
    stop_service(installed, hospital="HMS", why="captcha", status=405, actor=LOOKER)
    return installed


@pytest.mark.parametrize("page", [*PAGES, DAY_PAGE, "static/board.css", "no-such-page"])
def test_every_answer_forbids_what_is_not_ours(eventful: Ledger, person: Person, page: str) -> None:
    answer = person("viewer").get(f"/pesquisas/{page}")

    policy = answer.headers["content-security-policy"]
    assert policy == HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"
    is_static = page.startswith("static/")
    assert ("no-store" in answer.headers["cache-control"]) is not is_static


@pytest.mark.parametrize("page", [*PAGES, DAY_PAGE])
def test_no_page_holds_a_script_a_style_or_an_address_elsewhere(
    eventful: Ledger, person: Person, page: str
) -> None:
    text = person("viewer").get(f"/pesquisas/{page}").text

    assert not re.search(r"<script(?! src=\"static/)|<style|\sstyle=|\son[a-z]+=", text)
    assert not re.search(r"(?:href|src|action)=\"(?:[a-z]+:|//|/)", text)


@pytest.mark.parametrize("page", [*PAGES, DAY_PAGE])
def test_no_page_holds_a_patients_data(eventful: Ledger, person: Person, page: str) -> None:
    with eventful.reading() as connection:
        numbers = connection.scalars(select(schema.lines.c.attendance_id)).all()
    answer = person("admin").get(f"/pesquisas/{page}")

    assert answer.status_code == 200
    assert not PATIENT.search(answer.text)
    assert not [one for one in numbers if re.search(rf"\b{re.escape(one)}\b", answer.text)]


def test_looking_writes_nothing(eventful: Ledger, person: Person) -> None:
    Steps(eventful).put_batch(
        1,
        "sending",
        batch_state="sending",
        lease=-5,
        day=DAY,
        first=90,
        area="AMBULATORIO",
    )
    before = dump(eventful)
    for page in [*PAGES, DAY_PAGE]:
        assert person("admin").get(f"/pesquisas/{page}").status_code == 200

    assert dump(eventful) == before


def dump(ledger: Ledger) -> dict[str, list[tuple[Any, ...]]]:
    with ledger.reading() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table))]
            for table in schema.metadata.sorted_tables
        }


def test_who_may_decide_finds_a_button_for_every_decision(eventful: Ledger, person: Person) -> None:
    pages = [person("user").get(f"/pesquisas/{page}").text for page in ("", DAY_PAGE)]
    offered = re.findall(r'<button name="what" value="(\w+)"[^>]*?( disabled)?>', "".join(pages))

    assert {verb for verb, _ in offered} == {str(verb) for verb in Verb if verb not in SHELL_ONLY}
    assert not any(disabled for _, disabled in offered)


def test_who_may_not_sees_the_buttons_disabled_and_why(eventful: Ledger, person: Person) -> None:
    for page in ("", DAY_PAGE):
        text = person("viewer").get(f"/pesquisas/{page}").text
        buttons = re.findall(r"<button (?!type)([^>]*)>", text.split('id="explain"')[0])
        assert buttons
        assert all("disabled" in one for one in buttons)
        assert words.MAY_NOT_DECIDE in text


def test_every_decision_that_is_offered_has_its_words() -> None:
    offered = {*DOUBT_VERBS, *PROBLEM_VERBS.values(), Verb.RETRY_REFUSED, Verb.REOPEN_ACCEPTED}

    assert offered == {verb for verb in Verb if verb not in SHELL_ONLY}
    assert set(words.BUTTONS) == set(words.CONFIRM) == offered
    assert len(set(words.BUTTONS.values())) == len(offered)


def test_a_decision_that_fails_says_why_in_place(eventful: Ledger, person: Person) -> None:
    """The task leaves the reason where the script looks for it (`tests/e2e/test_operations.py`)."""
    client = person("user")
    script = client.get("/pesquisas/static/board.js").text
    forms = re.findall(r"<form [^>]*data-decide[^>]*>", client.get("/pesquisas/").text)

    assert f"/taskInstances/decide/xcomEntries/{NOT_DECIDED}" in script
    assert forms
    assert all(f'data-refused="{DecisionRefusal.PERSONAL.label}"' in one for one in forms)


def test_airflow_begins_its_refusal_of_a_reason_as_the_script_expects(person: Person) -> None:
    from airflow.sdk import Param  # noqa: PLC0415 - imports Airflow
    from airflow.sdk.definitions.param import ParamsDict  # noqa: PLC0415
    from airflow.sdk.exceptions import ParamValidationError  # noqa: PLC0415

    script = person("user").get("/pesquisas/static/board.js").text
    (begin,) = re.findall(r'startsWith\("([^"]+)"\)', script)
    why = Param("ligar para 81 99999-1234", type="string", pattern=IMPERSONAL)

    with pytest.raises(ParamValidationError, match=f"^{begin}"):
        ParamsDict({"why": why}).validate()


def test_nothing_is_decided_while_the_lease_runs(installed: Ledger, person: Person) -> None:
    Steps(installed).put_batch(4, day=DAY, lease=600)
    Steps(installed).put_extraction(4, day=DAY)
    text = person("admin").get("/pesquisas/").text

    assert re.search(r'value="settle_sent"[^>]* disabled', text)
    assert "Pode ser decidido em" in text


def test_trends_of_a_hospital_that_nobody_read_are_an_empty_picture(
    installed: Ledger, person: Person
) -> None:
    """Before, the page drew nothing and said nothing."""
    steps, read = Steps(installed), HospitalDay("HMS", YESTERDAY - timedelta(days=3))
    steps.put_lines(2, "accepted", day=read)
    steps.put_extraction(2, day=read)
    empty = person("viewer").get("/pesquisas/trends?hospital=HSL")
    filled = person("viewer").get("/pesquisas/trends?hospital=HMS")

    assert (empty.status_code, filled.status_code) == (200, 200)
    assert words.NOTHING_YET in empty.text
    assert "<rect" not in empty.text.split('id="budget"')[0]
    assert words.NOTHING_YET not in filled.text


def test_who_is_waited_for_is_led_to_airflows_form_and_nothing_is_released_beside_it(
    installed: Ledger, person: Person
) -> None:
    steps = Steps(installed)
    steps.put_lines(2, "held", day=DAY)
    steps.put_question(2, day=DAY, open_for=3600, run_id="run/1")
    steps.put_extraction(2, day=DAY)

    for page in ("", DAY_PAGE):
        text = person("admin").get(f"/pesquisas/{page}").text
        assert "a aprovação espera uma resposta em Ações Necessárias até" in text
        assert 'href="../dags/track_hms/runs/run%2F1/required_actions"' in text
        assert "ninguém respondeu" not in text
        assert f'value="{Verb.RELEASE}"' not in text


def test_texts_of_others_are_shown_as_texts(installed: Ledger, person: Person) -> None:
    evil = "<script>alert(1)</script>\"'&"
    Steps(installed).put_lines(2, "excluded", channel="", day=DAY, reason=evil)
    Steps(installed).put_extraction(2, day=DAY, run_id=evil)
    stop_service(installed, hospital=evil, why="captcha", status=405, actor=LOOKER)
    Steps(installed).put_lines(1, "ready", day=DAY, first=9)
    client = person("admin")
    text = "".join(
        client.get(f"/pesquisas/{page}").text for page in ("", DAY_PAGE, "trends?hospital=HMS")
    )
    refused = client.get("/pesquisas/run", params={"dag_id": "track_hms", "run_id": evil})

    for one in (text, refused.text):
        assert "<script>" not in one
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize(
    ("page", "status"),
    [
        ("day?hospital=NADA&day=2026-03-10", 404),
        ("day?hospital=HMS&day=garbage", 422),
        ("day", 422),
        ("dag?dag_id=track_nada", 200),  # a foreign DAG's tab answers kindly
        ("run?dag_id=track_morning&run_id=x", 200),
        ("run?dag_id=track_hms&run_id=no-such-run", 200),
        ("trends?hospital=NADA", 404),
        ("nothing", 404),
    ],
)
def test_what_is_not_there_is_said_in_portuguese(
    installed: Ledger, person: Person, page: str, status: int
) -> None:
    answer = person("viewer").get(f"/pesquisas/{page}")

    assert answer.status_code == status
    assert '<html lang="pt-BR">' in answer.text
    assert 'class="empty"' in answer.text


@pytest.fixture
def only_hms(monkeypatch: pytest.MonkeyPatch, airflow_app: Any) -> None:
    """Let Airflow permit nothing of another hospital's DAG than HMS'."""
    from airflow.api_fastapi.app import get_auth_manager  # noqa: PLC0415 - imports Airflow

    kind = type(get_auth_manager())
    before = kind.is_authorized_dag

    def limited(self: Any, *, details: Any = None, **more: Any) -> bool:
        known = {"track_hms", "track_morning", "track_decide"}
        allowed: bool = before(self, details=details, **more)
        return allowed and details is not None and details.id in known

    monkeypatch.setattr(kind, "is_authorized_dag", limited)


def test_another_hospital_is_not_told_of(installed: Ledger, person: Person, only_hms: None) -> None:
    steps = Steps(installed)
    steps.put_batch(4, day=HospitalDay("HSL", YESTERDAY))
    steps.put_batch(4, day=HospitalDay("GONE", YESTERDAY), first=10)  # it has no file any more
    steps.put_lines(2, "ready", day=DAY, first=20)
    steps.put_extraction(2, day=DAY)
    stop_service(installed, hospital="HSL", why="captcha", status=405, actor=LOOKER)
    client = person("admin")
    for page in ("", "summary", "trends", DAY_PAGE, "dag?dag_id=track_hms", RUN_PAGE):
        answer = client.get(f"/pesquisas/{page}")
        assert answer.status_code == 200
        assert not re.search("HSL|GONE|track_hsl", answer.text), page
    assert "envio parado" in client.get("/pesquisas/").text
    for page in (
        f"day?hospital=HSL&day={YESTERDAY}",
        "dag?dag_id=track_hsl",
        "trends?hospital=HSL",
    ):
        assert client.get(f"/pesquisas/{page}").status_code == 404
    asked = {"hospital": "HSL", "attendance": "1"}
    assert client.post("/pesquisas/explain", data=asked).status_code == 404


def test_a_page_works_below_another_path(eventful: Ledger, board_app: Any, person: Person) -> None:
    from starlette.applications import Starlette  # noqa: PLC0415
    from starlette.routing import Mount  # noqa: PLC0415
    from starlette.testclient import TestClient  # noqa: PLC0415

    below = Starlette(routes=[Mount("/deep/airflow/pesquisas", app=board_app)])
    cookies = dict(person("admin").cookies)
    client = TestClient(below, cookies=cookies)
    page = client.get("/deep/airflow/pesquisas/")

    assert page.status_code == 200
    for address in re.findall(r'(?:href|src)="(?!#|\.\./)([^"]+)"', page.text):
        found = client.get(page.url.join(address.replace("&amp;", "&")))
        assert found.status_code == 200, address


def test_a_ledger_out_of_reach_is_said_without_a_word_of_it(
    installed: Ledger,
    board_app: Any,
    person: Person,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    board_app.state.ledger.close()
    monkeypatch.delenv("AIRFLOW_CONN_TRACK_LEDGER", raising=False)
    (tmp_path / "track_ledger.keys").unlink(missing_ok=True)
    answer = person("admin").get("/pesquisas/")

    assert answer.status_code == 503
    assert words.MISCONFIGURED in answer.text
    for word in (str(tmp_path), "postgres", "track_ledger"):
        assert word not in answer.text


def test_the_plugin_costs_a_tasks_start_less_than_ten_milliseconds() -> None:
    code = (
        "import airflow.plugins_manager, airflow.sdk.listener, airflow.configuration, sys, time\n"
        "before, began = set(sys.modules), time.process_time()\n"
        "import track_board\n"
        "print(time.process_time() - began, *sorted(set(sys.modules) - before))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )

    cost, *imported = found.stdout.splitlines()[-1].split()
    assert imported == ["airflow._shared.listeners", "airflow.listeners", "track_board"]
    assert float(cost) < 0.01


# -- moments -----------------------------------------------------------------------


@pytest.fixture
def far_west(monkeypatch: pytest.MonkeyPatch) -> ZoneInfo:
    """Let HMS stand where the clock is two hours behind Brasília's."""
    code = "America/Rio_Branco"
    monkeypatch.setattr(Hospital, "zone", property(lambda _: ZoneInfo(code)))
    return ZoneInfo(code)


def test_moments_are_told_by_the_hospitals_clock(
    eventful: Ledger, person: Person, far_west: ZoneInfo
) -> None:
    with eventful.writing() as connection:
        connection.execute(schema.lines.update().values(source="hms"))
        known = connection.scalars(select(schema.batches.c.changed_at)).all()
    told = {f"{at.astimezone(far_west):%d/%m/%Y %H:%M}" for at in known}
    pages = [person("viewer").get(f"/pesquisas/{page}").text for page in ("", DAY_PAGE)]
    pages.append(ask(person, "viewer", number_of(eventful, "excluded")).text)

    for page in pages:
        assert "UTC" not in page
    for page in pages[:2]:
        assert set(re.findall(r"\d\d/\d\d/\d{4} \d\d:\d\d(?! \(hora de Brasília)", page)) <= told
        assert any(one in page for one in told)
    for page in pages:
        assert "(hora do hospital)" in page
    assert asked_for()


def test_what_concerns_all_hospitals_is_told_by_the_legal_time(
    installed: Ledger, person: Person
) -> None:
    stop_service(installed, hospital="HMS", why="captcha", status=405, actor=LOOKER)
    with installed.reading() as connection:
        (at,) = connection.scalars(select(schema.stops.c.stopped_at))

    told = f"desde {at.astimezone(BRASILIA):%d/%m/%Y %H:%M} (hora de Brasília)"
    assert told in person("viewer").get("/pesquisas/summary").json()["lines"][0]


# -- explain -----------------------------------------------------------------------


def ask(person: Person, role: str, number: str, hospital: str = "HMS") -> Any:
    asked = {"hospital": hospital, "attendance": number}
    return person(role).post("/pesquisas/explain", data=asked)


def number_of(ledger: Ledger, state: str) -> str:
    with ledger.reading() as connection:
        found = select(schema.lines.c.attendance_id).where(schema.lines.c.state == state)
        return str(connection.execute(found).scalars().first())


def asked_for() -> list[tuple[str, str, str | None]]:
    from airflow.models.log import Log  # noqa: PLC0415 - imports Airflow
    from airflow.utils.session import create_session  # noqa: PLC0415

    with create_session() as session:
        rows = session.query(Log).filter(Log.event == "track_explain").all()
        found = [(row.owner, row.dag_id, row.extra) for row in rows]
        session.query(Log).filter(Log.event == "track_explain").delete()
    return found


def test_an_attendance_is_explained_in_states_and_moments(eventful: Ledger, person: Person) -> None:
    with eventful.writing() as connection:  # as the ERPs of HMS call theirs
        connection.execute(schema.lines.update().values(source="hms"))
    number = number_of(eventful, "excluded")
    answer = ask(person, "viewer", f" {number} ")

    assert answer.status_code == 200
    assert "sem contato utilizável" in answer.text
    assert "encontrado no ERP" in answer.text
    assert not re.search(rf"\b{re.escape(number)}\b", answer.text)
    assert asked_for() == [("ana.viewer", "track_hms", None)]


def test_an_answer_that_is_loaded_again_leads_back_to_the_board(
    installed: Ledger, person: Person
) -> None:
    answer = person("viewer").get("/pesquisas/explain")

    assert answer.status_code == 200
    assert answer.url.path == "/pesquisas/"


def test_nobody_explains_without_a_log_in_and_no_address_has_the_number(
    installed: Ledger, person: Person
) -> None:
    assert person(None).post("/pesquisas/explain", data={"hospital": "HMS"}).status_code == 401
    assert ask(person, "viewer", "1" * 65).status_code == 422
    answer = ask(person, "viewer", "4711")
    assert words.UNKNOWN_ATTENDANCE in answer.text
    assert "4711" not in f"{answer.text}{answer.url}"
    assert asked_for()


def test_an_attendance_of_another_hospital_of_the_same_erp_is_unknown(
    installed: Ledger, person: Person
) -> None:
    Steps(installed).put_lines(1, "accepted", day=HospitalDay("HSL", YESTERDAY), source="hms")
    answer = ask(person, "admin", number_of(installed, "accepted"))

    assert words.UNKNOWN_ATTENDANCE in answer.text
    assert asked_for()
