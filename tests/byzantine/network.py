"""Four real validators, of which one is started by the wrapper that lies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from node.testnet.processes import start_node
from tests.support.network import LocalNetwork, Op

ROOT = Path(__file__).resolve().parents[2]
LIAR = 3
HONEST = [0, 1, 2]


class LyingNetwork(LocalNetwork):
    """Validators 0 to 2 are honest; `censored` are the accounts that a censoring liar leaves out."""

    def __init__(self, directory: Path, lie: str, ops: Sequence[Op] = ()) -> None:
        super().__init__(directory, 4, ops)
        self._lie = lie
        self.censored: Sequence[str] = ()

    def launch(self, index: int) -> subprocess.Popen[bytes]:
        """Start a validator, or the liar."""
        home = self.home(index)
        if index != LIAR:
            return start_node(home)
        command = [sys.executable, "-m", "tests.byzantine.node", "--home", str(home), "--lie", self._lie]
        command += ["--censored", *self.censored]
        with self.log_file(index).open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def key(self, index: int) -> str:
        """Return a validator's public key."""
        return str(json.loads((self.home(index) / "key.json").read_text())["public_key"])

    def evidence_steps(self, index: int) -> set[str]:
        """Return of which steps a validator holds evidence, all of it against the liar."""
        evidence = self.call(index, "node_consensus")["evidence"]
        for found in evidence:
            assert found["public_key"] == self.key(LIAR), f"validator {index} blames an honest one: {found}"
        return {found["step"] for found in evidence}
