"""The kinds of frames and what each may cost its receiver; the one table of network limits.

A kind's byte is part of the wire format: numbers are never reused. The limits are for one peer: how
long a frame may be, and how much of a kind is welcome per second before reading from that peer is
paused (bursts of `BURST_SECONDS` are free). They are several times what a validator needs at full load
(some 25 consensus messages, 200 frames and 3 MB of transactions per second), so that only a fault or an
attack reaches them, and low enough that one peer at its limit leaves most of a core to the others: what
it may send costs some 130,000 look-ups by hash, 500 vote checks, 31,000 hashes in proposals (0.13 s),
160 MB of blocks per second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB


class Kind(IntEnum):
    """What a frame is; its first byte after the length."""

    HELLO = 1
    PING = 2
    PONG = 3
    STATUS = 4
    LINKS = 5
    CONSENSUS = 6
    TRANSACTIONS = 7
    GET_TRANSACTIONS = 8
    TRANSACTIONS_REPLY = 9
    GET_CANDIDATE = 10
    CANDIDATE = 11
    GET_BLOCKS = 12
    BLOCKS = 13
    GET_SNAPSHOTS = 14
    SNAPSHOTS = 15
    GET_SET_CHANGES = 16
    SET_CHANGES = 17
    GET_BUCKET_ROOTS = 18
    BUCKET_ROOTS = 19
    GET_STATE_CHUNK = 20
    STATE_CHUNK = 21
    GET_REPLAY_IDS = 22
    REPLAY_IDS = 23
    ADDRESSES = 24
    GET_ONCE_TILES = 25
    ONCE_TILES = 26
    GET_ONCE_LEAVES = 27
    ONCE_LEAVES = 28


class Priority(IntEnum):
    """Which frames leave first when a peer cannot take all; see `network.outbox`."""

    URGENT = 0
    REPLY = 1
    GOSSIP = 2


@dataclass(frozen=True, slots=True)
class KindRule:
    """The limits of one kind, for one peer.

    Args:
        max_bytes: the longest payload.
        priority: the queue that it leaves by.
        frames_per_second, bytes_per_second: what is read without pausing.
    """

    max_bytes: int
    priority: Priority
    frames_per_second: int
    bytes_per_second: int


BURST_SECONDS: Final = 2

MAX_BODY_BYTES: Final = 8 * MIB
"""Room for one block of max_block_bytes (4 MiB), its certificate, and growth by governance."""

RULES: Final[Mapping[Kind, KindRule]] = MappingProxyType(
    {
        Kind.HELLO: KindRule(KIB, Priority.URGENT, 2, 4 * KIB),
        Kind.PING: KindRule(64, Priority.URGENT, 20, 4 * KIB),
        Kind.PONG: KindRule(64, Priority.URGENT, 20, 4 * KIB),
        Kind.STATUS: KindRule(256, Priority.URGENT, 100, 32 * KIB),
        Kind.LINKS: KindRule(64 * KIB, Priority.URGENT, 20, 256 * KIB),
        Kind.ADDRESSES: KindRule(512 * KIB, Priority.GOSSIP, 20, 1_024 * KIB),
        Kind.CONSENSUS: KindRule(2 * MIB, Priority.URGENT, 500, MIB),
        Kind.TRANSACTIONS: KindRule(512 * KIB, Priority.GOSSIP, 500, 8 * MIB),
        Kind.GET_TRANSACTIONS: KindRule(MIB, Priority.URGENT, 20, 4 * MIB),
        Kind.TRANSACTIONS_REPLY: KindRule(MAX_BODY_BYTES, Priority.REPLY, 100, 32 * MIB),
        Kind.GET_CANDIDATE: KindRule(KIB, Priority.URGENT, 20, 32 * KIB),
        Kind.CANDIDATE: KindRule(MAX_BODY_BYTES, Priority.REPLY, 50, 32 * MIB),
        Kind.GET_BLOCKS: KindRule(KIB, Priority.URGENT, 20, 32 * KIB),
        Kind.BLOCKS: KindRule(MAX_BODY_BYTES, Priority.REPLY, 50, 32 * MIB),
        Kind.GET_SNAPSHOTS: KindRule(64, Priority.URGENT, 5, KIB),
        Kind.SNAPSHOTS: KindRule(256, Priority.REPLY, 5, 2 * KIB),
        Kind.GET_SET_CHANGES: KindRule(64, Priority.URGENT, 20, 4 * KIB),
        Kind.SET_CHANGES: KindRule(MAX_BODY_BYTES, Priority.REPLY, 20, 32 * MIB),
        Kind.GET_BUCKET_ROOTS: KindRule(64, Priority.URGENT, 20, 4 * KIB),
        Kind.BUCKET_ROOTS: KindRule(MIB + KIB, Priority.REPLY, 50, 32 * MIB),
        Kind.GET_STATE_CHUNK: KindRule(KIB, Priority.URGENT, 50, 32 * KIB),
        Kind.STATE_CHUNK: KindRule(MAX_BODY_BYTES, Priority.REPLY, 100, 32 * MIB),
        Kind.GET_REPLAY_IDS: KindRule(64, Priority.URGENT, 50, 4 * KIB),
        Kind.REPLAY_IDS: KindRule(MIB + KIB, Priority.REPLY, 50, 32 * MIB),
        Kind.GET_ONCE_TILES: KindRule(256, Priority.URGENT, 50, 16 * KIB),
        Kind.ONCE_TILES: KindRule(MIB + KIB, Priority.REPLY, 50, 32 * MIB),
        Kind.GET_ONCE_LEAVES: KindRule(256, Priority.URGENT, 50, 16 * KIB),
        Kind.ONCE_LEAVES: KindRule(MAX_BODY_BYTES, Priority.REPLY, 100, 32 * MIB),
    }
)
