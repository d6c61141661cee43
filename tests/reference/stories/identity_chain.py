"""What the story of identity begins with, and what is done to its chain before something is refused."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

from contracts_py.identity.referral_graph import MAX_WALK
from tests.contract_harness import START, Chain, account_of
from tests.reference.story import Deed, many, no, sent
from vm.primitives.address import address_of_member, address_of_pool

DAY: Final = 86_400_000
YEAR: Final = START + 365 * DAY
ANN, BOB, CAT, DAN = (account_of(name) for name in ("ann", "bob", "cat", "dan"))
FIRST, SECOND, THIRD = (bytes([number]) * 32 for number in (0xAB, 0xCD, 0xEF))
MEMBER, OTHER, LAST = (address_of_member("aurora", ref) for ref in (FIRST, SECOND, THIRD))
TERMS, TEXT, CARD, NEW_CARD = (f"{number:02x}" * 32 for number in (1, 2, 3, 4))
HOME: Final = address_of_pool(ANN, "home")

HOLDER: Final = "the holder"
CUSTODIAN: Final = "the holder; for a custodial member a `cashier` or `issuer` of its brand"
NO_BRAND: Final = no("NOT_FOUND", "There is no such brand.", brand="moons")


def not_the_holder(by: str = "bob") -> Any:
    """Return the refusal of what a stranger signs."""
    return no("NOT_AUTHORISED", "The signers do not act for the account.", by=by)


def erased(member: str, by: str) -> Deed:
    """Return a deed: an account's facts are erased."""
    return sent(by, "identity.erase", member=member)


def pool_ops(chain: Chain) -> None:
    """Open Ann's pool."""
    sent("ann", "identity.pool_open", member=ANN, name="home")(chain)


def linked_chain(first: str, count: int) -> Deed:
    """Return a deed: an account is linked to so many others, one after the other."""
    names = [first, *[f"{first}{number}" for number in range(count)]]
    pairs = pairwise(names)
    return many(sent(f"{a}+{b}", "identity.link", member=account_of(a), other=account_of(b)) for a, b in pairs)


def referral_line(chain: Chain) -> None:
    """Let there be more referrals above Bob than are looked at, and Ann have referred somebody."""
    sent("dan", "identity.refer", member=DAN, referrer=ANN)(chain)
    names = ["bob", *[f"up{number}" for number in range(MAX_WALK)]]
    for member, referrer in pairwise(names):
        sent(member, "identity.refer", member=account_of(member), referrer=account_of(referrer))(chain)


def left_pool() -> tuple[Deed, ...]:
    """Return deeds: Ann has contributed to her pool, brought something into it, and left it."""
    return (
        sent("aurora-admin", "identity.update_brand", brand="aurora", pooling=True),
        sent("aurora-issuer", "token.issue", program="stars", to=ANN, amount=90),
        sent("ann", "token.transfer", program="stars", to=HOME, amount=5),
        sent("ann", "identity.pool_leave", member=ANN),
    )


def no_person(member: str, by: str, name: str = "member") -> list[Any]:
    """Return refusals of accounts about which nothing more is noted."""
    return [
        no("NOT_ELIGIBLE", "The account was erased.", erased(member, by)),
        no("NOT_ELIGIBLE", "The account is a household pool.", pool_ops, by="ann", **{name: HOME}),
    ]


def merged_member(chain: Chain) -> None:
    sent("aurora-issuer", "identity.merge", from_=MEMBER, into=LAST, reason="two cards")(chain)
