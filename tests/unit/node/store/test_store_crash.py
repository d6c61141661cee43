"""kill −9 at any moment loses no block that was acknowledged, and leaves no block half written."""

import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from node.store import BlockCommit, Store
from vm.primitives.codec import encode
from vm.state_tree import StateTree

pytestmark = pytest.mark.usefixtures("each_engine")

KILLS = 10


def changes_of(height: int) -> dict[str, bytes | None]:
    """Return what block `height` changes: a function of the height, so that anyone can recompute it."""
    changes: dict[str, bytes | None] = {f"k{height * 7 % 301 + i}": encode(height) for i in range(40)}
    changes[f"k{height * 5 % 301}"] = None
    return changes


def commit_forever(path: str) -> None:
    """Commit block after block, telling each height once it is written."""
    store = Store.open(path)
    while True:
        height = store.head.height + 1
        changes = changes_of(height)
        update = store.tree.update(changes)
        digest = sha256(b"%d" % height).digest()
        store.commit_block(
            BlockCommit(
                height, digest, digest * 200, b"c", update.root, digest, [digest] * 30, [digest], update, changes
            )
        )
        print(height, flush=True)


@pytest.mark.integration
def test_nothing_acknowledged_is_lost(tmp_path: Path):
    path = tmp_path / "data"
    store = Store.open(path)
    store.initialise(b"genesis", {}, 256)
    store.close()
    state: dict[str, bytes] = {}
    checked = 0
    for kill in range(KILLS):
        acknowledged = _run_and_kill(path, lines=5 + 4 * kill)
        store = Store.open(path)
        head = store.head.height
        assert acknowledged <= head <= acknowledged + 1
        for height in range(checked + 1, head + 1):
            state = {k: v for k, v in {**state, **changes_of(height)}.items() if v is not None}
            digest = sha256(b"%d" % height).digest()
            assert store.block_bytes(height) == digest * 200
            assert store.receipts(height) == [digest] * 30
            assert store.find_transaction(digest) == (height, 0)
        checked = head
        assert store.head.state_root == StateTree(2, {}).update(state).root
        assert all(store.state_value(f"k{i}") == state.get(f"k{i}") for i in range(345))
        assert store.state_proof("k3", head - 2).height == head - 2
        store.close()
    assert checked > KILLS * 5


def _run_and_kill(path: Path, lines: int) -> int:
    """Run the committing process, kill it after so many blocks; return the last height it told."""
    process = subprocess.Popen([sys.executable, __file__, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = [int(process.stdout.readline()) for _ in range(lines)]
    process.send_signal(signal.SIGKILL)
    told += [int(line) for line in process.stdout.read().split("\n")[:-1]]
    process.wait()
    process.stdout.close()
    return told[-1]


if __name__ == "__main__":
    commit_forever(sys.argv[1])
