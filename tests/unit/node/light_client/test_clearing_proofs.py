"""Every line of a statement is proved to someone who holds the genesis document alone; and that none is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts_py.registry import contracts
from node.gateway.presentation import dumps
from node.gateway.state_methods import StateMethods
from node.light_client.documents import verify_state
from node.light_client.errors import VerificationFailed
from tests.support.clearing import EUR, Till, limit_op
from tests.support.ledger import LocalChain, LocalNode
from vm.runtime import Runtime

MONTH = "2026-01"


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalChain]:
    """A chain on which aurora and basil owe each other."""
    folder: Path = tmp_path_factory.mktemp("clearing")
    listed, authority = contracts()
    limits = [limit_op("aurora", "basil", 1_000), limit_op("basil", "aurora", 1_000)]
    chain = LocalChain(folder / "data", limits, runtime=Runtime([*listed, Till()], authority))
    for n in range(3):
        ops = [
            ("till.book", {"debtor": debtor, "creditor": creditor, "price": EUR, "units": 10 + n, "ref": f"r-{n}"})
            for debtor, creditor in (("aurora", "basil"), ("basil", "aurora"))
        ]
        chain.commit([chain.sign("aurora-admin", ops)])
    chain.commit()
    yield chain
    chain.close()


@pytest.fixture
def methods(chain: LocalChain) -> StateMethods:
    return StateMethods(LocalNode(chain))


def proved(methods: StateMethods, chain: LocalChain, key: str) -> Any:
    """Return the value at a key, as what a node answers proves it."""
    document = json.loads(dumps(methods.proof(key)))
    found = verify_state(document, chain.genesis)
    assert (found.key, found.exists) == (key, True)
    return found.value


def test_each_line_of_both_sides_is_proved_with_its_transaction(methods: StateMethods, chain: LocalChain) -> None:
    for debtor, creditor in (("aurora", "basil"), ("basil", "aurora")):
        pair = proved(methods, chain, f"clearing/pair/EUR/{MONTH}/{debtor}/{creditor}")
        assert (pair["lines"], pair["sum"]) == (3, 33)
        lines = [
            proved(methods, chain, f"clearing/line/EUR/{MONTH}/{debtor}/{creditor}/{n}")
            for n in range(pair["lines"])
        ]
        assert sum(line["amount"] for line in lines) == pair["sum"]
        assert [line["cause"] for line in lines] == [{"kind": "redemption", "ref": f"r-{n}"} for n in range(3)]
        for line in lines:
            assert chain.store.contains_transaction(bytes.fromhex(line["tx"]))


def test_a_line_that_was_changed_proves_nothing(methods: StateMethods, chain: LocalChain) -> None:
    document = json.loads(dumps(methods.proof(f"clearing/line/EUR/{MONTH}/aurora/basil/1")))
    value = bytearray.fromhex(document["value_bytes"])
    place = value.index(b"amount") + len(b"amount")
    assert value[place] == 11
    value[place] = 12
    document["value_bytes"] = value.hex()
    document["value"]["amount"] = 12
    with pytest.raises(VerificationFailed):
        verify_state(document, chain.genesis)
