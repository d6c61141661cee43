"""Where this language differs from CEL on purpose; docs/rules.md gives the reason of each.

Each test shows both sides, so that a difference that has gone is noticed.
"""

from __future__ import annotations

import pytest

from tests.properties.rules_oracle import ERROR, answer
from tests.unit.vm.rules.questions import error, outcome, refusal, value
from vm.rules import ErrorKind


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("1.5 > 1.0", "double is left out"), (".5", "double"), ("1e3", "double"), ("1u", "uint"), ("0xFFu", "uint"),
        ("dyn(1)", "dyn"), ("type(1)", "type"), ("double(1)", "double"), ("uint(1)", "uint"),
        ('timestamp("2020-01-01T00:00:00Z")', "timestamps"), ('duration("1s")', "durations"),
        ('"a".matches("a")', "regular expressions"), ('matches("a", "a")', "regular expressions"),
        ("google.protobuf.Int32Value{value: 1}", "messages"), (".i", "leading dot"), ('bool("true")', "bool"),
    ],
)  # fmt: skip
def test_what_is_left_out_is_refused_by_name(source: str, told: str) -> None:
    assert told in refusal(source)
    assert answer(source) != ERROR


@pytest.mark.parametrize("source", ["m.?a", 'm[?"a"]'])
def test_optional_values_are_refused_by_name(source: str) -> None:
    assert "optional values" in refusal(source)


def test_values_of_different_types_are_not_compared() -> None:
    for source in ('i == "5"', 'i != "5"', "i == true", "l == m", 's == b"gold"', "i == l"):
        assert error(source) is ErrorKind.TYPE
        assert answer(source) == ("bool", "!=" in source)
    # Null is equal to null alone, and inside of lists and maps types may differ, as in CEL.
    assert value("i == null") is False
    assert value("[i] == x", x=["5"]) is False
    assert value("'5' in x", x=[5]) is False


def test_every_operator_is_applied() -> None:
    assert error("!!i") is ErrorKind.TYPE
    assert error("--s") is ErrorKind.TYPE
    assert (answer("!!i"), answer("--s")) == (("int", 5), ("str", "gold"))


def test_int_takes_no_bool() -> None:
    assert error("int(b)") is ErrorKind.TYPE
    assert answer("int(b)") == ("int", 1)


def test_null_is_no_operand_for_the_checker() -> None:
    assert "null" in refusal("b || null + y == y")
    assert answer("b || null + y == y") == ("bool", True)


def test_a_key_that_is_there_twice_is_an_error_as_others_are() -> None:
    assert value("b || {s: 1, 'gold': 2}.size() > 0") is True
    assert value("{s: 1, 'gold': 2}.size() > 0 || b") is True
    assert answer("{s: 1, 'gold': 2}.size() > 0 || b") == ERROR
    refusal("b || {'a': 1, 'a': 2}.size() > 0")


def test_lists_made_of_maps_are_in_key_order() -> None:
    assert value("m.filter(k, m[k] > 0)") == ["a", "b", "\uffff", "\U0001f600"]


def test_a_third_nested_macro_is_refused() -> None:
    source = "l.all(p, l.all(q, l.all(r, true)))"
    assert "nested" in refusal(source)
    assert answer(source) == ("bool", True)


def test_line_ends_in_strings_stay_as_they_are() -> None:
    assert value("'''a\r\nb'''") == "a\r\nb"
    assert answer("'''a\r\nb'''") == ("str", "a\nb")


def test_a_raw_string_can_end_with_a_backslash() -> None:
    assert value(r"r'\'") == "\\"
    assert answer(r"r'\'") == ERROR


def test_literals_without_elements_have_no_type() -> None:
    source = "[].map(z, string(z) + (b && z ? 'a' : 'b'))"
    assert value(source) == []
    assert answer("[].map(z, z && true, z + 1)") == ERROR
    assert value("[].map(z, z && true, z + 1)") == []


def test_an_element_of_any_fact_is_of_any_type() -> None:
    """The oracle's checker takes m["zz"] for one certain type; without it, it agrees."""
    source = 'c && m["zz"].exists(z, true)'
    assert value(source) is False
    assert answer(source) == ERROR
    assert answer(source, checked=False) == ("bool", False)


def test_sources_are_bounded() -> None:
    assert "4096 bytes" in refusal("'" + "é" * 2_048 + "'")
    assert "NUL" in refusal("'\0'")
    assert "surrogate" in refusal("'\udc80'")
    assert "deeper" in refusal("(" * 33 + "1" + ")" * 33)
    assert outcome("(" * 32 + "1" + ")" * 32).value == 1
