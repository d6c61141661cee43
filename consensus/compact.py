"""How a PROPOSAL travels in a large alliance: most of its transactions are named by digests of gossip batches.

A *gossip batch* is a run of transactions that one node told its peers one after another as its clients' own. Every
validator has heard the same run, so a proposer names it by its origin, its first transaction, its length and its
digest: some hundred bytes in place of 34 for each transaction. What is in no such run goes by its hash.

The form is the wire's alone. The signature of a PROPOSAL covers the header's digest, whose `tx_root` covers the
hashes, so a compact proposal has the signature of the whole one, and what its entries resolve to either is the
block's list of hashes or is not. The core, the log, candidates that are served and blocks know whole lists only.

Invariants:
    1. `expand` returns `tx_count` hashes, each batch among them with its digest, or None, or raises.
    2. No list is built that is longer than `tx_count` and MAX_BLOCK_TRANSACTIONS, whatever lengths a message
       claims.
    3. `CompactProposal.with_hashes` is a Proposal that `candidate_is_whole` still has to judge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

from consensus.errors import MalformedMessage
from consensus.messages import Message, PreparedCertificate, Proposal, RoundChangeVote
from consensus.types import (
    MAX_BLOCK_TRANSACTIONS,
    MAX_VALIDATORS,
    Candidate,
    Certificate,
    Hash,
    Header,
    Height,
    Index,
    PublicKey,
    Round,
    Signature,
)
from vm.primitives.codec import TypedDecoder
from vm.primitives.hashing import sha256

COMPACT_FROM: Final = 13
"""Validators of an alliance whose proposals are compact. A proposer sends one to each, so its bytes grow with n;
below 13 a block of 2,000 hashes is less than the batches' bookkeeping is worth
(docs/decisions/batch-digests.md)."""

SHORTEST_BATCH: Final = 4
"""A batch's entry takes 103 bytes, as much as three hashes."""

_DOMAIN: Final = b"entente/gossip-batch/1\0"


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True, gc=False):
    """A gossip batch as an entry names it; encoded as [origin, first, count, digest].

    Attributes:
        origin: the key of the node that told its peers of it.
        first: the hash of its first transaction, by which its place in what the origin told is found.
        digest: `batch_digest` of its hashes.
    """

    origin: PublicKey
    first: Hash
    count: Annotated[int, Meta(ge=SHORTEST_BATCH, le=MAX_BLOCK_TRANSACTIONS)]
    digest: Hash


Entry: TypeAlias = Hash | Batch


FindPlace: TypeAlias = Callable[[bytes], tuple[bytes, int] | None]
"""A transaction's hash -> (origin, its place in what that origin told), None where no origin has told of it."""

FindRun: TypeAlias = Callable[[bytes, bytes, int], Sequence[bytes] | None]
"""(origin, first hash, count) -> the hashes of that run, None where it is not known here."""


class CompactProposal(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="compact_proposal"
):
    """A Proposal whose candidate's transactions are named by entries, in the order of the block."""

    height: Height
    round: Round
    sender: Index
    header: Header
    parent_certificate: Certificate | None
    entries: Annotated[tuple[Entry, ...], Meta(max_length=MAX_BLOCK_TRANSACTIONS)]
    round_changes: Annotated[tuple[RoundChangeVote, ...], Meta(max_length=MAX_VALIDATORS)]
    prepared: PreparedCertificate | None
    signature: Signature

    def with_candidate(self, candidate: Candidate) -> Proposal:
        """Return the Proposal of this message for a candidate."""
        return Proposal(
            self.height, self.round, self.sender, candidate, self.round_changes, self.prepared, self.signature
        )

    def with_hashes(self, tx_hashes: Sequence[bytes]) -> Proposal:
        """Return the Proposal whose block holds these transactions; whether the header binds them is not judged."""
        return self.with_candidate(Candidate(self.header, self.parent_certificate, tuple(tx_hashes)))


WireMessage: TypeAlias = Message | CompactProposal

_decoder: TypedDecoder[WireMessage] = TypedDecoder(WireMessage)  # type: ignore[arg-type]


def decode_wire_message(data: bytes) -> WireMessage:
    """Decode what a validator sends, strictly; its signatures are not checked. Raises CodecError."""
    return _decoder.decode(data)


def batch_digest(tx_hashes: Sequence[bytes]) -> bytes:
    """Return the digest of a gossip batch."""
    return sha256(_DOMAIN + b"".join(tx_hashes))


def compact(proposal: Proposal, find_place: FindPlace) -> CompactProposal:
    """Return the compact form of a proposal, with as few entries as its order allows for."""
    candidate = proposal.candidate
    return CompactProposal(
        proposal.height,
        proposal.round,
        proposal.sender,
        candidate.header,
        candidate.parent_certificate,
        _entries(candidate.tx_hashes, find_place),
        proposal.round_changes,
        proposal.prepared,
        proposal.signature,
    )


def _entries(tx_hashes: Sequence[bytes], find_place: FindPlace) -> tuple[Entry, ...]:
    entries: list[Entry] = []
    run: list[bytes] = []
    origin, following = b"", None
    for tx_hash in tx_hashes:
        place = find_place(tx_hash)
        if place != following:
            entries += _named(origin, run)
            run, origin = [], b"" if place is None else place[0]
        run.append(tx_hash)
        following = None if place is None else (place[0], place[1] + 1)
    return (*entries, *_named(origin, run))


def _named(origin: bytes, run: Sequence[bytes]) -> Sequence[Entry]:
    """Return how a run of one origin, or of none, is named."""
    if not origin or len(run) < SHORTEST_BATCH:
        return run
    return [Batch(origin, run[0], len(run), batch_digest(run))]


def expand(message: CompactProposal, find_run: FindRun) -> tuple[bytes, ...] | None:
    """Return the hashes that a compact proposal names; None where a batch is not known here.

    A run that is known with another digest is one that its origin did not tell all of us alike: the proposer need
    not be at fault, and is asked for the whole list.

    Raises:
        MalformedMessage: the entries are not as many transactions as the header says, or more than a block may
        have.
    """
    named = sum(entry.count if isinstance(entry, Batch) else 1 for entry in message.entries)
    if named != message.header.tx_count or named > MAX_BLOCK_TRANSACTIONS:
        raise MalformedMessage(f"entries of {named} transactions in a block of {message.header.tx_count}")
    tx_hashes: list[bytes] = []
    for entry in message.entries:
        if not isinstance(entry, Batch):
            tx_hashes.append(entry)
            continue
        run = find_run(entry.origin, entry.first, entry.count)
        if run is None or batch_digest(run) != entry.digest:
            return None
        tx_hashes += run
    return tuple(tx_hashes)
