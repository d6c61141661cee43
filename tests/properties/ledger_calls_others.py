"""Random calls of swap, clearing and identity."""

from __future__ import annotations

from tests.contract_harness import key_of
from tests.properties.ledger_choices import Args, Choices
from tests.properties.ledger_model import DAY, HOUR
from tests.properties.ledger_model_clearing import lines, month_after, month_of
from tests.properties.ledger_model_persons import UNMERGE_DAYS, group_of, pool_of
from tests.properties.ledger_model_swap import status_of

MOST_ACCOUNTS = 14
"""Accounts, pools included, up to which brands enroll new members; identity lets 16 addresses be linked."""


class SwapCalls(Choices):
    """Arguments for the calls of swap."""

    def _treaties(self) -> list[str]:
        """Return the latest treaties that are not over."""
        names = [key[1] for key, record in self._model.all("treaty") if status_of(self._model, record) != "ended"]
        return names[-30:]

    def _treaty(self, *statuses: str) -> str:
        """Return a treaty, mostly one of a status that makes sense."""
        model, names = self._model, self._treaties()
        fitting = [name for name in names if status_of(model, model.get("treaty", name)) in statuses]
        if fitting and self._chance(0.85):
            return self._random.choice(fitting)
        any_ = [key[1] for key, _ in model.all("treaty")][-40:]
        return self._random.choice(any_) if any_ and self._chance(0.95) else "alpha-unheard-of"

    def _terms(self) -> Args:
        rand, now = self._random, self._model.time
        limits: Args = {"member_day": rand.randint(1, 400), "total_day": rand.randint(1, 900)}
        limits["inventory"] = rand.randint(1, 6_000)
        chosen = {name: limits[name] for name in limits if self._chance(0.25)}
        start = now + rand.choice([-DAY, -DAY, -DAY, 0, DAY])
        args: Args = {"rate": [rand.randint(1, 6), rand.randint(1, 9)], "fee_bps": rand.choice([0, 1, 100, 2_500])}
        return {
            **args,
            "limits": chosen,
            "valid_from": start,
            "valid_to": start + rand.choice([0, 20, 60, 300]) * DAY,
        }

    def _propose(self) -> Args:
        self._serial += 1
        source, target = self._program(), self._program()
        by = self._model.rules(self._random.choice([source, target]))["brand"]
        names = {"treaty": f"{by}-t{self._serial}", "from_program": source, "to_program": target}
        return {**names, **self._terms()}

    def _accept(self) -> Args:
        waiting = [name for name in self._treaties() if self._model.get("treaty", name)["amendment"]]
        if waiting and self._chance(0.4):
            return {"treaty": self._random.choice(waiting)}
        return {"treaty": self._treaty("proposed")}

    def _amend(self) -> Args:
        return {"treaty": self._treaty("proposed", "active"), **self._terms()}

    def _suspend(self) -> Args:
        return {"treaty": self._treaty("active")}

    def _resume(self) -> Args:
        return {"treaty": self._treaty("suspended")}

    def _terminate(self) -> Args:
        return {"treaty": self._treaty("active"), "notice_ms": self._random.choice([0, HOUR, 3 * DAY])}

    def _exchange(self) -> Args:
        name = self._treaty("active")
        return {"treaty": name, **self._swapping(name)}

    def _swapping(self, name: str) -> Args:
        model, record, account = self._model, self._model.get("treaty", name), self._account()
        for _ in range(4):
            if not record or model.available(record["from_program"], account):
                break
            account = self._account()
        available = model.available(record["from_program"], account) if record else 0
        args: Args = {
            "from": account,
            "amount": self._edge(self._some_of(available), *self._left_of(name, account)),
        }
        args["min_out"] = self._random.choice([0, 0, 0, 0, 0, 0, 1, args["amount"]])
        if self._chance(0.2):
            args["to"] = self._random.choice([*sorted(group_of(model, account)), self._account()])
        return args

    def _left_of(self, name: str, account: str) -> list[int | None]:
        """Return what is left today of a treaty's limits in from-units."""
        model, today, record = self._model, self._model.time // DAY, self._model.get("treaty", name)
        most = record["terms"]["limits"] if record else {}
        left = [most.get("total_day"), most.get("member_day")]
        used = [("treaty day", name, today), ("treaty member", name, account, today)]
        return [
            None if limit is None else limit - model.get(*use, default=0)
            for limit, use in zip(left, used, strict=True)
        ]

    def _exchange_route(self) -> Args:
        model, active = self._model, []
        for name in self._treaties():
            if status_of(model, model.get("treaty", name)) == "active" or self._chance(0.1):
                active.append(name)
        names = [self._treaty("active")]
        for _ in range(self._random.randint(1, 3)):
            last = model.get("treaty", names[-1])
            following = [
                name for name in active if last and model.get("treaty", name)["from_program"] == last["to_program"]
            ]
            if following or (active and self._chance(0.1)):
                names.append(self._random.choice(following or active))
        return {"treaties": names, **self._swapping(names[0])}


class ClearingCalls(Choices):
    """Arguments for the calls of clearing."""

    def _set_credit_limit(self) -> Args:
        rand = self._random
        creditor, debtor = rand.sample(self._brands, 2)
        if self._chance(0.03):
            debtor = creditor
        amount = rand.choice([0, rand.randint(1, 2_000), 10**6, 10**12, 10**12])
        return {"creditor": creditor, "debtor": debtor, "currency": self._currency(), "amount": amount}

    def _currency(self) -> str:
        return self._random.choice(["EUR", "EUR", "CHF"])

    def _books(self, *statuses: str) -> Args:
        """Return a period, mostly one of a status that makes sense."""
        latest = self._model.all("books")[-16:]
        fitting = [key for key, books in latest if books["status"] in statuses]
        if fitting and self._chance(0.9):
            _, currency, period = self._random.choice(fitting)
            return {"currency": currency, "period": period}
        period = month_of(self._model.time)
        return {"currency": self._currency(), "period": self._random.choice([period, month_after(period)])}

    def _close(self) -> Args:
        return self._books("open")

    def _unwind(self) -> Args:
        return self._books("closed")

    def _confirm(self) -> Args:
        place, rand = self._books("closed"), self._random
        books = self._model.get("books", place["currency"], place["period"], default={"payments": {}})
        due = sorted((*parties, amount) for parties, (amount, receipt) in books["payments"].items() if not receipt)
        if not due or self._chance(0.05):
            due = [(*rand.sample(self._brands, 2), rand.randint(1, 100))]
        payer, payee, amount = rand.choice(due)
        args = {"period": place["period"], "payer": payer, "payee": payee, "bank_ref": self._ref("b")}
        args["amount"] = amount + (1 if self._chance(0.05) else 0)
        return args if self._chance(0.2) else {**args, "currency": place["currency"]}

    def _line(self) -> Args:
        """Return a line, mostly one that there is."""
        place, (debtor, creditor) = (
            self._books("open", "closed", "discharged"),
            self._random.sample(self._brands, 2),
        )
        count = len(lines(self._model, place["currency"], place["period"], debtor, creditor))
        number = max(0, count - self._random.randint(0, 4))
        return {**place, "debtor": debtor, "creditor": creditor, "line": number}

    def _dispute(self) -> Args:
        args = self._line()
        return {**args, "brand": self._random.choice([args["debtor"], args["creditor"]])}

    def _resolve(self) -> Args:
        opened = [key for key, record in self._model.all("dispute")[-12:] if record["status"] == "open"]
        if not opened or self._chance(0.1):
            return {**self._line(), "amount": self._random.randint(0, 5)}
        key = self._random.choice(opened)
        args = dict(zip(("currency", "period", "debtor", "creditor", "line"), key[1:], strict=True))
        found = lines(self._model, *key[1:5])[key[5]]
        left = found[0] - self._model.get(*key)["conceded"]
        return {**args, "amount": 0 if self._chance(0.15) else self._some_of(left)}


class IdentityCalls(Choices):
    """Arguments for the calls of identity that move points, or decide who may."""

    def _enroll(self) -> Args:
        names = [f"member{self._serial}", "cara"] if len(self._model.accounts()) < MOST_ACCOUNTS else ["cara"]
        self._serial += 1
        return {"brand": self._random.choice(self._brands), "ref": key_of(self._random.choice(names)).hex()}

    def _claim(self) -> Args:
        custodial = self._custodial()
        member = self._random.choice(custodial) if custodial and self._chance(0.9) else self._account()
        return {"member": member, "key": key_of(self._random.choice(["cara", "wim"])).hex()}

    def _update_brand(self) -> Args:
        return {"brand": self._random.choice(self._brands), "pooling": self._chance(0.75)}

    def _link(self) -> Args:
        return {"member": self._of_person(), "other": self._of_person()}

    def _unlink(self) -> Args:
        linked = [key[1] for key, _ in self._model.all("edge")]
        if not linked or self._chance(0.1):
            return self._link()
        member, other = self._random.sample(sorted(self._random.choice(linked)), 2)
        return {"member": member, "other": other}

    def _pool_open(self) -> Args:
        name = self._random.choice(["home", "home", "shed"])
        bps = self._random.choice([0, 1_000, 3_333, 10_000])
        return {"member": self._of_person(), "name": name, "contribute_bps": bps}

    def _pool(self) -> str:
        opened = [key[1] for key, _ in self._model.all("pool")]
        return self._random.choice(opened) if opened and self._chance(0.95) else self._account()

    def _pool_join(self) -> Args:
        return {"pool": self._pool(), "member": self._of_person()}

    def _pool_rules(self) -> Args:
        args: Args = {"pool": self._pool()}
        members = self._model.get("pool", args["pool"], default={"members": []})["members"]
        if self._chance(0.6):
            args["contribute_bps"] = self._random.choice([0, 1, 5_000, 9_999])
        if members and self._chance(0.5):
            args["spenders"] = self._random.sample(members, self._random.randint(1, len(members)))
        return args

    def _pool_leave(self) -> Args:
        pool = self._model.get("pool", self._pool())
        return {"member": self._random.choice(pool["members"]) if pool else self._of_person()}

    def _merge(self) -> Args:
        members = [key[1] for key, _ in self._model.all("member")]
        source, target = self._random.choice(members), self._random.choice(members)
        if pool_of(self._model, source) is not None and self._chance(0.5):
            target = self._of_person()
        return {"from": source, "into": target, "reason": "one shopper"}

    def _unmerge(self) -> Args:
        latest = self._model.time - UNMERGE_DAYS * DAY
        merged = [
            key[1] for key, merger in self._model.all("merged") if merger["since"] > latest or self._chance(0.2)
        ]
        return {"from": self._random.choice(merged) if merged and self._chance(0.9) else self._of_person()}

    def _erase(self) -> Args:
        return {"member": self._of_person()}
