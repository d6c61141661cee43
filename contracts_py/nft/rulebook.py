"""A collection's rules: checked when it is made, kept by trigger, so that an event reads only its own.

"event:purchase", "tier", "held:30", "manual"       triggers, as keys
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from contracts_py.nft.answers import EvolutionSpec, On
from contracts_py.nft.facts import facts_of
from contracts_py.nft.records import (
    MAX_RULES_OF_TRIGGER,
    ON_EVENT,
    ON_TIER,
    RULES,
    EvolutionRule,
    Look,
)
from contracts_py.nft.traits import Trait, problem_with
from vm.contract_api import Context, Refused, refuse
from vm.rules import Facts, NoHost, Rule, RuleRefused, check

MAX_COST: Final = 20_000
"""Worst case of a trigger's rules together, in units of the language: 2,000 of metering, or 0.8 ms."""

MAX_BYTES: Final = 8_192
"""Sources of a trigger's rules together: an evolution reads them, and a node compiles them once, in some 40 ms."""

MAX_LISTENING: Final = 16
"""Collections of a brand with rules for one event, or for tiers: an event looks at all of them."""

CHECK_UNITS_PER_BYTE: Final = 18
"""Parsing, checking and compiling a source that was never seen takes 5 to 7 µs a byte."""

MAX_MESSAGE: Final = 400
"""Characters of what is told of a source that is no rule."""

_RESULTS: Final = {"int": "int", "bool": "bool", "string": "string", "enum": "string"}

EVENT: Final = "event:"
HELD: Final = "held:"
TIER: Final = "tier"
MANUAL: Final = "manual"

Rulebook = dict[str, tuple[EvolutionRule, ...]]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A rule, ready to be evaluated: its place, condition, and the trait and expression of each value it sets."""

    place: int
    when: Rule
    sets: tuple[tuple[Trait, Rule], ...]

    def rules(self) -> Iterator[Rule]:
        """Yield the condition and the expressions."""
        yield self.when
        for _, rule in self.sets:
            yield rule


def compiled(rules: Iterable[EvolutionRule], traits: Sequence[Trait], trigger: str) -> list[Compiled]:
    """Return stored rules, which were checked when they were stored, ready to be evaluated."""
    facts, known = facts_of(traits, trigger.startswith(EVENT)), {trait.name: trait for trait in traits}
    return [
        Compiled(
            rule.place,
            check(rule.when, facts, "bool", limit=MAX_COST),
            tuple([(known[name], _expression(source, facts, known[name])) for name, source in rule.sets]),
        )
        for rule in rules
    ]


def _expression(source: str, facts: Facts, trait: Trait) -> Rule:
    return check(source, facts, _RESULTS[trait.type], limit=MAX_COST)


def checked_rulebook(ctx: Context, specs: Sequence[EvolutionSpec], traits: Sequence[Trait]) -> Rulebook:
    """Return a collection's rules by trigger.

    Raises:
        Refused: INVALID_ARGS, one of them is none, with the place; LIMIT_EXCEEDED, a trigger has too many, too long
            or too costly ones.
    """
    book: dict[str, list[EvolutionRule]] = {}
    costs: dict[str, int] = {}
    known = {trait.name: trait for trait in traits}
    for place, spec in enumerate(specs):
        field = f"evolution[{place}]"
        trigger = trigger_of(spec.on, f"{field}.on")
        costs[trigger] = costs.get(trigger, 0) + _cost_of(ctx, spec, known, trigger, field)
        if costs[trigger] > MAX_COST:
            raise Refused("LIMIT_EXCEEDED", f"rules of {trigger} together cost too much", limit=MAX_COST)
        book.setdefault(trigger, []).append(EvolutionRule(place, spec.when, tuple(spec.set.items())))
    for trigger, rules in book.items():
        _require_bounded(trigger, rules)
    return {trigger: tuple(rules) for trigger, rules in book.items()}


def _cost_of(ctx: Context, spec: EvolutionSpec, known: dict[str, Trait], trigger: str, field: str) -> int:
    """Check a rule's expressions; return their worst case."""
    facts = facts_of(known.values(), trigger.startswith(EVENT))
    if not spec.set:
        refuse(f"{field}.set", "a trait at least")
    for name in spec.set:
        if name not in known:
            refuse(f"{field}.set.{name}", "a trait of the collection")
    ctx.charge(CHECK_UNITS_PER_BYTE * sum(len(source) for source in (spec.when, *spec.set.values())))
    cost = _checked(spec.when, facts, "bool", f"{field}.when").max_cost
    for name, source in spec.set.items():
        rule = _checked(source, facts, _RESULTS[known[name].type], f"{field}.set.{name}")
        _require_fitting(rule, known[name], f"{field}.set.{name}")
        cost += rule.max_cost
    return cost


def _checked(source: str, facts: Facts, result: str, field: str) -> Rule:
    try:
        return check(source, facts, result, limit=MAX_COST)
    except RuleRefused as refusal:
        raise Refused(
            "INVALID_ARGS",
            f"{field}: {refusal.message}"[:MAX_MESSAGE],
            field=field,
            line=refusal.line,
            column=refusal.column,
        ) from None


def _require_fitting(rule: Rule, trait: Trait, field: str) -> None:
    """Refuse an expression that reads nothing, and gives what its trait does not take."""
    if rule.roots or rule.host_reads:
        return
    outcome = rule.evaluate({}, NoHost())
    problem = str(outcome.error) if outcome.error else problem_with(trait, outcome.value)
    if problem is not None:
        refuse(field, f"a value that the trait takes: {problem}"[:MAX_MESSAGE])


def _require_bounded(trigger: str, rules: Sequence[EvolutionRule]) -> None:
    if len(rules) > MAX_RULES_OF_TRIGGER:
        raise Refused("LIMIT_EXCEEDED", f"too many rules of {trigger}", limit=MAX_RULES_OF_TRIGGER)
    size = sum(len(source.encode()) for rule in rules for source in (rule.when, *[one for _, one in rule.sets]))
    if size > MAX_BYTES:
        raise Refused("LIMIT_EXCEEDED", f"rules of {trigger} are too long together", limit=MAX_BYTES)


def trigger_of(on: str | On, field: str = "on") -> str:
    """Return the key of a trigger.

    Raises:
        Refused: INVALID_ARGS, it names both an event and a time, or neither.
    """
    if isinstance(on, str):
        return on
    if (on.event is None) == (on.held_days is None):
        refuse(field, "either an event or held_days")
    return f"{EVENT}{on.event}" if on.event is not None else f"{HELD}{on.held_days}"


def on_of(trigger: str) -> str | On:
    """Return a trigger as a brand gives it."""
    if trigger.startswith(EVENT):
        return On(event=trigger.removeprefix(EVENT))
    if trigger.startswith(HELD):
        return On(held_days=int(trigger.removeprefix(HELD)))
    return trigger


def held_days_of(triggers: Iterable[str]) -> tuple[int, ...]:
    """Return the days of the triggers that are times, ascending."""
    return tuple(sorted(int(key.removeprefix(HELD)) for key in triggers if key.startswith(HELD)))


def put_rules(ctx: Context, brand: str, name: str, book: Rulebook, before: Look | None) -> None:
    """Write a collection's rules in the place of those of an earlier look, and say which events it listens to.

    Raises:
        Refused: LIMIT_EXCEEDED, too many of the brand's collections listen to one event.
    """
    for trigger in () if before is None else before.triggers:
        RULES.delete(ctx, name, trigger)
        _listen(ctx, brand, name, trigger, False)
    for trigger, rules in book.items():
        RULES.put(ctx, rules, name, trigger)
        _listen(ctx, brand, name, trigger, True)


def _listen(ctx: Context, brand: str, name: str, trigger: str, listening: bool) -> None:
    key: tuple[str, ...]
    if trigger.startswith(EVENT):
        listeners, key = ON_EVENT, (brand, trigger.removeprefix(EVENT))
    elif trigger == TIER:
        listeners, key = ON_TIER, (brand,)
    else:
        return
    if not listening:
        listeners.discard(ctx, *key, item=name)
        return
    listeners.add(ctx, *key, item=name)
    if len(list(listeners.iterate(ctx, *key))) > MAX_LISTENING:
        raise Refused("LIMIT_EXCEEDED", f"too many collections have rules of {trigger}", limit=MAX_LISTENING)


def shown_rules(ctx: Context, name: str, look: Look) -> tuple[EvolutionSpec, ...]:
    """Return a collection's rules in their order, as the brand gave them."""
    found = [(rule, trigger) for trigger in look.triggers for rule in RULES.require(ctx, name, trigger)]
    return tuple(
        [
            EvolutionSpec(on_of(trigger), rule.when, dict(rule.sets))  # type: ignore[arg-type]
            for rule, trigger in sorted(found, key=lambda pair: pair[0].place)
        ]
    )
