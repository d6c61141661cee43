"""Offline verification: from a genesis document alone to a state value or a receipt (SPEC section 5).

    once-record → path in its log → log, a state value
    value → state proof → certificate.state_root ┐
    receipt → Merkle path → certificate.receipts_root ┤
                                                  └ seals of a quorum → validator set → genesis

What a node answers to `state_proof` and `chain_receipt` with `proof` is a document that anyone may check
later, without a node and without trusting the one that gave it. The set that sealed is the genesis one, unless
the document has `headers`: certified headers, in order of height, each of which announces the set that decides
after it (SPEC section 3, Membership). Each is {header, certificate, validators}, `validators` being the set that it
announces.

Invariants:
    1. Everything returned is covered by a quorum of seals of a set that follows from the genesis document.
    2. For any document the answer is a value or VerificationFailed, never another exception.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from consensus.trust import CertifiedSets, NotCertified
from consensus.types import (
    Certificate,
    Header,
    Validator,
    ValidatorSet,
    decode_certificate,
    decode_header,
)
from contracts_py.registry import once_family_of
from genesis.document import Genesis
from node.light_client.errors import VerificationFailed
from vm.once_log import LOGS, leaf_of
from vm.once_log import root as log_root
from vm.primitives import merkle
from vm.primitives.codec import CodecError, check_value, decode, encode
from vm.primitives.units import MAX_INT, is_lower_hex
from vm.receipt import Receipt
from vm.state_proof import StateProof, verify_state_proof

T = TypeVar("T")

MAX_HEADERS = 10_000
"""Changes of membership that a document may lead through."""

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


class VerifiedState(msgspec.Struct, frozen=True):
    """A state value that is proved, None where its absence is; `value` is plain, bytes in it are bytes."""

    chain: str
    height: int
    time: int
    key: str
    value: Any
    exists: bool


class VerifiedReceipt(msgspec.Struct, frozen=True):
    """A receipt that is proved, as plain values."""

    chain: str
    height: int
    time: int
    receipt: dict[str, Any]


def verify_state(document: Any, genesis: Genesis) -> VerifiedState:
    """Verify what `state_proof` answered.

    Raises:
        VerificationFailed: saying which step does not hold.
    """
    form = _object(document, "the document")
    header, certificate = _certified(form, genesis)
    key = _field(form, "key", str)
    family = once_family_of(key)
    if family is not None:
        return _verify_once(form, family, key, header, certificate, genesis)
    if "value_bytes" not in form:
        raise VerificationFailed("value_bytes is missing; null stands for absence")
    value_bytes = form["value_bytes"]
    value = None if value_bytes is None else _unhex(value_bytes, "value_bytes")
    _check_state(form, certificate, genesis, key, value)
    return _verified_value(form, header, genesis, key, value)


def _check_state(
    form: Mapping[str, Any], certificate: Certificate, genesis: Genesis, key: str, value: bytes | None
) -> None:
    """Check that the document's proof leads from a value to the certified root."""
    try:
        proof = StateProof.from_json(form.get("proof"))
    except (ValueError, msgspec.ValidationError) as error:
        raise VerificationFailed(f"proof: {error}") from None
    try:
        holds = verify_state_proof(certificate.state_root, genesis.document.state_depth, key, value, proof)
    except UnicodeEncodeError:
        raise VerificationFailed("a key is not valid Unicode") from None
    if not holds:
        raise VerificationFailed("the proof does not lead from the value to the certified state root")


def _verified_value(
    form: Mapping[str, Any], header: Header, genesis: Genesis, key: str, value: bytes | None
) -> VerifiedState:
    if form.get("height") != header.height:
        raise VerificationFailed(f"the document says height {form.get('height')}, it proves {header.height}")
    plain = None if value is None else _decoded(value, "value_bytes")
    if "value" in form and form["value"] != _as_json(plain):
        raise VerificationFailed("value is not what value_bytes hold")
    return VerifiedState(genesis.chain, header.height, header.time, key, plain, value is not None)


def _verify_once(
    form: Mapping[str, Any], family: str, key: str, header: Header, certificate: Certificate, genesis: Genesis
) -> VerifiedState:
    """Verify a once-record: its path in its log, and the log in the state."""
    if form.get("value_bytes") is None:
        raise VerificationFailed("that there is no such record cannot be proved: it is not kept in the state tree")
    record = _unhex(form["value_bytes"], "value_bytes")
    once = _object(form.get("once"), "once")
    log_bytes = _unhex(once.get("log"), "once.log")
    _check_state(form, certificate, genesis, LOGS.keys.key((family,)), log_bytes)
    try:
        log = LOGS.stored.decode(log_bytes)
    except msgspec.MsgspecError as error:
        raise VerificationFailed(f"once.log: {error}") from None
    index, size = _field(once, "index", int), _field(once, "size", int)
    path = [_unhex(item, "once.path", 32) for item in _list(once.get("path"), "once.path", 64)]
    if size != log.size or once.get("family") != family:
        raise VerificationFailed("once.size or once.family is not that of the log in the state")
    leaf = leaf_of(key, encode(_decoded(record, "value_bytes")))
    if not 0 <= index < size or not merkle.verify_path(leaf, index, size, path, log_root(log)):
        raise VerificationFailed("the path does not lead from the record to the root of its log")
    return _verified_value(form, header, genesis, key, record)


def verify_receipt(document: Any, genesis: Genesis) -> VerifiedReceipt:
    """Verify what `chain_receipt` answered with `proof`.

    Raises:
        VerificationFailed: saying which step does not hold.
    """
    form = dict(_object(document, "the document"))
    proof = _object(form.pop("proof", None), "proof")
    header, certificate = _certified(proof, genesis)
    leaf = _unhex(proof.get("leaf"), "proof.leaf")
    index, count = _field(proof, "index", int), _field(proof, "count", int)
    path = [_unhex(item, "proof.path", 32) for item in _list(proof.get("path"), "proof.path", 64)]
    if count != header.tx_count + 1:
        raise VerificationFailed("proof.count is not the block's transactions and its system receipt")
    if not 0 <= index < count or not merkle.verify_path(leaf, index, count, path, certificate.receipts_root):
        raise VerificationFailed("the path does not lead from the receipt to the certified receipts root")
    receipt = dict(_object(_as_json(_decoded(leaf, "proof.leaf")), "proof.leaf"))
    if form != receipt:
        raise VerificationFailed("the receipt shown is not the one that is proved")
    try:
        msgspec.convert(receipt, Receipt)
    except msgspec.ValidationError as error:
        raise VerificationFailed(f"proof.leaf is no receipt: {error}") from None
    return VerifiedReceipt(genesis.chain, header.height, header.time, receipt)


# -- certificates -------------------------------------------------------------------------------------


def _certified(form: Mapping[str, Any], genesis: Genesis) -> tuple[Header, Certificate]:
    """Return header and certificate once a quorum of the right set has sealed them."""
    sets = CertifiedSets(genesis.chain, genesis.validator_set)
    try:
        for step in _list(form.get("headers", []), "headers", MAX_HEADERS):
            link = _object(step, "headers")
            header, certificate = _header(link.get("header")), _certificate(link.get("certificate"))
            sets.follow(header, certificate, _announced(link))
        header, certificate = _header(form.get("header")), _certificate(form.get("certificate"))
        sets.require_certified(header, certificate)
    except NotCertified as error:
        raise VerificationFailed(str(error)) from None
    return header, certificate


def _announced(link: Mapping[str, Any]) -> ValidatorSet:
    """Return the set that a header is said to announce, as the link spells it out."""
    entries = []
    for item in _list(link.get("validators"), "headers.validators", 256):
        pair = _list(item, "headers.validators", 2)
        if len(pair) != 2 or not isinstance(pair[1], str):
            raise VerificationFailed("headers.validators: pairs of public key and brand")
        entries.append(Validator(_unhex(pair[0], "headers.validators", 32), pair[1]))
    try:
        return ValidatorSet(entries)
    except ValueError as error:
        raise VerificationFailed(f"headers.validators: {error}") from None


def _header(value: Any) -> Header:
    form = dict(_object(value, "header"))
    for name in _HASHES_IN_HEADER:
        form[name] = _unhex(form.get(name), f"header.{name}", 32)
    # Through canonical bytes: the decoder of consensus data is the strictest check of types and ranges.
    return _through_codec(form, decode_header, "header")


def _certificate(value: Any) -> Certificate:
    form = dict(_object(value, "certificate"))
    for name in _HASHES_IN_CERTIFICATE:
        form[name] = _unhex(form.get(name), f"certificate.{name}", 32)
    seals = []
    for item in _list(form.get("seals"), "certificate.seals", 256):
        pair = _list(item, "certificate.seals", 2)
        if len(pair) != 2:
            raise VerificationFailed("certificate.seals: pairs of index and signature")
        seals.append([pair[0], _unhex(pair[1], "certificate.seals", 64)])
    return _through_codec({**form, "seals": seals}, decode_certificate, "certificate")


# -- reading untrusted JSON ---------------------------------------------------------------------------


def _through_codec(form: dict[str, Any], decoder: Callable[[bytes], T], what: str) -> T:
    try:
        check_value(form)
        return decoder(encode(form))
    except (CodecError, UnicodeEncodeError) as error:
        raise VerificationFailed(f"{what}: {error}") from None


def _decoded(data: bytes, what: str) -> Any:
    try:
        return decode(data)
    except CodecError as error:
        raise VerificationFailed(f"{what}: {error}") from None


def _as_json(value: Any) -> Any:
    """Return a plain value as the gateway shows it: bytes in hex."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    if isinstance(value, dict):
        return {name: _as_json(item) for name, item in value.items()}
    return value


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise VerificationFailed(f"{what} is not an object")
    return value


def _list(value: Any, what: str, longest: int) -> Sequence[Any]:
    if not isinstance(value, list) or len(value) > longest:
        raise VerificationFailed(f"{what} is not a list of at most {longest}")
    return value


def _field(form: Mapping[str, Any], name: str, type_: type[T]) -> T:
    value = form.get(name)
    if not isinstance(value, type_) or isinstance(value, bool):
        raise VerificationFailed(f"{name} is missing or of the wrong type")
    if isinstance(value, int) and not 0 <= value <= MAX_INT:
        raise VerificationFailed(f"{name} is out of range")
    return value


def _unhex(value: Any, what: str, length: int | None = None) -> bytes:
    if not isinstance(value, str) or not is_lower_hex(value):
        raise VerificationFailed(f"{what} is not lower-case hex")
    if length is not None and len(value) != 2 * length:
        raise VerificationFailed(f"{what} has not {length} bytes")
    return bytes.fromhex(value)
