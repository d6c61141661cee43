"""A badge evolves."""

from __future__ import annotations

from collections.abc import Sequence

from contracts_py.campaign.effect_types import EvolveArg, Evolved, EvolveEffect
from contracts_py.campaign.facts import Sight
from contracts_py.campaign.kinds import Draft, Run, Value
from contracts_py.nft import Badges
from vm.contract_api import Context, Refused


class EvolveKind:
    """Effects `evolve`."""

    issues = False

    def __init__(self, badges: Badges) -> None:
        self._badges = badges

    def check(self, ctx: Context, draft: Draft, arg: EvolveArg, field: str) -> EvolveEffect:
        """See `Kind`."""
        if self._badges.brand_of(ctx, arg.collection) != draft.brand:
            raise Refused("NOT_AUTHORISED", "the collection is another brand's", collection=arg.collection)
        return EvolveEffect(arg.collection)

    def expressions(self, effect: EvolveEffect) -> Sequence[str]:
        """See `Kind`."""
        return ()

    def plan(self, ctx: Context, sight: Sight, effect: EvolveEffect, values: Sequence[Value]) -> str:
        """See `Kind`."""
        return effect.collection

    def worth(self, ctx: Context, planned: str) -> int:
        """See `Kind`."""
        return 0

    def apply(self, ctx: Context, run: Run, planned: str) -> Evolved:
        """See `Kind`."""
        evolved = Evolved(planned)
        if evolved not in run.before:  # Else it has, for this very record: a return is no reason to do so again.
            self._badges.evolve(ctx, planned, run.cause.receiver)
        return evolved

    def undo(self, ctx: Context, run: Run, given: Evolved) -> str | None:
        """See `Kind`: what a badge has become is its history."""
        return f"a badge of {given.collection} has evolved"
