"""From the genesis document to a snapshot's height: whom to believe, and what.

    genesis set → certified header that announces another set → … → the set of the height → its certificate

Every step is checked here, so it does not matter who sent it: the state root that comes out is one that a quorum of
the chain's validators sealed, if no quorum of a past set has lost its keys (SPEC section 3, Membership).
"""

from __future__ import annotations

from collections.abc import Sequence

from consensus.types import (
    Candidate,
    Certificate,
    Header,
    Validator,
    ValidatorSet,
    decode_block,
    decode_certificate,
    decode_header,
    header_digest,
)
from consensus.verification import Verifier, candidate_is_whole
from network.messages import SetChange
from node.errors import NodeError
from node.store import Head
from node.store.incoming import CertifiedBlock
from vm.primitives.codec import CodecError
from vm.primitives.hashing import sha256


class NotCertified(NodeError):
    """What a peer sent does not follow from the genesis document: its fault."""


class TrustedSets:
    """The validator sets that certified headers lead to, one after the other."""

    def __init__(self, verifier: Verifier, genesis_set: ValidatorSet) -> None:
        self._verifier = verifier
        self.validators = genesis_set
        self.height = 0
        self.links: list[CertifiedBlock] = []

    def follow(self, changes: Sequence[SetChange], below: int) -> None:
        """Take the next changes, in order of height, of those whose header is below a height.

        Raises:
            NotCertified: one does not follow; those before it are kept.
        """
        for change in changes:
            header = _header(change.header)
            if header.height >= below:
                return
            certificate = self.certified(header, change.certificate)
            if header.height <= self.height:
                raise NotCertified("the changes of the validator set are not in order")
            announced = _set_of(change)
            if announced.hash != header.next_validators_hash:
                raise NotCertified(f"header {header.height} announces other validators than its sender says")
            self.validators, self.height = announced, header.height
            self.links.append(CertifiedBlock(_head_of(certificate), change.header, change.certificate))

    def certified(self, header: Header, certificate_bytes: bytes) -> Certificate:
        """Return the certificate of a header, once a quorum of the set reached so far has sealed it.

        Raises:
            NotCertified: it does not hold.
        """
        try:
            certificate = decode_certificate(certificate_bytes)
        except CodecError as error:
            raise NotCertified(f"no certificate: {error}") from None
        if certificate.height != header.height or certificate.digest != header_digest(header):
            raise NotCertified("the certificate is another block's")
        if header.validators_hash != self.validators.hash:
            raise NotCertified(f"height {header.height} was decided by a set that the headers do not lead to")
        if not self._verifier.certificate_is_valid(certificate, self.validators):
            raise NotCertified("the certificate holds no quorum of valid seals")
        return certificate

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
        certificate = self.certified(block.header, certificate_bytes)
        return CertifiedBlock(_head_of(certificate), block_bytes, certificate_bytes)


def _head_of(certificate: Certificate) -> Head:
    return Head(certificate.height, certificate.digest, certificate.state_root, certificate.receipts_root)


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
