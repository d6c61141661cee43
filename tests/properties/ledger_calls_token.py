"""Random calls of token."""

from __future__ import annotations

from tests.properties.ledger_choices import Args, Choices
from tests.properties.ledger_model import DAY, HOUR, LARGEST, NEVER, name_of
from tests.properties.ledger_model_persons import pool_of


class TokenCalls(Choices):
    """Arguments for the calls of token."""

    def _issue(self) -> Args:
        program = self._program()
        amount = LARGEST if self._chance(0.004) else self._random.choice([self._amount(), 10 * self._amount()])
        cap = self._model.rules(program)["cap"]
        amount = self._edge(amount, None if cap is None else cap - self._model.outstanding(program))
        args: Args = {"program": program, "to": self._account(), "amount": amount}
        if self._chance(0.6):
            args["ref"] = self._ref("i")
        if self._chance(0.3):
            args["expires"] = self._time(50 * DAY)
        if self._chance(0.15):
            args["pending_until"] = self._time(3 * DAY)
        return args

    def _transfer(self) -> Args:
        program, account = self._owner()
        amount = self._some_of(self._model.available(program, account))
        limit, today = self._model.rules(program)["transfer_day"], self._model.time // DAY
        used = self._model.get("transfer use", program, account, today, default=0)
        amount = self._edge(amount, None if limit is None else limit - used)
        own = pool_of(self._model, account)
        to = own if own is not None and self._chance(0.4) else self._of_person()
        return {"program": program, "from": account, "to": to, "amount": amount}

    def _burn(self) -> Args:
        program, account = self._owner()
        amount = self._random.choice([self._amount(), self._some_of(self._model.available(program, account))])
        return {"program": program, "from": account, "amount": amount}

    def _redeem(self) -> Args:
        program, account = self._owner()
        at, amount = self._brand(program), self._some_of(self._model.available(program, account))
        amount = self._edge(amount, *self._left_at_door(program, at, account))
        ref = self._ref("r")
        return {"program": program, "from": account, "amount": amount, "at_brand": at, "ref": ref}

    def _hold(self) -> Args:
        program, account = self._owner()
        at, amount = self._brand(program), self._some_of(self._model.available(program, account))
        amount = self._edge(amount, *self._left_at_door(program, at, account))
        ref = self._ref("h")
        args = {"program": program, "from": account, "amount": amount, "at_brand": at, "hold": ref}
        return {**args, "expires": self._time(7 * DAY)}

    def _capture(self) -> Args:
        at, hold = self._open_hold()
        record = self._model.get("hold", at, hold, default={"amount": 5})
        ref = self._ref("r")
        return {"at_brand": at, "hold": hold, "amount": self._some_of(record["amount"]), "ref": ref}

    def _open_hold(self) -> tuple[str, str]:
        """Return a hold, mostly an open one in time."""
        model = self._model
        fresh = [key[1:] for key, hold in model.all("hold")[-60:] if hold["status"] == "open"]
        fresh = [key for key in fresh if model.get("hold", *key)["expires"] > model.time]
        if fresh and self._chance(0.85):
            at, hold = self._random.choice(fresh)
        else:
            at, hold = self._used("h", self._random.choice(self._brands))
        return at, hold

    def _release(self) -> Args:
        at, hold = self._open_hold()
        return {"at_brand": at, "hold": hold}

    def _refund(self) -> Args:
        program, at, ref = self._used("r", self._program(), self._random.choice(self._brands))
        record = self._model.get("redemption", program, at, ref)
        left = sum(size for _, size in record["parts"]) - record["refunded"] if record else 0
        args = {"program": program, "at_brand": at, "redemption_ref": ref, "amount": self._some_of(left)}
        return {**args, "ref": self._ref("f")}

    def _allow(self) -> Args:
        program, account = self._owner()
        limit = 0 if self._chance(0.15) else self._random.randint(1, 400)
        args = {"program": program, "from": account, "spender": self._brand(program), "limit": limit}
        return {**args, "expires": self._time(30 * DAY)}

    def _partner(self) -> Args:
        program = self._program()
        args: Args = {"program": program, "at_brand": self._random.choice(self._brands)}
        if self._chance(0.1):
            return {**args, "closed": True}
        if self._chance(0.6):
            args["member_day"] = self._random.randint(0, 300)
        if self._chance(0.6):
            args["total_day"] = self._random.randint(0, 900)
        return args

    def _reverse(self) -> Args:
        program, ref = self._used("i", self._program())
        record = self._model.get("issue", program, ref, default={"issued": 5, "reversed": 0})
        return {"program": program, "ref": ref, "amount": self._some_of(record["issued"] - record["reversed"])}

    def _adjust(self) -> Args:
        program, account = self._owner()
        amount = self._random.choice([0, 1, 1, 1, -1, -1]) * self._amount()
        args = {"program": program, "account": account, "amount": amount, "reason": "goodwill"}
        return {**args, "ref": self._ref("a")}

    def _lot(self, live: bool) -> Args:
        program, account = self._owner()
        lots = [key for key in self._model.lots(program, account) if key != NEVER or self._chance(0.1)]
        if not live:
            gone = [key for key, _ in self._model.all("expired lot")]
            if gone:
                _, program, account, date = self._random.choice(gone[-15:])
                lots = [date]
        lot = name_of(self._random.choice(lots)) if lots else str(self._time(DAY))
        if not lots and int(lot) % 60_000:
            lot = str(int(lot) - int(lot) % 60_000)
        expires = self._time(60 * DAY)
        if lots and live and lot != "never" and self._chance(0.7):
            expires = int(lot) + self._random.randint(1, 30 * DAY)
        return {"program": program, "account": account, "lot": lot, "expires": expires}

    def _extend(self) -> Args:
        return self._lot(live=True)

    def _reinstate(self) -> Args:
        return self._lot(live=False)

    def _freeze(self) -> Args:
        if self._chance(0.3):
            return {"account": self._account(), "brand": self._random.choice(self._brands)}
        return {"account": self._account(), "program": self._program()}

    def _unfreeze(self) -> Args:
        marks = [*self._model.all("frozen"), *self._model.all("frozen at")]
        frozen = [key for key, value in marks if value]
        if not frozen:
            return self._freeze()
        kind, space, account = self._random.choice(frozen)
        return {"account": account, "program" if kind == "frozen" else "brand": space}

    def _liability_cap(self) -> Args:
        args: Args = {"brand": self._random.choice(self._brands), "currency": self._random.choice(["EUR", "CHF"])}
        return args if self._chance(0.7) else {**args, "amount": self._random.randint(1, 30_000)}

    def _update_program(self) -> Args:
        program, rand = self._program(), self._random
        rules = self._model.rules(program)
        expiry = rules["expiry"]
        length = next((name for name in ("days", "months") if name in expiry), None)
        shorter = expiry if length is None else {**expiry, length: max(1, expiry[length] + rand.choice([-1, 1, 2]))}
        changes: Args = {
            "transfer": rand.choice(["none", "brand", *["free"] * 8]),
            "expiry": shorter,
            "transfer_burn_bps": rand.choice([0, 1, 250, 3_333, 10_000]),
            "notice_ms": rand.choice([0, HOUR, 2 * DAY]),
            "price": {**rules["price"], "num": rand.randint(0, 9), "den": rand.randint(1, 9)},
            "cap": rand.randint(2_000, 20_000),
            "adjust_limit": rand.randint(0, 200),
            "transfer_day": rand.randint(200, 4_000),
        }
        return {
            "program": program,
            **{name: changes[name] for name in rand.sample(list(changes), rand.randint(1, 3))},
        }
