"""The demo's actions in the chain's words: operations, member addresses, signed transactions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from node.demo.plan import Issue, Member, Spend
from node.demo.rules import PARTNERS
from vm.primitives.address import address_of_member
from vm.primitives.hashing import sha256
from vm.primitives.keys import SigningKey
from vm.transaction import encode_body, sign_body

OPS_PER_TRANSACTION: Final = 50
"""Few enough that one slow transaction holds up nothing, many enough that signatures cost next to nothing."""

Op = tuple[str, dict[str, Any]]


class Signed(msgspec.Struct, frozen=True, gc=False):
    """A transaction ready to be sent, as often as needed: the same bytes are charged once."""

    raw: bytes
    id: str
    ops: int


class Author:
    """Builds the transactions of one partner: its admin account, a running nonce."""

    def __init__(self, chain: str, address: str, key: SigningKey) -> None:
        self._chain = chain
        self._address = address
        self._key = key
        self._nonce = 0

    def transactions(self, ops: Sequence[Op], expires: int, memo: str | None = None) -> list[Signed]:
        """Return signed transactions that hold these operations in order."""
        signed = []
        for start in range(0, len(ops), OPS_PER_TRANSACTION):
            part = ops[start : start + OPS_PER_TRANSACTION]
            body = encode_body(self._chain, self._address, self._nonce, expires, part, memo=memo)
            self._nonce += 1
            signed.append(Signed(sign_body(body, [self._key]), sha256(body).hex(), len(part)))
        return signed


def member_ref(member: Member) -> bytes:
    """Return the commitment under which a household is enrolled.

    A real brand salts it with a secret of its own; here anybody may recompute every address.
    """
    return sha256(f"entente-demo/{PARTNERS[member.partner].brand}/{member.household}".encode())


@lru_cache(maxsize=32_768)
def address_of(member: Member) -> str:
    """Return a member's address."""
    return address_of_member(PARTNERS[member.partner].brand, member_ref(member))


def opening_ops(partner: int) -> list[Op]:
    """Return what a partner does first: give its brand a name, and begin its programme."""
    terms = PARTNERS[partner]
    expiry: dict[str, Any] = {"kind": "none"}
    if terms.lasting_months is not None:
        expiry = {"kind": "month_end", "months": terms.lasting_months}
    program = {
        "program": terms.program,
        "brand": terms.brand,
        "name": f"{terms.brand.capitalize()} {terms.title}",
        "symbol": terms.brand[:3].upper(),
        "decimals": 0,
        "transfer": "brand",
        "expiry": expiry,
        "transfer_burn_bps": 0,
        "notice_ms": 0,
        "price": {"currency": "USD", "num": 1, "den": 1},
    }
    return [*closing_ops(partner), ("token.create_program", program)]


def closing_ops(partner: int) -> list[Op]:
    """Return an operation that changes no points: it makes a block once the year is over."""
    terms = PARTNERS[partner]
    name = f"{terms.brand.capitalize()} ({terms.title})"
    return [("identity.update_brand", {"brand": terms.brand, "name": name})]


def enrolment_ops(members: Iterable[Member]) -> list[Op]:
    """Return the enrolment of members, custodially."""
    return [
        ("identity.enroll", {"brand": PARTNERS[member.partner].brand, "ref": member_ref(member).hex()})
        for member in members
    ]


def issue_ops(issues: Iterable[Issue]) -> list[Op]:
    """Return the points that baskets earn, each under its basket id."""
    return list(_issue_ops(issues))


def _issue_ops(issues: Iterable[Issue]) -> Iterator[Op]:
    for issue in issues:
        args: dict[str, Any] = {
            "program": PARTNERS[issue.member.partner].program,
            "to": address_of(issue.member),
            "amount": issue.points,
            "ref": str(issue.basket),
        }
        if issue.expires is not None:
            args["expires"] = issue.expires
        yield "token.issue", args


def spend_ops(spends: Iterable[Spend], month: int) -> list[Op]:
    """Return gifts, redemptions and donations of one month."""
    return [_spend_op(spend, month) for spend in spends]


def _spend_op(spend: Spend, month: int) -> Op:
    terms = PARTNERS[spend.member.partner]
    args: dict[str, Any] = {"program": terms.program, "from": address_of(spend.member), "amount": spend.points}
    if spend.kind == "donate":
        return "token.burn", args
    if spend.to is not None:
        return "token.transfer", {**args, "to": address_of(spend.to)}
    ref = f"voucher-{month}-{spend.member.household}"
    return "token.redeem", {**args, "at_brand": terms.brand, "ref": ref}
