"""The toy ledger of a simulated node: the chain that survives a crash, and a deterministic execution.

Transactions are opaque hashes that may stand in the chain once; executing a block hashes the state on. Some
hashes mean a change of the validators: executed in block h, announced in header h+1, deciding from h+2, as
SPEC section 3 says. The state also holds the seal records that the proposer order is read from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

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
from node.store import Head, LogMark
from vm.primitives.codec import encode
from vm.primitives.hashing import ZERO_HASH, sha256

CHAIN = "simulation-0123456789abcdef"
GENESIS_DIGEST = sha256(b"genesis")
GENESIS_ROOTS = Roots(sha256(b"genesis state"), ZERO_HASH)
POISON = sha256(b"a transaction that makes a block invalid")
BASE_TIMEOUT_MS = 1_000
MAX_TIMEOUT_MS = 8_000

Keys = tuple[bytes, ...]


class Change(NamedTuple):
    """A transaction that adds one validator, removes one, or both.

    Attributes:
        remove_proposer: also the proposer of the block that holds it.
    """

    add: bytes | None
    remove: bytes | None
    remove_proposer: bool = False


class Outcome(NamedTuple):
    """What executing a block yields."""

    roots: Roots
    records: dict[bytes, SealRecord]
    keys: Keys
    """The validators that the state after the block names."""


@lru_cache(maxsize=1_024)
def validator_set(keys: Keys) -> ValidatorSet:
    """Return the set of these keys."""
    return ValidatorSet(Validator(key, key.hex()[:8]) for key in keys)


def changed(keys: Keys, change: Change, proposer: bytes) -> Keys:
    """Return the keys after a change; one that makes no sense, or leaves fewer than 4, does nothing."""
    gone = {change.remove, proposer if change.remove_proposer else None}
    after = tuple(sorted({*keys, *(() if change.add is None else (change.add,))} - gone))
    return after if len(after) >= 4 else keys


@dataclass
class Ledger:
    """Blocks, certificates and the state."""

    genesis_keys: Keys
    changes: dict[bytes, Change]
    """Transaction hash -> what it changes."""

    diverges_from: int | None = None
    """A broken node: from this height on its execution gives other roots."""

    blocks: list[tuple[Candidate, Certificate]] = field(default_factory=list)
    records: dict[bytes, SealRecord] = field(default_factory=dict)
    roots: Roots = GENESIS_ROOTS
    done: dict[bytes, int] = field(default_factory=dict)
    """Transaction hash -> the height of its block."""
    log_mark: LogMark | None = None
    """The write-ahead log that this store was last used with."""

    def __post_init__(self) -> None:
        self._named = [self.genesis_keys]
        self._outcomes: dict[bytes, Outcome] = {}

    @property
    def height(self) -> int:
        """The head's height, 0 before block 1."""
        return len(self.blocks)

    @property
    def head(self) -> Head:
        """What the signing guard asks of a store."""
        return Head(self.height, b"", b"", b"")

    def note_log(self, mark: LogMark) -> None:
        """Note another log."""
        self.log_mark = mark

    def cut(self, height: int) -> Ledger:
        """Return the ledger as it was at a height, as a backup of the folder would bring it back."""
        former = Ledger(self.genesis_keys, self.changes, self.diverges_from)
        for candidate, certificate in self.blocks[:height]:
            former.commit(candidate, certificate)
        return former

    def validators_at(self, height: int) -> ValidatorSet:
        """Return who decides a height up to two above the head's: those named in the state two blocks before."""
        return validator_set(self._named[max(0, height - 2)])

    def fault_in(self, candidate: Candidate) -> str:
        """Say why a block's transactions are invalid on our head; empty where they are valid."""
        hashes = candidate.tx_hashes
        if POISON in hashes:
            return "poison"
        if len(set(hashes)) < len(hashes):
            return "a transaction stands twice"
        return "a transaction has been in the chain" if any(tx in self.done for tx in hashes) else ""

    def execute(self, candidate: Candidate) -> Outcome:
        """Return the roots, seal records and validators after a block on our head."""
        digest = header_digest(candidate.header)
        known = self._outcomes.get(digest)
        if known is None:
            known = self._outcomes[digest] = self._execute(candidate)
        return known

    def _execute(self, candidate: Candidate) -> Outcome:
        height = candidate.header.height
        records = dict(self.records)
        validators = self.validators_at(height)
        proposer = validators.index_of(candidate.header.proposer)
        assert proposer is not None
        for index in skipped(self.order(height), proposer):
            key = validators.validators[index].public_key
            records[key] = SealRecord(records.get(key, NO_RECORD).last_seal, height)
        certificate = candidate.parent_certificate
        if certificate is not None:
            parents = self.validators_at(height - 1)
            for seal in certificate.seals:
                key = parents.validators[seal.index].public_key
                records[key] = SealRecord(height - 1, records.get(key, NO_RECORD).last_skip)
        keys = self._named[-1]
        for tx in candidate.tx_hashes:
            if tx in self.changes:
                keys = changed(keys, self.changes[tx], candidate.header.proposer)
        content = encode([self.roots.state_root, list(candidate.tx_hashes), sorted(records.items()), list(keys)])
        if self.diverges_from is not None and height >= self.diverges_from:
            content += b"broken"
        return Outcome(Roots(sha256(content), sha256(b"receipts" + content)), records, keys)

    def order(self, height: int) -> tuple[int, ...]:
        """Return the proposer order of the next height."""
        previous = self.blocks[-1][0].header.proposer if self.blocks else None
        return proposer_order(self.validators_at(height), self.records, height, previous)

    def commit(self, candidate: Candidate, certificate: Certificate) -> None:
        """Append a block in one durable batch."""
        self.roots, self.records, keys = self.execute(candidate)
        self._outcomes.clear()
        self.blocks.append((candidate, certificate))
        self._named.append(keys)
        for tx in candidate.tx_hashes:
            self.done[tx] = self.height

    def context(self, own_key: bytes) -> HeightContext:
        """Describe the height after the head."""
        height = self.height + 1
        validators = self.validators_at(height)
        parent = self.blocks[-1] if self.blocks else None
        return HeightContext(
            chain=CHAIN,
            version=1,
            height=height,
            validators=validators,
            next_validators=self.validators_at(height + 1),
            parent_validators=self.validators_at(height - 1) if height > 1 else None,
            parent_digest=header_digest(parent[0].header) if parent else GENESIS_DIGEST,
            parent_time=parent[0].header.time if parent else 0,
            parent_roots=self.roots,
            parent_certificate=parent[1] if parent else None,
            order=self.order(height),
            own_index=validators.index_of(own_key),
            base_timeout_ms=BASE_TIMEOUT_MS,
            max_timeout_ms=MAX_TIMEOUT_MS,
        )
