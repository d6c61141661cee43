"""Parameter types of the gateway's own methods: checked and converted as contract arguments are.

The checkers raise `Refused` INVALID_ARGS with the field, as those of `vm.arguments` do; `table` turns that
into −32602. Several convert: a hex parameter reaches the method as bytes.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from vm.arguments.rules import Rule, integer, refuse, text
from vm.batch_signatures import MAX_BATCH
from vm.primitives import merkle
from vm.primitives.units import MAX_INT
from vm.transaction import MAX_SIGNERS, MAX_TX_BYTES

MAX_PAGE: Final = 1_000
"""Largest `limit` (SPEC section 6)."""

DEFAULT_PAGE: Final = 100
MAX_TIMEOUT_MS: Final = 120_000
DEFAULT_TIMEOUT_MS: Final = 30_000
MAX_KEY_BYTES: Final = 1_024
"""Longer than any state key that a contract builds."""

_MAX_CURSOR = 200


def _to_bytes(value: Any, field: str, expected: str) -> bytes:
    if type(value) is not str:
        refuse(field, expected)
    try:
        data = bytes.fromhex(value)
    except ValueError:
        refuse(field, expected)
    if data.hex() != value:  # fromhex also takes upper case and spaces
        refuse(field, expected)
    return data


def _check_hash(value: Any, field: str) -> bytes:
    expected = "32 bytes in lower-case hex"
    if type(value) is not str or len(value) != 64:
        refuse(field, expected)
    return _to_bytes(value, field, expected)


def _check_hex(value: Any, field: str) -> bytes:
    return _to_bytes(value, field, "lower-case hex without 0x")


def _check_block_name(value: Any, field: str) -> int | bytes:
    expected = "a height, or a digest of 32 bytes in lower-case hex"
    if type(value) is int and 0 <= value <= MAX_INT:
        return value
    if type(value) is not str or len(value) != 64:
        refuse(field, expected)
    return _to_bytes(value, field, expected)


def _check_object(value: Any, field: str) -> dict[str, Any]:
    if type(value) is not dict:
        refuse(field, "an object")
    return value


SignatureEntry = list[bytes | int | list[bytes]]
"""[public_key, signature], or [public_key, signature, index, size, [hash, …]] under a batch signature."""

_ENTRY = "[public_key, signature] or [public_key, signature, index, size, [hash, …]]"


def _check_signatures(value: Any, field: str) -> list[SignatureEntry]:
    if type(value) is not list or not 1 <= len(value) <= MAX_SIGNERS:
        refuse(field, f"1 to {MAX_SIGNERS} entries, each {_ENTRY}")
    return [_check_entry(entry, f"{field}[{i}]") for i, entry in enumerate(value)]


def _check_entry(entry: Any, field: str) -> SignatureEntry:
    if type(entry) is not list or len(entry) not in (2, 5):
        refuse(field, _ENTRY)
    checked: SignatureEntry = [_check_hex(part, f"{field}[{j}]") for j, part in enumerate(entry[:2])]
    if len(entry) == 5:
        index, size, hashes = entry[2:]
        if type(size) is not int or not 1 <= size <= MAX_BATCH:
            refuse(f"{field}[3]", f"how many transactions the batch has, 1 to {MAX_BATCH}")
        if type(index) is not int or not 0 <= index < size:
            refuse(f"{field}[2]", f"the transaction's place in its batch, 0 to {size - 1}")
        if type(hashes) is not list or len(hashes) != merkle.path_length(index, size):
            refuse(f"{field}[4]", f"the {merkle.path_length(index, size)} hashes of the path of {index} in {size}")
        checked += [index, size, [_check_hash(part, f"{field}[4][{j}]") for j, part in enumerate(hashes)]]
    return checked


_HASH_SCHEMA = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_HEX_SCHEMA = {"type": "string", "pattern": "^([0-9a-f]{2})*$"}

Height = Annotated[int, integer(0)]
HashBytes = Annotated[bytes, Rule(_check_hash, _HASH_SCHEMA)]
HexBytes = Annotated[bytes, Rule(_check_hex, {**_HEX_SCHEMA, "maxLength": 2 * MAX_TX_BYTES})]
BlockName = Annotated[
    int | bytes,
    Rule(_check_block_name, {"oneOf": [{"type": "integer", "minimum": 0, "maximum": MAX_INT}, _HASH_SCHEMA]}),
]
"""A height, or a digest."""

JsonObject = Annotated[dict[str, Any], Rule(_check_object, {"type": "object"})]
_SIGNED = [_HEX_SCHEMA, _HEX_SCHEMA]
_PLACED = [
    {"type": "integer", "minimum": 0, "maximum": MAX_BATCH - 1},
    {"type": "integer", "minimum": 1, "maximum": MAX_BATCH},
    {"type": "array", "items": _HASH_SCHEMA, "maxItems": merkle.path_length(0, MAX_BATCH)},
]
_ENTRIES = [
    {"type": "array", "prefixItems": parts, "minItems": len(parts), "maxItems": len(parts)}
    for parts in (_SIGNED, _SIGNED + _PLACED)
]
Signatures = Annotated[
    list[SignatureEntry],
    Rule(
        _check_signatures,
        {"type": "array", "items": {"oneOf": _ENTRIES}, "minItems": 1, "maxItems": MAX_SIGNERS},
    ),
]
Limit = Annotated[int, integer(1, MAX_PAGE)]
Cursor = Annotated[str, text(1, _MAX_CURSOR)]
TimeoutMs = Annotated[int, integer(0, MAX_TIMEOUT_MS)]
StateKey = Annotated[str, text(1, MAX_KEY_BYTES)]
CallName = Annotated[str, text(1, 65)]
ViewName = Annotated[str, text(1, 65)]
