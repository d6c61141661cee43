"""Random choices that mostly make sense: accounts with points, references that exist, times to come."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.properties.ledger_model import CUSTODIAL, DAY, HOUR, POOL, Model

REFS = 20
"""The latest references of a kind that calls come back to."""

Args = dict[str, Any]


class Choices:
    """Chooses by what the model holds."""

    def __init__(self, random: Random, model: Model) -> None:
        self._random, self._model = random, model
        self._brands = list(model.world.brands)
        self._refs: dict[str, list[tuple[Any, ...]]] = {}
        self._serial = 0

    # -- choices -------------------------------------------------------------------------------------

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _program(self) -> str:
        return self._random.choice(self._model.programs)

    def _account(self) -> str:
        """Return an account, a household pool now and then."""
        return self._random.choice(self._model.accounts())

    def _of_person(self) -> str:
        """Return an account that is no pool, and mostly neither merged nor erased."""
        model = self._model
        found = [key[1] for key, holder in model.all("holder") if holder != POOL]
        if self._chance(0.9):
            plain = [who for who in found if not model.get("merged", who) and not model.get("erased", who)]
            found = plain or found
        return self._random.choice(found)

    def _custodial(self) -> list[str]:
        return [key[1] for key, holder in self._model.all("holder") if holder == CUSTODIAL]

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

    def _edge(self, amount: int, *limits: int | None) -> int:
        """Return an amount, now and then one that just fits what is left of a limit, or does not."""
        near = [left for left in limits if left is not None and 0 < left < 100_000]
        if near and self._chance(0.15):
            return self._random.choice(near) + self._random.choice([0, 1])
        return amount

    def _left_at_door(self, program: str, at: str, account: str) -> list[int | None]:
        """Return what is left today of a door's limits, and of the allowance there."""
        model, today = self._model, self._model.time // DAY
        door = model.get("door", program, at, default={})
        allowance = model.get("allowance", program, account, at)
        left: list[int | None] = [allowance["remaining"] if allowance else None]
        for who, limit in ((account, door.get("member_day")), ("all", door.get("total_day"))):
            used = model.get("door use", program, at, who, today, default=0)
            left.append(None if limit is None else limit - used)
        return left

    def _owner(self) -> tuple[str, str]:
        """Return a program and an account that, mostly, has points of it."""
        for _ in range(4):
            program, account = self._program(), self._account()
            if self._model.available(program, account):
                break
        return program, account

    def _ref(self, kind: str) -> str:
        """Return a reference: a new one, or at times one that was used."""
        used = self._refs.get(kind)
        if used and self._chance(0.04):
            return str(self._random.choice(used)[-1])
        self._serial += 1
        return f"{kind}{self._serial}"

    def _note(self, kind: str, *place: Any) -> None:
        """Remember where a reference was used."""
        self._refs[kind] = [*self._refs.get(kind, [])[-REFS:], place]

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
