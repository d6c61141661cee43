"""The story of token: what is given back, corrected, and frozen."""

from __future__ import annotations

from typing import Any

from tests.reference.stories.token_chain import (
    ANN,
    BOB,
    CAT,
    DAY,
    HOUR,
    ISSUER,
    LATE,
    LEAVES,
    NO_ISSUER,
    NO_PROGRAM,
    NOON,
    SUSPENDED,
    TOO_LATE_A_DATE,
    TOO_MANY_LOTS,
    UNBACKED,
    capped,
    changed,
    full_counter,
    issued,
    scattered,
)
from tests.reference.story import Story, leaving, no, sent, suspended, waited


def corrections(told: Story) -> None:
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


def compliance(told: Story) -> None:
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
