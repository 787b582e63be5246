"""Rows as ERPs hold them at their worst, drawn from a seed: the same for the same block, always.

Nobody is real: addresses are under reserved or invented domains, numbers and names are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING

from track_dispatch.records import COLUMNS

if TYPE_CHECKING:
    from track_dispatch.records import ErpRow

BLOCK_ROWS = 1_000

_AREAS = (
    *("PRONTO SOCORRO GERAL", "INTERNACAO", "EXAMES", "AMBULATORIO", "ONCOLOGIA") * 20,
    *("MATERNIDADE", " EXAMES ", "EXAMES\x00", "AMBULATORIO\u00a0") * 5,
    *("INTERNAÇÃO", "internacao", "UTI", ""),
)
_FIRST = (
    *("MARIA", "JOÃO", "ana", "José", "Ângela", "D'ÁVILA", "MARIA-CLARA", "Zoe\u0301") * 4,
    *("ANNE\u00a0LOUISE", "JO\x00SE", "\ufeffLÚCIA", "MARI\udcc9", "ŉeil", "ßORIS", "ﬁdel") * 2,
    *("RN DE MARIA", "RN", "rn de ana", "RNALDO", "R.N. DE MARIA", "FETO MORTO DE ANA", "  ANA"),
    *("Teste", "paciente teste", "TESTEMUNHA", "MARIA TESTE1", "HOMOLOGACAO", "homologação"),
    *("DA", "1", "", "--"),
)
_MIDDLE = (
    *("", "", "DA", "DOS SANTOS E", "de", "E.", "  ", "DAS DORES", "M.", "\t", "SANT’ANNA", "ΣΑΣ"),
    *("(FILHO DE)", "NÃO USAR", "_", "D", "do Carmo"),
)
_LAST = (
    *("SILVA", "SOUZA", "DE ABREU III", "O'NEIL", "LIMA  FILHO", "D’AVILA", "ÇELİK", "ß", "ii"),
    *("ALBUQUERQUE", "gonçalves", "Uchôa", "", " ", "NETO.", "CONCEIÇÃO", "Ǆ", "e", "JR\r\n"),
)
_EMAILS = (
    *("{w}.{n}@example.com",) * 10,
    *("{W}.{n}@EXAMPLE.COM ", " {w}{n}@example.net", "{w}_{n}@ex-ample.com.br", "", "", "NAO TEM"),
    *("{w}.{n}@example.com; outra{n}@example.net", "{w}{n}@uol.test/{w}@uol.test", "-", "   "),
    *("naotem@x.com", "x@x.com", "nao.tem{n}@mail.test", "{w}@naotem.com.br", "sememail@a.com"),
    *("{w} silva{n}@example.com", "<{w}{n}@hospital.example>;b@c.com", "jos\u00e9{n}@example.com"),
    *("aaa@{n}.com", "email@email.com", "valeria@va.test", "nando{n}@uol.com.br", "none@x{n}.com"),
    *("mailto:{w}{n}@ex.com", "teste@teste.com", "ne{n}@no.com", "a@b", "{n}@example.example"),
    *("{w}@ example.com", "{w}..{n}@example.com", "{w}@example", "E-mail: {w}{n}@example.com"),
    *("{w}%{n}@example.com", "{w}'{n}@example.com", '"{w} {n}"@example.com', "{w}@[127.0.0.1]"),
    *("{w}@gmail.con", "www.{w}@example.com.brr", "{w}{n}@example.com.", "{w}{n}@xn--p1ai.com"),
    *("teste{n}@example.com", "{w}@funcionario.example", "recepcao@funcionario.example", "@@", "@"),
    *("a{s}@example.com", "a{s}@example.com", "{w}@hospital.invalid", "{w}{n}@a.test {w}@b.test"),
    *(
        "n\u00e3o possui",
        "{w}\u200b{n}@example.com\x00",
        "\u212a{n}@example.com",
        "{w}@m\u00e9.com",
    ),
)
_PHONES = (
    *("{d}{k}", "55{d}{k}", "55{d}{k}", "55({d}) {h}", "({d}) {h}") * 3,
    *("", "", "0{d}{k}", "{d}{o}", "55{d}{o}", "{d}3{o7}", "55{d}3{o7}", "+55 {d} {k}", "55"),
    *("+1 212 5550000", "{d}999999999", "5555{k}", "5599{k}", "{d}{d}{k}", " {d}{k} ", "{k}"),
    *("{d}{k} / {d}{j}", "{d}{k} {d}{j}", "{d}9O{o7}", "55{k}", "0", "{d}7{k}", "{d}80000000"),
    *("{d}900{o}", "015{d}{k}", "55{d}{k} falar com a filha", "NAO INFORMADO", "{d}70{o7}", "190"),
    *("2.798765432E10", "55{d}{k};{d}3{o7}", "{d}{k}ramal 2", "55{d}\u00a0{h}", "5555{d}{k}"),
    *(
        "({d}){k}({d}){j}",
        "+351 912 345 678",
        "{d} {o7}",
        "55{d}{k}x",
        "\u0662\u0667{k}",
        "55{d}{s9}",
    ),
)
_AREA_CODES = ("27", "27", "27", "85", "11", "61", "55", "99", "20", "05", "10", "63", "65")
_CPFS = (
    *("{c}",) * 8,
    *("{p}", "{p}", " {c} ", "{z}", "{w}", "11111111111", "", "", "123", "00000000191", "{c}1"),
    *("CPF: {p}", "{t}", "{c}.0", "NAO TEM", "\u0665{c}"),
)
_MOMENTS = ("2026-11-20 {h:02}:{m:02}:07", "2026-11-20 {h:02}:{m:02}:00", "", "20/11/2026 07:00")
_PHYSICIANS = (
    "DR(A). ANA",
    "DR. JOAO  DE SOUZA",
    "João\x07 B",
    "",
    'DRA "BIA" \\ LIMA',
    "D\u0301R ",
)
_UNITS = ("HOSPITAL DO ERP", "HOSPITAL DO ERP ", "Hospital São José", "")
_SECTORS = ("GERAL ", "PA_ADULTO", "PA_OBSTÉTRICO", "UTI\tADULTO", "IMAGEM\u00a02", "")
_DEATHS = (*("N",) * 30, *("", "S", "s", " S ", "SIM", "1"))
_AGES = (
    *("44", "70", "18", "12") * 6,
    *("", "11", "0", " 7 ", "17.92", "0,5", "2 meses", "-1", "\u0669"),
)
#: What a slip of the hand leaves in a text.
_SLIPS = "0159aA.@-_ ;/+çé'\"\\\u0301\u200b\u00a0\t\x00\ud800"


def dirty_rows(block: int, *, extra_columns: bool) -> list[ErpRow]:
    """Draw a block's rows; some are of one attendance, some of one person.

    Args:
        block: decides everything that is drawn.
        extra_columns: whether the query gives `x_obito` and `x_idade`.
    """
    rng = Random(f"dirty rows {block}")
    rows: list[ErpRow] = []
    for place in range(BLOCK_ROWS):
        if rows and rng.random() < 0.08:
            row = _again(rng, rng.choice(rows), number=block * BLOCK_ROWS + place)
        else:
            row = _row(rng, block * BLOCK_ROWS + place)
            if extra_columns:
                row |= {"x_obito": rng.choice(_DEATHS), "x_idade": rng.choice(_AGES)}
        rows.append(row)
    return rows


def _again(rng: Random, row: ErpRow, *, number: int) -> ErpRow:
    """Draw another row of an attendance, or another attendance of a person."""
    changed = {"area_pesquisa": rng.choice(_AREAS)}
    if rng.random() < 0.6:
        changed["cd_atendimento"] = str(900_000_000 + number)
    if rng.random() < 0.3:
        changed["name"] = row["name"].upper()
    if rng.random() < 0.3:
        changed[rng.choice(("email", "phone", "cpf"))] = ""
    return row | changed


def _row(rng: Random, number: int) -> ErpRow:
    attendance = rng.choice(("{}", "{}", "{}", " {}", "{}\t", "{}\u00a0")).format(
        900_000_000 + number
    )
    moment = {"h": rng.randrange(24), "m": rng.randrange(60)}
    values = (
        "40085",
        attendance if rng.random() > 0.005 else rng.choice(("", " ", "\u200b")),
        rng.choice(_MOMENTS).format(**moment),
        rng.choice(_MOMENTS).format(**moment),
        _slipped(rng, f"{rng.choice(_FIRST)} {rng.choice(_MIDDLE)} {rng.choice(_LAST)}"),
        _slipped(rng, _email(rng)),
        _slipped(rng, _phone(rng)),
        _slipped(rng, _cpf(rng)),
        rng.choice(_PHYSICIANS),
        rng.choice(_AREAS),
        rng.choice(_UNITS),
        rng.choice(_SECTORS),
    )
    return dict.fromkeys(COLUMNS, "") | dict(zip(COLUMNS, values, strict=False))


def _email(rng: Random) -> str:
    word = rng.choice(
        ("maria", "joao.silva", "ana", "nao", "naomi", "vanda", "seme", "x", "o-neil")
    )
    return rng.choice(_EMAILS).format(
        w=word, W=word.upper(), n=rng.randrange(100_000), s=rng.randrange(40)
    )


def _phone(rng: Random) -> str:
    number = f"9{rng.choice('123456789999')}{rng.randrange(10**7):07}"
    old = f"{rng.choice('6789')}{rng.randrange(10**7):07}"
    return rng.choice(_PHONES).format(
        d=rng.choice(_AREA_CODES),
        k=number,
        h=f"{number[:5]}-{number[5:]}",
        j=f"99{rng.randrange(10**7):07}",
        o=old,
        o7=old[1:],
        s9=f"9{rng.randrange(40):08}",
    )


def _cpf(rng: Random) -> str:
    digits = [rng.randrange(10) for _ in range(9)]
    if rng.random() < 0.2:
        digits[:2] = [0, 0]
    for _ in range(2):
        weights: Sequence[int] = range(len(digits) + 1, 1, -1)
        products = (digit * weight for digit, weight in zip(digits, weights, strict=True))
        digits.append(sum(products) * 10 % 11 % 10)
    good = "".join(map(str, digits))
    return rng.choice(_CPFS).format(
        c=good,
        p=f"{good[:3]}.{good[3:6]}.{good[6:9]}-{good[9:]}",
        z=good.lstrip("0"),
        w=good[:-1] + str((int(good[-1]) + 1) % 10),
        t=good[:-2] + good[:-3:-1],
    )


def _slipped(rng: Random, text: str) -> str:
    """Return the text, now and then with a character added or replaced."""
    if not text or rng.random() > 0.15:
        return text
    place = rng.randrange(len(text))
    return text[:place] + rng.choice(_SLIPS) + text[place + rng.randint(0, 1) :]
