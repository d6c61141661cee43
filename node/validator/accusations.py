"""What validators of this chain have done wrong, as far as this node knows: counted, kept, and reported."""

from __future__ import annotations

from collections import deque
from typing import Final

from consensus.effects import Evidence
from consensus.messages import statement_of
from node.chain.ledger import Ledger
from node.validator.evidence_reporter import EvidenceReporter
from node.validator.fault_counts import EQUIVOCATIONS, MISBEHAVED, FaultCounts

MAX_EVIDENCE: Final = 256
"""Kept in memory for `node_consensus`; a lying validator cannot fill more."""


class Accusations:
    """Takes accusations in.

    Attributes:
        counts: by validator and kind of fault.
        evidence: pairs of conflicting messages, what was signed of them only.
    """

    def __init__(self, ledger: Ledger, counts: FaultCounts, reporter: EvidenceReporter) -> None:
        self._ledger = ledger
        self._reporter = reporter
        self.counts = counts
        self.evidence: deque[Evidence] = deque(maxlen=MAX_EVIDENCE)

    def misbehaved(self, validator: int, height: int) -> bytes | None:
        """Count a message that no correct validator sends; return the validator's key."""
        validators = self._ledger.validators_at(height)
        self.counts.count_index(validators, validator, MISBEHAVED)
        return validators.key(validator)

    def contradicted(self, evidence: Evidence) -> None:
        """Keep evidence, and have it reported to the chain."""
        first = evidence.first
        self.counts.count_index(self._ledger.validators_at(first.height), first.sender, EQUIVOCATIONS)
        self.evidence.append(Evidence(statement_of(first), statement_of(evidence.second)))
        self._reporter.found(evidence)
