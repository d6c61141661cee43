"""A real validator that claims to be far ahead and serves no block, but votes.

python -m tests.support.boasting_node HOME
"""

from __future__ import annotations

import sys
from typing import Final

import node.assembly.node
from network.messages import GetBlocks, Status
from network.peer import Peer
from node.cli.main import main
from node.peers.head_teller import HeadTeller
from node.peers.questions import Questions

CLAIM: Final = 10**9


class BoastingTeller(HeadTeller):
    """Says nothing true about its height."""

    def _status(self) -> Status:
        true = super()._status()
        return Status(height=CLAIM, round=true.round, digest=true.digest)


class SilentQuestions(Questions):
    """Leaves a peer that asks for blocks waiting."""

    def ask(self, peer: Peer, message: object) -> bool:
        return isinstance(message, GetBlocks) or super().ask(peer, message)


if __name__ == "__main__":
    node.assembly.node.HeadTeller = BoastingTeller  # type: ignore[misc]
    node.assembly.node.Questions = SilentQuestions  # type: ignore[misc]
    main(["node", "start", "--home", sys.argv[1]])
