"""A compact proposal stands for its block or for nothing, however much of the gossip its receiver has heard."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from consensus.compact import Batch, CompactProposal, compact, decode_wire_message, expand
from consensus.errors import MalformedMessage
from consensus.messages import Proposal
from consensus.types import Candidate, Header, certificate_hash
from consensus.verification import candidate_is_whole
from network.gossip_streams import GossipStreams
from vm.primitives import merkle
from vm.primitives.codec import encode
from vm.primitives.hashing import ZERO_HASH, sha256

ORIGINS = tuple(sha256(b"origin %d" % i) for i in range(3))
TRANSACTIONS = tuple(sha256(b"tx %d" % i) for i in range(24))

pieces = st.lists(st.tuples(st.integers(0, 23), st.integers(1, 12)), max_size=4)
"""Stretches of transactions, by first and number, as blocks hold them."""

tellings = st.lists(
    st.tuples(
        st.sampled_from(ORIGINS),
        pieces.map(lambda block: [tx for first, count in block for tx in TRANSACTIONS[first : first + count]]),
    ),
    max_size=8,
)
"""What origins told, in order."""


def heard(told: Sequence[tuple[bytes, Sequence[bytes]]]) -> GossipStreams:
    streams = GossipStreams()
    for origin, tx_hashes in told:
        streams.told(origin, tx_hashes, 1.0)
    return streams


def proposal_of(tx_hashes: Sequence[bytes]) -> Proposal:
    header = Header(
        chain="chain",
        version=1,
        height=5,
        time=1,
        parent=ZERO_HASH,
        parent_state_root=ZERO_HASH,
        parent_commit=certificate_hash(None),
        proposer=ZERO_HASH,
        tx_root=merkle.root(tx_hashes),
        tx_count=len(tx_hashes),
        validators_hash=ZERO_HASH,
        next_validators_hash=ZERO_HASH,
    )
    return Proposal(5, 0, 1, Candidate(header, None, tuple(tx_hashes)), (), None, bytes(64))


def in_short(told: GossipStreams, block: Sequence[tuple[int, int]]) -> tuple[Proposal, CompactProposal]:
    chosen = [tx for first, count in block for tx in TRANSACTIONS[first : first + count]]
    whole = proposal_of(list(dict.fromkeys(chosen)))
    read = decode_wire_message(encode(compact(whole, lambda tx_hash: told.place(tx_hash, 2.0))))
    assert isinstance(read, CompactProposal)
    return whole, read


@given(tellings, pieces)
def test_who_has_heard_the_same_reads_the_block(
    told: list[tuple[bytes, list[bytes]]], block: list[tuple[int, int]]
) -> None:
    streams = heard(told)
    whole, message = in_short(streams, block)
    found = expand(message, streams.run)
    assert found is not None
    assert message.with_hashes(found) == whole


@given(tellings, tellings, pieces)
def test_who_has_heard_something_else_reads_the_block_or_nothing(
    told: list[tuple[bytes, list[bytes]]], other: list[tuple[bytes, list[bytes]]], block: list[tuple[int, int]]
) -> None:
    whole, message = in_short(heard(told), block)
    found = expand(message, heard(other).run)
    assert found is None or message.with_hashes(found) == whole


@given(tellings, pieces, st.data())
def test_entries_of_a_liar_are_the_block_or_refused(
    told: list[tuple[bytes, list[bytes]]], block: list[tuple[int, int]], data: st.DataObject
) -> None:
    streams = heard(told)
    whole, message = in_short(streams, block)
    runs = st.builds(
        Batch,
        st.sampled_from(ORIGINS),
        st.sampled_from(TRANSACTIONS),
        st.integers(4, 12),
        st.sampled_from([sha256(b"nothing"), *(e.digest for e in message.entries if isinstance(e, Batch))]),
    )
    entry = st.one_of(st.sampled_from([*TRANSACTIONS, *message.entries]), runs)
    lie = msgspec.structs.replace(message, entries=tuple(data.draw(st.lists(entry, max_size=12))))
    try:
        found = expand(lie, streams.run)
    except MalformedMessage:
        return
    if found is not None:
        assert len(found) == len(whole.candidate.tx_hashes)
        read = lie.with_hashes(found)
        assert (read == whole) == candidate_is_whole(read.candidate)
