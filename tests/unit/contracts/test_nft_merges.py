"""Accounts that become one take their badges along, soulbound ones too, and give them back."""

from __future__ import annotations

from typing import Any

from contracts_py.nft.merges import MOVED_AT_ONCE, MOVED_IN_STEP
from tests.contract_harness import Chain, account_of, key_of
from tests.support.badges import BOB, badge_chain, history, mint, shown
from tests.support.persons import enroll


def owned(chain: Chain, owner: str) -> list[int]:
    return [one["token"] for one in chain.view("nft_tokens", owner=owner, limit=1_000)["items"]]


def merge(chain: Chain, source: str, target: str) -> None:
    chain.send("aurora-issuer", "identity.merge", from_=source, into=target, reason="two cards")


def members(chain: Chain, *names: str) -> list[str]:
    return [enroll(chain, "aurora", name) for name in names]


def test_a_merge_moves_soulbound_badges_with_their_time() -> None:
    chain = badge_chain(soulbound=True)
    source, target = members(chain, "one", "two")
    mint(chain, 1, to=source)
    mint(chain, 2, to=target)
    before = shown(chain)
    merge(chain, source, target)
    told: dict[str, Any] = {"collection": "aurora-club", "brand": "aurora", "token": 1}
    moved = {**told, "from_account": source, "to_account": target, "cause": "merge"}
    assert ("nft.transferred", moved) in chain.events
    assert shown(chain) == {**before, "owner": target}  # Neither a transfer, nor a new version, nor a new time.
    assert (owned(chain, source), owned(chain, target)) == ([], [1, 2])
    assert len(history(chain)) == 1
    chain.send("aurora-issuer", "identity.unmerge", from_=source)
    assert (owned(chain, source), owned(chain, target)) == ([1], [2])
    assert shown(chain) == before


def test_what_the_target_has_given_away_does_not_come_back() -> None:
    chain = badge_chain()
    source, target = members(chain, "one", "two")
    for token in (1, 2, 3):
        mint(chain, token, to=source)
    merge(chain, source, target)
    chain.send("aurora-cashier", "nft.transfer", collection="aurora-club", token=1, to=BOB)
    chain.send("aurora-cashier", "nft.burn", collection="aurora-club", token=2)
    chain.send("aurora-issuer", "identity.unmerge", from_=source)
    assert (owned(chain, source), owned(chain, target), owned(chain, BOB)) == ([3], [], [1])


def test_a_merged_accounts_badges_go_to_whom_it_is_now() -> None:
    chain = badge_chain()
    source, target = members(chain, "one", "two")
    merge(chain, source, target)
    assert mint(chain, 1, to=source)["owner"] == target
    mint(chain, 2, to=BOB)
    answer = chain.send("bob", "nft.transfer", collection="aurora-club", token=2, to=source)
    assert answer["owner"] == target
    chain.send("aurora-issuer", "identity.unmerge", from_=source)
    assert owned(chain, target) == [1, 2]  # They never were the source's.


def test_many_badges_move_over_several_blocks_and_all_come_back() -> None:
    chain = badge_chain()
    source, target = members(chain, "one", "two")
    tokens = list(range(MOVED_AT_ONCE + 2 * MOVED_IN_STEP + 3))
    for token in tokens:
        mint(chain, token, to=source)
    merge(chain, source, target)
    assert len(owned(chain, target)) == MOVED_AT_ONCE
    chain.until(chain.time + 200)
    assert (owned(chain, source), owned(chain, target)) == ([], tokens)
    chain.send("aurora-issuer", "identity.unmerge", from_=source)
    assert len(owned(chain, source)) == MOVED_AT_ONCE
    chain.until(chain.time + 200)
    assert (owned(chain, source), owned(chain, target)) == (tokens, [])


def test_an_unmerge_while_badges_still_move_brings_all_back() -> None:
    chain = badge_chain()
    source, target = members(chain, "one", "two")
    tokens = list(range(MOVED_AT_ONCE + 3))
    for token in tokens:
        mint(chain, token, to=source)
    ops = [
        ("identity.merge", {"from": source, "into": target, "reason": "two cards"}),
        ("identity.unmerge", {"from": source}),
    ]
    assert chain.send_ops("aurora-issuer", ops).status == "ok"
    chain.until(chain.time + 200)
    chain.until(chain.time + 200)
    assert (owned(chain, source), owned(chain, target)) == (tokens, [])


def test_a_chain_of_merges_takes_everything_along() -> None:
    chain = badge_chain()
    first, second, third = members(chain, "one", "two", "three")
    tokens = list(range(MOVED_AT_ONCE + 3))
    for token in tokens:
        mint(chain, token, to=first)
    ops = [
        ("identity.merge", {"from": first, "into": second, "reason": "two cards"}),
        ("identity.merge", {"from": second, "into": third, "reason": "three"}),
    ]
    assert chain.send_ops("aurora-issuer", ops).status == "ok"
    chain.until(chain.time + 200)
    assert owned(chain, third) == tokens


def test_badges_stay_with_who_claims_or_is_erased() -> None:
    chain = badge_chain(soulbound=True)
    (member,) = members(chain, "one")
    mint(chain, to=member)
    before = shown(chain)
    chain.send("aurora-issuer", "identity.claim", ["aurora-issuer", "ann"], member=member, key=key_of("ann").hex())
    assert shown(chain) == before
    chain.send("aurora-compliance", "identity.erase", ["aurora-compliance"], member=member)
    assert shown(chain) == before
    chain.send("ann", "nft.burn", ["ann"], collection="aurora-club", token=1, from_=member)
    assert account_of("ann") != member
