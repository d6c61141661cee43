"""How the ledger's values look in JSON: bytes as lower-case hex, structs as objects, integers exact.

`dumps` is the one way out of the gateway. It refuses integers that JSON clients cannot hold and anything that is
neither plain nor a struct, because such a value in an answer is a fault of ours and not of the client.
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from consensus.types import Certificate, Header, ValidatorSet
from vm.primitives.codec import decode
from vm.primitives.hashing import sha256
from vm.transaction import Body, Transaction


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


def certificate_json(certificate: Certificate | None) -> dict[str, Any] | None:
    """Return a certificate as {height, round, digest, state_root, receipts_root, seals: [[index, sig], …]}."""
    if certificate is None:
        return None
    return {
        "height": certificate.height,
        "round": certificate.round,
        "digest": certificate.digest.hex(),
        "state_root": certificate.state_root.hex(),
        "receipts_root": certificate.receipts_root.hex(),
        "seals": [[seal.index, seal.signature.hex()] for seal in certificate.seals],
    }


def header_json(header: Header) -> dict[str, Any]:
    """Return a header as an object of its fields."""
    form: dict[str, Any] = _plain(header)
    return {name: item.hex() if type(item) is bytes else item for name, item in form.items()}


def validators_json(validators: ValidatorSet) -> list[list[str]]:
    """Return a set as SPEC section 3 lists it: [[public_key, brand], …] sorted by key."""
    return [[validator.public_key.hex(), validator.brand] for validator in validators.validators]


def body_json(body: Body) -> dict[str, Any]:
    """Return a transaction body as an object; `signers` in hex."""
    form: dict[str, Any] = _plain(body)
    return form


def transaction_json(tx: Transaction) -> dict[str, Any]:
    """Return a transaction as {id, hash, body, sigs, raw}."""
    return {
        "id": tx.id.hex(),
        "hash": tx.hash.hex(),
        "body": body_json(tx.body),
        "sigs": _signatures(tx),
        "raw": tx.raw.hex(),
    }


def _signatures(tx: Transaction) -> list[list[Any]]:
    """Return the signatures as they stand in the transaction, bytes in hex."""
    entries: list[list[Any]] = [[key.hex(), signature.hex()] for key, signature in tx.sigs]
    for entry, path in zip(entries, tx.paths, strict=False):
        if path is not None:
            entry += [path.index, path.size, [hash_.hex() for hash_ in path.hashes]]
    return entries


class _BodyOnly(msgspec.Struct, gc=False):
    body: bytes


_bodies = msgspec.msgpack.Decoder(_BodyOnly)


def transaction_id(raw: bytes) -> str:
    """Return the hex id of a stored transaction, without parsing all of it again: blocks hold thousands."""
    return sha256(_bodies.decode(raw).body).hex()


def state_value_json(value: bytes) -> Any:
    """Return a stored state value as plain values; `dumps` turns bytes in it into hex."""
    return decode(value)
