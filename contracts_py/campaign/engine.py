"""Running a brand's rules for one record: which are considered, which fire, what each gives, why the others do not.

    verdicts = engine.run(ctx, sight, cause, engine.candidates(ctx, brand, event))

`record`, `preview`, `replay` and a reversal's `keep` all run rules here.

Invariants:
    1. The order is by greatest priority, then by campaign id, and depends on nothing else; a stack by `best` orders
       the campaigns of its groups among their own places, by worth to the member, then so.
    2. All conditions and amounts are evaluated on one Sight, that of before the record, whatever has fired since.
    3. A rule's effects happen wholly or not at all; no rule's refusal is the record's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from contracts_py.campaign import experiments, language, uses
from contracts_py.campaign.answers import FIRED
from contracts_py.campaign.deeds import MAX_FIRED, Fired
from contracts_py.campaign.effect_types import Effect, Given, Issued
from contracts_py.campaign.effects import Kinds
from contracts_py.campaign.facts import BrandHost, Sight, Sources
from contracts_py.campaign.kinds import AnyKind, Cause, RuleFailed, Run
from contracts_py.campaign.profiles import amount_of
from contracts_py.campaign.records import CAMPAIGNS, LISTED, STACKS, Campaign, Stack, Terms
from contracts_py.campaign.terms import in_force
from vm.contract_api import Context
from vm.rules import Rule, units


class Candidate(NamedTuple):
    """A campaign that may fire, with the version in question."""

    name: str
    campaign: Campaign
    version: int
    terms: Terms


class Plan(NamedTuple):
    """What a rule is to do, effect by effect; `arm` of its experiment, if it is in one."""

    effects: tuple[tuple[AnyKind, Any], ...]
    arm: str | None


class Verdict(NamedTuple):
    """What became of a candidate."""

    candidate: Candidate
    outcome: str
    given: tuple[Given, ...] = ()
    why: str | None = None
    arm: str | None = None

    @property
    def fired(self) -> Fired:
        """What a record keeps of it."""
        return Fired(self.candidate.name, self.candidate.version, self.given, self.arm)


Planned = tuple[Candidate, Plan | Verdict]


@dataclass(slots=True)
class _Progress:
    """What has fired so far for one record."""

    stack: Stack | None
    groups: set[str] = field(default_factory=set)
    stacked: int = 0
    fired: int = 0

    def blocked(self, group: str | None) -> str | None:
        """Return why no campaign of a group may fire any more, None where one may."""
        if self.fired >= MAX_FIRED:
            return "LIMIT_EXCEEDED"
        if group is None:
            return None
        if group in self.groups:
            return "GROUP"
        stack = self.stack
        if stack is not None and self.stacked >= stack.max_per_event and group in stack.groups:
            return "STACK"
        return None

    def note(self, group: str | None) -> None:
        """Note that a campaign of a group has fired."""
        self.fired += 1
        if group is not None:
            self.groups.add(group)
            if self.stack is not None and group in self.stack.groups:
                self.stacked += 1


class Engine:
    """Runs rules; it keeps nothing itself."""

    def __init__(self, sources: Sources, kinds: Kinds) -> None:
        self._sources = sources
        self._kinds = kinds

    def candidates(self, ctx: Context, brand: str, event: str) -> list[Candidate]:
        """Return the campaigns that listen to an event, in the order in which they are considered."""
        found = []
        for name in LISTED.iterate(ctx, brand, event):
            campaign = CAMPAIGNS.require(ctx, name)
            found.append(Candidate(name, campaign, *in_force(campaign, ctx.time)))
        return in_order(found)

    def run(self, ctx: Context, sight: Sight, cause: Cause, candidates: Sequence[Candidate]) -> list[Verdict]:
        """Run candidates for a record, in their order; return what became of each."""
        host = BrandHost(ctx, self._sources.lists, sight, cause.offsets)
        stack = None
        if any(candidate.terms.group for candidate in candidates):
            stack = STACKS.get(ctx, cause.brand)
        # All are planned before the first is applied: what one gives, no other sees.
        planned = [(candidate, self._open_plan(ctx, sight, host, cause, candidate)) for candidate in candidates]
        if stack is not None and stack.order == "best":
            planned = _best_first(ctx, planned, stack)
        progress = _Progress(stack)
        verdicts = []
        for candidate, plan in planned:
            if isinstance(plan, Verdict):
                verdicts.append(plan)
                continue
            reason = progress.blocked(candidate.terms.group)
            if reason is not None:
                verdicts.append(Verdict(candidate, reason))
                continue
            verdict = self.apply(ctx, sight, cause, candidate, plan)
            if verdict.outcome == FIRED:
                progress.note(candidate.terms.group)
            verdicts.append(verdict)
        return verdicts

    def _open_plan(
        self, ctx: Context, sight: Sight, host: BrandHost, cause: Cause, candidate: Candidate
    ) -> Plan | Verdict:
        reason = _closed(candidate, cause.at)
        return self.plan(ctx, sight, host, candidate) if reason is None else Verdict(candidate, reason)

    def run_again(
        self, ctx: Context, sight: Sight, cause: Cause, fired: Sequence[tuple[Candidate, Fired]]
    ) -> list[Verdict]:
        """Run campaigns again that had fired for a record, in their order, whatever their status is by now.

        Points that take the place of others keep their dates; what could not be undone is not done again.
        """
        host = BrandHost(ctx, self._sources.lists, sight, cause.offsets)
        verdicts = []
        for candidate, before in fired:
            plan = self.plan(ctx, sight, host, candidate, before.arm)
            if not isinstance(plan, Verdict):
                plan = self.apply(ctx, sight, cause, candidate, plan, before.given)
            verdicts.append(plan)
        return verdicts

    # -- planning ----------------------------------------------------------------------------------

    def plan(
        self, ctx: Context, sight: Sight, host: BrandHost, candidate: Candidate, arm: str | None = None
    ) -> Plan | Verdict:
        """Evaluate a rule: return what it is to do, or why it does nothing.

        Args:
            arm: the one in which the member was; None: where it is in now, if there is an experiment.
        """
        terms = candidate.terms
        try:
            if not self._value(ctx, sight, host, language.condition(terms.when), "when"):
                return Verdict(candidate, "CONDITION")
            effects: Sequence[Effect] = terms.then
            experiment = candidate.campaign.experiment
            if experiment is not None:
                arm = arm or experiments.arm_of(experiment, experiments.place_of(candidate.name, sight.people()[0]))
                effects = experiments.effects_of(experiment, arm, terms.then)
            return Plan(tuple([self._planned(ctx, sight, host, effect) for effect in effects]), arm)
        except RuleFailed as failure:
            return Verdict(candidate, "RULE_ERROR", why=str(failure))

    def _planned(self, ctx: Context, sight: Sight, host: BrandHost, effect: Effect) -> tuple[AnyKind, Any]:
        kind = self._kinds.by_type[type(effect)]
        values = [
            self._value(ctx, sight, host, language.value(source), source) for source in kind.expressions(effect)
        ]
        return kind, kind.plan(ctx, sight, effect, values)

    def _value(self, ctx: Context, sight: Sight, host: BrandHost, rule: Rule, where: str) -> Any:
        sight.need(rule)
        outcome = rule.evaluate(sight.values, host)
        ctx.charge(units(outcome.cost))
        if outcome.error is not None:
            raise RuleFailed(f"{where}: {outcome.error}")
        return outcome.value

    # -- applying ----------------------------------------------------------------------------------

    def apply(
        self,
        ctx: Context,
        sight: Sight,
        cause: Cause,
        candidate: Candidate,
        plan: Plan,
        before: tuple[Given, ...] = (),
    ) -> Verdict:
        """Do what a rule is to do, wholly or not at all, and count it in its experiment."""
        held_out = plan.arm == experiments.HOLDOUT
        given: list[Given] = []
        refusal = None
        if not held_out:
            run = Run(cause, candidate.name, candidate.terms, candidate.campaign.shares, before)
            refusal = ctx.attempt(partial(self._act, ctx, sight, run, plan, given))
        if plan.arm is not None:
            points = 0 if refusal else points_of(given)
            spend = amount_of(sight.values["event"]["attrs"])
            experiments.count(ctx, candidate.name, plan.arm, sight.people()[0], spend, points)
        if held_out:
            return Verdict(candidate, "HOLDOUT", arm=plan.arm)
        if refusal is not None:
            return Verdict(candidate, refusal.code, why=refusal.message, arm=plan.arm)
        return Verdict(candidate, FIRED, tuple(given), arm=plan.arm)

    def _act(self, ctx: Context, sight: Sight, run: Run, plan: Plan, given: list[Given]) -> None:
        limit = run.terms.per_member
        if limit is not None:
            uses.take(ctx, run.campaign, limit, run.cause.day, run.cause.oldest, run.cause.member, sight.people())
        for place, (kind, planned) in enumerate(plan.effects):
            run.place = place
            gift = kind.apply(ctx, run, planned)
            if gift is not None:
                given.append(gift)


def in_order(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return candidates in the one order in which campaigns are considered."""
    return sorted(candidates, key=lambda one: (-one.terms.priority, one.name))


def points_of(given: Sequence[Given]) -> int:
    """Return how many points were issued."""
    return sum([one.amount for one in given if isinstance(one, Issued)])


def _closed(candidate: Candidate, at: int) -> str | None:
    """Return why a campaign is not open for what happened at a time: from `starts` until before `ends` it is."""
    if candidate.campaign.status == "paused":
        return "PAUSED"
    if at < candidate.terms.starts:
        return "NOT_STARTED"
    return None if at < candidate.terms.ends else "ENDED"


def _best_first(ctx: Context, planned: list[Planned], stack: Stack) -> list[Planned]:
    """Put the campaigns of a stack, among their own places, into the order of what they are worth to the member."""
    places = [place for place, (candidate, _) in enumerate(planned) if candidate.terms.group in stack.groups]
    worth = [(-_worth(ctx, planned[place][1]), place) for place in places]
    ordered = list(planned)
    for place, (_, best) in zip(places, sorted(worth), strict=True):
        ordered[place] = planned[best]
    return ordered


def _worth(ctx: Context, plan: Plan | Verdict) -> int:
    """Return what a plan is worth to the member; nothing for the control group, which has no effects."""
    return 0 if isinstance(plan, Verdict) else sum([kind.worth(ctx, effect) for kind, effect in plan.effects])
