"""The story of clearing: three brands owe each other something, net it, pay, and quarrel about a line."""

from __future__ import annotations

from typing import Any, Final

from contracts_py.clearing.records import CREDITS, MAX_BOOKED, PAIRS, RESERVES, Credit, Pair
from contracts_py.registry import contracts
from tests.contract_harness import Op, credit_ops
from tests.reference.story import Deed, Story, alliance_ops, no, sent, waited, wrote
from tests.support.clearing import Till
from vm.params import Params
from vm.primitives.units import MS_PER_DAY
from vm.runtime import Runtime

MONTH: Final = "2023-11"
NEXT: Final = "2023-12"
LINE: Final = {"currency": "EUR", "period": MONTH, "debtor": "borea", "creditor": "aurora", "line": 0}
REFUND: Final = {**LINE, "debtor": "aurora", "creditor": "borea", "line": 1}
PAID: Final = {"period": MONTH, "payer": "borea", "payee": "aurora"}

A_TREASURER: Final = "a `treasurer` of a brand in the period"
NO_TREASURER: Final = no("NOT_AUTHORISED", "No treasurer of a brand in the period has signed.", by="aurora-admin")
NO_PERIOD: Final = no("NOT_FOUND", "Nothing was booked in this period.", period="2023-01")


def owed(debtor: str, creditor: str, amount: int, currency: str = "EUR") -> Op:
    """Return an operation of the tests' till, by which a brand owes another so much."""
    price = {"currency": currency, "num": 1, "den": 1}
    return "till.book", {"debtor": debtor, "creditor": creditor, "price": price, "units": amount}


def booked(debtor: str, creditor: str, amount: int, currency: str = "EUR") -> Deed:
    """Return a deed: a brand owes another so much, as after a redemption."""
    call, args = owed(debtor, creditor, amount, currency)
    return sent("ann", call, **args)


def closed(currency: str = "EUR", period: str = MONTH) -> Deed:
    """Return a deed: a treasurer closes a period."""
    return sent("aurora-treasurer", "clearing.close", currency=currency, period=period)


def story() -> Story:
    """Tell it."""
    listed, authority = contracts()
    ops: list[Op] = [
        *alliance_ops("aurora", "borea", "cielo"),
        *credit_ops("aurora", "borea", "cielo"),
        *credit_ops("aurora", "borea", "cielo", currency="USD"),
        owed("borea", "aurora", 900),
        owed("aurora", "borea", 300),
        owed("cielo", "borea", 250),
    ]
    intro = (
        "The brands Aurora, Borea and Cielo, each with one person for each role, and credit of each with each. By "
        "redemptions of this month, which no call of clearing itself books, Borea owes Aurora 9.00 euros, Aurora "
        "owes Borea 3.00, and Cielo owes Borea 2.50."
    )
    params = Params(due_ms=10 * MS_PER_DAY)
    told = Story("clearing", intro, ops, params, runtime=Runtime([*listed, Till()], authority))
    _credit(told)
    _disputes(told)
    _settlement(told)
    return told


def _credit(told: Story) -> None:
    told.call(
        "clearing.set_credit_limit",
        "aurora-treasurer",
        "Borea may owe Aurora up to 2,000.00 euros.",
        "a `treasurer` of `creditor`",
        [
            no("NOT_FOUND", "There is no such creditor.", creditor="moons"),
            no("NOT_FOUND", "There is no such debtor.", debtor="moons"),
            no("NOT_AUTHORISED", "No treasurer of the creditor has signed.", by="borea-treasurer"),
            no("INVALID_ARGS", "Both are one brand.", debtor="aurora"),
        ],
        creditor="aurora",
        debtor="borea",
        currency="EUR",
        amount=200_000,
    )
    told.view("clearing_credit", "How much of that is used.", creditor="aurora", debtor="borea", currency="EUR")


def _disputes(told: Story) -> None:
    asked: dict[str, Any] = {"brand": "aurora", "currency": "EUR", "period": MONTH}
    following = told.chain.view("clearing_statement", **asked, limit=1)["next"]
    told.view(
        "clearing_statement",
        "What Aurora is owed, and owes, this month.",
        [
            NO_PERIOD,
            no("NOT_FOUND", "There is no such brand.", brand="moons"),
            no("NOT_FOUND", "There is no such other brand.", other="moons"),
            no("INVALID_ARGS", "The cursor is of another brand's statement.", brand="cielo", cursor=following),
        ],
        **asked,
    )
    told.call(
        "clearing.dispute",
        "borea-treasurer",
        "Borea says that its first line is wrong.",
        "a `treasurer` of the line's debtor or creditor",
        [
            no("NOT_FOUND", "There is no such line.", line=7),
            no("NOT_FOUND", "There is no such period.", period="2023-01"),
            no("NOT_AUTHORISED", "No treasurer of the line's two brands has signed.", by="cielo-treasurer"),
            no("NOT_AUTHORISED", "`brand` is none of the line's two.", brand="cielo"),
            no(
                "INVALID_ARGS",
                "`brand` is left out, and treasurers of both have signed.",
                by="aurora-treasurer+borea-treasurer",
            ),
            no(
                "ALREADY_EXISTS",
                "The line's dispute is open, or resolved.",
                sent("borea-treasurer", "clearing.dispute", **LINE),
            ),
        ],
        **LINE,
        reason="ten points, not a thousand",
    )
    told.view(
        "clearing_dispute",
        "It is open.",
        [
            no("NOT_FOUND", "There is no such line.", line=7),
            no("NOT_FOUND", "The line was never disputed.", debtor="aurora", creditor="borea"),
        ],
        **LINE,
    )
    told.call(
        "clearing.resolve",
        "aurora-treasurer",
        "Aurora concedes 8.00 euros, by a counter-entry.",
        "a `treasurer` of the creditor; to withdraw it, of the brand that raised it",
        [
            no("NOT_FOUND", "There is no such line.", line=7),
            no(
                "NOT_FOUND", "The line was never disputed.", debtor="aurora", creditor="borea", by="borea-treasurer"
            ),
            no("NOT_AUTHORISED", "No treasurer of the creditor has signed.", by="borea-treasurer"),
            no("NOT_AUTHORISED", "It is withdrawn, and by the other brand.", amount=0),
            no("LIMIT_EXCEEDED", "More than is left of the line.", amount=901),
            no(
                "NOT_ELIGIBLE",
                "The dispute is resolved or withdrawn.",
                sent("borea-treasurer", "clearing.resolve", **LINE, amount=0),
            ),
            no(
                "LIMIT_EXCEEDED",
                "The creditor would owe the debtor more than 2^45 in this period.",
                wrote(PAIRS, Pair(1, MAX_BOOKED, 0), "EUR", MONTH, "aurora", "borea"),
            ),
            no(
                "CREDIT_LIMIT",
                "The line is a refund's, which had freed credit that the creditor needs again.",
                sent("ann", "till.refund", debtor="borea", creditor="aurora", currency="EUR", amount=900),
                sent("borea-treasurer", "clearing.dispute", **REFUND),
                wrote(CREDITS, Credit(0, 0), "EUR", "borea", "aurora"),
                by="borea-treasurer",
                **REFUND,
            ),
            no(
                "NOT_ELIGIBLE",
                "What the creditor is owed backs a program of its own.",
                wrote(RESERVES, 0, "EUR", "aurora"),
            ),
        ],
        **LINE,
        amount=800,
    )


def _settlement(told: Story) -> None:
    told.view(
        "clearing_position",
        "What Borea is owed less what it owes.",
        [no("NOT_FOUND", "There is no such brand.", brand="moons")],
        brand="borea",
        currency="EUR",
    )
    december = booked("borea", "aurora", 5)
    evened = [
        *_credit_in_pounds("borea", "aurora"),
        booked("borea", "aurora", 7, "GBP"),
        booked("aurora", "borea", 7, "GBP"),
        closed("GBP"),
    ]
    told.call(
        "clearing.close",
        "aurora-treasurer",
        "The month is netted before its end; it would close by itself.",
        A_TREASURER,
        [
            NO_PERIOD,
            NO_TREASURER,
            no("INVALID_ARGS", "The period is no month.", period="2023-13"),
            no("INVALID_ARGS", "The currency is no code of three capitals.", currency="eur"),
            no("NOT_ELIGIBLE", "It is closed, or further.", closed()),
            no("NOT_ELIGIBLE", "It was closed and discharged, as nothing was to be paid.", *evened, currency="GBP"),
            no("NOT_ELIGIBLE", "Its month has not begun.", closed(), december, period=NEXT),
        ],
        currency="EUR",
        period=MONTH,
    )
    told.view("clearing_payments", "Who pays whom.", period=MONTH)
    told.does("ann", "till.book", **owed("cielo", "aurora", 40, "USD")[1])
    told.does("aurora-treasurer", "clearing.close", currency="USD", period=MONTH)
    told.then("Aurora and Borea wait for the euros; the dollars are another matter.")
    payments = told.chain.view("clearing_payments", period=MONTH, currency="EUR")["items"]
    first = payments[0]
    paid: dict[str, Any] = {
        "period": MONTH,
        "payer": first["payer"],
        "payee": first["payee"],
        "amount": first["amount"],
    }
    confirm = sent(f"{first['payee']}-treasurer", "clearing.confirm", **paid, bank_ref="sepa-2")
    all_confirmed = [
        sent(
            f"{one['payee']}-treasurer",
            "clearing.confirm",
            period=MONTH,
            payer=one["payer"],
            payee=one["payee"],
            amount=one["amount"],
            bank_ref="sepa-3",
            currency="EUR",
        )
        for one in payments
    ]
    pounds = _pounds_too(first["payer"], first["payee"])
    told.call(
        "clearing.confirm",
        f"{first['payee']}-treasurer",
        "The payment stands on the payee's bank account.",
        "a `treasurer` of `payee`",
        [
            NO_PERIOD,
            no("NOT_FOUND", "There is no such payment.", payer=first["payee"], payee=first["payer"]),
            no("NOT_FOUND", "There is no such payment in the currency.", currency="GBP"),
            no("NOT_AUTHORISED", "No treasurer of the payee has signed.", by=f"{first['payer']}-treasurer"),
            no("CHANGED", "Another amount is to be paid.", amount=first["amount"] + 1),
            no("ALREADY_EXISTS", "The payment is confirmed.", confirm),
            no("ALREADY_EXISTS", "All payments are confirmed, and the period is discharged.", *all_confirmed),
            no(
                "NOT_ELIGIBLE",
                "The period is no longer closed: it was unwound.",
                waited(11 * MS_PER_DAY),
                sent("aurora-treasurer", "clearing.unwind", period=MONTH, currency="EUR"),
            ),
            no("INVALID_ARGS", "`currency` is left out, and several have such a payment.", *pounds),
        ],
        **paid,
        bank_ref="sepa-1",
    )
    told.then("The payments are due, and one is still missing.", waited(11 * MS_PER_DAY))
    told.call(
        "clearing.unwind",
        "borea-treasurer",
        "A payment stayed away: the debts stand in the open period again, and what was paid in reverse.",
        A_TREASURER,
        [
            no("NOT_FOUND", "Nothing of the period is closed and unpaid.", period="2023-01", currency=None),
            no("NOT_FOUND", "Nothing was booked in this period.", period="2023-01"),
            NO_TREASURER,
            no(
                "NOT_ELIGIBLE",
                "It is open, or was unwound.",
                sent("borea-treasurer", "clearing.unwind", period=MONTH, currency="EUR"),
            ),
            no("NOT_ELIGIBLE", "The payments are not overdue.", *pounds, currency="GBP"),
            no("INVALID_ARGS", "`currency` is left out, and several are unpaid.", currency=None),
        ],
        period=MONTH,
        currency="EUR",
    )
    told.view("clearing_currencies", "In which currencies something was booked.", period=MONTH)
    told.view("clearing_periods", "In which months something was booked in euros.", currency="EUR")


def _pounds_too(payer: str, payee: str) -> tuple[Deed, ...]:
    """Return deeds: the payer has to pay the payee in a further currency, too."""
    return *_credit_in_pounds(payer, payee), booked(payer, payee, 30, "GBP"), closed("GBP")


def _credit_in_pounds(first: str, second: str) -> tuple[Deed, ...]:
    """Return deeds: two brands give each other credit in pounds."""
    return tuple(
        sent(
            f"{creditor}-treasurer",
            "clearing.set_credit_limit",
            creditor=creditor,
            debtor=debtor,
            currency="GBP",
            amount=10_000,
        )
        for creditor, debtor in ((first, second), (second, first))
    )
