"""Byzantine machines: production nodes whose frames pass through lies on their way out.

A liar holds its own key only. A lie gets each frame that is about to leave for one target and returns what leaves
in its place; several lies pass frames on to each other. What is changed in a signed message is signed again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import msgspec

from consensus.compact import Batch, CompactProposal, Entry, decode_wire_message
from consensus.messages import (
    Commit,
    Prepare,
    Proposal,
    RoundChange,
    decode_message,
    encode_message,
    round_change_payload,
    seal_payload,
    vote_payload,
)
from consensus.types import decode_block, decode_certificate, header_digest
from network import messages
from network.framing import HEADER_BYTES, encode_frame
from network.kinds import Kind
from vm.primitives.codec import encode
from vm.primitives.hashing import sha256
from vm.primitives.keys import Domain

if TYPE_CHECKING:
    from .host import Host

KEPT = 60
Frames = list[bytes]


class Liar:
    """One kind of lie. The base class is honest."""

    name: ClassVar[str]

    def __init__(self, host: Host) -> None:
        self.host = host
        self.world = host.world

    def outgoing(self, kind: Kind, payload: bytes, target: int) -> Frames:
        """Return the frames that leave in place of this one."""
        return [encode_frame(kind, payload)]

    def garbled(self, data: bytes) -> bytes:
        """Flip one bit."""
        if not data:
            return data
        place = self.world.below(len(data))
        return data[:place] + bytes([data[place] ^ (1 << self.world.below(8))]) + data[place + 1 :]

    def signed_proposal(self, message: Proposal) -> Proposal:
        """Return a proposal with the own key's signature."""
        signed = decode_message(self.signed(message))
        assert isinstance(signed, Proposal)
        return signed

    def signed(self, message: Prepare | Commit | Proposal | RoundChange) -> bytes:
        """Return a consensus message with the own key's signature, whatever it says."""
        chain, key = self.host.cluster.genesis.chain, self.host.signing_key
        at = (chain, message.height, message.round)
        if isinstance(message, Commit):
            signature = key.sign(Domain.COMMIT, seal_payload(*at, message.digest, message.roots))
        elif isinstance(message, RoundChange):
            vote = message.vote
            payload = round_change_payload(*at, vote.prepared_round, vote.prepared_digest)
            signature = key.sign(Domain.ROUND_CHANGE, payload)
        elif isinstance(message, Prepare):
            signature = key.sign(Domain.PREPARE, vote_payload(*at, message.digest))
        else:
            digest = header_digest(message.candidate.header)
            signature = key.sign(Domain.PROPOSAL, vote_payload(*at, digest))
        return encode_message(msgspec.structs.replace(message, signature=signature))


class Mute(Liar):
    """Says nothing in consensus."""

    name = "mute"

    def outgoing(self, kind: Kind, payload: bytes, target: int) -> Frames:
        return [] if kind is Kind.CONSENSUS else super().outgoing(kind, payload, target)


class SplitProposer(Liar):
    """Proposes one block to some and another to others."""

    name = "split proposals"

    def outgoing(self, kind: Kind, payload: bytes, target: int) -> Frames:
        if kind is Kind.CONSENSUS and target % 2:
            message = decode_wire_message(payload)
            if isinstance(message, CompactProposal) and not message.round_changes:
                header = msgspec.structs.replace(message.header, time=message.header.time + 1)
                signed = self.signed_proposal(msgspec.structs.replace(message, header=header).with_hashes(()))
                lie = msgspec.structs.replace(message, header=header, signature=signed.signature)
                payload = encode(lie)
            elif isinstance(message, Proposal) and not message.round_changes:
                header = msgspec.structs.replace(message.candidate.header, time=message.candidate.header.time + 1)
                candidate = msgspec.structs.replace(message.candidate, header=header)
                payload = self.signed(msgspec.structs.replace(message, candidate=candidate))
        return [encode_frame(kind, payload)]


class DoubleVoter(Liar):
    """Votes for two blocks of a round, in another order for each target, and seals roots that it never computed."""

    name = "double votes"

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._seen: dict[tuple[int, int], list[bytes]] = {}

    def outgoing(self, kind: Kind, payload: bytes, target: int) -> Frames:
        if kind is not Kind.CONSENSUS:
            return [encode_frame(kind, payload)]
        message = decode_message(payload)
        if not isinstance(message, Prepare | Commit):
            return [encode_frame(kind, payload)]
        known = self._seen.setdefault((message.height, message.round), [sha256(b"no block")])
        if message.digest not in known:
            known.append(message.digest)
        others = [digest for digest in known if digest != message.digest]
        other = others[self.world.below(len(others))]
        lies = [self.signed(msgspec.structs.replace(message, digest=other))]
        if isinstance(message, Commit) and self.world.below(2):
            lies.append(self.signed(msgspec.structs.replace(message, state_root=sha256(b"never"))))
        sent = [payload, *lies] if target % 2 else [*lies, payload]
        return [encode_frame(kind, each) for each in sent]


class LockHider(Liar):
    """Changes rounds without the lock that it has, and races ahead."""

    name = "hides locks"

    def outgoing(self, kind: Kind, payload: bytes, target: int) -> Frames:
        if kind is Kind.CONSENSUS and self.world.below(2):
            message = decode_message(payload)
            if isinstance(message, RoundChange):
                round_ = message.round + (0, 0, 1, 7)[self.world.below(4)]
                payload = self.signed(msgspec.structs.replace(message, prepared=None, round=round_))
        return [encode_frame(kind, payload)]


class Stale(Liar):
    """Sends old consensus messages again."""

    name = "stale messages"

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._old: list[bytes] = []

    def outgoing(self, kind: Kind, payload: bytes, target: int) -> Frames:
        frames = [encode_frame(kind, payload)]
        if kind is Kind.CONSENSUS:
            if len(self._old) < KEPT:
                self._old.append(payload)
            else:
                self._old[self.world.below(KEPT)] = payload
            frames.append(encode_frame(kind, self._old[self.world.below(len(self._old))]))
        return frames


class BatchLiar(Liar):
    """Names other gossip batches than those of its block, and tells peers of its clients in different orders."""

    name = "lies about batches"

    def outgoing(self, kind: Kind, payload: bytes, target: int) -> Frames:
        if kind is Kind.CONSENSUS:
            message = decode_wire_message(payload)
            if isinstance(message, CompactProposal) and message.entries:
                payload = encode(msgspec.structs.replace(message, entries=self._changed(message.entries)))
        elif kind is Kind.TRANSACTIONS and target % 2:
            told = messages.decode(kind, payload)
            assert isinstance(told, messages.Transactions)
            payload = messages.encode_message(msgspec.structs.replace(told, items=told.items[::-1]))
        return [encode_frame(kind, payload)]

    def _changed(self, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        place = self.world.below(len(entries))
        entry = entries[place]
        way = self.world.below(7)
        if way == 0:
            return (*entries, entry)
        if way == 1:
            return entries[::-1]
        if way == 2 or not isinstance(entry, Batch):
            return entries[:place] + entries[place + 1 :]
        lies = (
            msgspec.structs.replace(entry, digest=sha256(b"nothing")),
            msgspec.structs.replace(entry, first=sha256(b"nothing")),
            msgspec.structs.replace(entry, count=entry.count + 1),
            entry,
        )
        return (*entries[:place], lies[way - 3], *entries[place + 1 :])


class Withholder(Liar):
    """Serves no block, candidate and transaction that is asked for, or to some only."""

    name = "withholds"
    kinds = frozenset({Kind.CANDIDATE, Kind.TRANSACTIONS_REPLY, Kind.BLOCKS, Kind.TRANSACTIONS, Kind.STATE_CHUNK})

    def outgoing(self, kind: Kind, payload: bytes, target: int) -> Frames:
        if kind in self.kinds and self.world.below(3):
            return []
        return super().outgoing(kind, payload, target)


class Garbler(Liar):
    """Flips bits of what it sends."""

    name = "garbles"

    def outgoing(self, kind: Kind, payload: bytes, target: int) -> Frames:
        if kind is not Kind.HELLO and self.world.below(20) == 0:
            payload = self.garbled(payload)
        return [encode_frame(kind, payload)]


class Boaster(Liar):
    """Claims a head that it has not got, or none at all."""

    name = "boasts"

    def outgoing(self, kind: Kind, payload: bytes, target: int) -> Frames:
        if kind is Kind.STATUS:
            status = messages.decode(kind, payload)
            assert isinstance(status, messages.Status)
            height = (status.height + 1_000, status.height + 7, 0, status.height)[self.world.below(4)]
            payload = messages.encode_message(msgspec.structs.replace(status, height=height))
        return [encode_frame(kind, payload)]


class SyncLiar(Liar):
    """Changes the blocks and certificates that it is asked for, and says that it has pruned them."""

    name = "lies about blocks"

    def outgoing(self, kind: Kind, payload: bytes, target: int) -> Frames:
        if kind is Kind.BLOCKS:
            blocks = messages.decode(kind, payload)
            assert isinstance(blocks, messages.Blocks)
            payload = messages.encode_message(self._changed(blocks))
        return [encode_frame(kind, payload)]

    def _changed(self, reply: messages.Blocks) -> messages.Blocks:
        items = list(reply.items)
        way = self.world.below(8)
        if not items or way == 0:
            return msgspec.structs.replace(reply, items=(), oldest=reply.oldest + self.world.below(50))
        place = self.world.below(len(items))
        block, certificate = items[place]
        if way == 1:
            items[place] = self.garbled(block), certificate
        elif way == 2:
            items[place] = block, self.garbled(certificate)
        elif way == 3:
            items[place] = items[self.world.below(len(items))][0], certificate
        elif way == 4:
            del items[place]
        elif way == 5:
            items.append(items[place])
        elif way >= 6:
            items[place] = self._forged(block, certificate)
        return msgspec.structs.replace(reply, items=tuple(items[:64]))

    @staticmethod
    def _forged(block: bytes, certificate: bytes) -> tuple[bytes, bytes]:
        """Return another block of that height, and the true certificate with its digest."""
        true, sealed = decode_block(block), decode_certificate(certificate)
        header = msgspec.structs.replace(true.header, time=true.header.time + 1)
        named = msgspec.structs.replace(sealed, digest=header_digest(header))
        return encode(msgspec.structs.replace(true, header=header)), encode(named)


class SnapshotLiar(Liar):
    """Offers snapshots that there are not, and changes every part of those that there are."""

    name = "lies about snapshots"

    def outgoing(self, kind: Kind, payload: bytes, target: int) -> Frames:
        change = _SNAPSHOT_LIES.get(kind)
        if change is not None and self.world.below(3):
            payload = messages.encode_message(change(self, messages.decode(kind, payload)))
        return [encode_frame(kind, payload)]

    def offer(self, reply: messages.Message) -> messages.Message:
        """Offer one height more."""
        assert isinstance(reply, messages.Snapshots)
        heights = sorted({*reply.heights[:7], 1 + self.world.below(60)})
        return msgspec.structs.replace(reply, heights=tuple(heights))

    def change_sets(self, reply: messages.Message) -> messages.Message:
        """Leave changes of the validators out, or pretend that more follow."""
        assert isinstance(reply, messages.SetChanges)
        return msgspec.structs.replace(reply, items=reply.items[1:], more=bool(self.world.below(2)))

    def change_roots(self, reply: messages.Message) -> messages.Message:
        """Flip a bit of a root."""
        assert isinstance(reply, messages.BucketRoots)
        roots = None if reply.roots is None else self.garbled(reply.roots)
        return msgspec.structs.replace(reply, roots=roots)

    def change_chunk(self, reply: messages.Message) -> messages.Message:
        """Change, leave out or double a record."""
        assert isinstance(reply, messages.StateChunk)
        records = list(reply.records)
        if records:
            place = self.world.below(len(records))
            key, value = records[place]
            records[place : place + 1] = [[(key, self.garbled(value))], [], [(key, value)] * 2][self.world.below(3)]
        return msgspec.structs.replace(reply, records=tuple(records))

    def change_ids(self, reply: messages.Message) -> messages.Message:
        """Leave the last id of a transaction out: it could be executed again."""
        assert isinstance(reply, messages.ReplayIds)
        return msgspec.structs.replace(reply, ids=reply.ids[:-32] if reply.ids else None)

    def change_tiles(self, reply: messages.Message) -> messages.Message:
        """Flip a bit of a hash."""
        assert isinstance(reply, messages.OnceTiles)
        return msgspec.structs.replace(reply, tiles=self.garbled(reply.tiles) if reply.tiles else None)

    def change_leaves(self, reply: messages.Message) -> messages.Message:
        """Flip a bit of a record."""
        assert isinstance(reply, messages.OnceLeaves)
        leaves = tuple(self.garbled(leaf) for leaf in reply.leaves or ())
        return msgspec.structs.replace(reply, leaves=leaves)


_SNAPSHOT_LIES: dict[Kind, Callable[[SnapshotLiar, messages.Message], messages.Message]] = {
    Kind.SNAPSHOTS: SnapshotLiar.offer,
    Kind.SET_CHANGES: SnapshotLiar.change_sets,
    Kind.BUCKET_ROOTS: SnapshotLiar.change_roots,
    Kind.STATE_CHUNK: SnapshotLiar.change_chunk,
    Kind.REPLAY_IDS: SnapshotLiar.change_ids,
    Kind.ONCE_TILES: SnapshotLiar.change_tiles,
    Kind.ONCE_LEAVES: SnapshotLiar.change_leaves,
}

COMPACT_LIARS: dict[str, type[Liar]] = {BatchLiar.name: BatchLiar}
"""Lies that only compact proposals can be met with."""

LIARS: dict[str, type[Liar]] = {
    liar.name: liar
    for liar in (
        Mute,
        SplitProposer,
        DoubleVoter,
        LockHider,
        Stale,
        Withholder,
        Garbler,
        Boaster,
        SyncLiar,
        SnapshotLiar,
    )
}


def lie(liars: list[Liar], frame: bytes, target: int) -> Frames:
    """Return what leaves in place of a frame, after all of a machine's lies."""
    frames = [frame]
    for liar in liars:
        passed: Frames = []
        for each in frames:
            try:
                passed += liar.outgoing(Kind(each[HEADER_BYTES - 1]), each[HEADER_BYTES:], target)
            except Exception:  # another lie has made it unreadable: so it leaves
                passed.append(each)
        frames = passed
    return frames
