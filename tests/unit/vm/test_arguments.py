"""Arguments: what passes, what is refused, with which field, what checking costs, what cannot be declared."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from vm.arguments import (
    Address,
    Amount,
    BasisPoints,
    Binder,
    Hash,
    Name,
    Ref,
    Rule,
    Scalar,
    Slug,
    shape_of,
)
from vm.arguments.rules import BLANKS, text
from vm.errors import Refused
from vm.metering import ELEMENT
from vm.primitives.address import address_of_key
from vm.primitives.units import MAX_INT


class Days(msgspec.Struct, frozen=True, tag_field="kind", tag="days"):
    days: Amount


class Forever(msgspec.Struct, frozen=True, tag_field="kind", tag="none"):
    pass


class Shift(msgspec.Struct, frozen=True):
    from_: Amount = msgspec.field(name="from")
    note: Name | None = None


Shifts = Annotated[tuple[Shift, ...], Meta(max_length=3)]
Attributes = Annotated[dict[Slug, Scalar], Meta(max_length=4)]


def example(
    self: Any,
    ctx: Any,
    program: Slug,
    amount: Amount,
    from_: Address | None = None,
    expiry: Days | Forever | None = None,
    shifts: Shifts | None = None,
    flag: bool = False,
    side: Literal["left", "right"] = "left",
    rate: tuple[Amount, Slug] | None = None,
    attrs: Attributes | None = None,
) -> None: ...


BINDER = Binder(example, skip=2)
ADDRESS = address_of_key(bytes(32))
LEAST = {"program": "stars", "amount": 1}


def ignore(units: int) -> None:
    del units


def refused(args: dict[str, Any]) -> str:
    with pytest.raises(Refused) as caught:
        BINDER.values(args, ignore)
    assert caught.value.code == "INVALID_ARGS"
    assert caught.value.message.startswith(caught.value.details["field"])
    field: str = caught.value.details["field"]
    return field


def test_values_come_in_the_order_of_parameters_with_defaults_filled_in() -> None:
    args = {
        "program": "stars",
        "amount": 1,
        "from": ADDRESS,
        "expiry": {"kind": "days", "days": 3},
        "shifts": [{"from": 5}, {"from": 6, "note": "x"}],
        "flag": True,
        "side": "right",
        "rate": [3, "moons"],
        "attrs": {"city": "Köln", "adult": True, "age": -3},
    }
    assert BINDER.values(args, ignore) == (
        "stars",
        1,
        ADDRESS,
        Days(3),
        (Shift(5), Shift(6, "x")),
        True,
        "right",
        (3, "moons"),
        {"adult": True, "age": -3, "city": "Köln"},
    )
    assert BINDER.values(LEAST, ignore) == ("stars", 1, None, None, None, False, "left", None, None)


def test_bound_arguments_carry_python_names() -> None:
    bound = BINDER.bind({**LEAST, "from": ADDRESS})
    assert (bound["from_"], bound["amount"], bound["side"]) == (ADDRESS, 1, "left")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"program": None}, "program"),
        ({"program": "Stars"}, "program"),
        ({"program": "s"}, "program"),
        ({"program": "stars\n"}, "program"),
        ({"program": "stàrs"}, "program"),
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
        ({"shifts": [{"from": 1}] * 4}, "shifts"),
        ({"rate": []}, "rate"),
        ({"rate": [1]}, "rate"),
        ({"rate": [1, "moons", 2]}, "rate"),
        ({"rate": ["moons", 1]}, "rate[0]"),
        ({"rate": [1, "M"]}, "rate[1]"),
        ({"attrs": []}, "attrs"),
        ({"attrs": {"UP": 1}}, "attrs.UP"),
        ({"attrs": {"city": None}}, "attrs.city"),
        ({"attrs": {"city": 1.5}}, "attrs.city"),
        ({"attrs": {"city": {}}}, "attrs.city"),
        ({"attrs": {"city": "a\0b"}}, "attrs.city"),
        ({"attrs": {f"n{number}": 1 for number in range(5)}}, "attrs"),
        ({"x" * 500: 1}, "x" * 64),
    ],
)
def test_refusals_name_the_field(change: dict[str, Any], field: str) -> None:
    assert refused({**LEAST, **change}) == field


def test_refusals_come_in_a_fixed_order() -> None:
    assert refused({"amount": 0, "program": 0, "zebra": 1}) == "zebra"
    assert refused({"amount": 0, "program": 0}) == "program"
    assert refused({"amount": 0}) == "program"


def test_a_map_is_checked_in_the_bytewise_order_of_its_names() -> None:
    for names in (["bb", "aa"], ["aa", "bb"]):
        assert refused({**LEAST, "attrs": dict.fromkeys(names)}) == "attrs.aa"


NOT_REF = ["", "1001 ", " ", "10 01", "1001\u200b", "café", "cafe\u0301", "\x7f", "\n", "x" * 65, 1, None, b"1001"]
LEGIBLE = ["a", "Café Aurora", "一 二", "😀", "a\u0301", "€" * 42 + "xx"]
NOT_LEGIBLE = [
    "",
    "a\0b",
    "a\nb",
    "a\x7f",
    "a\x9f",
    "a\xadb",
    "A\u202eB",
    "a\u200db",
    "a\u2066b",
    "a\ufeffb",
    "a\ufdd0",
    "a\ufffd",
    "a\U0001fffe",
    "a\U0010ffff",
    "a\U000e0041",
    "\ud800",
    "€" * 43,
    *(f"{blank}a" for blank in BLANKS),
    *(f"a{blank}" for blank in BLANKS),
    1,
    None,
    b"ab",
]


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        (BasisPoints, [0, 10_000], [-1, 10_001]),
        (Hash, ["ab" * 32], ["AB" * 32, "ab" * 31, "ab" * 31 + "a ", "é" * 64, 7]),
        (Ref, ["1001", "~!#/%", "x" * 64], NOT_REF),
        (Name, LEGIBLE, NOT_LEGIBLE),
        (Annotated[str, text(0, 4)], ["", "€", "abcd"], ["€€", "abcde"]),
        (Annotated[int, Meta(ge=-3, le=3)], [-3, 0, 3], [-4, 4, False, "1"]),
        (Annotated[tuple[Amount, ...], Meta(min_length=1, max_length=2)], [[1], [1, 2]], [[], [1, 2, 3], (1,)]),
    ],
)
def test_rules(annotation: Any, good: list[Any], bad: list[Any]) -> None:
    check = shape_of(annotation).check
    for value in good:
        assert check(value, "f", ignore) == (tuple(value) if type(value) is list else value)
    for value in bad:
        with pytest.raises(Refused, match="INVALID_ARGS"):
            check(value, "f", ignore)


class Unbounded(msgspec.Struct, frozen=True):
    items: list[str]


@pytest.mark.parametrize(
    "annotation",
    [
        int,
        str,
        dict,
        float,
        list[Amount],
        tuple[Amount, ...],
        dict[Slug, Amount],
        Annotated[int, Meta(ge=0)],
        Annotated[str, Meta(max_length=5)],
        Annotated[list[Amount], Meta(min_length=1)],
        Annotated[int, "no rule"],
        Days | Shift,
        Amount | BasisPoints,
        Unbounded,
        Any,
    ],
)
def test_what_nothing_bounds_cannot_be_declared(annotation: Any) -> None:
    with pytest.raises(TypeError):
        shape_of(annotation)


def test_a_list_is_refused_or_paid_for_before_its_items_are_looked_at() -> None:
    looked_at = paid = 0

    def look(value: Any, field: str) -> Any:
        nonlocal looked_at
        looked_at += 1
        return value

    def pay(units: int) -> None:
        nonlocal paid
        assert looked_at == 0
        paid += units

    check = shape_of(Annotated[tuple[Annotated[str, Rule(look, {}, units=7)], ...], Meta(max_length=2)]).check
    with pytest.raises(Refused):
        check(["a", "b", "c"], "f", pay)
    assert (looked_at, paid) == (0, 0)
    assert check(["a", "b"], "f", pay) == ("a", "b")
    assert (looked_at, paid) == (2, 2 * (ELEMENT + 7))


def test_no_money_no_check() -> None:
    def broke(units: int) -> None:
        raise Refused("OUT_OF_BUDGET", "no work units left")

    with pytest.raises(Refused, match="OUT_OF_BUDGET"):
        BINDER.values({**LEAST, "shifts": [1]}, broke)
    with pytest.raises(Refused, match="OUT_OF_BUDGET"):
        BINDER.values({**LEAST, "attrs": {"UP": 1}}, broke)


def test_schemas_say_what_is_checked() -> None:
    schema = shape_of(Attributes).schema
    assert schema["maxProperties"] == 4
    assert shape_of(tuple[Amount, Slug]).schema["minItems"] == 2
    assert shape_of(Ref).schema == {"type": "string", "pattern": "^[!-~]{1,64}$"}
    assert [member["type"] for member in shape_of(Scalar).schema["oneOf"]] == ["boolean", "integer", "string"]


class Loose(msgspec.Struct, frozen=True):
    """A struct without a tag."""

    event: Slug | None = None


def test_one_untagged_struct_may_stand_beside_scalars() -> None:
    def method(on: Literal["tier", "manual"] | Loose) -> None: ...

    binder = Binder(method, skip=0, where="test")
    assert binder.bind({"on": "tier"}) == {"on": "tier"}
    assert binder.bind({"on": {"event": "visit"}}) == {"on": Loose("visit")}
    for wrong, field in (("other", "on"), ({"event": "NO"}, "on.event"), ({"x": 1}, "on.x"), (7, "on"), ([], "on")):
        with pytest.raises(Refused) as caught:
            binder.bind({"on": wrong})
        assert (caught.value.code, caught.value.details["field"]) == ("INVALID_ARGS", field)
    assert len(binder.fields["on"].shape.schema["oneOf"]) == 2
