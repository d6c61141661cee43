"""Reading untrusted JSON documents: what has not the expected form is a VerificationFailed, and nothing else.

Every function takes a value as the JSON parser gave it, says in the message which part of the document was wrong,
and bounds what it reads. A header and a certificate go through their canonical bytes, because the decoder of
consensus data is the strictest check of types and ranges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from consensus.types import Certificate, Header, Validator, ValidatorSet, decode_certificate, decode_header
from node.light_client.errors import VerificationFailed
from vm.primitives.codec import CodecError, check_value, decode, encode
from vm.primitives.units import MAX_INT, is_lower_hex

T = TypeVar("T")

_HASHES_IN_HEADER = (
    "parent",
    "parent_state_root",
    "parent_commit",
    "proposer",
    "tx_root",
    "validators_hash",
    "next_validators_hash",
)
_HASHES_IN_CERTIFICATE = ("digest", "state_root", "receipts_root")


def header_in(value: Any) -> Header:
    """Return a header, an object of its fields."""
    form = dict(object_in(value, "header"))
    for name in _HASHES_IN_HEADER:
        form[name] = bytes_in(form.get(name), f"header.{name}", 32)
    return _through_codec(form, decode_header, "header")


def certificate_in(value: Any) -> Certificate:
    """Return a certificate: {height, round, digest, state_root, receipts_root, seals: [[index, signature], …]}."""
    form = dict(object_in(value, "certificate"))
    for name in _HASHES_IN_CERTIFICATE:
        form[name] = bytes_in(form.get(name), f"certificate.{name}", 32)
    seals = []
    for item in list_in(form.get("seals"), "certificate.seals", 256):
        pair = list_in(item, "certificate.seals", 2)
        if len(pair) != 2:
            raise VerificationFailed("certificate.seals: pairs of index and signature")
        seals.append([pair[0], bytes_in(pair[1], "certificate.seals", 64)])
    return _through_codec({**form, "seals": seals}, decode_certificate, "certificate")


def validators_in(value: Any, what: str) -> ValidatorSet:
    """Return a validator set: [[public_key, brand], …]."""
    entries = []
    for item in list_in(value, what, 256):
        pair = list_in(item, what, 2)
        if len(pair) != 2 or not isinstance(pair[1], str):
            raise VerificationFailed(f"{what}: pairs of public key and brand")
        entries.append(Validator(bytes_in(pair[0], what, 32), pair[1]))
    try:
        return ValidatorSet(entries)
    except ValueError as error:
        raise VerificationFailed(f"{what}: {error}") from None


def _through_codec(form: dict[str, Any], decoder: Callable[[bytes], T], what: str) -> T:
    try:
        check_value(form)
        return decoder(encode(form))
    except (CodecError, UnicodeEncodeError) as error:
        raise VerificationFailed(f"{what}: {error}") from None


def decoded(data: bytes, what: str) -> Any:
    """Return what canonical bytes hold, as plain values."""
    try:
        return decode(data)
    except CodecError as error:
        raise VerificationFailed(f"{what}: {error}") from None


def as_json(value: Any) -> Any:
    """Return a plain value as the gateway shows it: bytes in hex."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {name: as_json(item) for name, item in value.items()}
    return value


def object_in(value: Any, what: str) -> Mapping[str, Any]:
    """Return an object."""
    if not isinstance(value, dict):
        raise VerificationFailed(f"{what} is not an object")
    return value


def list_in(value: Any, what: str, longest: int) -> Sequence[Any]:
    """Return a list of at most so many items."""
    if not isinstance(value, list) or len(value) > longest:
        raise VerificationFailed(f"{what} is not a list of at most {longest}")
    return value


def field_in(form: Mapping[str, Any], name: str, type_: type[T]) -> T:
    """Return a member of an object that is of one type; an integer is a count."""
    value = form.get(name)
    if not isinstance(value, type_) or isinstance(value, bool):
        raise VerificationFailed(f"{name} is missing or of the wrong type")
    if isinstance(value, int) and not 0 <= value <= MAX_INT:
        raise VerificationFailed(f"{name} is out of range")
    return value


def bytes_in(value: Any, what: str, length: int | None = None) -> bytes:
    """Return the bytes of lower-case hex, of a length where one is given."""
    if not isinstance(value, str) or not is_lower_hex(value):
        raise VerificationFailed(f"{what} is not lower-case hex")
    if length is not None and len(value) != 2 * length:
        raise VerificationFailed(f"{what} has not {length} bytes")
    return bytes.fromhex(value)
