"""From bytes to verified messages: the shell calls this before it steps the core.

A message counts only after every signature in it verified: its own, those of the round-changes and
PREPAREs in its justification, and the seals of a proposed block's parent certificate. Signatures
that verified are remembered, so that PREPAREs and seals which come again inside a justification or
a parent certificate cost a dictionary look-up.

A compact proposal is verified but for its list of transactions, which is not here yet; the Proposal that is made
of it passes `require_whole` before it counts.

Invariants:
    1. `Verifier.verify` returns only if every signature in the message is valid for its height's set.
    2. A verified Proposal's digest binds all of its candidate (`candidate_is_whole`).
    3. The cache holds at most `cache_size` entries, and successes only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final, TypeAlias

from consensus.compact import CompactProposal, WireMessage, decode_wire_message
from consensus.errors import InvalidSignature, MalformedMessage, UnknownHeight
from consensus.messages import (
    Commit,
    Message,
    Prepare,
    PreparedCertificate,
    Proposal,
    RoundChange,
    round_change_payload,
    seal_payload,
    vote_payload,
)
from consensus.types import Candidate, Certificate, ValidatorSet, certificate_hash, header_digest, seals_in_order
from vm.primitives import merkle
from vm.primitives.codec import CodecError
from vm.primitives.keys import Domain
from vm.primitives.keys import verify as verify_ed25519

VerifyFunction: TypeAlias = Callable[[bytes, bytes, bytes, bytes], bool]
"""(domain, public key, payload, signature) -> valid?"""

ValidatorsAt: TypeAlias = Callable[[int], ValidatorSet | None]
"""height -> its validators, None where unknown: `HeightContext.validators_at`."""

SignatureCheck: TypeAlias = tuple[bytes, bytes, bytes, bytes]
"""(domain, public key, payload, signature)"""

CACHE_SIZE: Final = 8_192
"""Some hundreds of heights of votes for 7 validators; about 3 MB."""


def candidate_is_whole(candidate: Candidate) -> bool:
    """Tell whether the header's hashes bind the candidate's other parts.

    `tx_root` is the Merkle root over the transaction hashes (`vm.primitives.merkle.root`).
    Source: Dafny `digest`, which is over a whole block.
    """
    header = candidate.header
    return (
        header.tx_count == len(candidate.tx_hashes)
        and header.parent_commit == certificate_hash(candidate.parent_certificate)
        and header.tx_root == merkle.root(candidate.tx_hashes)
    )


def require_whole(proposal: Proposal) -> None:
    """Return if the header of a proposal's candidate binds all of it.

    Raises:
        MalformedMessage: it does not. Of a compact proposal whose batches resolved it is the sender's fault: the
            digest of a batch leaves no choice of what it stands for.
    """
    if not candidate_is_whole(proposal.candidate):
        raise MalformedMessage("the header does not bind the candidate")


def _key(validators: ValidatorSet, index: int) -> bytes:
    key = validators.key(index)
    if key is None:
        raise MalformedMessage(f"no validator {index} in a set of {validators.n}")
    return key


def certificate_checks(chain: str, certificate: Certificate, validators: ValidatorSet) -> Iterator[SignatureCheck]:
    """Yield the signature checks of a certificate; whether they are a quorum is not judged here."""
    payload = seal_payload(chain, certificate.height, certificate.round, certificate.digest, certificate.roots)
    for seal in certificate.seals:
        yield Domain.COMMIT, _key(validators, seal.index), payload, seal.signature


def _require_order(senders: Sequence[int]) -> None:
    """Refuse a list that no correct validator sends, before its signatures cost anything.

    Ed25519 lets a signer make any number of valid signatures of one payload. Without this, one message could hold
    hundreds by its sender, every one of them new to the cache.
    """
    if any(a >= b for a, b in pairwise(senders)):
        raise MalformedMessage("votes that are not distinct and sorted by sender")


def _prepared_checks(
    chain: str, height: int, prepared: PreparedCertificate | None, validators: ValidatorSet
) -> Iterator[SignatureCheck]:
    if prepared is None:
        return
    _require_order([seal.index for seal in prepared.prepares])
    payload = vote_payload(chain, height, prepared.round, prepared.digest)
    for seal in prepared.prepares:
        yield Domain.PREPARE, _key(validators, seal.index), payload, seal.signature


def _proposal_checks(chain: str, message: Proposal, validators_at: ValidatorsAt) -> Iterator[SignatureCheck]:
    validators = validators_at(message.height)
    if validators is None:
        raise UnknownHeight(message.height, message.sender)
    payload = vote_payload(chain, message.height, message.round, header_digest(message.candidate.header))
    yield Domain.PROPOSAL, _key(validators, message.sender), payload, message.signature
    _require_order([vote.sender for vote in message.round_changes])
    for vote in message.round_changes:
        payload = round_change_payload(
            chain, message.height, message.round, vote.prepared_round, vote.prepared_digest
        )
        yield Domain.ROUND_CHANGE, _key(validators, vote.sender), payload, vote.signature
    yield from _prepared_checks(chain, message.height, message.prepared, validators)
    certificate = message.candidate.parent_certificate
    if certificate is not None:
        parents = validators_at(message.height - 1)
        if parents is None:
            raise UnknownHeight(message.height, message.sender)
        _require_order([seal.index for seal in certificate.seals])
        yield from certificate_checks(chain, certificate, parents)


def signature_checks(chain: str, message: Message, validators_at: ValidatorsAt) -> Iterator[SignatureCheck]:
    """Yield every signature check of a message, its own first.

    Source: Dafny `recoverSignedProposalAuthor`, `recoverSignedPrepareAuthor`, `recoverSignedCommitAuthor`,
    `recoverSignedRoundChangeAuthor`; here the message names its author, whose signature is verified.

    Raises (while iterating):
        MalformedMessage: an index outside the validator set.
        UnknownHeight: the validators of the message's height, or of its parent, are not known.
    """
    if isinstance(message, Proposal):
        yield from _proposal_checks(chain, message, validators_at)
        return
    validators = validators_at(message.height)
    if validators is None:
        raise UnknownHeight(message.height, message.sender)
    key = _key(validators, message.sender)
    if isinstance(message, Prepare):
        payload = vote_payload(chain, message.height, message.round, message.digest)
        yield Domain.PREPARE, key, payload, message.signature
    elif isinstance(message, Commit):
        payload = seal_payload(chain, message.height, message.round, message.digest, message.roots)
        yield Domain.COMMIT, key, payload, message.signature
    else:
        yield from _round_change_checks(chain, message, key, validators)


def _round_change_checks(
    chain: str, message: RoundChange, key: bytes, validators: ValidatorSet
) -> Iterator[SignatureCheck]:
    vote = message.vote
    payload = round_change_payload(chain, message.height, message.round, vote.prepared_round, vote.prepared_digest)
    yield Domain.ROUND_CHANGE, key, payload, message.signature
    yield from _prepared_checks(chain, message.height, message.prepared, validators)


class Verifier:
    """Decodes and verifies messages of one chain, remembering signatures that verified."""

    def __init__(self, chain: str, verify: VerifyFunction = verify_ed25519, cache_size: int = CACHE_SIZE) -> None:
        self._chain = chain
        self._verify = verify
        self._cache_size = cache_size
        self._cache: dict[SignatureCheck, None] = {}

    def signature_is_valid(self, check: SignatureCheck) -> bool:
        """Answer one check, from memory where the same signature verified before."""
        if check in self._cache:
            return True
        if not self._verify(*check):
            return False
        if len(self._cache) >= self._cache_size:
            del self._cache[next(iter(self._cache))]
        self._cache[check] = None
        return True

    def verify(self, message: Message, validators_at: ValidatorsAt) -> None:
        """Return if every signature in the message is valid.

        Source: Dafny `recoverSignedProposalAuthor` and the like, by `signature_checks`.

        Raises:
            MalformedMessage, InvalidSignature: the peer's fault.
            UnknownHeight: the height is out of reach; help the peer or sync, by the claimed height.
        """
        self._verify_signatures(message, validators_at)
        if isinstance(message, Proposal):
            require_whole(message)

    def _verify_signatures(self, message: Message, validators_at: ValidatorsAt) -> None:
        for check in signature_checks(self._chain, message, validators_at):
            if not self.signature_is_valid(check):
                raise InvalidSignature(f"height {message.height} round {message.round} from {message.sender}")

    def _verify_compact(self, message: CompactProposal, validators_at: ValidatorsAt) -> None:
        """Verify all of a compact proposal but its transactions, which its entries name and its header binds."""
        self._verify_signatures(message.with_hashes(()), validators_at)
        if message.header.parent_commit != certificate_hash(message.parent_certificate):
            raise MalformedMessage("the header does not bind the parent's certificate")

    def decode_and_verify(
        self, data: bytes, validators_at: ValidatorsAt, source: bytes | None = None
    ) -> WireMessage:
        """Return the verified message in `data`; raises what `verify` raises.

        Args:
            source: the key of whoever sent the bytes, where the channel proves it: a peer may not pass on another's
                message. A justification is not under its message's signature, so a copy with a worse one would
                take the place of the real one, and the blame would fall on the signer.
        """
        try:
            message = decode_wire_message(data)
        except CodecError as error:
            raise MalformedMessage(str(error)) from None
        if source is not None:
            validators = validators_at(message.height)
            if validators is not None and validators.key(message.sender) != source:
                raise MalformedMessage(f"a message of validator {message.sender}, passed on by another")
        if isinstance(message, CompactProposal):
            self._verify_compact(message, validators_at)
        else:
            self.verify(message, validators_at)
        return message

    def certificate_is_valid(
        self,
        certificate: Certificate,
        validators: ValidatorSet,
    ) -> bool:
        """Tell whether a certificate holds a quorum of valid, index-sorted seals: for block sync.

        Source: Dafny `ValidNewBlock`, `validNewBlockMessage`.
        """
        seals = certificate.seals
        if len(seals) < validators.quorum or seals[-1].index >= validators.n:
            return False
        if not seals_in_order(seals):
            return False
        checks = certificate_checks(self._chain, certificate, validators)
        return all(self.signature_is_valid(check) for check in checks)
