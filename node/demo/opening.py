"""What is agreed before the year begins: programmes, doors, credit, treaties, links, allowances; and its last word.

Each round is final before the next begins, since the later ones stand on the earlier ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from node.demo.lots import Member
from node.demo.marketing import marketing_ops
from node.demo.operations import Op, address_of
from node.demo.plan import month_start
from node.demo.rules import (
    CREDIT_LIMIT_CENTS,
    CURRENCY,
    DOOR_MEMBER_DAY,
    PARTNERS,
    TREATIES,
    Treaty,
)

AFTER_THE_YEAR = month_start(14)
ALLOWANCE = 1_000_000
"""More than a member can earn in the year."""


def program_ops(partner: int) -> list[Op]:
    """Return what a partner does first: give its brand a name, begin its programme, and say what earns points."""
    terms = PARTNERS[partner]
    expiry: dict[str, Any] = {"kind": "none"}
    if terms.lasting_months is not None:
        expiry = {"kind": "month_end", "months": terms.lasting_months}
    num, den = terms.price
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
        "price": {"currency": CURRENCY, "num": num, "den": den},
    }
    return [*closing_ops(partner), ("token.create_program", program), *marketing_ops(partner)]


def agreement_ops(partner: int) -> list[Op]:
    """Return the door that a partner opens, the credit that it gives, and the treaties that it proposes."""
    own = PARTNERS[partner]
    door = {"program": own.program, "at_brand": PARTNERS[own.door].brand, "member_day": DOOR_MEMBER_DAY}
    ops: list[Op] = [("token.partner", door)]
    for other in PARTNERS:
        if other.brand != own.brand:
            limit = {"debtor": other.brand, "currency": CURRENCY, "amount": CREDIT_LIMIT_CENTS}
            ops.append(("clearing.set_credit_limit", {"creditor": own.brand, **limit}))
    return ops + [("swap.propose", _treaty(treaty)) for treaty in TREATIES if treaty.source == partner]


def acceptance_ops(partner: int) -> list[Op]:
    """Return the acceptance of treaties that other partners have proposed."""
    return [("swap.accept", {"treaty": treaty.name}) for treaty in TREATIES if treaty.target == partner]


def _treaty(treaty: Treaty) -> dict[str, Any]:
    return {
        "treaty": treaty.name,
        "from_program": PARTNERS[treaty.source].program,
        "to_program": PARTNERS[treaty.target].program,
        "rate": list(treaty.rate),
        "fee_bps": treaty.fee_bps,
        "limits": {"member_day": treaty.member_day, "inventory": treaty.inventory},
        "valid_from": month_start(1),
        "valid_to": AFTER_THE_YEAR,
    }


def allowance_ops(members: Iterable[Member]) -> list[Op]:
    """Let the tills of the brand behind the door take members' points."""
    return [("token.allow", _allowance(member)) for member in members]


def _allowance(member: Member) -> dict[str, Any]:
    terms = PARTNERS[member.partner]
    granted = {"spender": PARTNERS[terms.door].brand, "limit": ALLOWANCE, "expires": AFTER_THE_YEAR}
    return {"program": terms.program, "from": address_of(member), **granted}


def link_ops(links: Iterable[tuple[Member, Member]]) -> list[Op]:
    """Say that accounts at two brands are one household's; both brands sign, as custodians."""
    return [
        ("identity.link", {"member": address_of(member), "other": address_of(other)}) for member, other in links
    ]


def closing_ops(partner: int) -> list[Op]:
    """Return an operation that changes no points: it makes a block once the year is over."""
    terms = PARTNERS[partner]
    name = f"{terms.brand.capitalize()} {terms.title}"
    return [("identity.update_brand", {"brand": terms.brand, "name": name})]
