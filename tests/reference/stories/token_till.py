"""The story of token, at the till: redemptions, refunds, and holds."""

from __future__ import annotations

from typing import Any

from contracts_py.token.deeds import HOLD_ENDS
from tests.reference.stories.moving import on_its_way
from tests.reference.stories.token_chain import (
    ANN,
    BOB,
    CAT,
    GONE,
    HOLDER,
    HOUR,
    LATE,
    MEMBER,
    NO_PROGRAM,
    NOON,
    NOT_THE_HOLDER,
    TILL,
    TOO_MANY_LOTS,
    UNBACKED,
    frozen,
    full_counter,
    scattered,
)
from tests.reference.story import Story, no, sent, waited
from vm.primitives.address import address_of_pool


def till(told: Story) -> None:
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
            on_its_way("stars", ANN),
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
    large = {"program": "stars", "from": ANN, "amount": 1_600, "at_brand": "aurora", "ref": "large"}
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
                "LIMIT_EXCEEDED",
                "The amount lies in too many lots.",
                scattered(ANN),
                sent("ann+aurora-cashier", "token.redeem", **large, item="Car"),
                by="aurora-cashier",
                at_brand="aurora",
                redemption_ref="large",
                amount=1_600,
            ),
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


def holds(told: Story) -> None:
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
            on_its_way("stars", ANN),
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
