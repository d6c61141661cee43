"""Attack 10: another user of the machine looks into the files of a testnet that was made under the usual umask."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, Final

from tests.attack.backups import run_entente
from tests.attack.scene import Options, Scene
from tests.attack.verdict import Row
from tests.support.programs import issue

USUAL_UMASK: Final = 0o022
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
PUBLIC: Final = frozenset({"genesis.json"})
"""What everyone may know of a chain."""

TOLD: Final = 6


def play(options: Options) -> list[Row]:
    """Start a testnet, make a backup, and list what others may read, write or enter."""
    former = os.umask(USUAL_UMASK)
    try:
        with Scene(options) as scene:
            issue(scene.network, 0, scene.network.account("basil-admin")[0], 1, "order-1")
            folder = scene.folder / "backups"
            folder.mkdir()
            backup = folder / "node.maintenance.backup"
            run_entente("backup", "--home", str(scene.network.home(0)), "--to", str(backup))
            testnet = scene.network.directory
            secret = [
                *(scene.network.home(index) for index in range(len(scene.network.manifest.validators))),
                testnet / "testnet.json",
                backup,
            ]
            return [_row(testnet.parent, secret)]
    finally:
        os.umask(former)


def _row(root: Path, secret: list[Path]) -> Row:
    looked_at = [path for top in secret for path in (top, *sorted(top.rglob("*")))]
    open_ = [path for path in looked_at if path.name not in PUBLIC and _mode(path) & OTHERS]
    shown = [f"{path.relative_to(root)} is {_mode(path):04o}" for path in open_]
    faults = shown[:TOLD] + ([f"and {len(shown) - TOLD} more"] if len(shown) > TOLD else [])
    done: dict[str, Any] = {"files and folders": len(looked_at), "open to others": len(open_)}
    return Row("file modes", "another user of the machine", done, faults=tuple(faults))


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)
