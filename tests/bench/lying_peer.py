"""A node that answers GET_BLOCKS wrongly: every seventh block, or its certificate, has one changed byte.

python -m tests.bench.lying_peer --home HOME
"""

from __future__ import annotations

import argparse
from pathlib import Path

from node.assembly.process import run
from node.cli.keys_commands import open_key
from node.peers.questions import Questions

LIES_EVERY = 7

_honest = Questions._decided_block


def _lying(self: Questions, height: int) -> tuple[bytes, bytes] | None:
    found = _honest(self, height)
    if found is None or height % LIES_EVERY:
        return found
    block, certificate = (bytearray(part) for part in found)
    changed = block if height % 2 else certificate
    changed[len(changed) // 2] ^= 1
    return bytes(block), bytes(certificate)


def main() -> None:
    """Run the node of a home folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    home = parser.parse_args().home
    Questions._decided_block = _lying  # type: ignore[method-assign]
    raise SystemExit(run(home, open_key(home / "key.json", None).key))


if __name__ == "__main__":
    main()
