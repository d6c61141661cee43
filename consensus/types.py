"""What consensus decides about: validator sets, headers, certificates, blocks (SPEC section 3).

Every type here is immutable and has one canonical encoding (`vm.primitives.codec`). Hashes, keys and
signatures are bytes of fixed length, checked on decode; integers are bounded on decode.

Invariants:
    1. A ValidatorSet is sorted by key without duplicates; an index is a place in it.
    2. `header_digest` covers neither a round nor a seal of its own block.
    3. A Certificate's seals are sorted by index without duplicates where `seals_in_order` says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from vm.primitives.codec import TypedDecoder, encode
from vm.primitives.hashing import sha256
from vm.primitives.units import Count

MIN_VALIDATORS: Final = 4
"""Fewer than 4 validators tolerate no fault at all (SPEC section 3, Membership)."""

MAX_VALIDATORS: Final = 256
"""Our bound on decoded lists; an alliance has tens of brands."""

MAX_BLOCK_TRANSACTIONS: Final = 32_768
"""Our bound on decoded lists; max_block_bytes binds earlier, as the smallest transaction has some 250 bytes."""

_LONGEST_SHIFT: Final = 53
"""1 ms doubled 53 times exceeds every integer that a parameter can hold."""

Hash = Annotated[bytes, Meta(min_length=32, max_length=32)]
PublicKey = Annotated[bytes, Meta(min_length=32, max_length=32)]
Signature = Annotated[bytes, Meta(min_length=64, max_length=64)]
Index = Annotated[int, Meta(ge=0, lt=MAX_VALIDATORS)]
Height = Count
Round = Count
Name = Annotated[str, Meta(max_length=128)]


class Validator(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True, gc=False):
    """One brand's vote; encoded as [public_key, brand]."""

    public_key: PublicKey
    brand: Name


class ValidatorSet:
    """The validators of one height, sorted by key, one vote each.

    Raises:
        ValueError: fewer than 4, more than MAX_VALIDATORS, or one key twice.
    """

    __slots__ = ("_index", "f", "hash", "n", "quorum", "validators")

    def __init__(self, validators: Iterable[Validator]) -> None:
        self.validators: tuple[Validator, ...] = tuple(sorted(validators, key=lambda v: v.public_key))
        self.n: int = len(self.validators)
        if not MIN_VALIDATORS <= self.n <= MAX_VALIDATORS:
            raise ValueError(f"a validator set has {MIN_VALIDATORS} to {MAX_VALIDATORS} members, not {self.n}")
        self._index = {v.public_key: i for i, v in enumerate(self.validators)}
        if len(self._index) != self.n:
            raise ValueError("a validator key appears twice")
        self.f: int = (self.n - 1) // 3
        """How many Byzantine validators the set tolerates. Source: Dafny `f`."""
        self.quorum: int = (2 * self.n - 1) // 3 + 1
        """Any two quorums share an honest validator. Source: Dafny `quorum`."""
        self.hash: bytes = sha256(encode(self.validators))

    def index_of(self, public_key: bytes) -> int | None:
        """Return the key's place in the set, None where it is no validator."""
        return self._index.get(public_key)

    def key(self, index: int) -> bytes | None:
        """Return the public key at `index`, None outside the set."""
        return self.validators[index].public_key if 0 <= index < self.n else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ValidatorSet) and self.validators == other.validators

    def __hash__(self) -> int:
        return hash(self.validators)

    def __repr__(self) -> str:
        return f"ValidatorSet(n={self.n}, hash={self.hash.hex()[:8]})"


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A block's header, encoded as a canonical map of exactly these fields."""

    chain: Name
    version: Count
    height: Height
    time: Count
    parent: Hash
    parent_state_root: Hash
    parent_commit: Hash
    proposer: PublicKey
    tx_root: Hash
    tx_count: Count
    validators_hash: Hash
    next_validators_hash: Hash


class Roots(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """What executing a block yields."""

    state_root: Hash
    receipts_root: Hash


class Seal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True, gc=False):
    """One validator's signature by its index; encoded as [index, signature]."""

    index: Index
    signature: Signature


Seals = Annotated[tuple[Seal, ...], Meta(max_length=MAX_VALIDATORS)]


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Commit seals of one round: proves a block and the state after it."""

    height: Height
    round: Round
    digest: Hash
    state_root: Hash
    receipts_root: Hash
    seals: Seals

    @property
    def roots(self) -> Roots:
        """The certified results of execution."""
        return Roots(self.state_root, self.receipts_root)


class Candidate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A block as consensus sees it: transactions are opaque hashes.

    Its digest binds all of it once `verification.candidate_is_whole` holds.
    """

    header: Header
    parent_certificate: Certificate | None
    tx_hashes: Annotated[tuple[Hash, ...], Meta(max_length=MAX_BLOCK_TRANSACTIONS)]


class Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A block with its transactions' bytes, as stored and synchronised."""

    header: Header
    parent_certificate: Certificate | None
    transactions: Annotated[tuple[bytes, ...], Meta(max_length=MAX_BLOCK_TRANSACTIONS)]


class HeightContext(msgspec.Struct, frozen=True):
    """All that the core must know to decide one height; read from the state after the parent.

    Attributes:
        validators: decide this height; next_validators: the one after, announced in this header.
        parent_validators: sealed the parent; None at height 1.
        parent_digest: digest of the parent's header, of the genesis document at height 1.
        parent_time: the parent's time in ms, genesis time at height 1.
        parent_roots: what this node computed by executing the parent (genesis: its state root and
            whatever receipts root the store gives it; no certificate refers to it).
        parent_certificate: as this node holds it; None at height 1. Late seals are added by the core.
        order: order(h) as indices into `validators`, from `proposer.proposer_order`.
        own_index: this node's place in `validators`; None: it observes only.
        base_timeout_ms, max_timeout_ms: round_timeout_ms and round_timeout_max_ms.
    """

    chain: str
    version: int
    height: int
    validators: ValidatorSet
    next_validators: ValidatorSet
    parent_validators: ValidatorSet | None
    parent_digest: bytes
    parent_time: int
    parent_roots: Roots
    parent_certificate: Certificate | None
    order: tuple[int, ...]
    own_index: int | None
    base_timeout_ms: int
    max_timeout_ms: int

    def validators_at(self, height: int) -> ValidatorSet | None:
        """Return the set that signs for `height`, None where this context cannot know it.

        Source: Dafny `validators`.
        """
        if height == self.height:
            return self.validators
        if height == self.height + 1:
            return self.next_validators
        return self.parent_validators if height == self.height - 1 else None

    def proposer(self, round_: int) -> int:
        """Return the index of proposer(h, r). Source: Dafny `proposer`."""
        return self.order[round_ % len(self.order)]

    def timeout_ms(self, round_: int) -> int:
        """Return min(base · 2^r, cap). Source: Dafny `roundTimeout`, capped."""
        if round_ >= _LONGEST_SHIFT:  # never build 2^(a huge round)
            return self.max_timeout_ms
        return min(self.base_timeout_ms << round_, self.max_timeout_ms)


def header_digest(header: Header) -> bytes:
    """Return SHA-256 of the canonical header: the block's identity.

    Source: Dafny `digest`, `hashBlockForCommitSeal`; here the header holds neither round nor seals of its own.
    """
    return sha256(encode(header))


def certificate_hash(certificate: Certificate | None) -> bytes:
    """Return what `parent_commit` holds: SHA-256 of the canonical certificate, or of nil."""
    return sha256(encode(certificate))


def seals_in_order(seals: Sequence[Seal]) -> bool:
    """Tell whether seals are strictly ascending by index: sorted, and one vote each."""
    return all(a.index < b.index for a, b in pairwise(seals))


_block_decoder = TypedDecoder(Block)
_candidate_decoder = TypedDecoder(Candidate)
_certificate_decoder = TypedDecoder(Certificate)
_header_decoder = TypedDecoder(Header)


def decode_block(data: bytes) -> Block:
    """Decode a canonical block, or raise CodecError."""
    return _block_decoder.decode(data)


def decode_candidate(data: bytes) -> Candidate:
    """Decode a canonical candidate, or raise CodecError."""
    return _candidate_decoder.decode(data)


def decode_certificate(data: bytes) -> Certificate:
    """Decode a canonical certificate, or raise CodecError."""
    return _certificate_decoder.decode(data)


def decode_header(data: bytes) -> Header:
    """Decode a canonical header, or raise CodecError."""
    return _header_decoder.decode(data)
