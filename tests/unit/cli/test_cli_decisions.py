"""`day`, `explain` and the verbs by which a person decides, as a shell meets them."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from demo.track_api import TrackStandIn, faults
from demo.world import surveys_of, track_connection
from tests.unit.delivery.bench import UNIT, Bench
from tests.unit.delivery.test_switch import close_elsewhere
from track_dispatch.cli import app
from track_dispatch.errors import TrackDispatchError
from track_dispatch.hooks import ledger as place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

#: The command line knows no clock but the real one: so do dispatches and Track here.
TODAY = datetime.now(UTC)
YESTERDAYS = replace(UNIT, business_day=(TODAY - timedelta(days=1)).date())


@pytest.fixture
def bench(airflow_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Return an installation with its ledger beside Airflow's database, and a Track."""
    monkeypatch.setattr(place, "AIRFLOW_HOME", str(tmp_path))
    place.init()
    hospital_surveys = surveys_of(Bench(None, None).hospital)  # type: ignore[arg-type]
    with (
        TrackStandIn(surveys=hospital_surveys) as api,
        closing(place.open_configured()) as ledger,
    ):
        monkeypatch.setenv("AIRFLOW_CONN_TRACK_API", track_connection(api.url))
        yield Bench(ledger, api)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def said(*arguments: str) -> str:
    """Return the message that a verb ends with; `main` prints it and exits 1."""
    with pytest.raises(TrackDispatchError) as caught:
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    return str(caught.value)


def doubtful(bench: Bench, *, accepted: bool) -> str:
    """Put two lines of yesterday in doubt, their lease over; return the batch's id."""
    bench.fill(2, unit=YESTERDAYS)
    bench.api.script(faults.drop(accepted=accepted))
    bench.dispatch_anyhow(YESTERDAYS, now=TODAY)
    bench.execute("update lines set lease_until = '2026-01-01 00:00:00'")
    (batch,) = bench.batches()
    return str(batch.id)


def test_doubts_are_listed_and_settled(bench: Bench) -> None:
    batch = doubtful(bench, accepted=True)

    listed = run("doubt", "list").stdout.splitlines()
    settled = run("doubt", "settle", batch, "--sent", "--by", "ana", "--why", "visto no Track")
    left = run("doubt", "list").stdout

    assert batch in listed[0]
    assert "2 lines" in listed[0]
    assert "to decide" in listed[0]
    assert settled.stdout == f"{batch}: 2 lines, settle_sent\n"
    assert left == "0 batches in doubt\n"
    assert bench.counts() == {"accepted": 2}


def test_a_doubt_is_sent_again_from_the_shell(bench: Bench) -> None:
    batch = doubtful(bench, accepted=False)

    done = run("doubt", "settle", batch, "--send-again", "--by", "ana", "--why", "não chegou")

    assert done.exit_code == 0, done.output
    assert [post.idempotency_key for post in bench.api.received] == [batch, batch]
    assert bench.counts() == {"accepted": 2}


@pytest.mark.parametrize("verbs", [(), ("--sent", "--abandon")])
def test_one_thing_is_decided_at_a_time(bench: Bench, verbs: tuple[str, ...]) -> None:
    done = run("doubt", "settle", "b1", *verbs, "--by", "ana", "--why", "por isso")

    assert done.exit_code == 2


@pytest.mark.parametrize("missing", ["--by", "--why"])
def test_nothing_is_decided_without_a_person_and_a_reason(bench: Bench, missing: str) -> None:
    given = {"--by": "ana", "--why": "por isso"}
    del given[missing]

    done = run("resume", *(part for pair in given.items() for part in pair))

    assert done.exit_code == 2


def test_resume_opens_the_switch(bench: Bench) -> None:
    close_elsewhere(bench)

    first = run("resume", "--by", "ana", "--why", "captcha resolvido").stdout
    second = run("resume", "--by", "ana", "--why", "captcha resolvido").stdout

    assert first == "sending goes on for all hospitals; clear dispatch where it is red\n"
    assert second.startswith("sending was not stopped")


def test_a_restored_backup_is_declared_released_and_allowed(bench: Bench) -> None:
    bench.fill(2)
    day = str(UNIT.business_day)
    who = ("--by", "rui", "--why", "disco trocado")

    restored = run("ledger", "restored", "--as-of", "2026-03-03T03:00-03:00", *who).stdout
    in_doubt = bench.counts()
    released = run("release", "hms", day, *who).stdout
    allowed = run("ledger", "allow-day", "hms", "2026-03-05", *who).stdout

    assert restored.startswith("2 lines in doubt")
    assert in_doubt == {"in_doubt": 2}
    assert released == f"HMS {day}: 2 lines ready; clear dispatch\n"
    assert bench.counts() == {"ready": 2}
    assert allowed == "HMS 2026-03-05: allowed; trigger or backfill it\n"


def test_a_moment_without_an_offset_is_no_moment(bench: Bench) -> None:
    done = run("ledger", "restored", "--as-of", "2026-03-03T03:00", "--by", "r", "--why", "abc")

    assert done.exit_code == 2


def test_refusals_are_listed_and_allowed_another_try(bench: Bench) -> None:
    ids = bench.fill(2)
    bench.api.reject(ids[:1])
    bench.dispatch(now=TODAY)

    listed = run("refused", "list").stdout
    day = str(UNIT.business_day)
    done = run("refused", "retry", "HMS", day, "--by", "ana", "--why", "corrigido")

    assert "refused_4xx" in listed
    assert listed.endswith("1 lines refused\n")
    assert "clear `extract`" in done.stdout.replace("\n", " ")
    assert "retry allowed" in run("refused", "list").stdout


def test_explain_tells_the_life_of_an_attendance_and_no_name(bench: Bench) -> None:
    ids = bench.fill(1)
    bench.dispatch(now=TODAY)

    told = run("explain", "hms", ids[0]).stdout

    assert "accepted" in told.splitlines()[0]
    assert [line.split()[3] for line in told.splitlines()[1:]] == ["found", "claimed", "answered"]
    assert f"batch={bench.batches()[0].id}" in told
    assert f"receipt={bench.batches()[0].receipt}" in told
    for secret in ("Fulana", "exemplo.test", "5527999990000"):
        assert secret not in told


def test_explain_of_an_unknown_attendance_says_so(bench: Bench) -> None:
    assert "no such attendance" in said("explain", "HMS", "123")


def test_day_prints_the_table_of_a_day_and_exits_1_when_somebody_must_act(bench: Bench) -> None:
    bench.fill(2)

    red = run("day", str(UNIT.business_day))
    bench.dispatch(now=TODAY)
    after = run("day", str(UNIT.business_day))

    assert red.exit_code == 1
    assert "prontas" in red.stdout
    assert "prontas" not in after.stdout
    assert "HMS" in after.stdout
