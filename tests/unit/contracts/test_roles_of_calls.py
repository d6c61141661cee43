"""Which roles of a brand each call takes, and that it takes no other: a table over all calls and all roles."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from contracts_py.identity.records import Role
from contracts_py.registry import contracts
from tests.contract_harness import Chain, Op, account_of, brand_ops, key_of, program_args
from vm.primitives.address import address_of_member, address_of_pool
from vm.runtime import Runtime

ROLES = get_args(Role)
ANN = account_of("ann")
REF = "ab" * 32
MEMBER, LINKED, POOLED, MERGED = (address_of_member("aurora", bytes([number]) * 32) for number in (0xAB, 1, 2, 3))
HOME = address_of_pool(POOLED, "home")
LATER = 2**52

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
        "token.allow",
        {"program": "stars", "from": MEMBER, "spender": "aurora", "limit": 1, "expires": LATER},
        {"cashier", "issuer"},
    ),
]
"""Ann co-signs each: she is a holder of points and the key of a claim, and has no role herself."""

BY_THE_ALLIANCE_OR_FOR_ONESELF = {"identity.register_brand", "identity.set_auth"}


def new_chain() -> Chain:
    """Return a chain where `<brand>-<role>` has that role of that brand alone."""
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
    ]
    chain = Chain(ops)
    issuer = "aurora-issuer"
    chain.send(issuer, "identity.link", [issuer, "ann"], member=LINKED, other=ANN)
    chain.send(issuer, "identity.merge", from_=MERGED, into=LINKED, reason="same")
    return chain


def outcome(person: str, op: Op) -> str:
    """Return "ok" or the code of the refusal, alone in a chain of its own."""
    receipt = new_chain().send_ops(person, [op], [person, "ann"])
    return receipt.error.code if receipt.error else receipt.status


def test_the_table_has_every_call() -> None:
    listed, identity = contracts()
    calls = {name for name in Runtime(listed, authority=identity).calls if not name.startswith("gov.")}
    assert {call for call, _, _ in CALLS} | BY_THE_ALLIANCE_OR_FOR_ONESELF == calls


@pytest.mark.parametrize(
    ("call", "args", "roles"), CALLS, ids=[f"{call}-{'-'.join(sorted(args))}" for call, args, _ in CALLS]
)
def test_a_call_takes_its_roles_and_no_other(call: str, args: dict[str, Any], roles: set[str]) -> None:
    assert {role for role in ROLES if outcome(f"aurora-{role}", (call, args)) == "ok"} == roles
    refusals = {outcome(f"aurora-{role}", (call, args)) for role in ROLES if role not in roles}
    assert refusals == {"NOT_AUTHORISED"}
    if args != {"account": ANN}:  # that freezes at the brand of whoever signs
        assert {outcome(f"basil-{role}", (call, args)) for role in ROLES} == {"NOT_AUTHORISED"}
