"""Badges evolve by events, by tier, by time held and on request; what waits is carried over and never lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from contracts_py.nft.badges import TOKENS_AT_ONCE, TOKENS_OF_STEP
from contracts_py.nft.records import HELD_DUE, WAITS_DUE
from contracts_py.nft.rulebook import MAX_BYTES, MAX_LISTENING, MAX_RULES_OF_TRIGGER
from contracts_py.tier import TierChange
from tests.contract_harness import Chain
from tests.support.badges import ANN, BOB, badge_brand, badge_chain, collection_args, history, mint, shown
from tests.support.persons import enroll
from vm.contract_api import MS_PER_DAY, MS_PER_HOUR, Context
from vm.params import Params

COUNT = {"on": {"event": "visit"}, "when": "true", "set": {"visits": "token.traits.visits + 1"}}
SILVER = {"on": {"event": "visit"}, "when": "token.traits.visits >= 2", "set": {"level": '"silver"'}}
VIP = {"on": {"event": "visit"}, "when": "event.amount >= 100", "set": {"vip": "true"}}
EARLIER = {"on": {"held_days": 30}, "when": "true", "set": {"motto": '"a month"'}}
LATER = {"on": {"held_days": 365}, "when": "true", "set": {"motto": '"a year"', "level": '"gold"'}}
ASKED = {
    "on": "manual",
    "when": 'token.traits.visits >= 3 && token.traits.level != "gold"',
    "set": {"level": '"gold"'},
}
TIERED = {"on": "tier", "when": "member.tier_rank >= 0", "set": {"visits": "token.traits.visits + 10"}}


def badges_of(chain: Chain) -> Any:
    """Return what campaign and tier call."""
    return next(room for room in chain.runtime.contracts if type(room).__name__ == "Evolutions").badges  # type: ignore[attr-defined]


def tell(chain: Chain, member: str = ANN, event: str = "visit", **attrs: Any) -> list[tuple[str, dict[str, Any]]]:
    """Let a member's badges hear of an event, as `campaign.record` does; return what that told."""
    facts: Mapping[str, Any] = {**attrs, "type": event, "ref": "r", "at": chain.time, "attrs": attrs}
    told: list[tuple[str, dict[str, Any]]] = []

    def hear(ctx: Context) -> None:
        badges_of(chain).on_event(ctx, "aurora", member, event, facts)
        told.extend((one.type, {n: getattr(one.data, n) for n in one.data.__struct_fields__}) for one in ctx.events)

    chain.govern(hear)
    return told


def change_tier(chain: Chain, member: str = ANN) -> None:
    change = TierChange("aurora", "main", member, None, "gold", 0, 1, chain.time, "points")
    chain.govern(lambda ctx: badges_of(chain).on_tier(ctx, change))


def evolving(*rules: dict[str, Any], **changes: Any) -> Chain:
    return badge_chain(evolution=list(rules), **changes)


def causes(chain: Chain, token: int = 1) -> list[str]:
    return [one["cause"]["kind"] for one in history(chain, token)]


# Events


def test_all_rules_of_an_event_make_one_version_each_seeing_the_one_before() -> None:
    chain = evolving(COUNT, SILVER, VIP)
    mint(chain)
    tell(chain, amount=5)
    assert (shown(chain)["traits"]["visits"], shown(chain)["traits"]["level"]) == (1, "basic")
    told = tell(chain, amount=200)
    now = shown(chain)
    assert now["traits"] == {"visits": 2, "level": "silver", "vip": True, "motto": ""}
    assert now["version"] == 3
    last = history(chain)[-1]
    assert last["cause"] == {"kind": "event", "event": "visit", "rules": [0, 1, 2]}
    assert last["metadata_hash"] == now["metadata_hash"]
    assert [name for name, _ in told] == ["nft.metadata_updated"]
    assert (told[0][1]["version"], told[0][1]["rules"], told[0][1]["hash"]) == (3, (0, 1, 2), now["metadata_hash"])


def test_the_order_of_rules_is_their_priority() -> None:
    first = {"on": {"event": "visit"}, "when": 'token.traits.level == "basic"', "set": {"level": '"silver"'}}
    second = {"on": {"event": "visit"}, "when": 'token.traits.level == "silver"', "set": {"level": '"gold"'}}
    for rules, level in (((first, second), "gold"), ((second, first), "silver")):
        chain = evolving(*rules)
        mint(chain)
        tell(chain)
        assert shown(chain)["traits"]["level"] == level


def test_other_events_members_and_brands_change_nothing() -> None:
    chain = evolving(COUNT)
    mint(chain)
    assert tell(chain, event="purchase") == []
    assert tell(chain, member=BOB) == []
    chain.govern(lambda ctx: badges_of(chain).on_event(ctx, "basil", ANN, "visit", {}))
    assert shown(chain)["version"] == 1


def test_a_condition_that_does_not_hold_and_a_value_that_stays_make_no_version() -> None:
    chain = evolving(VIP, {"on": {"event": "visit"}, "when": "true", "set": {"visits": "0"}})
    mint(chain)
    assert tell(chain, amount=5) == []
    assert causes(chain) == ["mint"]


@pytest.mark.parametrize(
    ("rule", "reason", "trait"),
    [
        ({"when": "event.total >= 0", "set": {"vip": "true"}}, "MISSING", None),
        ({"when": "event.amount >= 0", "set": {"vip": "true"}}, "TYPE", None),
        ({"when": "true", "set": {"visits": "1 / event.zero"}}, "DIVIDE_BY_ZERO", "visits"),
        ({"when": "true", "set": {"level": '"gold"', "visits": "1 / event.zero"}}, "DIVIDE_BY_ZERO", "visits"),
        ({"when": "true", "set": {"visits": "token.traits.visits + 101"}}, "TRAIT: expected an integer", "visits"),
        ({"when": "true", "set": {"vip": "true", "level": "event.amount"}}, "TRAIT: expected one of", "level"),
        ({"when": "true", "set": {"visits": "event.amount"}}, "TYPE", "visits"),
        ({"when": "true", "set": {"motto": '"a\\u2028b"'}}, "TRAIT: expected a readable", "motto"),
        ({"when": "event.amount", "set": {"vip": "true"}}, "TYPE", None),
        ({"when": 'lookup("x", "y", 0) == 0', "set": {"vip": "true"}}, "HOST", None),
        ({"when": 'in_collection("x", "y")', "set": {"vip": "true"}}, "HOST", None),
    ],
)
def test_a_rule_that_fails_is_told_and_the_others_go_on(
    rule: dict[str, Any], reason: str, trait: str | None
) -> None:
    if "motto" in rule["set"]:  # What reads nothing is refused when it is made; so let it read something.
        rule = {**rule, "set": {"motto": f'event.amount == "five" ? {rule["set"]["motto"]} : ""'}}
    chain = evolving({"on": {"event": "visit"}, **rule}, COUNT)
    mint(chain)
    told = tell(chain, amount="five", zero=0)
    failed = [data for name, data in told if name == "nft.evolution_failed"]
    assert len(failed) == 1
    assert (failed[0]["rule"], failed[0]["trait"]) == (0, trait)
    assert failed[0]["reason"].startswith(reason), failed[0]["reason"]
    assert shown(chain)["traits"] == {"visits": 1, "level": "basic", "vip": False, "motto": ""}
    assert history(chain)[-1]["cause"]["rules"] == [1]


@pytest.mark.parametrize("total", [None, "5", True, {}])
def test_what_is_null_or_of_another_type_is_not_zero(total: Any) -> None:
    chain = evolving({"on": {"event": "visit"}, "when": "event.attrs.total >= 0", "set": {"vip": "true"}})
    mint(chain)
    assert [name for name, _ in tell(chain, total=total)] == ["nft.evolution_failed"]
    assert not shown(chain)["traits"]["vip"]


def test_rules_read_member_token_time_and_parameters() -> None:
    rule = {
        "on": {"event": "visit"},
        "when": f'member.address == "{ANN}" && member.kyc == 0 && !member.enrolled && member.tier == ""'
        " && member.tier_rank == 0 && token.id == 1 && token.transfers == 0 && token.minted <= now"
        " && token.held_days == 2 && params.max_tx_cost > 0 && weekday(local(now)) >= 0",
        "set": {"vip": "true"},
    }
    chain = evolving(rule)
    mint(chain)
    tell(chain)
    assert not shown(chain)["traits"]["vip"]
    chain.until(chain.time + 2 * MS_PER_DAY)
    assert [name for name, _ in tell(chain)] == ["nft.metadata_updated"]


def test_members_badges_beyond_the_first_wait_with_the_facts_of_their_time() -> None:
    chain = evolving(COUNT, VIP)
    tokens = range(TOKENS_AT_ONCE + TOKENS_OF_STEP + 1)
    for token in tokens:
        mint(chain, token)
    tell(chain, amount=100)
    assert [shown(chain, token)["traits"]["visits"] for token in tokens] == [1] * TOKENS_AT_ONCE + [0] * 3
    assert shown(chain)["waiting"] == 1
    tell(chain, amount=1)  # It waits behind: each token hears of everything in its order.
    assert shown(chain, 0)["traits"]["visits"] == 1
    assert shown(chain)["waiting"] == 2
    chain.until(chain.time + 200)
    assert [shown(chain, token)["traits"]["visits"] for token in tokens] == [2] * len(tokens)
    assert all(shown(chain, token)["traits"]["vip"] for token in tokens)
    assert {len(history(chain, token)) for token in tokens} == {3}
    assert "waiting" not in shown(chain)


def test_what_waits_is_worked_off_over_blocks_and_none_is_lost() -> None:
    rules = Params(max_block_cost=100_000, max_tx_cost=75_000)
    chain = Chain([*badge_brand("aurora"), ("nft.create_collection", collection_args(evolution=[COUNT]))], rules)
    for token in range(60):
        mint(chain, token)
    tell(chain)
    blocks = 0
    while "waiting" in shown(chain, 0):
        chain.until(chain.time + 200)
        blocks += 1
    assert blocks > 1
    assert [shown(chain, token)["traits"]["visits"] for token in range(60)] == [1] * 60


def test_tokens_got_since_do_not_hear_and_those_that_wait_stay_until_they_have() -> None:
    chain = evolving(COUNT)
    for token in range(TOKENS_AT_ONCE + 1):
        mint(chain, token)
    tell(chain)
    chain.until(chain.time + 200, postponing=WAITS_DUE)
    mint(chain, 99)
    late = TOKENS_AT_ONCE
    refused = chain.refused("ann", "nft.transfer", collection="aurora-club", token=late, to=BOB)
    assert refused == "NOT_ELIGIBLE"
    chain.until(chain.time + MS_PER_HOUR)
    assert shown(chain, late)["traits"]["visits"] == 1
    assert shown(chain, 99)["traits"]["visits"] == 0
    chain.send("ann", "nft.transfer", collection="aurora-club", token=late, to=BOB)


def test_badges_that_a_merge_takes_away_hear_all_the_same() -> None:
    chain = evolving(COUNT)
    source, target = enroll(chain, "aurora", "one"), enroll(chain, "aurora", "two")
    tokens = range(TOKENS_AT_ONCE + 3)
    for token in tokens:
        mint(chain, token, to=source)
    tell(chain, source)
    chain.until(chain.time + 200, postponing=WAITS_DUE)
    chain.send("aurora-issuer", "identity.merge", from_=source, into=target, reason="two cards")
    chain.until(chain.time + MS_PER_HOUR)
    assert [shown(chain, token)["traits"]["visits"] for token in tokens] == [1] * len(tokens)
    assert shown(chain, 0)["owner"] == target


def test_the_collections_of_a_brand_hear_in_their_order() -> None:
    chain = evolving(COUNT)
    chain.send(
        "aurora-marketer", "nft.create_collection", **collection_args(collection="aurora-cup", evolution=[COUNT])
    )
    for collection in ("aurora-cup", "aurora-club"):
        for token in range(TOKENS_AT_ONCE):
            chain.send("aurora-issuer", "nft.mint", collection=collection, token=token, to=ANN)
    told = tell(chain)
    assert [(data["collection"], data["token"]) for _, data in told] == [
        ("aurora-club", token) for token in range(TOKENS_AT_ONCE)
    ]
    chain.until(chain.time + 200)
    for token in range(TOKENS_AT_ONCE):
        found = chain.view("nft_token", collection="aurora-cup", token=token)
        assert found["traits"]["visits"] == 1


# Tier


def test_a_change_of_tier_is_heard() -> None:
    chain = evolving(TIERED)
    mint(chain)
    change_tier(chain)
    assert shown(chain)["traits"]["visits"] == 10
    assert history(chain)[-1]["cause"] == {"kind": "tier", "rules": [0]}
    change_tier(chain, BOB)
    assert shown(chain)["version"] == 2


def test_tier_tells_badges_in_the_operation_that_lifts() -> None:
    rule = {"on": "tier", "when": "true", "set": {"motto": "member.tier", "visits": "member.tier_rank"}}
    chain = evolving(rule)
    chain.strict.listed = None  # That tier's calls change badges is no part of tier's own story.
    member = enroll(chain, "aurora", "one")
    levels = [{"name": "base", "threshold": 0}, {"name": "gold", "threshold": 100}]
    terms = {"brand": "aurora", "metric": "points", "levels": levels, "window_days": 365, "grace_days": 0}
    chain.send("aurora-marketer", "tier.define", **terms)
    mint(chain, to=member)
    until = chain.time + 10 * MS_PER_DAY
    granted = {"member": member, "level": "gold", "until": until, "reason": "welcome"}
    chain.send("aurora-issuer", "tier.grant", **granted)
    assert (shown(chain)["traits"]["motto"], shown(chain)["traits"]["visits"]) == ("gold", 1)
    chain.until(until)
    chain.until(until + MS_PER_DAY)
    assert (shown(chain)["traits"]["motto"], shown(chain)["traits"]["visits"]) == ("base", 0)
    assert causes(chain) == ["mint", "tier", "tier"]


# Time held


def test_time_held_falls_due_once_for_each_of_its_days() -> None:
    chain = evolving(EARLIER, LATER)
    mint(chain)
    begin = chain.time
    assert shown(chain)["due"] == begin + 30 * MS_PER_DAY
    chain.until(begin + 30 * MS_PER_DAY - 1)
    assert shown(chain)["version"] == 1
    chain.until(begin + 30 * MS_PER_DAY)
    assert (shown(chain)["traits"]["motto"], shown(chain)["due"]) == ("a month", begin + 365 * MS_PER_DAY)
    chain.until(begin + 400 * MS_PER_DAY)
    assert shown(chain)["traits"]["motto"] == "a year"
    assert "due" not in shown(chain)
    assert causes(chain) == ["mint", "held", "held"]
    assert [one["cause"]["rules"] for one in history(chain)[1:]] == [[0], [1]]


def test_a_transfer_begins_the_time_anew() -> None:
    chain = evolving(EARLIER)
    mint(chain)
    chain.until(chain.time + 20 * MS_PER_DAY)
    chain.send("ann", "nft.transfer", collection="aurora-club", token=1, to=BOB)
    begin = chain.time
    chain.until(begin + 29 * MS_PER_DAY)
    assert shown(chain)["version"] == 1
    chain.until(begin + 30 * MS_PER_DAY)
    assert shown(chain)["version"] == 2


def test_a_merge_does_not_begin_the_time_anew() -> None:
    chain = evolving(EARLIER)
    source, target = enroll(chain, "aurora", "one"), enroll(chain, "aurora", "two")
    mint(chain, to=source)
    begin = chain.time
    chain.send("aurora-issuer", "identity.merge", from_=source, into=target, reason="two cards")
    chain.until(begin + 30 * MS_PER_DAY)
    assert shown(chain)["version"] == 2


def test_what_is_due_is_done_before_a_transfer_though_the_agenda_lags() -> None:
    chain = evolving({**EARLIER, "set": {"visits": "token.held_days"}}, {**LATER, "set": {"motto": "string(now)"}})
    mint(chain)
    begin = chain.time
    chain.until(begin + 366 * MS_PER_DAY, postponing=HELD_DUE)
    assert shown(chain)["due"] == begin + 30 * MS_PER_DAY  # A time that is over: it waits.
    chain.send("ann", "nft.transfer", collection="aurora-club", token=1, to=BOB)
    traits = shown(chain)["traits"]
    # Each as of its own time, not of the time at which the chain came to it.
    assert (traits["visits"], traits["motto"]) == (30, str(begin + 365 * MS_PER_DAY))
    assert shown(chain)["due"] == chain.time + 30 * MS_PER_DAY
    chain.until(chain.time + MS_PER_HOUR)
    assert shown(chain)["version"] == 3  # What was put off finds nothing to do.


def test_an_event_comes_after_what_was_due_before_it() -> None:
    at_once = {"on": {"held_days": 30}, "when": "true", "set": {"visits": "50"}}
    chain = evolving(at_once, COUNT)
    mint(chain)
    chain.until(chain.time + 31 * MS_PER_DAY, postponing=HELD_DUE)
    tell(chain)
    assert shown(chain)["traits"]["visits"] == 51
    assert causes(chain) == ["mint", "held", "event"]


def test_a_burned_token_is_due_no_more() -> None:
    chain = evolving(EARLIER)
    mint(chain)
    chain.send("ann", "nft.burn", collection="aurora-club", token=1)
    chain.until(chain.time + 31 * MS_PER_DAY)
    assert chain.events == []
    assert causes(chain) == ["mint", "burn"]


def test_many_that_fall_due_together_are_carried_over() -> None:
    rules = Params(max_block_cost=100_000, max_tx_cost=75_000)
    chain = Chain([*badge_brand("aurora"), ("nft.create_collection", collection_args(evolution=[EARLIER]))], rules)
    ops = [("nft.mint", {"collection": "aurora-club", "token": token, "to": ANN}) for token in range(70)]
    for part in range(0, 70, 35):
        assert chain.send_ops("aurora-issuer", ops[part : part + 35]).status == "ok"
    chain.until(chain.time + 31 * MS_PER_DAY)
    done = [token for token in range(70) if shown(chain, token)["version"] == 2]
    assert 0 < len(done) < 70
    # The first block's before the second's; of one time in the order of their keys.
    first = sorted(range(35), key=str)
    assert set(done) == set(first[: len(done)]) if len(done) <= 35 else set(first) <= set(done)
    blocks = 1
    while any("due" in shown(chain, token) for token in range(70)):
        chain.until(chain.time + 200)
        blocks += 1
    assert 1 < blocks < 70
    assert {shown(chain, token)["version"] for token in range(70)} == {2}


# On request


def test_anyone_asks_and_it_happens_where_a_manual_rule_holds() -> None:
    chain = evolving(ASKED)
    mint(chain, visits=2)
    mint(chain, 2, visits=3)
    asked = {"collection": "aurora-club", "token": 1}
    assert chain.refused("bob", "nft.evolve", **asked) == "NOT_ELIGIBLE"
    answer = chain.send("bob", "nft.evolve", collection="aurora-club", token=2)
    assert (answer["version"], answer["owner"]) == (2, ANN)
    assert history(chain, 2)[-1]["cause"]["kind"] == "manual"
    assert history(chain, 2)[-1]["cause"]["tx"]
    assert chain.refused("bob", "nft.evolve", collection="aurora-club", token=2) == "NOT_ELIGIBLE"
    assert chain.refused("bob", "nft.evolve", collection="aurora-club", token=9) == "NOT_FOUND"


def test_a_refused_request_says_which_rule_failed() -> None:
    chain = evolving({"on": "manual", "when": "true", "set": {"visits": "token.traits.visits + 101"}})
    mint(chain)
    receipt = chain.send_ops("bob", [("nft.evolve", {"collection": "aurora-club", "token": 1})])
    assert receipt.error
    assert receipt.error.code == "NOT_ELIGIBLE"
    assert receipt.error.details == {"rule": 0, "reason": "TRAIT: expected an integer from 0 to 100"}


def test_frozen_metadata_evolve_by_nothing() -> None:
    chain = evolving(COUNT, ASKED, TIERED, EARLIER)
    mint(chain, visits=5)
    chain.send("aurora-marketer", "nft.freeze_metadata", collection="aurora-club")
    tell(chain)
    change_tier(chain)
    assert chain.refused("ann", "nft.evolve", collection="aurora-club", token=1) == "FROZEN"
    chain.until(chain.time + 31 * MS_PER_DAY)
    assert causes(chain) == ["mint"]


def test_a_frozen_token_goes_on_evolving() -> None:
    chain = evolving(COUNT)
    mint(chain)
    chain.send("aurora-compliance", "nft.freeze", collection="aurora-club", token=1)
    tell(chain)
    assert shown(chain)["traits"]["visits"] == 1


def test_the_effect_evolve_runs_manual_rules_on_the_members_tokens() -> None:
    chain = evolving(ASKED)
    mint(chain, 1, visits=3)
    mint(chain, 2, visits=1)

    def effect(ctx: Context, collection: str = "aurora-club") -> None:
        badges_of(chain).evolve(ctx, collection, ANN)

    chain.govern(effect)
    assert [shown(chain, token)["traits"]["level"] for token in (1, 2)] == ["gold", "basic"]
    with pytest.raises(Exception, match="no manual rule of the collection"):
        chain.govern(effect)
    with pytest.raises(Exception, match="no such collection"):
        chain.govern(lambda ctx: effect(ctx, "nothing"))
    assert badges_of(chain).brand_of(chain.context(), "aurora-club") == "aurora"


# Rules are checked when they are made


def made(**rule: Any) -> tuple[str, str]:
    """Return the code and the message with which a collection with one rule is refused."""
    whole = {"on": "manual", "when": "true", "set": {"vip": "true"}, **rule}
    args = collection_args(collection="two", evolution=[whole])
    receipt = badge_chain().send_ops("aurora-marketer", [("nft.create_collection", args)])
    return (receipt.error.code, receipt.error.message) if receipt.error else ("ok", "")


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"when": "token.traits.moons > 1"}, "evolution[0].when: line 1"),
        ({"when": "event.amount > 1"}, "evolution[0].when: line 1"),
        ({"when": "token.traits.visits"}, "evolution[0].when: line 1"),
        ({"when": 'token.traits.visits > "x"'}, "evolution[0].when: line 1"),
        ({"when": "true &&"}, "evolution[0].when: line 1"),
        ({"when": ""}, "evolution[0].when"),
        ({"when": "1.5 > 1"}, "evolution[0].when: line 1"),
        ({"when": "member.profile.visits > 1"}, "evolution[0].when: line 1"),
        ({"set": {"visits": "true"}}, "evolution[0].set.visits: line 1"),
        ({"set": {"visits": "101"}}, "evolution[0].set.visits: expected a value that the trait takes"),
        ({"set": {"level": '"jade"'}}, "evolution[0].set.level: expected a value that the trait takes"),
        ({"set": {"visits": "1 / 0"}}, "evolution[0].set.visits: expected a value that the trait takes"),
        ({"set": {"moons": "1"}}, "evolution[0].set.moons: expected a trait of the collection"),
        ({"set": {}}, "evolution[0].set: expected a trait at least"),
        ({"on": {}}, "evolution[0].on: expected either an event or held_days"),
        ({"on": {"event": "visit", "held_days": 3}}, "evolution[0].on: expected either an event or held_days"),
        ({"on": {"held_days": 0}}, "evolution[0].on.held_days"),
        ({"on": {"event": "NO EVENT"}}, "evolution[0].on.event"),
        ({"on": "event"}, "evolution[0].on"),
        ({"on": 7}, "evolution[0].on"),
        ({"when": "true" + " && true" * 600}, "evolution[0].when"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_with_its_place(rule: dict[str, Any], words: str) -> None:
    code, message = made(**rule)
    assert code == "INVALID_ARGS"
    assert message.startswith(words), message


def test_rules_of_one_trigger_are_bounded_together() -> None:
    chain = badge_chain()
    rule = {"on": "manual", "when": "true", "set": {"vip": "true"}}

    def refusal(rules: list[dict[str, Any]]) -> tuple[str, str]:
        args = collection_args(collection="two", evolution=rules)
        receipt = chain.send_ops("aurora-marketer", [("nft.create_collection", args)])
        assert receipt.error
        return receipt.error.code, receipt.error.message

    assert refusal([rule] * (MAX_RULES_OF_TRIGGER + 1))[1] == "too many rules of manual"
    padded = {**rule, "when": "true" + " " * (MAX_BYTES // MAX_RULES_OF_TRIGGER)}
    assert refusal([padded] * MAX_RULES_OF_TRIGGER)[1] == "rules of manual are too long together"
    loop = "event.attrs.all(k, event.attrs.exists(j, j == k))"
    costly = {"on": {"event": "visit"}, "when": loop, "set": {"vip": "true"}}
    assert refusal([costly])[0] in ("INVALID_ARGS", "LIMIT_EXCEEDED")
    dear = {"on": {"event": "visit"}, "when": 'event.attrs.all(k, k != "")', "set": {"vip": "true"}}
    assert refusal([dear] * MAX_RULES_OF_TRIGGER) == (
        "LIMIT_EXCEEDED",
        "rules of event:visit together cost too much",
    )


def test_a_brands_collections_with_rules_of_one_event_are_bounded() -> None:
    chain = badge_chain()
    for number in range(MAX_LISTENING):
        args = collection_args(collection=f"aurora-{number}", evolution=[COUNT, TIERED])
        chain.send("aurora-marketer", "nft.create_collection", **args)
    args = collection_args(collection="aurora-more", evolution=[COUNT])
    assert chain.refused("aurora-marketer", "nft.create_collection", **args) == "LIMIT_EXCEEDED"
    chain.send("aurora-marketer", "nft.update_collection", collection="aurora-0", evolution=[])
    chain.send("aurora-marketer", "nft.create_collection", **args)


# Rules that change


def test_new_rules_take_the_place_of_the_old_ones() -> None:
    chain = evolving(COUNT, EARLIER)
    mint(chain)
    begin = chain.time
    ten = {"on": {"held_days": 10}, "when": "true", "set": {"vip": "true"}}
    paid = {**COUNT, "on": {"event": "purchase"}}
    chain.send("aurora-marketer", "nft.update_collection", collection="aurora-club", evolution=[ten, paid])
    chain.until(chain.time + 200)
    assert shown(chain)["due"] == begin + 10 * MS_PER_DAY
    assert tell(chain) == []
    tell(chain, event="purchase")
    assert shown(chain)["traits"]["visits"] == 1
    assert chain.view("nft_collection", collection="aurora-club")["evolution"] == [ten, paid]
    chain.until(begin + 31 * MS_PER_DAY)
    assert (shown(chain)["traits"]["vip"], shown(chain)["traits"]["motto"]) == (True, "")


def test_rules_for_a_time_that_is_over_wait_for_the_next_token() -> None:
    chain = evolving()
    mint(chain)
    chain.until(chain.time + 40 * MS_PER_DAY)
    chain.send("aurora-marketer", "nft.update_collection", collection="aurora-club", evolution=[EARLIER, LATER])
    chain.until(chain.time + 200)
    assert shown(chain)["due"] == shown(chain)["since"] + 365 * MS_PER_DAY


def test_a_trait_that_was_added_has_its_default_for_the_next_rule_already() -> None:
    chain = evolving(COUNT)
    mint(chain)
    bonus = {
        "on": {"event": "visit"},
        "when": "token.traits.stars == 7",
        "set": {"stars": "token.traits.stars + 1"},
    }
    change = {"traits": {"stars": {"type": "int", "default": 7}}, "evolution": [bonus]}
    op = ("nft.update_collection", {"collection": "aurora-club", **change})
    assert chain.send_ops("aurora-marketer", [op]).status == "ok"
    tell(chain)  # Before the chain has brought the token to the new revision.
    assert shown(chain)["traits"]["stars"] == 8
    assert shown(chain)["revision"] == 2


def test_in_uri_mode_traits_evolve_and_the_hash_stays() -> None:
    chain = evolving(COUNT, metadata={"mode": "uri", "base": "ipfs://bafy"})
    mint(chain)
    chain.send("aurora-marketer", "nft.set_uri", collection="aurora-club", token=1, uri="ipfs://x", hash="ab" * 32)
    tell(chain)
    assert (shown(chain)["traits"]["visits"], shown(chain)["metadata_hash"]) == (1, "ab" * 32)


def test_what_was_due_is_no_answer_to_a_request() -> None:
    chain = evolving(EARLIER, ASKED)
    mint(chain)
    chain.until(chain.time + 31 * MS_PER_DAY, postponing=HELD_DUE)
    assert chain.refused("bob", "nft.evolve", collection="aurora-club", token=1) == "NOT_ELIGIBLE"
    assert shown(chain)["version"] == 1  # What is refused does nothing, not even what was due.


def test_an_occasion_that_waited_counts_as_of_its_time() -> None:
    rule = {"on": {"event": "visit"}, "when": "true", "set": {"motto": "string(token.held_days)"}}
    month = {"on": {"held_days": 30}, "when": "true", "set": {"motto": 'token.traits.motto + "h"'}}
    chain = evolving(rule, month)
    for token in range(TOKENS_AT_ONCE + 1):
        mint(chain, token)
    chain.until(chain.time + 29 * MS_PER_DAY)
    tell(chain)
    chain.until(chain.time + 200, postponing=WAITS_DUE)
    chain.until(chain.time + 2 * MS_PER_DAY, postponing=HELD_DUE)
    assert shown(chain, TOKENS_AT_ONCE)["traits"]["motto"] == "29"
    chain.until(chain.time + MS_PER_HOUR)
    assert shown(chain, TOKENS_AT_ONCE)["traits"]["motto"] == "29h"


def test_a_burned_tokens_history_has_what_was_due_before() -> None:
    chain = evolving(EARLIER)
    mint(chain)
    chain.until(chain.time + 31 * MS_PER_DAY, postponing=HELD_DUE)
    chain.send("ann", "nft.burn", collection="aurora-club", token=1)
    assert causes(chain) == ["mint", "held", "burn"]
