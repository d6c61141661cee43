"""Input of strangers at its worst: what is read before any signature is checked must cost little."""

from __future__ import annotations

import sys
import tracemalloc
from typing import Any

import msgspec
import pytest

from vm.primitives.address import ADDRESS_LENGTH, address_of_key, decode_address, encode_address, is_address
from vm.primitives.codec import MAX_DEPTH
from vm.primitives.units import MAX_INT, MIN_INT, is_lower_hex
from vm.transaction import TransactionError, encode_body, parse_body

SENDER = address_of_key(bytes(32))


def memory_taken(work: Any) -> tuple[int, int]:
    """Return how many bytes `work` holds when done, and at most while it runs."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()


def test_texts_that_cannot_be_addresses_are_not_kept():
    def ask() -> None:
        for i in range(20):
            assert not is_address(f"{i}" + "x" * 1_000_000)

    assert memory_taken(ask)[0] < 1_000_000


def test_long_hex_takes_no_more_memory_than_its_text():
    text = "ab" * 1_000_000
    assert memory_taken(lambda: is_lower_hex(text))[1] < 100_000
    assert all(map(is_lower_hex, [text, ""]))
    assert not any(map(is_lower_hex, [text + "a", text + "AB", "a", "0x", "ab\n", "\N{FULLWIDTH DIGIT ONE}0"]))


def test_one_wrong_character_is_never_an_address():
    # BIP-350: up to four wrong characters are always found.
    assert decode_address(encode_address(bytes(range(20)))) == bytes(range(20))
    for place in range(4, ADDRESS_LENGTH):
        other = "q" if SENDER[place] != "q" else "p"
        assert not is_address(SENDER[:place] + other + SENDER[place + 1 :])


def body_with(value: Any) -> bytes:
    return encode_body("chain", SENDER, 1, 1, [("a.b", {"x": value})])


def nested(depth: int, value: Any) -> Any:
    for _ in range(depth):
        value = [value]
    return value


DEEPEST = MAX_DEPTH - 4


@pytest.mark.parametrize("value", [True, MAX_INT, MIN_INT, "é\0", [], {}, nested(DEEPEST, 1), {"a": [{"b": "c"}]}])
def test_arguments_that_canonical_bytes_may_hold_pass(value: Any):
    parsed = parse_body(body_with(value)).ops[0][1]["x"]
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"bytes",
        1.0,
        MAX_INT + 1,
        MIN_INT - 1,
        nested(DEEPEST + 1, 1),
        nested(DEEPEST, []),
        {"a": nested(DEEPEST, 1)},
        [None],
        {"a": b""},
        msgspec.msgpack.Ext(1, b""),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_arguments_are_malformed(value: Any):
    with pytest.raises(TransactionError) as caught:
        parse_body(body_with(value))
    assert caught.value.reason == "MALFORMED"


@pytest.mark.parametrize("item", [1, "", [], {}, nested(DEEPEST - 2, 1)], ids=repr)
def test_arguments_are_checked_without_a_walk_in_python(item: Any):
    body = body_with([item] * 8_000)
    calls = 0

    def count(*_: Any) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        parse_body(body)
    finally:
        sys.setprofile(None)
    assert calls < 8_000
