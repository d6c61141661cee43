"""What a node's operator, or the node itself, decides about its network."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from network.door import DoorRules
from network.errors import ConfigurationError
from network.kinds import RULES, Kind, KindRule
from network.scoring import ScoringRules
from vm.primitives.keys import PUBLIC_KEY_BYTES


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """Where a peer may be found; the key says who it is, the rest is a hint that may change."""

    public_key: bytes
    host: str
    port: int

    def __post_init__(self) -> None:
        """Refuse what can never be dialled.

        Raises:
            ConfigurationError: the key or the port is none.
        """
        if len(self.public_key) != PUBLIC_KEY_BYTES:
            raise ConfigurationError(f"a peer's key has {len(self.public_key)} bytes")
        if not 1 <= self.port <= 65_535:
            raise ConfigurationError(f"{self.port} is no port")


@dataclass(frozen=True, slots=True)
class Timing:
    """Every time limit of the network, in seconds."""

    handshake: float = 5.0
    hello: float = 5.0
    dial: float = 10.0
    redial_base: float = 0.2
    redial_cap: float = 10.0
    hearsay_redial_cap: float = 60.0
    """For a peer that no operator has configured here: it is dialled where others say."""
    stable: float = 5.0
    """A connection that lasted so long resets the back-off."""
    stagger: float = 0.25
    """The larger of two keys waits so long before it first dials, so that seldom both do."""
    ping_interval: float = 5.0
    dead_after: float = 15.0
    drain: float = 20.0
    tick: float = 1.0
    jitter: Callable[[], float] = lambda: random.uniform(0.5, 1.0)
    """What a pause before a dial is multiplied by, drawn anew for each."""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Where to listen, whom to dial, and how patient to be.

    Args:
        listen_port: 0 lets the system choose; `PeerManager.listen_port` then tells.
        advertise: the address told to peers; None means the host they see and the listening port.
        inbound_rules: what is read from a peer without pausing; frame sizes are not configurable.
        door: how many connections may be half-open, and how many may begin.
        instance: 16 random bytes that tell this start of the node from others; drawn where none are given.
    """

    chain: str
    listen_host: str = "0.0.0.0"
    listen_port: int = 0
    peers: tuple[PeerAddress, ...] = ()
    advertise: tuple[str, int] | None = None
    timing: Timing = field(default_factory=Timing)
    scoring: ScoringRules = field(default_factory=ScoringRules)
    inbound_rules: Mapping[Kind, KindRule] = field(default_factory=lambda: RULES)
    door: DoorRules = field(default_factory=DoorRules)
    instance: bytes = b""
