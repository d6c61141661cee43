"""Lies about gossip batches: digests of nothing, runs of others, transactions twice, lengths that no block has."""

from __future__ import annotations

import msgspec

from consensus.compact import Batch, CompactProposal, Entry
from vm.primitives.hashing import sha256

from ..byzantine import Strategy


class BatchLiar(Strategy):
    """Names other batches than those of its block."""

    name = "lies about batches"

    def compacted(self, message: CompactProposal) -> CompactProposal:
        entries = message.entries
        if not entries or self.world.below(3) == 0:
            return message
        place = self.world.below(len(entries))
        entry = entries[place]
        lies: list[tuple[Entry, ...]] = [
            (*entries, entry),
            entries[:place] + entries[place + 1 :],
            entries[::-1],
        ]
        if isinstance(entry, Batch):
            changed = (
                msgspec.structs.replace(entry, digest=sha256(b"nothing")),
                msgspec.structs.replace(entry, origin=self.some_host().key),
                msgspec.structs.replace(
                    entry, first=entries[-1] if isinstance(entries[-1], bytes) else entry.digest
                ),
                msgspec.structs.replace(entry, count=(4, entry.count + 1, 32_768)[self.world.below(3)]),
            )
            lies += [(*entries[:place], lie, *entries[place + 1 :]) for lie in changed]
        return msgspec.structs.replace(message, entries=lies[self.world.below(len(lies))])
