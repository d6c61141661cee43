"""Every error of a query has its fault, with the code, reason, message and data that clients know."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest

from node.chain import errors
from node.chain.errors import NotFound, NotKept, QueryError
from node.gateway.dispatch import fault_of
from node.gateway.query_faults import query_fault

ID = b"\xab" * 32
HEX = ID.hex()

FAULTS = [
    (
        errors.BlockNotFound(9, 7),
        '{"code":-32001,"message":"no block 9; the head is 7","data":{"reason":"NOT_FOUND","height":9,"head":7}}',
    ),
    (
        errors.DigestNotFound(ID),
        f'{{"code":-32001,"message":"no block has this digest","data":{{"reason":"NOT_FOUND","digest":"{HEX}"}}}}',
    ),
    (
        errors.CertificateNotFound(9, 7),
        '{"code":-32001,"message":"no certificate of height 9; the head is 7",'
        '"data":{"reason":"NOT_FOUND","height":9,"head":7}}',
    ),
    (
        errors.ReceiptsNotFound(9),
        '{"code":-32001,"message":"no receipts of height 9","data":{"reason":"NOT_FOUND","height":9}}',
    ),
    (
        errors.ValidatorsUnknown(9, 7),
        '{"code":-32001,"message":"the validators of height 9 are not known yet; the head is 7",'
        '"data":{"reason":"NOT_FOUND","height":9,"head":7}}',
    ),
    (
        errors.StateAhead(9, 7),
        '{"code":-32001,"message":"no state of height 9; the head is 7",'
        '"data":{"reason":"NOT_FOUND","height":9,"head":7}}',
    ),
    (
        errors.BlockPruned(2, 5, 7),
        '{"code":-32001,"message":"block 2 is pruned; the oldest kept by this node is 5",'
        '"data":{"reason":"BLOCK_PRUNED","height":2,"oldest":5,"head":7}}',
    ),
    (
        errors.TransactionPruned(ID, 5, 7),
        '{"code":-32001,'
        '"message":"the transaction is below block 5, the oldest kept by this node; ask another node",'
        f'"data":{{"reason":"BLOCK_PRUNED","id":"{HEX}","oldest":5,"head":7}}}}',
    ),
    (
        errors.StateDropped(2, 7, "the state of height 2 is pruned; the oldest kept is 5"),
        '{"code":-32001,"message":"the state of height 2 is pruned; the oldest kept is 5",'
        '"data":{"reason":"STATE_PRUNED","height":2,"head":7}}',
    ),
    (
        errors.NotIndexed("transactions by id", 7),
        '{"code":-32001,"message":"this node indexes transactions by id from block 7 on only (store.index in its '
        'node.toml); ask another node","data":{"reason":"NOT_INDEXED","from":7}}',
    ),
    (
        errors.BudgetSpent(2),
        '{"code":-32005,"message":"too many values of height 2 are needed; ask for less, or for a later height",'
        '"data":{"reason":"OUT_OF_BUDGET","height":2}}',
    ),
    (
        errors.RangeReversed("from", 9, 3),
        '{"code":-32602,"message":"the range is reversed: `from` is at 9, `to` is 3",'
        '"data":{"reason":"INVALID_PARAMS","param":"to"}}',
    ),
]


def kinds(of: type[QueryError]) -> Iterator[type[QueryError]]:
    for kind in of.__subclasses__():
        yield kind
        yield from kinds(kind)


@pytest.mark.parametrize(("error", "answer"), FAULTS, ids=lambda value: type(value).__name__)
def test_an_error_of_a_query_is_told_as_it_ever_was(error: QueryError, answer: str) -> None:
    assert orjson.dumps(query_fault(error).as_object()).decode() == answer
    assert orjson.dumps(fault_of(error, "chain_block").as_object()).decode() == answer


def test_every_kind_of_error_has_its_fault() -> None:
    assert {type(error) for error, _ in FAULTS} == set(kinds(QueryError)) - {NotFound, NotKept}


def test_a_kind_without_a_fault_is_our_own_error() -> None:
    with pytest.raises(TypeError, match="NotFound has no fault"):
        query_fault(NotFound())
