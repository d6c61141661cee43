"""The light client: headers and blocks of a chain that certificates prove, from its genesis document on.

    genesis set → certified header that announces another set → … → the set of a height → its header, its block

Everything that takes headers or blocks from others asks here: proof documents (`documents`), block sync, snapshot
sync, restored backups and `entente node check`. They read headers and certificates from different places; one rule,
`consensus.trust`, decides what is believed.

Invariants:
    1. A header is believed only if a quorum of the set that its `validators_hash` names sealed it, and that set is
       the first one or was announced by a header which is believed.
    2. Headers that announce a set ascend by height.
    3. A block is believed only if its header is, and the header's hashes bind all of it.
"""

from __future__ import annotations

from consensus.trust import CertifiedSets, NotCertified
from consensus.types import Block, Candidate, Certificate, Header, ValidatorSet
from consensus.verification import Verifier, candidate_is_whole
from genesis.document import Genesis
from node.store import Head
from vm.primitives.hashing import sha256


class TrustedChain:
    """The validator sets that certified headers lead to, one after the other, and what the last of them has sealed.

    Args:
        chain: the chain's name, which holds the genesis document's hash.
        validators: the set to begin with. Where it is not the genesis set, the caller has it from a state whose
            root it has computed or verified itself.
        verifier: remembers signatures that verified; another one is made where there is none.
    """

    def __init__(self, chain: str, validators: ValidatorSet, verifier: Verifier | None = None) -> None:
        self._sets = CertifiedSets(chain, validators, verifier)

    @classmethod
    def from_genesis(cls, genesis: Genesis, verifier: Verifier | None = None) -> TrustedChain:
        """Return the chain of a genesis document, at its first set."""
        return cls(genesis.chain, genesis.validator_set, verifier)

    @property
    def validators(self) -> ValidatorSet:
        """The set reached so far."""
        return self._sets.validators

    @property
    def height(self) -> int:
        """Height of the header that announced the set reached so far; 0 for the first one."""
        return self._sets.height

    def follow(self, header: Header, certificate: Certificate, announced: ValidatorSet) -> Head:
        """Take the set that a header announces for the heights after its own; return the head that it proves.

        Raises:
            NotCertified: the header is not certified, not above the last one, or does not announce this set.
        """
        self._sets.follow(header, certificate, announced)
        return _head_of(certificate)

    def require_header(self, header: Header, certificate: Certificate) -> Head:
        """Return the head that a header and its certificate prove.

        Raises:
            NotCertified: another chain's header, another set's, another block's certificate, or no quorum.
        """
        self._sets.require_certified(header, certificate)
        return _head_of(certificate)

    def take(self, header: Header, certificate: Certificate, announced: ValidatorSet | None) -> Head:
        """Return the head that a header proves, in a walk that sees every height.

        Args:
            announced: the set that the header is known to announce; None: no other than the one before.

        Raises:
            NotCertified: as `follow` and `require_header`; or it announces a set that is not known.
        """
        if announced is not None:
            return self.follow(header, certificate, announced)
        head = self.require_header(header, certificate)
        if header.next_validators_hash != self.validators.hash:
            raise NotCertified(f"the header of height {header.height} announces validators that are not known")
        return head

    def require_block(self, candidate: Candidate, certificate: Certificate) -> Head:
        """Return the head that a whole block proves.

        Raises:
            NotCertified: as `require_header` and `require_whole`.
        """
        require_whole(candidate)
        return self.require_header(candidate.header, certificate)


def require_whole(candidate: Candidate) -> None:
    """Return if a header binds all of its block.

    Raises:
        NotCertified: transactions or the parent's certificate are others than those that the header names.
    """
    if not candidate_is_whole(candidate):
        raise NotCertified(f"block {candidate.header.height} does not hold what its header says")


def candidate_of(block: Block) -> Candidate:
    """Return a block as its header binds it; a caller that has the transactions' hashes already makes its own."""
    hashes = tuple([sha256(raw) for raw in block.transactions])
    return Candidate(block.header, block.parent_certificate, hashes)


def _head_of(certificate: Certificate) -> Head:
    return Head(certificate.height, certificate.digest, certificate.state_root, certificate.receipts_root)
