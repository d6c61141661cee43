"""Signed transactions: parsing, identity and signature checks (SPEC section 2).

    body = {chain, sender, nonce, expires, ops: [[call, args], …], signers?, memo?}   canonical bytes
    tx   = {body: bin, sigs: [[public_key, signature], …]}                            canonical bytes
    an entry of sigs may be [public_key, signature, index, size, [hash, …]]: see `vm.batch_signatures`

Two hashes name a transaction. Its `id`, SHA-256(body), is what clients know: it does not change
with the signatures. Its `hash`, SHA-256(tx), is what gossip, proposals, `tx_root` and the
verification cache use: whoever knows a hash knows the signatures too.

Parsing checks everything that needs neither a state nor a clock, short of the signatures; those
are checked once, on admission, by `signatures_valid`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256 as _sha256
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from vm.arguments.rules import is_readable
from vm.batch_signatures import BatchPath, VerifiedRoots, fault_of, paths_of
from vm.primitives import merkle
from vm.primitives.address import address_of_key, is_address
from vm.primitives.codec import MAX_DEPTH, CodecError, TypedDecoder, encode
from vm.primitives.keys import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, Domain, SigningKey, verify
from vm.primitives.units import MAX_INT, MIN_INT, Count

MAX_TX_BYTES = 128 * 1024
MAX_OPS = 1_000
MAX_SIGNERS = 8
MAX_MEMO_BYTES = 1_024
"""Our bound: SPEC names no length; room for an order reference, not for documents."""

_CONTAINERS_AROUND_ARGUMENT = 4
"""An argument stands inside the body, its ops, one op, and that one's args."""


def _argument_type() -> Any:
    """Return the type of one argument, nested as deep as canonical bytes may be.

    Spelled out level by level, so that the decoder itself refuses null, bytes, floats, depth and range: a walk
    in Python through 128 KiB of small values would take a hundred times as long.
    """
    scalar = str | bool | Annotated[int, msgspec.Meta(ge=MIN_INT, le=MAX_INT)]
    argument: Any = scalar
    for _ in range(MAX_DEPTH - _CONTAINERS_AROUND_ARGUMENT):
        argument = scalar | list[argument] | dict[str, argument]
    return argument


_Index: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MAX_INT)]

if TYPE_CHECKING:
    _Argument: TypeAlias = Any
else:
    _Argument = _argument_type()


class TransactionError(ValueError):
    """Bytes that are no transaction; `reason` is the stable code of SPEC section 6."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """What the signatures cover."""

    chain: str
    sender: str
    nonce: Count
    expires: Count
    ops: list[tuple[str, dict[str, _Argument]]]
    signers: list[bytes] | UnsetType = UNSET
    memo: str | UnsetType = UNSET


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    body: bytes
    sigs: list[tuple[bytes, bytes]]


class _BatchEnvelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One that has at least one batch signature; each entry is judged by `_split_entry`."""

    body: bytes
    sigs: list[list[bytes | _Index | list[bytes]]]


class Transaction(msgspec.Struct, frozen=True, gc=False):
    """A well-formed transaction; its signatures are not necessarily valid.

    Attributes:
        raw: the canonical transaction.
        body_bytes: the canonical body, as signed.
        id: SHA-256 of the body, 32 bytes.
        hash: SHA-256 of `raw`, 32 bytes.
        sigs: (public key, signature) pairs in the order of the body's signers.
        signer_addresses: the addresses of the keys that signed, in that order.
        paths: for each of `sigs` its path to the root that is signed, None where the body is; none where all are.
    """

    raw: bytes
    body_bytes: bytes
    body: Body
    sigs: list[tuple[bytes, bytes]]
    id: bytes
    hash: bytes
    signer_addresses: tuple[str, ...]
    paths: tuple[BatchPath | None, ...] = ()


_envelopes = TypedDecoder(_Envelope)
_batch_envelopes = TypedDecoder(_BatchEnvelope)
_bodies = TypedDecoder(Body)


def parse_body(body_bytes: bytes) -> Body:
    """Return the body in these canonical bytes.

    Raises:
        TransactionError: MALFORMED, naming the field.
    """
    body = _decode_body(body_bytes)
    _check_body(body, None)
    return body


def _decode_body(body_bytes: bytes) -> Body:
    try:
        return _bodies.decode(body_bytes)
    except CodecError as error:
        raise TransactionError("MALFORMED", f"body: {error}") from None


def _check_body(body: Body, signer: str | None) -> None:
    """Check what the type of a body does not say.

    Args:
        signer: the address of the only key that signed, if known. A sender that equals it is an address, so that
            its checksum need not be looked at.
    """
    if not 1 <= len(body.ops) <= MAX_OPS:
        raise TransactionError("MALFORMED", f"body.ops: 1 to {MAX_OPS} operations, not {len(body.ops)}")
    if body.sender != signer and not is_address(body.sender):
        raise TransactionError("MALFORMED", "body.sender is not an address")
    if body.memo is not UNSET and len(body.memo.encode()) > MAX_MEMO_BYTES:
        raise TransactionError("MALFORMED", f"body.memo is longer than {MAX_MEMO_BYTES} bytes")
    if body.memo is not UNSET and not is_readable(body.memo):
        raise TransactionError("MALFORMED", "body.memo holds invisible characters, or a blank at its edges")
    if body.signers is not UNSET:
        _check_signers(body.signers)


def _check_signers(signers: Sequence[bytes]) -> None:
    if not 1 <= len(signers) <= MAX_SIGNERS:
        raise TransactionError("MALFORMED", f"body.signers: 1 to {MAX_SIGNERS} keys")
    if any(len(key) != PUBLIC_KEY_BYTES for key in signers):
        raise TransactionError("MALFORMED", f"body.signers: a key has {PUBLIC_KEY_BYTES} bytes")
    if any(a >= b for a, b in pairwise(signers)):
        raise TransactionError("MALFORMED", "body.signers are not sorted and distinct")


def parse_transaction(raw: bytes) -> Transaction:
    """Return the transaction in these canonical bytes; signatures are not verified.

    Raises:
        TransactionError: TOO_LARGE, MALFORMED, or BAD_SIGNATURE where the keys that signed are not
            those that the body names.
    """
    if len(raw) > MAX_TX_BYTES:
        raise TransactionError("TOO_LARGE", f"{len(raw)} bytes; at most {MAX_TX_BYTES}")
    body_bytes, sigs, paths = _open(raw)
    body = _decode_body(body_bytes)
    signer: str | None = None
    if body.signers is UNSET and len(sigs) == 1 and len(sigs[0][0]) == PUBLIC_KEY_BYTES:
        signer = address_of_key(sigs[0][0])
    _check_body(body, signer)
    for key, sig in sigs:
        if len(key) != PUBLIC_KEY_BYTES or len(sig) != SIGNATURE_BYTES:
            raise TransactionError("MALFORMED", "sigs: a key has 32 bytes, a signature 64")
    if body.signers is UNSET:
        if signer != body.sender:
            raise TransactionError("BAD_SIGNATURE", "one signature by the sender's key is expected")
        signer_addresses: tuple[str, ...] = (body.sender,)
    else:
        if [key for key, _ in sigs] != body.signers:
            raise TransactionError("BAD_SIGNATURE", "the signatures are not those of body.signers, in order")
        signer_addresses = tuple([address_of_key(key) for key in body.signers])
    return Transaction(
        raw, body_bytes, body, sigs, _sha256(body_bytes).digest(), _sha256(raw).digest(), signer_addresses, paths
    )


_Signatures: TypeAlias = list[tuple[bytes, bytes]]


def _open(raw: bytes) -> tuple[bytes, _Signatures, tuple[BatchPath | None, ...]]:
    """Return body, signatures and their paths; the usual kind, without batch signatures, is tried first."""
    try:
        envelope = _envelopes.decode(raw)
        return envelope.body, envelope.sigs, ()
    except CodecError as error:
        problem = str(error)  # the error itself would hold this frame, which holds the error
    try:
        batched = _batch_envelopes.decode(raw)
    except CodecError:
        raise TransactionError("MALFORMED", problem) from None
    entries = [_split_entry(entry) for entry in batched.sigs]
    return batched.body, [sig for sig, _ in entries], tuple([path for _, path in entries])


def _split_entry(entry: Sequence[Any]) -> tuple[tuple[bytes, bytes], BatchPath | None]:
    """Return the signature and the path of an entry of `sigs`; kinds are checked here, lengths by the caller."""
    match entry:
        case [bytes() as key, bytes() as signature]:
            return (key, signature), None
        case [bytes() as key, bytes() as signature, int() as index, int() as size, [*hashes]]:
            path = BatchPath(index, size, tuple(hashes))
            fault = fault_of(path)
            if fault is not None:
                raise TransactionError("MALFORMED", f"sigs: {fault}")
            return (key, signature), path
    raise TransactionError("MALFORMED", "sigs: [key, signature] or [key, signature, index, size, [hash, …]]")


def signatures_valid(tx: Transaction, roots: VerifiedRoots | None = None) -> bool:
    """Verify every signature of a transaction (about 55 µs each).

    Args:
        roots: what has been verified before of batch signatures; it changes the time, never the answer.
    """
    if not tx.paths:
        return all(verify(Domain.TRANSACTION, key, tx.body_bytes, sig) for key, sig in tx.sigs)
    known = VerifiedRoots() if roots is None else roots
    return all(
        _stands_under(tx.id, key, sig, path, known)
        if path is not None
        else verify(Domain.TRANSACTION, key, tx.body_bytes, sig)
        for (key, sig), path in zip(tx.sigs, tx.paths, strict=True)
    )


SignatureCheck: TypeAlias = tuple[bytes, bytes, bytes, bytes]
"""(domain, public key, message, signature), as `vm.primitives.keys.verify` takes them."""


def signature_checks(tx: Transaction) -> list[SignatureCheck] | None:
    """Return the checks that must all succeed for `signatures_valid`; None where a path leads to no root.

    For callers that have another process make them.
    """
    if not tx.paths:
        return [(Domain.TRANSACTION, key, tx.body_bytes, sig) for key, sig in tx.sigs]
    checks: list[SignatureCheck] = []
    for (key, sig), path in zip(tx.sigs, tx.paths, strict=True):
        if path is None:
            checks.append((Domain.TRANSACTION, key, tx.body_bytes, sig))
            continue
        root = merkle.root_of_path(tx.id, path.index, path.size, path.hashes)
        if root is None:
            return None
        checks.append((Domain.BATCH, key, root, sig))
    return checks


def _stands_under(tx_id: bytes, key: bytes, sig: bytes, path: BatchPath, roots: VerifiedRoots) -> bool:
    root = merkle.root_of_path(tx_id, path.index, path.size, path.hashes)
    return root is not None and roots.is_valid(key, sig, root)


def encode_body(
    chain: str,
    sender: str,
    nonce: int,
    expires: int,
    ops: Sequence[tuple[str, Mapping[str, Any]]],
    signers: Sequence[bytes] = (),
    memo: str | None = None,
) -> bytes:
    """Return the canonical body of a transaction that is to be signed."""
    body: dict[str, Any] = {
        "chain": chain,
        "sender": sender,
        "nonce": nonce,
        "expires": expires,
        "ops": [[call, args] for call, args in ops],
    }
    if signers:
        body["signers"] = sorted(signers)
    if memo is not None:
        body["memo"] = memo
    return encode(body)


def sign_body(body_bytes: bytes, keys: Sequence[SigningKey]) -> bytes:
    """Return the canonical transaction: the body and the signatures of `keys`, sorted by public key."""
    ordered = sorted(keys, key=lambda key: key.public_key)
    sigs = [[key.public_key, key.sign(Domain.TRANSACTION, body_bytes)] for key in ordered]
    return encode({"body": body_bytes, "sigs": sigs})


def sign_batch(bodies: Sequence[bytes], key: SigningKey) -> list[bytes]:
    """Return the canonical transactions of up to 256 bodies of one key, all under one signature.

    A body that names `signers` beside this key needs the others' signatures, and has no place here.

    Raises:
        ValueError: the bodies are none, or too many.
    """
    root, paths = paths_of([_sha256(body).digest() for body in bodies])
    signature = key.sign(Domain.BATCH, root)
    return [
        encode({"body": body, "sigs": [[key.public_key, signature, path.index, path.size, list(path.hashes)]]})
        for body, path in zip(bodies, paths, strict=True)
    ]
