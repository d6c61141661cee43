"""What comes from peers, each frame to its part of the node: implements `network.peers.Handlers`."""

from __future__ import annotations

import logging
from functools import partial

from consensus.errors import PeerError as ConsensusPeerError
from consensus.errors import UnknownHeight
from consensus.messages import Message
from network.block_sync import BlockSync
from network.errors import MalformedFrame
from network.gossiper import Gossiper
from network.kinds import Kind
from network.messages import Transactions, decode
from network.peer import Peer
from network.scoring import Offence
from node.peers.head_teller import HeadTeller
from node.peers.proposal_reader import ProposalReader, Sender
from node.peers.questions import Questions
from node.pool.admission import AdmissionQueue, SendingPeer
from node.validator.consensus_driver import ConsensusDriver
from node.validator.fault_counts import FaultCounts

_log = logging.getLogger(__name__)


class ConsensusFrames:
    """Verifies consensus messages and gives them to the driver.

    Attributes:
        last_seen: the greatest (height, round) that each peer has been heard of at.
    """

    def __init__(
        self,
        reader: ProposalReader,
        driver: ConsensusDriver,
        claims: BlockSync,
        teller: HeadTeller,
        counts: FaultCounts,
    ) -> None:
        self._reader = reader
        self._driver = driver
        self._claims = claims
        self._teller = teller
        self._counts = counts
        self.last_seen: dict[bytes, tuple[int, int]] = {}

    def peer_said(self, peer: Peer) -> None:
        """A peer has said, in HELLO or STATUS, how high its head is."""
        self._note_seen(peer.key, peer.height, peer.round)
        self._claims.peer_at(peer.key, peer.height)
        self._driver.peer_said(peer.key, peer.height)

    def peer_gone(self, key: bytes) -> None:
        """Forget what a peer claimed."""
        self._claims.peer_gone(key)
        self._teller.forget(key)

    def frame(self, peer: Peer, payload: bytes) -> None:
        """Take a consensus message of a peer."""
        context = self._driver.state.context
        if context is None or self._driver.stopped:
            return
        sender = Sender(peer.key, partial(self._take, peer), partial(self._refuse, peer))
        try:
            message = self._reader.read(payload, context.validators_at, sender)
        except UnknownHeight as unknown:
            self._counts.message_out_of_reach(context.validators, peer.key)
            if unknown.height > context.height:
                self._claims.peer_at(peer.key, max(peer.height, unknown.height - 1))
            else:
                self._teller.tell(peer.key)
            return
        except ConsensusPeerError as error:
            self._refuse(peer, error)
            return
        if message is not None:
            self._take(peer, message)

    def _refuse(self, peer: Peer, error: ConsensusPeerError) -> None:
        _log.warning("consensus message from %s: %s", peer.key.hex()[:16], error)
        peer.penalise(Offence.BAD_SIGNATURE)

    def _take(self, peer: Peer, message: Message) -> None:
        if self._driver.stopped:
            return
        self._note_seen(peer.key, message.height, message.round)
        self._counts.message_of_round(self._driver.state, peer.key, message.height, message.round)
        self._driver.message_received(message)

    def _note_seen(self, key: bytes, height: int, round_: int) -> None:
        if (height, round_) > self.last_seen.get(key, (0, 0)):
            self.last_seen[key] = (height, round_)


class PeerFrames:
    """Hears of peers and of their frames."""

    def __init__(
        self,
        consensus: ConsensusFrames,
        questions: Questions,
        admission: AdmissionQueue,
        gossiper: Gossiper,
        teller: HeadTeller,
    ) -> None:
        self._consensus = consensus
        self._questions = questions
        self._admission = admission
        self._gossiper = gossiper
        self._teller = teller

    def peer_connected(self, peer: Peer) -> None:
        """Tell the newcomer what is pending, and learn where it stands."""
        self._gossiper.peer_connected(peer)
        self._consensus.peer_said(peer)
        self._teller.tell_all()
        self._gossiper.offer_again((tx.hash, tx.raw) for tx in self._admission.pending())

    def peer_disconnected(self, peer: Peer, reason: str) -> None:
        """Forget what the peer claimed."""
        _log.info("peer %s is gone: %s", peer.key.hex()[:16], reason)
        self._gossiper.peer_disconnected(peer)
        self._consensus.peer_gone(peer.key)

    def on_frame(self, peer: Peer, kind: Kind, payload: bytes) -> None:
        """Dispatch one frame.

        Raises:
            network.errors.PeerError: the peer is to be scored for it.
        """
        if kind is Kind.CONSENSUS:
            self._consensus.frame(peer, payload)
        elif kind is Kind.STATUS:
            self._consensus.peer_said(peer)
        elif kind is Kind.LINKS:
            self._gossiper.links_changed(peer)
        else:
            self._other_frame(peer, kind, payload)

    def _other_frame(self, peer: Peer, kind: Kind, payload: bytes) -> None:
        message = decode(kind, payload)
        if isinstance(message, Transactions):
            source = SendingPeer(peer.key, message.origin, lambda: peer.penalise(Offence.BAD_SIGNATURE))
            if message.origin:
                self._gossiper.origin_told(peer, message.items)
            self._admission.take_from_peer(message.items, source)
        elif not self._questions.ask(peer, message):
            raise MalformedFrame(f"{kind.name} has no place here")
