"""The chain's queries: what they answer, and what exactly they say where this node has no answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from contracts_py.token.deeds import ISSUES
from node.chain import transaction_pages
from node.chain.errors import (
    BlockNotFound,
    BlockPruned,
    BudgetSpent,
    CertificateNotFound,
    DigestNotFound,
    QueryError,
    RangeReversed,
    ReceiptsNotFound,
    StateAhead,
    StateDropped,
    TransactionPruned,
    ValidatorsUnknown,
)
from node.chain.feed import BlockFeed
from node.chain.indexing import ACCOUNT, CALL
from node.chain.pruning import Pruner
from node.chain.queries import ChainQueries
from node.chain.states import ReadBudget
from node.chain.transaction_pages import END_OF_BLOCK, FinalTransaction, TransactionPages
from node.store import StoreOptions
from tests.support.ledger import START_MS, LocalChain, address_of, program_op
from vm.params import PARAMS, Params
from vm.primitives.codec import encode
from vm.receipt import decode_receipt
from vm.transaction import parse_transaction

BLOCKS = 6
ANN = address_of("ann")


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[LocalChain]:
    """Six blocks with two issues each, of which two states before the head's are kept."""
    made = LocalChain(
        tmp_path / "data", [program_op("sun", "aurora")], options=StoreOptions(state_history_blocks=2)
    )
    for height in range(1, BLOCKS + 1):
        made.commit([issue(made, f"order-{height}-{index}") for index in range(2)])
    yield made
    made.close()


def issue(chain: LocalChain, ref: str) -> bytes:
    args = {"program": "sun", "to": ANN, "amount": 5, "ref": ref}
    return chain.sign("aurora-admin", [("token.issue", args)], expires=chain.ledger.head_time + 400)


@pytest.fixture
def queries(chain: LocalChain) -> ChainQueries:
    return ChainQueries(chain.genesis, chain.store)


def prune(chain: LocalChain, retain: int) -> None:
    chain.commit(time=chain.ledger.head_time + 60_000)
    pruner = Pruner(chain.ledger, BlockFeed(chain.store), retain)

    async def run() -> None:
        while await pruner.prune_one():
            pass

    asyncio.run(run())


def attributes(error: QueryError) -> dict[str, Any]:
    return vars(error)


def test_a_block_is_found_by_height_and_by_digest_with_what_belongs_to_it(
    chain: LocalChain, queries: ChainQueries
) -> None:
    block = queries.block(3)
    digest = queries.digest(3)
    assert queries.block_of_digest(digest) == block
    assert (queries.header(3), queries.time_of(3)) == (block.header, block.header.time)
    assert queries.certificate(3).digest == queries.own_certificate(3).digest == digest
    assert [decode_receipt(raw).height for raw in queries.receipts(3)] == [3, 3, 3]
    assert (queries.height, queries.head_time()) == (BLOCKS, chain.ledger.head_time)
    assert (queries.digest(0), queries.time_of(0)) == (chain.genesis.digest, START_MS)


def test_the_certificate_below_the_head_is_the_one_that_the_next_block_embeds(
    chain: LocalChain, queries: ChainQueries
) -> None:
    embedded = queries.block(4).parent_certificate
    assert embedded is not None
    fewer = replace(embedded, seals=embedded.seals[:3])
    chain.store.put_certificate(3, encode(fewer))
    assert (queries.certificate(3), queries.own_certificate(3)) == (embedded, fewer)
    assert queries.certificate(BLOCKS) == queries.own_certificate(BLOCKS)


def test_what_is_not_there_is_told_with_the_head(chain: LocalChain, queries: ChainQueries) -> None:
    for height in (0, BLOCKS + 1):
        with pytest.raises(BlockNotFound) as block:
            queries.block(height)
        assert attributes(block.value) == {"height": height, "head": BLOCKS}
        with pytest.raises(CertificateNotFound) as certificate:
            queries.certificate(height)
        assert attributes(certificate.value) == {"height": height, "head": BLOCKS}
        with pytest.raises(ReceiptsNotFound) as receipts:
            queries.receipts(height)
        assert attributes(receipts.value) == {"height": height}
    for digest in (b"x" * 32, chain.genesis.digest):
        with pytest.raises(DigestNotFound) as unknown:
            queries.block_of_digest(digest)
        assert attributes(unknown.value) == {"digest": digest}


def test_what_is_pruned_is_told_with_both_ends_and_headers_stay(chain: LocalChain, queries: ChainQueries) -> None:
    digest = queries.digest(2)
    headers = [queries.header(height) for height in range(1, BLOCKS + 1)]
    prune(chain, retain=2)
    queries = ChainQueries(chain.genesis, chain.store)
    for ask in (queries.block, queries.receipts, queries.require_kept, lambda _: queries.block_of_digest(digest)):
        with pytest.raises(BlockPruned) as pruned:
            ask(2)
        assert attributes(pruned.value) == {"height": 2, "oldest": 6, "head": 7}
    assert [queries.header(height) for height in range(1, BLOCKS + 1)] == headers
    assert queries.digest(2) == digest
    for height in (6, 7, 8):
        queries.require_kept(height)
    with pytest.raises(BlockNotFound):
        queries.require_kept(9)


def test_transactions_are_found_as_long_as_their_block_is_kept(chain: LocalChain, queries: ChainQueries) -> None:
    ids = [parse_transaction(raw).id for height in (2, 3) for raw in queries.block(height).transactions]
    assert [queries.find(tx_id) for tx_id in ids] == [(2, 0), (2, 1), (3, 0), (3, 1)]
    places = queries.places_of([*ids, b"x" * 32])
    assert places == {2: {ids[0]: 0, ids[1]: 1}, 3: {ids[2]: 0, ids[3]: 1}}
    assert queries.receipts_at(3, places[3])[ids[3]].id == ids[3].hex()
    expires = parse_transaction(queries.block(2).transactions[0]).body.expires
    assert not queries.may_be_pruned(expires)
    prune(chain, retain=2)
    assert queries.find(ids[0]) is None
    assert queries.pruned(ids[0]) is None, "an expired id is forgotten"
    assert queries.may_be_pruned(expires)
    assert queries.may_be_pruned(queries.time_of(5) + Params().max_tx_ttl_ms)
    assert not queries.may_be_pruned(queries.time_of(5) + Params().max_tx_ttl_ms + 1)


def test_a_transaction_below_a_snapshot_is_told_from_one_that_never_was(
    chain: LocalChain, queries: ChainQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign, kept = b"f" * 32, parse_transaction(queries.block(2).transactions[0]).id
    monkeypatch.setattr(chain.store, "contains_transaction", lambda tx_id: tx_id in (foreign, kept))
    error = queries.pruned(foreign)
    assert isinstance(error, TransactionPruned)
    assert attributes(error) == {"tx_id": foreign, "oldest": 1, "head": BLOCKS}
    assert queries.pruned(kept) is None
    assert queries.pruned(b"n" * 32) is None


def test_the_set_of_a_height_is_known_two_heights_ahead(chain: LocalChain, queries: ChainQueries) -> None:
    assert queries.validators(1) == chain.genesis.validator_set
    assert queries.validators(BLOCKS + 2) is queries.validators(1), "equal sets are one object"
    with pytest.raises(ValidatorsUnknown) as unknown:
        queries.validators(BLOCKS + 3)
    assert attributes(unknown.value) == {"height": BLOCKS + 3, "head": BLOCKS}


def test_states_are_read_by_height_within_what_is_kept(chain: LocalChain, queries: ChainQueries) -> None:
    states = queries.states
    for height in (BLOCKS - 2, BLOCKS):
        proved = states.proof("chain/params", height)
        assert proved.value == states.value("chain/params", height)
        assert PARAMS.get(states.at(height)) == queries.params()
    for ask in (states.value, states.proof, states.once_record):
        with pytest.raises(StateDropped) as dropped:
            ask("token/issue/sun/order-1-0", 1)
        assert attributes(dropped.value) == {"height": 1, "head": BLOCKS}
        with pytest.raises(StateAhead) as ahead:
            ask("token/issue/sun/order-1-0", BLOCKS + 1)
        assert attributes(ahead.value) == {"height": BLOCKS + 1, "head": BLOCKS}
    with pytest.raises(StateDropped):
        states.at(1)


def test_a_reader_stays_at_its_height_when_the_head_moves(chain: LocalChain, queries: ChainQueries) -> None:
    reader = queries.states.at(BLOCKS)
    chain.commit([issue(chain, "order-later")])
    assert ISSUES.get(reader, "sun", "order-later") is None
    assert ISSUES.get(reader, "sun", f"order-{BLOCKS}-1") is not None
    assert ISSUES.get(queries.states.head, "sun", "order-later") is not None


def test_searches_of_a_past_state_stay_within_the_caller_s_budget(chain: LocalChain, queries: ChainQueries) -> None:
    now = [0.0]

    def tick() -> float:
        now[0] += 1.0
        return now[0]

    past = queries.states.at(BLOCKS - 1, ReadBudget(1.5, tick))
    head = queries.states.at(BLOCKS, ReadBudget(0.0, tick))
    assert PARAMS.get(past) is not None
    assert PARAMS.get(past) is not None, "what was searched once is kept"
    assert ISSUES.get(past, "sun", "order-1-0") is not None
    assert now == [4.0]
    with pytest.raises(BudgetSpent) as spent:
        ISSUES.get(past, "sun", "order-1-1")
    assert attributes(spent.value) == {"height": BLOCKS - 1}
    assert PARAMS.get(past) is not None
    assert PARAMS.get(head) is not None, "the head is not searched"
    assert ISSUES.get(head, "sun", "order-1-1") is not None


def test_pages_hold_what_the_caller_makes_of_each_transaction(chain: LocalChain, queries: ChainQueries) -> None:
    pages = TransactionPages(queries)

    def where(found: FinalTransaction) -> tuple[int, int, str, int]:
        assert found.receipt.id == found.transaction.id.hex()
        assert found.time == queries.time_of(found.height)
        return found.height, found.index, found.receipt.status, len(found.transaction.body.ops)

    everything = [(height, index, "ok", 1) for height in range(1, BLOCKS + 1) for index in range(2)]
    for filters in ({}, {ACCOUNT: ANN}, {ACCOUNT: ANN, CALL: "token.issue"}):
        first = pages.page(filters, (None, None), None, 5, where)
        assert (first.items, first.next, first.complete_to) == (everything[:5], (3, 0), 2)
        second = pages.page(filters, (None, None), first.next, 100, where)
        assert (second.items, second.next) == (everything[5:], None)
        assert (second.complete_to, second.resume, second.oldest) == (BLOCKS, (BLOCKS, END_OF_BLOCK), 1)
    assert pages.page({ACCOUNT: address_of("bob")}, (2, 4), None, 5, where).items == []


def test_a_page_ends_where_the_blocks_read_for_it_are_large(
    queries: ChainQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction_pages, "MAX_BYTES", 1)
    pages, after, found = TransactionPages(queries), None, []
    for _ in range(BLOCKS):
        page = pages.page({ACCOUNT: ANN}, (None, None), after, 100, lambda one: (one.height, one.index))
        assert len(page.items) == 2
        found += page.items
        after = page.next
    assert found == [(height, index) for height in range(1, BLOCKS + 1) for index in range(2)]
    assert after is None


def test_a_range_that_is_reversed_or_not_here_is_refused(chain: LocalChain, queries: ChainQueries) -> None:
    pages = TransactionPages(queries)
    for heights, after, bound, height in (((5, 2), None, "from", 5), ((None, 2), (4, 0), "cursor", 4)):
        with pytest.raises(RangeReversed) as reversed_:
            pages.page({}, heights, after, 5, lambda found: found)
        assert attributes(reversed_.value) == {"bound": bound, "height": height, "to": 2}
    with pytest.raises(BlockNotFound):
        pages.page({}, (BLOCKS + 2, None), None, 5, lambda found: found)
