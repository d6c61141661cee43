"""Badges: minted up to max_supply, sent, burned, frozen; who owns which is the same in every view."""

from __future__ import annotations

from typing import Any

import pytest

from contracts_py.nft import NftHooks
from contracts_py.registry import contracts
from tests.contract_harness import Chain, account_of
from tests.support.badges import ANN, BOB, DEFAULTS, badge_brand, badge_chain, collection_args, history, mint, shown
from vm.contract_api import Context, Refused
from vm.primitives.address import address_of_member
from vm.runtime import Runtime

MEMBER = address_of_member("aurora", b"\xab" * 32)


def send(chain: Chain, who: str, to: str, token: int = 1, **more: Any) -> dict[str, Any]:
    args = {"collection": "aurora-club", "token": token, "to": to, **more}
    found: dict[str, Any] = chain.send(who, "nft.transfer", **args)
    return found


def refused(chain: Chain, who: str, call: str, token: int = 1, **more: Any) -> str:
    return chain.refused(who, f"nft.{call}", collection="aurora-club", token=token, **more)


def owned(chain: Chain, owner: str) -> list[int]:
    return [one["token"] for one in chain.view("nft_tokens", owner=owner)["items"]]


def counts(chain: Chain) -> tuple[int, int, int]:
    found = chain.view("nft_collection", collection="aurora-club")
    return found["minted"], found["burned"], found["living"]


def test_a_token_is_minted_with_its_traits_and_the_defaults_of_the_others() -> None:
    chain = badge_chain()
    answer = mint(chain, 7, visits=3, motto='Say "hi" \\ 😀')
    now = shown(chain, 7)
    assert now["traits"] == {**DEFAULTS, "visits": 3, "motto": 'Say "hi" \\ 😀'}
    assert (now["owner"], now["version"], now["transfers"], now["minted"]) == (ANN, 1, 0, chain.time)
    assert answer["metadata_hash"] == now["metadata_hash"] == history(chain, 7)[0]["metadata_hash"]
    minted = {
        "collection": "aurora-club",
        "brand": "aurora",
        "token": 7,
        "account": ANN,
        "hash": now["metadata_hash"],
    }
    assert chain.events == [("nft.minted", minted)]
    assert not now["locked"]


@pytest.mark.parametrize(
    "traits",
    [{"visits": 101}, {"visits": -1}, {"visits": "3"}, {"visits": True}, {"vip": 1}, {"level": "jade"}, {"x": 1}],
)
def test_a_trait_that_the_collection_does_not_take_is_refused(traits: dict[str, Any]) -> None:
    assert refused(badge_chain(), "aurora-issuer", "mint", to=ANN, traits=traits) == "INVALID_ARGS"


@pytest.mark.parametrize("token", ["01", "1", -1, 2**53, 1.0, True])
def test_a_token_is_a_canonical_number(token: Any) -> None:
    assert refused(badge_chain(), "aurora-issuer", "mint", token=token, to=ANN) == "INVALID_ARGS"


def test_the_first_and_the_last_number_are_tokens() -> None:
    chain = badge_chain()
    mint(chain, 0)
    mint(chain, 2**53 - 1)
    assert owned(chain, ANN) == [0, 2**53 - 1]


def test_supply_is_exact_after_each_operation_of_one_transaction() -> None:
    chain = badge_chain(max_supply=2)
    mint(chain, 1)
    minting = {"collection": "aurora-club", "to": ANN}
    burn = ("nft.burn", {"collection": "aurora-club", "token": 1})
    signers = ["ann", "aurora-issuer"]
    receipt = chain.send_ops("ann", [("nft.mint", {**minting, "token": 2}), burn], signers)
    assert receipt.status == "ok"
    assert counts(chain) == (2, 1, 1)
    # What is burned is not minted again: max_supply counts what was ever minted.
    receipt = chain.send_ops("ann", [("nft.mint", {**minting, "token": 3})], signers)
    assert receipt.error
    assert receipt.error.code == "CAP_EXCEEDED"
    assert counts(chain) == (2, 1, 1)


def test_a_burned_number_is_not_minted_again_and_its_history_stays() -> None:
    chain = badge_chain()
    mint(chain)
    digest = shown(chain)["metadata_hash"]
    assert chain.send("ann", "nft.burn", collection="aurora-club", token=1) == {
        "collection": "aurora-club",
        "token": 1,
    }
    gone = {"collection": "aurora-club", "brand": "aurora", "token": 1, "account": ANN}
    assert chain.events == [("nft.burned", gone)]
    assert refused(chain, "ann", "burn") == "NOT_FOUND"
    assert refused(chain, "aurora-issuer", "mint", to=ANN) == "ALREADY_EXISTS"
    versions = history(chain)
    assert [one["cause"]["kind"] for one in versions] == ["mint", "burn"]
    assert [one["version"] for one in versions] == [1, 2]
    assert {one["metadata_hash"] for one in versions} == {digest}
    for name in ("nft_token", "nft_metadata", "nft_traits"):
        with pytest.raises(Refused, match="no such token"):
            chain.view(name, collection="aurora-club", token=1)
    assert owned(chain, ANN) == []
    assert chain.view("nft_collection_tokens", collection="aurora-club")["items"] == []


def test_a_transfer_changes_the_owner_everywhere_and_the_version_nowhere() -> None:
    chain = badge_chain()
    mint(chain)
    before = shown(chain)
    assert send(chain, "ann", BOB)["owner"] == BOB
    told = {"collection": "aurora-club", "brand": "aurora", "token": 1}
    assert chain.events == [
        ("nft.transferred", {**told, "from_account": ANN, "to_account": BOB, "cause": "transfer"})
    ]
    now = shown(chain)
    assert now == {**before, "owner": BOB, "transfers": 1, "since": chain.time}
    assert (owned(chain, ANN), owned(chain, BOB)) == ([], [1])
    assert len(history(chain)) == 1
    assert chain.view("nft_collection_tokens", collection="aurora-club")["items"][0]["owner"] == BOB


def test_only_the_holder_sends_and_burns() -> None:
    chain = badge_chain()
    mint(chain)
    for person in ("bob", "aurora-admin", "aurora-issuer", "aurora-compliance"):
        assert refused(chain, person, "transfer", to=BOB) == "NOT_AUTHORISED"
        assert refused(chain, person, "burn") == "NOT_AUTHORISED"
    assert refused(chain, "ann", "transfer", to=ANN) == "INVALID_ARGS"
    assert refused(chain, "ann", "transfer", to=BOB, from_=BOB) == "NOT_ELIGIBLE"
    assert refused(chain, "ann", "transfer", token=2, to=BOB) == "NOT_FOUND"
    send(chain, "ann", BOB, from_=ANN)


def test_a_custodians_cashier_sends_for_the_member() -> None:
    chain = badge_chain()
    chain.send("aurora-issuer", "identity.enroll", brand="aurora", ref="ab" * 32)
    mint(chain, to=MEMBER)
    assert refused(chain, "basil-cashier", "transfer", to=BOB) == "NOT_AUTHORISED"
    send(chain, "aurora-cashier", BOB)


def test_a_soulbound_token_is_locked_and_can_only_be_burned() -> None:
    chain = badge_chain(soulbound=True)
    mint(chain)
    assert [name for name, _ in chain.events] == ["nft.minted", "nft.locked"]
    assert shown(chain)["locked"]
    assert refused(chain, "ann", "transfer", to=BOB) == "NOT_TRANSFERABLE"
    chain.send("ann", "nft.burn", collection="aurora-club", token=1)


def test_a_collection_for_members_goes_to_members_only() -> None:
    chain = badge_chain(transfer="brand")
    chain.send("aurora-issuer", "identity.enroll", brand="aurora", ref="ab" * 32)
    mint(chain)
    assert refused(chain, "ann", "transfer", to=BOB) == "NOT_TRANSFERABLE"
    send(chain, "ann", MEMBER)


def test_a_frozen_token_stays_where_it_is() -> None:
    chain = badge_chain()
    mint(chain)
    lock = {"collection": "aurora-club", "token": 1}
    assert refused(chain, "aurora-admin", "freeze") == "NOT_AUTHORISED"
    assert chain.send("aurora-compliance", "nft.freeze", **lock) == {**lock, "frozen": True, "locked": True}
    assert chain.events == [("nft.locked", {**lock, "brand": "aurora", "account": ANN})]
    chain.send("aurora-compliance", "nft.freeze", **lock)
    assert chain.events == []  # It was frozen before.
    assert refused(chain, "ann", "transfer", to=BOB) == "FROZEN"
    assert refused(chain, "ann", "burn") == "FROZEN"
    assert chain.send("aurora-compliance", "nft.unfreeze", **lock) == {**lock, "frozen": False, "locked": False}
    assert [name for name, _ in chain.events] == ["nft.unlocked"]
    send(chain, "ann", BOB)


def test_an_account_that_is_frozen_at_the_brand_neither_gives_nor_gets() -> None:
    chain = badge_chain()
    mint(chain)
    chain.send("aurora-compliance", "token.freeze", account=BOB)
    assert refused(chain, "ann", "transfer", to=BOB) == "FROZEN"
    chain.send("aurora-compliance", "token.unfreeze", account=BOB)
    chain.send("aurora-compliance", "token.freeze", account=ANN)
    assert refused(chain, "ann", "transfer", to=BOB) == "FROZEN"
    assert refused(chain, "ann", "burn") == "FROZEN"
    chain.send("basil-compliance", "token.freeze", account=BOB)
    chain.send("aurora-compliance", "token.unfreeze", account=ANN)
    send(chain, "ann", BOB)  # Basil's freeze is not Aurora's.


def test_minting_is_the_issuers_and_not_a_suspended_brands() -> None:
    chain = badge_chain()
    for person in ("aurora-marketer", "basil-issuer", "ann"):
        assert refused(chain, person, "mint", to=ANN) == "NOT_AUTHORISED"
    mint(chain)
    assert refused(chain, "aurora-issuer", "mint", to=BOB) == "ALREADY_EXISTS"
    chain.suspend("aurora")
    assert refused(chain, "aurora-issuer", "mint", token=2, to=ANN) == "SUSPENDED"
    send(chain, "ann", BOB)  # What shoppers have stays theirs.


def test_who_holds_a_token_aside_keeps_it_from_moving() -> None:
    listed, authority = contracts()
    hooks = next(room._hooks for room in listed if type(room).__name__ == "Tokens")  # type: ignore[attr-defined]
    assert isinstance(hooks, NftHooks)
    asked = []

    def on_offer(ctx: Context, movement: Any) -> None:
        asked.append((movement.token, movement.owner, movement.to))
        if movement.token == 1:
            raise Refused("NOT_ELIGIBLE", "it is on offer")

    hooks.moving._listeners = (on_offer,)
    chain = Chain(
        [*badge_brand("aurora"), ("nft.create_collection", collection_args())], runtime=Runtime(listed, authority)
    )
    mint(chain, 1)
    mint(chain, 2)
    assert refused(chain, "ann", "transfer", to=BOB) == "NOT_ELIGIBLE"
    assert refused(chain, "ann", "burn") == "NOT_ELIGIBLE"
    send(chain, "ann", BOB, token=2)
    assert asked == [(1, ANN, BOB), (1, ANN, None), (2, ANN, BOB)]


def test_an_accounts_tokens_are_read_in_pages_and_by_collection() -> None:
    chain = badge_chain()
    chain.send("aurora-marketer", "nft.create_collection", **collection_args(collection="aurora-cup"))
    for token in (10, 9, 2):
        mint(chain, token)
    chain.send("aurora-issuer", "nft.mint", collection="aurora-cup", token=1, to=ANN)
    first = chain.view("nft_tokens", owner=ANN, collection="aurora-club", limit=2)
    assert [one["token"] for one in first["items"]] == [2, 9]
    rest = chain.view("nft_tokens", owner=ANN, collection="aurora-club", cursor=first["next"])
    assert ([one["token"] for one in rest["items"]], rest["next"]) == ([10], None)
    everything = chain.view("nft_tokens", owner=ANN)["items"]
    assert [(one["collection"], one["token"]) for one in everything] == [
        ("aurora-club", 2),
        ("aurora-club", 9),
        ("aurora-club", 10),
        ("aurora-cup", 1),
    ]
    assert chain.view("nft_tokens", owner=ANN, collection="aurora-zoo")["items"] == []


def test_traits_are_read_by_key() -> None:
    chain = badge_chain()
    mint(chain, visits=4)
    asked = {"collection": "aurora-club", "token": 1}
    assert chain.view("nft_traits", **asked)["traits"] == {**DEFAULTS, "visits": 4}
    assert chain.view("nft_traits", **asked, keys=["visits", "vip"])["traits"] == {"visits": 4, "vip": False}
    with pytest.raises(Refused, match="no such trait"):
        chain.view("nft_traits", **asked, keys=["nothing"])


def test_what_there_never_was_is_not_found() -> None:
    chain = badge_chain()
    for asked in ({"collection": "aurora-club", "token": 5}, {"collection": "nothing", "token": 5}):
        for name in ("nft_token", "nft_metadata", "nft_traits", "nft_history"):
            with pytest.raises(Refused) as caught:
                chain.view(name, **asked)
            assert caught.value.code == "NOT_FOUND"
    assert account_of("carl") not in {
        shown_one["owner"] for shown_one in chain.view("nft_tokens", owner=ANN)["items"]
    }
