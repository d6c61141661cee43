"""What must hold of the chains when a run is over, and how long each height may take.

certificates    every chain verifies from genesis, knowing nothing but the genesis keys: by a replay of
                its own, which shares no code with the simulated nodes' execution nor with consensus' checks
equal roots     that replay yields the certified roots
transactions    none stands twice; none that a client was told about is missing, or in another block
progress        in liveness mode every correct host commits every height in time
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from consensus.messages import seal_payload
from consensus.types import Candidate, Certificate, Roots, header_digest
from vm.primitives.codec import encode
from vm.primitives.hashing import sha256
from vm.primitives.keys import Domain

from .ledger import BASE_TIMEOUT_MS, CHAIN, GENESIS_DIGEST, GENESIS_ROOTS, MAX_TIMEOUT_MS

if TYPE_CHECKING:
    from .cluster import Cluster
    from .host import Host

START_MS = 1_000
"""Starting all hosts, and the block interval before the first work."""


def check_chains(cluster: Cluster) -> None:
    """Replay the longest honest chain; all others must be its beginnings. Then look for what clients were told."""
    honest = [host for host in cluster.hosts if not host.byzantine and not cluster.is_broken(host)]
    longest = max(honest, key=lambda host: host.ledger.height)
    for host in honest:
        if any(a[0] != b[0] for a, b in zip(host.ledger.blocks, longest.ledger.blocks, strict=False)):
            cluster.checkers.fail(f"the chains of hosts {host.ident} and {longest.ident} differ")
    Replay(cluster, longest).run()
    for host in cluster.correct:
        _check_receipts(cluster, host)


def _check_receipts(cluster: Cluster, host: Host) -> None:
    heights = {tx: height for height, (block, _) in enumerate(host.ledger.blocks, 1) for tx in block.tx_hashes}
    if len(heights) != sum(len(block.tx_hashes) for block, _ in host.ledger.blocks):
        cluster.checkers.fail(f"a transaction stands twice in the chain of host {host.ident}")
    for tx, height in cluster.clients.receipts.items():
        if height <= host.ledger.height and heights.get(tx) != height:
            cluster.checkers.fail(f"host {host.ident} lost a transaction that was told to be in block {height}")


class Replay:
    """A light client that executes: from genesis to the head, in the plainest way."""

    def __init__(self, cluster: Cluster, host: Host) -> None:
        self._cluster = cluster
        self._ident = host.ident
        self._blocks = host.ledger.blocks
        self._sets: list[list[bytes]] = [list(cluster.genesis_keys)] * 3
        """Height -> its keys; a block settles who decides the height after the next."""
        self._seals: dict[bytes, tuple[int, int]] = {}
        self._root = GENESIS_ROOTS.state_root

    def run(self) -> None:
        """Verify and execute every block."""
        parent_digest, parent_time, parent_proposer = GENESIS_DIGEST, 0, b""
        parent_roots = GENESIS_ROOTS
        for height, (block, certificate) in enumerate(self._blocks, 1):
            header = block.header
            digest = header_digest(header)
            if (header.height, header.parent) != (height, parent_digest) or header.time <= parent_time:
                self._fail(f"block {height} does not follow its parent")
            if header.proposer not in self._sets[height] or header.parent_state_root != parent_roots.state_root:
                self._fail(f"block {height} names a stranger as proposer, or another state before it")
            if height > 1:
                self._check_certificate(block.parent_certificate, height - 1, parent_digest, parent_roots)
            parent_roots = self._execute(block, parent_proposer)
            self._check_certificate(certificate, height, digest, parent_roots)
            parent_digest, parent_time, parent_proposer = digest, header.time, header.proposer

    def _fail(self, text: str) -> None:
        self._cluster.checkers.fail(f"the chain of host {self._ident}: {text}")

    def _check_certificate(self, certificate: Certificate | None, height: int, digest: bytes, roots: Roots) -> None:
        if certificate is None:
            self._fail(f"block {height} has no certificate")
            return
        keys = self._sets[height]
        payload = seal_payload(CHAIN, height, certificate.round, digest, roots)
        signers = {
            seal.index
            for seal in certificate.seals
            if self._cluster.verify(Domain.COMMIT, keys[seal.index], payload, seal.signature)
        }
        if 3 * len(signers) < 2 * len(keys) or len(signers) != len(certificate.seals):
            self._fail(f"the certificate of height {height} is not valid")

    def _execute(self, block: Candidate, parent_proposer: bytes) -> Roots:
        """Hash the state on, as the toy ledger says, from the definitions in SPEC section 3."""
        height = block.header.height
        for key in self._order(height, parent_proposer):
            if key == block.header.proposer:
                break
            self._seals[key] = (self._seals.get(key, (0, 0))[0], height)
        if block.parent_certificate is not None:
            for seal in block.parent_certificate.seals:
                key = self._sets[height - 1][seal.index]
                self._seals[key] = (height - 1, self._seals.get(key, (0, 0))[1])
        keys = list(self._sets[height + 1])
        for tx in block.tx_hashes:
            change = self._cluster.changes.get(tx)
            if change is not None:
                gone = [change.remove, *([block.header.proposer] if change.remove_proposer else [])]
                after = [key for key in sorted({*keys, change.add or keys[0]}) if key not in gone]
                keys = after if len(after) >= 4 else keys
        self._sets.append(keys)
        records = [[key, list(pair)] for key, pair in sorted(self._seals.items())]
        records_as_structs = [[key, {"last_seal": a, "last_skip": b}] for key, (a, b) in records]
        content = encode([self._root, list(block.tx_hashes), records_as_structs, keys])
        self._root = sha256(content)
        return Roots(self._root, sha256(b"receipts" + content))

    def _order(self, height: int, parent_proposer: bytes) -> list[bytes]:
        keys = self._sets[height]
        rotated = [key for key in keys if key > parent_proposer] + [key for key in keys if key <= parent_proposer]
        if height <= 17:
            return rotated

        def idle(key: bytes) -> bool:
            sealed, skipped = self._seals.get(key, (0, 0))
            return not (sealed > skipped and sealed >= height - 17)

        return sorted(rotated, key=idle)


def progress_limit_ms(cluster: Cluster) -> int:
    """Return how long a height may take in liveness mode: the timeouts of f + 2 rounds, and what is left over.

    f faulty proposers may come first in the order, and one round may be lost to a message that was lost.
    """
    rounds = range(cluster.f + 2)
    return sum(min(BASE_TIMEOUT_MS << round_, MAX_TIMEOUT_MS) for round_ in rounds) + START_MS


def check_progress(cluster: Cluster) -> None:
    """Every height is committed by every correct host in time after the last one committed the height before."""
    limit = progress_limit_ms(cluster)
    idents = [host.ident for host in cluster.correct]
    before = 0
    for height in range(1, max(cluster.checkers.committed_at, default=0) + 2):
        times = cluster.checkers.committed_at.get(height, {})
        last = max(times.get(ident, cluster.world.now) for ident in idents)
        if last - before > limit:
            late = [ident for ident in idents if times.get(ident, cluster.world.now) == last]
            cluster.checkers.fail(f"height {height} took {last - before} ms, at most {limit}, at hosts {late}")
        before = max(before, last)
