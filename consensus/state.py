"""The core's memory: what one validator knows about the height it decides.

The state is mutable for speed and has one owner: the step that is running. A step takes it, changes it
and hands it back; no one else writes. Everything a height needs is in `_begin`, so that no field of an
old height survives by being forgotten.

Invariants:
    1. `signed` holds every message that this validator signed at the height, one per (round, step).
    2. `lock` is the prepared certificate with the highest round seen with its block accepted.
    3. `sealed` maps a digest to the only roots that this validator may ever seal for it.
    4. `accepted` is the digest of the proposal accepted in the current `round`, whose candidate is held.
    5. Where `valid` says True, the shell holds the block's transactions until the height ends.
    6. After `halt` no effect is emitted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from consensus.effects import Effect, Halt
from consensus.errors import InvariantBroken
from consensus.message_log import MessageLog
from consensus.messages import Message, PreparedCertificate, VoteRecord
from consensus.types import Candidate, Certificate, HeightContext, Roots, Seal

Sign: TypeAlias = Callable[[bytes, bytes], bytes]
"""(domain tag, payload) -> signature; deterministic, as Ed25519 is: `SigningKey.sign`."""

CANDIDATES_KEPT: Final = 16
"""Candidates of one height kept to serve peers and to re-propose; the newest and the bound ones."""

EARLY_KEPT: Final = 16
"""Messages of the next height kept for each sender; a height takes 3 without round changes."""

EARLY_PROPOSALS_KEPT: Final = 2
"""Of these, PROPOSALs, which may be large; a second turn of one validator is n rounds later."""

EVIDENCE_TOLD: Final = 16
"""Contradictions of one sender told per height: it can invent rounds for as long as a height lasts."""


class Certified(NamedTuple):
    """What a quorum of COMMITs of one round sealed, with their seals: the log forgets old ones of who floods it."""

    round: int
    digest: bytes
    roots: Roots
    seals: tuple[Seal, ...]


class State:
    """The core's whole memory. The core owns it: after `step` the caller uses the returned one only.

    What the shell may read: `context`, `round`, `decided`, `halted`, `candidate(digest)`.
    """

    def __init__(self, sign: Sign | None) -> None:
        self.sign = sign
        self.context: HeightContext | None = None
        self.halted = False
        self.restored: dict[int, list[VoteRecord]] = {}
        self.effects: list[Effect] = []
        self.early: dict[int, list[Message]] = {}
        self.log = MessageLog()
        self.previous_log = MessageLog()
        self._begin()

    def _begin(self) -> None:
        self.round = 0
        self.decided = False
        self.accepted: bytes | None = None
        self.lock: PreparedCertificate | None = None
        self.candidates: dict[bytes, Candidate] = {}
        self.valid: dict[bytes, bool] = {}
        self.checking: dict[bytes, bool] = {}
        self.executing: dict[bytes, None] = {}
        self.roots: dict[bytes, Roots] = {}
        self.sealed: dict[bytes, Roots] = {}
        self.signed: dict[tuple[int, str], Message] = {}
        self.logged_blocks: dict[bytes, None] = {}
        self.certified: Certified | None = None
        self.building_round: int | None = None
        self.built: Candidate | None = None
        self.timer_round: int | None = None
        self.retransmitting = False
        self.fetching: dict[bytes, tuple[int, ...]] = {}
        self.parent_seals: dict[int, Seal] = {}
        self.told_behind: dict[int, None] = {}
        self.told_evidence: dict[tuple[int, int, int, str], None] = {}
        self.told_unready = False

    def begin(self, context: HeightContext) -> None:
        """Forget the old height but for its votes (late seals) and start the new one."""
        if sorted(context.order) != list(range(context.validators.n)):
            raise InvariantBroken("the proposer order is no permutation of the validators")
        follows = self.context is not None and self.context.height + 1 == context.height
        if follows and self.here.next_validators != context.validators:
            raise InvariantBroken("the validators are not those announced in the header before")
        self.previous_log = self.log if follows else MessageLog()
        self.log = MessageLog()
        self.context = context
        self._begin()
        if context.parent_certificate is not None:
            self.parent_seals = {seal.index: seal for seal in context.parent_certificate.seals}

    @property
    def here(self) -> HeightContext:
        """The context of the height being decided."""
        if self.context is None:
            raise InvariantBroken("no height has begun")
        return self.context

    def emit(self, effect: Effect) -> None:
        """Ask the shell for something, after what was asked before."""
        if not self.halted:
            self.effects.append(effect)

    def halt(self, reason: str, **details: str) -> None:
        """Stop for good, telling why."""
        self.emit(Halt(reason, {"height": str(self.here.height), "round": str(self.round), **details}))
        self.halted = True

    def candidate(self, digest: bytes) -> Candidate | None:
        """Return a candidate of this height to serve to a peer that asks for it."""
        return self.candidates.get(digest)

    def keep_candidate(self, digest: bytes, candidate: Candidate) -> None:
        """Remember a candidate; beyond the bound the oldest that nothing refers to goes."""
        if digest in self.candidates:
            return
        self.candidates[digest] = candidate
        if len(self.candidates) > CANDIDATES_KEPT:
            bound = {digest, self.accepted, *self.sealed}
            bound.update(held.digest for held in (self.lock, self.certified) if held is not None)
            for old in list(self.candidates):
                if old not in bound:
                    del self.candidates[old]
                    break

    def embeddable_certificate(self) -> Certificate | None:
        """Return the parent's certificate with every valid seal held at this moment."""
        certificate = self.here.parent_certificate
        if certificate is None:
            return None
        return Certificate(
            certificate.height,
            certificate.round,
            certificate.digest,
            certificate.state_root,
            certificate.receipts_root,
            tuple(self.parent_seals[i] for i in sorted(self.parent_seals)),
        )


class Transition(NamedTuple):
    """The state after a step, and what the shell must do, in order."""

    state: State
    effects: tuple[Effect, ...]
