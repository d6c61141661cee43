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
        plans: dict[str, Plan | Verdict] = {}
        if stack is not None and stack.order == "best":
            candidates, plans = self._best_first(ctx, sight, host, cause, candidates, stack)
        progress = _Progress(stack)
        verdicts = []
        for candidate in candidates:
            reason = _closed(candidate, cause.at) or progress.blocked(candidate.terms.group)
            if reason is not None:
                verdicts.append(Verdict(candidate, reason))
                continue
            plan = plans.get(candidate.name) or self.plan(ctx, sight, host, candidate)
            verdict = plan if isinstance(plan, Verdict) else self.apply(ctx, sight, cause, candidate, plan)
            if verdict.outcome == FIRED:
                progress.note(candidate.terms.group)
            verdicts.append(verdict)
        return verdicts

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

    def _best_first(
        self,
        ctx: Context,
        sight: Sight,
        host: BrandHost,
        cause: Cause,
        candidates: Sequence[Candidate],
        stack: Stack,
    ) -> tuple[list[Candidate], dict[str, Plan | Verdict]]:
        """Put the campaigns of a stack, among their own places, into the order of what they are worth."""
        places = [place for place, one in enumerate(candidates) if one.terms.group in stack.groups]
        plans: dict[str, Plan | Verdict] = {}
        worth: list[tuple[int, int, Candidate]] = []
        for place in places:
            candidate = candidates[place]
            value = 0
            if _closed(candidate, cause.at) is None:
                plan = plans[candidate.name] = self.plan(ctx, sight, host, candidate)
                if isinstance(plan, Plan):
                    value = sum([kind.worth(ctx, planned) for kind, planned in plan.effects])
            worth.append((-value, place, candidate))
        ordered = list(candidates)
        for place, (_, _, candidate) in zip(places, sorted(worth, key=_first_two), strict=True):
            ordered[place] = candidate
        return ordered, plans

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


def _first_two(entry: tuple[int, int, Candidate]) -> tuple[int, int]:
    return entry[0], entry[1]
