"""Lists of opt-outs as spreadsheets save them: read whole, or told by line and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from track_dispatch.cli.typed_identities import OptOutList, faults_by_cell, read_optout_list
from track_dispatch.errors import ConfigError
from track_dispatch.records import Channel

CPF, ANA, PHONE = "cpf:52998224725", "email:ana@example.com", "phone:5527999990001"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lista.csv"


def read(file: Path, text: str | bytes) -> OptOutList:
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_optout_list(file)


def places(found: OptOutList) -> list[tuple[int, str]]:
    return [(fault.line, fault.heading) for fault in found.faults]


# -- what it is written as ---------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("first", ["", "sep=X\r\n", '"sep=X"\r\n', "\r\n\r\n"])
def test_a_list_is_read_as_spreadsheets_save_it(
    file: Path, delimiter: str, encoding: str, first: str
) -> None:
    rows = [
        "Nº do CPF;E-mail;Telefone;Canal",
        "529.982.247-25;;;",
        ";Ana@Example.com;;E-MAIL",
        '; ;"(27) 99999-0001";todos',
    ]
    text = (first + "\r\n".join(rows) + "\r\n").replace(";", delimiter).replace("X", delimiter)

    found = read(file, text.encode(encoding))

    assert found.entries == [((CPF,), None), ((ANA,), Channel.EMAIL), ((PHONE,), None)]
    assert found.faults == []


def test_the_delimiter_that_the_file_names_counts(file: Path) -> None:
    found = read(file, "sep=|\ncpf|e-mail, pessoal\n529.982.247-25|ana@example.com\n")

    assert found.entries == [((CPF, ANA), None)]


def test_a_list_of_one_column_has_no_delimiter(file: Path) -> None:
    found = read(file, "e-mail\nana@example.com;rui@example.com\n")

    assert found.entries == [((ANA, "email:rui@example.com"), None)]


@pytest.mark.parametrize(
    ("headings", "kinds"),
    [
        ("cpf;E-mail;Telefone", "cpf email phone"),
        ("TELEFONE CELULAR;CPF DO PACIENTE;e-mail 2", "phone cpf email"),
        ("Fone;Tel.;Cel.;WhatsApp;Celular 1;Nº do telefone", "phone phone phone phone phone phone"),
        ("phone;Phone number;mobile;mail;e_mail;EMAIL", "phone phone phone email email email"),
        ("Correio eletrônico;Endereço de e-mail", "email email"),
        ("cpf;canal;", "cpf channel "),
        ("cpf;Canal de contato", "cpf channel"),
    ],
)
def test_columns_are_known_by_any_usual_heading(file: Path, headings: str, kinds: str) -> None:
    cells = {"cpf": "529.982.247-25", "email": "ana@example.com", "phone": "27999990001"}
    row = ";".join(cells.get(kind, "") for kind in kinds.split(" "))

    found = read(file, f"{headings}\n{row}\n")

    assert [column.kind for column in found.columns] == kinds.split(" ")
    assert found.faults == []


# -- what cannot be used -----------------------------------------------------------


def test_what_cannot_be_used_is_told_by_line_and_column_and_the_rest_enters(file: Path) -> None:
    rows = [
        "CPF,E-mail,Fone,canal",
        "111.111.111-11,ana@example.com,,",
        ",nao tem,,",
        ",,27999990001,fax",
        "529.982.247-25,,,,sobra",
        ",,2.79988E+10,",
        ",,,email",
        ",,,",
        '"52998224725",ana@example.com,"27 99999-0001',
        '"',
        '529.982.247-25,"ana@example.com, rui@exampl",,',
    ]

    found = read(file, "\n".join(rows))

    assert found.entries == [
        ((ANA,), None),
        ((CPF,), None),
        ((CPF, ANA, PHONE), None),
        ((CPF, ANA), None),
    ]
    assert places(found) == [
        (2, "CPF"),
        (3, "E-mail"),
        (4, "canal"),
        (5, ""),
        (6, "Fone"),
        (7, ""),
        (11, "E-mail"),
    ]
    assert "exampl" not in str(found.faults)


def test_a_line_is_told_where_it_begins(file: Path) -> None:
    found = read(file, 'cpf;email\n;"ana@example.com\nrui@example.com"\n1;\n')

    assert found.entries == [((ANA, "email:rui@example.com"), None)]
    assert places(found) == [(4, "cpf")]


def test_the_line_of_the_separator_is_counted(file: Path) -> None:
    assert places(read(file, "sep=;\ncpf\n1\n")) == [(3, "cpf")]


def test_a_line_with_quotation_marks_astray_is_told_and_the_next_ones_are_read(file: Path) -> None:
    found = read(file, 'cpf;email\n;"Ana" <ana@example.com>\n529.982.247-25;\n')

    assert (found.entries, places(found)) == ([((CPF,), None)], [(2, "")])


def test_a_quotation_mark_that_is_never_closed_enters_nobody(file: Path) -> None:
    """It swallowed the rest of the list, of which only the addresses would be found."""
    with pytest.raises(ConfigError, match=r"the quotation mark in line 3 is never closed: nothing"):
        read(file, 'cpf;email\n529.982.247-25;\n;"ana@example.com\n111.444.777-35;\n')


@pytest.mark.parametrize("huge", ["x" * 200_000, "a@" * 100_000, "9" * 200_000, "27 " * 70_000])
def test_a_huge_cell_is_told(file: Path, huge: str) -> None:
    found = read(file, f'email;phone\n"{huge}";"{huge}"\nana@example.com;\n')

    assert found.entries == [((ANA,), None)]
    assert places(found) == [(2, "email"), (2, "phone")]


def test_faults_of_one_kind_are_told_together(file: Path) -> None:
    found = read(file, "cpf;tel\n1;2\n3;\n")

    assert [(heading, lines) for heading, _, lines in faults_by_cell(found.faults)] == [
        ("cpf", [2, 3]),
        ("tel", [2]),
    ]


def test_values_are_counted_once_by_kind(file: Path) -> None:
    found = read(file, "cpf;tel\n529.982.247-25;27999990001\n52998224725;\n")

    assert found.values_by_kind == {"cpf": 1, "phone": 1}


# -- what is no such list ----------------------------------------------------------

HEADING = "the first line must name the columns"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"nome;endereco\nAna;Rua 1\n", HEADING),
        (b"529.982.247-25;ana@example.com\n", HEADING),
        (b"", "is empty; its first line must name the columns"),
        (b"\r\n;;\r\n", "is empty; its first line must name the columns"),
        (b"cpf;e-mail\n", "has nobody below its heading"),
        (b"cpf;canal;canal\n52998224725;email;whatsapp\n", "two columns name a channel"),
        (b"cpf;Nome completo;motivo\n;Ana\n", 'unknown columns: 2 "Nome completo"; 3 "motivo"'),
        (b"cpf;telefnoe\n", '2 "telefnoe" (did you mean "telefone"?)'),
        (b"cpf;RG\n", '2 "RG"'),
        (b"cpf;documento\n", '2 "documento"'),
        (b"cpf;529.982.247-25\n", "2 (looks like data, not like a heading)"),
        (b"cpf;ana@example.com\n", "2 (looks like data, not like a heading)"),
        (b"cpf\n\x81\x8d\n", "is not text"),
        (b"c\0p\0f\0\n\0", "is not text"),
        (b"PK\x03\x04\x14\x00", "is a workbook (.xlsx, .ods), not a CSV: save it as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "is a workbook (.xls), not a CSV"),
        (b"%PDF-1.7", "is a PDF, not a CSV"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_help(file: Path, content: bytes, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(file, content)

    assert said in str(caught.value)
    assert "529" not in str(caught.value)
    assert "ana@" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_optout_list(tmp_path / "missing.csv")
