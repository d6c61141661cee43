"""A connected peer as the node sees it, which notes what it is sent and blamed for."""

from __future__ import annotations

from network.kinds import Kind
from network.scoring import Offence


class FakePeer:
    """A connected peer as `node.peers` sees it; TLS has proved its key."""

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.height = 0
        self.round = 0
        self.waiting_reply_bytes = 0
        self.sent: list[Kind] = []
        self.offences: list[Offence] = []

    def send(self, kind: Kind, payload: bytes) -> bool:
        self.sent.append(kind)
        return True

    def penalise(self, offence: Offence) -> None:
        self.offences.append(offence)
