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

from collections.abc import Mapping
from typing import Any

import msgspec

from consensus.trust import NotCertified
from consensus.types import Certificate, Header
from contracts_py.registry import once_family_of
from genesis.document import Genesis
from node.light_client.chain import TrustedChain
from node.light_client.errors import VerificationFailed
from node.light_client.json_reading import (
    as_json,
    bytes_in,
    certificate_in,
    decoded,
    field_in,
    header_in,
    list_in,
    object_in,
    validators_in,
)
from vm.once_log import LOGS, leaf_of
from vm.once_log import root as log_root
from vm.primitives import merkle
from vm.primitives.codec import encode
from vm.receipt import Receipt
from vm.state_proof import StateProof, verify_state_proof

MAX_HEADERS = 10_000
"""Changes of membership that a document may lead through."""


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
    form = object_in(document, "the document")
    header, certificate = _certified(form, genesis)
    key = field_in(form, "key", str)
    family = once_family_of(key)
    if family is not None:
        return _verify_once(form, family, key, header, certificate, genesis)
    if "value_bytes" not in form:
        raise VerificationFailed("value_bytes is missing; null stands for absence")
    value_bytes = form["value_bytes"]
    value = None if value_bytes is None else bytes_in(value_bytes, "value_bytes")
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
    plain = None if value is None else decoded(value, "value_bytes")
    if "value" in form and form["value"] != as_json(plain):
        raise VerificationFailed("value is not what value_bytes hold")
    return VerifiedState(genesis.chain, header.height, header.time, key, plain, value is not None)


def _verify_once(
    form: Mapping[str, Any], family: str, key: str, header: Header, certificate: Certificate, genesis: Genesis
) -> VerifiedState:
    """Verify a once-record: its path in its log, and the log in the state."""
    if form.get("value_bytes") is None:
        raise VerificationFailed("that there is no such record cannot be proved: it is not kept in the state tree")
    record = bytes_in(form["value_bytes"], "value_bytes")
    once = object_in(form.get("once"), "once")
    log_bytes = bytes_in(once.get("log"), "once.log")
    _check_state(form, certificate, genesis, LOGS.keys.key((family,)), log_bytes)
    try:
        log = LOGS.stored.decode(log_bytes)
    except msgspec.MsgspecError as error:
        raise VerificationFailed(f"once.log: {error}") from None
    index, size = field_in(once, "index", int), field_in(once, "size", int)
    path = [bytes_in(item, "once.path", 32) for item in list_in(once.get("path"), "once.path", 64)]
    if size != log.size or once.get("family") != family:
        raise VerificationFailed("once.size or once.family is not that of the log in the state")
    leaf = leaf_of(key, encode(decoded(record, "value_bytes")))
    if not 0 <= index < size or not merkle.verify_path(leaf, index, size, path, log_root(log)):
        raise VerificationFailed("the path does not lead from the record to the root of its log")
    return _verified_value(form, header, genesis, key, record)


def verify_receipt(document: Any, genesis: Genesis) -> VerifiedReceipt:
    """Verify what `chain_receipt` answered with `proof`.

    Raises:
        VerificationFailed: saying which step does not hold.
    """
    form = dict(object_in(document, "the document"))
    proof = object_in(form.pop("proof", None), "proof")
    header, certificate = _certified(proof, genesis)
    leaf = bytes_in(proof.get("leaf"), "proof.leaf")
    index, count = field_in(proof, "index", int), field_in(proof, "count", int)
    path = [bytes_in(item, "proof.path", 32) for item in list_in(proof.get("path"), "proof.path", 64)]
    if count != header.tx_count + 1:
        raise VerificationFailed("proof.count is not the block's transactions and its system receipt")
    if not 0 <= index < count or not merkle.verify_path(leaf, index, count, path, certificate.receipts_root):
        raise VerificationFailed("the path does not lead from the receipt to the certified receipts root")
    receipt = dict(object_in(as_json(decoded(leaf, "proof.leaf")), "proof.leaf"))
    if form != receipt:
        raise VerificationFailed("the receipt shown is not the one that is proved")
    try:
        msgspec.convert(receipt, Receipt)
    except msgspec.ValidationError as error:
        raise VerificationFailed(f"proof.leaf is no receipt: {error}") from None
    return VerifiedReceipt(genesis.chain, header.height, header.time, receipt)


def _certified(form: Mapping[str, Any], genesis: Genesis) -> tuple[Header, Certificate]:
    """Return header and certificate once a quorum of the right set has sealed them."""
    chain = TrustedChain.from_genesis(genesis)
    try:
        for step in list_in(form.get("headers", []), "headers", MAX_HEADERS):
            link = object_in(step, "headers")
            header, certificate = header_in(link.get("header")), certificate_in(link.get("certificate"))
            chain.follow(header, certificate, validators_in(link.get("validators"), "headers.validators"))
        header, certificate = header_in(form.get("header")), certificate_in(form.get("certificate"))
        chain.require_header(header, certificate)
    except NotCertified as error:
        raise VerificationFailed(str(error)) from None
    return header, certificate
