"""Independent checkers of whole nodes: they see heads, frames, log lines and what clients were told.

Each raises Violation at the event that breaks its rule.

    agreement      nodes hold one block, with one pair of roots, per height; a head never has other roots
    one vote       an honest validator signs one message per (height, round, step), over all its lives
    log first      what an honest validator sends would be in its log after a power cut at that moment
    durable        a start finds every block that a vote of this machine was built on, and opens after every crash
    no blame       no honest node calls another one forger, liar or equivocator
    no halt        no honest node halts or fails, but for a disk that refuses
    charged once   no transaction stands twice in a chain, and the shop has one point for each that succeeded
    receipts stay  what a client was told stands in every chain that still holds the block
    liveness       after the storm all correct nodes come to one height, are ready, and every client knows
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING

from consensus.compact import Batch, CompactProposal, decode_wire_message
from consensus.messages import Commit, Message, digest_of, step_of
from consensus.types import decode_block
from network.framing import HEADER_BYTES
from network.kinds import Kind
from node.assembly.node import Node
from tests.simulation.checkers import Violation
from tests.support.ledger import address_of
from vm.receipt import decode_receipt
from vm.transaction import parse_transaction

from .clients import SHOP
from .host import VOTE_LOG

if TYPE_CHECKING:
    from .cluster import Cluster
    from .host import Host, Life

BLAMING = (
    "network.",
    "node.peers.frames",
    "node.peers.consensus_link",
    "node.sync.block_sync_driver",
    "node.sync.block_importer",
    "node.sync.snapshot_driver",
    "node.validator.consensus_driver",
    "node.validator.block_tasks",
)
"""Where a warning that names a peer, or an offence, is an accusation."""

HARMLESS = ("unsolicited", "flood")
"""Offences that delays alone can bring about."""

HEIGHTS_TO_LOOK_BACK = 64


def whole_message(payload: bytes) -> tuple[Message, bytes]:
    """Return what a consensus frame says, and bytes of it that stand in its sender's log."""
    message = decode_wire_message(payload)
    if isinstance(message, CompactProposal):
        return message.with_hashes(()), message.signature
    return message, payload


def batches_in(payload: bytes) -> int:
    """Return how many gossip batches a consensus frame names."""
    message = decode_wire_message(payload)
    entries = message.entries if isinstance(message, CompactProposal) else ()
    return sum(isinstance(entry, Batch) for entry in entries)


class Checkers:
    """All checkers of one run."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.trace = sha256()
        """Over everything that leaves a machine and every head: equal for equal runs."""
        self.decided: dict[int, tuple[bytes, bytes, bytes]] = {}
        self.violation: Violation | None = None
        self.batches_named = self.candidates_asked = 0
        self._heads: dict[int, int] = {}
        self._votes: dict[tuple[bytes, int, int, str], object] = {}
        self._voted_on: dict[int, int] = {}
        self._read: set[bytes] = set()

    def fail(self, text: str) -> None:
        """Break off the run: what production catches of this, the run raises again."""
        violation = Violation(f"at {self._cluster.world.now} ms: {text}")
        self.violation = self.violation or violation
        raise violation

    # -- events ------------------------------------------------------------------------------------

    def on_frame(self, sender: Life, target: Life, frame: bytes) -> None:
        """Look at what leaves a machine: one vote per place, over all lives."""
        host = sender.host
        self.trace.update(b"%d %d %d " % (self._cluster.world.now, host.ident, target.host.ident) + frame)
        self.candidates_asked += frame[HEADER_BYTES - 1] == Kind.GET_CANDIDATE
        if frame[HEADER_BYTES - 1] != Kind.CONSENSUS:
            return
        if self._cluster.is_old(target.host) or self._cluster.is_old(host):
            self._check_old_form(frame[HEADER_BYTES:])
        if frame in self._read or host.ident in self._cluster.liars:
            return
        self._read.add(frame)
        self.batches_named += batches_in(frame[HEADER_BYTES:])
        message, logged = whole_message(frame[HEADER_BYTES:])
        place = (host.key, message.height, message.round, step_of(message))
        vote = (digest_of(message), message.roots if isinstance(message, Commit) else None)
        former = self._votes.setdefault(place, vote)
        self._voted_on[host.ident] = max(message.height - 1, self._voted_on.get(host.ident, 0))
        if self._cluster.is_doubled(host.key):
            return  # it may sign again, until it finds out and gives its log up
        if former != vote:
            self.fail(f"host {host.ident} signed two different messages for {place[1:]}")
        # What is still queued when its height is decided may have left the log with that height.
        is_decided = sender.node is not None and message.height <= sender.node.store.head.height
        if not is_decided and logged not in host.disk.stable_content(VOTE_LOG):
            self.fail(f"host {host.ident} sends {place[1:]} before a power cut would leave it in its log")

    def _check_old_form(self, payload: bytes) -> None:
        """A node of before compact proposals is sent none, and sends none: it would blame their sender."""
        if isinstance(decode_wire_message(payload), CompactProposal):
            self.fail("a node of an older release is in touch with a compact proposal")

    def has_voted(self, host: Host) -> bool:
        """Tell whether a machine has sent a vote, in any life."""
        return host.ident in self._voted_on

    def on_start(self, host: Host, node: Node) -> None:
        """A node was opened: all that its votes stand on is there."""
        height = node.store.head.height
        self.note_head(host, node)
        if height < self._voted_on.get(host.ident, 0) and not self._cluster.has_lost_disk(host):
            self.fail(f"host {host.ident} starts at {height} and has voted on {self._voted_on[host.ident]}")

    def on_start_refused(self, host: Host, error: Exception) -> None:
        """A node cannot be opened: only a full disk may be the reason."""
        if not host.disk.is_full:
            self.fail(f"host {host.ident} does not start: {error!r}")

    def on_end(self, host: Host, node: Node) -> None:
        """A node has ended by itself."""
        if node.supervisor.failed.is_set():
            self.fail(f"host {host.ident} has failed")
        if node.supervisor.disk_failed.is_set() and not host.disk_was_full:
            self.fail(f"host {host.ident} says that its disk refuses")

    def look(self) -> None:
        """Look at all heads."""
        if self.violation is not None:
            raise self.violation
        for host in self._cluster.hosts:
            node = host.node
            if node is not None and host.life is not None and not host.life.stopping:
                self.note_head(host, node)

    def note_head(self, host: Host, node: Node) -> None:
        """Agreement: what is new at a head is what others have at that height."""
        height, before = node.store.head.height, self._heads.get(host.ident, 0)
        if height == before:
            return
        self._heads[host.ident] = height
        for at in range(max(1, min(before, height), height - HEIGHTS_TO_LOOK_BACK), height + 1):
            head = node.store.head_at(at)
            if head is None:
                continue  # below a snapshot
            found = (head.digest, head.state_root, head.receipts_root)
            if self.decided.setdefault(at, found) != found:
                self.fail(f"host {host.ident} holds another block or other roots at height {at}")
        self.trace.update(b"head %d %d " % (host.ident, height))

    def on_log(self, record: logging.LogRecord) -> None:
        """Look at what an honest node says."""
        if self.violation is not None:
            return
        host = self._cluster.running_host()
        if host is None or host.ident in self._cluster.liars:
            return
        if record.levelno >= logging.ERROR and (record.name == "asyncio" or record.levelno >= logging.CRITICAL):
            if not host.disk_was_full:
                error = record.exc_info[1] if record.exc_info else None
                self.fail(f"host {host.ident} says: {record.getMessage()} {error!r}")
            return
        if record.name.startswith(BLAMING):
            self._look_for_blame(host, record)

    def _look_for_blame(self, host: Host, record: logging.LogRecord) -> None:
        text = record.getMessage()
        is_offence = record.name == "network.peers" and len(record.args or ()) == 2
        if record.levelno < logging.WARNING and not (is_offence and not text.endswith(HARMLESS)):
            return
        if is_offence and (" is gone: " in text or "connected" in text):
            return
        for other in self._cluster.hosts:
            if other.ident not in self._cluster.liars and other.key.hex()[:16] in text:
                self.fail(f"host {host.ident} blames honest host {other.ident}: {text}")

    # -- the end -----------------------------------------------------------------------------------

    def check_at_end(self) -> None:
        """Chains, charges, receipts, evidence."""
        liars = {self._cluster.hosts[ident].key for ident in self._cluster.liars}
        for host in self._cluster.correct:
            node = host.node
            assert node is not None
            for found in node.node_consensus()["evidence"]:
                if found["public_key"] not in liars and not self._cluster.is_doubled(found["public_key"]):
                    self.fail(f"host {host.ident} holds evidence against an honest validator: {found}")
            self._check_receipts(host, node)
            self._check_charges(host, node)

    def _check_receipts(self, host: Host, node: Node) -> None:
        for purchase in self._cluster.clients.purchases:
            position = node.store.find_transaction(purchase.id)
            if purchase.refused == "EXPIRED" and position is not None:
                self.fail(f"a client was told EXPIRED, and host {host.ident} has executed it at {position}")
            store = node.store
            if purchase.receipt is None or not store.oldest_block <= purchase.receipt[0] <= store.head.height:
                continue
            if position is None or position[0] != purchase.receipt[0]:
                self.fail(f"host {host.ident} does not hold the receipt {purchase.receipt}: {position}")

    def _check_charges(self, host: Host, node: Node) -> None:
        if node.store.oldest_block != 1 or node.store.block_bytes(1) is None:
            return
        seen: set[bytes] = set()
        succeeded = 0
        for height in range(1, node.store.head.height + 1):
            for tx_id, to_shop in self._transfers(node, height):
                if tx_id in seen:
                    self.fail(f"a transaction stands twice in the chain of host {host.ident}")
                seen.add(tx_id)
                succeeded += to_shop
        balance = self._cluster.balance(node, address_of(SHOP))
        if balance != succeeded:
            self.fail(f"the shop has {balance} points at host {host.ident}, {succeeded} transfers succeeded")

    @staticmethod
    def _transfers(node: Node, height: int) -> Iterator[tuple[bytes, bool]]:
        """Yield each transaction's id, and whether it has paid the shop."""
        data = node.store.block_bytes(height)
        assert data is not None
        receipts = node.store.receipts(height)
        for index, raw in enumerate(decode_block(data).transactions):
            tx = parse_transaction(raw)
            paid = tx.body.ops[0][0] == "token.transfer" and decode_receipt(receipts[index]).status == "ok"
            yield tx.id, paid


class LogWatch(logging.Handler):
    """Gives a run's checkers every line that a node logs."""

    def __init__(self, checkers: Checkers) -> None:
        super().__init__(logging.INFO)
        self._checkers = checkers

    def emit(self, record: logging.LogRecord) -> None:
        """See logging."""
        self._checkers.on_log(record)
