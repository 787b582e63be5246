"""The form of the examples beside a query: what is written wrong is told, nothing is run."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from track_dispatch.config import Hospital, include_dir, load_hospital, working_hospitals
from track_dispatch.errors import ConfigError
from track_dispatch.extraction.examples import check_examples, moment, read_examples
from track_dispatch.extraction.query import render

HEAD = "sql/tasy/hsmc.examples.yaml: "
GOOD = """
exemplos:
  - {exemplo: a, atendimento: {ie_tipo_atendimento: 3}, area: PRONTO SOCORRO GERAL, setor: PA}
  - {exemplo: b, atendimento: {ie_tipo_atendimento: 1}, area: INTERNACAO, setor: INTERNACAO}
  - {exemplo: c, atendimento: {ie_tipo_atendimento: 8}, area: AMBULATORIO, setor: X}
  - exemplo: d
    atendimento: {ie_tipo_atendimento: 8, obter_primeiro_setor_atend: 148}
    area: ONCOLOGIA
    setor: ONCOLOGIA
  - {exemplo: e, atendimento: {ie_tipo_atendimento: [2, 4]}, fora: outro tipo}
"""


@pytest.fixture
def hsmc() -> Hospital:
    return load_hospital("HSMC")


def written(folder: Path, text: str) -> Path:
    """Return an include folder in which HSMC has these examples."""
    shutil.copytree(include_dir() / "sql", folder / "sql", dirs_exist_ok=True)
    (folder / "sql" / "tasy" / "hsmc.examples.yaml").write_text(text, encoding="utf-8")
    return folder


def told(folder: Path, text: str, hospital: Hospital) -> list[str]:
    return check_examples(hospital, render(hospital), written(folder, text))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("dia", timedelta(0)),
        ("dia 13:00", timedelta(hours=13)),
        ("véspera 23:59:59", timedelta(seconds=-1)),
        ("dia seguinte", timedelta(days=1)),
        ("dia seguinte 00:10", timedelta(days=1, minutes=10)),
        ("3 dias antes 09:00", timedelta(days=-3, hours=9)),
        ("1 dia depois", timedelta(days=1)),
    ],
)
def test_a_moment_is_told_from_the_day(text: str, meant: timedelta) -> None:
    assert moment(text) == meant


@pytest.mark.parametrize("text", ["ontem", "dia 24:00", "dia 9h", "2026-11-20", "13:00", ""])
def test_anything_else_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match="is not a moment: write dia, véspera"):
        moment(text)


def test_what_is_written_well_is_no_finding(tmp_path: Path, hsmc: Hospital) -> None:
    assert told(tmp_path, GOOD, hsmc) == []


def test_a_list_of_values_is_an_attendance_for_each(tmp_path: Path, hsmc: Hospital) -> None:
    text = GOOD.replace("[2, 4]}", "[2, 4], cd_motivo_alta: [1, null]}")
    examples = read_examples(hsmc, written(tmp_path, text))

    assert examples.attendances(examples.exemplos[-1]) == [
        {"ie_tipo_atendimento": kind, "cd_motivo_alta": reason}
        for kind in (2, 4)
        for reason in (1, None)
    ]


@pytest.mark.parametrize(
    ("right", "wrong", "finding"),
    [
        ("ie_tipo_atendimento: 1}", "ie_tipo_atendiment: 1}",
         'the query does not read ie_tipo_atendiment (did you mean "ie_tipo_atendimento"?)'),
        ("INTERNACAO,", "INTERNAÇÃO,", '"b".area: "INTERNAÇÃO" must be one of ONCOLOGIA, MATER'),
        ("setor: X}", "fora: x}", 'example "c": ... must have area and setor, or fora'),
        ("setor: X}", "setor: X, fora: x}", 'example "c": '),
        ("fora: outro tipo}", "area: EXAMES, setor: X}",
         "an example of EXAMES, which the query never returns"),
        ("fora: outro tipo}", "area: AMBULATORIO, setor: X}",
         "no example of an attendance that must not come out (fora)"),
        ("ONCOLOGIA\n", "AMBULATORIO\n", "no example of ONCOLOGIA, which the query returns"),
        ("exemplo: b", "exemplo: a", 'has two examples "a"'),
        ("exemplo: b", "example: b", "exemplos.1.exemplo: is missing"),
        ("{ie_tipo_atendimento: 1}", "{dt_alta: ontem}", '"ontem" is not a moment'),
        ("{ie_tipo_atendimento: 1}", "{dt_alta: 2026-11-20}", "must be a whole number, a text"),
        ("{ie_tipo_atendimento: 1}", "{ie_tipo_atendimento: []}", "must be a whole number, a text"),
        ("{ie_tipo_atendimento: 1}", "{ie_tipo_atendimento: true}", "must be a whole number"),
        ("setor: INTERNACAO}", "setor: INTERNACAO, colunas: {fone: x}}",
         "colunas: fone is not a column that a query returns"),
        ("fora: outro tipo}", "fora: x, colunas: {email: x}}", "cannot have colunas beside fora"),
        ("exemplos:", "catalogo: {ser_dis: [{cd_ser_dis: 1}]}\nexemplos:",
         "catalogo: the query does not read ser_dis"),
        ("exemplos:", "comum: {cd_cid: A09}\nexemplos:", "comum: the query does not read cd_cid"),
        ("exemplos:", "exemplo:", "exemplos: is missing"),
        ("exemplos:", "exemplos: [", "line "),
    ],
)  # fmt: skip
def test_what_is_written_wrong_is_told(
    right: str, wrong: str, finding: str, tmp_path: Path, hsmc: Hospital
) -> None:
    found = told(tmp_path, GOOD.replace(right, wrong), hsmc)

    assert [line for line in found if not line.startswith(HEAD.rstrip(" "))] == []
    assert any(finding in line for line in found), found


def test_a_hospital_without_examples_is_told_of(tmp_path: Path, hsmc: Hospital) -> None:
    include = written(tmp_path, GOOD)
    (include / "sql" / "tasy" / "hsmc.examples.yaml").unlink()

    assert check_examples(hsmc, render(hsmc), include) == [
        f"{HEAD}is missing: write an example for each rule of the query"
    ]
    with pytest.raises(ConfigError, match="is missing"):
        read_examples(hsmc, include)


def test_no_file_of_examples_is_nobody_s() -> None:
    found = {path.name for path in (include_dir() / "sql").rglob("*.examples.yaml")}

    assert found == {f"{one.code.lower()}.examples.yaml" for one in working_hospitals()}
