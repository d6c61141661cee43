"""How one token evolves: a trigger's rules on its traits, in their order, into at most one new version.

Invariants:
    1. A rule applies wholly or not at all: its expressions are evaluated on the traits before it.
    2. An error changes nothing, is told by `nft.evolution_failed`, and the next rule is looked at.
    3. What falls due by time held is done before anything else that concerns the token: so what happens to a token
       does not depend on how far the agenda has come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn

from msgspec.structs import replace

from contracts_py.nft.events import EvolutionFailed
from contracts_py.nft.facts import BrandHost, Sources, token_facts
from contracts_py.nft.held import follow, held_days_at
from contracts_py.nft.records import COLLECTIONS, RULES, TOKENS, Cause, Collection, Token
from contracts_py.nft.rulebook import HELD, Compiled, compiled
from contracts_py.nft.traits import problem_with
from contracts_py.nft.versions import Pairs, change, look_of, traits_in
from vm.contract_api import Context, Refused
from vm.rules import Outcome, Rule, Value, units

MAX_REASON: Final = 256
"""Characters of a reason that an event tells."""


Failures = list[tuple[int, str | None, str]]
"""(place, trait, reason) of rules that did not come to a result."""


def refuse_unchanged(failures: Failures) -> NoReturn:
    """Refuse a request by which no token has changed, and say which rule failed, if one did.

    Raises:
        Refused: NOT_ELIGIBLE.
    """
    reason = {"rule": failures[0][0], "reason": failures[0][2]} if failures else {}
    raise Refused("NOT_ELIGIBLE", "no manual rule of the collection changes the token now", **reason)


@dataclass(slots=True)
class Run:
    """A trigger's rules on one token.

    Attributes:
        traits: as the rules so far have left them.
        fired: places of the rules that applied.
        failures: (place, trait, reason) of those that did not come to a result.
    """

    values: dict[str, Value]
    traits: dict[str, Value]
    fired: list[int] = field(default_factory=list)
    failures: Failures = field(default_factory=list)


class Evolver:
    """Lets tokens evolve."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def evolve(
        self, ctx: Context, name: str, token: int, trigger: str, cause: Cause, given: Mapping[str, Value], at: int
    ) -> tuple[Token, Failures]:
        """Run a trigger's rules on a token, after what was due before; return the token, and what failed.

        Args:
            given: variables that are known: `event`.
            at: when it happened, which is earlier than now where it had to wait.
        """
        self.catch_up(ctx, name, token, at)
        return self._run(ctx, name, token, trigger, cause, given, at)

    def catch_up(self, ctx: Context, name: str, token: int, until: int) -> Token:
        """Do what falls due of a token by time held until a time, each step as of its own; return the token."""
        record = TOKENS.require(ctx, name, token)
        while record.due is not None and record.due <= until:
            record = self.step(ctx, name, token, record, record.due)
        return record

    def step(self, ctx: Context, name: str, token: int, record: Token, due: int) -> Token:
        """Run the rules of the days for which a token was held at `due`, and put it on the agenda for the next."""
        trigger = f"{HELD}{held_days_at(record, due)}"
        record, _ = self._run(ctx, name, token, trigger, Cause("held"), {}, due)
        collection = COLLECTIONS.require(ctx, name)
        return follow(ctx, name, collection, token, record, due)

    def _run(
        self,
        ctx: Context,
        name: str,
        token: int,
        trigger: str,
        cause: Cause,
        given: Mapping[str, Value],
        time: int,
    ) -> tuple[Token, Failures]:
        collection, record = COLLECTIONS.require(ctx, name), TOKENS.require(ctx, name, token)
        stored = None if collection.frozen else RULES.get(ctx, name, trigger)
        if stored is None:
            return record, []
        look = look_of(ctx, name, collection.revision)
        pairs = traits_in(look, record.traits)
        rules = compiled(stored, look.traits, trigger)
        names = frozenset().union(*[rule.names for one in rules for rule in one.rules()])
        values = {**self._sources.load(ctx, names, collection.brand, record.owner), **given, "now": time}
        run = Run(values, dict(pairs))
        host = BrandHost(ctx, self._sources.authority, collection.brand)
        for rule in rules:
            run.values["token"] = token_facts(token, record, run.traits, time)
            _apply(ctx, run, rule, host)
        for place, trait, reason in run.failures:
            ctx.emit(EvolutionFailed(name, collection.brand, token, record.owner, place, reason, trait))
        return _written(ctx, name, collection, token, record, run, pairs, cause), run.failures


def _written(
    ctx: Context, name: str, collection: Collection, token: int, record: Token, run: Run, pairs: Pairs, cause: Cause
) -> Token:
    """Write the new version, where there is one; return the token."""
    after = tuple([(trait, run.traits[trait]) for trait, _ in pairs])
    if after == pairs:
        return record
    return change(ctx, name, collection, token, record, after, replace(cause, rules=tuple(run.fired)))


def _apply(ctx: Context, run: Run, rule: Compiled, host: BrandHost) -> None:
    """Apply a rule whose condition holds, or note why it came to no result."""
    outcome = _evaluated(ctx, run, rule.when, host)
    if outcome.error is not None:
        run.failures.append((rule.place, None, _words(outcome)))
        return
    if outcome.value is not True:
        return
    found: dict[str, Value] = {}
    for trait, expression in rule.sets:
        outcome = _evaluated(ctx, run, expression, host)
        problem = _words(outcome) if outcome.error is not None else problem_with(trait, outcome.value)
        if problem is not None:
            reason = problem if outcome.error is not None else f"TRAIT: expected {problem}"
            run.failures.append((rule.place, trait.name, reason[:MAX_REASON]))
            return
        found[trait.name] = outcome.value
    run.traits = {**run.traits, **found}
    run.fired.append(rule.place)


def _evaluated(ctx: Context, run: Run, rule: Rule, host: BrandHost) -> Outcome:
    outcome = rule.evaluate(run.values, host)
    ctx.charge(units(outcome.cost))
    return outcome


def _words(outcome: Outcome) -> str:
    return str(outcome.error)[:MAX_REASON]
