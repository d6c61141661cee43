"""Tills at real validators, at one moment: a balance is spent once, a request that goes everywhere pays once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.network import LocalNetwork
from tests.support.programs import CREATE_PROGRAM, balance, issue
from tests.support.same_chain import wait_same_head
from vm.primitives.address import address_of_key
from vm.primitives.keys import SigningKey

pytestmark = pytest.mark.integration

VALIDATORS = range(4)
ROUNDS = 5


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNetwork]:
    with LocalNetwork(tmp_path_factory.mktemp("tills") / "net", ops=[CREATE_PROGRAM]) as running:
        yield running


def shopper(network: LocalNetwork, name: str, points: int) -> tuple[str, SigningKey]:
    """Return a new account with points, and its key."""
    key = SigningKey(name.encode().ljust(32, b"."))
    address = address_of_key(key.public_key)
    issue(network, 0, address, points, f"for-{name}")
    return address, key


def redemption(network: LocalNetwork, account: str, key: SigningKey, amount: int, ref: str) -> str:
    """Return a till's request: aurora's cashier sends it, the shopper has signed too."""
    till, till_key = network.account("aurora-admin")
    args = {"program": "miles", "from": account, "amount": amount, "at_brand": "aurora", "ref": ref}
    return network.sign(till, till_key, [("token.redeem", args)], cosigners=[key])


def try_send(network: LocalNetwork, index: int, raw: str) -> dict[str, Any] | None:
    """Return what a validator answers; None where it is dead."""
    document = {"jsonrpc": "2.0", "id": 1, "method": "tx_send", "params": {"tx": raw}}
    try:
        answer: dict[str, Any] = network.post(index, document, timeout_s=60)
    except OSError:
        return None
    return answer


def at_once(network: LocalNetwork, requests: Sequence[tuple[int, str]]) -> list[dict[str, Any] | None]:
    """Send requests to validators at one moment; return the answers."""
    with ThreadPoolExecutor(len(requests)) as tills:
        return list(tills.map(lambda request: try_send(network, *request), requests))


def outcome(answer: dict[str, Any] | None) -> str:
    assert answer is not None
    receipt = answer["result"]
    return str(receipt["status"] if receipt["status"] == "ok" else receipt["error"]["code"])


def redeemed(network: LocalNetwork) -> int:
    wait_same_head(network, VALIDATORS)
    found = {network.call(i, "token_supply", program="miles")["redeemed"] for i in VALIDATORS}
    assert len(found) == 1
    return int(found.pop())


def test_one_balance_is_spent_once_at_four_validators(network: LocalNetwork) -> None:
    account, key = shopper(network, "ann", 100)
    before = redeemed(network)
    requests = [(n % 4, redemption(network, account, key, 100, f"whole-{n}")) for n in range(20)]
    assert Counter(map(outcome, at_once(network, requests))) == {"ok": 1, "INSUFFICIENT_BALANCE": 19}
    assert redeemed(network) == before + 100
    assert [balance(network, i, account) for i in VALIDATORS] == [0] * 4


def test_as_many_tills_are_served_as_the_balance_has_room_for(network: LocalNetwork) -> None:
    account, key = shopper(network, "bob", 75)
    before = redeemed(network)
    requests = [(n % 4, redemption(network, account, key, 10, f"part-{n}")) for n in range(20)]
    assert Counter(map(outcome, at_once(network, requests))) == {"ok": 7, "INSUFFICIENT_BALANCE": 13}
    assert redeemed(network) == before + 70
    assert [balance(network, i, account) for i in VALIDATORS] == [5] * 4


def test_a_request_at_three_validators_pays_once(network: LocalNetwork) -> None:
    account, key = shopper(network, "eve", 1_000)
    for turn in range(ROUNDS):
        raw = redemption(network, account, key, 100, f"everywhere-{turn}")
        answers = at_once(network, [((turn + n) % 4, raw) for n in range(3)])
        assert {outcome(answer) for answer in answers} == {"ok"}
        assert len({answer["result"]["id"] for answer in answers if answer}) == 1
        assert balance(network, 0, account) == 1_000 - 100 * (turn + 1)


def test_a_request_that_was_signed_anew_is_told_of_the_first(network: LocalNetwork) -> None:
    account, key = shopper(network, "max", 1_000)
    requests = [(n, redemption(network, account, key, 100, "anew")) for n in range(3)]
    answers = at_once(network, requests)
    assert Counter(map(outcome, answers)) == {"ok": 1, "DUPLICATE_REF": 2}
    receipts = [answer["result"] for answer in answers if answer]
    paid = next(receipt["id"] for receipt in receipts if receipt["status"] == "ok")
    assert {r["error"]["details"]["tx"] for r in receipts if r["status"] != "ok"} == {paid}
    assert balance(network, 3, account) == 900


def test_a_request_at_three_validators_of_which_one_is_killed_pays_once(network: LocalNetwork) -> None:
    account, key = shopper(network, "kim", 1_000)
    for turn in range(ROUNDS):
        raw = redemption(network, account, key, 100, f"killed-{turn}")
        dead = turn % 4
        asked = [dead, (dead + 1) % 4, (dead + 2) % 4]
        with ThreadPoolExecutor(4) as tills:
            answers = [tills.submit(try_send, network, index, raw) for index in asked]
            tills.submit(network.kill, dead).result()
            found = [answer.result() for answer in answers]
        assert {outcome(answer) for answer in found[1:]} == {"ok"}
        assert found[0] is None or outcome(found[0]) == "ok"
        network.start(dead)
        network.wait_ready([dead])
        # The till asks again where it got no answer, with the same bytes.
        assert outcome(try_send(network, dead, raw)) == "ok"
        wait_same_head(network, VALIDATORS)
        assert [balance(network, i, account) for i in VALIDATORS] == [1_000 - 100 * (turn + 1)] * 4
