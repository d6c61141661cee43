"""How campaigns stand to each other and to other brands: stacks, experiments, shared funding."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec.structs import replace

from contracts_py.campaign import experiments, loads
from contracts_py.campaign.answers import ArmShown
from contracts_py.campaign.effect_types import EffectArgs
from contracts_py.campaign.effects import Kinds
from contracts_py.campaign.events import ExperimentSet, FundingSet, StackSet
from contracts_py.campaign.kinds import Draft
from contracts_py.campaign.language import MAX_RULE_UNITS, worst_units
from contracts_py.campaign.records import (
    ARMS,
    CAMPAIGNS,
    MAX_GROUPS,
    MAX_PER_EVENT,
    MAX_VARIANTS,
    STACKS,
    ArmTotals,
    Campaign,
    Experiment,
    Shares,
    Stack,
    Variant,
)
from contracts_py.campaign.terms import checked_effects, issues, rules_of, settled
from contracts_py.identity import Authority
from vm.contract_api import BasisPoints, Context, Contract, Meta, Refused, Slug, call, refuse, view

SCALE: Final = 10_000


class VariantArg(msgspec.Struct, frozen=True):
    """What a campaign does for a part of the members."""

    name: Slug
    bps: BasisPoints
    then: EffectArgs


Groups = Annotated[tuple[Slug, ...], Meta(max_length=MAX_GROUPS)]
VariantArgs = Annotated[tuple[VariantArg, ...], Meta(max_length=MAX_VARIANTS)]
MaxPerEvent = Annotated[int, Meta(ge=1, le=MAX_PER_EVENT)]


class Arrangements(Contract):
    """The room for stacks, experiments and funding."""

    name = "campaign"

    def __init__(self, authority: Authority, kinds: Kinds) -> None:
        self._authority = authority
        self._kinds = kinds

    @call
    def stack(
        self,
        ctx: Context,
        brand: Slug,
        groups: Groups,
        max_per_event: MaxPerEvent,
        order: Literal["priority", "best"],
    ) -> Stack:
        """Say how many campaigns of these groups fire for one record, and which come first (marketer).

        By `priority`, or by what they are worth to the member (`best`). Without groups there is no such rule.
        """
        self._authority.require_active(ctx, brand)
        self._authority.require_role(ctx, brand, "marketer")
        if len(set(groups)) < len(groups):
            refuse("groups", "each group once")
        stack = Stack(tuple(sorted(groups)), max_per_event, order)
        if groups:
            STACKS.put(ctx, stack, brand)
        else:
            STACKS.delete(ctx, brand)
        ctx.emit(StackSet(brand, max_per_event, order))
        return stack

    @call
    def experiment(
        self, ctx: Context, campaign: Slug, variants: VariantArgs, holdout_bps: BasisPoints
    ) -> list[ArmShown]:
        """Divide a campaign's members into a control group, variants, and the rest, by hash; before it begins.

        As `create`, it needs a marketer, and an issuer where an effect issues.
        """
        record = self._require_not_begun(ctx, campaign)
        taken = {experiments.HOLDOUT, experiments.BASE}
        for place, variant in enumerate(variants):
            if variant.name in taken:
                refuse(f"variants[{place}].name", "a name of its own, neither holdout nor base")
            taken.add(variant.name)
        if sum([variant.bps for variant in variants]) + holdout_bps > SCALE:
            refuse("variants", "at most 10,000 basis points together with holdout_bps")
        stored = tuple([self._stored(ctx, record, variant, place) for place, variant in enumerate(variants)])
        loads.store(ctx, self._kinds, campaign, replace(record, experiment=Experiment(holdout_bps, stored)))
        ctx.emit(ExperimentSet(campaign, record.brand, holdout_bps, len(stored)))
        return self.uplift(ctx, campaign)

    def _stored(self, ctx: Context, record: Campaign, variant: VariantArg, place: int) -> Variant:
        draft = Draft(record.brand, record.terms.budget)
        effects = checked_effects(ctx, self._kinds, draft, variant.then, f"variants[{place}].then")
        if issues(self._kinds, effects):
            self._authority.require_role(ctx, record.brand, "issuer")
        cost = worst_units(rules_of(self._kinds, record.terms.when, effects))
        if cost > MAX_RULE_UNITS:
            raise Refused("LIMIT_EXCEEDED", "the variant's rules cost too much at worst", limit=MAX_RULE_UNITS)
        return Variant(variant.name, variant.bps, effects)

    @call
    def fund(self, ctx: Context, campaign: Slug, shares: Shares) -> Shares:
        """Let other brands pay a part of what a campaign issues, booked in clearing as issued; before it begins.

        The brand's marketer signs, and a treasurer of every brand that pays.
        """
        record = self._require_not_begun(ctx, campaign)
        if record.terms.budget is None:
            raise Refused("NOT_ELIGIBLE", "the campaign issues no points", campaign=campaign)
        brands = [share.brand for share in shares]
        if len(set(brands)) < len(brands) or record.brand in brands:
            refuse("shares", "each other brand once")
        if sum([share.bps for share in shares]) > SCALE:
            refuse("shares", "at most 10,000 basis points together")
        for share in shares:
            self._authority.require_active(ctx, share.brand)
            self._authority.require_role(ctx, share.brand, "treasurer")
        CAMPAIGNS.put(ctx, replace(record, shares=tuple(shares)), campaign)
        ctx.emit(FundingSet(campaign, record.brand, tuple(shares)))
        return tuple(shares)

    def _require_not_begun(self, ctx: Context, campaign: str) -> Campaign:
        record = settled(CAMPAIGNS.require(ctx, campaign), ctx.time)
        self._authority.require_active(ctx, record.brand)
        self._authority.require_role(ctx, record.brand, "marketer")
        if record.terms.starts < ctx.time:
            raise Refused("NOT_ELIGIBLE", "the campaign has begun", starts=record.terms.starts)
        return record

    @view
    def uplift(self, ctx: Context, campaign: Slug) -> list[ArmShown]:
        """Return what each arm of an experiment came to, in the order of their places."""
        experiment = CAMPAIGNS.require(ctx, campaign).experiment
        if experiment is None:
            raise Refused("NOT_FOUND", "the campaign has no experiment", campaign=campaign)
        found = []
        for arm, bps in experiments.widths(experiment):
            totals = ARMS.get(ctx, campaign, arm) or ArmTotals()
            found.append(ArmShown(arm, bps, totals.members, totals.records, totals.spend, totals.points))
        return found

    @view
    def stack_view(self, ctx: Context, brand: Slug) -> Stack:
        """Return a brand's rule for stacking."""
        stack = STACKS.get(ctx, brand)
        if stack is None:
            raise Refused("NOT_FOUND", "the brand has no rule for stacking", brand=brand)
        return stack
