"""What must hold after any trouble: one chain on all validators, every receipt in it, no point made or lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tests.support.network import LocalNetwork
from tests.support.open_load import FUNDS, Accounts

BATCH = 400


def wait_same_head(network: LocalNetwork, indexes: Sequence[int], timeout_s: float = 60.0) -> int:
    """Wait until validators have the height of the most advanced one, compare what they hold there, return it."""
    target = max(network.height(i) for i in indexes)
    for i in indexes:
        network.wait_for(lambda i=i: network.height(i) >= target, f"validator {i} at height {target}", timeout_s)
    blocks = [network.call(i, "chain_certificate", height=target) for i in indexes]
    assert len({(b["digest"], b["state_root"], b["receipts_root"]) for b in blocks}) == 1
    return target


def check_same_chain(network: LocalNetwork, indexes: Sequence[int]) -> int:
    """Check that validators hold the same blocks and roots at every height; return how many there are."""
    height = wait_same_head(network, indexes)
    chains = []
    for index in indexes:
        certificates = batch(network, index, [("chain_certificate", {"height": h}) for h in range(1, height + 1)])
        chains.append([(c["digest"], c["state_root"], c["receipts_root"]) for c in certificates])
    for number in range(height):
        assert len({chain[number] for chain in chains}) == 1, f"validators differ at height {number + 1}"
    return height


def check_receipts(
    network: LocalNetwork, indexes: Sequence[int], receipts: Mapping[str, Mapping[str, Any]]
) -> None:
    """Check that what clients were told is what every validator holds, and that nothing is in the chain twice."""
    height = min(network.height(i) for i in indexes)
    blocks = batch(network, indexes[0], [("chain_block", {"height": h}) for h in range(1, height + 1)])
    committed = [tx_id for block in blocks for tx_id in block["transactions"]]
    assert len(committed) == len(set(committed)), "an id is in the chain twice"
    ids = list(receipts)
    for index in indexes:
        found = batch(network, index, [("chain_transaction", {"id": tx_id}) for tx_id in ids])
        for tx_id, answer in zip(ids, found, strict=True):
            assert receipts[tx_id]["status"] == "ok", receipts[tx_id]
            assert answer["receipt"] == receipts[tx_id], f"validator {index} holds another receipt of {tx_id}"


def check_supply(network: LocalNetwork, indexes: Sequence[int], accounts: Accounts) -> None:
    """Check that the accounts hold together what was issued to them."""
    issued = FUNDS * len(accounts.addresses)
    asked = [("token_balance", {"program": "miles", "account": address}) for address in accounts.addresses]
    for index in indexes:
        supply = network.call(index, "token_supply", program="miles")
        assert supply["issued"] == supply["outstanding"] == issued, supply
        assert sum(balance["available"] for balance in batch(network, index, asked)) == issued


def batch(network: LocalNetwork, index: int, calls: Sequence[tuple[str, dict[str, Any]]]) -> list[Any]:
    """Call methods in batches and return their results in order."""
    results: list[Any] = []
    for part in _parts(calls):
        document = [
            {"jsonrpc": "2.0", "id": i, "method": method, "params": params}
            for i, (method, params) in enumerate(part)
        ]
        answers = {answer["id"]: answer for answer in network.post(index, document, timeout_s=60.0)}
        for i, (method, params) in enumerate(part):
            assert "error" not in answers[i], f"{method} {params} at validator {index}: {answers[i]['error']}"
            results.append(answers[i]["result"])
    return results


def _parts(calls: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(calls), BATCH):
        yield calls[start : start + BATCH]


def critical_lines(network: LocalNetwork, indexes: Iterable[int]) -> list[str]:
    """Return what validators logged as critical: a halt, or an unexpected exception."""
    found = []
    for index in indexes:
        lines = network.log_file(index).read_text(errors="replace").splitlines()
        found += [f"validator {index}: {line}" for line in lines if " CRITICAL " in line]
    return found
