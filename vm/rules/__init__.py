"""The rule language (SPEC section 8): the integer subset of CEL, for conditions and amounts that marketers write.

    facts = Facts.of({"event": record({"amount": INT}), "member": MAP})
    rule = check('event.amount >= 10000 && member.tier == "gold"', facts, "bool")     raises RuleRefused
    outcome = rule.evaluate({"event": {"amount": 12000}, "member": {"tier": "gold"}}, NoHost())
    outcome.value, outcome.error, outcome.cost

Nothing here needs a chain. docs/rules.md is for authors of rules, docs/rule-engine.md for the next owner.
"""

from vm.rules.costs import MAX_COST, check_units, units
from vm.rules.errors import ErrorKind, HostRefusal, RuleError, RuleRefused
from vm.rules.explain import Part, explain
from vm.rules.host import Host, NoHost
from vm.rules.kinds import (
    BOOL,
    BYTES,
    DYN,
    INT,
    LIST,
    MAP,
    NULL,
    STRING,
    Facts,
    Kind,
    dyn,
    list_of,
    map_of,
    record,
    string,
)
from vm.rules.outcome import Outcome
from vm.rules.rule import Rule, check
from vm.rules.values import BoolKey, Value

__all__ = [
    "BOOL",
    "BYTES",
    "DYN",
    "INT",
    "LIST",
    "MAP",
    "MAX_COST",
    "NULL",
    "STRING",
    "BoolKey",
    "ErrorKind",
    "Facts",
    "Host",
    "HostRefusal",
    "Kind",
    "NoHost",
    "Outcome",
    "Part",
    "Rule",
    "RuleError",
    "RuleRefused",
    "Value",
    "check",
    "check_units",
    "dyn",
    "explain",
    "list_of",
    "map_of",
    "record",
    "string",
    "units",
]
