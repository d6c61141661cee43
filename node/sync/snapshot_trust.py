"""From the genesis document to a snapshot's height: what peers sent, judged by a `TrustedChain`, and kept.

The state root that comes out is one that a quorum of the chain's validators sealed, independent of its sender.

Invariant: `links` holds exactly the headers that announced another set than the one before, in order of height. A
peer cannot have this node keep any other header, though a true one.
"""

from __future__ import annotations

from collections.abc import Sequence

from consensus.trust import NotCertified
from network.messages import SetChange
from node.light_client.canonical_reading import read_block, read_certificate, read_header, read_validators
from node.light_client.chain import TrustedChain, candidate_of
from node.store.incoming_snapshot import CertifiedBlock


class SnapshotTrust:
    """The certified headers that lead to a snapshot.

    Args:
        chain: at the genesis set.
    """

    def __init__(self, chain: TrustedChain) -> None:
        self._chain = chain
        self.links: list[CertifiedBlock] = []

    @property
    def height(self) -> int:
        """Height of the last header that announced another set."""
        return self._chain.height

    def follow(self, changes: Sequence[SetChange], below: int) -> None:
        """Take the next changes, in order of height, of those whose header is below a height.

        Raises:
            NotCertified: one does not follow; those before it are kept.
        """
        for change in changes:
            header = read_header(change.header)
            if header.height >= below:
                return
            announced = read_validators(change.validators)
            if announced.hash == self._chain.validators.hash:
                raise NotCertified(f"header {header.height} announces no other validators than those before")
            head = self._chain.follow(header, read_certificate(change.certificate), announced)
            self.links.append(CertifiedBlock(head, change.header, change.certificate))

    def certified_block(self, height: int, block_bytes: bytes, certificate_bytes: bytes) -> CertifiedBlock:
        """Return a block once it is shown to be the chain's at a height.

        Raises:
            NotCertified: it is not.
        """
        block = read_block(block_bytes)
        if block.header.height != height:
            raise NotCertified(f"the block of height {block.header.height}, asked for {height}")
        head = self._chain.require_block(candidate_of(block), read_certificate(certificate_bytes))
        return CertifiedBlock(head, block_bytes, certificate_bytes)
