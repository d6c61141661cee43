"""The toy ledger of a simulated node: what is durable, and a deterministic execution.

Transactions are opaque hashes; executing a block hashes the state on. The state also holds the seal
records that the proposer order is read from, as the real ledger's does. Block and certificate appear
together (one synced batch), and survive crashes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from consensus.messages import VoteRecord, decode_record, encode_record
from consensus.proposer import NO_RECORD, SealRecord, proposer_order, skipped
from consensus.types import (
    Candidate,
    Certificate,
    HeightContext,
    Roots,
    Validator,
    ValidatorSet,
    header_digest,
)
from vm.primitives.codec import encode
from vm.primitives.hashing import ZERO_HASH, sha256

CHAIN = "simulation-0123456789abcdef"
GENESIS_DIGEST = sha256(b"genesis")
GENESIS_ROOTS = Roots(sha256(b"genesis state"), ZERO_HASH)
POISON = sha256(b"a transaction that makes a block invalid")
BASE_TIMEOUT_MS = 1_000
MAX_TIMEOUT_MS = 8_000


@dataclass(frozen=True)
class Membership:
    """Who validates when: decided beforehand, as if by votes on the chain."""

    changes: tuple[tuple[int, tuple[bytes, ...]], ...]
    """(first height, public keys), ascending."""

    def at(self, height: int) -> ValidatorSet:
        """Return the validators of a height."""
        keys = next(keys for first, keys in reversed(self.changes) if height >= first)
        return ValidatorSet(Validator(key, key.hex()[:8]) for key in keys)


@dataclass
class Ledger:
    """Blocks, certificates and the write-ahead log: all that survives a crash."""

    membership: Membership
    diverges_from: int | None = None
    """A broken node: from this height on its execution gives other roots."""

    blocks: list[tuple[Candidate, Certificate]] = field(default_factory=list)
    records: dict[bytes, SealRecord] = field(default_factory=dict)
    roots: Roots = GENESIS_ROOTS
    log: list[bytes] = field(default_factory=list)

    @property
    def height(self) -> int:
        """The head's height, 0 before block 1."""
        return len(self.blocks)

    def execute(self, candidate: Candidate) -> tuple[Roots, dict[bytes, SealRecord]]:
        """Return the roots and seal records after a block on our head."""
        height = candidate.header.height
        records = dict(self.records)
        order = self.order(height)
        validators = self.membership.at(height)
        proposer = validators.index_of(candidate.header.proposer)
        assert proposer is not None
        for index in skipped(order, proposer):
            key = validators.validators[index].public_key
            records[key] = SealRecord(records.get(key, NO_RECORD).last_seal, height)
        certificate = candidate.parent_certificate
        if certificate is not None:
            parents = self.membership.at(height - 1)
            for seal in certificate.seals:
                key = parents.validators[seal.index].public_key
                records[key] = SealRecord(height - 1, records.get(key, NO_RECORD).last_skip)
        content = encode([self.roots.state_root, list(candidate.tx_hashes), sorted(records.items())])
        if self.diverges_from is not None and height >= self.diverges_from:
            content += b"broken"
        return Roots(sha256(content), sha256(b"receipts" + content)), records

    def order(self, height: int) -> tuple[int, ...]:
        """Return the proposer order of the next height."""
        previous = self.blocks[-1][0].header.proposer if self.blocks else None
        return proposer_order(self.membership.at(height), self.records, height, previous)

    def commit(self, candidate: Candidate, certificate: Certificate) -> None:
        """Append a block in one durable batch, and drop the log's records that it overtakes."""
        roots, records = self.execute(candidate)
        self.blocks.append((candidate, certificate))
        self.roots, self.records = roots, records
        self.log = [data for data in self.log if decode_record(data).message.height > self.height]

    def persist(self, record: VoteRecord) -> None:
        """Append to the write-ahead log; durable at once."""
        self.log.append(encode_record(record))

    def context(self, own_key: bytes) -> HeightContext:
        """Describe the height after the head."""
        height = self.height + 1
        validators = self.membership.at(height)
        parent = self.blocks[-1] if self.blocks else None
        return HeightContext(
            chain=CHAIN,
            version=1,
            height=height,
            validators=validators,
            next_validators=self.membership.at(height + 1),
            parent_validators=self.membership.at(height - 1) if height > 1 else None,
            parent_digest=header_digest(parent[0].header) if parent else GENESIS_DIGEST,
            parent_time=parent[0].header.time if parent else 0,
            parent_roots=self.roots,
            parent_certificate=parent[1] if parent else None,
            order=self.order(height),
            own_index=validators.index_of(own_key),
            base_timeout_ms=BASE_TIMEOUT_MS,
            max_timeout_ms=MAX_TIMEOUT_MS,
        )
