"""A compact proposal becomes the whole one or nothing, whatever its entries claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import pytest
from consensus_kit import CHAIN, candidate, context, fake_verify, prepared_certificate, proposal, round_change

from consensus.compact import (
    SHORTEST_BATCH,
    Batch,
    CompactProposal,
    Entry,
    batch_digest,
    compact,
    decode_wire_message,
    expand,
)
from consensus.errors import InvalidSignature, MalformedMessage
from consensus.messages import Proposal, decode_message, encode_message
from consensus.types import MAX_BLOCK_TRANSACTIONS, Candidate, header_digest
from consensus.verification import Verifier, require_whole
from vm.primitives import merkle
from vm.primitives.codec import CodecError, encode
from vm.primitives.hashing import sha256

HERE = context(4, own=3, height=2)
ALICE, BOB = sha256(b"alice"), sha256(b"bob")


def hashes(tag: str, count: int) -> tuple[bytes, ...]:
    return tuple(sha256(f"{tag} {i}".encode()) for i in range(count))


A, B = hashes("a", 40), hashes("b", 9)
STREAMS = {ALICE: A, BOB: B}


def find_run(
    streams: Mapping[bytes, Sequence[bytes]], origin: bytes, first: bytes, count: int
) -> Sequence[bytes] | None:
    """Look a run up as `network.gossip_streams` does."""
    stream = streams.get(origin, ())
    if first not in stream:
        return None
    start = stream.index(first)
    run = stream[start : start + count]
    return run if len(run) == count else None


def known(origin: bytes, first: bytes, count: int) -> Sequence[bytes] | None:
    return find_run(STREAMS, origin, first, count)


def place(tx_hash: bytes) -> tuple[bytes, int] | None:
    for origin, stream in STREAMS.items():
        if tx_hash in stream:
            return origin, stream.index(tx_hash)
    return None


def proposed(tx_hashes: Sequence[bytes], **options: object) -> Proposal:
    block = candidate(HERE, proposer=1, tx_root=merkle.root(tx_hashes), tx_count=len(tx_hashes))
    whole = Candidate(block.header, block.parent_certificate, tuple(tx_hashes))
    return proposal(HERE, whole, 1, **options)  # type: ignore[arg-type]


def entries_of(tx_hashes: Sequence[bytes]) -> tuple[Entry, ...]:
    return compact(proposed(tx_hashes), place).entries


def batch(origin: bytes, run: Sequence[bytes], **changes: object) -> Batch:
    whole = Batch(origin, run[0], len(run), batch_digest(run))
    return msgspec.structs.replace(whole, **changes)  # type: ignore[arg-type]


def claimed(*entries: Entry, tx_count: int | None = None) -> CompactProposal:
    """A proposal with entries of a liar's choice, for a header that counts what they claim."""
    total = sum(e.count if isinstance(e, Batch) else 1 for e in entries)
    whole = proposed(A)
    header = msgspec.structs.replace(whole.candidate.header, tx_count=total if tx_count is None else tx_count)
    message = compact(whole, place)
    return msgspec.structs.replace(message, header=header, entries=entries)


@pytest.mark.parametrize(
    ("tx_hashes", "entries"),
    [
        ((), ()),
        (A, (batch(ALICE, A),)),
        (A[:SHORTEST_BATCH], (batch(ALICE, A[:SHORTEST_BATCH]),)),
        (A[: SHORTEST_BATCH - 1], A[: SHORTEST_BATCH - 1]),
        (A[5:20] + B, (batch(ALICE, A[5:20]), batch(BOB, B))),
        (A[:8] + A[9:20], (batch(ALICE, A[:8]), batch(ALICE, A[9:20]))),
        (A[::-1], A[::-1]),
        (A[:5] + hashes("unheard", 6), (batch(ALICE, A[:5]), *hashes("unheard", 6))),
        (hashes("unheard", 1) + B[:2] + A[:9], (*hashes("unheard", 1), *B[:2], batch(ALICE, A[:9]))),
    ],
)
def test_runs_of_an_origin_are_named_by_their_digest_and_all_else_by_hash(
    tx_hashes: tuple[bytes, ...], entries: tuple[Entry, ...]
) -> None:
    assert entries_of(tx_hashes) == entries
    assert expand(compact(proposed(tx_hashes), place), known) == tx_hashes


def test_the_compact_form_is_the_whole_proposal_with_its_signature_and_justification() -> None:
    prepared = prepared_certificate(HERE, header_digest(proposed(A + B).candidate.header), 0, [0, 1, 2])
    changes = [round_change(HERE, 0), round_change(HERE, 1, 1, prepared), round_change(HERE, 2)]
    whole = proposed(A + B, round_changes=changes, prepared=prepared)
    data = encode(compact(whole, place))
    assert len(data) < len(encode_message(whole)) - 34 * len(A + B) + 2 * 110
    read = Verifier(CHAIN, fake_verify).decode_and_verify(data, HERE.validators_at)
    assert isinstance(read, CompactProposal)
    found = expand(read, known)
    assert found is not None
    assert read.with_hashes(found) == whole
    assert read.with_candidate(whole.candidate) == whole
    require_whole(read.with_hashes(found))


def test_an_entry_takes_less_than_the_hashes_that_it_names() -> None:
    named = len(encode(batch(ALICE, A[:SHORTEST_BATCH])))
    assert named < len(encode(A[:SHORTEST_BATCH]))
    assert named > len(encode(A[: SHORTEST_BATCH - 1]))


@pytest.mark.parametrize(
    "entry",
    [
        batch(sha256(b"stranger"), A),
        batch(ALICE, A, first=B[0]),
        batch(ALICE, A, first=sha256(b"nothing")),
        batch(ALICE, A, count=len(A) + 1),
        batch(ALICE, A, digest=batch_digest(A[:-1])),
        batch(ALICE, A, digest=merkle.root(A)),
        batch(ALICE, A, digest=sha256(b"".join(A))),
        batch(BOB, A),
    ],
)
def test_a_batch_that_is_not_known_as_it_is_named_resolves_to_nothing(entry: Batch) -> None:
    assert expand(claimed(entry), known) is None
    assert expand(claimed(*A, entry), known) is None


@pytest.mark.parametrize(
    "entries",
    [
        (batch(ALICE, A), batch(ALICE, A)),  # each transaction twice
        (batch(ALICE, A[:20]), batch(ALICE, A[10:])),  # batches that overlap
        (batch(ALICE, A[:39]), A[0]),  # one named again by its hash
        (batch(ALICE, A[1:]), A[0]),  # another order
        (batch(ALICE, A[:30]), batch(BOB, B), A[30]),  # others of the same number
    ],
)
def test_batches_that_are_not_what_the_header_binds_are_the_senders_fault(entries: tuple[Entry, ...]) -> None:
    message = claimed(*entries)
    found = expand(message, known)
    assert found is not None
    with pytest.raises(MalformedMessage, match="does not bind"):
        require_whole(message.with_hashes(found))


@pytest.mark.parametrize("tx_count", [0, 39, 41, 2**53 - 1])
def test_entries_must_be_as_many_transactions_as_the_header_says(tx_count: int) -> None:
    with pytest.raises(MalformedMessage, match="entries of 40"):
        expand(claimed(batch(ALICE, A), tx_count=tx_count), known)


def test_nothing_is_looked_up_for_more_than_a_block_may_hold() -> None:
    """A kilobyte could name millions of transactions that the receiver knows."""
    looked_up = []

    def find(origin: bytes, first: bytes, count: int) -> Sequence[bytes] | None:
        looked_up.append(count)
        return A

    few = MAX_BLOCK_TRANSACTIONS // len(A)
    with pytest.raises(MalformedMessage, match="entries of"):
        expand(claimed(*[batch(ALICE, A)] * (few + 1)), find)
    assert looked_up == []
    assert expand(claimed(*[batch(ALICE, A)] * few), find) == A * few


@pytest.mark.parametrize("count", [SHORTEST_BATCH - 1, 0, -1, MAX_BLOCK_TRANSACTIONS + 1])
def test_a_batch_has_no_more_transactions_than_a_block_and_no_fewer_than_are_worth_it(count: int) -> None:
    with pytest.raises(CodecError):
        decode_wire_message(encode(claimed(batch(ALICE, A, count=count))))


@pytest.mark.parametrize("changed", ["entries", "signature", "header", "parent_certificate", "round"])
def test_all_but_the_entries_is_verified_before_they_are_looked_at(changed: str) -> None:
    message = compact(proposed(A), place)
    assert message.parent_certificate is not None
    seals = message.parent_certificate.seals[:-1]
    lies = {
        "entries": (),
        "signature": bytes(64),
        "header": msgspec.structs.replace(message.header, tx_root=bytes(32)),
        "parent_certificate": msgspec.structs.replace(message.parent_certificate, seals=seals),
        "round": 2,
    }
    data = encode(msgspec.structs.replace(message, **{changed: lies[changed]}))
    verifier = Verifier(CHAIN, fake_verify)
    if changed == "entries":  # the signature covers what they must resolve to
        verifier.decode_and_verify(data, HERE.validators_at)
        return
    with pytest.raises((InvalidSignature, MalformedMessage)):
        verifier.decode_and_verify(data, HERE.validators_at)


def test_a_compact_proposal_counts_from_its_signer_only() -> None:
    data = encode(compact(proposed(A), place))
    keys = [validator.public_key for validator in HERE.validators.validators]
    verifier = Verifier(CHAIN, fake_verify)
    assert isinstance(verifier.decode_and_verify(data, HERE.validators_at, keys[1]), CompactProposal)
    with pytest.raises(MalformedMessage, match="passed on by another"):
        verifier.decode_and_verify(data, HERE.validators_at, keys[2])


def test_the_core_and_its_log_know_whole_proposals_only() -> None:
    with pytest.raises(CodecError):
        decode_message(encode(compact(proposed(A), place)))


def test_a_batchs_digest_is_under_a_domain_of_its_own() -> None:
    assert batch_digest(()).hex() == sha256(b"entente/gossip-batch/1\0").hex()
    assert batch_digest(A) == sha256(b"entente/gossip-batch/1\0" + b"".join(A))
    assert batch_digest(A) not in (merkle.root(A), batch_digest(A[::-1]))
