"""From the genesis set to a certified header: the one rule by which anything is believed that others hand over.

    genesis set → certified header that announces another set → … → the set of a height → its certificate

Proof documents, block sync, snapshots and restored chains read headers and certificates from different places; the
light client (node/light_client/chain.py) judges all of them here. So it does not matter who sent them, if no quorum
of a past set has lost its keys (SPEC section 3, Membership).

Invariants:
    1. `validators` is the genesis set, or one that a header announced which a quorum of the set before has sealed.
    2. The headers that announced sets ascend by height.
"""

from __future__ import annotations

from consensus.errors import ConsensusError
from consensus.types import Certificate, Header, ValidatorSet, header_digest
from consensus.verification import Verifier


class NotCertified(ConsensusError):
    """A header, a certificate or a set that does not follow from the genesis document: its sender's fault."""


class CertifiedSets:
    """The validator sets that certified headers lead to, one after the other.

    Attributes:
        validators: the set reached so far.
        height: of the header that announced it, 0 for the genesis set.
    """

    def __init__(self, chain: str, genesis_set: ValidatorSet, verifier: Verifier | None = None) -> None:
        self._chain = chain
        self._verifier = Verifier(chain) if verifier is None else verifier
        self.validators = genesis_set
        self.height = 0

    def require_certified(self, header: Header, certificate: Certificate) -> None:
        """Return if a quorum of the set reached so far has sealed a header with these results.

        Raises:
            NotCertified: saying which step does not hold.
        """
        if header.chain != self._chain:
            raise NotCertified(f"the header is of {header.chain}; the genesis document begins {self._chain}")
        if header.validators_hash != self.validators.hash:
            raise NotCertified(
                f"height {header.height} was decided by a set that the chain of headers does not lead to"
            )
        if certificate.height != header.height or certificate.digest != header_digest(header):
            raise NotCertified(f"the certificate of height {header.height} is of another block than the header")
        if not self._verifier.certificate_is_valid(certificate, self.validators):
            raise NotCertified(f"the certificate of height {header.height} does not hold a quorum of valid seals")

    def follow(self, header: Header, certificate: Certificate, announced: ValidatorSet) -> None:
        """Take the set that a certified header announces for the heights after its own.

        Raises:
            NotCertified: the header is not certified, not above the last one, or announces other validators.
        """
        self.require_certified(header, certificate)
        if header.height <= self.height:
            raise NotCertified("the changes of the validator set are not in order")
        if announced.hash != header.next_validators_hash:
            raise NotCertified(f"the header of height {header.height} announces other validators")
        self.validators, self.height = announced, header.height
