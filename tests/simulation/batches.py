"""Compact proposals in the simulation: production's forms and checks, with streams of what each host has heard.

Clients hand transactions in by bursts, each at one host, whose gossip brings it to every other one in a time of
its own. So hosts know streams that are alike for the most part, and now and then lack a burst in the midst of a
run.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from consensus.compact import CompactProposal, compact, expand
from consensus.messages import Message, Proposal, encode_message
from consensus.types import header_digest
from consensus.verification import require_whole
from vm.primitives.codec import encode

if TYPE_CHECKING:
    from .host import Host


class Batches:
    """What a host does with compact proposals."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._clients = host.cluster.clients

    def encoded(self, message: Message) -> bytes:
        """Return the bytes in which a message leaves."""
        host = self._host
        if not isinstance(message, Proposal) or not host.cluster.plan.compact:
            return encode_message(message)
        places = {
            tx: (origin, place)
            for origin in self._clients.origins
            for place, tx in enumerate(self._clients.stream(origin, host))
        }
        short = compact(message, places.get)
        for strategy in host.strategies:
            short = strategy.compacted(short)
        host.cluster.batches_named += sum(not isinstance(entry, bytes) for entry in short.entries)
        return encode(short)

    def resolved(self, message: CompactProposal, source: Host) -> Proposal | None:
        """Return the proposal of a compact one; None where its sender was asked for the candidate.

        Raises:
            PeerError: its sender has lied.
        """
        host = self._host
        digest = header_digest(message.header)
        known = host.state.candidate(digest)
        if known is not None:
            return message.with_candidate(known)
        tx_hashes = expand(message, self._run)
        if tx_hashes is None:
            host.cluster.batches_missed += 1
            self._ask(message, digest, source)
            return None
        proposal = message.with_hashes(tx_hashes)
        require_whole(proposal)
        return proposal

    def _run(self, origin: bytes, first: bytes, count: int) -> Sequence[bytes] | None:
        stream = self._clients.stream(origin, self._host)
        if first not in stream:
            return None
        start = stream.index(first)
        run = stream[start : start + count]
        return run if len(run) == count else None

    def _ask(self, message: CompactProposal, digest: bytes, source: Host) -> None:
        host, network = self._host, self._host.cluster.network
        question = partial(source.batches.serve, message, digest, host)
        network.send(host.ident, source.ident, partial(source.do, question))

    def serve(self, message: CompactProposal, digest: bytes, asker: Host) -> None:
        """Give the candidate of a proposal to a host that cannot resolve it."""
        host = self._host
        candidate = host.state.candidate(digest)
        if host.alive and host.serves and candidate is not None:
            answer = partial(asker.take, message.with_candidate(candidate))
            host.cluster.network.send(host.ident, asker.ident, partial(asker.do, answer))
