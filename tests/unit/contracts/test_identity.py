"""Brands, roles, keys and members."""

from __future__ import annotations

import pytest

from contracts_py.identity import Authority, Brands, brands
from contracts_py.identity.brands import MAX_ADMINS_AT_START
from contracts_py.identity.records import MAX_KEYS
from tests.contract_harness import Chain, account_of, brand_ops, key_of
from vm.errors import GenesisError, Refused
from vm.primitives.address import address_of_member

REF = "ab" * 32


@pytest.fixture
def chain() -> Chain:
    return Chain([*brand_ops("aurora"), *brand_ops("basil")])


def hexes(*names: str) -> list[str]:
    return [key_of(name).hex() for name in names]


def enrolled(chain: Chain, ref: str = REF) -> str:
    address: str = chain.send("aurora-issuer", "identity.enroll", brand="aurora", ref=ref)
    return address


def test_only_the_alliance_registers_brands(chain: Chain) -> None:
    args = {"brand": "comet", "name": "Comet", "admins": [account_of("ann")]}
    assert chain.refused("aurora-admin", "identity.register_brand", **args) == "NOT_AUTHORISED"


@pytest.mark.parametrize(
    "args",
    [
        {"admins": []},
        {"admins": [account_of("ann"), account_of("ann")]},
        {"admins": [account_of(f"a{i}") for i in range(MAX_ADMINS_AT_START + 1)]},
        {"offsets": [{"from": 5, "minutes": 0}, {"from": 5, "minutes": 60}]},
        {"offsets": [{"from": 5, "minutes": 841}]},
        {"offsets": [{"from_": 5, "minutes": 1}]},
        {"brand": "Comet"},
        {"name": ""},
        {"terms_hash": "xyz"},
    ],
)
def test_a_brand_with_wrong_arguments_cannot_begin(args: dict[str, object]) -> None:
    op = ("identity.register_brand", {"brand": "comet", "name": "C", "admins": [account_of("ann")], **args})
    with pytest.raises(GenesisError, match="INVALID_ARGS"):
        Chain([op])


def test_a_brand_cannot_be_registered_twice() -> None:
    with pytest.raises(GenesisError, match="ALREADY_EXISTS"):
        Chain([*brand_ops("aurora"), *brand_ops("aurora")])


def test_brand_views(chain: Chain) -> None:
    chain.send("aurora-admin", "identity.update_brand", brand="aurora", name="Aurora Air", terms_hash=REF)
    chain.send("aurora-admin", "identity.update_brand", brand="aurora", offsets=[{"from": 0, "minutes": 60}])
    shown = {
        "brand": "aurora",
        "name": "Aurora Air",
        "terms_hash": REF,
        "offsets": [{"from": 0, "minutes": 60}],
        "suspended": False,
    }
    assert chain.view("identity_brand", brand="aurora") == shown
    first = chain.view("identity_brands", limit=1)
    assert first == {"items": [shown], "next": "1"}
    second = chain.view("identity_brands", limit=1, cursor=first["next"])
    assert [item["brand"] for item in second["items"]] == ["basil"]
    assert second["next"] is None
    with pytest.raises(Refused, match="NOT_FOUND"):
        chain.view("identity_brand", brand="comet")
    with pytest.raises(Refused, match="INVALID_ARGS"):
        chain.view("identity_brands", cursor="-1")


def test_update_brand_is_for_admins_of_that_brand(chain: Chain) -> None:
    assert chain.refused("basil-admin", "identity.update_brand", brand="aurora", name="X") == "NOT_AUTHORISED"
    assert chain.refused("aurora-issuer", "identity.update_brand", brand="aurora", name="X") == "NOT_AUTHORISED"
    assert chain.refused("aurora-admin", "identity.update_brand", brand="comet", name="X") == "NOT_FOUND"


def test_what_an_update_leaves_out_stays(chain: Chain) -> None:
    everything = {"name": "Aurora Air", "terms_hash": REF, "offsets": [{"from": 0, "minutes": 60}]}
    chain.send("aurora-admin", "identity.update_brand", brand="aurora", **everything)
    chain.suspend("aurora")
    shown = chain.view("identity_brand", brand="aurora")
    assert shown == {"brand": "aurora", **everything, "suspended": True}
    for name, value in everything.items():
        chain.send("aurora-admin", "identity.update_brand", brand="aurora", **{name: value})
        assert chain.view("identity_brand", brand="aurora") == shown


def test_a_brands_clock_is_in_order_after_an_update_too(chain: Chain) -> None:
    offsets = [{"from": 5, "minutes": 60}, {"from": 4, "minutes": 0}]
    args = {"brand": "aurora", "offsets": offsets}
    assert chain.refused("aurora-admin", "identity.update_brand", **args) == "INVALID_ARGS"


def test_roles_are_granted_and_revoked(chain: Chain) -> None:
    ann = account_of("ann")
    granted = chain.send("aurora-admin", "identity.grant_role", brand="aurora", role="oracle", account=ann)
    assert granted == {"brand": "aurora", "account": ann, "roles": ["oracle"]}
    chain.send("aurora-admin", "identity.grant_role", brand="aurora", role="admin", account=ann)
    assert chain.view("identity_account", account=ann)["roles"] == {"aurora": ["admin", "oracle"]}
    holders = {item["account"]: item["roles"] for item in chain.view("identity_roles", brand="aurora")["items"]}
    assert holders[ann] == ["admin", "oracle"]
    assert holders[account_of("aurora-cashier")] == ["cashier"]
    for role in ("admin", "oracle"):
        chain.send("aurora-admin", "identity.revoke_role", brand="aurora", role=role, account=ann)
    assert chain.view("identity_account", account=ann) == {"account": ann, "roles": {}}
    assert ann not in {item["account"] for item in chain.view("identity_roles", brand="aurora")["items"]}
    assert f"identity/account/{ann}" not in chain.state.values


def test_role_refusals(chain: Chain) -> None:
    ann = account_of("ann")
    grant = {"brand": "aurora", "role": "issuer", "account": ann}
    assert chain.refused("basil-admin", "identity.grant_role", **grant) == "NOT_AUTHORISED"
    assert chain.refused("aurora-admin", "identity.grant_role", **{**grant, "role": "king"}) == "INVALID_ARGS"
    assert chain.refused("aurora-admin", "identity.revoke_role", **grant) == "NOT_FOUND"
    chain.send("aurora-admin", "identity.grant_role", **grant)
    assert chain.refused("aurora-admin", "identity.grant_role", **grant) == "ALREADY_EXISTS"
    assert chain.refused("bob", "identity.revoke_role", **grant) == "NOT_AUTHORISED"


def test_a_brand_keeps_an_admin(chain: Chain) -> None:
    last = {"brand": "aurora", "role": "admin", "account": account_of("aurora-admin")}
    assert chain.refused("aurora-admin", "identity.revoke_role", **last) == "NOT_ELIGIBLE"
    chain.send("aurora-admin", "identity.grant_role", **{**last, "account": account_of("ann")})
    chain.send("aurora-admin", "identity.revoke_role", **last)
    assert chain.refused("ann", "identity.revoke_role", **{**last, "account": account_of("ann")}) == "NOT_ELIGIBLE"


def test_other_roles_come_and_go_without_the_last_admin(chain: Chain) -> None:
    """A count of admins that follows other roles would let the last one go, or keep one that is not the last."""
    for _ in range(2):
        grant = {"brand": "aurora", "role": "oracle", "account": account_of("ann")}
        chain.send("aurora-admin", "identity.grant_role", **grant)
        chain.send("aurora-admin", "identity.revoke_role", **grant)
    last = {"brand": "aurora", "role": "admin", "account": account_of("aurora-admin")}
    assert chain.refused("aurora-admin", "identity.revoke_role", **last) == "NOT_ELIGIBLE"
    chain.send("aurora-admin", "identity.grant_role", **{**last, "account": account_of("ann")})
    aurora_issuer = {"brand": "aurora", "role": "issuer", "account": account_of("aurora-issuer")}
    chain.send("aurora-admin", "identity.revoke_role", **aurora_issuer)
    chain.send("ann", "identity.revoke_role", **last)


def test_who_gives_up_one_of_two_roles_still_holds_the_other(chain: Chain) -> None:
    ann = account_of("ann")
    for role in ("oracle", "marketer"):
        chain.send("aurora-admin", "identity.grant_role", brand="aurora", role=role, account=ann)
    chain.send("aurora-admin", "identity.revoke_role", brand="aurora", role="oracle", account=ann)
    holders = {item["account"]: item["roles"] for item in chain.view("identity_roles", brand="aurora")["items"]}
    assert holders[ann] == ["marketer"]


def test_a_brand_has_a_bounded_number_of_admins_and_any_number_of_others(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brands, "MAX_ADMINS", 2)
    grant = {"brand": "aurora", "role": "admin"}
    chain.send("aurora-admin", "identity.grant_role", **grant, account=account_of("ann"))
    too_many = {**grant, "account": account_of("bob")}
    assert chain.refused("aurora-admin", "identity.grant_role", **too_many) == "LIMIT_EXCEEDED"
    for number in range(100):
        more = {"brand": "aurora", "role": "cashier", "account": account_of(f"cashier-{number}")}
        chain.send("aurora-admin", "identity.grant_role", **more)
    chain.send("ann", "identity.revoke_role", **grant, account=account_of("ann"))
    chain.send("aurora-admin", "identity.grant_role", **too_many)


def test_roles_leave_an_accounts_keys_and_membership_as_they_are(chain: Chain) -> None:
    """A brand gives roles unasked: it must not be able to undo a rotation of keys by it."""
    ann = account_of("ann")
    chain.send("ann", "identity.set_auth", keys=hexes("new"), threshold=1)
    for call in ("identity.grant_role", "identity.revoke_role"):
        chain.send("basil-admin", call, brand="basil", role="oracle", account=ann)
        assert chain.view("identity_account", account=ann)["auth"] == {"keys": hexes("new"), "threshold": 1}
    assert chain.refused("ann", "identity.set_auth", keys=hexes("ann"), threshold=1) == "NOT_AUTHORISED"


def test_what_nobody_sends_sets_no_keys() -> None:
    with pytest.raises(GenesisError, match="NOT_AUTHORISED"):
        Chain([("identity.set_auth", {"keys": hexes("ann"), "threshold": 1})])


def test_a_rotated_key_acts_and_the_old_one_does_not(chain: Chain) -> None:
    chain.send("ann", "identity.set_auth", keys=hexes("new"), threshold=1)
    assert chain.refused("ann", "identity.set_auth", keys=hexes("ann"), threshold=1) == "NOT_AUTHORISED"
    chain.send("ann", "identity.set_auth", ["new"], keys=hexes("ann"), threshold=1)
    chain.send("ann", "identity.set_auth", keys=hexes("ann"), threshold=1)


def test_m_of_n(chain: Chain) -> None:
    keys = sorted(hexes("k1", "k2", "k3"))
    shown = chain.send("ann", "identity.set_auth", keys=list(reversed(keys)), threshold=2)
    assert shown == {"account": account_of("ann"), "keys": keys, "threshold": 2}
    assert chain.view("identity_account", account=account_of("ann"))["auth"] == {"keys": keys, "threshold": 2}
    again = {"keys": keys, "threshold": 2}
    assert chain.refused("ann", "identity.set_auth", ["k1"], **again) == "NOT_AUTHORISED"
    assert chain.refused("ann", "identity.set_auth", ["ann", "k1"], **again) == "NOT_AUTHORISED"
    chain.send("ann", "identity.set_auth", ["k1", "k3"], **again)
    chain.send("ann", "identity.set_auth", ["k1", "k2", "k3", "stranger"], **again)


@pytest.mark.parametrize(
    ("keys", "threshold"),
    [([], 1), (hexes("a", "a"), 1), (hexes("a"), 2), (hexes("a"), 0), (["00"], 1), (["AB" * 32], 1)],
)
def test_set_auth_refuses_what_could_never_act(chain: Chain, keys: list[str], threshold: int) -> None:
    assert chain.refused("ann", "identity.set_auth", keys=keys, threshold=threshold) == "INVALID_ARGS"


def test_set_auth_refuses_more_keys_than_a_transaction_names(chain: Chain) -> None:
    keys = hexes(*[f"k{i}" for i in range(MAX_KEYS + 1)])
    assert chain.refused("ann", "identity.set_auth", keys=keys, threshold=1) == "INVALID_ARGS"


def test_enrolling_a_member(chain: Chain) -> None:
    member = enrolled(chain)
    assert member == address_of_member("aurora", bytes.fromhex(REF))
    shown = chain.view("identity_member", member=member)
    assert shown == {"member": member, "brand": "aurora", "ref": REF, "enrolled": chain.time, "custodial": True}
    assert chain.refused("aurora-issuer", "identity.enroll", brand="aurora", ref=REF) == "ALREADY_EXISTS"
    assert chain.refused("basil-issuer", "identity.enroll", brand="aurora", ref="cd" * 32) == "NOT_AUTHORISED"
    assert chain.refused("aurora-issuer", "identity.enroll", brand="aurora", ref="cd") == "INVALID_ARGS"
    with pytest.raises(Refused, match="NOT_FOUND"):
        chain.view("identity_member", member=account_of("ann"))


def test_enrolment_and_claim_leave_a_members_roles(chain: Chain) -> None:
    """A role may have been given to the member's address, which a brand can compute, before it was enrolled."""
    member = address_of_member("aurora", bytes.fromhex(REF))
    chain.send("basil-admin", "identity.grant_role", brand="basil", role="oracle", account=member)
    assert enrolled(chain) == member
    assert chain.view("identity_account", account=member)["roles"] == {"basil": ["oracle"]}
    claim = {"member": member, "key": key_of("mia").hex()}
    chain.send("mia", "identity.claim", ["aurora-issuer", "mia"], **claim)
    assert chain.view("identity_account", account=member)["roles"] == {"basil": ["oracle"]}


def test_a_cashier_claims_for_nobody(chain: Chain) -> None:
    claim = {"member": enrolled(chain), "key": key_of("mia").hex()}
    assert chain.refused("mia", "identity.claim", ["aurora-cashier", "mia"], **claim) == "NOT_AUTHORISED"


def test_nobody_sends_as_a_custodial_member(chain: Chain) -> None:
    member = enrolled(chain)
    op = ("identity.set_auth", {"keys": hexes("thief"), "threshold": 1})
    tx = chain.transaction(member, [op], ["thief", "aurora-issuer"])
    receipt = chain.block([tx]).receipts[0]
    assert receipt.error
    assert receipt.error.code == "NOT_AUTHORISED"


@pytest.mark.parametrize("sender", ["aurora-issuer", "mia"])
def test_claiming_is_co_signed_whoever_sends(chain: Chain, sender: str) -> None:
    member = enrolled(chain)
    key = key_of("mia").hex()
    assert chain.refused("aurora-issuer", "identity.claim", member=member, key=key) == "NOT_AUTHORISED"
    assert chain.refused("mia", "identity.claim", member=member, key=key) == "NOT_AUTHORISED"
    both = ["basil-issuer", "mia"]
    assert chain.refused("mia", "identity.claim", both, member=member, key=key) == "NOT_AUTHORISED"
    both = ["aurora-issuer", "mia"]
    assert chain.send(sender, "identity.claim", both, member=member, key=key) == {"member": member, "key": key}
    assert chain.view("identity_account", account=member) == {
        "account": member,
        "roles": {},
        "auth": {"keys": [key], "threshold": 1},
        "member": {"brand": "aurora", "ref": REF, "enrolled": chain.time - 800, "custodial": False},
    }
    assert chain.refused(sender, "identity.claim", both, member=member, key=key) == "ALREADY_EXISTS"


def test_only_members_are_claimed(chain: Chain) -> None:
    args = {"member": account_of("ann"), "key": key_of("ann").hex()}
    assert chain.refused("ann", "identity.claim", ["ann", "aurora-issuer"], **args) == "NOT_FOUND"


def test_a_co_signers_rotated_away_key_no_longer_carries_its_role(chain: Chain) -> None:
    chain.send("aurora-issuer", "identity.set_auth", keys=hexes("new"), threshold=1)
    args = {"member": enrolled_by_new_key(chain), "key": key_of("mia").hex()}
    assert chain.refused("mia", "identity.claim", ["aurora-issuer", "mia"], **args) == "NOT_AUTHORISED"
    chain.send("aurora-issuer", "identity.claim", ["new", "mia"], **args)


def enrolled_by_new_key(chain: Chain) -> str:
    address: str = chain.send("aurora-issuer", "identity.enroll", ["new"], brand="aurora", ref=REF)
    return address


def test_suspension_is_for_the_alliance(chain: Chain) -> None:
    contract = chain.runtime.contracts[0]
    ctx = chain.context()
    assert chain.runtime.authority.brands_of(ctx, account_of("aurora-issuer")) == ("aurora",)
    assert chain.runtime.authority.brands_of(ctx, account_of("ann")) == ()
    ctx.read_only = False
    with pytest.raises(Refused, match="NOT_AUTHORISED"):
        contract.set_suspended(ctx, "aurora", True)  # type: ignore[attr-defined]
    ctx.governance = True
    contract.set_suspended(ctx, "aurora", True)  # type: ignore[attr-defined]
    assert chain.runtime.authority.brands_of(ctx, account_of("aurora-issuer")) == ()
    with pytest.raises(Refused, match="SUSPENDED"):
        chain.runtime.invoke_call(ctx, "identity.enroll", {"brand": "aurora", "ref": REF})
    contract.set_suspended(ctx, "aurora", False)  # type: ignore[attr-defined]
    chain.runtime.invoke_call(ctx, "identity.enroll", {"brand": "aurora", "ref": REF})


def test_an_admin_may_be_among_those_that_replace_the_former(chain: Chain) -> None:
    chain.send("aurora-admin", "identity.grant_role", brand="aurora", role="admin", account=account_of("ann"))
    contract = Brands(Authority())
    chain.govern(lambda ctx: contract.replace_admins(ctx, "aurora", (account_of("ann"), account_of("bob"))))
    items = chain.view("identity_roles", brand="aurora")["items"]
    admins = {item["account"] for item in items if "admin" in item["roles"]}
    assert admins == {account_of("ann"), account_of("bob")}


def test_a_brand_with_as_many_admins_as_it_may_have_gets_others(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brands, "MAX_ADMINS", 1)
    chain.govern(lambda ctx: Brands(Authority()).replace_admins(ctx, "aurora", (account_of("bob"),)))
    assert chain.view("identity_account", account=account_of("bob"))["roles"] == {"aurora": ["admin"]}
    assert chain.view("identity_account", account=account_of("aurora-admin"))["roles"] == {}


def test_the_sender_acts_to_the_end_of_the_transaction_in_which_it_changes_its_keys(chain: Chain) -> None:
    ann = account_of("ann")
    chain.send("aurora-admin", "identity.grant_role", brand="aurora", role="marketer", account=ann)
    leave = ("identity.revoke_role", {"brand": "aurora", "role": "marketer", "account": ann})
    receipt = chain.send_ops("ann", [("identity.set_auth", {"keys": hexes("new"), "threshold": 1}), leave])
    assert receipt.status == "ok", receipt.error


def test_an_accounts_brands_are_in_order_whichever_came_first(chain: Chain) -> None:
    ann = account_of("ann")
    for brand in ("basil", "aurora"):
        chain.send(f"{brand}-admin", "identity.grant_role", brand=brand, role="marketer", account=ann)
    assert chain.runtime.authority.brands_of(chain.context(), ann) == ("aurora", "basil")


def test_a_brand_that_is_not_there_gets_no_admins(chain: Chain) -> None:
    with pytest.raises(Refused, match="NOT_FOUND"):
        chain.govern(lambda ctx: Brands(Authority()).replace_admins(ctx, "nowhere", (account_of("ann"),)))
