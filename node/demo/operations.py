"""The demo's actions in the chain's words: operations, member addresses, signed transactions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from node.demo.errors import ReplayFailed
from node.demo.lots import Member
from node.demo.plan import Deed, Goods, Purchase, total
from node.demo.rules import CURRENCY, PARTNERS
from vm.batch_signatures import MAX_BATCH
from vm.primitives.address import address_of_member
from vm.primitives.hashing import sha256
from vm.primitives.keys import SigningKey
from vm.transaction import encode_body, sign_batch, sign_body

OPS_PER_TRANSACTION: Final = 50
"""Few enough that one slow transaction holds up nothing, many enough that signatures cost next to nothing."""

Op = tuple[str, dict[str, Any]]


class Signed(msgspec.Struct, frozen=True, gc=False):
    """A transaction ready to be sent, as often as needed: the same bytes are charged once."""

    raw: bytes
    id: str
    ops: Sequence[Op]


class Author:
    """Builds the transactions of one partner: its admin account, a running nonce."""

    def __init__(self, chain: str, address: str, key: SigningKey) -> None:
        self._chain = chain
        self._address = address
        self._key = key
        self._nonce = 0

    def transactions(
        self, parts: Iterable[Sequence[Op]], expires: int, cosigners: Sequence[Author] = ()
    ) -> list[Signed]:
        """Return signed transactions, one for each part."""
        keys = [self._key, *[author._key for author in cosigners]]
        named = [key.public_key for key in keys] if cosigners else []
        bodies: list[tuple[Sequence[Op], bytes]] = []
        for part in parts:
            bodies.append((part, encode_body(self._chain, self._address, self._nonce, expires, part, named)))
            self._nonce += 1
        if cosigners:
            return [Signed(sign_body(body, keys), sha256(body).hex(), part) for part, body in bodies]
        # As a till's back end does it: one signature for all that leave together.
        signed: list[Signed] = []
        for first in range(0, len(bodies), MAX_BATCH):
            some = bodies[first : first + MAX_BATCH]
            raws = sign_batch([body for _, body in some], self._key)
            signed += [Signed(raw, sha256(body).hex(), part) for raw, (part, body) in zip(raws, some, strict=True)]
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


def enrolment_ops(members: Iterable[Member]) -> list[Op]:
    """Return the enrolment of members, custodially."""
    return [
        ("identity.enroll", {"brand": PARTNERS[member.partner].brand, "ref": member_ref(member).hex()})
        for member in members
    ]


def record_op(purchase: Purchase) -> Op:
    """Return what a till says of a purchase: its campaigns see to the rest."""
    return "campaign.record", {
        "brand": PARTNERS[purchase.member.partner].brand,
        "event": "purchase",
        "member": address_of(purchase.member),
        "ref": str(purchase.basket),
        "at": purchase.time,
        "attrs": _attrs(purchase.goods),
    }


def _attrs(goods: Goods) -> dict[str, Any]:
    lines = [{"department": department, "cents": cents} for department, cents in goods]
    return {"amount": total(goods), "lines": lines}


def in_parts(ops: Sequence[Op]) -> list[Sequence[Op]]:
    """Divide operations among transactions."""
    return [ops[start : start + OPS_PER_TRANSACTION] for start in range(0, len(ops), OPS_PER_TRANSACTION)]


def by_member(ops: Iterable[tuple[Member, Op]]) -> list[Sequence[Op]]:
    """Divide operations among transactions so that those of a member stand in one, in their order.

    Transactions that are sent together are executed in any order, and what a campaign gives may depend on
    what the member has done before.
    """
    theirs: dict[Member, list[Op]] = {}
    for member, op in ops:
        theirs.setdefault(member, []).append(op)
    parts: list[list[Op]] = []
    for group in theirs.values():
        if not parts or len(parts[-1]) + len(group) > OPS_PER_TRANSACTION:
            parts.append([])
        parts[-1] += group
    return [*parts]


def deed_parts(deeds: Iterable[Deed], closes: int) -> list[Sequence[Op]]:
    """Return deeds of a month that ends at `closes`, divided among transactions."""
    return by_member((deed.member, _deed_op(deed, closes)) for deed in deeds)


def _deed_op(deed: Deed, closes: int) -> Op:
    program, at_brand = PARTNERS[deed.member.partner].program, PARTNERS[deed.at].brand
    spent = {"program": program, "from": address_of(deed.member), "amount": deed.points}
    match deed.kind:
        case "return":
            return "campaign.reverse", _reversal(deed)
        case "gift":
            return "token.transfer", {**spent, "to": _receiver(deed)}
        case "redeem":
            return "token.redeem", {**spent, "at_brand": at_brand, "ref": deed.ref}
        case "hold":
            return "token.hold", {**spent, "at_brand": at_brand, "hold": deed.ref, "expires": closes}
        case "capture":
            captured = {"at_brand": at_brand, "hold": deed.of, "amount": deed.points, "ref": deed.ref}
            return "token.capture", captured
        case "release":
            return "token.release", {"at_brand": at_brand, "hold": deed.ref}
        case "refund":
            refunded = {"program": program, "redemption_ref": deed.of, "amount": deed.points}
            return "token.refund", {**refunded, "ref": deed.ref, "at_brand": at_brand}
        case "exchange":
            given = {"from": spent["from"], "amount": deed.points, "to": _receiver(deed)}
            return "swap.exchange", {"treaty": deed.ref, **given, "min_out": deed.out}
        case "donate":
            return "token.burn", spent


def _reversal(deed: Deed) -> dict[str, Any]:
    args = {"brand": PARTNERS[deed.at].brand, "event": "purchase", "ref": deed.ref, "return_ref": f"R-{deed.ref}"}
    return {**args, "keep": _attrs(deed.kept)} if deed.kept else args


def _receiver(deed: Deed) -> str:
    if deed.to is None:
        raise ReplayFailed(f"a {deed.kind} of household {deed.member.household} has no receiver")
    return address_of(deed.to)


def confirm_op(period: str, payer: str, payee: str, amount: int) -> Op:
    """Return a payee's word that a payment has arrived."""
    paid = {"period": period, "payer": payer, "payee": payee, "amount": amount, "currency": CURRENCY}
    return "clearing.confirm", {**paid, "bank_ref": f"WIRE-{period}-{payer}-{payee}"}
