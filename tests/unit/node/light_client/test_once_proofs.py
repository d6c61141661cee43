"""Once-records through the gateway: found and proved at every height, and no absence that a proof would show."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts_py.token.deeds import ISSUES
from node.gateway.errors import RpcFault
from node.gateway.presentation import dumps
from node.gateway.state_methods import StateMethods
from node.light_client.documents import verify_state
from node.light_client.errors import VerificationFailed
from tests.support.ledger import LocalChain, LocalNode, address_of, program_op

pytestmark = pytest.mark.usefixtures("each_engine")

ANN = address_of("ann")
Change = Callable[[dict[str, Any]], object]


def key(number: int) -> str:
    return f"token/issue/sun/order-{number}"


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalChain]:
    """A chain of which each block from the first to the fourth issues under 100 references, and one more."""
    folder: Path = tmp_path_factory.mktemp("once")
    chain = LocalChain(folder / "data", [program_op("sun", "aurora")])
    for block in range(4):
        ops = [
            ("token.issue", {"program": "sun", "to": ANN, "amount": 1, "ref": f"order-{block * 100 + n}"})
            for n in range(100)
        ]
        chain.commit([chain.sign("aurora-admin", ops)])
    chain.commit()
    yield chain
    chain.close()


@pytest.fixture
def methods(chain: LocalChain) -> StateMethods:
    return StateMethods(LocalNode(chain))


def document(methods: StateMethods, number: int, height: int | None = None) -> dict[str, Any]:
    """Return what a client gets."""
    found: dict[str, Any] = json.loads(dumps(methods.proof(key(number), height)))
    return found


@pytest.mark.parametrize(("number", "height"), [(0, 1), (99, 1), (0, 4), (255, 3), (256, 3), (399, 4), (17, None)])
def test_a_record_is_proved_at_every_height_from_its_own_on(
    methods: StateMethods, chain: LocalChain, number: int, height: int | None
) -> None:
    found = document(methods, number, height)
    proved = verify_state(found, chain.genesis)
    assert (proved.key, proved.exists, proved.value["account"]) == (key(number), True, ANN)
    assert found["once"]["family"] == "token.issue"
    assert found["once"]["size"] == 100 * min(4, height or 4)
    assert methods.get(key(number), height) == found["value"]


@pytest.mark.parametrize(("number", "height"), [(100, 1), (399, 3), (400, None), (0, 0)])
def test_what_is_not_there_yet_is_not_found_and_nothing_proves_it(
    methods: StateMethods, number: int, height: int | None
) -> None:
    for ask in (methods.get, methods.proof):
        with pytest.raises(RpcFault) as fault:
            ask(key(number), height)
        assert fault.value.data["reason"] == "NOT_FOUND"


def other_value(found: dict[str, Any]) -> None:
    value = bytearray.fromhex(found["value_bytes"])
    value[-1] ^= 1
    found["value_bytes"] = value.hex()
    del found["value"]


def other_log(found: dict[str, Any]) -> None:
    log = bytearray.fromhex(found["once"]["log"])
    log[-40] ^= 1
    found["once"]["log"] = log.hex()


CHANGES: dict[str, Change] = {
    "another value": other_value,
    "another key": lambda found: found.update(key=key(5)),
    "another family's key": lambda found: found.update(key="token/redeem/sun/aurora/order-7"),
    "another place": lambda found: found["once"].update(index=8),
    "a place beyond the end": lambda found: found["once"].update(index=400),
    "another size": lambda found: found["once"].update(size=399),
    "another family": lambda found: found["once"].update(family="token.redeem"),
    "a shorter path": lambda found: found["once"]["path"].pop(),
    "another path": lambda found: found["once"]["path"].reverse(),
    "another log": other_log,
    "no log": lambda found: found["once"].pop("log"),
    "nothing about the log": lambda found: found.pop("once"),
    "another height": lambda found: found.update(height=2),
    "no proof": lambda found: found.pop("proof"),
}


@pytest.mark.parametrize("change", list(CHANGES.values()), ids=list(CHANGES))
def test_a_document_that_was_changed_proves_nothing(
    methods: StateMethods, chain: LocalChain, change: Change
) -> None:
    found = document(methods, 7, 4)
    verify_state(copy.deepcopy(found), chain.genesis)
    change(found)
    with pytest.raises(VerificationFailed):
        verify_state(found, chain.genesis)


def test_a_proof_of_the_trees_absence_is_no_proof_that_an_order_was_not_paid(
    methods: StateMethods, chain: LocalChain
) -> None:
    """The key of a record that exists is not in the tree: a node that lies could show so, under a true root."""
    store = chain.store
    absent = store.state_proof(key(7), 4)
    assert absent.value is None
    lie = {
        **document(methods, 7, 4),
        "value": None,
        "value_bytes": None,
        "proof": json.loads(dumps(absent.proof.to_json())),
    }
    with pytest.raises(VerificationFailed, match="cannot be proved"):
        verify_state(lie, chain.genesis)
    del lie["once"]
    with pytest.raises(VerificationFailed, match="cannot be proved"):
        verify_state(lie, chain.genesis)


def test_a_state_of_a_past_height_holds_the_records_up_to_it(chain: LocalChain) -> None:
    states = chain.ledger.queries.states
    before, after = states.at(1), states.at(2)
    assert ISSUES.get(before, "sun", "order-150") is None
    found = ISSUES.get(after, "sun", "order-150")
    assert found is not None
    assert found.account == ANN
