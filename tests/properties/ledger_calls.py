"""Random calls that mostly make sense: about accounts with points, holds that are open, references that exist."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.properties.ledger_model import DAY, HOUR, LARGEST, NEVER, Model, name_of

WEIGHTS = {
    "token.issue": 20, "token.transfer": 14, "token.burn": 4, "token.redeem": 12, "token.hold": 9,
    "token.capture": 6, "token.release": 3, "token.refund": 9, "token.allow": 3, "token.partner": 2,
    "token.reverse": 8, "token.adjust": 4, "token.extend": 3, "token.reinstate": 4, "token.freeze": 0.6,
    "token.unfreeze": 2.5, "token.liability_cap": 0.4, "token.update_program": 1.2, "swap.propose": 1.2,
    "swap.accept": 2, "swap.amend": 0.5, "swap.suspend": 0.3, "swap.resume": 0.6, "swap.terminate": 0.25,
    "swap.exchange": 9, "swap.exchange_route": 4,
}  # fmt: skip
"""How often each call is made."""

REFS = 20
"""The latest references of a kind that calls come back to."""

Args = dict[str, Any]


class Calls:
    """Chooses calls by what the model holds."""

    def __init__(self, random: Random, model: Model) -> None:
        self._random, self._model = random, model
        self._names, self._weights = list(WEIGHTS), list(WEIGHTS.values())
        self._accounts, self._brands = list(model.world.holders), list(model.world.brands)
        self._refs: dict[str, list[tuple[Any, ...]]] = {}
        self._serial = 0

    def next(self) -> tuple[str, Args]:
        """Return a call with its arguments."""
        call = self._random.choices(self._names, self._weights)[0]
        module, _, name = call.partition(".")
        args = getattr(self, f"_{name}")()
        assert module in ("token", "swap")
        return call, args

    # -- choices -------------------------------------------------------------------------------------

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _program(self) -> str:
        return self._random.choice(self._model.programs)

    def _account(self) -> str:
        return self._random.choice(self._accounts)

    def _brand(self, program: str) -> str:
        own: str = self._model.rules(program)["brand"]
        return own if self._chance(0.5) else self._random.choice(self._brands)

    def _amount(self) -> int:
        return self._random.choice([self._random.randint(1, 12), self._random.randint(1, 120)])

    def _some_of(self, available: int) -> int:
        """Return an amount that is mostly there."""
        if not available:
            return self._amount()
        kind = self._random.random()
        if kind < 0.2:
            return available
        return available + 1 if kind < 0.25 else self._random.randint(1, max(1, min(available, 150)))

    def _owner(self) -> tuple[str, str]:
        """Return a program and an account that, mostly, has points of it."""
        for _ in range(4):
            program, account = self._program(), self._account()
            if self._model.available(program, account):
                break
        return program, account

    def _ref(self, kind: str, *space: Any) -> str:
        """Return a reference: a new one, or at times one that was used."""
        used = self._refs.get(kind, [])
        if used and self._chance(0.04):
            return str(self._random.choice(used)[-1])
        self._serial += 1
        self._refs[kind] = [*used[-REFS:], (*space, f"{kind}{self._serial}")]
        return f"{kind}{self._serial}"

    def _used(self, kind: str, *otherwise: Any) -> tuple[Any, ...]:
        """Return where a reference was used."""
        used = self._refs.get(kind)
        return self._random.choice(used) if used and self._chance(0.97) else (*otherwise, "unheard-of")

    def _time(self, longest: int) -> int:
        """Return a time to come, mostly."""
        now = self._model.time
        kind = self._random.random()
        if kind < 0.05:
            return max(0, now - self._random.choice([0, 1, DAY]))
        if kind < 0.3:
            return now - now % DAY + self._random.randint(1, 3) * DAY
        return now + self._random.choice([self._random.randint(1, HOUR), self._random.randint(1, longest)])

    # -- token ---------------------------------------------------------------------------------------

    def _issue(self) -> Args:
        program = self._program()
        amount = LARGEST if self._chance(0.004) else self._random.choice([self._amount(), 10 * self._amount()])
        args: Args = {"program": program, "to": self._account(), "amount": amount}
        if self._chance(0.6):
            args["ref"] = self._ref("i", program)
        if self._chance(0.3):
            args["expires"] = self._time(50 * DAY)
        if self._chance(0.15):
            args["pending_until"] = self._time(3 * DAY)
        return args

    def _transfer(self) -> Args:
        program, account = self._owner()
        amount = self._some_of(self._model.available(program, account))
        return {"program": program, "from": account, "to": self._account(), "amount": amount}

    def _burn(self) -> Args:
        program, account = self._owner()
        amount = self._random.choice([self._amount(), self._some_of(self._model.available(program, account))])
        return {"program": program, "from": account, "amount": amount}

    def _redeem(self) -> Args:
        program, account = self._owner()
        at, amount = self._brand(program), self._some_of(self._model.available(program, account))
        ref = self._ref("r", program, at)
        return {"program": program, "from": account, "amount": amount, "at_brand": at, "ref": ref}

    def _hold(self) -> Args:
        program, account = self._owner()
        at, amount = self._brand(program), self._some_of(self._model.available(program, account))
        ref = self._ref("h", at, program)
        args = {"program": program, "from": account, "amount": amount, "at_brand": at, "hold": ref}
        return {**args, "expires": self._time(7 * DAY)}

    def _capture(self) -> Args:
        at, program, hold = self._used("h", self._random.choice(self._brands), self._program())
        record = self._model.get("hold", at, hold, default={"amount": 5})
        ref = self._ref("r", program, at)
        return {"at_brand": at, "hold": hold, "amount": self._some_of(record["amount"]), "ref": ref}

    def _release(self) -> Args:
        at, _, hold = self._used("h", self._random.choice(self._brands), self._program())
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
        lots = [key for key in self._model.lots(program, account) if live or key != NEVER]
        if not live:
            gone = [key for key, amount in self._model.cells.items() if key[0] == "expired lot" and amount]
            if gone:
                _, program, account, date = self._random.choice(gone[-15:])
                lots = [date]
        lot = name_of(self._random.choice(lots)) if lots else str(self._time(DAY))
        if not lots and int(lot) % 60_000:
            lot = str(int(lot) - int(lot) % 60_000)
        return {"program": program, "account": account, "lot": lot, "expires": self._time(60 * DAY)}

    def _extend(self) -> Args:
        return self._lot(live=True)

    def _reinstate(self) -> Args:
        return self._lot(live=False)

    def _freeze(self) -> Args:
        if self._chance(0.3):
            return {"account": self._account(), "brand": self._random.choice(self._brands)}
        return {"account": self._account(), "program": self._program()}

    def _unfreeze(self) -> Args:
        frozen = [key for key, value in self._model.cells.items() if key[0] in ("frozen", "frozen at") and value]
        if not frozen:
            return self._freeze()
        kind, space, account = self._random.choice(frozen)
        return {"account": account, "program" if kind == "frozen" else "brand": space}

    def _liability_cap(self) -> Args:
        args: Args = {"brand": self._random.choice(self._brands), "currency": "EUR"}
        return args if self._chance(0.7) else {**args, "amount": self._random.randint(1, 30_000)}

    def _update_program(self) -> Args:
        program, rand = self._program(), self._random
        expiry = self._model.rules(program)["expiry"]
        length = next((name for name in ("days", "months") if name in expiry), None)
        shorter = expiry if length is None else {**expiry, length: max(1, expiry[length] + rand.choice([-1, 1, 2]))}
        changes: Args = {
            "transfer": rand.choice(["none", "brand", "free", "free"]),
            "expiry": shorter,
            "transfer_burn_bps": rand.choice([0, 1, 250, 3_333, 10_000]),
            "notice_ms": rand.choice([0, HOUR, 2 * DAY]),
            "price": {"currency": "EUR", "num": rand.randint(0, 9), "den": rand.randint(1, 9)},
            "cap": rand.randint(1_000, 20_000),
            "adjust_limit": rand.randint(0, 200),
            "transfer_day": rand.randint(100, 2_000),
        }
        return {"program": program, **{name: changes[name] for name in rand.sample(list(changes), rand.randint(1, 3))}}

    # -- swap ----------------------------------------------------------------------------------------

    def _treaties(self) -> list[str]:
        return [key[1] for key, value in self._model.cells.items() if key[0] == "treaty" and value]

    def _treaty(self) -> str:
        known = self._treaties()[-12:]
        return self._random.choice(known) if known and self._chance(0.98) else "alpha-unheard-of"

    def _terms(self) -> Args:
        rand, now = self._random, self._model.time
        limits: Args = {"member_day": rand.randint(1, 400), "total_day": rand.randint(1, 900)}
        limits["inventory"] = rand.randint(1, 3_000)
        chosen = {name: limits[name] for name in limits if self._chance(0.25)}
        start = now + rand.choice([-DAY, -DAY, -DAY, 0, DAY])
        args: Args = {"rate": [rand.randint(1, 5), rand.randint(1, 9)], "fee_bps": rand.choice([0, 1, 100, 2_500])}
        return {**args, "limits": chosen, "valid_from": start, "valid_to": start + rand.choice([0, 9, 40, 90]) * DAY}

    def _propose(self) -> Args:
        self._serial += 1
        source, target = self._program(), self._program()
        by = self._model.rules(self._random.choice([source, target]))["brand"]
        names = {"treaty": f"{by}-t{self._serial}", "from_program": source, "to_program": target}
        return {**names, **self._terms()}

    def _accept(self) -> Args:
        return {"treaty": self._treaty()}

    def _amend(self) -> Args:
        return {"treaty": self._treaty(), **self._terms()}

    _suspend = _resume = _accept

    def _terminate(self) -> Args:
        return {"treaty": self._treaty(), "notice_ms": self._random.choice([0, HOUR, 3 * DAY])}

    def _exchange(self) -> Args:
        name = self._treaty()
        return {"treaty": name, **self._swapping(name)}

    def _swapping(self, name: str) -> Args:
        record, account = self._model.get("treaty", name), self._account()
        available = self._model.available(record["from_program"], account) if record else 0
        args: Args = {"from": account, "amount": self._some_of(available)}
        args["min_out"] = self._random.choice([0, 0, 0, 1, args["amount"]])
        if self._chance(0.2):
            args["to"] = self._account()
        return args

    def _exchange_route(self) -> Args:
        names = [self._treaty()]
        for _ in range(self._random.randint(0, 3)):
            last = self._model.get("treaty", names[-1])
            following = [
                name
                for name in self._treaties()[-20:]
                if last and self._model.get("treaty", name)["from_program"] == last["to_program"]
            ]
            if following:
                names.append(self._random.choice(following))
        return {"treaties": names, **self._swapping(names[0])}
