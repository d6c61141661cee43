"""What reads cost through the dispatcher: `python -m tests.bench.bench_reads`.

A chain of 200 blocks with 20 transactions each. Calls for blocks and receipts ask for another height each time, so
that what was read last answers none of them. The figure is the best of several passes, in µs of CPU a call: parsing
the request, the query, and rendering the answer. Wall time would count the rests of reads that follow each other.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import orjson

from node.gateway import Gateway
from node.gateway.dispatch import Caller
from node.runtime.config import NodeConfig
from tests.support.ledger import LocalChain, LocalNode, address_of, program_op
from vm.transaction import parse_transaction

BLOCKS: Final = 200
PER_BLOCK: Final = 20
CALLS: Final = 400
PASSES: Final = 7


def built(chain: LocalChain) -> list[str]:
    """Commit the blocks; return the ids of all transactions."""
    ids = []
    for height in range(BLOCKS):
        raws = []
        for index in range(PER_BLOCK):
            to = address_of(f"shopper-{(height * PER_BLOCK + index) % 500}")
            raws.append(chain.sign("aurora-admin", [("token.issue", {"program": "sun", "to": to, "amount": 5})]))
        chain.commit(raws)
        ids += [parse_transaction(raw).id.hex() for raw in raws]
    return ids


def requests(ids: Sequence[str]) -> dict[str, list[bytes]]:
    """Return the bodies of each kind of call."""

    def bodies(method: str, params: Sequence[Any]) -> list[bytes]:
        return [orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": each}) for each in params]

    spread = [ids[place * 37 % len(ids)] for place in range(CALLS)]
    accounts = [address_of(f"shopper-{place * 7 % 500}") for place in range(CALLS)]
    heights = [1 + place * 7 % BLOCKS for place in range(CALLS)]
    asked = [{"program": "sun", "account": who} for who in accounts]
    past = [{"view": "token_balance", "args": args, "height": BLOCKS - 1} for args in asked]
    return {
        "chain_receipt": bodies("chain_receipt", [[tx_id] for tx_id in spread]),
        "chain_receipt, proof": bodies("chain_receipt", [[tx_id, True] for tx_id in spread]),
        "chain_block": bodies("chain_block", [[height] for height in heights]),
        "state_get": bodies("state_get", [[f"token/program/{name}"] for name in ["sun"] * CALLS]),
        "state_proof": bodies("state_proof", [["chain/params"]] * CALLS),
        "token_balance": bodies("token_balance", [["sun", who] for who in accounts]),
        "state_view, past height": bodies("state_view", past),
        "chain_transactions, account": bodies("chain_transactions", [{"account": who} for who in accounts[:40]]),
    }


async def measured(gateway: Gateway, bodies: Sequence[bytes]) -> float:
    """Return µs a call of the best pass."""
    dispatcher, allowed = gateway._desk.dispatcher, Caller()
    best = float("inf")
    for _ in range(PASSES):
        began = time.thread_time()
        for body in bodies:
            reply = await dispatcher.handle(body, allowed)
        best = min(best, time.thread_time() - began)
        if reply.body is None or b'"error":{' in reply.body[:40]:
            raise AssertionError(reply.body)
    return best / len(bodies) * 1e6


async def run() -> dict[str, float]:
    """Measure every kind of call."""
    with TemporaryDirectory() as folder:
        chain = LocalChain(Path(folder) / "data", [program_op("sun", "aurora")])
        gateway = Gateway(LocalNode(chain), NodeConfig(rpc_port=0))
        kinds = requests(built(chain))
        found = {kind: await measured(gateway, bodies) for kind, bodies in kinds.items()}
        chain.close()
    return found


def main() -> None:
    """Print the figures, as JSON with --json."""
    found = asyncio.run(run())
    if "--json" in sys.argv:
        print(json.dumps(found))
        return
    for kind, cost in found.items():
        print(f"{kind:<30}{cost:>10.1f} µs")


if __name__ == "__main__":
    main()
