"""The QBFT core: `step(state, input) -> Transition(state, effects)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from consensus.effects import Effect
from consensus.inputs import Input
from consensus.messages import VoteRecord
from consensus.types import Candidate, HeightContext

Sign: TypeAlias = Callable[[bytes, bytes], bytes]
"""(domain tag, payload) -> signature; deterministic, as Ed25519 is: `SigningKey.sign`."""


class State:
    """The core's whole memory. The core owns it: after `step` the caller uses the returned one only.

    What the shell may read: `context`, `round`, `decided`, `halted`, `candidate(digest)`.
    """

    def __init__(self, sign: Sign | None) -> None:
        self.sign = sign
        self.context: HeightContext | None = None
        self.round = 0
        self.decided = False
        self.halted = False
        self.restored: dict[int, list[VoteRecord]] = {}
        self.candidates: dict[bytes, Candidate] = {}

    def candidate(self, digest: bytes) -> Candidate | None:
        """Return a candidate of this height to serve to a peer that asks for it."""
        return self.candidates.get(digest)


class Transition(NamedTuple):
    """The state after a step, and what the shell must do, in order."""

    state: State
    effects: tuple[Effect, ...]


def step(state: State, event: Input) -> Transition:
    """Take one input and return the next state with the effects to perform in order."""
    raise NotImplementedError
