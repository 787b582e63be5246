"""At most one invitation a person within the cap, whoever claims, and a release frees it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING

from ledger_steps import rows_of

from track_dispatch.ledger.contacts import forget_contacts, release_contacts, win_contacts
from track_dispatch.ledger.schema import contacts, moment_in

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger


def win(ledger: Ledger, wanted: dict[int, list[str]], *, cap_days: int = 30) -> set[int]:
    with ledger.writing() as connection:
        return win_contacts(connection, wanted, cap_days=cap_days)


def held(ledger: Ledger) -> dict[str, int]:
    return {row["person_hash"]: row["line"] for row in rows_of(ledger, contacts, "person_hash")}


def set_back(ledger: Ledger, days: float) -> None:
    with ledger.writing() as connection:
        connection.execute(contacts.update().values(claimed_at=moment_in(-days * 86_400)))


def test_the_first_claim_of_a_person_wins(ledger: Ledger) -> None:
    assert win(ledger, {1: ["a", "b"]}) == set()
    assert win(ledger, {2: ["b", "c"], 3: ["d"]}) == {2}
    assert held(ledger) == {"a": 1, "b": 1, "d": 3}


def test_a_loser_keeps_nobody_from_being_asked(ledger: Ledger) -> None:
    win(ledger, {1: ["b"]})
    win(ledger, {2: ["a", "b", "c"]})

    assert win(ledger, {3: ["a"], 4: ["c"]}) == set()


def test_of_one_claim_the_first_line_wins(ledger: Ledger) -> None:
    assert win(ledger, {2: ["a"], 1: ["a", "b"], 3: ["c"]}) == {2}
    assert held(ledger) == {"a": 1, "b": 1, "c": 3}


def test_a_line_that_lost_within_its_claim_leaves_its_other_hashes_free(ledger: Ledger) -> None:
    assert win(ledger, {1: ["a"], 2: ["a", "b"], 3: ["b"]}) == {2}
    assert held(ledger) == {"a": 1, "b": 3}


def test_a_line_passes_its_own_row(ledger: Ledger) -> None:
    win(ledger, {1: ["a"]})

    assert win(ledger, {1: ["a", "b"]}) == set()


def test_the_cap_ends(ledger: Ledger) -> None:
    win(ledger, {1: ["a"]})
    set_back(ledger, 29.9)
    too_early = win(ledger, {2: ["a"]})
    set_back(ledger, 30.1)

    assert (too_early, win(ledger, {2: ["a"]})) == ({2}, set())
    assert held(ledger) == {"a": 2}


def test_a_release_frees_the_person(ledger: Ledger) -> None:
    win(ledger, {1: ["a"], 2: ["b"]})
    with ledger.writing() as connection:
        release_contacts(connection, [1])

    assert win(ledger, {3: ["a"], 4: ["b"]}) == {4}


def test_a_line_without_a_person_is_nobodys(ledger: Ledger) -> None:
    assert win(ledger, {1: [], 2: []}) == set()


def test_old_invitations_are_forgotten(ledger: Ledger) -> None:
    win(ledger, {1: ["a"]})
    set_back(ledger, 31)
    win(ledger, {2: ["b"]})

    with ledger.writing() as connection:
        assert forget_contacts(connection, days=30) == 1
    assert held(ledger) == {"b": 2}


def test_of_simultaneous_claims_each_person_is_won_once(ledger: Ledger) -> None:
    """As `not exists` they would both win; crosswise orders must not lock each other out."""
    hashes = [f"h{number:03}" for number in range(60)]
    ready = Barrier(4)

    def claim(first: int) -> set[int]:
        ordered = hashes if first % 2 else hashes[::-1]
        wanted = {first * 100 + number: [found] for number, found in enumerate(ordered)}
        ready.wait(30)
        return wanted.keys() - win(ledger, wanted)

    with ThreadPoolExecutor(4) as pool:
        winners = list(pool.map(claim, range(4)))

    assert sum(map(len, winners)) == len(hashes)
    assert len(held(ledger)) == len(hashes)
