"""How the ledger's values look in JSON: bytes as lower-case hex, structs as objects, integers exact.

`dumps` is the one way out of the gateway. It refuses integers that JSON clients cannot hold and anything that is
neither plain nor a struct, because such a value in an answer is a fault of ours and not of the client.
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from consensus.types import ValidatorSet
from vm.primitives.codec import decode
from vm.primitives.hashing import sha256


def _plain(value: Any) -> Any:
    if type(value) is bytes:
        return value.hex()
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value, builtin_types=(bytes,))
    raise TypeError(f"{type(value).__name__} has no JSON form here")


def dumps(value: Any) -> bytes:
    """Return the JSON of an answer.

    Raises:
        TypeError: it holds something without a JSON form, or an integer beyond ±(2^53 − 1).
    """
    return orjson.dumps(value, default=_plain, option=orjson.OPT_STRICT_INTEGER)


def validators_json(validators: ValidatorSet) -> list[tuple[str, str]]:
    """Return a set as SPEC section 3 lists it: [[public_key, brand], …] sorted by key."""
    return [(validator.public_key.hex(), validator.brand) for validator in validators.validators]


class _BodyOnly(msgspec.Struct, gc=False):
    body: bytes


_bodies = msgspec.msgpack.Decoder(_BodyOnly)


def transaction_id(raw: bytes) -> str:
    """Return the hex id of a stored transaction, without parsing all of it again: blocks hold thousands."""
    return sha256(_bodies.decode(raw).body).hex()


def state_value_json(value: bytes) -> Any:
    """Return a stored state value as plain values; `dumps` turns bytes in it into hex."""
    return decode(value)
