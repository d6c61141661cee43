"""A status is the shopper's: linked and merged addresses add up, nothing counts twice, parting restores each."""

from __future__ import annotations

from contracts_py.tier.records import ALARMS, LADDERS_OF_MEMBER, MEMBERS, STANDINGS
from tests.contract_harness import account_of
from tests.support.persons import enroll
from tests.support.tiers import DAY, TODAY, Club

ANN, BOB, EVE = account_of("ann"), account_of("bob"), account_of("eve")


def link(club: Club, one: str, other: str, call: str = "link") -> None:
    club.send(one, f"identity.{call}", [one, other], member=account_of(one), other=account_of(other))


def test_linked_addresses_add_up_and_a_triangle_counts_each_once() -> None:
    club = Club()
    club.define()
    for member, points in ((ANN, 50), (BOB, 60), (EVE, 10)):
        club.add(member, points)
    for pair in (("ann", "bob"), ("bob", "eve"), ("eve", "ann")):
        link(club, *pair)
    assert [(club.level(one), club.status(one)["points"]) for one in (ANN, BOB, EVE)] == [("silver", 120)] * 3
    club.later(ms=1)
    assert club.told() == [("bronze", "silver")] * 3
    for pair in (("ann", "bob"), ("bob", "eve"), ("eve", "ann")):
        link(club, *pair, "unlink")
    assert [club.status(one)["points"] for one in (ANN, BOB, EVE)] == [50, 60, 10]
    club.later(ms=1)
    assert club.told() == [("silver", "bronze")] * 3


def test_points_of_one_address_lift_the_others_in_the_same_operation() -> None:
    club = Club()
    club.define()
    club.add(ANN, 50)
    club.add(BOB, 10)
    link(club, "ann", "bob")
    club.later(ms=1)
    club.add(BOB, 40)
    assert club.told() == [("bronze", "silver")] * 2


def test_an_address_without_a_standing_shows_that_of_the_shopper() -> None:
    club = Club()
    club.define()
    club.add(ANN, 100)
    link(club, "ann", "bob")
    assert club.level(BOB) == "silver"
    assert STANDINGS.get(club.chain.state, "aurora", "main", BOB) is None
    club.add(BOB, 1)
    club.told()
    assert club.status(ANN)["points"] == 101


def test_what_is_taken_back_comes_from_the_address_itself_then_from_the_others() -> None:
    club = Club()
    club.define()
    club.add(ANN, 50)
    club.add(BOB, 60)
    link(club, "ann", "bob")
    club.take(BOB, 70)
    link(club, "ann", "bob", "unlink")
    assert [club.status(one)["points"] for one in (ANN, BOB)] == [40, 0]


def test_a_merge_adds_up_and_is_undone_without_loss() -> None:
    club = Club()
    club.define()
    old, new = enroll(club.chain, "aurora", "old"), enroll(club.chain, "aurora", "new")
    club.add(old, 80)
    club.add(new, 30)
    club.send("aurora-issuer", "identity.merge", from_=old, into=new, reason="one card")
    club.later(ms=1)
    assert (club.level(new), club.status(new)["points"]) == ("silver", 110)
    assert club.told() == [("bronze", "silver")] * 2
    club.take(new, 40)  # a purchase of the merged card comes back
    assert club.status(new)["points"] == 70
    club.send("aurora-issuer", "identity.unmerge", from_=old)
    assert (club.status(new)["points"], club.status(old)["points"]) == (0, 70)


def test_merged_addresses_get_no_new_standing() -> None:
    club = Club()
    club.define(metric="visits")
    old, new = enroll(club.chain, "aurora", "old"), enroll(club.chain, "aurora", "new")
    club.send("aurora-issuer", "identity.merge", from_=old, into=new, reason="one card")
    club.note(old, "visit")
    assert club.status(new)["points"] == 0
    club.note(new, "visit")
    assert club.status(new)["points"] == 1


def test_a_pool_has_no_status() -> None:
    import pytest

    from vm.contract_api import Refused

    club = Club()
    club.define()
    pool = club.send("ann", "identity.pool_open", member=ANN, name="home")["pool"]
    with pytest.raises(Refused, match="pool"):
        club.add(pool, 10)


def test_erasure_removes_what_was_collected_and_tells_what_is_gone() -> None:
    club = Club()
    club.define()
    club.add(ANN, 60)
    club.add(BOB, 60)
    link(club, "ann", "bob")
    club.later(ms=1)
    club.told()
    club.send("ann", "identity.erase", member=ANN)
    state = club.chain.state
    assert STANDINGS.get(state, "aurora", "main", ANN) is None
    assert LADDERS_OF_MEMBER.get(state, ANN) is None
    assert list(MEMBERS.iterate(state, "aurora", "main")) == [BOB]
    assert [member for _, member in ALARMS.iterate(state, "aurora", "main")] == [BOB]
    assert club.level(BOB) == "bronze"
    assert club.told() == [("silver", "bronze")]
    club.later(ms=1)
    assert club.told() == [("silver", "bronze")]


def test_the_yearly_days_of_linked_addresses_are_those_of_the_first() -> None:
    club = Club()
    club.define(window="anniversary", window_days=None, grace_days=0)
    club.add(ANN, 60)
    club.later(days=40)
    club.add(BOB, 60)
    link(club, "ann", "bob")
    assert club.status(BOB)["until"] == TODAY + 366 * DAY
