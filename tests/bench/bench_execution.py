"""What executing a block costs per transaction: 2,000 transfers, then 2,000 issues, over a state in memory.

Run: .venv/bin/python -m tests.bench.bench_execution [--profile]

Signature checks, database and state commitment are not in it; encoding of receipts and changes is
shown apart. Values changed by the block before are decoded anew, as in a node. CPU time, medians over blocks.
"""

from __future__ import annotations

import cProfile
import gc
import pstats
import statistics
import sys
import time
from collections.abc import Callable, Sequence

from tests.contract_harness import Chain, account_of, brand_ops, program_args
from vm.block_execution import BlockContext, BlockExecution
from vm.contract_api import Context
from vm.params import Params
from vm.runtime import Runtime
from vm.transaction import Transaction

TRANSACTIONS = 2_000
BLOCKS = 12
ACCOUNTS = 1_000

YEAR = {"kind": "days", "days": 365}


def prepared_chain() -> Chain:
    """Return a chain on which every account holds points."""
    ops = [*brand_ops("aurora"), ("token.create_program", program_args("stars", "aurora", expiry=YEAR))]
    chain = Chain(ops, Params(max_block_cost=10**9, account_cost_per_window=10**9), watched=False)
    issues = [
        ("token.issue", {"program": "stars", "to": account_of(f"p{i}"), "amount": 10**9}) for i in range(ACCOUNTS)
    ]
    for start in range(0, ACCOUNTS, 500):
        receipt = chain.send_ops("aurora-issuer", issues[start : start + 500])
        assert receipt.status == "ok", receipt.error
    return chain


def transfers(chain: Chain, block: int) -> list[Transaction]:
    """Return one block's plain transfers between accounts that hold the same lot."""
    made = []
    for i in range(TRANSACTIONS):
        sender, to = f"p{i % ACCOUNTS}", account_of(f"p{(i * 7 + block + 1) % ACCOUNTS}")
        if account_of(sender) == to:
            to = account_of(f"p{(i + 1) % ACCOUNTS}")
        op = ("token.transfer", {"program": "stars", "to": to, "amount": 5})
        made.append(chain.transaction(account_of(sender), [op], [sender]))
    return made


def issues(chain: Chain, block: int) -> list[Transaction]:
    """Return one block's issues, each with a ref, to accounts that hold the lot already."""
    made = []
    for i in range(TRANSACTIONS):
        args = {"program": "stars", "to": account_of(f"p{i % ACCOUNTS}"), "amount": 7, "ref": f"{block}-{i}"}
        made.append(chain.transaction(account_of("aurora-issuer"), [("token.issue", args)], ["aurora-issuer"]))
    return made


def measure(chain: Chain, make: Callable[[Chain, int], Sequence[Transaction]]) -> tuple[float, float]:
    """Return (execution, encoding of receipts and changes) in CPU µs per transaction, medians over blocks."""
    executing, encoding = [], []
    for block in range(BLOCKS):
        batch = make(chain, block)
        context = BlockContext("test", chain.height + 1, chain.time + 200, chain.time)
        execution = BlockExecution(chain.runtime, chain.state, context, batch)
        started = time.thread_time()
        execution.run(len(batch))
        middle = time.thread_time()
        result = execution.result()
        ended = time.thread_time()
        failed = [receipt.error for receipt in result.receipts if receipt.status != "ok"]
        assert not failed, failed[0]
        executing.append((middle - started) / len(batch) * 1e6)
        encoding.append((ended - middle) / len(batch) * 1e6)
        chain.height, chain.time = context.height, context.time
        chain.state.write(result.changes)
    return statistics.median(executing), statistics.median(encoding)


def measure_call_alone(chain: Chain, make: Callable[[Chain, int], Sequence[Transaction]]) -> float:
    """Return CPU µs per `Runtime.invoke_call`: argument checks and contract, without the frame around it."""
    batch = make(chain, 1_000)
    execution = BlockExecution(chain.runtime, chain.state, BlockContext("test", 1, chain.time, chain.time), [])
    overlay = execution._overlay
    contexts = [
        Context(
            overlay, "test", 1, chain.time, 10**9, sender=tx.body.sender, signers=tx.signer_addresses, tx_id="00"
        )
        for tx in batch
    ]
    runtime: Runtime = chain.runtime
    started = time.thread_time()
    for ctx, tx in zip(contexts, batch, strict=True):
        overlay.begin()
        name, args = tx.body.ops[0]
        runtime.invoke_call(ctx, name, args)
    return (time.thread_time() - started) / len(batch) * 1e6


def main() -> None:
    """Print the table."""
    chain = prepared_chain()
    gc.freeze()
    gc.disable()
    print(f"{'':10} {'execute':>9} {'of it call':>11} {'encode':>8}   CPU µs per transaction")
    for name, make in (("transfer", transfers), ("issue", issues)):
        if "--profile" in sys.argv:
            profile = cProfile.Profile()
            profile.runcall(measure, chain, lambda chain, block, make=make: make(chain, block + BLOCKS))
            pstats.Stats(profile).sort_stats("tottime").print_stats(22)
        executing, encoding = measure(chain, make)
        alone = measure_call_alone(chain, make)
        print(f"{name:10} {executing:9.1f} {alone:11.1f} {encoding:8.1f}")


if __name__ == "__main__":
    main()
