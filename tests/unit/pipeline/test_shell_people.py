"""`optout` and `person`, as a shell meets them: no identity in an argument, none in the output."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.ledger.decisions_rig import (
    fates,
    patient,
    put_batch,
    put_lines,
)
from tests.unit.pipeline.shell_rig import message_of, run
from track_dispatch.ledger.privacy import optouts_of
from track_dispatch.records import IdentityKind

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger

CPF, EMAIL, PHONE = "529.982.247-25", "Ana@Example.com", "(27) 99999-0000"
VALUES = {CPF: "cpf:52998224725", EMAIL: "email:ana@example.com", PHONE: "phone:5527999990000"}
WHO = ("--by", "ana", "--why", "pedido da pessoa")


def barred(ledger: Ledger, said: str) -> set[str]:
    """Return the channels that are barred for what somebody says, "" for all."""
    with ledger.reading() as connection:
        found = optouts_of(connection, ledger.keys, [VALUES[said]])
    return {one.channel or "" for one in found}


# -- the list ----------------------------------------------------------------------


@pytest.mark.parametrize("said", [CPF, EMAIL, PHONE])
def test_an_identity_is_entered_as_a_line_would_carry_it(installed: Ledger, said: str) -> None:
    done = run("optout", "add", "--source", "balcão", said=said)

    assert done.exit_code == 0, done.output
    assert barred(installed, said) == {""}
    assert said not in done.output
    assert VALUES[said].partition(":")[2] not in done.output


def test_all_that_a_person_gave_is_entered_at_once(installed: Ledger) -> None:
    run("optout", "add", "--source", "balcão", said=f"{CPF}; {EMAIL}")

    assert barred(installed, CPF) == barred(installed, EMAIL) == {""}


def test_what_is_no_identity_is_refused_without_repeating_it(installed: Ledger) -> None:
    for said in ("Maria da Silva", f"{CPF}; Maria", ""):
        assert message_of("optout", "add", "--source", "balcão", said=said) == (
            "that is no CPF, e-mail or phone"
        )
    assert barred(installed, CPF) == set()


def test_a_source_that_looks_like_a_patient_is_refused(installed: Ledger) -> None:
    said = message_of("optout", "add", "--source", "maria@exemplo.test", said=CPF)

    assert "leave patients out" in said


def test_one_channel_is_freed_and_the_shell_says_what_is_left(installed: Ledger) -> None:
    run("optout", "add", "--source", "balcão", said=EMAIL)

    done = run("optout", "remove", "--channel", "email", said=EMAIL)

    assert done.stdout.splitlines() == ["taken off the list", "still on it: email, not by WhatsApp"]
    assert barred(installed, EMAIL) == {"whatsapp"}


def test_check_tells_since_when_and_from_whom(installed: Ledger) -> None:
    before = run("optout", "check", said=CPF)
    run("optout", "add", "--source", "ouvidoria", said=CPF)
    after = run("optout", "check", said=CPF)
    run("optout", "remove", said=CPF)
    at_last = run("optout", "check", said=CPF)

    assert [done.exit_code for done in (before, after, at_last)] == [1, 0, 1]
    assert "ouvidoria" in after.stdout


def test_the_list_is_counted(installed: Ledger) -> None:
    run("optout", "add", "--source", "balcão", said=f"{CPF};{EMAIL}")

    listed = run("optout", "list").stdout.splitlines()
    found = json.loads(run("optout", "list", "--json").stdout)

    assert listed[-1] == "2 identities on the list"
    assert sorted((one["kind"], one["values"]) for one in found) == [("cpf", 1), ("email", 1)]


# -- a file ------------------------------------------------------------------------


def imported(file: Path, content: bytes) -> tuple[str, str, int]:
    file.write_bytes(content)
    done = run("optout", "import", str(file), "--source", "lista antiga")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.stdout, done.output, done.exit_code


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("first", ["", "sep=X\r\n"])
def test_a_list_is_read_as_spreadsheets_save_it(
    installed: Ledger, tmp_path: Path, delimiter: str, encoding: str, first: str
) -> None:
    rows = ["CPF;E-mail;Telefone;Canal", f"{CPF};;;", f";{EMAIL};;e-mail", f";;{PHONE};todos"]
    text = first.replace("X", delimiter) + "\r\n".join(rows).replace(";", delimiter)

    said, _, code = imported(tmp_path / "lista.csv", text.encode(encoding))

    assert (said, code) == ("3 people, 3 of them new\n", 0)
    assert barred(installed, CPF) == barred(installed, PHONE) == {""}
    assert barred(installed, EMAIL) == {"email"}


def test_what_cannot_be_used_is_told_by_line_and_the_rest_enters(
    installed: Ledger, tmp_path: Path
) -> None:
    """Before, a bad CPF beside a good address was dropped without a word."""
    rows = [
        "cpf,email,phone,channel",
        f"111.111.111-11,{EMAIL},,",
        ",nao tem,,",
        f",,{PHONE},fax",
        f"{CPF},,,,sobra",
    ]

    said, output, code = imported(tmp_path / "lista.csv", "\n".join(rows).encode())

    assert (said.splitlines()[0], code) == ("2 people, 2 of them new", 1)
    assert "not used, cpf at line: 2" in output
    assert "not used, email at line: 3" in output
    assert "not used, channel at line: 4" in output
    assert "not used, beyond the heading at line: 5" in output
    assert "nao tem" not in output
    assert barred(installed, EMAIL) == barred(installed, CPF) == {""}
    assert barred(installed, PHONE) == set()


def test_every_address_of_a_cell_enters(installed: Ledger, tmp_path: Path) -> None:
    text = f'email\n"maria@example.com; {EMAIL}"\n'

    imported(tmp_path / "lista.csv", text.encode())

    assert barred(installed, EMAIL) == {""}


def test_a_huge_cell_is_a_fault_and_no_traceback(installed: Ledger, tmp_path: Path) -> None:
    text = f'email\n"{"x" * 200_000}"\n{EMAIL}\n'

    said, _, code = imported(tmp_path / "lista.csv", text.encode())

    assert (said, code) == ("1 people, 1 of them new\n", 1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"nome;endereco\nAna;Rua 1\n", "the first line must name the columns"),
        (b"529.982.247-25;ana@example.com\n", "the first line must name the columns"),
        (b"cpf;nome\n;Ana\n", 'column 2, "nome", is unknown'),
        (b"cpf;telefnoe\n", 'did you mean "telefone"'),
        (b"", "the first line must name the columns"),
        (b"cpf\n\x81\x8d\n", "is no text"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_help(
    installed: Ledger, tmp_path: Path, content: bytes, said: str
) -> None:
    file = tmp_path / "lista.csv"
    file.write_bytes(content)

    message = message_of("optout", "import", str(file), "--source", "x")

    assert said in message
    assert "529" not in message


# -- one person --------------------------------------------------------------------


def test_what_is_held_about_a_person_is_told_and_erased_but_for_the_opt_out(
    installed: Ledger,
) -> None:
    ana = {**patient(1), IdentityKind.CONTACT: (VALUES[EMAIL],)}
    put_lines(installed, 1, "held", patients=[ana])
    put_batch(installed, 1, first=9, patients=[ana])

    told = run("person", *WHO, said=EMAIL).stdout
    erased = run("person", *WHO, "--erase", said=EMAIL).stdout
    left = run("person", *WHO, said=EMAIL).stdout

    assert "HMS 2026-03-10  EXAMES  held  data and hashes" in told
    assert "2 attendances" in told
    assert "1 lines will not be asked" in erased
    assert "1 are on their way or in doubt" in erased
    assert left.splitlines() == [
        "HMS 2026-03-10  EXAMES  in_doubt  hashes",
        "1 attendances",
        "on the list: email, by no channel",
    ]
    assert fates(installed) == {"excluded opt_out": 1, "in_doubt": 1}


def test_who_is_not_held_is_put_on_the_list_by_an_erasure(installed: Ledger) -> None:
    done = run("person", *WHO, "--erase", said=CPF)

    assert "0 attendances" in done.stdout
    assert barred(installed, CPF) == {""}


def test_looking_alone_erases_nothing(installed: Ledger) -> None:
    put_lines(installed, 1, patients=[{IdentityKind.PERSON: (VALUES[CPF],)}])

    run("person", *WHO, said=CPF)

    assert fates(installed) == {"ready": 1}
    assert barred(installed, CPF) == set()
