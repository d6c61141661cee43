"""From the genesis document to a snapshot's height: what peers sent, read and judged by `consensus.trust`.

The state root that comes out is one that a quorum of the chain's validators sealed, whoever sent it.

Invariant: `links` holds exactly the headers that announced another set than the one before, in order of height. A
peer cannot have this node keep any other header, though a true one.
"""

from __future__ import annotations

from collections.abc import Sequence

from consensus.trust import CertifiedSets, NotCertified
from consensus.types import (
    Candidate,
    Certificate,
    Header,
    Validator,
    ValidatorSet,
    decode_block,
    decode_certificate,
    decode_header,
)
from consensus.verification import candidate_is_whole
from network.messages import SetChange
from node.store import Head
from node.store.incoming_snapshot import CertifiedBlock
from vm.primitives.codec import CodecError
from vm.primitives.hashing import sha256


class TrustedSets:
    """The validator sets that certified headers lead to, one after the other, and those headers."""

    def __init__(self, sets: CertifiedSets) -> None:
        self._sets = sets
        self.links: list[CertifiedBlock] = []

    @property
    def height(self) -> int:
        """Height of the last header that announced another set."""
        return self._sets.height

    @property
    def validators(self) -> ValidatorSet:
        """The set reached so far."""
        return self._sets.validators

    def follow(self, changes: Sequence[SetChange], below: int) -> None:
        """Take the next changes, in order of height, of those whose header is below a height.

        Raises:
            NotCertified: one does not follow; those before it are kept.
        """
        for change in changes:
            header = _header(change.header)
            if header.height >= below:
                return
            certificate, announced = _certificate(change.certificate), _set_of(change)
            if announced.hash == self._sets.validators.hash:
                raise NotCertified(f"header {header.height} announces no other validators than those before")
            self._sets.follow(header, certificate, announced)
            self.links.append(CertifiedBlock(_head_of(certificate), change.header, change.certificate))

    def certified_block(self, height: int, block_bytes: bytes, certificate_bytes: bytes) -> CertifiedBlock:
        """Return a block once it is shown to be the chain's at a height.

        Raises:
            NotCertified: it is not.
        """
        try:
            block = decode_block(block_bytes)
        except CodecError as error:
            raise NotCertified(f"no block: {error}") from None
        hashes = tuple(sha256(raw) for raw in block.transactions)
        candidate = Candidate(block.header, block.parent_certificate, hashes)
        if block.header.height != height or not candidate_is_whole(candidate):
            raise NotCertified(f"not the whole block of height {height}")
        certificate = _certificate(certificate_bytes)
        self._sets.require_certified(block.header, certificate)
        return CertifiedBlock(_head_of(certificate), block_bytes, certificate_bytes)


def _head_of(certificate: Certificate) -> Head:
    return Head(certificate.height, certificate.digest, certificate.state_root, certificate.receipts_root)


def _certificate(data: bytes) -> Certificate:
    try:
        return decode_certificate(data)
    except CodecError as error:
        raise NotCertified(f"no certificate: {error}") from None


def _header(data: bytes) -> Header:
    try:
        return decode_header(data)
    except CodecError as error:
        raise NotCertified(f"no header: {error}") from None


def _set_of(change: SetChange) -> ValidatorSet:
    try:
        return ValidatorSet(Validator(key, brand) for key, brand in change.validators)
    except ValueError as error:
        raise NotCertified(f"no validator set: {error}") from None
