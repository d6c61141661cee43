"""What calls tell to listeners: each call's events, whole. Indexes and clients see nothing else of it."""

from __future__ import annotations

from typing import Any

import pytest

from contracts_py.identity import Authority, Brands
from tests.contract_harness import Chain, Op, account_of, as_read, brand_ops, key_of, program_args
from vm.primitives.address import address_of_member

ANN, BOB = account_of("ann"), account_of("bob")
REF = "ab" * 32
MEMBER = address_of_member("aurora", bytes.fromhex(REF))
KEY = key_of("ann").hex()
LATER = 2**52
STARS = {"program": "stars", "brand": "aurora"}
ADMIN, ISSUER, COMPLIANCE = "aurora-admin", "aurora-issuer", "aurora-compliance"


def new_chain() -> Chain:
    return Chain(
        [
            *brand_ops("aurora"),
            ("identity.grant_role", {"brand": "aurora", "role": "oracle", "account": BOB}),
            ("identity.enroll", {"brand": "aurora", "ref": REF}),
            ("token.create_program", program_args("stars", "aurora", transfer_burn_bps=5_000)),
            ("token.issue", {"program": "stars", "to": ANN, "amount": 9}),
        ]
    )


@pytest.mark.parametrize(
    ("sender", "op", "type_", "data"),
    [
        (
            ADMIN,
            ("identity.update_brand", {"brand": "aurora", "name": "Aurora Air"}),
            "identity.brand_updated",
            {"brand": "aurora", "name": "Aurora Air"},
        ),
        (
            ADMIN,
            ("identity.grant_role", {"brand": "aurora", "role": "oracle", "account": ANN}),
            "identity.role_granted",
            {"brand": "aurora", "role": "oracle", "account": ANN},
        ),
        (
            ADMIN,
            ("identity.revoke_role", {"brand": "aurora", "role": "oracle", "account": BOB}),
            "identity.role_revoked",
            {"brand": "aurora", "role": "oracle", "account": BOB},
        ),
        (
            "ann",
            ("identity.set_auth", {"keys": [KEY], "threshold": 1}),
            "identity.auth_set",
            {"account": ANN, "keys": [KEY], "threshold": 1},
        ),
        (
            ISSUER,
            ("identity.enroll", {"brand": "aurora", "ref": "cd" * 32}),
            "identity.enrolled",
            {"brand": "aurora", "member": address_of_member("aurora", b"\xcd" * 32)},
        ),
        (
            ISSUER,
            ("identity.claim", {"member": MEMBER, "key": KEY}),
            "identity.claimed",
            {"brand": "aurora", "member": MEMBER, "key": KEY},
        ),
        (
            ADMIN,
            ("token.create_program", program_args("moons", "aurora")),
            "token.program_created",
            {"program": "moons", "brand": "aurora", "name": "moons points", "symbol": "PTS"},
        ),
        (
            "ann",
            ("token.transfer", {"program": "stars", "to": BOB, "amount": 3}),
            "token.transferred",
            {**STARS, "from": ANN, "to": BOB, "amount": 3, "burned": 2},
        ),
        (
            "ann",
            ("token.burn", {"program": "stars", "amount": 3}),
            "token.burned",
            {**STARS, "account": ANN, "amount": 3},
        ),
        (
            "ann",
            ("token.allow", {"program": "stars", "spender": "aurora", "limit": 3, "expires": LATER}),
            "token.allowed",
            {**STARS, "account": ANN, "spender": "aurora", "limit": 3, "expires": LATER},
        ),
        (
            "ann",
            ("token.allow", {"program": "stars", "spender": "aurora", "limit": 0, "expires": 0}),
            "token.allowed",
            {**STARS, "account": ANN, "spender": "aurora", "limit": 0, "expires": 0},
        ),
        (
            COMPLIANCE,
            ("token.freeze", {"account": ANN, "program": "stars"}),
            "token.frozen",
            {**STARS, "account": ANN},
        ),
        (COMPLIANCE, ("token.freeze", {"account": ANN}), "token.frozen", {"brand": "aurora", "account": ANN}),
        (
            COMPLIANCE,
            ("token.unfreeze", {"account": ANN, "program": "stars"}),
            "token.unfrozen",
            {**STARS, "account": ANN},
        ),
        (COMPLIANCE, ("token.unfreeze", {"account": ANN}), "token.unfrozen", {"brand": "aurora", "account": ANN}),
    ],
)
def test_a_call_tells_what_it_did(sender: str, op: Op, type_: str, data: dict[str, Any]) -> None:
    chain = new_chain()
    receipt = chain.send_ops(sender, [op], [sender, "ann"] if sender != "ann" else ["ann"])
    assert receipt.status == "ok", receipt.error
    assert chain.told(receipt) == [(type_, data)]
    assert receipt.events[0].op == 0


def test_what_the_alliance_does_to_brands_is_told() -> None:
    chain = new_chain()
    told: list[tuple[str, dict[str, Any]]] = []

    def act(ctx: Any) -> None:
        runtime, brands = chain.runtime, Brands(Authority())
        runtime.invoke_call(ctx, "identity.register_brand", {"brand": "basil", "name": "Basil", "admins": [ANN]})
        for suspended in (True, False):
            brands.set_suspended(ctx, "basil", suspended)
        told.extend((event.type, as_read(event.data)) for event in ctx.events)

    chain.govern(act)
    assert told == [
        ("identity.brand_registered", {"brand": "basil", "name": "Basil"}),
        ("identity.role_granted", {"brand": "basil", "account": ANN, "role": "admin"}),
        ("identity.brand_suspended", {"brand": "basil"}),
        ("identity.brand_resumed", {"brand": "basil"}),
    ]
