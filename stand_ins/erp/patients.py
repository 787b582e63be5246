"""Synthetic patients, as untidy as an ERP's: every value is made up from a seed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random


def _words(*lines: str) -> tuple[str, ...]:
    return tuple(" ".join(lines).split())


FIRST = _words(
    "ADRIANA ALICE ANA BEATRIZ ANTÔNIO BENEDITA BRUNO CAIO CECÍLIA CONCEIÇÃO DÉBORA DIEGO",
    "ELISÂNGELA ESTÊVÃO FABRÍCIO FLÁVIA GLÓRIA HEITOR IARA INÊS ÍTALO JANAÍNA JOÃO JOSÉ JÚLIA",
    "LARISSA LÚCIA LUÍS MÁRCIA MARIA MATEUS NATÁLIA OTÁVIO PATRÍCIA RAÍSSA REGINA SEBASTIÃO",
    "SÔNIA TAÍS VERÔNICA VITÓRIA",
)
MIDDLE = _words(
    "ALVES ARAÚJO AZEVEDO BARCELOS CARDOSO CORRÊA DUARTE FAGUNDES GUIMARÃES LACERDA MAGALHÃES",
    "MENDONÇA NOGUEIRA PACHECO QUEIROZ RABELO SALGADO TAVARES VALADARES XAVIER",
)
LAST = _words(
    "ALBUQUERQUE AMORIM BITENCOURT CAVALCANTI DRUMMOND ESTEVES FONTENELE GONÇALVES HOLANDA",
    "JUNQUEIRA LOUREIRO MONTENEGRO NEPOMUCENO PARANHOS RANGEL SALDANHA TEIXEIRA UCHÔA",
    "VASCONCELOS ZAGALLO",
)
DOMAINS = ("example.com", "example.net", "example.org", "correio.test", "caixa-postal.test")

#: The demo's Track refuses addresses of this domain one by one, by name.
REFUSED_DOMAIN = "recusado.test"

_NOTHING = ("NAO TEM", "naotem@naotem.com")

#: How staff write that a name is no patient's: {name} has three words, {last} is one of them.
_TESTS = (
    "PACIENTE TESTE {last}", "TESTE TI {last}", "Teste2 {last}", "{name} - NAO USAR",
    "HOMOLOGACAO {last}", "CADASTRO DUPLICADO {last}", "XXXX {last}",
)  # fmt: skip
#: A newborn, under the mother's name; the first spelling is the most common one.
_NEWBORNS = (
    "RN DE {name}", "RN DE {name}", "RN DE {name}", "RN {name}", "R.N. DE {name}",
    "RN-{name}", "RN1 DE {name}", "RECÉM-NASCIDO DE {name}", "REC NASC {name}", "{name} (RN)",
    "Bebê de {name}", "GEMELAR II DE {name}", "{name} 2ºRN",
)  # fmt: skip
#: A death that only the name tells.
_DEATHS = (
    "{name} (FALECIDO)", "{name} (+)", "{name} - ÓBITO", "{name} †", "NATIMORTO DE {name}",
    "FETO MORTO DE {name}",
)  # fmt: skip

#: A shorter value could stand anywhere by chance.
_TELLING = 9

_DIGITS = re.compile(r"[^0-9]")
_PLAIN = str.maketrans("ÁÂÃÀÉÊÍÓÔÕÚÇ", "AAAAEEIOOOUC")


@dataclass(frozen=True, slots=True)
class Patient:
    """A person as the ERP has it; None where the ERP has nothing."""

    number: int
    name: str
    email: str | None
    country_code: str | None
    area_code: str | None
    phone: str | None
    cpf: str | None

    def values(self) -> list[str]:
        """Return what a search may look for: all that tells this person from others.

        Names with their blanks and without, addresses one by one, a phone with its area code,
        whatever stands for "none" left out.
        """
        found = [self.name.strip(), " ".join(self.name.split())]
        found += [part.strip() for part in (self.email or "").split(";")]
        found.append(_DIGITS.sub("", f"{self.area_code or ''}{self.phone or ''}"))
        found.append(self.cpf or "")
        return [
            value
            for value in dict.fromkeys(found)
            if len(value) >= _TELLING and value not in _NOTHING and len(set(value)) > 1
        ]


def patient(rng: Random, number: int, *, area_code: str, name: str | None = None) -> Patient:
    """Make up a patient; `name` is given where it follows from another's ("RN DE ...").

    Args:
        rng: decides everything.
        number: the ERP's key; also makes addresses unique.
        area_code: where the hospital is.
        name: instead of one of ours.
    """
    full = f"{rng.choice(FIRST)} {rng.choice(MIDDLE)} {rng.choice(LAST)}"
    country, area, phone = _phone(rng, area_code)
    return Patient(
        number=number,
        name=name or _untidy_name(rng, full),
        email=_email(rng, full, number),
        country_code=country,
        area_code=area,
        phone=phone,
        cpf=_cpf(rng),
    )


def newborn(rng: Random, mother: str) -> str:
    """Return the name of a child that has none yet, as somebody typed it."""
    return rng.choice(_NEWBORNS).format(name=" ".join(mother.split()))


def valid_cpf(rng: Random) -> str:
    """Make up a CPF whose check digits are right."""
    digits = [rng.randrange(10) for _ in range(9)]
    for _ in range(2):
        weights = range(len(digits) + 1, 1, -1)
        remainder = sum(d * w for d, w in zip(digits, weights, strict=True)) * 10 % 11
        digits.append(remainder % 10)
    return "".join(map(str, digits))


def _pick(rng: Random, weights: dict[str, int]) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]


def _untidy_name(rng: Random, full: str) -> str:
    kind = _pick(
        rng,
        {"as it is": 56, "lower": 9, "title": 13, "blanks": 8, "trailing": 5, "test": 3}
        | {"newborn": 2, "dead": 1, "misread": 2, "lost": 1},
    )
    marked = {"test": _TESTS, "newborn": _NEWBORNS, "dead": _DEATHS}
    if kind in marked:
        return rng.choice(marked[kind]).format(name=full, last=full.rsplit(maxsplit=1)[-1])
    return {
        "as it is": full,
        "lower": full.lower(),
        "title": full.title(),
        "blanks": full.replace(" ", "  "),
        "trailing": f"{full}   ",
        # UTF-8 that somebody read as Windows-1252: it can be told what was meant
        "misread": full.title().encode().decode("cp1252", "replace"),
        # letters that the database's character set has not got: nobody can tell
        "lost": re.sub("[^ A-Z]", "?", full),
    }[kind]


def _email(rng: Random, full: str, number: int) -> str | None:
    words = full.translate(_PLAIN).lower().split()
    good = f"{words[0]}.{words[-1]}{number}@{rng.choice(DOMAINS)}"
    kind = _pick(
        rng,
        {"good": 52, "upper": 7, "trailing": 5, "two": 5, "refused": 3, "broken": 5}
        | {"blank": 2, "NAO TEM": 5, "naotem@naotem.com": 3, "none": 13},
    )
    return {
        "good": good,
        "upper": good.upper(),
        "trailing": f" {good}  ",
        "two": f"{good}; {words[1]}{number}@{rng.choice(DOMAINS)}",
        "refused": f"{words[0]}{number}@{REFUSED_DOMAIN}",
        "broken": rng.choice((good.replace("@", ""), good.replace("@", " @ "), f"{words[0]}@")),
        "blank": "   ",
        "NAO TEM": "NAO TEM",
        "naotem@naotem.com": "naotem@naotem.com",
        "none": None,
    }[kind]


def _phone(rng: Random, area_code: str) -> tuple[str | None, str | None, str | None]:
    """Return country code, area code and number."""
    tail = f"{rng.randrange(6, 10)}{rng.randrange(10**7):07}"
    mobile = f"9{tail}"
    kind = _pick(
        rng,
        {"good": 48, "punctuated": 20, "old": 8, "landline": 7, "no area": 5, "twice": 4}
        | {"words": 2, "none": 6},
    )
    return {
        "good": (None, area_code, mobile),
        "punctuated": ("55", f"({area_code})", f"{mobile[:5]}-{mobile[5:]}"),
        "old": (None, area_code, tail),
        "landline": (None, area_code, f"3{tail[1:]}"),
        "no area": (None, None, mobile),
        "twice": ("55", area_code, f"55{area_code}{mobile}"),
        "words": (None, area_code, "NAO INFORMADO"),
        "none": (None, None, None),
    }[kind]


def _cpf(rng: Random) -> str | None:
    good = valid_cpf(rng)
    kind = _pick(rng, {"good": 64, "punctuated": 18, "wrong": 5, "equal": 4, "none": 9})
    return {
        "good": good,
        "punctuated": f"{good[:3]}.{good[3:6]}.{good[6:9]}-{good[9:]}",
        "wrong": good[:-1] + str((int(good[-1]) + 1) % 10),
        "equal": str(rng.randrange(10)) * 11,
        "none": None,
    }[kind]
