"""Which roles of a brand each call takes, and that it takes no other: a table over all calls and all roles."""

from __future__ import annotations

from functools import cache
from typing import Any, get_args

import pytest

from contracts_py.campaign.vouchers import id_of
from contracts_py.identity.records import Role
from contracts_py.registry import contracts
from tests.contract_harness import START, Chain, Op, account_of, brand_ops, credit_ops, key_of, program_args
from tests.support import campaign_rooms
from tests.support.clearing import Till, limit_op
from vm.chain_records import ValidatorEntry
from vm.params import Params
from vm.primitives.address import address_of_member, address_of_pool
from vm.primitives.units import MS_PER_HOUR
from vm.runtime import Runtime

ROLES = get_args(Role)
ANN = account_of("ann")
REF = "ab" * 32
MEMBER, LINKED, POOLED, MERGED = (address_of_member("aurora", bytes([number]) * 32) for number in (0xAB, 1, 2, 3))
HOME = address_of_pool(POOLED, "home")
LATER = 2**52
TERMS = {"rate": [1, 1], "fee_bps": 0, "limits": {}, "valid_from": 0, "valid_to": LATER}
DAY = 86_400_000
OVER = -(-START // DAY) * DAY
"""The first start of a day: when the chain's head is there, a lot of this date has expired."""
SOON = OVER + DAY
MONTH = "2023-11"
BADGE = {"collection": "aurora-club", "token": 1}
LINE = {"period": MONTH, "debtor": "comet", "creditor": "aurora", "line": 0}
LADDER: dict[str, Any] = {
    "brand": "aurora",
    "metric": "points",
    "levels": [{"name": "bronze", "threshold": 0}, {"name": "silver", "threshold": 9}],
    "window_days": 9,
    "grace_days": 0,
}
GRANTED = {"brand": "aurora", "member": MEMBER, "level": "silver"}
MATCH = {"match": "basil-levels", "from_brand": "basil", "to_brand": "aurora", "valid_from": 0, "valid_to": LATER}
RULE: dict[str, Any] = {
    "campaign": "aurora-rule",
    "brand": "aurora",
    "event": "purchase",
    "when": "true",
    "then": [{"set_profile": {"seen": 1}}],
    "starts": START + 9 * DAY,
    "ends": START + 99 * DAY,
}
GIFT = {**RULE, "campaign": "aurora-gift", "then": [{"voucher": {"kind": "tea", "value": 1, "expires_days": 90}}]}
SALE = {"brand": "aurora", "event": "purchase", "member": MEMBER, "at": START, "attrs": {}}
VOUCHER = id_of("aurora-gift", "purchase", "sold", 0)

CALLS: list[tuple[str, dict[str, Any], set[str]]] = [
    ("identity.update_brand", {"brand": "aurora", "name": "Aurora Air"}, {"admin"}),
    ("identity.grant_role", {"brand": "aurora", "role": "oracle", "account": ANN}, {"admin"}),
    ("identity.revoke_role", {"brand": "aurora", "role": "admin", "account": account_of("second")}, {"admin"}),
    ("identity.enroll", {"brand": "aurora", "ref": "cd" * 32}, {"issuer"}),
    ("identity.claim", {"member": MEMBER, "key": key_of("ann").hex()}, {"issuer"}),
    ("identity.link", {"member": MEMBER, "other": ANN}, {"cashier", "issuer"}),
    ("identity.unlink", {"member": LINKED, "other": ANN}, {"cashier", "issuer"}),
    (
        "identity.attest",
        {"member": MEMBER, "level": 1, "provider": "N", "commitment": REF, "expires": LATER, "brand": "aurora"},
        {"compliance"},
    ),
    ("identity.accept_terms", {"member": MEMBER, "brand": "aurora", "terms_hash": REF}, {"cashier", "issuer"}),
    (
        "identity.consent",
        {"member": MEMBER, "purpose": "email", "granted": True, "text_hash": REF},
        {"cashier", "issuer"},
    ),
    ("identity.referral_code", {"member": MEMBER}, {"cashier", "issuer"}),
    ("identity.refer", {"member": MEMBER, "referrer": ANN}, {"cashier", "issuer"}),
    ("identity.card_add", {"member": MEMBER, "commitment": "cd" * 32}, {"cashier", "issuer"}),
    ("identity.card_block", {"commitment": REF}, {"cashier", "issuer"}),
    ("identity.card_replace", {"commitment": REF, "replacement": "cd" * 32}, {"cashier", "issuer"}),
    ("identity.pool_open", {"member": MEMBER, "name": "second"}, {"cashier", "issuer"}),
    ("identity.pool_join", {"pool": HOME, "member": ANN}, {"cashier", "issuer"}),
    ("identity.pool_leave", {"member": POOLED}, {"cashier", "issuer"}),
    ("identity.pool_rules", {"pool": HOME, "contribute_bps": 1}, {"cashier", "issuer"}),
    ("identity.merge", {"from": MEMBER, "into": LINKED, "reason": "same"}, {"issuer"}),
    ("identity.unmerge", {"from": MERGED}, {"issuer"}),
    ("identity.erase", {"member": MEMBER}, {"compliance"}),
    ("token.create_program", program_args("moons", "aurora"), {"admin"}),
    ("token.issue", {"program": "stars", "to": ANN, "amount": 1}, {"issuer"}),
    ("token.redeem", {"program": "stars", "from": ANN, "amount": 1, "at_brand": "aurora", "ref": "r"}, {"cashier"}),
    ("token.freeze", {"account": ANN, "program": "stars"}, {"compliance"}),
    ("token.freeze", {"account": ANN, "brand": "aurora"}, {"compliance"}),
    ("token.freeze", {"account": ANN}, {"compliance"}),
    ("token.unfreeze", {"account": ANN, "program": "stars"}, {"compliance"}),
    ("token.unfreeze", {"account": ANN, "brand": "aurora"}, {"compliance"}),
    ("token.transfer", {"program": "stars", "from": MEMBER, "to": ANN, "amount": 1}, {"cashier", "issuer"}),
    ("token.burn", {"program": "stars", "from": MEMBER, "amount": 1}, {"cashier", "issuer"}),
    (
        "clearing.set_credit_limit",
        {"creditor": "aurora", "debtor": "comet", "currency": "EUR", "amount": 1},
        {"treasurer"},
    ),
    ("clearing.close", {"currency": "USD", "period": MONTH}, {"treasurer"}),
    (
        "clearing.confirm",
        {"period": MONTH, "payer": "comet", "payee": "aurora", "amount": 1, "bank_ref": "b"},
        {"treasurer"},
    ),
    ("clearing.unwind", {"period": MONTH}, {"treasurer"}),
    ("clearing.dispute", {**LINE, "currency": "EUR"}, {"treasurer"}),
    ("clearing.resolve", {**LINE, "currency": "USD", "amount": 1}, {"treasurer"}),
    (
        "token.allow",
        {"program": "stars", "from": MEMBER, "spender": "aurora", "limit": 1, "expires": LATER},
        {"cashier", "issuer"},
    ),
    ("token.update_program", {"program": "stars", "cap": 100}, {"admin"}),
    ("token.partner", {"program": "stars", "at_brand": "basil"}, {"admin"}),
    ("token.liability_cap", {"brand": "aurora", "currency": "EUR", "amount": 9}, {"treasurer"}),
    (
        "token.hold",
        {"program": "stars", "from": ANN, "amount": 1, "at_brand": "aurora", "hold": "h", "expires": SOON},
        {"cashier"},
    ),
    ("token.capture", {"at_brand": "aurora", "hold": "open", "amount": 1, "ref": "r"}, {"cashier"}),
    ("token.release", {"at_brand": "aurora", "hold": "open"}, {"cashier"}),
    (
        "token.refund",
        {"program": "stars", "at_brand": "aurora", "redemption_ref": "sold", "amount": 1, "ref": "r"},
        {"cashier"},
    ),
    ("token.reverse", {"program": "stars", "ref": "order", "amount": 1}, {"issuer"}),
    (
        "token.adjust",
        {"program": "stars", "account": ANN, "amount": -1, "reason": "typing error", "ref": "a"},
        {"issuer"},
    ),
    ("swap.exchange", {"treaty": "aurora-rays", "amount": 1, "min_out": 1, "from": MEMBER}, {"cashier", "issuer"}),
    (
        "swap.exchange_route",
        {"treaties": ["aurora-rays"], "amount": 1, "min_out": 1, "from": MEMBER},
        {"cashier", "issuer"},
    ),
    (
        "nft.create_collection",
        {"collection": "aurora-two", "brand": "aurora", "name": "Two", "symbol": "TWO", "soulbound": False},
        {"marketer", "admin"},
    ),
    ("nft.update_collection", {"collection": "aurora-club", "description": "New."}, {"marketer", "admin"}),
    ("nft.freeze_metadata", {"collection": "aurora-club"}, {"marketer", "admin"}),
    (
        "nft.set_uri",
        {"collection": "aurora-prints", "token": 1, "uri": "ipfs://bafy", "hash": REF},
        {"marketer", "admin"},
    ),
    ("nft.mint", {"collection": "aurora-club", "token": 2, "to": ANN}, {"issuer"}),
    ("nft.transfer", {**BADGE, "to": ANN}, {"cashier", "issuer"}),
    ("nft.burn", BADGE, {"cashier", "issuer"}),
    ("nft.freeze", BADGE, {"compliance"}),
    ("nft.unfreeze", BADGE, {"compliance"}),
    ("campaign.create", {**RULE, "campaign": "aurora-new"}, {"marketer"}),
    ("campaign.update", {"campaign": "aurora-rule", "priority": 2}, {"marketer"}),
    ("campaign.pause", {"campaign": "aurora-rule"}, {"marketer"}),
    ("campaign.resume", {"campaign": "aurora-gift"}, {"marketer"}),
    ("campaign.end", {"campaign": "aurora-rule"}, {"marketer"}),
    ("campaign.set_approval", {"brand": "aurora", "required": True}, {"admin"}),
    ("campaign.propose", {**RULE, "campaign": "aurora-new"}, {"marketer"}),
    ("campaign.approve", {"campaign": "aurora-draft"}, {"marketer"}),
    (
        "campaign.stack",
        {"brand": "aurora", "groups": ["one"], "max_per_event": 1, "order": "best"},
        {"marketer"},
    ),
    ("campaign.experiment", {"campaign": "aurora-rule", "variants": [], "holdout_bps": 1}, {"marketer"}),
    ("campaign.record", {**SALE, "ref": "other"}, {"issuer"}),
    (
        "campaign.reverse",
        {"brand": "aurora", "event": "purchase", "ref": "sold", "return_ref": "back"},
        {"issuer"},
    ),
    ("campaign.redeem_voucher", {"voucher": VOUCHER, "ref": "till"}, {"cashier"}),
    ("tier.define", LADDER, {"marketer", "admin"}),
    ("tier.grant", {**GRANTED, "reason": "kind", "until": START + 9 * DAY}, {"issuer"}),
    ("tier.revoke", {**GRANTED, "reason": "mistake"}, {"issuer"}),
    ("tier.match", {"match": "basil-levels", "member": MEMBER}, {"cashier", "issuer"}),
    ("token.extend", {"program": "stars", "account": ANN, "lot": str(DAY * 30_000), "expires": LATER}, {"issuer"}),
    ("token.reinstate", {"program": "stars", "account": ANN, "lot": str(OVER), "expires": LATER}, {"issuer"}),
]
CALLS += campaign_rooms.calls(MEMBER, LINKED)
"""Ann co-signs each: she is a holder of points and the key of a claim, and has no role herself."""

BY_THE_ALLIANCE_OR_FOR_ONESELF = {"identity.register_brand", "identity.set_auth"}
BY_ANYONE = {"nft.evolve"}
BY_EITHER_SIDE = {
    *(f"swap.{call}" for call in ("propose", "accept", "amend", "suspend", "resume", "terminate")),
    *(f"tier.{call}_match" for call in ("propose", "accept", "end")),
}
"""By an admin of either side of a treaty: test_swap.py, test_tier_grants.py."""
BY_ANYONE = {"nft.evolve", "campaign.draw_reveal"}
BY_TWO_BRANDS = {"campaign.fund"}
"""By a marketer, and a treasurer of each brand that pays: test_campaign_arrangements.py."""


@cache
def prepared_chain() -> Chain:
    """Return a chain, to be forked, where `<brand>-<role>` has that role of that brand alone."""
    ops: list[Op] = []
    for brand in ("aurora", "basil"):
        ops += brand_ops(brand)
        for role in sorted(set(ROLES) - {"admin", "issuer", "cashier", "compliance"}):
            account = account_of(f"{brand}-{role}")
            ops.append(("identity.grant_role", {"brand": brand, "role": role, "account": account}))
    ops += [
        ("identity.grant_role", {"brand": "aurora", "role": "admin", "account": account_of("second")}),
        *[("identity.enroll", {"brand": "aurora", "ref": f"{number:02x}" * 32}) for number in (0xAB, 1, 2, 3)],
        ("identity.update_brand", {"brand": "aurora", "terms_hash": REF}),
        ("identity.card_add", {"member": MEMBER, "commitment": REF}),
        ("identity.pool_open", {"member": POOLED, "name": "home"}),
        ("token.create_program", program_args("stars", "aurora")),
        ("token.issue", {"program": "stars", "to": ANN, "amount": 9}),
        ("token.issue", {"program": "stars", "to": MEMBER, "amount": 9}),
        *brand_ops("comet"),
    ]
    collection = {"brand": "aurora", "name": "Club", "symbol": "CLUB", "soulbound": False}
    elsewhere = {"metadata": {"mode": "uri", "base": "ipfs://bafy"}}
    ops += [
        ("nft.create_collection", {"collection": "aurora-club", **collection}),
        ("nft.create_collection", {"collection": "aurora-prints", **collection, **elsewhere}),
        ("nft.mint", {**BADGE, "to": MEMBER}),
        ("nft.mint", {"collection": "aurora-prints", "token": 1, "to": MEMBER}),
    ]
    ops += [
        ("token.update_program", {"program": "stars", "adjust_limit": 5}),
        ("token.create_program", program_args("rays", "basil")),
        ("swap.propose", {**TERMS, "treaty": "aurora-rays", "from_program": "stars", "to_program": "rays"}),
        ("swap.accept", {"treaty": "aurora-rays"}),
        *[("tier.define", {**LADDER, "brand": brand}) for brand in ("aurora", "basil")],
        ("tier.grant", {**GRANTED, "until": START + 9 * DAY, "reason": "kind"}),
        ("tier.propose_match", {**MATCH, "pairs": [{"from": "bronze", "to": "silver"}]}),
        ("tier.accept_match", {"match": "basil-levels"}),
        *campaign_rooms.prepared_ops(MEMBER),
        ("campaign.create", RULE),
        ("campaign.create", {**GIFT, "starts": 0}),
        ("campaign.record", {**SALE, "ref": "sold"}),
        ("campaign.pause", {"campaign": "aurora-gift"}),
        ("campaign.propose", {**RULE, "campaign": "aurora-draft"}),
        *credit_ops("aurora", "basil"),
        ("token.issue", {"program": "stars", "to": ANN, "amount": 9, "expires": DAY * 30_000, "ref": "order"}),
        ("token.issue", {"program": "stars", "to": ANN, "amount": 3, "expires": OVER}),
    ]
    for currency in ("EUR", "USD"):
        price = {"currency": currency, "num": 1, "den": 1}
        ops.append(limit_op("comet", "aurora", 9, currency))
        ops.append(("till.book", {"debtor": "comet", "creditor": "aurora", "price": price, "units": 1}))
    ops.append(("clearing.close", {"currency": "EUR", "period": MONTH}))
    ops.append(("clearing.dispute", {**LINE, "currency": "USD", "brand": "aurora"}))
    listed, authority = contracts()
    runtime = Runtime([*listed, Till()], authority)
    validators = [ValidatorEntry(key_of("aurora"), "aurora")]
    chain = Chain(ops, Params(due_ms=MS_PER_HOUR), validators, runtime)
    till = {"program": "stars", "from": ANN, "amount": 1, "at_brand": "aurora"}
    sold = ("token.redeem", {**till, "ref": "sold"})
    held = ("token.hold", {**till, "hold": "open", "expires": SOON})
    receipt = chain.send_ops("ann", [sold, held], ["ann", "aurora-cashier"])
    assert receipt.status == "ok", receipt.error
    chain.until(OVER)
    issuer = "aurora-issuer"
    chain.send(issuer, "identity.link", [issuer, "ann"], member=LINKED, other=ANN)
    chain.send(issuer, "identity.merge", from_=MERGED, into=LINKED, reason="same")
    return chain


def outcome(person: str, op: Op) -> str:
    """Return "ok" or the code of the refusal, alone in a chain of its own."""
    receipt = prepared_chain().fork().send_ops(person, [op], [person, "ann"])
    return receipt.error.code if receipt.error else receipt.status


def test_the_table_has_every_call() -> None:
    listed, identity = contracts()
    calls = {name for name in Runtime(listed, authority=identity).calls if not name.startswith("gov.")}
    others = BY_THE_ALLIANCE_OR_FOR_ONESELF | BY_ANYONE | BY_EITHER_SIDE | BY_TWO_BRANDS
    assert {call for call, _, _ in CALLS} | others == calls


@pytest.mark.parametrize(
    ("call", "args", "roles"), CALLS, ids=[f"{call}-{'-'.join(sorted(args))}" for call, args, _ in CALLS]
)
def test_a_call_takes_its_roles_and_no_other(call: str, args: dict[str, Any], roles: set[str]) -> None:
    assert {role for role in ROLES if outcome(f"aurora-{role}", (call, args)) == "ok"} == roles
    refusals = {outcome(f"aurora-{role}", (call, args)) for role in ROLES if role not in roles}
    assert refusals == {"NOT_AUTHORISED"}
    if args != {"account": ANN}:  # that freezes at the brand of whoever signs
        assert {outcome(f"basil-{role}", (call, args)) for role in ROLES} == {"NOT_AUTHORISED"}
