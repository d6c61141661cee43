"""Making pools of codes, and finding a code's path, with files on disk: memory does not grow with the pool.

    codes.csv     number,code,salt        who has it can redeem every code: the brand's vault
    tree.bin      all hashes, level by level, leaves first, 32 bytes each
    pool.json     {count, root}           what `campaign.codes` takes

The tree is that of `contracts_py.campaign.paths`.
"""

from __future__ import annotations

import csv
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from contracts_py.campaign.paths import code_leaf, node

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's: 32 characters that are not taken for one another."""

DEFAULT_LENGTH: Final = 14
MIN_LENGTH: Final = 8
MAX_LENGTH: Final = 64
MAX_COUNT: Final = 100_000_000
"""Of codes: 6.4 GB of tree, and some 9 GB of table."""

_HASH: Final = 32
_CHUNK: Final = 4_096
"""Pairs of hashes that are read at a time: a quarter of a MiB."""

_ODDS_BITS: Final = 20
"""Two codes of a pool are equal with a probability below one in 2^20, else the length is refused."""


class CodePoolError(Exception):
    """A pool that cannot be made, or a folder that holds none; in one sentence."""


@dataclass(frozen=True, slots=True)
class FoundCode:
    """What redeems a code."""

    code: str
    salt: str
    path: list[str]
    leaf: str
    root: str


def new_pool(folder: Path, count: int, *, prefix: str = "", length: int = DEFAULT_LENGTH) -> str:
    """Make a pool of random codes in an empty folder; return its root.

    Raises:
        CodePoolError: the folder has one; codes of this length would repeat, or be too long.
    """
    if 2 * (count.bit_length() - 1) + _ODDS_BITS > 5 * length:
        raise CodePoolError(f"{count} codes need more than {length} random characters each, so that none repeats")
    if len(prefix) + length > MAX_LENGTH or not all(33 <= ord(character) <= 126 for character in prefix):
        raise CodePoolError(f"a code has at most {MAX_LENGTH} printable ASCII characters without blanks")
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise CodePoolError(f"{folder} is not empty")
    with (
        (folder / "codes.csv").open("x", newline="", encoding="ascii") as table,
        (folder / "tree.bin").open("x+b") as tree,
    ):
        rows = csv.writer(table)
        rows.writerow(["number", "code", "salt"])
        for number in range(count):
            code = prefix + "".join(secrets.choice(ALPHABET) for _ in range(length))
            salt = secrets.token_bytes(32)
            rows.writerow([number, code, salt.hex()])
            tree.write(code_leaf(code, salt))
        root = _build(tree, count).hex()
    (folder / "pool.json").write_text(json.dumps({"count": count, "root": root}) + "\n", encoding="ascii")
    return root


def _build(tree: BinaryIO, count: int) -> bytes:
    """Write the levels above the leaves behind them; return the root."""
    begin, width = 0, count
    while width > 1:
        for at in range(0, width, 2 * _CHUNK):
            tree.seek(_HASH * (begin + at))
            below = tree.read(_HASH * min(2 * _CHUNK, width - at))
            tree.seek(0, 2)
            tree.write(b"".join(_above(below)))
        begin, width = begin + width, (width + 1) // 2
    tree.seek(_HASH * begin)
    return tree.read(_HASH)


def _above(below: bytes) -> Iterator[bytes]:
    for at in range(0, len(below), 2 * _HASH):
        left, right = below[at : at + _HASH], below[at + _HASH : at + 2 * _HASH]
        yield node(left, right) if right else left


def find_code(folder: Path, code: str) -> FoundCode:
    """Return what redeems a code of a pool.

    Raises:
        CodePoolError: the folder holds no pool, or the pool no such code.
    """
    try:
        pool = json.loads((folder / "pool.json").read_text(encoding="ascii"))
        with (folder / "codes.csv").open(newline="", encoding="ascii") as table:
            row = next((row for row in csv.DictReader(table) if row["code"] == code), None)
        if row is None:
            raise CodePoolError(f"{folder} has no code {code}")
        with (folder / "tree.bin").open("rb") as tree:
            path = _path(tree, int(row["number"]), int(pool["count"]))
    except (OSError, ValueError, KeyError) as error:
        raise CodePoolError(f"{folder} holds no pool: {error}") from None
    leaf = code_leaf(code, bytes.fromhex(row["salt"]))
    return FoundCode(code, row["salt"], [part.hex() for part in path], leaf.hex(), str(pool["root"]))


def _path(tree: BinaryIO, place: int, count: int) -> list[bytes]:
    path, begin, width = [], 0, count
    while width > 1:
        if place ^ 1 < width:
            tree.seek(_HASH * (begin + (place ^ 1)))
            path.append(tree.read(_HASH))
        begin, width, place = begin + width, (width + 1) // 2, place // 2
    return path
