"""Rules as campaigns use them: checked when a campaign is created, found again by their source when one fires."""

from __future__ import annotations

from typing import Final

from contracts_py.campaign.facts import FACTS
from vm.contract_api import Context, Refused
from vm.rules import Rule, RuleRefused, check, check_units, units

MAX_RULE_UNITS: Final = 5_000
"""Work units that all rules of one campaign may cost at worst: an eightieth of a transaction's."""

MAX_EVENT_UNITS: Final = 250_000
"""Work units that the rules of all campaigns of one event may cost at worst, so that a record can pay for them."""

RESULTS: Final = ("bool", "int", "any")


def condition(source: str) -> Rule:
    """Return the rule of a condition that was checked."""
    return check(source, FACTS, "bool")


def value(source: str) -> Rule:
    """Return the rule of an effect's expression that was checked; what it comes to, the effect looks at."""
    return check(source, FACTS, "any")


def checked(ctx: Context, source: str, field: str, result: str) -> Rule:
    """Return the rule that a client sends; what checking it takes is paid for.

    Raises:
        Refused: INVALID_ARGS, with line and column.
    """
    ctx.charge(check_units(source))
    try:
        return check(source, FACTS, result)
    except RuleRefused as refusal:
        raise Refused(
            "INVALID_ARGS",
            f"{field}: {refusal.message}",
            field=field,
            line=refusal.line,
            column=refusal.column,
        ) from None


def worst_units(rules: list[Rule]) -> int:
    """Return what rules cost at worst, in work units."""
    return sum([units(rule.max_cost) for rule in rules])
