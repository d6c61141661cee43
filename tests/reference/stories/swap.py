"""The story of swap: a treaty of two brands, and what a shopper exchanges under it."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from contracts_py.swap.records import LEADING_FROM, MAX_TREATIES_OF_PROGRAM, TREATIES
from contracts_py.token.records import PROGRAMS, SUPPLIES
from tests.contract_harness import START, Chain, Op, account_of, credit_ops, program_args
from tests.reference.stories.moving import on_its_way
from tests.reference.story import Deed, Story, alliance_ops, leaving, left, no, sent, suspended, waited
from vm.contract_api import Context
from vm.primitives.units import MAX_INT

DAY: Final = 86_400_000
ANN, BOB = account_of("ann"), account_of("bob")
TERMS: Final[dict[str, Any]] = {
    "rate": [1, 2],
    "fee_bps": 100,
    "limits": {"member_day": 2_000, "total_day": 50_000, "inventory": 100_000},
    "valid_from": START,
    "valid_to": START + 365 * DAY,
}
GENEROUS: Final = {**TERMS, "rate": [3, 1], "fee_bps": 0}
BACK: Final = {"treaty": "borea-stars", "from_program": "rays", "to_program": "stars"}

A_SIDE: Final = "an `admin` of one side's brand"
NO_TREATY: Final = no("NOT_FOUND", "There is no such treaty.", treaty="moons")
NO_ADMIN: Final = no("NOT_AUTHORISED", "No admin of either side has signed.", by="aurora-issuer")
BACKWARDS: Final = no("INVALID_ARGS", "`valid_to` is not after `valid_from`.", valid_to=START)
OVER_TERMS: Final = no("EXPIRED", "The terms are over already.", valid_from=0, valid_to=START)


def over(treaty: str = "aurora-rays") -> Deed:
    """Return a deed: a treaty ends at once."""
    return sent("aurora-admin", "swap.terminate", treaty=treaty, notice_ms=0)


ENDED: Final = no("EXPIRED", "The treaty is over.", over())


def accepted_back(**terms: Any) -> tuple[Deed, ...]:
    """Return deeds: the brands have a treaty the other way, too."""
    propose = sent("borea-admin", "swap.propose", **BACK, **{**TERMS, **terms})
    return propose, sent("aurora-admin", "swap.accept", treaty="borea-stars")


def many_treaties(chain: Chain) -> None:
    """Let as many treaties lead out of stars as may; all are one under several names."""

    def fill(ctx: Context) -> None:
        record = replace(TREATIES.require(ctx, "aurora-rays"), accepted=True)
        for number in range(MAX_TREATIES_OF_PROGRAM):
            TREATIES.put(ctx, record, f"aurora-t{number}")
            LEADING_FROM.add(ctx, "stars", item=f"aurora-t{number}")

    chain.govern(fill)


def full_counter(program: str, name: str) -> Deed:
    """Return a deed: a counter of a program's supply holds as much as it can."""

    def fill(ctx: Context) -> None:
        SUPPLIES.put(ctx, replace(SUPPLIES.require(ctx, program), **{name: MAX_INT}), program)

    return lambda chain: chain.govern(fill)


def frozen_in(brand: str, program: str) -> tuple[Deed, ...]:
    """Return deeds: Ann is frozen in a program."""
    return (sent(f"{brand}-compliance", "token.freeze", account=ANN, program=program),)


def backed(program: str) -> Deed:
    """Return a deed: a program is one that must be backed, and nothing backs it."""
    return lambda chain: chain.govern(
        lambda ctx: PROGRAMS.put(ctx, replace(PROGRAMS.require(ctx, program), backed=True), program)
    )


def backed_in_francs(chain: Chain) -> None:
    """Let stars be a backed program with a price in Swiss francs."""

    def change(ctx: Context) -> None:
        rules = PROGRAMS.require(ctx, "stars")
        PROGRAMS.put(ctx, replace(rules, backed=True, price=replace(rules.price, currency="CHF")), "stars")

    chain.govern(change)


def capped(brand: str, program: str) -> tuple[Deed, ...]:
    """Return deeds: hardly a point of a program may be outstanding."""
    return (sent(f"{brand}-admin", "token.update_program", program=program, cap=11),)


def amended(**terms: Any) -> tuple[Deed, ...]:
    """Return deeds: the treaty has other terms."""
    propose = sent("aurora-admin", "swap.amend", treaty="aurora-rays", **{**TERMS, **terms})
    return propose, sent("borea-admin", "swap.accept", treaty="aurora-rays")


def story() -> Story:
    """Tell it."""
    price = {"currency": "EUR", "num": 1, "den": 1}
    ops: list[Op] = [
        *alliance_ops("aurora", "borea", "cielo"),
        *credit_ops("aurora", "borea", "cielo"),
        ("token.create_program", program_args("stars", "aurora", price=price)),
        ("token.create_program", program_args("rays", "borea", price={**price, "num": 2})),
        ("token.create_program", program_args("skies", "cielo", price=price)),
        ("token.issue", {"program": "stars", "to": ANN, "amount": 1_000}),
        ("token.issue", {"program": "rays", "to": ANN, "amount": 10}),
    ]
    intro = (
        "The brands Aurora, Borea and Cielo with their programs stars, rays and skies, each brand with one person "
        "for each role, and credit of each with each. Ann has 1,000 stars and 10 rays."
    )
    told = Story("swap", intro, ops)
    _agreement(told)
    _exchanges(told)
    _end(told)
    return told


def _agreement(told: Story) -> None:
    args: dict[str, Any] = {"treaty": "aurora-rays", "from_program": "stars", "to_program": "rays", **TERMS}
    told.call(
        "swap.propose",
        "aurora-admin",
        "Aurora offers Borea that two stars become one ray, less 1 %.",
        A_SIDE,
        [
            no("NOT_FOUND", "There is no such program.", to_program="moons"),
            NO_ADMIN,
            no("NOT_AUTHORISED", "The treaty's name is reserved for another brand.", treaty="borea-stars"),
            no("ALREADY_EXISTS", "The treaty exists.", sent("aurora-admin", "swap.propose", **args)),
            no("NOT_ELIGIBLE", "Both programs are one brand's.", to_program="stars"),
            no("NOT_ELIGIBLE", "The points given are backed in another currency.", backed_in_francs),
            BACKWARDS,
            OVER_TERMS,
        ],
        **args,
    )
    amend = {"treaty": "aurora-rays", **TERMS}
    told.call(
        "swap.accept",
        "borea-admin",
        "Borea agrees.",
        "an `admin` of the brand that has not proposed",
        [
            NO_TREATY,
            no("NOT_AUTHORISED", "No admin of the other side has signed.", by="aurora-admin"),
            no(
                "NOT_ELIGIBLE",
                "Nothing waits for an acceptance.",
                sent("borea-admin", "swap.accept", treaty="aurora-rays"),
            ),
            no("EXPIRED", "The terms are over already.", waited(366 * DAY)),
            ENDED,
            no("CHANGED", "Other terms have been proposed than those of this `revision`.", revision=7),
            no(
                "ARBITRAGE",
                "Points could be multiplied along a cycle of treaties.",
                sent("borea-admin", "swap.accept", treaty="aurora-rays"),
                sent("borea-admin", "swap.propose", **BACK, **GENEROUS),
                by="aurora-admin",
                treaty="borea-stars",
            ),
            no("LIMIT_EXCEEDED", "Too many treaties lead out of the program.", many_treaties),
        ],
        treaty="aurora-rays",
    )
    told.call(
        "swap.amend",
        "aurora-admin",
        "Aurora would like to give 99 % more; nothing changes until Borea accepts.",
        A_SIDE,
        [
            NO_TREATY,
            NO_ADMIN,
            no(
                "NOT_ELIGIBLE",
                "The treaty is not accepted yet, and the other side's.",
                sent("borea-admin", "swap.propose", **BACK, **TERMS),
                treaty="borea-stars",
            ),
            BACKWARDS,
            OVER_TERMS,
            ENDED,
        ],
        **{**amend, "rate": [199, 200]},
    )


def _exchanges(told: Story) -> None:
    suspend = sent("borea-admin", "swap.suspend", treaty="aurora-rays")
    told.view(
        "swap_quote",
        "What Ann would get for 201 stars.",
        [
            no("NOT_FOUND", "There is no such program.", to_program="moons"),
            no("INVALID_ARGS", "Both are one program.", to_program="stars"),
        ],
        from_program="stars",
        to_program="rays",
        amount=201,
    )
    common = [
        no("NOT_AUTHORISED", "The signers do not act for the holder.", by="bob", from_=ANN),
        no("NOT_ELIGIBLE", "`to` is not linked to the holder.", to=BOB),
        no("NOT_ELIGIBLE", "The treaty is not in force yet.", *amended(valid_from=START + DAY)),
        no("SUSPENDED", "The treaty is suspended.", suspend),
        no("SUSPENDED", "The brand of the points to come is suspended.", suspended("borea")),
        no("SUSPENDED", "The brand of the points to come leaves the alliance.", leaving("borea", "aurora")),
        no("SUSPENDED", "The brand of the points given has left the alliance.", *left("aurora", "cielo")),
        ENDED,
        no(
            "UNDERFUNDED",
            "The other program is backed, and nothing backs more points.",
            backed("rays"),
        ),
        no("SLIPPAGE", "It would give less than `min_out`.", min_out=100),
        no("SLIPPAGE", "The amount is too small to give anything.", amount=2),
        no("LIMIT_EXCEEDED", "More than one of the treaty's limits.", *amended(limits={"member_day": 100})),
        no("LIMIT_EXCEEDED", "More than the treaty's limit of a day.", *amended(limits={"total_day": 100})),
        no("LIMIT_EXCEEDED", "More than the treaty's inventory.", *amended(limits={"inventory": 10})),
        no("LIMIT_EXCEEDED", "A sum would be beyond 2^53 − 1.", full_counter("stars", "swapped_out")),
        no("INSUFFICIENT_BALANCE", "The account has fewer points.", *amended(limits={}), amount=5_000),
        no("INSUFFICIENT_BALANCE", "The account never had points of the program.", by="bob"),
        on_its_way("stars", ANN),
        no(
            "FROZEN",
            "The account is frozen.",
            sent("aurora-compliance", "token.freeze", account=ANN, program="stars"),
        ),
        no(
            "CREDIT_LIMIT",
            "The brand of the points given may owe the other no more.",
            sent(
                "borea-treasurer",
                "clearing.set_credit_limit",
                creditor="borea",
                debtor="aurora",
                currency="EUR",
                amount=1,
            ),
        ),
    ]
    told.call(
        "swap.exchange",
        "ann",
        "Ann exchanges 201 of her 1,000 stars.",
        "the holder",
        [
            NO_TREATY,
            no(
                "NOT_ELIGIBLE",
                "The treaty is not accepted yet.",
                sent("borea-admin", "swap.propose", **BACK, **TERMS),
                treaty="borea-stars",
            ),
            no("INVALID_ARGS", "Nobody sends this, and no account is named.", by=""),
            *common,
            no("FROZEN", "The account that receives is frozen.", *frozen_in("borea", "rays")),
            no("CAP_EXCEEDED", "The other program's cap would be passed.", *capped("borea", "rays")),
        ],
        treaty="aurora-rays",
        amount=201,
        min_out=90,
    )
    told.does("borea-admin", "swap.propose", treaty="borea-skies", from_program="rays", to_program="skies", **TERMS)
    told.does("cielo-admin", "swap.accept", treaty="borea-skies")
    told.call(
        "swap.exchange_route",
        "ann",
        "Ann wants skies, to which two treaties lead over rays.",
        "the holder",
        [
            no("NOT_FOUND", "There is no such treaty.", treaties=["aurora-rays", "moons"]),
            no(
                "NOT_ELIGIBLE",
                "A treaty is not accepted yet.",
                sent("borea-admin", "swap.propose", **BACK, **TERMS),
                treaties=["aurora-rays", "borea-stars"],
            ),
            no("INVALID_ARGS", "The treaties are not connected.", treaties=["aurora-rays", "aurora-rays"]),
            no("INVALID_ARGS", "Nobody sends this, and no account is named.", by=""),
            *common,
            no("FROZEN", "The account that receives is frozen.", *frozen_in("cielo", "skies")),
            no("CAP_EXCEEDED", "The last program's cap would be passed.", *capped("cielo", "skies")),
        ],
        treaties=["aurora-rays", "borea-skies"],
        amount=100,
        min_out=10,
    )


def _end(told: Story) -> None:
    suspend = {"treaty": "aurora-rays"}
    told.call(
        "swap.suspend",
        "borea-admin",
        "Borea stops exchanges for the holidays.",
        A_SIDE,
        [
            NO_TREATY,
            NO_ADMIN,
            no("NOT_ELIGIBLE", "This side has suspended it.", sent("borea-admin", "swap.suspend", **suspend)),
            ENDED,
        ],
        **suspend,
    )
    told.call(
        "swap.resume",
        "borea-admin",
        "The holidays are over.",
        "an `admin` of a brand that has suspended it",
        [
            NO_TREATY,
            NO_ADMIN,
            no("NOT_ELIGIBLE", "This side has not suspended it.", by="aurora-admin"),
            ENDED,
        ],
        **suspend,
    )
    told.call(
        "swap.terminate",
        "borea-admin",
        "Borea ends the treaty with a month's notice.",
        A_SIDE,
        [
            NO_TREATY,
            NO_ADMIN,
            no(
                "NOT_ELIGIBLE",
                "It ends as early already.",
                sent("aurora-admin", "swap.terminate", treaty="aurora-rays", notice_ms=DAY),
            ),
            ENDED,
        ],
        treaty="aurora-rays",
        notice_ms=30 * DAY,
    )
    told.view("swap_treaty", "It runs off.", [NO_TREATY], treaty="aurora-rays")
    told.view(
        "swap_treaties",
        "All of Borea's.",
        [no("NOT_FOUND", "There is no such brand.", brand="moons")],
        brand="borea",
    )
