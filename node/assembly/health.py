"""What a node says of itself: /ready, `node_info`, `node_peers`, `node_consensus`. It only reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from consensus.state import State
from network.peers import PeerManager
from node.chain.ledger import Ledger
from node.runtime.clock import BlockClock
from node.sync.block_sync_driver import SyncDriver, believable_height
from node.sync.snapshot_driver import SnapshotDriver
from node.validator.accusations import Accusations
from vm.primitives.address import address_of_key

Reasons = Callable[[], Iterable[str]]


class Syncing:
    """Whether this node catches up with its peers, and to which height; no single liar decides it."""

    def __init__(self, ledger: Ledger, manager: PeerManager, sync: SyncDriver, snapshots: SnapshotDriver) -> None:
        self._ledger = ledger
        self._manager = manager
        self._sync = sync
        self._snapshots = snapshots

    def target(self) -> int | None:
        """Return the height that this node catches up to; None where it does not."""
        validators = self._ledger.next_validators()
        claims = [p.height for p in self._manager.connected() if validators.index_of(p.key) is not None]
        target = believable_height(claims, validators.f)
        return target if self._sync.syncing and target > self._ledger.height else None

    def reasons(self) -> list[str]:
        """Return why clients should not use this node."""
        target = self.target()
        if target is None:
            return []
        reasons = [f"syncing: height {self._ledger.height} of {target}"]
        if self._snapshots.progress is not None:
            reasons.append(self._snapshots.progress)
        elif self._sync.is_stuck:
            reasons.append(f"every peer has pruned block {self._ledger.height + 1}: restore a newer backup")
        return reasons


class Connections:
    """Whether this node is connected to as many validators as a quorum needs.

    Args:
        own_key: the node's public key.
    """

    def __init__(self, ledger: Ledger, manager: PeerManager, own_key: bytes) -> None:
        self._ledger = ledger
        self._manager = manager
        self._own_key = own_key

    @property
    def is_validator(self) -> bool:
        """Whether this node decides the next height; governance changes it while the node runs."""
        return self._ledger.next_validators().index_of(self._own_key) is not None

    def reasons(self) -> list[str]:
        """Return why clients should not use this node."""
        validators = self._ledger.next_validators()
        connected = sum(validators.index_of(peer.key) is not None for peer in self._manager.connected())
        if connected + self.is_validator >= validators.quorum:
            return []
        return [f"connected to {connected} of {validators.n - self.is_validator} validators"]

    def peers(self) -> list[dict[str, Any]]:
        """Return one line for each connected peer."""
        return [{name: getattr(peer, name) for name in peer.__struct_fields__} for peer in self._manager.peers()]

    def info(self) -> dict[str, Any]:
        """Return who this node is among others."""
        return {
            "address": address_of_key(self._own_key),
            "public_key": self._own_key,
            "role": "validator" if self.is_validator else "full",
            "p2p_port": self._manager.listen_port,
        }


class Health:
    """Whether a node lives, and whether clients should use it.

    Args:
        sources: each names reasons why they should not; in the order in which an operator reads them.
    """

    def __init__(self, sources: Sequence[Reasons]) -> None:
        self._sources = list(sources)

    def also(self, source: Reasons) -> None:
        """Add a source, of what is put together after the node."""
        self._sources.append(source)

    def told(self) -> dict[str, Any]:
        """Return {live, ready, reasons}."""
        reasons = [reason for source in self._sources for reason in source()]
        return {"live": True, "ready": not reasons, "reasons": reasons}


class Information:
    """Who this node is, and where its chain stands."""

    def __init__(self, ledger: Ledger, clock: BlockClock, connections: Connections, syncing: Syncing) -> None:
        self._ledger = ledger
        self._clock = clock
        self._connections = connections
        self._syncing = syncing
        self._started_at = 0.0

    def started(self) -> None:
        """The node begins to run."""
        self._started_at = asyncio.get_running_loop().time()

    def told(self) -> dict[str, Any]:
        """Return what `node_info` answers, but for the release."""
        ledger = self._ledger
        who = self._connections.info()
        return {
            "chain": ledger.chain,
            "version": ledger.version_at(ledger.height + 1),
            "address": who["address"],
            "public_key": who["public_key"],
            "role": who["role"],
            "height": ledger.height,
            "oldest_block": ledger.store.oldest_block,
            "time": ledger.head_time,
            "clock": self._clock.now_ms(),
            "syncing": self._syncing.target() is not None,
            "uptime_ms": int((asyncio.get_running_loop().time() - self._started_at) * 1_000),
            "p2p_port": who["p2p_port"],
        }


class ConsensusReport:
    """Where consensus stands, here and at each validator.

    Args:
        state: the consensus core's state now.
        stopped: whether this node takes part no more.
        last_seen: the greatest (height, round) that a key has been heard of at.
    """

    def __init__(
        self,
        ledger: Ledger,
        accusations: Accusations,
        state: Callable[[], State],
        stopped: Callable[[], bool],
        last_seen: Callable[[bytes], tuple[int, int]],
    ) -> None:
        self._ledger = ledger
        self._accusations = accusations
        self._state = state
        self._stopped = stopped
        self._last_seen = last_seen

    def told(self) -> dict[str, Any]:
        """Return what `node_consensus` answers."""
        state = self._state()
        return {
            "height": self._ledger.height + 1,
            "round": state.round,
            "step": "halted" if self._stopped() else _step_name(state),
            "validators": [
                self._validator(entry.public_key, entry.brand)
                for entry in self._ledger.next_validators().validators
            ],
            "evidence": [
                {
                    "validator": found.first.sender,
                    "public_key": self._ledger.validators_at(found.first.height).key(found.first.sender),
                    "height": found.first.height,
                    "round": found.first.round,
                    "step": found.first.__struct_config__.tag,
                }
                for found in self._accusations.evidence
            ],
        }

    def _validator(self, key: bytes, brand: str) -> dict[str, Any]:
        height, round_ = self._last_seen(key)
        faults = dict(self._accusations.counts.of(key))
        return {"public_key": key, "brand": brand, "height": height, "round": round_, "faults": faults}


def _step_name(state: State) -> str:
    """Return what the round in progress waits for."""
    if state.decided:
        return "decided"
    if state.accepted is None:
        return "proposal"
    return "commit" if state.lock is not None and state.lock.round == state.round else "prepare"
