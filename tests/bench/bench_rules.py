"""What the rule language takes: evaluations a second, compiled and interpreted; checking; time per unit of cost.

Run: .venv/bin/python -m tests.bench.bench_rules [--seconds S]

Best of several runs of one process. "units" are the language's own; the last column shows what a unit takes, which
is to stay near the 50 ns that `costs.UNITS_PER_METERED` charges for it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any, Final

from tests.support.rule_expressions import FACTS
from tests.unit.vm.rules.test_traps import HOSTILE
from vm.rules import DYN, LIST, Facts, NoHost, Rule, RuleRefused, check
from vm.rules.costs import CHECK_UNITS_PER_BYTE, UNITS_PER_METERED
from vm.rules.interpreter import interpreted
from vm.rules.rule import RULES

NAMED: Final = 'event.amount >= 10000 && member.tier == "gold" && event.channel in ["web","store"]'
METERED_UNITS_PER_US: Final = 2.5
"""Units of vm metering for a microsecond of an idle core (vm/metering.py)."""

EVALUATED: Final = {
    "the named condition": NAMED,
    "an amount": "bps(event.amount, 150) + event.amount / 100",
    "a basket's sum": 'sum(lm.filter(x, has(x.p) && x.p > 5).map(x, x.p)) > 20 || "web" in ls',
    "errors absorbed by ||": "m.z || m.z || m.z || m.z || m.z || m.z || m.z || b",
    "errors absorbed by a macro": "many.exists(x, x.z)",
    "type errors absorbed by a macro": "many.all(x, x)",
    "a macro": "many.all(x, x >= 0)",
    "a macro with && inside": "many.all(x, x >= 0 && x < 1000)",
    "two nested macros": "many.all(x, l.exists(y, y <= x || y > x))",
    "map": "many.map(x, x + 1)",
    "a map's keys": "wide.all(k, k != s)",
    "in a list": "many.all(x, x in many)",
    "lists compared": "many.all(x, l == [3, 1, 2])",
    "maps compared": "many.all(x, m == n2)",
    "strings joined": "many.map(x, long + long)",
    "strings searched": "many.all(x, !long.contains(hay))",
    "strings compared": "many.all(x, long == long2)",
    "conversions": "many.all(x, int(string(x)) == x)",
    "a list made": "many.map(x, [x, x, x, x, x, x, x, x])",
    "a map made": "many.map(x, {'a': x, 'b': x, 'c': x})",
    "conditionals": "many.map(x, x > 5 ? x : x > 3 ? 2 : 3)",
    "calls": "many.map(x, muldiv(x, 3, 7))",
    "indices": "many.map(x, many[x])",
    "divisions": "many.map(x, x / 3 % 7)",
}
VALUES: Final[dict[str, Any]] = FACTS | {
    "many": list(range(100)),
    "wide": {f"key{number}": number for number in range(100)},
    "long": "a" * 256,
    "long2": "a" * 255 + "b",
    "hay": "a" * 128 + "b",
    "n2": dict(reversed(FACTS["m"].items())),
}
KINDS: Final = Facts.of(dict.fromkeys(VALUES, DYN))
HOST: Final = NoHost()


def best(work: Callable[[], object], seconds: float) -> float:
    """Return the seconds of one call, the best of runs that take about `seconds` together."""
    started = time.perf_counter()
    work()
    once = max(time.perf_counter() - started, 1e-7)
    times = max(1, int(seconds / 7 / once))
    fastest = once
    for _ in range(7):
        started = time.perf_counter()
        for _ in range(times):
            work()
        fastest = min(fastest, (time.perf_counter() - started) / times)
    return fastest


def named_rate(seconds: float) -> float:
    """Return metered evaluations of the named condition in a second, in a plain loop."""
    rule = check(NAMED, Facts.of({"event": DYN, "member": DYN}))
    values, times, fastest = {"event": FACTS["event"], "member": FACTS["member"]}, 100_000, 0.0
    ending = time.perf_counter() + seconds
    while time.perf_counter() < ending:
        started = time.perf_counter()
        for _ in range(times):
            rule.evaluate(values, HOST)
        fastest = max(fastest, times / (time.perf_counter() - started))
    return fastest


def evaluations(seconds: float) -> None:
    """Print the table of evaluations."""
    print(f"{'rule':34} {'units':>7} {'µs':>9} {'interpreted':>12} {'ratio':>6} {'ns a unit':>10}")
    for name, source in EVALUATED.items():
        rule = check(source, KINDS, "any")
        outcome = rule.evaluate(VALUES, HOST)
        compiled = best(lambda rule=rule: rule.evaluate(VALUES, HOST), seconds)
        plain = best(lambda rule=rule: _interpret(rule), seconds)
        print(
            f"{name:34} {outcome.cost:7} {compiled * 1e6:9.2f} {plain * 1e6:12.2f} {plain / compiled:6.1f}"
            f" {compiled * 1e9 / outcome.cost:10.1f}"
        )


def _interpret(rule: Rule) -> object:
    return interpreted(rule.tree, rule.result, rule.max_cost, VALUES, HOST)


def checks(seconds: float) -> None:
    """Print what checking takes: rules as they are written, the longest, and hostile sources."""
    facts = Facts.of({"event": DYN, "member": DYN, "a": DYN, "l": LIST, "x": DYN})
    longest = {"1,361 operands of &&": "a" + "&&a" * 1_360, "2,001 factors": "1" + "*x" * 2_000}
    print(f"\n{'source':34} {'bytes':>7} {'ms':>9} {'µs a byte':>10}")
    for name, source in {"the named condition": NAMED, **longest, **HOSTILE}.items():
        taken = best(lambda source=source: _check(source, facts), seconds / 4)
        size = max(1, len(source.encode(errors="surrogatepass")))
        print(f"{name:34} {size:7} {taken * 1e3:9.3f} {taken * 1e6 / size:10.2f}")
    print(f"charged: {CHECK_UNITS_PER_BYTE / METERED_UNITS_PER_US:.0f} µs a byte")


def _check(source: str, facts: Facts) -> None:
    RULES.clear()
    try:
        check(source, facts, "any")
    except RuleRefused:
        return


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each figure")
    seconds = parser.parse_args().seconds
    print(f"{NAMED}\n{named_rate(4 * seconds) / 1e6:.2f} million metered evaluations/s\n")
    evaluations(seconds)
    print(f"charged: {1000 / METERED_UNITS_PER_US / UNITS_PER_METERED:.0f} ns a unit")
    checks(seconds)


if __name__ == "__main__":
    main()
