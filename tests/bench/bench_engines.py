"""Compare key-value engines at the store's own pattern of work: LevelDB, RocksDB, and LMDB for the decision.

    python -m tests.bench.bench_engines [--keys 2000000] [--blocks 300] [--only leveldb,rocksdb] [--damage 200]

Each engine runs in a process of its own, one after the other, over the same keys:

    fill      `keys` values of 120 bytes under hashes, in random order, 10,000 a batch
    block     what a block of 2,000 transfers writes, in one synced batch: 4,000 values over random ones, as many
              records of history and deletes of those 50 blocks older, 2,000 index entries, 400 pages of 3 KB, a
              block of 500 KB and receipts of 600 KB
    get       random keys, of which one in four is absent
    scan      all values in order
    prune     delete the older half of blocks, receipts and index entries, and compact their ranges

"written" is what reached the block layer (/proc/self/io), for each byte that was put. `--damage` instead flips so
many single bits, one in a fresh copy each, all over the files of a small database, and reads everything back. The
variants (leveldb-64 …) are settings that were tried for writing less. docs/decisions/store-engine.md has results.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from node.store.engine import Engine

VALUE = 120
FILL_BATCH = 10_000
WRITES = 4_000
TRANSACTIONS = 2_000
PAGES = 400
PAGE = 3_000
BLOCK, RECEIPTS = 500_000, 600_000
HISTORY = 50
READS = 200_000
MIB = 1 << 20
SIZES = {"block_cache_bytes": 64 * MIB, "write_buffer_bytes": 16 * MIB, "max_open_files": 256}
SMALL = 2_000
"""Entries of a database whose bits are flipped."""


def open_leveldb(path: str, **sizes: int) -> Engine:
    from node.store.leveldb import open_leveldb

    return open_leveldb(path, create=True, **{**SIZES, **sizes})


def open_rocksdb(path: str, **sizes: int) -> Engine:
    from node.store.rocksdb import open_rocksdb

    return open_rocksdb(path, create=True, **{**SIZES, **sizes})


def open_rocksdb_tuned(path: str, tune: Callable[[Any], None]) -> Engine:
    """Open a RocksDB whose options have been changed."""
    import rocksdict

    from node.store import rocksdb

    options = rocksdb._options(True, SIZES["block_cache_bytes"], SIZES["write_buffer_bytes"], 256, False)
    tune(options)
    return rocksdb.RocksDb(rocksdict.Rdict(path, options, {"default": options}), Path(path))


def universal(options: Any) -> None:
    import rocksdict

    options.set_compaction_style(rocksdict.DBCompactionStyle.universal())


class Lmdb:
    """LMDB as far as this bench needs an engine; it compares no checksums."""

    faults: tuple[type[Exception], ...] = (Exception,)

    def __init__(self, path: str) -> None:
        import lmdb

        Path(path).mkdir(exist_ok=True)
        self._environment = lmdb.open(path, map_size=64 << 30, readahead=False)

    def get(self, key: bytes) -> bytes | None:
        with self._environment.begin() as transaction:
            value: bytes | None = transaction.get(key)
            return value

    @contextmanager
    def iterator(self, *, start: bytes, stop: bytes, **_: Any) -> Iterator[Iterator[tuple[bytes, bytes]]]:
        def entries() -> Iterator[tuple[bytes, bytes]]:
            with self._environment.begin() as transaction, transaction.cursor() as cursor:
                cursor.set_range(start)
                for key, value in cursor:
                    if key >= stop:
                        return
                    yield key, value

        yield entries()

    def batch(self, *, sync: bool) -> Any:
        return LmdbBatch(self._environment.begin(write=True))

    def compact(self, start: bytes, stop: bytes) -> None:
        """LMDB reuses pages and never gives them back."""

    def close(self) -> None:
        self._environment.close()


class LmdbBatch:
    """A write transaction under the names of a batch."""

    def __init__(self, transaction: Any) -> None:
        self.put = transaction.put
        self.delete = transaction.delete
        self.write = transaction.commit


ENGINES: dict[str, Callable[[str], Any]] = {
    "leveldb": open_leveldb,
    "rocksdb": open_rocksdb,
    "lmdb": Lmdb,
    "leveldb-32": partial(open_leveldb, write_buffer_bytes=32 * MIB),
    "leveldb-64": partial(open_leveldb, write_buffer_bytes=64 * MIB),
    "rocksdb-32": partial(open_rocksdb, write_buffer_bytes=32 * MIB),
    "rocksdb-64": partial(open_rocksdb, write_buffer_bytes=64 * MIB),
    "rocksdb-universal": partial(open_rocksdb_tuned, tune=universal),
}


def written_bytes() -> int:
    """Return what this process has sent to the block layer."""
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["write_bytes"])


def status(name: str) -> int:
    """Return a line of /proc/self/status, in KiB or as a count."""
    text = Path("/proc/self/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith(name + ":")).split()[1])


def size_of(path: Path) -> int:
    return sum(file.stat().st_blocks * 512 for file in path.iterdir())


class Run:
    """One engine at work."""

    def __init__(self, name: str, path: Path, keys: int, blocks: int) -> None:
        self._open = partial(ENGINES[name], str(path))
        self._path = path
        self._engine = self._open()
        self._random = random.Random(7)
        self._hashes = [self._random.randbytes(32) for _ in range(keys)]
        self._noise = self._random.randbytes(4 * MIB)
        self._blocks = blocks
        self._put_bytes = 0
        self.result: dict[str, float] = {}

    def _value(self, size: int) -> bytes:
        at = self._random.randrange(len(self._noise) - size)
        return self._noise[at : at + size]

    def _put(self, batch: Any, key: bytes, size: int) -> None:
        batch.put(key, self._value(size))
        self._put_bytes += len(key) + size

    def fill(self) -> None:
        started, before = time.perf_counter(), written_bytes()
        for at in range(0, len(self._hashes), FILL_BATCH):
            batch = self._engine.batch(sync=False)
            for key in self._hashes[at : at + FILL_BATCH]:
                self._put(batch, b"s" + key, VALUE)
            batch.write()
        self.result["fill_s"] = time.perf_counter() - started
        self.result["fill_written_per_byte"] = (written_bytes() - before) / self._put_bytes

    def blocks(self) -> None:
        before, self._put_bytes = written_bytes(), 0
        histories: list[list[bytes]] = []
        times: list[float] = []
        for height in range(self._blocks):
            batch = self._engine.batch(sync=True)
            at = height.to_bytes(8, "big")
            changed = self._random.sample(self._hashes, WRITES)
            histories.append([b"u" + at + key for key in changed])
            started = time.perf_counter()
            self._write_block(batch, at, changed, histories)
            batch.write()
            times.append((time.perf_counter() - started) * 1_000)
        self._engine.close()
        self.result["block_ms"] = statistics.mean(times)
        self.result["block_p99_ms"] = statistics.quantiles(times, n=100)[98]
        self.result["written_per_byte"] = (written_bytes() - before) / self._put_bytes
        started = time.perf_counter()
        self._engine = self._open()
        self.result["open_s"] = time.perf_counter() - started

    def _write_block(self, batch: Any, at: bytes, changed: list[bytes], histories: list[list[bytes]]) -> None:
        for key in changed:
            self._put(batch, b"s" + key, VALUE)
        for key in histories[-1]:
            self._put(batch, key, VALUE)
        for _ in range(TRANSACTIONS):
            self._put(batch, b"t" + at + self._random.randbytes(24), 12)
        for _ in range(PAGES):
            self._put(batch, b"p" + self._random.randrange(65_536).to_bytes(4, "big"), PAGE)
        self._put(batch, b"b" + at, BLOCK)
        self._put(batch, b"r" + at, RECEIPTS)
        if len(histories) > HISTORY:
            for key in histories[-HISTORY - 1]:
                batch.delete(key)

    def reads(self) -> None:
        keys = [b"s" + key for key in self._random.choices(self._hashes, k=READS)]
        keys[::4] = [b"s" + self._random.randbytes(32) for _ in keys[::4]]
        get = self._engine.get
        started = time.perf_counter()
        found = sum(get(key) is not None for key in keys)
        self.result["get_us"] = (time.perf_counter() - started) / READS * 1e6
        assert found == READS - len(keys[::4])
        self.result["rss_mib"] = status("VmRSS") / 1024
        self.result["anonymous_mib"] = status("RssAnon") / 1024
        self.result["descriptors"] = len(os.listdir("/proc/self/fd"))
        self.result["threads"] = status("Threads")

    def scan(self) -> None:
        started = time.perf_counter()
        with self._engine.iterator(start=b"s", stop=b"t", once=True) as entries:
            count = sum(1 for _ in entries)
        self.result["scan_us"] = (time.perf_counter() - started) / count * 1e6
        assert count == len(self._hashes)

    def prune(self) -> None:
        self.result["size_mib"] = size_of(self._path) / MIB
        below = (self._blocks // 2).to_bytes(8, "big")
        started = time.perf_counter()
        batch = self._engine.batch(sync=True)
        for family in (b"b", b"r", b"t"):
            with self._engine.iterator(start=family, stop=family + below, once=True) as entries:
                for key, _ in list(entries):
                    batch.delete(key)
        batch.write()
        for family in (b"b", b"r", b"t"):
            self._engine.compact(family, family + below)
        self.result["prune_s"] = time.perf_counter() - started
        self.result["pruned_size_mib"] = size_of(self._path) / MIB
        self._engine.close()


def run_one(name: str, folder: Path, keys: int, blocks: int) -> dict[str, float]:
    run = Run(name, folder / "data", keys, blocks)
    run.fill()
    run.blocks()
    run.reads()
    run.scan()
    run.prune()
    return run.result


def small(name: str, path: Path) -> dict[bytes, bytes]:
    """Make a small database, half of it in the log where there is one, and end without closing it."""
    noise = random.Random(3)
    entries = {b"%06d" % at: noise.randbytes(90) for at in range(SMALL)}
    code = "import sys; from tests.bench.bench_engines import write_small; write_small(*sys.argv[1:])"
    subprocess.run([sys.executable, "-c", code, name, str(path)], check=True)
    return entries


def write_small(name: str, path: str) -> None:
    noise = random.Random(3)
    for part in range(2):
        engine = ENGINES[name](path)
        for at in range(SMALL // 2 * part, SMALL // 2 * (part + 1)):
            if at % 10 == 0:
                batch = engine.batch(sync=True)
            batch.put(b"%06d" % at, noise.randbytes(90))
            if at % 10 == 9:
                batch.write()
        if part == 0:
            engine.close()
    os._exit(0)


def read_damaged(name: str, path: str, entries: dict[bytes, bytes]) -> str:
    """Tell what comes of reading everything: refused, reported, whole, or served wrong."""
    try:
        engine = ENGINES[name](path)
    except Exception:
        return "refused"
    told, wrong = False, False
    for key, value in entries.items():
        try:
            wrong |= engine.get(key) != value
        except Exception:
            told = True
    found: dict[bytes, bytes] = {}
    scan_told = False
    try:
        with engine.iterator(start=b"0", stop=b"9") as iterator:
            found.update(iterator)
    except Exception:
        scan_told = True
    wrong |= found != entries and not scan_told
    engine.close()
    return "served wrong" if wrong else "reported" if told or scan_told else "whole"


def damage(name: str, folder: Path, flips: int) -> Counter[str]:
    entries = small(name, folder / "data")
    files = [path for path in (folder / "data").iterdir() if path.name not in ("LOCK", "LOG", "lock.mdb")]
    files = [path for path in files if not path.name.startswith("LOG.old") and path.stat().st_size]
    choice = random.Random(11)
    outcomes: Counter[str] = Counter()
    for _ in range(flips):
        copy = folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder / "data", copy)
        file = copy / choice.choices(files, weights=[path.stat().st_size for path in files])[0].name
        content = bytearray(file.read_bytes())
        content[choice.randrange(len(content))] ^= 1 << choice.randrange(8)
        file.write_bytes(content)
        child = os.fork()
        if child == 0:  # a process of its own: it may crash
            codes = {"refused": 10, "reported": 11, "whole": 12, "served wrong": 13}
            os._exit(codes[read_damaged(name, str(copy), entries)])
        _, ended = os.waitpid(child, 0)
        names = {10: "refused", 11: "reported", 12: "whole", 13: "served wrong"}
        outcomes[names.get(os.waitstatus_to_exitcode(ended), "crashed")] += 1
    return outcomes


def table(results: dict[str, dict[str, float]]) -> str:
    """Return the results with their ratio to the first engine's."""
    first = next(iter(results.values()))
    lines = ["".join([f"{'':24}", *(f"{name:>24}" for name in results)])]
    for row in first:
        ratios = [(result[row], result[row] / first[row] if first[row] else 1) for result in results.values()]
        cells = [f"{value:>14.2f} ({ratio:6.2f})" for value, ratio in ratios]
        lines.append("".join([f"{row:24}", *cells]))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=2_000_000)
    parser.add_argument("--blocks", type=int, default=300)
    parser.add_argument("--only", default="leveldb,rocksdb,lmdb")
    parser.add_argument("--damage", type=int, default=0)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, default=None)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(run_one(arguments.one, arguments.folder, arguments.keys, arguments.blocks)))
        return
    results: dict[str, dict[str, float]] = {}
    for name in arguments.only.split(","):
        with tempfile.TemporaryDirectory(prefix="entente-engines-", dir=arguments.folder) as folder:
            if arguments.damage:
                print(name, dict(damage(name, Path(folder), arguments.damage)), flush=True)
                continue
            command = [sys.executable, "-m", "tests.bench.bench_engines", "--one", name, "--folder", folder]
            command += ["--keys", str(arguments.keys), "--blocks", str(arguments.blocks)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            results[name] = json.loads(done.stdout)
            print(name, results[name], file=sys.stderr, flush=True)
    if results:
        print(table(results))


if __name__ == "__main__":
    main()
