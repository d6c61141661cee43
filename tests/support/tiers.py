"""Ladders and members for tests of tier: points are counted as a contract above counts them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from contracts_py.identity import Authority
from contracts_py.tier import TierHooks, Tiers
from tests.contract_harness import Chain, Op, account_of, as_read, brand_ops
from vm.contract_api import Context
from vm.params import Params

DAY = 86_400_000
TODAY = 1_700_006_400_000
"""15 November 2023, 0:00 UTC."""

METALS = [
    {"name": "bronze", "threshold": 0, "benefits": ["newsletter"]},
    {"name": "silver", "threshold": 100, "benefits": ["free-shipping"]},
    {"name": "gold", "threshold": 300, "benefits": ["free-shipping", "lounge"]},
]


class Club:
    """A chain with brands, and what contracts above tier do there.

    Attributes:
        changes: the events `tier.changed` since they were last asked for.
    """

    def __init__(
        self, *brands: str, offsets: list[dict[str, int]] | None = None, params: Params | None = None
    ) -> None:
        ops: list[Op] = []
        for brand in brands or ("aurora",):
            role = {"brand": brand, "role": "marketer", "account": account_of(f"{brand}-marketer")}
            ops += [*brand_ops(brand, offsets or []), ("identity.grant_role", role)]
        self.chain = Chain(ops, params)
        self.changes: list[dict[str, Any]] = []
        hooks = TierHooks()
        hooks.changed.wire()
        self.tiers = Tiers(Authority(), hooks)
        self.chain.until(TODAY)

    def send(self, sender: str, call: str, signers: Sequence[str] | None = None, **args: Any) -> Any:
        """Execute an operation; see `Chain.send`."""
        result = self.chain.send(sender, call, signers, **args)
        self._hear(self.chain.events)
        return result

    def define(self, brand: str = "aurora", /, **terms: Any) -> Any:
        """Define a ladder: metals by points in 30 days with 10 days of grace, unless other terms are given."""
        made = {"metric": "points", "levels": METALS, "window_days": 30, "grace_days": 10, **terms}
        made = {name: value for name, value in made.items() if value is not None}
        return self.send(f"{brand}-marketer", "tier.define", brand=brand, **made)

    def add(self, member: str, points: int, at: int | None = None, brand: str = "aurora") -> None:
        """Count points, now or on an earlier day."""
        self.act(lambda ctx: self.tiers.add_points(ctx, brand, member, points, self._at(at)))

    def take(self, member: str, points: int, at: int | None = None, brand: str = "aurora") -> None:
        """Take points back."""
        self.act(lambda ctx: self.tiers.take_points(ctx, brand, member, points, self._at(at)))

    def note(self, member: str, event: str, amount: int = 0, at: int | None = None, brand: str = "aurora") -> None:
        """Count an event."""
        self.act(lambda ctx: self.tiers.note(ctx, brand, member, event, amount, self._at(at)))

    def take_note(
        self, member: str, event: str, amount: int = 0, at: int | None = None, whole: bool = True
    ) -> None:
        """Take an event back."""
        self.act(lambda ctx: self.tiers.take_note(ctx, "aurora", member, event, amount, self._at(at), whole))

    def act(self, deed: Callable[[Context], None]) -> None:
        """Do something as a contract above does, at the head."""

        def heard(ctx: Context) -> None:
            deed(ctx)
            self._hear([(told.type, as_read(told.data)) for told in ctx.events])

        self.chain.govern(heard)

    def _hear(self, events: Sequence[tuple[str, dict[str, Any]]]) -> None:
        self.changes += [data for name, data in events if name == "tier.changed"]

    def status(self, member: str, brand: str = "aurora", **args: Any) -> Any:
        """Return a member's status as a client sees it."""
        return self.chain.view("tier_status", brand=brand, member=member, **args)

    def level(self, member: str, brand: str = "aurora", **args: Any) -> Any:
        """Return the name of a member's level."""
        return self.status(member, brand, **args)["tier"]

    def told(self) -> list[tuple[str | None, str | None]]:
        """Return from which level to which `tier.changed` has told since the last time."""
        found = [(change.get("from"), change.get("to")) for change in self.changes]
        self.changes.clear()
        return found

    def later(self, days: int = 0, ms: int = 0) -> None:
        """Let time pass, and what falls due be done."""
        self.chain.until(self.chain.time + days * DAY + ms)
        self._hear(self.chain.events)

    def _at(self, at: int | None) -> int:
        return self.chain.time if at is None else at
