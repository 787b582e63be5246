"""Who is one person, and which of a person's attendances is asked."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.transformation.one_row import person_keys
from track_dispatch.transformation.identities import PersonCandidate, surplus


def line(**changed: str) -> dict[str, str]:
    return {"name": "Ana Souza", "cpf": "", "email": "", "phone": ""} | changed


def one_person(first: dict[str, str], second: dict[str, str]) -> bool:
    return bool(person_keys(first).items() & person_keys(second).items())


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (line(cpf="1"), line(cpf="1", name="Outra"), True),
        (line(cpf="1"), line(cpf="2"), False),
        (line(email="a@x.test"), line(email="a@x.test"), True),
        (line(email="a@x.test"), line(email="a@x.test", name="ANA  SOUZA"), True),
        (line(email="a@x.test"), line(email="a@x.test", name="Ána Souza"), True),
        (line(email="a@x.test"), line(email="a@x.test", name="Bia Souza"), False),
        (line(phone="55279"), line(phone="55279"), True),
        (line(phone="55279", cpf="1"), line(phone="55279", cpf="2"), True),  # cautious
        (line(phone="55279"), line(email="a@x.test"), False),
        (line(), line(), False),  # a name alone is nobody
        (line(name="", phone="55279"), line(name="", phone="55279"), False),
    ],
)
def test_two_records_are_one_person(
    first: dict[str, str], second: dict[str, str], *, same: bool
) -> None:
    assert one_person(first, second) == same


def candidate(id_: str, rank: int, *keys: int) -> PersonCandidate:
    return PersonCandidate(id_, (rank,), frozenset(keys))


def test_of_a_persons_attendances_the_first_rank_is_asked_whatever_the_order() -> None:
    day = [candidate("7", 1, 10), candidate("3", 2, 10), candidate("5", 0, 10)]

    for order in permutations(day):
        assert surplus(order) == {"7", "3"}


def test_of_equal_ranks_the_lower_number_is_asked() -> None:
    assert surplus([candidate("100", 1, 10), candidate("99", 1, 10)]) == {"100"}


def test_who_shares_with_a_third_is_the_same_person_whatever_the_order() -> None:
    chain = [candidate("1", 0, 10), candidate("2", 1, 10, 20), candidate("3", 2, 20)]

    for order in permutations(chain):
        assert surplus(order) == {"2", "3"}


@given(
    st.dictionaries(
        st.integers(1, 12).map(str),
        st.tuples(st.integers(0, 3), st.frozensets(st.integers(0, 8), max_size=3)),
    )
)
def test_exactly_one_of_each_person_is_asked(day: dict[str, tuple[int, frozenset[int]]]) -> None:
    candidates = [PersonCandidate(id_, (rank,), keys) for id_, (rank, keys) in day.items()]
    left_out = surplus(candidates)
    persons: list[set[str]] = []
    for one in candidates:
        touching = [p for p in persons if any(day[i][1] & one.keys for i in p)]
        persons = [p for p in persons if p not in touching]
        persons.append({one.id}.union(*touching))

    assert [len(person - left_out) for person in persons] == [1] * len(persons)
