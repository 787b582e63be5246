from __future__ import annotations

import pytest
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.transformation.one_row import usable_email
from track_dispatch.transformation.contacts import (
    CLEARLY_VALID,
    is_placeholder,
    possible_emails,
    usable_emails,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("maria@example.com", "maria@example.com"),
        ("  MARIA.Silva@Example.COM.BR ", "maria.silva@example.com.br"),
        ("maria_silva+hospital@sub-dominio.example.org", None),
        ("m-s@3com.example.net", None),
        ("o'neill@example.com", None),
        ("maria__silva@example.com", None),
        ("maria@xn--so-joo-7ta.com.br", None),
        ("ana@paciente.test", None),
        ("ana@example.com.", "ana@example.com"),
        ("<ana@example.com>", "ana@example.com"),
        ("Ana Lima <ana@example.com>", "ana@example.com"),
        ("mailto:ana@example.com", "ana@example.com"),
        ("E-mail: ana@example.com", "ana@example.com"),
        ("ana@example.com (filha)", "ana@example.com"),
        ("ana@exam\u200bple.com\x00", "ana@example.com"),
    ],
)
def test_an_address_comes_out_in_small_letters(text: str, expected: str | None) -> None:
    assert usable_email(text) == (expected or text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "maria",
        "maria@",
        "@example.com",
        "maria@example",
        "maria@@example.com",
        "maria@example..com",
        "maria..silva@example.com",
        "maria.@example.com",
        "maria@-example.com",
        "maria@exam_ple.com",
        "mar?ia@example.com",  # a letter that was lost
        "maria?@example.com",
        "maria@exampl?.com",
        "mar***@example.com",  # letters that are hidden
        "maria@example.com1",
        "maria@[127.0.0.1]",
        '"maria silva"@example.com',
        "maría@example.com",
        "maria@exemplão.com.br",
        f"{'m' * 250}@example.com",
        "www.example.com",
    ],
)
def test_what_breaks_the_syntax_is_no_address(text: str) -> None:
    assert usable_email(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "maria@gmail.con",
        "maria@gmail.comm",
        "maria@hotmail.com.brr",
        "maria@hotmail.com.bt.br.comm",
        "maria@gmailcom",
        "maria@gmail",
        "maria@yahoo.combr",
        "maria@com.br",  # the provider is missing
        "maria@br",
        "maria@org.br",
        "maria@xn--zzzzzz.xn--zzzzzz",
        "maria@hospital.example",
        "www.maria@gmail.com",
        "WWW.maria@example.com",
        "http://www.maria@example.com",
    ],
)
def test_a_domain_that_cannot_exist_is_no_address(text: str) -> None:
    assert usable_emails(text) == ()
    assert usable_emails(f"{text} ; ana@example.com") == ("ana@example.com",)


@pytest.mark.parametrize(
    "address",
    [
        "maria@sp.gov.br",  # a suffix of the list, and a government with mailboxes of its own
        "maria@usp.br",
        "maria@example.com.br",
        "maria@example.museum",
        "maria@example.xn--p1ai",
        "maria@blogspot.com",  # private suffixes are names like any other
        "maria@paciente.test",  # reaches nobody: the demo's patients
        "www@example.com.br",
    ],
)
def test_a_domain_that_may_exist_is_one(address: str) -> None:
    assert is_placeholder(address) == address.startswith("www@")
    assert bool(usable_emails(address)) != address.startswith("www@")


def test_top_level_domains_come_with_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the network nor a file of an earlier process decides who has an address."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nothing may be fetched or cached")

    for name in ("socket.socket.connect", "socket.getaddrinfo", "os.makedirs"):
        monkeypatch.setattr(name, refuse)

    assert usable_emails("maria@never-asked-before.com.br") == ("maria@never-asked-before.com.br",)
    assert usable_emails("maria@never-asked-before.brr") == ()


@pytest.mark.parametrize("domain", ["x.local", "x.invalid", "localhost", "x.onion", "x.arpa"])
def test_a_reserved_domain_is_none(domain: str) -> None:
    assert usable_email(f"maria@{domain}") == ""


@pytest.mark.parametrize(
    "text",
    [
        "NAO TEM",
        "NÃO TEM",
        "NÃO POSSUI E-MAIL",
        "sem email",
        "naotem@gmail.com",
        "pacientesememail@gmail.com",
        "email.nao.informado@gmail.com",
        "paciente_nao_possui@gmail.com",
        "pac.naotememail@gmail.com",
        "NAOTEM@NAOTEM.COM",
        "nao_tem@gmail.com",
        "nao.tem2@hotmail.com",
        "naotememail@gmail.com",
        "naopossui@gmail.com",
        "nao-informado@hospital.com.br",
        "naoconsta@gmail.com",
        "nao@nao.com",
        "nao@gmail.com",
        "sememail@gmail.com",
        "sem.email@sem.com",
        "ntem@gmail.com",
        "nenhum@gmail.com",
        "x@x.com",
        "xxx@gmail.com",
        "000@000.com.br",
        "-@gmail.com",
        "abc@abc.com",
        "teste@teste.com",
        "email@email.com",
        "maria@naotem.com.br",
        "maria@nao.com",
        "maria@xxx.com",
    ],
)
def test_a_placeholder_is_no_address(text: str) -> None:
    assert usable_email(text) == ""


@pytest.mark.parametrize(
    "address",
    [
        "naomi@example.com",
        "naoto.sato@example.com",
        "nadal@example.com",
        "semedo@example.com",
        "semiramis@example.com",
        "noemi@example.com",
        "nunes@nunes.com.br",
        "nhamilton@example.com",
        "nconstantino@example.com",
        "xavier@example.com",
        "maria@naomi.com",
        "maria@semear.org.br",
    ],
)
def test_a_name_that_resembles_a_placeholder_is_an_address(address: str) -> None:
    assert usable_email(address) == address


@pytest.mark.parametrize(
    "text",
    [
        "ana@example.com;bia@example.com",
        "ana@example.com, bia@example.com",
        "ana@example.com/bia@example.com",
        "ana@example.com bia@example.com",
        "ana@example.com ou bia@example.com",
        "naotem@example.com; ana@example.com",
        "NAO TEM / ana@example.com",
        "ana@; ana@example.com",
        "x@x.com ana@example.com",
    ],
)
def test_of_several_addresses_the_first_usable_is_taken(text: str) -> None:
    assert usable_email(text) == "ana@example.com"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ana@example.com", ["ana@example.com"]),
        ("Bia@example.com; ana@example.com", ["bia@example.com", "ana@example.com"]),
        ("ana@example.com / ANA@example.com", ["ana@example.com"]),
        ("naotem@example.com, x@x.com, ana@example.com, ana@", ["ana@example.com"]),
        ("joao silva@example.com", []),
        ("maria@uol.com,br; ana@example.com", ["ana@example.com"]),
        ("maria,silva@example.com; ana@example.com", ["ana@example.com"]),
        ("Maria; ana@example.com", ["ana@example.com"]),
        (
            "ana@example.com,bia@example.com/cris@example.com",
            [f"{who}@example.com" for who in ("ana", "bia", "cris")],
        ),
        ("ana@example.com, filha", ["ana@example.com"]),
        ("ana@example.com/NAO TEM", ["ana@example.com"]),
        ("", []),
    ],
)
def test_every_usable_address_is_told_once_in_the_order_of_the_text(
    text: str, expected: list[str]
) -> None:
    assert list(usable_emails(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "joao silva@example.com",
        "maria @example.com",
        "maria@ example.com",
        "maria@example.com .br",
        "maria@example.com. br",
        "maria@uol.com br",
        "maria@uol.com,br",
        "maria@uol.com;br",
        "maria@uol.com , br",
        "maria@uol.com,.br",
        "maria@gmail,com",
        "maria@gmail;com",
        "maria@hotmail,com.br",
        "maria,silva@gmail.com",
        "maria;silva@gmail.com",
        "maria/silva@gmail.com",
    ],
)
def test_an_address_that_a_blank_or_a_slip_may_have_cut_is_none(text: str) -> None:
    assert usable_email(text) == ""


def _by_the_library(address: str) -> str:
    try:
        valid = validate_email(
            address, allow_smtputf8=False, check_deliverability=False, test_environment=True
        )
    except EmailNotValidError:
        return ""
    return valid.ascii_email or ""


_LOCALS = st.text(alphabet="abz09._+-%'", min_size=1, max_size=12)
_LABELS = st.text(alphabet="abxn09-", min_size=1, max_size=8)
_TOP = st.sampled_from(["com", "br", "c", "c0m", "test", *SPECIAL_USE_DOMAIN_NAMES, "xn--p1ai"])


@st.composite
def addresses(draw: st.DrawFn) -> str:
    """Draw what looks like an address, right or wrong."""
    labels = draw(st.lists(_LABELS, min_size=0, max_size=3))
    return f"{draw(_LOCALS)}@{'.'.join([*labels, draw(_TOP)])}"


@given(addresses())
@example("a@b.co")
@example(f"{'a' * 64}@example.com")
@example(f"a@{'b' * 58}.com")
@example(f"a@{'b' * 63}.com")
@example(f"a@{'b' * 64}.com")
def test_the_fast_pattern_agrees_with_the_library(address: str) -> None:
    library = _by_the_library(address)

    assert library == address or not CLEARLY_VALID.fullmatch(address)


@given(addresses())
def test_an_address_alone_is_read_as_one_among_others(address: str) -> None:
    if CLEARLY_VALID.fullmatch(address):
        assert usable_emails(address) == usable_emails(f"<{address}>; <{address.upper()}>")


@given(addresses())
def test_what_is_no_placeholder_is_judged_as_the_library_does(address: str) -> None:
    stripped = address.strip(".'")
    library = _by_the_library(stripped)

    assert usable_email(address) == ("" if is_placeholder(library) else library)


def test_everyday_addresses_take_the_fast_pattern() -> None:
    """Otherwise the pattern could match nothing and still agree with the library."""
    everyday = ["maria.silva@gmail.com", "m_s-1@uol.com.br", "ana+x@sub-dominio.org"]

    assert [bool(CLEARLY_VALID.fullmatch(address)) for address in everyday] == [True] * 3


@given(st.text(alphabet="abAçn0 .@;,/<>-+_:'\u200b\u00a0"))
def test_what_comes_out_stays_as_it_is(text: str) -> None:
    assert usable_email(usable_email(text)) == usable_email(text)


@given(st.tuples(st.text(), st.text()).map("@".join))
def test_no_text_is_too_strange_for_an_address(text: str) -> None:
    assert usable_email(usable_email(text)) == usable_email(text)


@pytest.mark.parametrize(
    "text",
    [
        "maria_silva@gmail.com", "maria-silva@gmail.com", "maria_silva+a@googlemail.com",
        "n.informado@example.com", "npossui@example.com", "atualizar@example.com",
        "ausente@example.com", "idosa@example.com", "recusou@example.com", "semdados@example.com",
    ],
)  # fmt: skip
def test_what_reaches_nobody_or_a_stranger_is_no_address(text: str) -> None:
    """The next channel is taken, where the patient has one."""
    assert usable_emails(text) == ()


@pytest.mark.parametrize("text", ["maria_silva@example.com", "maria.silva+a_b@gmail.com"])
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert len(usable_emails(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "maria@uol.con", "maria@uol.comm", "maria@uol.vom", "maria@uol.com-", "maria@uol.com(oi)",
        "maria(a)uol.com", "maria[at]uol.com", "maria arroba uol.com", "MARIA ARROBA UOL.COM",
        "maria@uol.com?",
    ],
)  # fmt: skip
def test_an_opt_out_also_bars_where_the_end_or_the_at_has_a_slip(text: str) -> None:
    assert "maria@uol.com" in possible_emails(text, usable_emails(text))


@pytest.mark.parametrize("text", ["maria@uol.com.brr", "maria@uol.com.b", "maria@uol.combr"])
def test_so_does_one_of_a_brazilian_ending(text: str) -> None:
    assert possible_emails(text, usable_emails(text)) == ("maria@uol.com.br",)
