"""What this node has seen each validator do wrong, or fail to do, since its start; for operators.

Nothing here is proof, and nothing follows from it by itself: what can be proved is evidence, and goes on chain. A
lost round may be the network's fault; a validator that loses every round of its own, or seals other roots at
every height, is one to telephone about.

    lost_rounds       rounds that it was to propose in and that ended without a decision
    other_roots       heights at which it sealed other roots than a quorum did
    invalid_blocks    blocks that it made and that this node found invalid
    misbehaved        signed messages that no correct validator sends
    equivocations     conflicting messages for one step: evidence
    omitted_seals     seals that its blocks left out though this node held them
    passed_over       blocks of its own with room, though a transaction that waited here was not in them
    out_of_reach      messages for heights or rounds so far away that they were of no use

The last three happen to correct validators as well, now and then: what is here need not have arrived there. So
blocks are judged only where the height began longer ago than a message takes there and back. What tells is a rate
far above that of others.

Invariant: a key has counters only if it was a validator of some height since the start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Final

from consensus.message_log import ROUNDS_KEPT
from consensus.state import State
from consensus.types import Certificate, ValidatorSet
from node.chain.ledger import Executed
from vm.expiry import has_expired
from vm.params import Params
from vm.transaction import Transaction

LOST_ROUNDS: Final = "lost_rounds"
OTHER_ROOTS: Final = "other_roots"
INVALID_BLOCKS: Final = "invalid_blocks"
MISBEHAVED: Final = "misbehaved"
EQUIVOCATIONS: Final = "equivocations"
OMITTED_SEALS: Final = "omitted_seals"
PASSED_OVER: Final = "passed_over"
OUT_OF_REACH: Final = "out_of_reach"

WATCHED: Final = 64
"""So many of the transactions that wait when a height begins are looked for in its block."""


class FaultCounts:
    """Counters by validator key."""

    def __init__(self) -> None:
        self._faults: dict[bytes, dict[str, int]] = {}
        self._height = 0
        self._held: frozenset[int] = frozenset()
        self._waiting: dict[bytes, int] = {}

    def of(self, key: bytes) -> Mapping[str, int]:
        """Return a validator's counters; those at 0 are left out."""
        return self._faults.get(key, {})

    def count(self, key: bytes, fault: str, times: int = 1) -> None:
        """Add to a counter."""
        if times:
            counters = self._faults.setdefault(key, {})
            counters[fault] = counters.get(fault, 0) + times

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

    def message_out_of_reach(self, validators: ValidatorSet, key: bytes) -> None:
        """A peer sent a message of a height that is neither in progress nor next to it."""
        if validators.index_of(key) is not None:
            self.count(key, OUT_OF_REACH)

    def message_of_round(self, state: State, key: bytes, height: int, round_: int) -> None:
        """A validator signed a message of a round; it climbs above others by itself no further than to the next."""
        if height == state.here.height and round_ > state.round + ROUNDS_KEPT:
            self.count(key, OUT_OF_REACH)

    # -- blocks ------------------------------------------------------------------------------------

    def height_began(self, waiting: Iterable[Transaction]) -> None:
        """A height begins, and these transactions wait for a block already, in order of arrival."""
        self._waiting = {tx.id: tx.body.expires for tx in islice(waiting, WATCHED)}

    def work_began(self, state: State, settled: bool) -> None:
        """There is work: a proposer builds its block from what it has at about this moment.

        Args:
            settled: the height began so long ago that what was here then is everywhere.
        """
        if state.context is None or state.context.height == self._height:
            return
        self._height = state.context.height
        self._held = frozenset(state.parent_seals) if settled else frozenset()
        if not settled:
            self._waiting = {}

    def block_decided(self, state: State, executed: Executed, params: Params) -> None:
        """Compare a block with what was here when work on it began."""
        candidate, transactions = executed.candidate, executed.transactions
        header, embedded, own = candidate.header, candidate.parent_certificate, state.here.parent_certificate
        if header.height != self._height:
            return
        if embedded is not None and own is not None and embedded.round == own.round:
            omitted = self._held.difference(seal.index for seal in embedded.seals)
            self.count(header.proposer, OMITTED_SEALS, len(omitted))
        size = sum(len(tx.raw) for tx in transactions)
        has_room = 2 * size <= params.max_block_bytes and 2 * executed.result.cost <= params.max_block_cost
        taken = {tx.id for tx in transactions}
        missing = (expires for tx_id, expires in self._waiting.items() if tx_id not in taken)
        if has_room and any(not has_expired(expires, header.time) for expires in missing):
            self.count(header.proposer, PASSED_OVER)
