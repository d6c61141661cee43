"""How the ledger's values look in JSON: bytes as lower-case hex, structs as objects, integers exact.

`dumps` is the one way out of the gateway. It refuses integers that JSON clients cannot hold and anything that is
neither plain nor a struct, because such a value in an answer is a fault of ours and not of the client. A long list
is rendered in parts, with pause points in between (`node.runtime.pauses`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final, get_args, get_origin

import msgspec
import orjson
from msgspec import structs

from consensus.types import ValidatorSet
from node.runtime.pauses import pause_point
from vm.primitives.codec import decode
from vm.primitives.hashing import sha256

AT_ONCE: Final = 32
"""Items between two pause points: a transaction of a block, shown with its bytes, takes some 20 µs."""

_SCALARS: Final = (int, str, bytes, bool)

MAX_DEPTH: Final = 3
"""A view of a past height has a page, which has items."""


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
    if not _has_long_list(value, MAX_DEPTH):
        return _dumped(value)
    return b"".join(_pieces(value, MAX_DEPTH))


def _dumped(value: Any) -> bytes:
    return orjson.dumps(value, default=_plain, option=orjson.OPT_STRICT_INTEGER)


def _has_long_list(value: Any, depth: int) -> bool:
    """Tell whether a list is worth being taken apart: one of an answer's own fields, or of a field of it."""
    kind = type(value)
    if kind is list or kind is tuple:
        return len(value) > AT_ONCE
    if depth == 0 or not isinstance(value, msgspec.Struct):
        return False
    names = _containers.get(kind)
    if names is None:
        names = _containers[kind] = _containers_of(kind)
    return any(_has_long_list(getattr(value, name), depth - 1) for name in names) if names else False


_containers: dict[type, tuple[str, ...]] = {}
"""Which fields of a type may hold a list; there are as many types as answers."""


def _containers_of(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    config = kind.__struct_config__
    if config.omit_defaults or config.array_like or config.tag is not None:
        return ()  # what it writes is not simply its fields
    return tuple(field.name for field in structs.fields(kind) if _plain_type(field.type) not in _SCALARS)


def _plain_type(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _pieces(value: Any, depth: int) -> Iterator[bytes]:
    if not _has_long_list(value, depth):
        yield _dumped(value)
    elif isinstance(value, msgspec.Struct):
        before = b"{"
        for name, written in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
            field = getattr(value, name)
            if field is not msgspec.UNSET:
                yield before + _dumped(written) + b":"
                yield from _pieces(field, depth - 1)
                before = b","
        yield b"}"
    else:
        before = b"["
        for start in range(0, len(value), AT_ONCE):
            yield before + _dumped(value[start : start + AT_ONCE])[1:-1]
            before = b","
            pause_point()
        yield b"]"


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
