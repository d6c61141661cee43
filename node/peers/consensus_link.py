"""What the consensus core says to other validators, and asks of them: implements `ConsensusPort`.

Validators are known to consensus by their place in a height's set, and to the network by key; the translation is
here.
"""

from __future__ import annotations

import logging
from typing import Final

from consensus.effects import Evidence
from consensus.types import Candidate, decode_candidate, header_digest
from consensus.verification import candidate_is_whole
from network.block_sync import BlockSync
from network.errors import RequestError
from network.kinds import Kind
from network.messages import GetCandidate
from network.peers import PeerManager
from network.scoring import Offence
from node.chain.ledger import Ledger
from node.peers.head_teller import HeadTeller
from node.validator.accusations import Accusations
from vm.primitives.codec import CodecError

_log = logging.getLogger(__name__)

REQUEST_TIMEOUT_SECONDS: Final = 2.0


class ConsensusLink:
    """The port of the consensus driver.

    Args:
        claims: the heights that peers are known to have decided.
    """

    def __init__(
        self,
        ledger: Ledger,
        manager: PeerManager,
        teller: HeadTeller,
        claims: BlockSync,
        accusations: Accusations,
    ) -> None:
        self._ledger = ledger
        self._manager = manager
        self._teller = teller
        self._claims = claims
        self._accusations = accusations

    def broadcast(self, message: bytes) -> None:
        """Send a consensus message to every peer."""
        self._manager.broadcast(Kind.CONSENSUS, message)

    def send(self, validator: int, message: bytes) -> None:
        """Send a consensus message to one validator."""
        key = self._ledger.next_validators().key(validator)
        if key is not None:
            self._manager.send(key, Kind.CONSENSUS, message)

    def round_began(self, height: int, round_: int) -> None:
        """A round begins here."""
        self._teller.round_began(height, round_)

    async def candidate(self, source: int, digest: bytes) -> Candidate | None:
        """Ask a validator for a block that is not decided yet; None where it does not give it."""
        key = self._ledger.next_validators().key(source)
        peer = None if key is None else self._manager.peer(key)
        if peer is None:
            return None
        try:
            reply = await peer.request(GetCandidate(id=0, digest=digest), REQUEST_TIMEOUT_SECONDS)
            if reply.body is None:
                return None
            candidate = decode_candidate(reply.body)
        except RequestError as error:
            _log.info("candidate %s was not answered: %s", digest.hex()[:16], error)
            return None
        except CodecError:
            peer.penalise(Offence.MALFORMED)
            return None
        if header_digest(candidate.header) != digest or not candidate_is_whole(candidate):
            peer.penalise(Offence.BAD_DATA)
            return None
        return candidate

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
