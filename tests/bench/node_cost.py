"""What one transaction costs one node, signature apart, measured in process: the bound's denominator.

One node's work for a transaction, without network and consensus messages: parse, admission's state checks,
judging, execution, state commitment, and the synced LevelDB batch, in blocks of 2,000 transfers.
"""

from __future__ import annotations

import time
from pathlib import Path

from consensus.types import Certificate, Roots, header_digest
from genesis.document import Genesis
from genesis.protocol import build_runtime
from genesis.testnet import create_testnet
from node.assembly.opening import open_store
from node.chain.ledger import Ledger
from node.pool.mempool import Mempool, check_admissible
from node.pool.mempool_lanes import Origin
from node.runtime.config import NodeConfig
from node.validator.block_builder import BlockBuilder
from tests.support.network import Op
from tests.support.programs import CREATE_PROGRAM
from vm.params import Params
from vm.primitives.address import address_of_key
from vm.primitives.keys import SigningKey
from vm.transaction import encode_body, parse_transaction, sign_body, signatures_valid

BLOCK_TRANSACTIONS = 2_000
BLOCKS = 5
ACCOUNTS = 2_000
ROOMY = Params(round_timeout_ms=5_000, max_block_cost=3_000_000)
"""For blocks larger than the default allows."""


def measure_node_cost(folder: Path) -> tuple[float, float]:
    """Return (µs per transaction without its signature, µs per PyNaCl verification)."""
    keys = [SigningKey(index.to_bytes(32, "big")) for index in range(1, ACCOUNTS + 1)]
    addresses = [address_of_key(key.public_key) for key in keys]
    funding: list[Op] = [
        ("token.issue", {"program": "miles", "to": address, "amount": 1_000_000, "ref": f"cost-{i}"})
        for i, address in enumerate(addresses)
    ]
    manifest = create_testnet(folder, params=ROOMY, ops=[CREATE_PROGRAM, *funding])
    genesis = Genesis.load(Path(manifest.genesis))
    runtime = build_runtime()
    store = open_store(folder / "cost-home", NodeConfig(), genesis, runtime)
    ledger = Ledger(genesis, runtime, store, genesis.validators[0].public_key)
    mempool = Mempool(NodeConfig())
    builder = BlockBuilder(ledger, mempool, genesis.validators[0].public_key)
    now = genesis.document.time
    raws = []
    for index in range(BLOCK_TRANSACTIONS * BLOCKS):
        sender, to = index % ACCOUNTS, (index * 7 + 1) % ACCOUNTS
        args = {"program": "miles", "to": addresses[to if to != sender else to - 1], "amount": 1}
        body = encode_body(genesis.chain, addresses[sender], index, now + 590_000, [("token.transfer", args)])
        raws.append(sign_body(body, [keys[sender]]))
    spent = 0.0
    for block in range(BLOCKS):
        begun = time.process_time()
        for raw in raws[block * BLOCK_TRANSACTIONS : (block + 1) * BLOCK_TRANSACTIONS]:
            tx = parse_transaction(raw)
            if not store.contains_transaction(tx.id):
                check_admissible(tx, ledger, now)
                origin = Origin("", ledger.brands_of(tx))
                mempool.add(tx, origin, mempool.check_room(tx, origin))
        _commit_one(ledger, builder, mempool)
        if block:  # the first block warms the caches
            spent += time.process_time() - begun
    transactions = [parse_transaction(raw) for raw in raws[:BLOCK_TRANSACTIONS]]
    begun = time.process_time()
    assert all(signatures_valid(tx) for tx in transactions)
    verify = time.process_time() - begun
    store.close()
    return spent * 1e6 / (BLOCK_TRANSACTIONS * (BLOCKS - 1)), verify * 1e6 / BLOCK_TRANSACTIONS


def _commit_one(ledger: Ledger, builder: BlockBuilder, mempool: Mempool) -> None:
    context = ledger.height_context()
    # No certificate is needed to measure: block 1's shape, nil, is used for each.
    transactions = builder.select(context.parent_time + 1)
    assert len(transactions) == BLOCK_TRANSACTIONS
    candidate = builder.build(context, None, context.parent_time + 1, transactions)
    assert ledger.fault_in(candidate.header, transactions) is None
    execution = ledger.execute(candidate, transactions)
    while not execution.run(64):
        pass
    executed = execution.finish()
    roots: Roots = executed.roots
    digest = header_digest(candidate.header)
    certificate = Certificate(context.height, 0, digest, roots.state_root, roots.receipts_root, ())
    ledger.commit(executed, certificate)
    mempool.remove_committed([tx.id for tx in transactions])
