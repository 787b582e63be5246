"""`optout` and `person`, as a shell meets them: no identity in an argument, none in the output."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from tests.unit.delivery.bench import Bench
from track_dispatch.cli import app
from track_dispatch.errors import ConfigError
from track_dispatch.hooks import ledger as place
from track_dispatch.ledger.optouts import barred_channels
from track_dispatch.records import Channel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

CPF, EMAIL, PHONE = "529.982.247-25", "Ana@Example.com", "(27) 99999-0000"
NORMAL = {"cpf": "52998224725", "email": "ana@example.com", "phone": "5527999990000"}
BOTH = frozenset(Channel)


@pytest.fixture
def bench(airflow_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Return an installation with its ledger beside Airflow's database."""
    monkeypatch.setattr(place, "AIRFLOW_HOME", str(tmp_path))
    place.init()
    with closing(place.open_configured()) as ledger:
        yield Bench(ledger, None)  # type: ignore[arg-type]


def run(*arguments: str, said: str = "") -> Result:
    return CliRunner().invoke(app, arguments, input=f"{said}\n")


def barred(bench: Bench, **identity: str) -> frozenset[Channel]:
    with bench.ledger.reading() as connection:
        found = barred_channels(bench.ledger, connection, {1: identity})
    return found.get(1, frozenset())


@pytest.mark.parametrize(("kind", "said"), [("cpf", CPF), ("email", EMAIL), ("phone", PHONE)])
def test_an_identity_is_entered_as_a_line_would_carry_it(
    bench: Bench, kind: str, said: str
) -> None:
    done = run("optout", "add", "--source", "balcão", said=said)

    assert done.exit_code == 0, done.output
    assert barred(bench, **{kind: NORMAL[kind]}) == BOTH
    assert said not in done.output
    assert NORMAL[kind] not in done.output


def test_it_may_be_for_one_channel(bench: Bench) -> None:
    run("optout", "add", "--source", "balcão", "--channel", "whatsapp", said=PHONE)

    assert barred(bench, phone=NORMAL["phone"]) == {Channel.WHATSAPP}


def test_what_is_no_identity_is_refused_without_repeating_it(bench: Bench) -> None:
    done = run("optout", "add", "--source", "balcão", said="Maria da Silva")

    assert isinstance(done.exception, ConfigError)
    assert "Maria" not in str(done.exception)


def test_check_tells_since_when_and_from_whom(bench: Bench) -> None:
    before = run("optout", "check", said=CPF)
    run("optout", "add", "--source", "ouvidoria", said=CPF)
    after = run("optout", "check", said=CPF)
    run("optout", "remove", said=CPF)
    at_last = run("optout", "check", said=CPF)

    assert [done.exit_code for done in (before, after, at_last)] == [1, 0, 1]
    assert "ouvidoria" in after.stdout


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_list_is_entered_and_bad_rows_are_told_by_their_line(
    bench: Bench, tmp_path: Path, delimiter: str
) -> None:
    file = tmp_path / "lista.csv"
    rows = [
        "cpf,email,phone,channel",
        f"{CPF},,,",
        ",nao tem,,",
        f",{EMAIL},,email",
        f",,{PHONE},fax",
    ]
    text = "\n".join(rows).replace(",", delimiter)
    file.write_text(text, encoding="utf-8-sig")

    done = run("optout", "import", str(file), "--source", "lista antiga")

    assert done.exit_code == 1
    assert "2 rows, 2 of them new" in done.stdout
    assert "at line: 3, 5" in done.output
    assert "nao tem" not in done.output
    assert barred(bench, cpf=NORMAL["cpf"]) == BOTH
    assert barred(bench, email=NORMAL["email"]) == {Channel.EMAIL}
    assert barred(bench, phone=NORMAL["phone"]) == frozenset()


@pytest.mark.parametrize("content", [b"nome;telefone\n", "cpf\nJo\xe3o\n".encode("latin-1")])
def test_a_file_of_another_kind_is_refused(bench: Bench, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "lista.csv"
    file.write_bytes(content)

    assert isinstance(run("optout", "import", str(file), "--source", "x").exception, ConfigError)


def test_what_is_held_about_a_person_is_told_and_erased_but_for_the_opt_out(bench: Bench) -> None:
    bench.fill(1)
    hashed = bench.ledger.keys.identity("cpf", NORMAL["cpf"])
    bench.execute(f"update lines set cpf_hash = '{hashed}'")
    run("optout", "add", "--source", "balcão", said=CPF)
    who = ("--by", "ana", "--why", "pedido da pessoa")

    told = run("person", *who, said=CPF).stdout
    erased = run("person", *who, "--erase", said=CPF).stdout
    left = run("person", *who, said=CPF).stdout

    assert "ready  data" in told
    assert "erased: 1" in erased
    assert left == "0 attendances\n"
    assert bench.counts() == {"excluded opt_out": 1}
    assert next(iter(bench.lines().values())).payload is None
    assert barred(bench, cpf=NORMAL["cpf"]) == BOTH
