"""What the consensus core says to other validators: implements `ConsensusPort`.

Validators are known to consensus by their place in a height's set, and to the network by key; the translation is
here.
"""

from __future__ import annotations

import logging

from consensus.effects import Evidence
from consensus.messages import Proposal
from network.block_sync import BlockSync
from network.kinds import Kind
from network.peers import PeerManager
from network.scoring import Offence
from node.chain.ledger import Ledger
from node.peers.head_teller import HeadTeller
from node.peers.proposals import ProposalLink
from node.validator.accusations import Accusations

_log = logging.getLogger(__name__)


class ConsensusLink:
    """The port of the consensus driver.

    Args:
        claims: the heights that peers are known to have decided.
        proposals: sends what this validator proposes.
    """

    def __init__(
        self,
        ledger: Ledger,
        manager: PeerManager,
        teller: HeadTeller,
        claims: BlockSync,
        accusations: Accusations,
        proposals: ProposalLink,
    ) -> None:
        self._ledger = ledger
        self._manager = manager
        self._teller = teller
        self._claims = claims
        self._accusations = accusations
        self._proposals = proposals

    def broadcast(self, message: bytes) -> None:
        """Send a consensus message to every peer."""
        self._manager.broadcast(Kind.CONSENSUS, message)

    def propose(self, proposal: Proposal) -> None:
        """Send a proposal to every peer, in the form that it reads."""
        self._proposals.propose(proposal)

    def send(self, validator: int, message: bytes) -> None:
        """Send a consensus message to one validator."""
        key = self._ledger.next_validators().key(validator)
        if key is not None:
            self._manager.send(key, Kind.CONSENSUS, message)

    def round_began(self, height: int, round_: int) -> None:
        """A round begins here."""
        self._teller.round_began(height, round_)

    def peer_behind(self, validator: int, height: int) -> None:
        """Tell a validator of a decided height where we are; it then asks for the blocks."""
        key = self._ledger.validators_at(height).key(validator)
        if key is not None:
            self._teller.tell(key)

    def peer_ahead(self, validator: int, height: int) -> None:
        """A validator votes for `height`: it can give us the blocks below."""
        key = self._ledger.validators_at(height).key(validator)
        if key is not None:
            self._claims.peer_at(key, height - 1)

    def misbehaved(self, validator: int, height: int, reason: str) -> None:
        """Score a validator whose signed message is wrong; a peer that relayed it is not at fault."""
        key = self._accusations.misbehaved(validator, height)
        if key is not None:
            _log.warning("validator %s: %s", key.hex()[:16], reason)
            self._manager.penalise(key, Offence.BAD_DATA)

    def contradicted(self, evidence: Evidence) -> None:
        """Keep and report two conflicting messages of one validator."""
        self._accusations.contradicted(evidence)
