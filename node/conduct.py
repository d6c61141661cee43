"""What this node has seen each validator do wrong, or fail to do, since its start; for operators.

Nothing here is proof, and nothing follows from it by itself: what can be proved is evidence, and goes on chain. A
lost round may be the network's fault; a validator that loses every round of its own, or seals other roots at
every height, is one to telephone about.

    lost_rounds       rounds that it was to propose in and that ended without a decision
    other_roots       heights at which it sealed other roots than a quorum did
    invalid_blocks    blocks that it made and that this node found invalid
    misbehaved        signed messages that no correct validator sends
    equivocations     conflicting messages for one step: evidence

Invariant: a key has counters only if it was a validator of some height since the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from consensus.state import State
from consensus.types import Certificate, ValidatorSet

LOST_ROUNDS: Final = "lost_rounds"
OTHER_ROOTS: Final = "other_roots"
INVALID_BLOCKS: Final = "invalid_blocks"
MISBEHAVED: Final = "misbehaved"
EQUIVOCATIONS: Final = "equivocations"


class Conduct:
    """Counters by validator key."""

    def __init__(self) -> None:
        self._faults: dict[bytes, dict[str, int]] = {}

    def of(self, key: bytes) -> Mapping[str, int]:
        """Return a validator's counters; those at 0 are left out."""
        return self._faults.get(key, {})

    def count(self, key: bytes, fault: str) -> None:
        """Add one."""
        counters = self._faults.setdefault(key, {})
        counters[fault] = counters.get(fault, 0) + 1

    def count_index(self, validators: ValidatorSet | None, index: int, fault: str) -> None:
        """Add one to the validator at a place in a set."""
        key = None if validators is None else validators.key(index)
        if key is not None:
            self.count(key, fault)

    def height_decided(self, state: State, certificate: Certificate) -> None:
        """Look at the rounds of a decided height, and at all seals of the one before, late ones included."""
        here = state.here
        for round_ in range(min(certificate.round, here.validators.n)):
            self.count_index(here.validators, here.proposer(round_), LOST_ROUNDS)
        parent = here.parent_certificate
        if parent is not None:
            for index in state.previous_log.senders_of_other_roots(parent.digest, parent.roots):
                self.count_index(here.parent_validators, index, OTHER_ROOTS)
