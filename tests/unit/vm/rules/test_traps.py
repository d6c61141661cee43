"""Cases that implementations of such languages have got wrong, by the trackers that tell of them."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from tests.unit.vm.rules.questions import error, outcome, refusal, value
from vm.rules import (
    BOOL,
    DYN,
    INT,
    LIST,
    BoolKey,
    ErrorKind,
    Facts,
    HostRefusal,
    NoHost,
    RuleRefused,
    Value,
    check,
    list_of,
)
from vm.rules.syntax import MAX_DEPTH

LEAST = -(2**63)


# cel-expr/cel-go#251: absorption


def test_what_decides_wins_over_errors_on_either_side() -> None:
    assert value("event.attrs.x > 0 || true") is True
    assert value("true || 1/0 > 0") is True
    assert value("1/0 > 0 && false") is False
    assert value("false && 1/0 > 0") is False
    assert value("1/0 > 0 || 2/0 > 0 || true") is True


def test_of_two_errors_the_left_one_is_told() -> None:
    found = outcome("1 / 0 > 0 || 2 % 0 > 0").error
    assert found is not None
    assert (found.kind, found.position) == (ErrorKind.DIVIDE_BY_ZERO, 2)


def test_what_is_no_bool_is_an_error_that_is_absorbed_alike() -> None:
    assert error("i || 1/0 > 0") is ErrorKind.TYPE
    assert error("1/0 > 0 || i") is ErrorKind.DIVIDE_BY_ZERO
    assert value("i || true") is True
    assert value("s && false") is False
    assert error("i && true") is ErrorKind.TYPE


def test_the_cost_tells_what_was_entered_and_nothing_else() -> None:
    # A name and the connective, then each further block when it is entered.
    assert outcome("b || event.amount > 1").cost == 13
    assert outcome("c || event.amount > 1").cost == outcome("i || event.amount > 1").cost == 17
    assert outcome("c || x.amount > 1", x=None).cost == outcome("c || x.amount > 1", x={}).cost == 17


# cel-expr/cel-spec#126, #130: the least integer


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("-9223372036854775808", LEAST),
        ("- 9223372036854775808", LEAST),
        ("-0x8000000000000000", LEAST),
        ("9223372036854775807", 2**63 - 1),
        ("least", LEAST),
        ("-7 / 2", -3),
        ("7 / -2", -3),
        ("-7 % 2", -1),
        ("7 % -2", 1),
        ("-7 % -2", -1),
        ("least / 1", LEAST),
        ("least % 1", 0),
        ("i * 3 - 1", 14),
    ],
)
def test_integers_at_their_limits(source: str, expected: int) -> None:
    assert value(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "-(-9223372036854775808)", "-least", "least / -1", "least % -1", "-9223372036854775808 / -1", "abs(least)",
        "big + 1", "least - 1", "big * 2", "sum([big, 1, -1])", "muldiv(big, big, 1)", "bps(big, 20000)", "1 + big",
        "least + -1",
    ],
)  # fmt: skip
def test_what_leaves_64_bits_is_an_error(source: str) -> None:
    assert error(source) is ErrorKind.OVERFLOW


@pytest.mark.parametrize(
    "source",
    [
        "9223372036854775808",
        "--9223372036854775808",
        "-(9223372036854775808)",
        "0x8000000000000000",
        "9" * 4_000,
        "1" + "0" * 30,
    ],
)
def test_literals_that_do_not_fit_are_refused(source: str) -> None:
    assert "64 bits" in refusal(source)


def test_wide_intermediates_are_exact() -> None:
    assert value("muldiv(big, big, big)") == 2**63 - 1
    assert value("muldiv(-7, 1, 2)") == -4
    assert value("bps(-1, 1)") == -1
    assert value("bps(12345, 150)") == 185
    assert error("muldiv(1, 1, 0)") is ErrorKind.DIVIDE_BY_ZERO


# cloud-custodian/cel-python#73, cel-expr/cel-spec#494: has


def test_has_asks_for_the_last_field_alone() -> None:
    assert value("has(event.attrs.a)") is False
    assert value("has(event.attrs.nothing)") is True
    assert error("has(event.attrs.a.b)") is ErrorKind.MISSING
    assert error("has(event.attrs.nothing.b)") is ErrorKind.TYPE
    assert error("has(event.channel.b)") is ErrorKind.TYPE
    assert value("has(event.attrs.a.b) || true") is True
    assert "field selection" in refusal('has(m["k"])')
    assert "field selection" in refusal("has(m)")
    assert "field selection" in refusal("has(m.a, m.b)")


# cel-expr/cel-go#135, cel-expr/cel-spec#33: code points


def test_strings_are_code_points() -> None:
    assert value('size("é😀")') == 2
    assert value('size("e\\u0301")') == 2
    assert value('"😀" < "\\uFFFF"') is False
    assert value("t.size()") == 5
    assert value('"e\\u0301".startsWith("e")') is True
    assert value('"e\\u0301" == "\\u00e9"') is False
    assert value('"\\U0001F600".contains("\\U0001F600")') is True


# cel-rust/cel-rust#212, #305; GaloyMoney/cala#838: hostile sources

HOSTILE = {
    "a long sum": "1" + "+1" * 20_000,
    "brackets": "(" * 10_000,
    **{f"4 KiB of {mark}": mark * 4_096 for mark in "[({"},
    "nots": "!" * 4_090 + "a",
    "minuses": "-" * 4_090 + "1",
    "conditionals": "a?" * 2_000,
    "a mixture": ">{{{?[(((" * 400,
    "fields": "a" + ".a" * 2_040,
    "indices": "a" + "[0]" * 1_300,
    "calls": "size(" * 800,
    "comparisons": "1" + "==1" * 1_000,
    "memberships": "1 in [1]" + " in [1]" * 500,
    "macros": "l.all(x," * 400,
    "macros that double": "l.map(x,l.map(y," + "l+" * 1_000 + "l))",
    "strings that double": "l.map(x," + "x+" * 1_000 + "x)",
    "a long literal": "9" * 4_000,
    "quotes": "'" * 4_095,
    "a string without end": "'''" + "a" * 4_000,
    "backslashes": "'" + "\\" * 4_001,
    "a surrogate": "'\ud800'",
    "NUL": "'\0'",
    "no text": "// nothing",
}


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE)
def test_hostile_sources_are_refused_at_once(source: str) -> None:
    facts = Facts.of({"a": DYN, "l": LIST, "x": DYN})
    best = 1.0
    for _ in range(5):
        started = time.perf_counter()
        with pytest.raises(RuleRefused) as refused:
            check(source, facts, "any")
        best = min(best, time.perf_counter() - started)
    # The benchmark holds it to 10 ms; machines that are busy get some more here.
    assert best < 0.1
    assert len(refused.value.pointed()) < 600


def test_refusing_takes_little_memory() -> None:
    tracemalloc.start()
    for source in HOSTILE.values():
        with pytest.raises(RuleRefused):
            check(source, Facts.of({"a": DYN, "l": LIST, "x": DYN}), "any")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize("connective", ["&&", "||"])
def test_a_flat_chain_is_not_deep(connective: str) -> None:
    operand = "b" if connective == "&&" else "c"
    source = connective.join([operand] * 1_300)
    assert value(source) is (connective == "&&")
    assert error(f"n{connective}{source}") is ErrorKind.TYPE


@pytest.mark.parametrize(
    "source",
    [
        "1+" * 1_300 + "1",
        "[" + "i," * 1_300 + "]",
        "2 - 1" + " - 1" * 600,
        "{" + ",".join(f"{k}:i" for k in range(400)) + "}",
    ],
)
def test_long_flat_expressions_are_evaluated(source: str) -> None:
    assert outcome(source).error is None


@pytest.mark.parametrize(
    ("head", "tail"),
    [("(", ")"), ("[", "]"), ("!", ""), ("size([", "])"), ("{1:", "}"), ("b?1:", ""), ("b && (c || ", ")")],
)
def test_what_is_nested_as_deep_as_allowed_is_evaluated(head: str, tail: str) -> None:
    """Python's own limits, of brackets and of blocks, are not met below the language's."""
    deepest = 0
    for depth in range(1, MAX_DEPTH + 1):
        try:
            found = outcome(head * depth + "b" + tail * depth)
        except RuleRefused:
            break
        assert found.error is None
        deepest = depth
    assert deepest >= MAX_DEPTH // 2 - 1
    assert "deeper" in refusal(head * (MAX_DEPTH + 1) + "b" + tail * (MAX_DEPTH + 1))


# cel-expr/cel-go#420, #859: nested macros


def test_a_third_nested_macro_is_refused() -> None:
    assert "nested at most 2" in refusal("l.all(x, l.all(y, l.all(z, x > y && y > z)))")
    # In a range a macro is not nested.
    assert value("l.filter(x, x > 0).map(y, y).all(z, l.exists(w, w == z))") is True


def test_two_nested_macros_over_a_thousand_each_are_refused() -> None:
    source = "big.all(x, big.all(y, x <= y))"
    with pytest.raises(RuleRefused, match="worst case"):
        check(source, Facts.of({"big": list_of(INT, 1_000)}))
    assert check(source, Facts.of({"big": list_of(INT, 50)})).max_cost < 1_000_000


def test_a_fact_larger_than_declared_ends_the_evaluation() -> None:
    rule = check("l.map(x, x * x + x)", Facts.of({"l": list_of(INT, 10)}), "list")
    assert rule.evaluate({"l": list(range(10))}, NoHost()).cost == rule.max_cost
    # One turn more is too much for what the body pays; many are too much before the first.
    for size in (11, 10_000):
        found = rule.evaluate({"l": list(range(size))}, NoHost())
        assert (found.error and found.error.kind, found.cost) == (ErrorKind.LIMIT, rule.max_cost)


def test_sizes_alone_can_be_too_much() -> None:
    rule = check("sum(l)", Facts.of({"l": list_of(INT, 10)}), "int")
    assert rule.evaluate({"l": [1] * 10}, NoHost()).value == 10
    found = rule.evaluate({"l": [1] * 11}, NoHost())
    assert (found.error and found.error.kind, found.cost) == (ErrorKind.LIMIT, rule.max_cost)


def test_nothing_absorbs_the_end_of_the_allowance() -> None:
    rule = check("l.all(x, x > 0) || true", Facts.of({"l": DYN}))
    found = rule.evaluate({"l": [1] * 10_000}, NoHost())
    assert found.error is not None
    assert found.error.kind is ErrorKind.LIMIT


# CacheControl/json-rules-engine#223, #280: what a cache forgets


class Clock:
    def __init__(self, offset: int) -> None:
        self.offset = offset

    def local(self, ms: int) -> int:
        return ms + self.offset

    def in_collection(self, name: str, item: Value) -> bool:
        return item == self.offset

    def lookup(self, name: str, key: Value, default: Value) -> Value:
        raise HostRefusal(f"there is no table {name}")


def test_one_compiled_rule_serves_brands_with_other_clocks_and_params() -> None:
    facts = Facts.of({"now": DYN, "params": DYN})
    source = "hour(local(now)) == params.hour"
    rule = check(source, facts)
    assert check(source, Facts.of({"params": DYN, "now": DYN})) is rule
    assert rule.evaluate({"now": 0, "params": {"hour": 1}}, Clock(3_600_000)).value is True
    assert rule.evaluate({"now": 0, "params": {"hour": 1}}, Clock(7_200_000)).value is False
    assert rule.evaluate({"now": 0, "params": {"hour": 2}}, Clock(7_200_000)).value is True


def test_a_host_is_asked_and_can_refuse() -> None:
    facts = Facts.of({"x": DYN})
    rule = check('in_collection("wines", x) && lookup("points", x, 0) > 1', facts)
    assert rule.host_reads == {("collection", "wines"), ("table", "points")}
    assert rule.evaluate({"x": 3}, Clock(2)).value is False
    found = rule.evaluate({"x": 2}, Clock(2)).error
    assert found is not None
    assert (found.kind, found.message) == (ErrorKind.HOST, "there is no table points")
    with pytest.raises(RuleRefused, match="string literal"):
        check("in_collection(x, 1)", facts)


# jwadhams/json-logic-js#60, #109; json-logic#13: missing is not zero


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({}, "MISSING"),
        ({"total": None}, "TYPE"),
        ({"total": "5"}, "TYPE"),
        ({"total": True}, "TYPE"),
        (None, "TYPE"),
    ],
)
@pytest.mark.parametrize(
    "source", ["event.attrs.total >= 0", "0 <= event.attrs.total", "event.attrs.total + 1 > 0"]
)
def test_a_missing_total_is_an_error_that_names_it(source: str, event: Value, kind: str) -> None:
    rule = check(source, Facts.of({"event": DYN}), BOOL)
    found = rule.evaluate({"event": {"attrs": event}}, NoHost()).error
    assert found is not None
    assert found.kind == kind
    assert "event.attrs" in found.message
    if event is not None:
        assert "event.attrs.total" in found.message


# Python's True equal to 1


def test_true_is_never_one() -> None:
    assert value("true in l") is False
    assert value("i in [true]", i=1) is False
    assert value("b in [1, 2]") is False
    assert value("x in [1, 2]", x=True) is False
    assert value("[1] == x", x=[True]) is False
    assert value("{'a': 1} == x", x={"a": True}) is False
    assert error("x == 1", x=True) is ErrorKind.TYPE
    assert error("x + 1", x=True) is ErrorKind.TYPE
    assert error("sum(x)", x=[True]) is ErrorKind.TYPE
    assert error("l[x]", x=True) is ErrorKind.TYPE
    assert value("[0, 1].filter(y, y in x)", x=[True, 1]) == [1]


def test_a_map_has_one_and_true() -> None:
    both = "{1: 'one', true: 'yes', 0: 'zero', false: 'no'}"
    assert value(f"{both}.size()") == 4
    assert value(f"{both}[true] + {both}[1] + {both}[false] + {both}[0]") == "yesonenozero"
    assert value(f"{both}.map(k, k)") == [False, True, 0, 1]
    assert [type(key) for key in value(f"{both}.map(k, k)")] == [bool, bool, int, int]
    assert value("{true: 1}") == {BoolKey.TRUE: 1}
    assert value("x in {1: 2}", x=True) is False
    assert value("true in x", x={1: 2}) is False
    assert value("1 in x", x={True: 2}) is False
    assert value("true in x", x={True: 2}) is True


# Order of maps, duplicate keys


def test_maps_are_walked_in_key_order() -> None:
    assert value("m.map(k, k)") == ["a", "b", "\uffff", "\U0001f600"]
    assert value("x.map(k, k)", x={"b": 1, 10: 2, "a": 3, -1: 4}) == [-1, 10, "a", "b"]
    assert value("x == y", x={"a": 1, "b": 2}, y={"b": 2, "a": 1})


def test_a_key_is_there_once() -> None:
    assert "already" in refusal("{'a': 1, \"a\": 2}")
    assert error("{s: 1, 'gold': 2}") is ErrorKind.DUPLICATE_KEY
    assert error("{n: 1}") is ErrorKind.TYPE


# Depth of facts


def test_facts_nested_deeper_than_python_recurses_are_compared() -> None:
    deep: Value = []
    for _ in range(100_000):
        deep = [deep]
    assert error("x == x", x=deep) is ErrorKind.LIMIT
    # An error of the comparison alone, which is absorbed like others.
    assert value("x == x || b", x=deep) is True
    assert value("x == [1]", x=deep) is False
    assert value("x == y", x=[[1, 2]] * 40, y=[[1, 2]] * 40) is True
    assert error("[1].exists(z, x == y)", x=[[1, 2]] * 40, y=[[1, 2]] * 40) is ErrorKind.LIMIT
    while deep:
        deep = deep[0]
