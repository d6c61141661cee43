"""What the story of token begins with, and what is done to its chain before something is refused."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from contracts_py.money import Price
from contracts_py.token.programs import MAX_PROGRAMS_OF_BRAND
from contracts_py.token.purse import Purse
from contracts_py.token.records import BRAND_PROGRAMS, MAX_LOTS_OF_SPEND, PROGRAMS, SUPPLIES
from contracts_py.token.supply import Supply
from tests.contract_harness import START, Chain, Op, account_of, credit_ops
from tests.reference.story import Deed, alliance_ops, leaving, left, no, sent, suspended
from vm.contract_api import Context
from vm.primitives.address import address_of_member, address_of_pool
from vm.primitives.units import MAX_INT

DAY: Final = 86_400_000
HOUR: Final = 3_600_000
NOON: Final = -(-START // DAY) * DAY + 12 * HOUR
ANN, BOB, CAT = account_of("ann"), account_of("bob"), account_of("cat")
MEMBER: Final = address_of_member("aurora", b"\xab" * 32)
HOME: Final = address_of_pool(ANN, "home")
YEARLY: Final[dict[str, Any]] = {"kind": "days", "days": 365}
PRICE: Final = {"currency": "EUR", "num": 1, "den": 1}
LATE: Final = NOON + 400 * DAY
TOO_MANY_LOTS: Final = MAX_LOTS_OF_SPEND + 150
"""Points of which 50 may lie in one lot, and the others in one each."""

HOLDER: Final = "the holder"
TILL: Final = "a `cashier` of `at_brand`; and the holder, or an allowance of his to `at_brand`"
ISSUER: Final = "an `issuer` of the program's brand"

NO_PROGRAM: Final = no("NOT_FOUND", "There is no such program.", program="moons")
NO_ISSUER: Final = no("NOT_AUTHORISED", "No issuer of the program's brand has signed.", by="bob")
NOT_THE_HOLDER: Final = no("NOT_AUTHORISED", "The signers do not act for the holder.", by="bob", from_=ANN)
SUSPENDED: Final = no("SUSPENDED", "The program's brand is suspended.", suspended("aurora"))
LEAVES: Final = no("SUSPENDED", "The program's brand leaves the alliance.", leaving("aurora", "borea"))
GONE: Final = no("SUSPENDED", "One of the two brands has left the alliance.", *left("aurora", "borea"))
TOO_LATE_A_DATE: Final = no("LIMIT_EXCEEDED", "The date is beyond the protocol's times.", expires=MAX_INT)


def frozen(account: str) -> Deed:
    """Return a deed: compliance freezes an account in the program stars."""
    return sent("aurora-compliance", "token.freeze", account=account, program="stars")


def issued(to: str, amount: int, **args: Any) -> Deed:
    """Return a deed: points of stars are issued."""
    return sent("aurora-issuer", "token.issue", program="stars", to=to, amount=amount, **args)


def changed(**rules: Any) -> Deed:
    """Return a deed: the program's rules change."""
    return sent("aurora-admin", "token.update_program", program="stars", **rules)


def scattered(account: str) -> Deed:
    """Return a deed: an account has points in more lots than one spend may take, all of them about to expire."""
    parts = [(NOON + 20 * DAY + minute * 60_000, 1) for minute in range(TOO_MANY_LOTS + 50)]

    def fill(ctx: Context) -> None:
        purse, supply = Purse.of(ctx, "stars", "aurora", account), Supply(ctx, "stars")
        for date, amount in parts:
            supply.credit(date, amount, "issued")
        purse.credit(supply, parts)
        purse.save()
        supply.save()

    return lambda chain: chain.govern(fill)


def backed(chain: Chain) -> None:
    """Let stars be a program that nothing backs."""
    chain.govern(lambda ctx: PROGRAMS.put(ctx, replace(PROGRAMS.require(ctx, "stars"), backed=True), "stars"))


UNBACKED: Final = no("UNDERFUNDED", "The program is backed, and nothing is left that backs more points.", backed)


def worth_too_much(chain: Chain) -> None:
    """Let so many stars be outstanding, at such a price, that no answer can tell what they are worth."""

    def fill(ctx: Context) -> None:
        SUPPLIES.put(ctx, replace(SUPPLIES.require(ctx, "stars"), outstanding=MAX_INT), "stars")
        price = Price("EUR", 2, 1)
        PROGRAMS.put(ctx, replace(PROGRAMS.require(ctx, "stars"), price=price), "stars")

    chain.govern(fill)


def full_counter(name: str) -> Deed:
    """Return a deed: a counter of the program's supply holds as much as it can."""

    def fill(ctx: Context) -> None:
        SUPPLIES.put(ctx, replace(SUPPLIES.require(ctx, "stars"), **{name: MAX_INT}), "stars")

    return lambda chain: chain.govern(fill)


def many_programs(chain: Chain) -> None:
    """Give Aurora as many programs as it may have, as one that is listed again and again."""

    def fill(ctx: Context) -> None:
        for _ in range(MAX_PROGRAMS_OF_BRAND):
            BRAND_PROGRAMS.append(ctx, "stars", "aurora")

    chain.govern(fill)


def capped(amount: int) -> Deed:
    """Return a deed: Aurora's outstanding points may be worth so much."""
    return sent("aurora-treasurer", "token.liability_cap", brand="aurora", currency="EUR", amount=amount)


def ops() -> list[Op]:
    """Return what the chain begins with."""
    return [
        *alliance_ops("aurora", "borea"),
        *credit_ops("aurora", "borea"),
        ("identity.enroll", {"brand": "aurora", "ref": "ab" * 32}),
        ("identity.update_brand", {"brand": "aurora", "pooling": True}),
        ("identity.pool_open", {"member": MEMBER, "name": "home"}),
    ]
