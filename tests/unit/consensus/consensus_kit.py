"""What the consensus tests share: validators, contexts, candidates, signed messages, a core to drive."""

from __future__ import annotations

from hashlib import sha256

from consensus.effects import Broadcast, Effect, Persist
from consensus.inputs import (
    BlockBuilt,
    BlockChecked,
    BlockExecuted,
    Input,
    MessageReceived,
    NewHeight,
    Restored,
    WorkAvailable,
)
from consensus.messages import (
    Commit,
    Message,
    Prepare,
    PreparedCertificate,
    Proposal,
    RoundChange,
    VoteRecord,
    round_change_payload,
    seal_payload,
    vote_payload,
)
from consensus.state_machine import State, step
from consensus.types import (
    Candidate,
    Certificate,
    Header,
    HeightContext,
    Roots,
    Seal,
    Validator,
    ValidatorSet,
    certificate_hash,
    header_digest,
)
from vm.primitives import merkle
from vm.primitives.keys import Domain

CHAIN = "test-0123456789abcdef"
BASE_MS, MAX_MS = 1_000, 10_000
GENESIS = sha256(b"genesis").digest()
PARENT_ROOTS = Roots(sha256(b"parent state").digest(), sha256(b"parent receipts").digest())
ROOTS = Roots(sha256(b"state").digest(), sha256(b"receipts").digest())
OTHER_ROOTS = Roots(sha256(b"other state").digest(), sha256(b"receipts").digest())


def fake_sign(key: bytes, domain: bytes, payload: bytes) -> bytes:
    """A cheap deterministic signature."""
    return sha256(key + domain + payload).digest() * 2


def fake_verify(domain: bytes, key: bytes, payload: bytes, signature: bytes) -> bool:
    return signature == fake_sign(key, domain, payload)


def validator_set(n: int) -> ValidatorSet:
    return ValidatorSet(Validator(sha256(b"key %d" % i).digest(), f"brand-{i}") for i in range(n))


def sign(validators: ValidatorSet, index: int, domain: bytes, payload: bytes) -> bytes:
    return fake_sign(validators.validators[index].public_key, domain, payload)


def certificate(
    validators: ValidatorSet, height: int, digest: bytes, roots: Roots, signers: list[int], round_: int = 0
) -> Certificate:
    payload = seal_payload(CHAIN, height, round_, digest, roots)
    seals = tuple(Seal(i, sign(validators, i, Domain.COMMIT, payload)) for i in signers)
    return Certificate(height, round_, digest, roots.state_root, roots.receipts_root, seals)


def context(n: int = 4, own: int | None = 0, height: int = 1) -> HeightContext:
    """A context whose proposer of round r is r mod n; above height 1 with a parent sealed by a quorum."""
    validators = validator_set(n)
    parent = GENESIS if height == 1 else sha256(b"block %d" % (height - 1)).digest()
    sealed = None
    if height > 1:
        sealed = certificate(validators, height - 1, parent, PARENT_ROOTS, list(range(validators.quorum)))
    return HeightContext(
        chain=CHAIN,
        version=1,
        height=height,
        validators=validators,
        next_validators=validators,
        parent_validators=None if height == 1 else validators,
        parent_digest=parent,
        parent_time=1_000,
        parent_roots=PARENT_ROOTS,
        parent_certificate=sealed,
        order=tuple(range(n)),
        own_index=own,
        base_timeout_ms=BASE_MS,
        max_timeout_ms=MAX_MS,
    )


def candidate(here: HeightContext, proposer: int = 0, tag: bytes = b"tx", **changes: object) -> Candidate:
    """A valid candidate at the context's height; `changes` replace header fields."""
    tx_hashes = (sha256(tag).digest(),)
    fields: dict[str, object] = {
        "chain": CHAIN,
        "version": 1,
        "height": here.height,
        "time": 2_000,
        "parent": here.parent_digest,
        "parent_state_root": here.parent_roots.state_root,
        "parent_commit": certificate_hash(here.parent_certificate),
        "proposer": here.validators.validators[proposer].public_key,
        "tx_root": merkle.root(tx_hashes),
        "tx_count": 1,
        "validators_hash": here.validators.hash,
        "next_validators_hash": here.next_validators.hash,
    }
    return Candidate(Header(**{**fields, **changes}), here.parent_certificate, tx_hashes)  # type: ignore[arg-type]


def digest_of_candidate(block: Candidate) -> bytes:
    return header_digest(block.header)


def proposal(
    here: HeightContext,
    block: Candidate,
    round_: int = 0,
    sender: int | None = None,
    round_changes: list[RoundChange] | None = None,
    prepared: PreparedCertificate | None = None,
) -> Proposal:
    sender = here.proposer(round_) if sender is None else sender
    payload = vote_payload(CHAIN, here.height, round_, header_digest(block.header))
    signature = sign(here.validators, sender, Domain.PROPOSAL, payload)
    votes = tuple(rc.vote for rc in round_changes or [])
    return Proposal(here.height, round_, sender, block, votes, prepared, signature)


def prepare(here: HeightContext, sender: int, digest: bytes, round_: int = 0) -> Prepare:
    payload = vote_payload(CHAIN, here.height, round_, digest)
    return Prepare(here.height, round_, sender, digest, sign(here.validators, sender, Domain.PREPARE, payload))


def commit(
    here: HeightContext, sender: int, digest: bytes, round_: int = 0, roots: Roots = ROOTS, height: int = 0
) -> Commit:
    height = height or here.height
    payload = seal_payload(CHAIN, height, round_, digest, roots)
    signature = sign(here.validators, sender, Domain.COMMIT, payload)
    return Commit(height, round_, sender, digest, roots.state_root, roots.receipts_root, signature)


def prepared_certificate(
    here: HeightContext, digest: bytes, round_: int = 0, signers: list[int] | None = None
) -> PreparedCertificate:
    signers = list(range(here.validators.quorum)) if signers is None else signers
    prepares = [prepare(here, i, digest, round_) for i in signers]
    return PreparedCertificate(round_, digest, tuple(Seal(p.sender, p.signature) for p in prepares))


def round_change(
    here: HeightContext, sender: int, round_: int = 1, prepared: PreparedCertificate | None = None
) -> RoundChange:
    payload = round_change_payload(
        CHAIN,
        here.height,
        round_,
        None if prepared is None else prepared.round,
        None if prepared is None else prepared.digest,
    )
    signature = sign(here.validators, sender, Domain.ROUND_CHANGE, payload)
    return RoundChange(here.height, round_, sender, prepared, signature)


class Core:
    """One core to drive; collects the effects of the last step and all records persisted."""

    def __init__(self, here: HeightContext, records: tuple[VoteRecord, ...] = ()) -> None:
        self.here = here
        own = here.own_index
        key = None if own is None else here.validators.validators[own].public_key
        self.state = State(None if key is None else lambda domain, payload: fake_sign(key, domain, payload))
        self.records: list[VoteRecord] = list(records)
        self.feed(Restored(records))
        self.begun = self.feed(NewHeight(here))

    def feed(self, event: Input) -> list[Effect]:
        self.state, effects = step(self.state, event)
        self.records += [effect.record for effect in effects if isinstance(effect, Persist)]
        return list(effects)

    def receive(self, *messages: Message) -> list[Effect]:
        """Feed verified messages; return all effects."""
        return [effect for message in messages for effect in self.feed(MessageReceived(message))]

    def checked(self, block: Candidate, valid: bool = True) -> list[Effect]:
        return self.feed(BlockChecked(self.here.height, header_digest(block.header), valid))

    def executed(self, block: Candidate, roots: Roots = ROOTS) -> list[Effect]:
        return self.feed(BlockExecuted(self.here.height, header_digest(block.header), roots))

    def work(self) -> list[Effect]:
        return self.feed(WorkAvailable(self.here.height))

    def built(self, block: Candidate | None, round_: int = 0) -> list[Effect]:
        return self.feed(BlockBuilt(self.here.height, round_, block))

    def accept(self, block: Candidate) -> list[Effect]:
        """Take a round-0 proposal in as valid."""
        return self.receive(proposal(self.here, block)) + self.checked(block)

    def lock(self, block: Candidate, voters: list[int]) -> list[Effect]:
        """Accept a round-0 proposal and receive PREPAREs for it."""
        digest = header_digest(block.header)
        return self.accept(block) + self.receive(*(prepare(self.here, i, digest) for i in voters))


def sent(effects: list[Effect]) -> list[Message]:
    """The messages broadcast."""
    return [effect.message for effect in effects if isinstance(effect, Broadcast)]


def kinds(effects: list[Effect]) -> list[str]:
    """Names of the effects, with the kind of message where there is one."""
    names = []
    for effect in effects:
        name = type(effect).__name__
        if isinstance(effect, Broadcast):
            name += " " + type(effect.message).__name__
        if isinstance(effect, Persist):
            name += " " + type(effect.record.message).__name__
        names.append(name)
    return names
