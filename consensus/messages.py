"""The four signed messages of QBFT, their signed payloads, and the log record of a vote.

A message on the wire is a canonical map with a `type`. It names its signer by index in the
validator set of its height; the signature, checked against the key at that index, binds the two.
The chain is in every signed payload and not on the wire: a message for another chain fails.

A justification repeats nothing: the q PREPAREs of one (height, round, digest) are one
PreparedCertificate with [index, signature] pairs, and the round-changes inside a Proposal are those
of its own height and round by construction.

Invariants:
    1. Two messages with equal signed payloads and signer are the same vote.
    2. A payload holds chain, height and round; a domain tag goes before it (SPEC section 1).
    3. A Commit's signature is the seal.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

from consensus.types import (
    MAX_VALIDATORS,
    Candidate,
    Hash,
    Height,
    Index,
    Roots,
    Round,
    Seals,
    Signature,
    header_digest,
)
from vm.primitives.codec import TypedDecoder, encode

STEP_PROPOSAL: Final = "proposal"
STEP_PREPARE: Final = "prepare"
STEP_COMMIT: Final = "commit"
STEP_ROUND_CHANGE: Final = "round_change"


class PreparedCertificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """q PREPAREs of one round for one digest, as [index, signature] sorted by index."""

    round: Round
    digest: Hash
    prepares: Seals


class RoundChangeVote(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """The signed part of a ROUND_CHANGE inside a Proposal, whose height and round it shares."""

    sender: Index
    prepared_round: Round | None
    prepared_digest: Hash | None
    signature: Signature


class Proposal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag=STEP_PROPOSAL):
    """PROPOSAL (h, r, digest) with its candidate; for r > 0 with q round-changes.

    Attributes:
        prepared: q PREPAREs for the highest prepared round among `round_changes`; None if there is none.
    """

    height: Height
    round: Round
    sender: Index
    candidate: Candidate
    round_changes: Annotated[tuple[RoundChangeVote, ...], Meta(max_length=MAX_VALIDATORS)]
    prepared: PreparedCertificate | None
    signature: Signature


class Prepare(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag=STEP_PREPARE, gc=False
):
    """PREPARE (h, r, digest): the sender found the proposed block valid."""

    height: Height
    round: Round
    sender: Index
    digest: Hash
    signature: Signature


class Commit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag=STEP_COMMIT, gc=False):
    """COMMIT (h, r, digest, roots): the sender is locked on the block and executed it."""

    height: Height
    round: Round
    sender: Index
    digest: Hash
    state_root: Hash
    receipts_root: Hash
    signature: Signature

    @property
    def roots(self) -> Roots:
        """The results of execution that the sender seals."""
        return Roots(self.state_root, self.receipts_root)


class RoundChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag=STEP_ROUND_CHANGE):
    """ROUND_CHANGE (h, r, prepared round?, prepared digest?) with its q PREPAREs."""

    height: Height
    round: Round
    sender: Index
    prepared: PreparedCertificate | None
    signature: Signature

    @property
    def vote(self) -> RoundChangeVote:
        """The signed part, as a Proposal carries it."""
        if self.prepared is None:
            return RoundChangeVote(self.sender, None, None, self.signature)
        return RoundChangeVote(self.sender, self.prepared.round, self.prepared.digest, self.signature)


Message: TypeAlias = Proposal | Prepare | Commit | RoundChange

_decoder: TypedDecoder[Message] = TypedDecoder(Message)  # type: ignore[arg-type]


def encode_message(message: Message) -> bytes:
    """Return the canonical bytes of a message, as they go on the wire."""
    return encode(message)


def decode_message(data: bytes) -> Message:
    """Decode a message strictly; its signatures are not checked. Raises CodecError."""
    return _decoder.decode(data)


def step_of(message: Message) -> str:
    """Return which step of its round the message is: at most one is signed per (h, r, step)."""
    return message.__struct_config__.tag  # type: ignore[return-value]


def digest_of(message: Message) -> bytes | None:
    """Return the digest that the message votes for; a round-change's prepared one, if any."""
    if isinstance(message, Proposal):
        return header_digest(message.candidate.header)
    if isinstance(message, RoundChange):
        return None if message.prepared is None else message.prepared.digest
    return message.digest


def statement_of(message: Message) -> Message:
    """Return a message reduced to what its signature covers: some hundred bytes; a Proposal may have a megabyte."""
    if isinstance(message, Proposal):
        candidate = Candidate(message.candidate.header, None, ())
        return msgspec.structs.replace(message, candidate=candidate, round_changes=(), prepared=None)
    if isinstance(message, RoundChange) and message.prepared is not None:
        return msgspec.structs.replace(message, prepared=msgspec.structs.replace(message.prepared, prepares=()))
    return message


class _Vote(msgspec.Struct, frozen=True, gc=False):
    chain: str
    height: int
    round: int
    digest: bytes


class _Commit(msgspec.Struct, frozen=True, gc=False):
    chain: str
    height: int
    round: int
    digest: bytes
    state_root: bytes
    receipts_root: bytes


class _RoundChange(msgspec.Struct, frozen=True, gc=False):
    chain: str
    height: int
    round: int
    prepared_round: int | None
    prepared_digest: bytes | None


def vote_payload(chain: str, height: int, round_: int, digest: bytes) -> bytes:
    """Return what a PROPOSAL and a PREPARE sign, each under its own domain tag.

    Source: Dafny `UnsignedProposal`, `UnsignedPrepare`.
    """
    return encode(_Vote(chain, height, round_, digest))


def seal_payload(chain: str, height: int, round_: int, digest: bytes, roots: Roots) -> bytes:
    """Return what a COMMIT signs: the payload of the seal. Source: Dafny `UnsignedCommit`, with roots."""
    return encode(_Commit(chain, height, round_, digest, roots.state_root, roots.receipts_root))


def round_change_payload(
    chain: str, height: int, round_: int, prepared_round: int | None, prepared_digest: bytes | None
) -> bytes:
    """Return what a ROUND_CHANGE signs. Source: Dafny `UnsignedRoundChange`."""
    return encode(_RoundChange(chain, height, round_, prepared_round, prepared_digest))


class VoteRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must be durable before a signed message leaves the node.

    Height, round, step, digest and roots are the message's own.

    Attributes:
        message: re-sent byte for byte after a crash.
        prepared: the lock that a COMMIT stands on; a ROUND_CHANGE carries its own.
        candidate: the block bound by a COMMIT or a prepared ROUND_CHANGE, where no earlier record of
            the height holds it; a PROPOSAL carries its own.
    """

    message: Message
    prepared: PreparedCertificate | None
    candidate: Candidate | None

    @property
    def block(self) -> Candidate | None:
        """The candidate whose transactions' bytes must be durable together with this record."""
        return self.message.candidate if isinstance(self.message, Proposal) else self.candidate


_record_decoder = TypedDecoder(VoteRecord)


def encode_record(record: VoteRecord) -> bytes:
    """Return the canonical bytes of a log record."""
    return encode(record)


def decode_record(data: bytes) -> VoteRecord:
    """Decode a log record strictly. Raises CodecError."""
    return _record_decoder.decode(data)
