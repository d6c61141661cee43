"""The story of token: Aurora's program, its shoppers at the till, and what comes back."""

from __future__ import annotations

from tests.contract_harness import program_args
from tests.reference.stories.moving import on_its_way
from tests.reference.stories.token_chain import (
    ANN,
    BOB,
    DAY,
    HOLDER,
    ISSUER,
    LATE,
    LEAVES,
    MEMBER,
    NO_ISSUER,
    NO_PROGRAM,
    NOON,
    NOT_THE_HOLDER,
    PRICE,
    SUSPENDED,
    TOO_LATE_A_DATE,
    TOO_MANY_LOTS,
    UNBACKED,
    YEARLY,
    backed,
    capped,
    changed,
    frozen,
    full_counter,
    issued,
    many_programs,
    ops,
    scattered,
    worth_too_much,
)
from tests.reference.stories.token_corrections import compliance, corrections
from tests.reference.stories.token_till import holds, till
from tests.reference.story import Story, leaving, no, sent, suspended
from vm.params import Params
from vm.primitives.address import address_of_pool


def story() -> Story:
    """Tell it."""
    intro = (
        "The brands Aurora and Borea, each with one person for each role (`aurora-issuer` is an account); "
        "each gives the other credit. Ann, Bob and Cat are shoppers with keys of their own; a custodial member of "
        "Aurora has opened a household pool."
    )
    told = Story("token", intro, ops(), Params(max_tx_cost=750_000))
    told.names.update({MEMBER: "a custodial member of Aurora", address_of_pool(MEMBER, "home"): "its pool"})
    told.then(f"Noon of the next day: {NOON}.", lambda chain: chain.until(NOON))
    _programs(told)
    _points(told)
    till(told)
    holds(told)
    corrections(told)
    compliance(told)
    _views(told)
    return told


def _programs(told: Story) -> None:
    args = program_args("stars", "aurora", expiry=YEARLY, price=PRICE)
    told.call(
        "token.create_program",
        "aurora-admin",
        "Aurora begins a program whose points live for a year.",
        "an `admin` of `brand`",
        [
            no("NOT_FOUND", "There is no such brand.", brand="moons", program="moons"),
            no("NOT_AUTHORISED", "No admin of the brand has signed.", by="aurora-issuer"),
            no("NOT_AUTHORISED", "The program's name is reserved for another brand.", program="borea-stars"),
            no("ALREADY_EXISTS", "The program exists.", sent("aurora-admin", "token.create_program", **args)),
            no("LIMIT_EXCEEDED", "The brand has 256 programs.", many_programs),
            no(
                "NOT_ELIGIBLE",
                "It is backed, and a point costs a half.",
                backed=True,
                price={**PRICE, "den": 2},
            ),
            no(
                "NOT_ELIGIBLE",
                "It is backed, and the brand has another program in the currency.",
                sent("aurora-admin", "token.create_program", **args),
                backed=True,
                program="aurora-units",
            ),
            no("SUSPENDED", "The brand is suspended.", suspended("aurora")),
            no("SUSPENDED", "The brand leaves the alliance.", leaving("aurora", "borea")),
        ],
        **args,
    )
    told.call(
        "token.update_program",
        "aurora-admin",
        "Aurora caps what may be outstanding, and lets one issuer adjust up to 100 points.",
        "an `admin` of the program's brand",
        [
            NO_PROGRAM,
            no("NOT_AUTHORISED", "No admin of the program's brand has signed.", by="aurora-issuer"),
            no("NOT_ELIGIBLE", "The price is in another currency.", price={**PRICE, "currency": "USD"}),
            no("NOT_ELIGIBLE", "The program is backed: its price is fixed.", backed, price={**PRICE, "num": 2}),
        ],
        program="stars",
        cap=1_000_000,
        adjust_limit=100,
    )
    told.call(
        "token.liability_cap",
        "aurora-treasurer",
        "Aurora's outstanding points may be worth 10,000.00 euros.",
        "a `treasurer` of `brand`",
        [
            no("NOT_FOUND", "There is no such brand.", brand="moons"),
            no("NOT_AUTHORISED", "No treasurer of the brand has signed.", by="aurora-issuer"),
        ],
        brand="aurora",
        currency="EUR",
        amount=1_000_000,
    )


def _points(told: Story) -> None:
    told.call(
        "token.issue",
        "aurora-issuer",
        "Ann has bought for 5.00 euros.",
        ISSUER,
        [
            NO_PROGRAM,
            NO_ISSUER,
            no("DUPLICATE_REF", "The reference has been used.", issued(BOB, 7, ref="order-1")),
            no("EXPIRED", "The points would have expired already.", expires=NOON),
            no("EXPIRED", "They would expire before they become available.", pending_until=LATE),
            no("INVALID_ARGS", "`pending_until` is not to come.", pending_until=NOON),
            TOO_LATE_A_DATE,
            no("CAP_EXCEEDED", "The program's cap would be passed.", amount=1_000_001),
            no("LIMIT_EXCEEDED", "The brand's liability cap would be passed.", capped(499)),
            no(
                "LIMIT_EXCEEDED",
                "A sum would be beyond 2^53 − 1.",
                full_counter("issued"),
            ),
            UNBACKED,
            SUSPENDED,
            LEAVES,
        ],
        program="stars",
        to=ANN,
        amount=500,
        ref="order-1",
    )
    told.does("aurora-issuer", "token.issue", program="stars", to=ANN, amount=50, expires=NOON + 2 * DAY)
    told.does("aurora-issuer", "token.issue", program="stars", to=ANN, amount=40, pending_until=NOON + 9 * DAY)
    told.does("aurora-issuer", "token.issue", program="stars", to=MEMBER, amount=80)
    strangers = changed(transfer="none")
    told.call(
        "token.transfer",
        "ann",
        "Ann has 550 available points, of which 50 expire soon, and gives Bob 60.",
        HOLDER,
        [
            NO_PROGRAM,
            NOT_THE_HOLDER,
            no("INVALID_ARGS", "`to` is the account that gives.", to=ANN),
            no("INSUFFICIENT_BALANCE", "The account has fewer points.", amount=551),
            no("INSUFFICIENT_BALANCE", "The account never had points of the program.", by="cat"),
            on_its_way("stars", ANN),
            no("FROZEN", "The account that gives is frozen.", frozen(ANN)),
            no("FROZEN", "The account that receives is frozen.", frozen(BOB)),
            no("NOT_TRANSFERABLE", "The program's points cannot be transferred.", strangers),
            no("NOT_TRANSFERABLE", "They move between members of the brand only.", changed(transfer="brand")),
            no("NOT_TRANSFERABLE", "`to` is the pool of others.", to=address_of_pool(MEMBER, "home")),
            no(
                "NOT_TRANSFERABLE",
                "`to` is a pool, and the brand does not let its points be pooled.",
                sent("aurora-admin", "identity.update_brand", brand="aurora", pooling=False),
                to=address_of_pool(MEMBER, "home"),
            ),
            no("LIMIT_EXCEEDED", "More than the program's limit of a day.", changed(transfer_day=59)),
            no("LIMIT_EXCEEDED", "The amount lies in too many lots.", scattered(ANN), amount=TOO_MANY_LOTS),
            no(
                "LIMIT_EXCEEDED",
                "A sum would be beyond 2^53 − 1.",
                full_counter("burned"),
                changed(transfer_burn_bps=100),
            ),
        ],
        program="stars",
        to=BOB,
        amount=60,
    )
    told.call(
        "token.burn",
        "bob",
        "Bob has 60 points, and wants none of ten.",
        HOLDER,
        [
            NO_PROGRAM,
            no("NOT_AUTHORISED", "The signers do not act for the holder.", from_=ANN),
            no("INVALID_ARGS", "Nobody sends this, and no account is named.", by=""),
            no("INSUFFICIENT_BALANCE", "The account has fewer points.", amount=61),
            on_its_way("stars", BOB),
            no("FROZEN", "The account is frozen.", frozen(BOB)),
            no("LIMIT_EXCEEDED", "The amount lies in too many lots.", scattered(BOB), amount=TOO_MANY_LOTS),
        ],
        program="stars",
        amount=10,
    )


def _views(told: Story) -> None:
    told.view("token_program", "The program's rules.", [NO_PROGRAM], program="stars")
    told.view(
        "token_programs",
        "All programs of Aurora.",
        [no("NOT_FOUND", "There is no such brand.", brand="moons")],
        brand="aurora",
        limit=10,
    )
    told.view("token_supply", "The program's counters, after all of the above.", [NO_PROGRAM], program="stars")
    told.view("token_balance", "What Ann has.", [NO_PROGRAM], program="stars", account=ANN)
    told.view("token_balances", "What Bob has in all programs.", account=BOB)
    told.view(
        "token_balance_batch",
        "What Ann and Bob have (ERC-1155's `balanceOfBatch`).",
        [no("NOT_FOUND", "There is no such program.", pairs=[{"account": ANN, "program": "moons"}])],
        pairs=[{"account": ANN, "program": "stars"}, {"account": BOB, "program": "stars"}],
    )
    told.view("token_moves", "Whether points of Bob's are on their way to another account; none are.", account=BOB)
    told.view("token_holders", "Who holds points, and how many.", [NO_PROGRAM], program="stars", limit=2)
    units = {"name": "Units", "symbol": "UNI", "backed": True, "price": PRICE, "expiry": {"kind": "none"}}
    told.does("borea-admin", "token.create_program", **program_args("borea-units", "borea", **units))
    told.view(
        "token_backing",
        "What backs the points of a program of Borea's; none were exchanged for others yet.",
        [NO_PROGRAM, no("NOT_ELIGIBLE", "The program is not backed.", program="stars")],
        program="borea-units",
    )
    told.view("token_pending", "What Ann waits for.", [NO_PROGRAM], program="stars", account=ANN)
    told.view(
        "token_allowance",
        "What Borea may still take.",
        [
            NO_PROGRAM,
            no("NOT_FOUND", "There is no allowance, or it has expired.", account=BOB),
        ],
        program="stars",
        account=ANN,
        spender="borea",
    )
    told.view("token_door", "Whether Borea takes Aurora's points.", [NO_PROGRAM], program="stars", at_brand="borea")
    told.view(
        "token_liability",
        "What Aurora's books show, if one point in ten is never redeemed.",
        [
            no("NOT_FOUND", "There is no such brand.", brand="moons"),
            no("LIMIT_EXCEEDED", "A program's points are worth more than 2^53 − 1.", worth_too_much),
        ],
        brand="aurora",
        breakage_bps=1_000,
    )
    told.view(
        "token_expiring",
        "Whose points expire within 400 days.",
        [NO_PROGRAM, no("INVALID_ARGS", "`to` is before `from`.", to=NOON - 1)],
        program="stars",
        from_=NOON,
        to=LATE + DAY,
        limit=2,
    )
    told.view(
        "token_deferral",
        "A sale of 2,000.00 euros with 2,000 points at 10 cents, of which 85 % are expected back; 1,000 were.",
        sale=200_000,
        points=2_000,
        unit_price=10,
        expected_bps=8_500,
        redeemed=1_000,
    )
