"""What the contracts say against what the naive ledger says: views, and what is stored."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.contract_harness import Chain
from tests.properties.ledger_model import CUSTODIAL, NEVER, POOL, Model, ends, name_of, shown
from tests.properties.ledger_model_clearing import exposure, is_live, lines, owed_in, position, shown_period
from tests.properties.ledger_model_persons import group_of, spenders_of
from tests.properties.ledger_model_swap import shown_treaty
from vm.primitives.codec import decode

CURRENCIES = ("EUR", "CHF")
OF_POINTS = ("lots", "held", "pending", "debt")
OF_CLEARING = ("lines", "taken back", "books", "reserved", "credit limit")


class Mismatch(AssertionError):
    """The contracts and the model differ; `args` are the words, and of what the log is to tell."""


def require(holds: bool, words: str, about: str = "") -> None:
    """Raise a Mismatch unless something holds."""
    if not holds:
        raise Mismatch(words, about)


class Comparison:
    """Compares what calls have touched after each block, and everything now and then."""

    def __init__(self, model: Model, chain: Chain, random: Random) -> None:
        self._model, self._chain, self._random = model, chain, random

    def after_block(self, touched: set[tuple[Any, ...]]) -> None:
        """Compare what was touched, and some of the rest."""
        model, rand = self._model, self._random
        if rand.random() < 0.02:
            self.everything()
            return
        accounts = {key[1:3] for key in touched if key[0] in OF_POINTS}
        accounts |= {(rand.choice(model.programs), rand.choice(model.accounts())) for _ in range(4)}
        for program, account in sorted(accounts):
            self._account(program, account)
        for program in model.programs:
            self._supply(program)
        for key in sorted(touched, key=str):
            self._record(key)
        if any(key[0] in OF_CLEARING for key in touched):
            self._owed()
        model.check()

    def everything(self) -> None:
        """Compare every account, counter and record, and what is stored."""
        for program in self._model.programs:
            for account in self._model.accounts():
                self._account(program, account)
            self._supply(program)
            self._rules(program)
        for key in list(self._model.cells):
            self._record(key)
        self._owed()
        for key, _ in self._model.all("lines"):
            self._lines(*key[1:])
        self._model.check()
        for key, data in self._chain.state.values.items():
            if key.startswith(("token/balance/", "token/expiring/", "token/door-use/")):
                value = decode(data)
                amount = value["used"] if isinstance(value, dict) else value
                require(amount >= (0 if isinstance(value, dict) else 1), f"{key} is {value}")

    def _account(self, program: str, account: str) -> None:
        model = self._model
        found = self._chain.view("token_balance", program=program, account=account)
        lots = sorted(model.lots(program, account).items())
        expected = {
            "available": model.available(program, account),
            "held": model.held(program, account),
            "pending": model.pending(program, account),
            "debt": model.debt(program, account),
            "frozen": model.is_frozen(program, account) and bool(model.get("known", program, account)),
            "lots": [
                {"lot": name_of(date), "amount": amount, "expires": None if date == NEVER else ends(date)}
                for date, amount in lots
            ],
        }
        require(expected.items() <= found.items(), f"{program} {account}: {found}, not {expected}", account)

    def _supply(self, program: str) -> None:
        model, found = self._model, self._chain.view("token_supply", program=program)
        expected = {name: model.total(program, name) for name in ("held", "pending", "debt")}
        expected["outstanding"] = model.outstanding(program)
        expected["available"] = expected["outstanding"] - expected["held"] - expected["pending"]
        for name in found:
            wanted = expected[name] if name in expected else model.counter(program, name)
            require(found[name] == wanted, f"{program}: {name} is {found[name]}, not {wanted}", program)

    def _rules(self, program: str) -> None:
        rules, found = self._model.rules(program), self._chain.view("token_program", program=program)
        waiting = found.pop("announced", None)
        for name, value in rules.items():
            if name not in ("announced", "price_version"):
                require(
                    found.get(name) in (value, value or None),
                    f"{program}: {name} is {found.get(name)}, not {value}",
                    program,
                )
        expected = None if rules["announced"] is None else {"from": rules["announced"][0], **rules["announced"][1]}
        require(waiting == expected, f"{program}: announced is {waiting}, not {expected}", program)

    def _record(self, key: tuple[Any, ...]) -> None:
        model, chain, value = self._model, self._chain, self._model.cells.get(key)
        found: Any
        if key[0] == "hold":
            found = chain.view("token_hold", at_brand=key[1], hold=key[2])
            late = value["status"] == "open" and value["expires"] <= model.time
            expected = {name: value[name] for name in ("program", "account", "amount", "captured")}
            expected["status"] = "expired" if late else value["status"]
        elif key[0] == "issue":
            found = chain.view("token_ref", program=key[1], ref=key[2])
            expected = {name: value[name] for name in ("account", "issued", "reversed")}
            expected["lot"] = name_of(value["date"])
        elif key[0] == "redemption":
            found = chain.view("token_redemption", program=key[1], at_brand=key[2], ref=key[3])
            expected = {"lots": shown(value["parts"]), "refunded": value["refunded"]}
            found["booked"] = None if found.get("booked") is None else found["booked"]["amount"]
            expected["booked"] = value["booked"]
            back = chain.state.values.get(f"token/refunded/{key[1]}/{key[2]}/{key[3]}")
            found["back"], expected["back"] = decode(back)["booked"] if back else 0, value["back"]
        elif key[0] == "dispute":
            names = ("currency", "period", "debtor", "creditor", "line")
            found = chain.view("clearing_dispute", **dict(zip(names, key[1:], strict=True)))
            expected = dict(value)
        elif key[0] == "allowance" and value and value["expires"] > model.time:
            found = chain.view("token_allowance", program=key[1], account=key[2], spender=key[3])
            expected = {name: value[name] for name in ("remaining", "expires", "limit")}
        elif key[0] == "treaty":
            found, expected = chain.view("swap_treaty", treaty=key[1]), shown_treaty(model, key[1])
            found["suspended_by"] = found.get("suspended_by", [])
        elif key[0] == "pool" and value:
            found = chain.view("identity_pool", pool=key[1])
            expected = {"members": value["members"], "spenders": spenders_of(value), "contribute_bps": value["bps"]}
        elif key[0] == "holder" and value != POOL:
            found = {"group": chain.view("identity_links", account=key[1])["group"]}
            expected = {"group": sorted(group_of(model, key[1]))}
            found["into"] = chain.view("identity_account", account=key[1]).get("merged_into")
            merger = model.get("merged", key[1])
            expected["into"] = merger["into"] if merger else None
            if model.get("member", key[1]):
                member = chain.view("identity_member", member=key[1])
                found["custodial"], expected["custodial"] = member["custodial"], value == CUSTODIAL
        elif key[0] == "books":
            period = {"period": key[2], "currency": key[1]}
            pages = chain.view("clearing_periods", currency=key[1], limit=100)["items"]
            found = next(page for page in pages if page["period"] == key[2])
            expected = shown_period(model, key[1], key[2])
            payments = chain.view("clearing_payments", **period)["items"]
            found["made"] = [
                [one["payer"], one["payee"], one["amount"], one.get("receipt", {}).get("bank_ref")]
                for one in payments
            ]
            expected["made"] = [[*parties, *payment] for parties, payment in sorted(value["payments"].items())]
        else:
            return
        require(expected.items() <= found.items(), f"{key}: {found}, not {expected}", str(key[-1]))

    def _owed(self) -> None:
        """Compare positions, which sum to zero, credit and its use, of all brands."""
        model, brands = self._model, list(self._model.world.brands)
        for currency in CURRENCIES:
            live = [key[2] for key, books in model.all("books") if key[1] == currency and is_live(books)]
            total = 0
            for brand in brands:
                found = self._chain.view("clearing_position", brand=brand, currency=currency)
                expected = {period: position(model, currency, period, brand) for period in live}
                periods = {one["period"]: one["position"] for one in found["periods"]}
                require(
                    periods == expected, f"{brand} {currency}: the positions are {periods}, not {expected}", brand
                )
                total += found["position"]
            require(total == 0, f"{currency}: the positions sum to {total}")
            for debtor, creditor in ((a, b) for a in brands for b in brands if a != b):
                found = self._chain.view("clearing_credit", creditor=creditor, debtor=debtor, currency=currency)
                expected = {
                    "limit": model.get("credit limit", currency, debtor, creditor, default=0),
                    "exposure": exposure(model, currency, debtor, creditor),
                    "reserved": model.get("reserved", currency, debtor, creditor, default=0),
                }
                require(
                    expected.items() <= found.items(), f"{debtor} at {creditor}: {found}, not {expected}", debtor
                )

    def _lines(self, currency: str, period: str, debtor: str, creditor: str) -> None:
        """Compare all lines of a pair, as the statement of the debtor shows them."""
        place = {"brand": debtor, "other": creditor, "currency": currency, "period": period}
        page = self._chain.view("clearing_statement", **place, limit=100)
        owed = owed_in(self._model, currency, period, debtor, creditor)
        require(page["owes"] == owed, f"{place}: {page['owes']} are owed, not {owed}")
        items = page["items"]
        while page.get("next"):
            page = self._chain.view("clearing_statement", **place, limit=100, cursor=page["next"])
            items += page["items"]
        found = [
            (one["amount"], (one["cause"]["kind"], one["cause"]["ref"])) for one in items if one["debtor"] == debtor
        ]
        expected = [(amount, cause) for amount, cause, _ in lines(self._model, currency, period, debtor, creditor)]
        require(found == expected, f"{place}: the lines are {found}, not {expected}")
