"""The made-up ERPs as Oracle's statements: another grammar reads them, as no Oracle runs here."""

from __future__ import annotations

import json
import re
from datetime import datetime

import pytest
from sqlfluff.core import FluffConfig, Linter

from demo.erp_in_oracle import main, reader_connection, statements
from stand_ins.erp.schemas import ENCORE, MV, TASY, ErpSchema
from stand_ins.erp.tables import Tables

ROWS: Tables = {
    "atendime": [
        {
            "cd_atendimento": 1,
            "hr_alta": datetime.fromisoformat("2026-11-20 23:59:59"),
            "cd_cid": None,
        },
        {"cd_atendimento": 2, "tp_atendimento": "D'ÁGUA & C"},
    ]
}
SCHEMAS = pytest.mark.parametrize("schema", [MV, TASY, ENCORE], ids=lambda schema: schema.name)


def made(schema: ErpSchema) -> list[str]:
    return [*statements([(schema, ROWS if schema is MV else {})])]


@SCHEMAS
def test_each_statement_is_oracles(schema: ErpSchema) -> None:
    grammar = Linter(config=FluffConfig(overrides={"dialect": "oracle"}))

    wrong = {
        statement: [found.desc() for found in parsed.violations]
        for statement in made(schema)
        if (parsed := grammar.parse_string(f"{statement}\n/\n")).violations
    }
    assert wrong == {}


def test_the_grammar_refuses_what_is_not_oracles() -> None:
    grammar = Linter(config=FluffConfig(overrides={"dialect": "oracle"}))

    assert grammar.parse_string("create table a.b (c number(3)) engine = x\n/\n").violations


@SCHEMAS
def test_names_are_short_enough_for_an_old_server(schema: ErpSchema) -> None:
    code = re.sub(r"'[^']*'", "", " ".join(made(schema)))

    assert [name for name in re.findall(r"[a-z_]\w*", code) if len(name) > 30] == []


@SCHEMAS
def test_what_is_granted_is_there(schema: ErpSchema) -> None:
    text = "\n".join(made(schema))
    created = set(re.findall(rf"create (?:table|view|function) ({schema.name}\.\w+)", text))
    granted = set(re.findall(r"grant (?:select|execute) on (\S+) to track_reader", text))

    assert granted
    assert granted <= created


def test_rows_are_written_value_by_value() -> None:
    one, other = (statement for statement in made(MV) if statement.startswith("insert"))

    assert one.endswith(
        " (cd_atendimento, hr_alta, cd_cid) values (1, timestamp '2026-11-20 23:59:59', null)"
    )
    assert other.endswith(" (cd_atendimento, tp_atendimento) values (2, 'D''ÁGUA & C')")


def test_the_script_is_one_for_sqlplus(capsys: pytest.CaptureFixture[str]) -> None:
    main(["hsmc", "encore", "--day", "2026-11-20"])
    lines = capsys.readouterr().out.splitlines()

    assert (lines[0], lines[-2:]) == ("set define off", ["/", "commit;"])
    assert sum(line.startswith("insert into tasy.atendimento_paciente ") for line in lines) > 500
    assert "create table usuario_principal.pessoa_fisica" in "\n".join(lines)


def test_the_reader_s_connection_is_of_the_dbas_address() -> None:
    found = json.loads(reader_connection("system/Pass:1@db.test:1522/FREEPDB1"))

    assert (found["login"], found["host"], found["port"]) == ("track_reader", "db.test", 1522)
    assert found["extra"] == {"service_name": "FREEPDB1"}
