"""A real validator that claims to be far ahead and serves no block, but votes.

python -m tests.support.boasting_node HOME
"""

from __future__ import annotations

import sys
from typing import Final

import node.assembly.node
from network.kinds import Kind
from network.messages import Status
from network.peer import Peer
from node.cli.main import main
from node.peers.peering import Peering

CLAIM: Final = 10**9


class BoastingPeering(Peering):
    """Says nothing true about its height, and leaves whoever believes it waiting."""

    def _manager_status(self) -> None:
        super()._manager_status()
        head = self._ledger.store.head
        self._manager.set_status(CLAIM, self._driver.state.round, head.digest)

    def _tell_status(self, key: bytes) -> None:
        peer = self._manager.peer(key)
        if peer is not None:
            peer.send_message(Status(height=CLAIM, round=0, digest=self._ledger.store.head.digest))

    def _answer(self, peer: Peer, kind: Kind, payload: bytes) -> None:
        if kind is not Kind.GET_BLOCKS:
            super()._answer(peer, kind, payload)


if __name__ == "__main__":
    node.assembly.node.Peering = BoastingPeering  # type: ignore[misc]
    main(["node", "start", "--home", sys.argv[1]])
