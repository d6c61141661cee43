"""What a block's execution wrote is what the next block reads, and what a node reads that has just restarted."""

from __future__ import annotations

from pathlib import Path

from node.chain.ledger import Executed
from tests.support.ledger import LocalChain, Op, address_of, program_op
from vm.block_execution import Written

PROGRAM = program_op("miles", "aurora")
ISSUE: Op = ("token.issue", {"program": "miles", "to": address_of("ann"), "amount": 10, "ref": "one"})


def transfer(amount: int) -> Op:
    return "token.transfer", {"program": "miles", "to": address_of("bob"), "amount": amount}


def written_by(chain: LocalChain, signer: str, op: Op) -> Written:
    """Commit a block with one operation; return what it wrote."""
    commit, found = chain.ledger.commit, []

    def watched(executed: Executed, *rest: object) -> None:
        found.append(executed.result.written)
        commit(executed, *rest)  # type: ignore[arg-type]

    chain.ledger.commit = watched  # type: ignore[assignment, method-assign]
    try:
        chain.commit([chain.sign(signer, [op])])
    finally:
        chain.ledger.commit = commit  # type: ignore[method-assign]
    return found[0]


def test_what_was_written_is_read_as_it_was_decoded(tmp_path: Path) -> None:
    chain = LocalChain(tmp_path, [PROGRAM])
    blocks = [written_by(chain, *step) for step in (("aurora-admin", ISSUE), ("ann", transfer(3)))]
    blocks.append(written_by(chain, "ann", transfer(7)))  # all that is left: a lot goes
    last = blocks[-1]
    assert None in last.cells.values()
    assert sum(cell is not None for cell in last.cells.values()) > 3
    for key, cell in last.cells.items():
        if cell is None:
            assert chain.store.reader.value(key) is None
        else:
            assert chain.store.reader.cell(key, last.types[key]) is cell, "decoded once more"
    chain.close()
    restarted = LocalChain(tmp_path, [PROGRAM])
    for key, cell in last.cells.items():
        if cell is None:
            assert restarted.store.reader.value(key) is None
        else:
            assert restarted.store.reader.cell(key, last.types[key]) == cell
    restarted.close()
