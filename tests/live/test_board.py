"""The board in a real browser, over `make ui`: what an analyst sees of a week, and does."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from stand_ins.erp_data import erp_people
from tests.live.made_ui import PATIENCE, chromium, made_ui

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Frame, FrameLocator, Locator, Page

    from tests.live.made_ui import MadeUi

expect.set_options(timeout=PATIENCE)
DESK, PHONE = (1366, 768), (390, 844)
#: Where `make pictures` wants the pictures of the pages.
PICTURES = os.environ.get("TRACK_PICTURES")
WHY = "procurei no Track, e o lote está lá"
#: Where a page that needs no request comes from: a picture that stands in a style, for one.
HERE = ""
UNKNOWN = "O livro-razão não conhece este atendimento"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def ui(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MadeUi]:
    """Run a week and Airflow over it, once for all tests; without a browser nothing is run."""
    with made_ui(tmp_path_factory.mktemp("ui")) as running:
        yield running


class Watched:
    """A window whose every page must keep quiet: no error in the console, no other host."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.url = url
        self.context = context
        self.errors: list[str] = []
        self.hosts: set[str] = set()
        self.page = context.new_page()
        self.page.on("console", lambda one: one.type == "error" and self.errors.append(one.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        context.on("request", lambda one: self.hosts.add(urlsplit(one.url).netloc or HERE))

    def open(self, path: str = "plugin/pesquisas") -> FrameLocator:
        """Open a page of Airflow's with one of ours in it."""
        self.page.goto(f"{self.url}/{path}")
        return self.ours()

    def ours(self) -> FrameLocator:
        """Return what our frame shows."""
        return self.page.frame_locator("iframe")

    def frame(self) -> Frame:
        """Return our frame, when it is there."""
        self.ours().locator("h1").wait_for()
        return self.page.frames[-1]

    def picture(self, name: str) -> None:
        """Take the picture of a page, where pictures are wanted."""
        if PICTURES:
            self.page.screenshot(path=Path(PICTURES) / f"{name}.png", animations="disabled")


@pytest.fixture
def person(request: pytest.FixtureRequest, browser: Browser, ui: MadeUi) -> Iterator[Watched]:
    """Open a window for a user and a size, by default `op` at a desk; it must have kept quiet."""
    user, (width, height) = getattr(request, "param", ("op", DESK))
    context = ui.person(browser, user, width=width, height=height)
    watched = Watched(context, ui.url)
    yield watched
    context.close()
    assert watched.errors == []
    assert watched.hosts - {HERE} == {urlsplit(ui.url).netloc}


def cell(ours: FrameLocator | Page, code: str, status: str) -> Locator:
    """Return a hospital's latest cell of a status."""
    return ours.locator(f"a.cell[aria-label^='{code} '][aria-label$=': {status}']").last


def test_the_home_page_says_whether_anybody_is_needed_and_leads_to_the_board(
    person: Watched,
) -> None:
    page = person.page
    page.goto(person.url)

    expect(page.get_by_text(re.compile(r"assuntos? precisam? de alguém"))).to_be_visible()
    page.get_by_text("Abrir o painel").click()

    expect(person.ours().get_by_role("heading", name="Pesquisas", exact=True)).to_be_visible()


def test_the_board_shows_a_week_with_whatever_an_analyst_may_meet(person: Watched) -> None:
    page = person.page
    page.goto(person.url)
    page.get_by_role("link", name="Pesquisas", exact=True).click()
    ours = person.ours()

    for status in ("completo", "em dúvida", "em andamento", "em envio ou a reler"):
        expect(ours.locator(f"a.cell[aria-label$=': {status}']").first).to_be_visible()
    for matter in ("linhas? em dúvida", "linhas? retidas?", "linhas? a reler"):
        found = ours.get_by_role("listitem").filter(has_text=re.compile(matter))
        expect(found.first).to_be_visible()
    for state in ("aceitas", "excluídas", "recusadas", "retidas", "em dúvida"):
        count = ours.locator(".numbers div", has_text=state).locator("dd")
        assert count.inner_text().isdigit()
    expect(ours.get_by_role("link", name="Ações Necessárias").first).to_be_visible()
    person.picture("board")


def test_a_cell_leads_to_its_day_whose_address_can_be_kept_and_left_again(person: Watched) -> None:
    page, ours = person.page, person.open()
    cell(ours, "HMS", "completo").click()
    expect(ours.get_by_role("heading", name="A conta do dia")).to_be_visible()
    title = ours.locator("h1").inner_text()
    expect(page).to_have_url(re.compile("hospital=HMS"))
    person.picture("day")

    page.go_back()
    expect(ours.get_by_role("heading", name="Pesquisas", exact=True)).to_be_visible()
    page.go_forward()
    expect(ours.locator("h1")).to_have_text(title)
    page.reload()
    expect(ours.locator("h1")).to_have_text(title)

    page.go_back()  # before, this did nothing: the entry was of a frame that the reload threw away
    expect(ours.get_by_role("heading", name="Pesquisas", exact=True)).to_be_visible()


def test_a_hospitals_dag_has_a_tab_with_its_days(person: Watched) -> None:
    person.page.goto(f"{person.url}/dags/track_hms")
    person.page.get_by_role("link", name="Conta dos dias").click()

    expect(person.ours().get_by_role("heading", name="HMS")).to_be_visible()
    cell(person.ours(), "HMS", "completo").click()
    expect(person.ours().get_by_role("heading", name="A conta do dia")).to_be_visible()


def test_a_run_has_a_tab_with_its_day_and_the_day_leads_to_the_run(person: Watched) -> None:
    page, ours = person.page, person.open()
    cell(ours, "HMS", "completo").click()
    ours.get_by_role("link", name="Execução no Airflow").click()
    expect(page).to_have_url(re.compile("/dags/track_hms/runs/"))

    page.get_by_role("link", name="Conta do dia").click()

    expect(ours.get_by_role("heading", name="A conta do dia")).to_be_visible()


@pytest.mark.parametrize(
    "person", [("op", DESK), ("op", PHONE)], indirect=True, ids=["desk", "phone"]
)
@pytest.mark.parametrize("path", ["", "dag?dag_id=track_hms", "trends?hospital=HMS"])
def test_nothing_is_wider_than_the_window(person: Watched, path: str) -> None:
    person.page.goto(f"{person.url}/pesquisas/{path}")
    person.page.locator("h1").wait_for()

    wide = person.page.evaluate("document.scrollingElement.scrollWidth - innerWidth")

    assert wide <= 0


@pytest.mark.parametrize("person", [("op", PHONE)], indirect=True, ids=["phone"])
def test_a_day_fits_a_phone(person: Watched) -> None:
    page = person.page
    page.goto(f"{person.url}/pesquisas/")
    cell(page, "HMS", "completo").click()
    expect(page.get_by_role("heading", name="A conta do dia")).to_be_visible()

    assert page.evaluate("document.scrollingElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_have_no_serious_finding_of_accessibility(person: Watched, theme: str) -> None:
    person.context.add_init_script(f"localStorage.setItem('theme', '{theme}')")
    ours = person.open()
    found = [*findings(person.frame())]
    assert person.frame().evaluate("document.documentElement.classList.contains('dark')") == (
        theme == "dark"
    )
    cell(ours, "HMS", "em dúvida").click()
    expect(ours.get_by_role("heading", name="A conta do dia")).to_be_visible()
    found += findings(person.frame())
    for path in ("dag?dag_id=track_hms", "trends?hospital=HMS"):
        person.page.goto(f"{person.url}/pesquisas/{path}")
        found += findings(person.page.main_frame)

    assert found == []


def findings(frame: Frame) -> list[str]:
    """Return what axe finds in a frame and calls serious or worse."""
    frame.locator("h1").wait_for()
    return [
        f"{frame.url}: {one['id']}: {node['target']} {node['failureSummary']}"
        for one in Axe().run(frame).response["violations"]
        for node in one["nodes"]
        if one["impact"] in ("serious", "critical")
    ]


def test_the_keyboard_is_enough_to_find_out_why_a_patient_was_not_asked(
    person: Watched, ui: MadeUi
) -> None:
    page, ours = person.page, person.open()
    number = known_attendance(person)
    ours.get_by_role("heading", name="Pesquisas", exact=True).wait_for()
    press_until(person, "Tab", "input[name=attendance]")

    page.keyboard.type(number)
    page.keyboard.press("Enter")

    expect(ours.get_by_role("heading", name="Um atendimento de HMS")).to_be_visible()
    expect(ours.get_by_role("table")).to_contain_text("prontas")
    assert number not in page.url
    person.picture("attendance")


def press_until(person: Watched, key: str, selector: str) -> None:
    """Press a key until an element of our frame has the focus."""
    frame = person.frame()
    frame.locator("a").first.focus()
    for _ in range(200):
        if frame.evaluate("s => document.activeElement.matches(s)", selector):
            return
        person.page.keyboard.press(key)
    raise AssertionError(f"{key} never came to {selector}")


def known_attendance(person: Watched) -> str:
    """Return the number of an attendance of HMS that a run has read."""
    day = datetime.now(UTC).date() - timedelta(days=4)
    for someone in erp_people("hms", days=[day]):
        for number in someone.attendance_ids:
            asked = person.context.request.post(
                f"{person.url}/pesquisas/explain", form={"hospital": "HMS", "attendance": number}
            )
            if asked.ok and UNKNOWN not in asked.text():
                return number
    raise AssertionError("no attendance of the day is known")


@pytest.mark.parametrize("person", [("viewer", DESK)], indirect=True, ids=["viewer"])
def test_whoever_may_only_look_sees_all_and_is_told_why_nothing_can_be_pressed(
    person: Watched, ui: MadeUi
) -> None:
    ours = person.open()
    doubt = ours.locator("form[data-batch]").first

    expect(doubt.get_by_role("button", name="Está no Track", exact=True)).to_be_disabled()
    expect(doubt).to_contain_text("Seu usuário não pode acionar")
    refused = requests.post(
        f"{ui.url}/api/v2/dags/track_decide/dagRuns",
        json={"logical_date": None, "conf": {"what": "resume", "why": WHY}},
        headers={"Authorization": f"Bearer {ui.token('viewer')}"},
        timeout=60,
    )
    assert refused.status_code == 403


def test_nobody_who_has_not_logged_in_sees_anything(ui: MadeUi) -> None:
    for path in ("", "summary", "day?hospital=HMS&day=2026-01-01", "trends?hospital=HMS"):
        assert requests.get(f"{ui.url}/pesquisas/{path}", timeout=60).status_code == 401


def test_a_doubt_is_decided_in_place_by_keyboard_and_board_and_ledger_know(
    person: Watched, ui: MadeUi
) -> None:
    ours = person.open()
    batch = ours.locator("form[data-batch]:not([data-batch=''])").first.get_attribute("data-batch")
    form = ours.locator(f"form[data-batch='{batch}']")
    # the lease of its POST is over when Airflow is there
    expect(form.get_by_role("button", name="Está no Track", exact=True)).to_be_enabled()
    assert f"{batch}" in ui.verb("doubt list")

    form.get_by_label("Motivo").focus()
    person.page.keyboard.type(WHY)
    person.page.keyboard.press("Tab")
    person.page.keyboard.press("Enter")
    expect(form.get_by_text("contam como convidados")).to_be_visible()
    expect(form.get_by_role("button", name="Confirmo")).to_be_focused()
    person.picture("decide")
    person.page.keyboard.press("Enter")

    expect(form.locator("output")).to_contain_text("Feito.")
    assert f"{batch}" not in ui.verb("doubt list")
    person.page.reload()
    expect(ours.get_by_role("heading", name="Pesquisas", exact=True)).to_be_visible()
    expect(form).to_have_count(0)


def test_a_day_to_be_read_again_is_run_from_the_board(person: Watched, ui: MadeUi) -> None:
    ours = person.open()
    form = ours.locator("form[data-run]:visible").first  # a doubt has one that is not shown yet
    dag, day = form.get_attribute("data-run"), form.get_attribute("data-day")

    form.get_by_role("button", name="Rodar este dia agora").press("Enter")

    expect(form.locator("output")).to_contain_text("A execução começou:")
    form.get_by_role("link", name="ver a execução").click()
    expect(person.page).to_have_url(re.compile(f"/dags/{dag}/runs/"))
    run = person.page.url.rsplit("/runs/", 1)[1].split("/")[0]
    told = requests.get(
        f"{ui.url}/api/v2/dags/{dag}/dagRuns/{run}",
        headers={"Authorization": f"Bearer {ui.token('viewer')}"},
        timeout=60,
    )
    assert told.json()["conf"]["business_day"] == day
    # the scheduler notes the day when it begins the run
    note = f"Dia de atendimento: {datetime.fromisoformat(day):%d/%m/%Y}"
    person.page.wait_for_function(
        "async ([run, note]) => (await (await fetch(run)).json()).note === note",
        arg=[f"{ui.url}/api/v2/dags/{dag}/dagRuns/{run}", note],
        polling=500,
    )


def test_airflows_grid_names_the_tasks_as_the_board_does(person: Watched) -> None:
    person.page.goto(f"{person.url}/dags/track_hms")

    for task in ("Extrair do ERP", "Aprovar o volume", "Enviar ao Track", "Relatório do dia"):
        expect(person.page.get_by_text(task).first).to_be_visible()
    person.picture("ui")
