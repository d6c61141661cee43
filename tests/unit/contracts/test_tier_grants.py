"""Levels that are given: by a brand until a time, and for another brand's level under a treaty of both."""

from __future__ import annotations

from typing import Any

import pytest

from contracts_py.tier.records import MAX_GRANTS
from tests.contract_harness import account_of
from tests.support.tiers import DAY, METALS, TODAY, Club

ANN, BOB, EVE = account_of("ann"), account_of("bob"), account_of("eve")


def grant(club: Club, level: str, until: int, member: str = ANN, **args: Any) -> Any:
    return club.send("aurora-issuer", "tier.grant", member=member, level=level, until=until, reason="kind", **args)


def test_a_grant_is_a_floor_until_its_millisecond() -> None:
    club = Club()
    club.define()
    club.add(ANN, 100)
    until = TODAY + 60 * DAY + 4_321
    done = grant(club, "gold", until)
    assert done == {
        "brand": "aurora",
        "ladder": "main",
        "member": ANN,
        "level": "gold",
        "until": until,
        "tier": "gold",
    }
    assert club.told() == [("bronze", "silver"), ("silver", "gold")]
    club.later(ms=until - 1 - club.chain.time)
    status = club.status(ANN)
    assert (status["tier"], status["until"], status["given"][0]["reason"]) == ("gold", until, "kind")
    club.later(ms=1)
    status = club.status(ANN)
    assert (status["tier"], status["since"], status["given"]) == ("bronze", until, [])
    assert club.told() == [("gold", "bronze")]


def test_a_grant_below_what_is_earned_changes_nothing_until_that_falls() -> None:
    club = Club()
    club.define(grace_days=0)
    club.add(ANN, 300)
    grant(club, "silver", TODAY + 50 * DAY)
    assert (club.level(ANN), club.status(ANN)["until"]) == ("gold", TODAY + 30 * DAY)
    club.later(days=30)
    assert (club.level(ANN), club.status(ANN)["until"]) == ("silver", TODAY + 50 * DAY)


def test_the_next_grant_of_a_level_replaces_it_and_revoke_ends_it() -> None:
    club = Club()
    club.define()
    grant(club, "gold", TODAY + 50 * DAY)
    grant(club, "gold", TODAY + 20 * DAY)
    assert club.status(ANN)["until"] == TODAY + 20 * DAY
    revoked = club.send("aurora-issuer", "tier.revoke", member=ANN, level="gold", reason="mistake")
    assert (revoked["tier"], club.level(ANN)) == ("bronze", "bronze")
    again = {"member": ANN, "level": "gold", "reason": "mistake"}
    assert club.chain.refused("aurora-issuer", "tier.revoke", **again) == "NOT_FOUND"
    club.later(days=20)
    assert club.told() == [("bronze", "gold"), ("gold", "bronze")]


def test_a_grant_of_a_level_that_terms_take_away_ends_with_it() -> None:
    club = Club()
    club.define(notice_days=3)
    grant(club, "gold", TODAY + 50 * DAY)
    club.define(levels=METALS[:2], notice_days=3)
    assert club.status(ANN)["until"] == TODAY + 3 * DAY
    club.later(days=3)
    assert club.level(ANN) == "bronze"


def test_a_member_is_given_so_many_levels_and_no_more() -> None:
    club = Club()
    levels = [{"name": f"level-{number}", "threshold": number} for number in range(MAX_GRANTS + 1)]
    club.define(levels=levels)
    for number in range(MAX_GRANTS):
        grant(club, f"level-{number}", TODAY + DAY)
    args = {"member": ANN, "level": f"level-{MAX_GRANTS}", "until": TODAY + 2 * DAY, "reason": "one more"}
    assert club.chain.refused("aurora-issuer", "tier.grant", **args) == "LIMIT_EXCEEDED"
    club.later(days=1)
    grant(club, f"level-{MAX_GRANTS}", TODAY + 2 * DAY)  # what is over takes no place


PAIRS = [{"from": "silver", "to": "gold"}]
TERMS = {"match": "aurora-gold", "from_brand": "aurora", "to_brand": "basil", "pairs": PAIRS}


def matched(days: int | None = 20, **terms: Any) -> Club:
    """Return a chain with a match in force for a year, on which Ann is silver at Aurora."""
    club = Club("aurora", "basil")
    club.define("aurora")
    club.define("basil", levels=METALS[:1] + METALS[2:])
    made = {**TERMS, "valid_from": 0, "valid_to": TODAY + 365 * DAY, **terms}
    club.send("aurora-admin", "tier.propose_match", **made, **({} if days is None else {"days": days}))
    club.send("basil-admin", "tier.accept_match", match="aurora-gold")
    club.add(ANN, 100)
    club.told()
    return club


def test_a_level_is_matched_until_the_treatys_days_are_over() -> None:
    club = matched()
    until = club.chain.time + 200 + 20 * DAY
    done = club.send("ann", "tier.match", match="aurora-gold", member=ANN)
    assert (done["brand"], done["tier"], done["until"]) == ("basil", "gold", until)
    assert club.level(ANN, "basil") == "gold"
    club.send("aurora-admin", "tier.end_match", match="aurora-gold")
    assert club.level(ANN, "basil") == "gold"
    club.later(days=20)
    assert club.level(ANN, "basil") == "bronze"
    assert club.told() == [("bronze", "gold"), ("gold", "bronze")]


def test_without_days_it_lasts_as_long_as_the_treaty() -> None:
    club = matched(days=None)
    assert club.send("ann", "tier.match", match="aurora-gold", member=ANN)["until"] == TODAY + 365 * DAY


def test_a_linked_address_brings_its_level_and_a_strangers_does_not() -> None:
    club = matched()
    stranger = {"match": "aurora-gold", "member": BOB, "from_": ANN}
    assert club.chain.refused("bob", "tier.match", **stranger) == "NOT_ELIGIBLE"
    club.send("ann", "identity.link", ["ann", "bob"], member=ANN, other=BOB)
    assert club.send("bob", "tier.match", match="aurora-gold", member=BOB, from_=ANN)["tier"] == "gold"


def test_a_match_is_not_matched_on() -> None:
    club = matched()
    pairs = [{"from": "gold", "to": "gold"}]
    back = {"match": "basil-gold", "from_brand": "basil", "to_brand": "aurora", "pairs": pairs}
    club.send("basil-admin", "tier.propose_match", valid_from=0, valid_to=TODAY + 99 * DAY, **back)
    club.send("aurora-admin", "tier.accept_match", match="basil-gold")
    club.send("ann", "tier.match", match="aurora-gold", member=ANN)
    assert club.chain.refused("ann", "tier.match", match="basil-gold", member=ANN) == "NOT_ELIGIBLE"


def test_once_is_once_for_all_addresses_of_a_shopper() -> None:
    club = matched(once=True)
    club.send("ann", "identity.link", ["ann", "bob"], member=ANN, other=BOB)
    club.send("ann", "tier.match", match="aurora-gold", member=ANN)
    again = {"match": "aurora-gold", "member": BOB}
    assert club.chain.refused("bob", "tier.match", **again) == "NOT_ELIGIBLE"


def test_the_highest_pair_that_is_reached_counts() -> None:
    pairs = [{"from": "bronze", "to": "bronze"}, {"from": "silver", "to": "gold"}]
    club = matched(pairs=pairs)
    assert club.send("eve", "tier.match", match="aurora-gold", member=EVE)["level"] == "bronze"
    assert club.send("ann", "tier.match", match="aurora-gold", member=ANN)["level"] == "gold"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"pairs": [{"from": "tin", "to": "gold"}]}, "NOT_FOUND"),
        ({"pairs": [{"from": "gold", "to": "silver"}]}, "NOT_FOUND"),
        ({"pairs": []}, "INVALID_ARGS"),
        ({"pairs": [*PAIRS, {"from": "gold", "to": "bronze"}]}, "INVALID_ARGS"),
        ({"pairs": [*PAIRS, *PAIRS]}, "INVALID_ARGS"),
        ({"to_brand": "aurora"}, "NOT_ELIGIBLE"),
        ({"valid_to": 0}, "INVALID_ARGS"),
        ({"valid_to": TODAY}, "EXPIRED"),
        ({"match": "basil-gold"}, "NOT_AUTHORISED"),
        ({"from_ladder": "none"}, "NOT_FOUND"),
    ],
)
def test_a_match_that_makes_no_sense_is_refused(changes: dict[str, Any], code: str) -> None:
    club = Club("aurora", "basil")
    club.define("aurora")
    club.define("basil", levels=METALS[:1] + METALS[2:])
    made = {**TERMS, "valid_from": 0, "valid_to": TODAY + DAY, **changes}
    assert club.chain.refused("aurora-admin", "tier.propose_match", **made) == code


def test_a_brand_that_leaves_matches_no_more() -> None:
    from tests.support.persons import begin_exit

    club = matched()
    begin_exit(club.chain, "basil", club.chain.time + DAY, "aurora")
    assert club.chain.refused("ann", "tier.match", match="aurora-gold", member=ANN) == "SUSPENDED"


def test_each_side_of_a_match_signs_for_itself() -> None:
    club = Club("aurora", "basil", "comet")
    for brand in ("aurora", "basil"):
        club.define(brand, levels=METALS)
    made = {**TERMS, "valid_from": 0, "valid_to": TODAY + DAY}
    for stranger in ("comet-admin", "aurora-marketer", "basil-issuer"):
        assert club.chain.refused(stranger, "tier.propose_match", **made) == "NOT_AUTHORISED"
    club.send("aurora-admin", "tier.propose_match", **made)
    own = {"match": "aurora-gold"}
    for stranger in ("comet-admin", "aurora-admin", "basil-marketer"):
        assert club.chain.refused(stranger, "tier.accept_match", **own) == "NOT_AUTHORISED"
    assert club.chain.refused("ann", "tier.match", **own, member=ANN) == "NOT_ELIGIBLE"  # not accepted yet
    assert club.send("basil-admin", "tier.accept_match", **own) == {**own, "status": "active"}
    for stranger in ("comet-admin", "aurora-issuer"):
        assert club.chain.refused(stranger, "tier.end_match", **own) == "NOT_AUTHORISED"
    club.send("basil-admin", "tier.end_match", **own)
    assert club.chain.view("tier_match_treaty", **own)["status"] == "ended"
