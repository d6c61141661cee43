"""A contract that books what a test says, since clearing itself has no call that does; and chains with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contracts_py.clearing import Clearing
from contracts_py.money import Currency, Price
from contracts_py.registry import contracts
from tests.contract_harness import Chain, Op, account_of, brand_ops
from vm.contract_api import Amount, Context, Contract, Count, Ref, Refused, Slug, call
from vm.params import Params
from vm.runtime import Runtime

EUR: dict[str, Any] = {"currency": "EUR", "num": 1, "den": 1}


class Till(Contract):
    """Calls of `Clearing` as calls of a contract."""

    name = "till"

    def __init__(self) -> None:
        self._clearing = Clearing()

    @call
    def book(
        self,
        ctx: Context,
        debtor: Slug,
        creditor: Slug,
        price: Price,
        units: Count,
        ref: Ref = "r",
        program: Slug = "stars",
        version: Count = 1,
    ) -> int:
        """Book units."""
        return self._clearing.book(ctx, debtor, creditor, program, version, price, units, "redemption", ref)

    @call
    def book_then_fail(self, ctx: Context, debtor: Slug, creditor: Slug, price: Price, units: Count) -> None:
        """Book units, then refuse."""
        self._clearing.book(ctx, debtor, creditor, "stars", 1, price, units, "redemption", "r")
        raise Refused("NOT_ELIGIBLE", "not today")

    @call
    def hold(self, ctx: Context, debtor: Slug, creditor: Slug, price: Price, units: Count) -> int:
        """Reserve credit for units; return how much."""
        self._clearing.reserve(ctx, debtor, creditor, price.currency, price.at_most(units))
        return price.at_most(units)

    @call
    def release(self, ctx: Context, debtor: Slug, creditor: Slug, currency: Currency, amount: Count) -> None:
        """Let go of reserved credit."""
        self._clearing.release(ctx, debtor, creditor, currency, amount)

    @call
    def capture(
        self,
        ctx: Context,
        debtor: Slug,
        creditor: Slug,
        price: Price,
        units: Count,
        reserved: Count,
        version: Count = 1,
    ) -> int:
        """Book units of a hold."""
        return self._clearing.book_reserved(
            ctx, debtor, creditor, "stars", version, price, units, "redemption", "r", reserved
        )

    @call
    def refund(self, ctx: Context, debtor: Slug, creditor: Slug, currency: Currency, amount: Amount) -> None:
        """Take back what `debtor` owes."""
        self._clearing.counter(ctx, debtor, creditor, currency, amount, "refund", "r")


def limit_op(debtor: str, creditor: str, amount: int, currency: str = "EUR") -> Op:
    """Return the operation that sets a credit limit."""
    args = {"creditor": creditor, "debtor": debtor, "currency": currency, "amount": amount}
    return "clearing.set_credit_limit", args


def clearing_chain(
    brands: Sequence[str] = ("aurora", "basil", "comet"),
    params: Params | None = None,
    limit: int = 1_000_000,
    ops: Sequence[Op] = (),
) -> Chain:
    """Return a chain of brands, each with a person `<brand>-treasurer`; all give each other credit, EUR and USD."""
    listed, authority = contracts()
    genesis: list[Op] = []
    for brand in brands:
        account = account_of(f"{brand}-treasurer")
        role = ("identity.grant_role", {"brand": brand, "role": "treasurer", "account": account})
        genesis += [*brand_ops(brand)[:1], role]
    if limit:
        pairs = [(a, b) for a in brands for b in brands if a != b]
        genesis += [limit_op(*pair, limit, currency) for currency in ("EUR", "USD") for pair in pairs]
    return Chain([*genesis, *ops], params, runtime=Runtime([*listed, Till()], authority))


def book(chain: Chain, debtor: str, creditor: str, units: int, **more: Any) -> int:
    """Book units at a price of 1 cent each, unless `price` says otherwise."""
    args: dict[str, Any] = {"debtor": debtor, "creditor": creditor, "price": EUR, "units": units, **more}
    booked: int = chain.send("ann", "till.book", **args)
    return booked


def owed(chain: Chain, brand: str, currency: str = "EUR") -> int:
    """Return a brand's position."""
    position: int = chain.view("clearing_position", brand=brand, currency=currency)["position"]
    return position


def credit(chain: Chain, debtor: str, creditor: str, currency: str = "EUR") -> dict[str, Any]:
    """Return a debtor's credit."""
    found: dict[str, Any] = chain.view("clearing_credit", creditor=creditor, debtor=debtor, currency=currency)
    return found


def exposure(chain: Chain, debtor: str, creditor: str) -> int:
    """Return a debtor's exposure."""
    found: int = credit(chain, debtor, creditor)["exposure"]
    return found


def payments(chain: Chain, period: str, **more: Any) -> list[tuple[str, str, int]]:
    """Return the payments of a period as (payer, payee, amount)."""
    items = chain.view("clearing_payments", period=period, limit=1_000, **more)["items"]
    return [(item["payer"], item["payee"], item["amount"]) for item in items]


def confirm(chain: Chain, period: str, payer: str, payee: str, amount: int, **more: Any) -> Any:
    """Confirm a payment as the payee's treasurer."""
    args = {"period": period, "payer": payer, "payee": payee, "amount": amount, "bank_ref": "b-1", **more}
    return chain.send(f"{payee}-treasurer", "clearing.confirm", **args)


def status(chain: Chain, period: str, currency: str = "EUR") -> str:
    """Return a period's status."""
    shown = {item["period"]: item["status"] for item in chain.view("clearing_periods", currency=currency)["items"]}
    return shown[period]


def lines(chain: Chain, brand: str, period: str, **more: Any) -> list[dict[str, Any]]:
    """Return the lines of a brand's statement."""
    args = {"brand": brand, "currency": "EUR", "period": period, "limit": 1_000, **more}
    items: list[dict[str, Any]] = chain.view("clearing_statement", **args)["items"]
    return items
