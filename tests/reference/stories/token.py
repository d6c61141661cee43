"""The story of token: Aurora's program, its shoppers at the till, and what comes back."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from contracts_py.token.deeds import HOLD_ENDS
from contracts_py.token.programs import MAX_PROGRAMS_OF_BRAND
from contracts_py.token.purse import Purse
from contracts_py.token.records import BRAND_PROGRAMS, MAX_LOTS_OF_SPEND, PROGRAMS, SUPPLIES
from contracts_py.token.supply import Supply
from tests.contract_harness import START, Chain, Op, account_of, credit_ops, program_args
from tests.reference.story import Deed, Story, alliance_ops, leaving, left, no, sent, suspended, waited
from vm.contract_api import Context
from vm.params import Params
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
    _till(told)
    _holds(told)
    _corrections(told)
    _compliance(told)
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
            no("FROZEN", "The account is frozen.", frozen(BOB)),
            no("LIMIT_EXCEEDED", "The amount lies in too many lots.", scattered(BOB), amount=TOO_MANY_LOTS),
        ],
        program="stars",
        amount=10,
    )


def _till(told: Story) -> None:
    till: dict[str, Any] = {"program": "stars", "from": ANN, "amount": 100, "at_brand": "aurora", "ref": "till-1"}
    told.call(
        "token.redeem",
        "ann+aurora-cashier",
        "Ann, who has 490 points, signs at Aurora's till.",
        TILL,
        [
            NO_PROGRAM,
            no("NOT_FOUND", "There is no such brand.", at_brand="moons"),
            no("NOT_AUTHORISED", "No cashier of the brand has signed.", by="ann+aurora-issuer"),
            no("NOT_AUTHORISED", "Neither the holder nor an allowance permits it.", by="aurora-cashier"),
            no(
                "NOT_AUTHORISED",
                "The issuer has not opened redemption at the brand.",
                at_brand="borea",
                by="ann+borea-cashier",
            ),
            no(
                "LIMIT_EXCEEDED",
                "The allowance is smaller.",
                sent("ann", "token.allow", program="stars", spender="aurora", limit=99, expires=LATE),
                by="aurora-cashier",
            ),
            no(
                "LIMIT_EXCEEDED",
                "More than the door's limit of a day.",
                sent("aurora-admin", "token.partner", program="stars", at_brand="borea", member_day=99),
                at_brand="borea",
                by="ann+borea-cashier",
            ),
            no("LIMIT_EXCEEDED", "The amount lies in too many lots.", scattered(ANN), amount=TOO_MANY_LOTS),
            no(
                "DUPLICATE_REF",
                "The reference has been used at the brand.",
                sent("ann+aurora-cashier", "token.redeem", **till),
            ),
            no("INSUFFICIENT_BALANCE", "The account has fewer points.", amount=491),
            no("FROZEN", "The account is frozen.", frozen(ANN)),
            no(
                "CREDIT_LIMIT",
                "The program's brand may owe the other no more.",
                sent("aurora-admin", "token.partner", program="stars", at_brand="borea"),
                sent(
                    "borea-treasurer",
                    "clearing.set_credit_limit",
                    creditor="borea",
                    debtor="aurora",
                    currency="EUR",
                    amount=99,
                ),
                at_brand="borea",
                by="ann+borea-cashier",
            ),
            GONE,
        ],
        **till,
        item="Espresso",
    )
    told.call(
        "token.allow",
        "ann",
        "Ann lets Borea take up to 300 points without her signature.",
        HOLDER,
        [
            NO_PROGRAM,
            no("NOT_FOUND", "There is no such brand.", spender="moons"),
            NOT_THE_HOLDER,
            no("INVALID_ARGS", "Nobody sends this, and no account is named.", by=""),
            no("EXPIRED", "The allowance would have expired already.", expires=NOON),
            no(
                "NOT_ELIGIBLE",
                "The account is a household's pool.",
                by="aurora-cashier",
                from_=address_of_pool(MEMBER, "home"),
            ),
        ],
        program="stars",
        spender="borea",
        limit=300,
        expires=LATE,
    )
    told.call(
        "token.partner",
        "aurora-admin",
        "Aurora lets its points be redeemed at Borea, at most 200 of a member and 5,000 of all on a day.",
        "an `admin` of the program's brand",
        [
            NO_PROGRAM,
            no("NOT_FOUND", "There is no such brand.", at_brand="moons"),
            no("NOT_FOUND", "No door is open there that could be closed.", closed=True),
            no("NOT_AUTHORISED", "No admin of the program's brand has signed.", by="borea-admin"),
            no("NOT_ELIGIBLE", "The brand is the program's own.", at_brand="aurora"),
        ],
        program="stars",
        at_brand="borea",
        member_day=200,
        total_day=5_000,
    )
    told.does("aurora-admin", "token.partner", program="stars", at_brand="borea", closed=True)
    told.does("aurora-admin", "token.partner", program="stars", at_brand="borea", member_day=200, total_day=5_000)
    away = {**till, "at_brand": "borea", "ref": "shop-1", "amount": 70}
    told.does("borea-cashier", "token.redeem", **away)
    told.view(
        "token_redemption",
        "Borea's cashier has redeemed 70 of Ann's points by her allowance.",
        [
            NO_PROGRAM,
            no("NOT_FOUND", "No redemption has this reference there.", ref="shop-9"),
        ],
        program="stars",
        at_brand="borea",
        ref="shop-1",
    )
    told.call(
        "token.refund",
        "borea-cashier",
        "Ann brings half of it back to Borea, who owes Aurora for it again.",
        "a `cashier` of the brand where they were redeemed",
        [
            NO_PROGRAM,
            no("NOT_FOUND", "No redemption has this reference there.", redemption_ref="shop-9"),
            no("NOT_FOUND", "There is no such brand.", at_brand="moons"),
            no("NOT_AUTHORISED", "No cashier of the brand has signed.", by="ann"),
            no(
                "INVALID_ARGS",
                "`at_brand` is left out, and the signers are cashiers of several brands.",
                by="borea-cashier+aurora-cashier",
                at_brand=None,
            ),
            no("LIMIT_EXCEEDED", "More than was redeemed, and not refunded.", amount=71),
            no(
                "DUPLICATE_REF",
                "The reference has been used.",
                sent(
                    "borea-cashier",
                    "token.refund",
                    program="stars",
                    redemption_ref="shop-1",
                    amount=1,
                    ref="return-1",
                ),
            ),
            no("LIMIT_EXCEEDED", "A sum would be beyond 2^53 − 1.", full_counter("refunded")),
            UNBACKED,
        ],
        program="stars",
        at_brand="borea",
        redemption_ref="shop-1",
        amount=35,
        ref="return-1",
    )


def _holds(told: Story) -> None:
    args: dict[str, Any] = {
        "program": "stars",
        "from": ANN,
        "amount": 50,
        "at_brand": "borea",
        "hold": "table-7",
        "expires": NOON + 3 * HOUR,
    }
    told.call(
        "token.hold",
        "borea-cashier",
        "Borea reserves 50 of Ann's points for a dinner, by her allowance.",
        TILL,
        [
            NO_PROGRAM,
            no("NOT_FOUND", "There is no such brand.", at_brand="moons"),
            no("NOT_AUTHORISED", "No cashier of the brand has signed.", by="ann"),
            no("NOT_AUTHORISED", "Neither the holder nor an allowance permits it.", from_=BOB),
            no(
                "NOT_AUTHORISED",
                "The issuer has not opened redemption at the brand.",
                sent("aurora-admin", "token.partner", program="stars", at_brand="borea", closed=True),
            ),
            no("ALREADY_EXISTS", "The hold exists.", sent("borea-cashier", "token.hold", **args)),
            no(
                "ALREADY_EXISTS",
                "A hold of this name has ended.",
                sent("borea-cashier", "token.hold", **args),
                sent("borea-cashier", "token.release", at_brand="borea", hold="table-7"),
            ),
            no("EXPIRED", "It would have ended already.", expires=NOON),
            no("LIMIT_EXCEEDED", "It would last longer than the parameter `max_hold_ms`.", expires=LATE),
            no("LIMIT_EXCEEDED", "More than the door's limit of a day.", amount=131),
            no(
                "LIMIT_EXCEEDED",
                "The allowance is smaller.",
                sent("ann", "token.allow", program="stars", spender="borea", limit=49, expires=LATE),
            ),
            no(
                "LIMIT_EXCEEDED",
                "The amount lies in too many lots.",
                scattered(ANN),
                sent("aurora-admin", "token.partner", program="stars", at_brand="borea"),
                amount=TOO_MANY_LOTS,
                by="ann+borea-cashier",
            ),
            no(
                "INSUFFICIENT_BALANCE",
                "The account has fewer points.",
                sent("aurora-admin", "token.partner", program="stars", at_brand="borea"),
                amount=900,
                by="ann+borea-cashier",
            ),
            no(
                "INSUFFICIENT_BALANCE",
                "The account never had points of the program.",
                from_=CAT,
                by="cat+borea-cashier",
            ),
            no("FROZEN", "The account is frozen.", frozen(ANN)),
            no(
                "CREDIT_LIMIT",
                "The program's brand may owe the other no more.",
                sent(
                    "borea-treasurer",
                    "clearing.set_credit_limit",
                    creditor="borea",
                    debtor="aurora",
                    currency="EUR",
                    amount=50,
                ),
            ),
            GONE,
        ],
        **args,
    )
    told.view("token_set_asides", "The hold has set Ann's points aside; nothing else has.", account=ANN)
    capture: dict[str, Any] = {"at_brand": "borea", "hold": "table-7", "amount": 42, "ref": "bill-7"}
    told.call(
        "token.capture",
        "borea-cashier",
        "The dinner was 42 points; the other 8 go back.",
        "a `cashier` of `at_brand`",
        [
            no("NOT_FOUND", "There is no such hold.", hold="table-9"),
            no("NOT_AUTHORISED", "No cashier of the brand has signed.", by="ann"),
            no("LIMIT_EXCEEDED", "More than is held.", amount=51),
            no("DUPLICATE_REF", "The reference has been used at the brand.", ref="shop-1"),
            no("EXPIRED", "The hold's time is over, and its points have gone back.", waited(4 * HOUR)),
            no(
                "EXPIRED",
                "The hold's time is over, and its points are about to go back.",
                lambda chain: chain.until(NOON + 4 * HOUR, postponing=HOLD_ENDS),
            ),
            no(
                "NOT_ELIGIBLE",
                "The hold was captured or released.",
                sent("borea-cashier", "token.capture", **capture),
            ),
            no("FROZEN", "The account is frozen.", frozen(ANN)),
            no("LIMIT_EXCEEDED", "A sum would be beyond 2^53 − 1.", full_counter("redeemed")),
        ],
        **capture,
    )
    told.does("borea-cashier", "token.hold", **{**args, "hold": "table-8"})
    told.call(
        "token.release",
        "borea-cashier",
        "Another table is not taken.",
        "a `cashier` of `at_brand`",
        [
            no("NOT_FOUND", "There is no such hold.", hold="table-9"),
            no("NOT_AUTHORISED", "No cashier of the brand has signed.", by="ann"),
            no("EXPIRED", "The hold has ended by itself.", waited(4 * HOUR)),
            no("NOT_ELIGIBLE", "The hold was captured or released.", hold="table-7"),
        ],
        at_brand="borea",
        hold="table-8",
    )
    told.view(
        "token_hold",
        "Of the first table's hold.",
        [no("NOT_FOUND", "There is no such hold.", hold="table-9")],
        at_brand="borea",
        hold="table-7",
    )


def _corrections(told: Story) -> None:
    told.does("aurora-issuer", "token.issue", program="stars", to=CAT, amount=30, ref="order-2", expires=NOON + DAY)
    told.does("cat", "token.burn", program="stars", amount=20)
    told.call(
        "token.reverse",
        "aurora-issuer",
        "Cat was given 30 points for order-2, has spent 20, and returns the order.",
        ISSUER,
        [
            NO_PROGRAM,
            NO_ISSUER,
            no("NOT_FOUND", "No issue has this reference.", ref="order-9"),
            no("LIMIT_EXCEEDED", "More than the reference has issued, and was not reversed.", amount=31),
            no(
                "LIMIT_EXCEEDED",
                "What is to be taken lies in too many other lots.",
                issued(CAT, 5_000, ref="order-3"),
                sent("cat", "token.burn", program="stars", amount=5_000),
                scattered(CAT),
                ref="order-3",
                amount=5_000,
            ),
            no("LIMIT_EXCEEDED", "A sum would be beyond 2^53 − 1.", full_counter("reversed")),
        ],
        program="stars",
        ref="order-2",
        amount=30,
    )
    told.view(
        "token_ref",
        "Of the order that was returned.",
        [NO_PROGRAM, no("NOT_FOUND", "No issue has this reference.", ref="order-9")],
        program="stars",
        ref="order-2",
    )
    adjust: dict[str, Any] = {"program": "stars", "account": CAT, "amount": 25, "reason": "late", "ref": "case-1"}
    told.call(
        "token.adjust",
        "aurora-issuer",
        "Cat, who owes 20 points, gets 25 out of goodwill.",
        f"{ISSUER}; above the program's `adjust_limit` a second one or a treasurer too",
        [
            NO_PROGRAM,
            NO_ISSUER,
            no("NOT_AUTHORISED", "The amount needs a second signature.", amount=101),
            no("INVALID_ARGS", "The amount is 0.", amount=0),
            no("DUPLICATE_REF", "The reference has been used.", sent("aurora-issuer", "token.adjust", **adjust)),
            no("INSUFFICIENT_BALANCE", "A negative amount is more than the account has.", amount=-1),
            no(
                "LIMIT_EXCEEDED",
                "A negative amount lies in too many lots.",
                scattered(BOB),
                by="aurora-issuer+aurora-treasurer",
                account=BOB,
                amount=-TOO_MANY_LOTS,
            ),
            no("CAP_EXCEEDED", "The program's cap would be passed.", changed(cap=1)),
            no("LIMIT_EXCEEDED", "The brand's liability cap would be passed.", capped(1)),
            no("LIMIT_EXCEEDED", "A sum would be beyond 2^53 − 1.", full_counter("adjusted_up")),
            UNBACKED,
            no("SUSPENDED", "Points are given, and the brand is suspended.", suspended("aurora")),
            no("SUSPENDED", "Points are given, and the brand leaves the alliance.", leaving("aurora", "borea")),
        ],
        **adjust,
    )
    told.does("aurora-issuer", "token.issue", program="stars", to=BOB, amount=15, expires=NOON + 2 * DAY)
    lot = str((NOON // DAY + 3) * DAY)
    told.call(
        "token.extend",
        "aurora-issuer",
        "Bob has 15 points whose day is near.",
        ISSUER,
        [
            NO_PROGRAM,
            NO_ISSUER,
            no("NOT_FOUND", "The account has no live lot of this name.", account=CAT),
            no("INVALID_ARGS", "`lot` is no lot's name.", lot="soon"),
            no("INVALID_ARGS", "The date is not later than the lot's.", expires=NOON + HOUR),
            no("EXPIRED", "The date is over.", expires=NOON),
            TOO_LATE_A_DATE,
            SUSPENDED,
            LEAVES,
        ],
        program="stars",
        account=BOB,
        lot=lot,
        expires=NOON + 5 * DAY,
    )
    gone = str((NOON // DAY + 6) * DAY)
    told.then("Six days pass.", waited(6 * DAY))
    told.call(
        "token.reinstate",
        "aurora-issuer",
        "Bob was ill; his points have expired.",
        ISSUER,
        [
            NO_PROGRAM,
            NO_ISSUER,
            no("NOT_FOUND", "Nothing of such a lot has expired.", account=ANN),
            no("NOT_ELIGIBLE", "The lot has not expired.", lot=str((NOON // DAY + 99) * DAY)),
            no("EXPIRED", "The lot has expired more than 90 days ago.", lot="86400000"),
            no("EXPIRED", "The new date is over.", expires=NOON),
            no("INVALID_ARGS", "`lot` is no lot's name.", lot="soon"),
            no("CAP_EXCEEDED", "The program's cap would be passed.", changed(cap=1)),
            TOO_LATE_A_DATE,
            SUSPENDED,
            UNBACKED,
            LEAVES,
        ],
        program="stars",
        account=BOB,
        lot=gone,
        expires=LATE,
    )


def _compliance(told: Story) -> None:
    refused = [
        NO_PROGRAM,
        no("NOT_FOUND", "There is no such brand.", program=None, brand="moons"),
        no("NOT_AUTHORISED", "Nobody of the brand's compliance has signed.", by="aurora-issuer"),
        no(
            "NOT_AUTHORISED",
            "Neither program nor brand is named, and no signer is of any compliance.",
            by="ann",
            program=None,
        ),
        no("INVALID_ARGS", "The brand is not the program's.", brand="borea"),
        no(
            "INVALID_ARGS",
            "Neither is named, and the signers are of several brands' compliance.",
            by="aurora-compliance+borea-compliance",
            program=None,
        ),
    ]
    for name, says in (
        ("token.freeze", "Aurora suspects fraud."),
        ("token.unfreeze", "Aurora has found none."),
    ):
        who = "`compliance` of the program's brand, or of `brand`"
        told.call(name, "aurora-compliance", says, who, refused, account=BOB, program="stars")


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
        [no("NOT_FOUND", "There is no such brand.", brand="moons")],
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
