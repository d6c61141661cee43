"""The chain, as a client outside the containers sees it: JSON-RPC over the published ports, and payments.

It uses the standard library for HTTP and the project's own encoding for transactions only, so that nothing of a
node runs on this side.
"""

from __future__ import annotations

import json
import secrets
import time
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from compose import DockerTestError

from genesis.testnet import TestnetAccount
from vm.transaction import encode_body, sign_body

TX_LIFETIME_MS = 120_000
POLL_S = 0.2


class Node:
    """One validator's JSON-RPC endpoint."""

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self._url = f"http://127.0.0.1:{port}/"

    def ask(self, method: str, timeout_s: float = 30, **params: Any) -> Any:
        """Return a method's result.

        Raises:
            DockerTestError: the node does not answer, or answers with an error.
        """
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._url, json.dumps(call).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as response:
                answer = json.load(response)
        except (OSError, ValueError) as error:
            raise DockerTestError(f"{self.name} did not answer {method}: {error}") from None
        if "error" in answer:
            raise DockerTestError(f"{self.name} refused {method}: {answer['error']}")
        return answer["result"]

    def head(self) -> tuple[int, int]:
        """Return the head's height and block time, (0, 0) before the first block."""
        header = self.ask("chain_head")["header"]
        return (header["height"], header["time"]) if header else (0, 0)

    def wait_height(self, height: int, timeout_s: float = 60) -> None:
        """Wait until the node has this block."""
        deadline = time.monotonic() + timeout_s
        while (head := self.head()[0]) < height:
            if time.monotonic() > deadline:
                raise DockerTestError(f"{self.name} is at height {head} after {timeout_s:.0f} s, not at {height}")
            time.sleep(POLL_S)

    def send(self, chain: str, account: TestnetAccount, call: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """Sign one operation, send it and return its receipt once it is final.

        Raises:
            DockerTestError: it was refused, or failed.
        """
        expires = max(self.head()[1], time.time_ns() // 1_000_000) + TX_LIFETIME_MS
        body = encode_body(chain, account.address, secrets.randbits(53), expires, [(call, args)])
        receipt: dict[str, Any] = self.ask("tx_send", tx=sign_body(body, [account.key()]).hex(), timeout_ms=20_000)
        if receipt["status"] != "ok":
            raise DockerTestError(f"{call} failed: {receipt['error']}")
        return receipt

    def available(self, program: str, address: str) -> int:
        """Return what an account can spend of a program."""
        available: int = self.ask("token_balance", program=program, account=address)["available"]
        return available


def same_ledger(nodes: Sequence[Node]) -> tuple[int, str]:
    """Make sure that the nodes have the same block and state at the highest height among them.

    Returns:
        The height and the state root.

    Raises:
        DockerTestError: they differ, or one does not get there.
    """
    height = max(node.head()[0] for node in nodes)
    found = {}
    for node in nodes:
        node.wait_height(height)
        digest = node.ask("chain_block", height=height)["digest"]
        found[node.name] = (digest, node.ask("chain_certificate", height=height)["state_root"])
    if len(set(found.values())) != 1:
        raise DockerTestError(f"digest and state root differ at height {height}: {found}")
    return height, found[nodes[0].name][1]
