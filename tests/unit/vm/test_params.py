"""The bounds of every parameter, their relations, and that the largest block allowed fits every frame."""

from __future__ import annotations

from typing import Final

import msgspec
import pytest

from consensus.messages import PreparedCertificate, Proposal, RoundChangeVote, encode_message
from consensus.types import (
    MAX_BLOCK_TRANSACTIONS,
    MAX_VALIDATORS,
    Block,
    Candidate,
    Certificate,
    Header,
    Seal,
    certificate_hash,
)
from network.kinds import RULES, Kind
from network.messages import MAX_HASHES_PER_REQUEST, Blocks, GetTransactions, TransactionsReply
from node.peers.questions import MAX_REPLY_BYTES
from node.peers.transaction_fetcher import MAX_HASHES
from tests.support.ledger import key_of
from vm.params import BOUNDS, COST_PER_MS, Params
from vm.primitives.address import address_of_key
from vm.primitives.codec import encode
from vm.primitives.units import MAX_INT
from vm.transaction import MAX_TX_BYTES, encode_body, sign_body

LARGEST_BLOCK: Final = BOUNDS["max_block_bytes"][1]
CHAIN: Final = "a-1234567890abcdef"


def test_every_parameter_has_both_bounds_and_a_default_within_them() -> None:
    assert set(BOUNDS) == set(Params.__struct_fields__)
    assert Params().problems() == []


@pytest.mark.parametrize("name", Params.__struct_fields__)
def test_a_value_beyond_a_bound_is_named_with_the_bound(name: str) -> None:
    lowest, highest = BOUNDS[name]
    below = msgspec.structs.replace(Params(), **{name: lowest - 1}).problems()
    assert f"{name} must be at least {lowest}" in below
    above = msgspec.structs.replace(Params(), **{name: highest + 1}).problems()
    assert f"{name} must not exceed {highest}" in above


@pytest.mark.parametrize("place", [0, 1])
def test_the_bounds_themselves_may_be_used_together(place: int) -> None:
    assert Params(**{name: bounds[place] for name, bounds in BOUNDS.items()}).problems() == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"max_tx_cost": Params().max_block_cost + 1}, "max_tx_cost must not exceed max_block_cost"),
        ({"round_timeout_ms": 30_001}, "round_timeout_ms must not exceed round_timeout_max_ms"),
        ({"block_interval_ms": 60_000, "empty_block_interval_ms": 59_999}, "block_interval_ms must not exceed"),
        (
            {"round_timeout_ms": 1_000},
            f"max_block_cost must not exceed {250 * COST_PER_MS}: a quarter of round_timeout_ms",
        ),
        ({"max_tx_ttl_ms": 59_999}, "max_tx_ttl_ms must be at least replay_slot_ms"),
        ({"max_tx_ttl_ms": 60_000_001}, "max_tx_ttl_ms must not exceed 1000 times replay_slot_ms"),
    ],
)
def test_relations(changes: dict[str, int], problem: str) -> None:
    (found,) = Params(**changes).problems()
    assert found.startswith(problem)


def test_what_an_account_uses_in_a_window_is_an_exact_integer() -> None:
    assert BOUNDS["max_block_cost"][1] * BOUNDS["window_blocks"][1] <= MAX_INT


# -- the largest block --------------------------------------------------------------------------------


def smallest_transaction() -> bytes:
    key = key_of("somebody")
    body = encode_body(CHAIN, address_of_key(key.public_key), 0, 1, [("a.b", {})])
    return sign_body(body, [key])


def seals(count: int) -> tuple[Seal, ...]:
    return tuple(Seal(index, bytes([index % 256]) * 64) for index in range(count))


def certificate() -> Certificate:
    return Certificate(MAX_INT, MAX_INT, bytes(32), bytes(32), bytes(32), seals(MAX_VALIDATORS))


def header(tx_count: int) -> Header:
    zero = bytes(32)
    return Header(
        CHAIN, 1, MAX_INT, MAX_INT, zero, zero, certificate_hash(certificate()), zero, zero, tx_count, zero, zero
    )


def test_a_block_of_the_largest_size_fits_the_frame_of_block_sync() -> None:
    raw = smallest_transaction()
    count = LARGEST_BLOCK // len(raw)
    assert count <= MAX_BLOCK_TRANSACTIONS
    block = encode(Block(header(count), certificate(), (raw,) * count))
    reply = encode(Blocks(id=MAX_INT, items=((block, encode(certificate())),), oldest=MAX_INT))
    assert LARGEST_BLOCK < len(reply) <= RULES[Kind.BLOCKS].max_bytes


def test_a_proposal_of_the_largest_block_fits_its_frame_with_everyones_round_changes() -> None:
    count = LARGEST_BLOCK // len(smallest_transaction())
    candidate = Candidate(header(count), certificate(), (bytes(32),) * count)
    votes = tuple(RoundChangeVote(i, MAX_INT, bytes(32), bytes(64)) for i in range(MAX_VALIDATORS))
    prepared = PreparedCertificate(MAX_INT, bytes(32), seals(MAX_VALIDATORS))
    proposal = Proposal(MAX_INT, MAX_INT, 0, candidate, votes, prepared, bytes(64))
    assert len(encode_message(proposal)) <= RULES[Kind.CONSENSUS].max_bytes
    assert len(encode(candidate)) <= RULES[Kind.CANDIDATE].max_bytes


def test_transactions_of_the_largest_block_can_be_asked_for_and_sent() -> None:
    raw = smallest_transaction()
    asked = encode(GetTransactions(id=MAX_INT, hashes=(bytes(32),) * MAX_HASHES))
    assert MAX_HASHES <= MAX_HASHES_PER_REQUEST
    assert len(asked) <= RULES[Kind.GET_TRANSACTIONS].max_bytes
    items = (raw,) * min(MAX_HASHES, MAX_REPLY_BYTES // len(raw))
    assert len(encode(TransactionsReply(id=MAX_INT, items=items))) <= RULES[Kind.TRANSACTIONS_REPLY].max_bytes
    framing = (MAX_REPLY_BYTES // MAX_TX_BYTES + 1) * 5 + 64
    assert RULES[Kind.TRANSACTIONS_REPLY].max_bytes >= MAX_REPLY_BYTES + framing


def test_the_smallest_block_holds_the_largest_transaction() -> None:
    assert BOUNDS["max_block_bytes"][0] >= 2 * MAX_TX_BYTES
