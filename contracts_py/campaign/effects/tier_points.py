"""Points that count for a tier."""

from __future__ import annotations

from collections.abc import Sequence

from contracts_py.campaign.effect_types import TierPoints, TierPointsEffect
from contracts_py.campaign.effects.numbers import amount_from
from contracts_py.campaign.facts import Sight
from contracts_py.campaign.kinds import Draft, Run, Value
from contracts_py.campaign.types import source_of
from contracts_py.tier import Tiers
from vm.contract_api import Context


class TierPointsKind:
    """Effects `tier_points`."""

    issues = False

    def __init__(self, tiers: Tiers) -> None:
        self._tiers = tiers

    def check(self, ctx: Context, draft: Draft, arg: str | int, field: str) -> TierPointsEffect:
        """See `Kind`; whether the brand has a ladder is seen when it fires, since it may be defined later."""
        return TierPointsEffect(source_of(arg))

    def expressions(self, effect: TierPointsEffect) -> Sequence[str]:
        """See `Kind`."""
        return (effect.points,)

    def plan(self, ctx: Context, sight: Sight, effect: TierPointsEffect, values: Sequence[Value]) -> int:
        """See `Kind`."""
        return amount_from(values[0], "tier_points")

    def worth(self, ctx: Context, planned: int) -> int:
        """See `Kind`."""
        return 0

    def apply(self, ctx: Context, run: Run, planned: int) -> TierPoints | None:
        """See `Kind`."""
        if not planned:
            return None
        cause = run.cause
        self._tiers.add_points(ctx, cause.brand, cause.member, planned, cause.at)
        return TierPoints(planned)

    def undo(self, ctx: Context, run: Run, given: TierPoints) -> str | None:
        """See `Kind`."""
        cause = run.cause
        self._tiers.take_points(ctx, cause.brand, cause.member, given.points, cause.at)
        return None
