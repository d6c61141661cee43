"""Attacks 6 and 9: who hands over a backup has added a record to it, or made it inflate to far more than its size.

A forged record must not be in the database after `restore`: it is refused, or what it would stand for is made anew
from what is verified. Whether it is there is told by `entente backup` of the restored home, which shows every one.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.attack.scene import Options, Scene
from tests.attack.verdict import Row
from tests.support.programs import issue
from vm.primitives.codec import decode, encode

MAGIC: Final = b"entente-backup/1\n"
HEAD: Final = struct.Struct(">II")
ENTRIES_PER_FRAME: Final = 200
FAMILIES: Final = "bcdehgiklmpqrstuxy"
"""The first letters of all records that docs/state.md names; and one that it does not."""
UNKNOWN_FAMILY: Final = "Z"

BOMB_MIB: Final = 1_024
"""A node has some 70 MiB; six times as much would prove no more and could harm the machine."""

RESTORE_MIB: Final = 300
"""What `restore` of a small backup may hold, bombs included."""

RESTORE_LIMIT_KIB: Final = 4 * 1024 * 1024
RESTORE_SECONDS: Final = 120.0
RECORD_VALUE: Final = encode([1, 0])


class Backup(NamedTuple):
    """What a backup file holds."""

    manifest: bytes
    entries: list[tuple[bytes, bytes]]

    @classmethod
    def read(cls, path: Path) -> Backup:
        """Take a file apart."""
        data = path.read_bytes()
        offset, values = len(MAGIC), []
        while offset < len(data):
            length, _ = HEAD.unpack_from(data, offset)
            offset += HEAD.size
            values.append(zlib.decompress(data[offset : offset + length]))
            offset += length
        entries = [(bytes(key), bytes(value)) for frame in values[1:-1] for key, value in decode(frame)]
        return cls(values[0], entries)

    def write(self, path: Path, added: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Put a file together, with further entries and checksums that fit."""
        entries = sorted([*self.entries, *added])
        out, total = bytearray(MAGIC), hashlib.sha256()
        frames = [self.manifest]
        for start in range(0, len(entries), ENTRIES_PER_FRAME):
            frames.append(encode([list(pair) for pair in entries[start : start + ENTRIES_PER_FRAME]]))
        for frame in frames:
            payload = zlib.compress(frame, 1)
            total.update(payload)
            out += _framed(payload)
        trailer = encode({"entries": len(entries), "digest": total.digest()})
        path.write_bytes(bytes(out) + _framed(zlib.compress(trailer, 1)))


class Restored(NamedTuple):
    """What became of `entente restore`."""

    code: int
    output: str
    peak_mib: int


def play(options: Options) -> list[Row]:
    """Make a backup of a running node, forge it in every way, and restore each forgery."""
    with Scene(options) as scene:
        for number in range(3):
            issue(scene.network, 0, scene.network.account("basil-admin")[0], 1, f"order-{number}")
        scene.network.wait_for(lambda: scene.network.height(3) >= scene.network.height(0), "the same height")
        whole = scene.folder / "whole.backup"
        run_entente("backup", "--home", str(scene.network.home(3)), "--to", str(whole))
        control = restore(scene, whole, "control")
        faults = [] if control.code == 0 else [f"a whole backup is refused: {control.output[-200:]}"]
        return [
            _forged(scene, Backup.read(whole), faults),
            _false_receipt(scene, Backup.read(whole)),
            _bombs(scene),
        ]


def _forged(scene: Scene, backup: Backup, faults: list[str]) -> Row:
    """Add one record of each family, each to a backup of its own."""
    outcomes: dict[str, list[str]] = {"refused": [], "left out": [], "taken over": []}
    for family in FAMILIES + UNKNOWN_FAMILY:
        record = _record_of(family, backup)
        file = scene.folder / f"forged-{family}.backup"
        backup.write(file, [record])
        restored = restore(scene, file, f"forged-{family}")
        if restored.code != 0:
            outcomes["refused"].append(family)
            if "Traceback" in restored.output:
                faults.append(f"restore of a forged {family} record ends with a traceback")
            continue
        kept = record[0] in _keys_of(scene, f"forged-{family}")
        outcomes["taken over" if kept else "left out"].append(family)
    if outcomes["taken over"]:
        faults.append(f"restore says verified and keeps a forged record of {', '.join(outcomes['taken over'])}")
    done = {name: " ".join(families) for name, families in outcomes.items() if families}
    return Row("forged backup", "who hands over a backup", done, faults=tuple(faults))


def _record_of(family: str, backup: Backup) -> tuple[bytes, bytes]:
    """Return a record that no chain has, whose value is like those of its family."""
    letter = family.encode()
    like = [pair for pair in backup.entries if pair[0][:1] == letter]
    value = like[-1][1] if like else RECORD_VALUE
    if family == "m":
        return b"mforged", value
    if family == "i" and like:
        # The index of another account's transactions: same kind, another name.
        kind, _, _ = like[-1][0].partition(b"\0")
        return kind + b"\0forged\0" + (1).to_bytes(8, "big"), value
    if family in "dxsy":
        return letter + secrets.token_bytes(32), value
    length = len(like[-1][0]) - 1 if like else 8
    return letter + b"\0" * max(0, length - 4) + secrets.token_bytes(min(4, length)), value


def _false_receipt(scene: Scene, backup: Backup) -> Row:
    """Let the forged record be the id of a transaction that is still to come, and bring it into a block."""
    network = scene.network
    sender, key = network.account("aurora-admin")
    to = network.account("basil-admin")[0]
    raw = network.sign(sender, key, [("token.issue", {"program": "miles", "to": to, "amount": 7})], ttl_ms=400_000)
    body = decode(bytes.fromhex(raw))["body"]
    tx_id = hashlib.sha256(body).digest()
    file = scene.folder / "false-id.backup"
    # A backup holds no such record, as it is made again from the blocks: height and index, as the store keeps them.
    place = (1).to_bytes(8, "big") + (0).to_bytes(4, "big")
    backup.write(file, [(b"x" + tx_id, place)])
    restored = restore(scene, file, "false-id")
    done: dict[str, Any] = {"restore": "refused" if restored.code else "verified"}
    faults: list[str] = []
    if restored.code == 0:
        faults += _answers_falsely(scene, raw, tx_id.hex(), done)
    return Row("forged id", "who hands over a backup", done, ended=tuple(scene.ended()), faults=tuple(faults))


def _answers_falsely(scene: Scene, raw: str, tx_id: str, done: dict[str, Any]) -> list[str]:
    """Start the last node from what was restored; return what it says or does wrongly."""
    network, faults = scene.network, []
    network.kill(3)
    home = network.home(3)
    shutil.rmtree(home / "data")
    shutil.rmtree(home / "wal")
    for part in ("data", "wal"):
        shutil.move(scene.folder / "false-id" / part, home / part)
    network.start(3)
    network.wait_for(lambda: scene.page(3, "/health")[0] == 200, "the restored node is alive")
    question = {"jsonrpc": "2.0", "id": 1, "method": "chain_receipt", "params": {"id": tx_id}}
    before = network.post(3, question)
    done["receipt before it was sent"] = "result" in before
    if "result" in before:
        faults.append("the node shows a receipt of a transaction that was never sent")
    network.call(0, "tx_send", tx=raw, timeout_ms=20_000)
    deadline = time.monotonic() + 20.0
    target = network.height(0)
    while time.monotonic() < deadline and network.processes[3].poll() is None:
        try:
            if network.height(3) >= target:
                break
        except OSError:
            pass
        time.sleep(0.1)
    else:
        faults.append("the node does not follow the chain past the transaction")
        return faults
    if network.post(3, question).get("result") != network.post(0, question)["result"]:
        faults.append("the node shows another receipt of the transaction than the others")
    return faults


def _bombs(scene: Scene) -> Row:
    """Hand over frames of a megabyte that inflate to a gigabyte, as manifest and as entries."""
    bomb = _framed(_inflating(BOMB_MIB))
    whole = (scene.folder / "whole.backup").read_bytes()
    length, _ = HEAD.unpack_from(whole, len(MAGIC))
    files = {"manifest": MAGIC + bomb, "entries": whole[: len(MAGIC) + HEAD.size + length] + bomb}
    done: dict[str, Any] = {"bytes": len(bomb), "inflate to MiB": BOMB_MIB}
    faults = []
    for name, data in files.items():
        file = scene.folder / f"bomb-{name}.backup"
        file.write_bytes(data)
        restored = restore(scene, file, f"bomb-{name}")
        done[f"{name} MiB"] = restored.peak_mib
        if restored.code == 0:
            faults.append(f"restore accepts a bomb as {name}")
        if "Traceback" in restored.output or restored.code < 0:
            faults.append(f"restore breaks at a bomb as {name} (exit code {restored.code})")
        if restored.peak_mib > RESTORE_MIB:
            faults.append(
                f"restore holds {restored.peak_mib} MiB for a bomb as {name}, at most {RESTORE_MIB} are allowed"
            )
    return Row("bombs", "who hands over a backup", done, faults=tuple(faults))


def _inflating(mib: int) -> bytes:
    compressor = zlib.compressobj(9)
    chunk = bytes(1 << 20)
    return b"".join([*(compressor.compress(chunk) for _ in range(mib)), compressor.flush()])


def _framed(payload: bytes) -> bytes:
    return HEAD.pack(len(payload), zlib.crc32(payload)) + payload


def _keys_of(scene: Scene, name: str) -> set[bytes]:
    """Return the keys of all records in a restored home."""
    file = scene.folder / f"{name}.again"
    run_entente("backup", "--home", str(scene.folder / name), "--to", str(file))
    return {key for key, _ in Backup.read(file).entries}


def restore(scene: Scene, file: Path, name: str) -> Restored:
    """Restore a file into a home of its own, with the last node's key and configuration."""
    home = scene.folder / name
    home.mkdir()
    for part in ("node.toml", "key.json"):
        shutil.copy(scene.network.home(3) / part, home)
    genesis = str(scene.network.directory / "genesis.json")
    command = [*ENTENTE, "restore", str(file), "--home", str(home), "--genesis", genesis]
    limited = ["/bin/sh", "-c", f'ulimit -v {RESTORE_LIMIT_KIB} && exec "$@"', "sh", *command]
    output = scene.folder / f"{name}.output"
    with output.open("wb") as sink:
        process = subprocess.Popen(limited, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)
        # wait4 alone tells the memory of one process; the backup is small, so that it ends by itself in seconds.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    text = output.read_text(errors="replace")
    return Restored(process.returncode, text, usage.ru_maxrss // 1024)


ENTENTE: Final = (sys.executable, "-P", "-m", "node.cli.main")


def run_entente(*arguments: str) -> str:
    """Run a command that must succeed; return what it printed."""
    done = subprocess.run(
        [*ENTENTE, *arguments], capture_output=True, text=True, timeout=RESTORE_SECONDS, check=False
    )
    assert done.returncode == 0, f"entente {arguments}: {done.stdout}{done.stderr}"
    return done.stdout
