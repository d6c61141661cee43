"""Argument checkers: what passes, what is refused, and with which field."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest

from vm.arguments import (
    MAX_LIST_ITEMS,
    Address,
    Amount,
    BasisPoints,
    Hash,
    MaxItems,
    Name,
    Rule,
    Slug,
    bind,
    compile_checker,
    integer,
    signature_fields,
    text,
)
from vm.errors import Refused
from vm.primitives.address import address_of_key
from vm.primitives.units import MAX_INT


class Days(msgspec.Struct, frozen=True, tag_field="kind", tag="days"):
    days: Amount


class Forever(msgspec.Struct, frozen=True, tag_field="kind", tag="none"):
    pass


class Shift(msgspec.Struct, frozen=True):
    from_: Amount = msgspec.field(name="from")
    note: Name | None = None


def example(
    self: Any,
    ctx: Any,
    program: Slug,
    amount: Amount,
    from_: Address | None = None,
    expiry: Days | Forever | None = None,
    shifts: list[Shift] | None = None,
    flag: bool = False,
    side: Literal["left", "right"] = "left",
) -> None: ...


FIELDS = signature_fields(example, skip=2)
ADDRESS = address_of_key(bytes(32))


def refused(args: dict[str, Any]) -> str:
    with pytest.raises(Refused) as caught:
        bind(FIELDS, args)
    assert caught.value.code == "INVALID_ARGS"
    assert caught.value.message.startswith(caught.value.details["field"])
    field: str = caught.value.details["field"]
    return field


def test_bound_arguments_carry_python_names() -> None:
    args = {
        "program": "stars",
        "amount": 1,
        "from": ADDRESS,
        "expiry": {"kind": "days", "days": 3},
        "shifts": [{"from": 5}, {"from": 6, "note": "x"}],
        "flag": True,
        "side": "right",
    }
    assert bind(FIELDS, args) == {
        "program": "stars",
        "amount": 1,
        "from_": ADDRESS,
        "expiry": Days(3),
        "shifts": (Shift(5), Shift(6, "x")),
        "flag": True,
        "side": "right",
    }
    assert bind(FIELDS, {"program": "stars", "amount": MAX_INT}) == {"program": "stars", "amount": MAX_INT}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"program": None}, "program"),
        ({"program": "Stars"}, "program"),
        ({"program": "s"}, "program"),
        ({"program": "stars\n"}, "program"),
        ({"amount": 0}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": 1.0}, "amount"),
        ({"amount": "1"}, "amount"),
        ({"amount": MAX_INT + 1}, "amount"),
        ({"from": ADDRESS.upper()}, "from"),
        ({"from": ADDRESS[:-1] + "q"}, "from"),
        ({"from": None}, "from"),
        ({"from_": ADDRESS}, "from_"),
        ({"self": 1}, "self"),
        ({"ctx": 1}, "ctx"),
        ({"flag": 1}, "flag"),
        ({"side": "up"}, "side"),
        ({"side": ["left"]}, "side"),
        ({"expiry": {"kind": "none", "days": 3}}, "expiry.days"),
        ({"expiry": {"days": 3}}, "expiry.kind"),
        ({"expiry": {"kind": ["days"], "days": 3}}, "expiry.kind"),
        ({"expiry": {"kind": "days"}}, "expiry.days"),
        ({"expiry": []}, "expiry"),
        ({"shifts": {}}, "shifts"),
        ({"shifts": [{"from": 1}, 7]}, "shifts[1]"),
        ({"shifts": [{"from": 1, "note": ""}]}, "shifts[0].note"),
        ({"shifts": [{"from_": 1}]}, "shifts[0].from_"),
        ({"shifts": [{"from": 1}] * (MAX_LIST_ITEMS + 1)}, "shifts"),
        ({"x" * 500: 1}, "x" * 64),
    ],
)
def test_refusals_name_the_field(change: dict[str, Any], field: str) -> None:
    assert refused({"program": "stars", "amount": 1, **change}) == field


def test_refusals_come_in_a_fixed_order() -> None:
    assert refused({"amount": 0, "program": 0, "zebra": 1}) == "zebra"
    assert refused({"amount": 0, "program": 0}) == "program"
    assert refused({"amount": 0}) == "program"


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        (BasisPoints, [0, 10_000], [-1, 10_001]),
        (Hash, ["ab" * 32], ["AB" * 32, "ab" * 31, "ab" * 31 + "a ", "é" * 64, 7]),
        (Annotated[str, text(1, 4)], ["€", "abcd", "\0"], ["", "€€", "abcde", "\ud800", b"ab"]),
        (Annotated[int, integer(-3, 3)], [-3, 0, 3], [-4, 4, False, "1"]),
    ],
)
def test_rules(annotation: Any, good: list[Any], bad: list[Any]) -> None:
    check = compile_checker(annotation)
    for value in good:
        assert check(value, "f") == value
    for value in bad:
        with pytest.raises(Refused, match="INVALID_ARGS"):
            check(value, "f")


@pytest.mark.parametrize("annotation", [int, str, dict, float, Annotated[int, "no rule"], Days | Shift, int | str])
def test_annotations_without_a_rule_are_a_programmers_error(annotation: Any) -> None:
    with pytest.raises(TypeError):
        compile_checker(annotation)


def test_a_list_may_have_a_bound_of_its_own() -> None:
    looked_at = 0

    def look(value: Any, field: str) -> Any:
        nonlocal looked_at
        looked_at += 1
        return value

    check = compile_checker(Annotated[list[Annotated[str, Rule(look, {})]], MaxItems(2)])
    assert check(["a", "b"], "f") == ("a", "b")
    with pytest.raises(Refused):
        check(["a", "b", "c"], "f")
    assert looked_at == 2
