"""Stores of chains with many members and many purchases, made as a restored backup is made, and kept.

A member has what `token.issue` leaves of an account: its holding, its one lot, and the program that it is in. The
state is, bit for bit, that of a genesis document with one issue for each member
(tests/unit/support/test_scale_state.py), but no document is so long: the records are written as values, sorted by
key hash, and `node.store.rebuild`, which makes a store of a backup, hashes them all into the tree. Old purchases
are once-records of `token.issue`, written by `OnceRecords`, as blocks write them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from contracts_py.token.deeds import ISSUES
from contracts_py.token.records import EXPIRING, HOLDERS, LOTS_ON, SUPPLIES
from genesis.document import Genesis
from genesis.protocol import build_runtime
from node.store.blocks import BlockRecords
from node.store.database import Database
from node.store.layout import STATE, Head, Meta, state_record
from node.store.rebuild import StoreRebuild
from tests.bench.bench_once import FILL_BUFFER_BYTES, FILL_OPEN_FILES, fill
from tests.bench.bench_stages import DAY, PARAMS
from tests.support.ledger import START_MS, Op, address_of, key_of, local_genesis, program_op
from vm.once_log import LOGS
from vm.primitives.address import ADDRESS_HASH_BYTES, encode_address
from vm.primitives.codec import encode
from vm.primitives.hashing import ZERO_HASH
from vm.primitives.keys import SigningKey
from vm.tables.bag import Bag

PROGRAM: Final = "miles"
POINTS: Final = 1_000
EXPIRES: Final = START_MS + 365 * DAY
SIGNERS: Final = 100_000
"""So many members have a key of their own, with which they sign; to make ten million takes as long as all else."""

_TEMPLATE: Final = address_of("template")
_PARTS: Final = 256
_LAYOUT: Final = 1
"""Names the kept stores; it changes with what stands in them."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How large a chain is.

    Attributes:
        members: accounts that hold points.
        purchases: once-records of old ones.
        depth: the state tree has 16^depth buckets.
    """

    members: int
    purchases: int
    depth: int

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return f"scale-{_LAYOUT}-{self.members}-members-{self.purchases}-purchases-depth-{self.depth}"


def signer(number: int) -> SigningKey:
    """Return the key of a member that signs."""
    return key_of(f"member-{number}")


def member(number: int) -> str:
    """Return a member's address."""
    key = signer(number).public_key if number < SIGNERS else sha256(b"member-%d" % number).digest()
    return encode_address(sha256(key).digest()[:ADDRESS_HASH_BYTES])


def issue_op(address: str) -> Op:
    """Return the operation that makes a member."""
    return "token.issue", {"program": PROGRAM, "to": address, "amount": POINTS, "expires": EXPIRES}


PROGRAM_OP: Final = program_op(PROGRAM, "aurora", expiry={"kind": "days", "days": 3_000})


def scale_genesis(depth: int) -> Genesis:
    """Return the genesis document of all these chains: the members are not in it."""
    return local_genesis([PROGRAM_OP], PARAMS, state_depth=depth)


def state_values(members: int) -> Iterator[tuple[str, bytes]]:
    """Yield all keys and values of a state with so many members, 1 or more."""
    genesis = local_genesis([PROGRAM_OP, issue_op(_TEMPLATE)], PARAMS)
    values = genesis.genesis_state(build_runtime()).values
    own = {key: values.pop(key) for key in list(values) if _TEMPLATE in key}
    supply_key, expiring_key = SUPPLIES.keys.key((PROGRAM,)), EXPIRING.keys.key((PROGRAM, EXPIRES))
    supply = SUPPLIES.stored.decode(values[supply_key])
    total = members * POINTS
    values[supply_key] = encode(msgspec.structs.replace(supply, issued=total, outstanding=total))
    values[expiring_key] = encode(total)
    bags: list[tuple[Bag[str], str]] = [
        (HOLDERS, HOLDERS.keys.key((PROGRAM,))),
        (LOTS_ON, LOTS_ON.keys.key((PROGRAM, EXPIRES))),
    ]
    for bag, key in bags:
        values[key] = encode((0, (members - 1) // bag.page_items))
        del values[f"{key}/0"]
    yield from values.items()
    parts = [(key.split(_TEMPLATE), value) for key, value in own.items()]
    pages: list[list[str]] = [[] for _ in bags]
    for number in range(members):
        address = member(number)
        for (before, after), value in parts:
            yield f"{before}{address}{after}", value
        for (bag, key), page in zip(bags, pages, strict=True):
            page.append(address)
            if len(page) == bag.page_items or number == members - 1:
                yield f"{key}/{number // bag.page_items}", encode(page)
                page.clear()


def kept_store(cache: Path, scale: Scale) -> Path:
    """Return the folder of a store that is never opened, only copied; make it if it is not there."""
    folder = cache / scale.folder
    if not folder.exists():
        unfinished = cache / f"{scale.folder}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        make_store(unfinished / "data", unfinished / "parts", scale)
        unfinished.rename(folder)
    return folder / "data"


def make_store(path: Path, parts: Path, scale: Scale) -> None:
    """Make a store at height 0.

    Args:
        parts: a folder for the values while they are sorted; it is gone afterwards.
    """
    path.mkdir()
    extra = []
    if scale.purchases:
        log = fill(path, scale.purchases)
        extra = [(LOGS.keys.key((ISSUES.family,)), encode(log))]
    _write_sorted(path, parts, scale.members, extra)
    genesis = scale_genesis(scale.depth)
    rebuild = StoreRebuild.open(path, scale.depth)
    head = Head(0, sha256(genesis.canonical).digest(), rebuild.state.build_tree(), ZERO_HASH)
    batch = rebuild.database.unsynced_batch()
    BlockRecords(rebuild.database).write_head(batch, head)
    rebuild.database.write(batch)
    rebuild.finish(Meta(genesis.canonical, 16**scale.depth, head, 0, 1))
    rebuild.close()


def _write_sorted(path: Path, parts: Path, members: int, extra: list[tuple[str, bytes]]) -> None:
    """Write the values in the order of their key hashes: so the engine has nothing to merge."""
    parts.mkdir()
    names = [parts / f"{part:02x}" for part in range(_PARTS)]
    files = [name.open("wb", buffering=1 << 16) for name in names]
    for source in (extra, state_values(members)):
        for key, value in source:
            record = state_record(key, value)
            key_hash = sha256(key.encode()).digest()
            files[key_hash[0]].write(key_hash + len(record).to_bytes(4, "big") + record)
    for file in files:
        file.close()
    database = Database(str(path), 8 << 20, FILL_BUFFER_BYTES, max_open_files=FILL_OPEN_FILES)
    for name in names:
        batch = database.unsynced_batch()
        for key_hash, record in sorted(_records_of(name.read_bytes())):
            batch.put(STATE + key_hash, record)
        database.write(batch)
        name.unlink()
    database.close()
    parts.rmdir()


def _records_of(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at, end = 0, len(data)
    while at < end:
        start = at + 36
        stop = start + int.from_bytes(data[at + 32 : start], "big")
        yield data[at : at + 32], data[start:stop]
        at = stop


def copy_store(kept: Path, path: Path) -> None:
    """Copy a kept store; tables, which the engine never changes, by links where the file system has them."""
    path.mkdir(parents=True)
    for file in kept.iterdir():
        if file.suffix == ".ldb":
            try:
                os.link(file, path / file.name)
                continue
            except OSError:
                pass  # another file system: copied below
        shutil.copy(file, path / file.name)
