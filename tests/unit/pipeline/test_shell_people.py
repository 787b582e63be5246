"""`optout` and `person`, as a shell meets them: no identity in an argument, none in the output."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from tests.unit.ledger.put_steps import HMS_DAY, RUN, patient
from tests.unit.ledger.steps import Steps
from tests.unit.pipeline.shell_rig import message_of, run
from track_dispatch.cli import app, options
from track_dispatch.errors import TrackDispatchError
from track_dispatch.ledger import schema
from track_dispatch.ledger.extractions import stage_extraction
from track_dispatch.ledger.privacy import optouts_of
from track_dispatch.records import IdentityKind
from track_dispatch.transformation.identities import identity_values

if TYPE_CHECKING:
    from click.testing import Result

    from track_dispatch.ledger.database import Ledger

CPF, EMAIL, PHONE = "529.982.247-25", "Ana@Example.com", "(27) 99999-0000"
VALUES = {CPF: "cpf:52998224725", EMAIL: "email:ana@example.com", PHONE: "phone:5527999990000"}
WHO = ("--by", "ana", "--why", "pedido da pessoa")
ADD = ("optout", "add", "--source", "balcão", *WHO)


def barred(ledger: Ledger, said: str) -> set[str]:
    """Return the channels that are barred for what somebody says, "" for all."""
    with ledger.reading() as connection:
        found = optouts_of(connection, ledger.keys, [VALUES[said]])
    return {one.channel or "" for one in found}


# -- the list ----------------------------------------------------------------------


@pytest.mark.parametrize("said", [CPF, EMAIL, PHONE])
def test_an_identity_is_entered_as_a_line_would_carry_it(installed: Steps, said: str) -> None:
    done = run(*ADD, said=said)

    assert done.exit_code == 0, done.output
    assert barred(installed.ledger, said) == {""}
    assert said not in done.output
    assert VALUES[said].partition(":")[2] not in done.output


def test_all_that_a_person_gave_is_entered_at_once(installed: Steps) -> None:
    run(*ADD, said=f"{CPF}; {EMAIL}")

    assert barred(installed.ledger, CPF) == barred(installed.ledger, EMAIL) == {""}


def test_what_is_no_identity_is_refused_without_repeating_it(installed: Steps) -> None:
    for said in ("Maria da Silva", f"{CPF}; Maria", ""):
        assert message_of(*ADD, said=said).endswith("; nothing was done")
    assert barred(installed.ledger, CPF) == set()


@pytest.mark.parametrize("verb", [("add", "--source", "balcão"), ("remove",)])
@pytest.mark.parametrize(("option", "what"), [("--by", "name"), ("--why", "reason")])
@pytest.mark.parametrize("text", ["maria@exemplo.test", "27 99999-0000", CPF])
def test_texts_that_are_kept_hold_nobodys_data(
    installed: Steps, verb: tuple[str, ...], option: str, what: str, text: str
) -> None:
    told = {"--by": "ana", "--why": "pedido da pessoa", option: text}
    options = [word for pair in told.items() for word in pair]

    said = message_of("optout", *verb, *options, said=CPF)

    assert said.startswith(f"the {what} looks as if it held")
    assert text not in said
    assert installed.rows(schema.decisions) == []


def test_a_source_that_looks_like_a_patient_is_refused(installed: Steps) -> None:
    said = message_of("optout", "add", "--source", "maria@exemplo.test", *WHO, said=CPF)

    assert "the source looks as if it held" in said


def test_who_changes_the_list_and_why_is_on_record_without_the_person(installed: Steps) -> None:
    run(*ADD, said=CPF)
    run("optout", "remove", "--by", "rui", "--why", "mudou de ideia", said=CPF)

    written = installed.rows(schema.decisions)

    assert [(row["verb"], row["decided_by"], row["why"]) for row in written] == [
        ("opt_out", "ana", "pedido da pessoa"),
        ("opt_in", "rui", "mudou de ideia"),
    ]
    assert "52998224725" not in str(written)


def test_all_lines_of_standard_input_are_read(installed: Steps) -> None:
    run(*ADD, said=f"{CPF}\n{EMAIL}\n")

    assert barred(installed.ledger, CPF) == barred(installed.ledger, EMAIL) == {""}


def test_bytes_that_are_no_text_are_told_without_a_traceback(installed: Steps) -> None:
    done = CliRunner().invoke(app, ADD, input=b"ana\xff@example.com\n")

    assert isinstance(done.exception, TrackDispatchError)


def test_one_channel_is_freed_and_the_shell_says_what_is_left(installed: Steps) -> None:
    run(*ADD, said=EMAIL)

    done = run("optout", "remove", "--channel", "email", *WHO, said=EMAIL)

    off, left = done.stdout.splitlines()
    assert off == "1 of 1 identity taken off the list"
    assert left.startswith("still on it: email, not by WhatsApp, since")
    assert barred(installed.ledger, EMAIL) == {"whatsapp"}


def test_what_was_not_on_the_list_is_counted_out(installed: Steps) -> None:
    run(*ADD, said=EMAIL)

    done = run("optout", "remove", *WHO, said=f"{EMAIL}; {CPF}")

    assert done.stdout == "1 of 2 identities taken off the list\n"


def test_check_tells_since_when_and_from_whom(installed: Steps) -> None:
    before = run("optout", "check", said=CPF)
    run("optout", "add", "--source", "ouvidoria", *WHO, said=CPF)
    after = run("optout", "check", said=CPF)
    run("optout", "remove", *WHO, said=CPF)
    at_last = run("optout", "check", said=CPF)

    assert [done.exit_code for done in (before, after, at_last)] == [1, 0, 1]
    assert "from ouvidoria, entered by ana: pedido da pessoa" in after.stdout


def test_a_mailbox_is_one_however_it_is_spelt(installed: Steps) -> None:
    installed.put_lines(1, patients=[{IdentityKind.OTHER: identity_values("msilva@gmail.com")}])
    run(*ADD, said="M.Silva+hospital@GoogleMail.com")

    assert run("optout", "check", said="msilva@gmail.com").exit_code == 0
    assert "lines 1" in run("person", said="m.silva@gmail.com").stdout


def test_the_list_is_counted(installed: Steps) -> None:
    run(*ADD, said=f"{CPF};{EMAIL}")

    checked = json.loads(run("optout", "check", "--json", said=EMAIL).stdout)
    listed = run("optout", "list").stdout.splitlines()
    found = json.loads(run("optout", "list", "--json").stdout)

    [one] = checked
    assert (one["kind"], one["channel"], one["source"]) == ("email", None, "balcão")
    assert (one["entered_by"], one["why"]) == ("ana", "pedido da pessoa")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", one["added_at"])
    assert listed[-1] == "2 identities on the list"
    assert sorted((one["kind"], one["values"]) for one in found) == [("cpf", 1), ("email", 1)]


# -- a file ------------------------------------------------------------------------


def imported(file: Path, content: bytes, *options: str) -> Result:
    file.write_bytes(content)
    done = run("optout", "import", str(file), "--source", "lista antiga", *WHO, *options)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


LIST = f"cpf;e-mail;telefone\n{CPF};{EMAIL};\n111.111.111-11;rui@example.com;{PHONE}\n".encode()


def test_a_list_is_entered_and_counted_by_kind(installed: Steps, tmp_path: Path) -> None:
    """Before, a bad CPF beside a good address was dropped without a word."""
    done = imported(tmp_path / "lista.csv", LIST)

    assert done.stdout == "2 lines (1 CPF, 2 e-mail, 1 phone) entered, 2 of them new to the list\n"
    assert done.stderr == (
        'not used, line 3, column "cpf": no CPF: eleven digits, the last two of which check the'
        " others\n"
    )
    assert done.exit_code == 1
    assert (
        barred(installed.ledger, CPF)
        == barred(installed.ledger, EMAIL)
        == barred(installed.ledger, PHONE)
        == {""}
    )
    [written] = installed.rows(schema.decisions)
    assert (written["verb"], written["decided_by"]) == ("opt_out", "ana")


def test_a_list_of_which_all_is_used_exits_with_0(installed: Steps, tmp_path: Path) -> None:
    done = imported(tmp_path / "lista.csv", LIST.replace(b"111.111.111-11", b""))

    assert (done.exit_code, done.stderr) == (0, "")


def test_a_preview_says_the_same_and_writes_nothing(installed: Steps, tmp_path: Path) -> None:
    file = tmp_path / "lista.csv"
    file.write_bytes(LIST)
    shown = run("optout", "import", str(file), "--dry-run")

    assert shown.stdout.splitlines() == [
        'column 1, "cpf": cpf',
        'column 2, "e-mail": email',
        'column 3, "telefone": phone',
        "2 lines (1 CPF, 2 e-mail, 1 phone) would be entered; nothing was written",
    ]
    assert shown.stderr == imported(tmp_path / "again.csv", LIST).stderr
    assert shown.exit_code == 1


def test_a_long_list_says_how_far_it_is_while_it_is_read_and_while_it_is_entered(
    installed: Steps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "ANNOUNCED_EVERY", 2)
    people = "".join(f"pessoa{number}@example.com\n" for number in range(3)) + EMAIL

    done = imported(tmp_path / "lista.csv", f"e-mail\n{people}".encode())

    assert done.stderr.splitlines() == [
        "reading: 2 lines so far",  # the heading is one
        "reading: 4 lines so far",
        "entering: 2 lines so far",
        "entering: 4 lines so far",
    ]
    assert barred(installed.ledger, EMAIL) == {""}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (WHO, "say who told us, with --source"),
        (("--source", " ", *WHO), "say who told us, with --source"),
        (("--source", "lista"), "needs the name of a person"),
        (("--source", "lista", "--by", "ana"), "say why"),
    ],
)
def test_a_list_is_entered_by_somebody_only(
    installed: Steps, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    file = tmp_path / "lista.csv"
    file.write_bytes(LIST)

    assert said in message_of("optout", "import", str(file), *options)
    assert barred(installed.ledger, CPF) == set()


def test_a_preview_needs_no_ledger(tmp_path: Path) -> None:
    assert imported(tmp_path / "lista.csv", LIST, "--dry-run").exit_code == 1


def test_a_wrong_column_is_told_in_one_short_line(installed: Steps, tmp_path: Path) -> None:
    done = imported(tmp_path / "lista.csv", b"telefone\n" + b"Rua Um\n" * 30)

    assert done.stdout == "0 lines (nobody) entered, 0 of them new to the list\n"
    assert "19, 20, 21 and 10 more" in done.stderr
    assert installed.rows(schema.optouts, "full_hash") == []


# -- one person --------------------------------------------------------------------

ROWS = "rows of the ledger that tell of the person"
ANA = {**patient(1), IdentityKind.CONTACT: (VALUES[EMAIL],)}


def test_what_is_held_about_a_person_is_told_and_erased_and_what_stays_is_said(
    installed: Steps,
) -> None:
    installed.put_lines(1, "held", patients=[ANA])
    installed.put_batch(1, "accepted", batch_state="settled", lease=None, first=5, patients=[ANA])
    installed.put_batch(1, first=9, patients=[ANA])

    told = run("person", said=EMAIL).stdout
    erased = run("person", *WHO, "--erase", said=EMAIL).stdout
    left = run("person", said=EMAIL).stdout

    hashes = "hashes of contact, other, person"
    assert told.splitlines()[:3] == [
        f"HMS 2026-03-10  900000001  EXAMES · email  held  kept: data, encrypted; {hashes}",
        f"HMS 2026-03-10  900000005  EXAMES · email  accepted  kept: {hashes}",
        f"HMS 2026-03-10  900000009  EXAMES · email  in_doubt  kept: {hashes}",
    ]
    assert told.splitlines()[3:] == [
        f"{ROWS}: lines 3, identities 9, envelopes 1, events 3, batches 2"
    ]
    done = erased[erased.index("erased:") :].splitlines()
    assert done[0] == "erased: 1 line will not be asked, 2 no longer tell of the person"
    assert done[1] == "stays, and why:"
    assert [line.split(":")[0] for line in done[2:]] == [
        "- hashes of what was given, on the list",
        "- numbers, days and states of her attendances",
        "- 4 hashes of lines that were asked or are under way",
        "- 1 line on the way or in doubt",
        "- 1 invitation that Track has",
        "- the hospital's ERP, and backups of the ledger",
    ]
    assert left.splitlines()[0].startswith("HMS 2026-03-10  900000009  EXAMES · email  in_doubt")
    assert left.splitlines()[1].startswith("on the list: email, by no channel, since")
    assert installed.fates() == {"excluded opt_out": 1, "accepted": 1, "in_doubt": 1}


@pytest.mark.parametrize(
    "said", ["52998224725", "CPF 529.982.247-25", "<ANA@EXAMPLE.COM>", "+55 27 99999 0000"]
)
def test_a_person_is_found_in_any_spelling_of_any_value(installed: Steps, said: str) -> None:
    installed.put_lines(1, patients=[{IdentityKind.OTHER: tuple(VALUES.values())}])

    assert "lines 1" in run("person", said=said).stdout


def test_rows_that_wait_for_their_transform_are_told_and_said_to_stay(installed: Steps) -> None:
    rows = {
        "cd_atendimento": ["1", "2", "3"],
        "cpf": ["", "529.982.247-25", "111.444.777-35"],
        "email": ["rui@example.com, ANA@example.com", "", ""],
        "phone": ["", "", "27988887777"],
    }
    stage_extraction(installed.ledger, [rows], source="hms", day=HMS_DAY, actor=RUN)

    told = run("person", said=f"{EMAIL};{CPF}").stdout
    erased = run("person", *WHO, "--erase", said=f"{EMAIL};{CPF}").stdout

    assert "staged 2" in told
    assert "- 2 rows that an ERP gave, encrypted" in erased


def test_an_erasure_needs_a_name_and_a_reason(installed: Steps) -> None:
    assert "needs the name of a person" in message_of("person", "--erase", said=CPF)
    assert "say why" in message_of("person", "--erase", "--by", "ana", said=CPF)
    assert barred(installed.ledger, CPF) == set()


def test_who_is_not_held_is_put_on_the_list_by_an_erasure(installed: Steps) -> None:
    done = run("person", *WHO, "--erase", said=CPF)

    assert f"{ROWS}: none" in done.stdout
    assert barred(installed.ledger, CPF) == {""}


def test_looking_alone_erases_nothing(installed: Steps) -> None:
    installed.put_lines(1, patients=[{IdentityKind.PERSON: (VALUES[CPF],)}])

    run("person", said=CPF)

    assert installed.fates() == {"ready": 1}
    assert barred(installed.ledger, CPF) == set()


def test_what_is_held_is_given_to_programs_as_well(installed: Steps) -> None:
    installed.put_lines(1, patients=[ANA])

    told = json.loads(run("person", "--json", said=EMAIL).stdout)
    erased = json.loads(run("person", "--json", "--erase", *WHO, said=EMAIL).stdout)

    [attendance] = told["held"]["attendances"]
    assert attendance["history"]["attendance_id"] == "900000001"
    assert (told["held"]["rows"]["identities"], told["erased"]) == (3, None)
    assert erased["erased"]["excluded"] == 1


def test_further_attendances_of_the_person_are_hinted_at(installed: Steps) -> None:
    installed.put_lines(1, patients=[ANA])
    installed.put_lines(1, first=9, patients=[patient(1)])

    assert "1 further attendances may be the same person's" in run("person", said=EMAIL).stdout
    assert "further" not in run("person", said=f"{EMAIL}; p1@example.test").stdout
