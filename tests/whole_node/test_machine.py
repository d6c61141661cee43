"""The simulated machine keeps the promises of a real one, and no more."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from node.runtime.files import rename_durably
from node.store.database import Database
from tests.simulation.world import World

from .disk import Disk, StoredFile
from .loop import Killed, VirtualLoop
from .process import MemoryFiles, Process, engine_of

HOME = Path("/home/node")
LOG = HOME / "log"


def process_on(disk: Disk) -> Process:
    return Process(disk, lambda _: None)


def write(files: MemoryFiles, descriptor: int, offset: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        taken = files.write(descriptor, view, offset)
        offset, view = offset + taken, view[taken:]


@pytest.mark.parametrize("seed", range(30))
def test_what_was_synced_survives_a_power_cut_and_the_rest_survives_a_kill(seed: int) -> None:
    disk = Disk(World(seed))
    process = process_on(disk)
    files = MemoryFiles(process)
    descriptor = files.open(LOG, os.O_RDWR | os.O_CREAT)
    write(files, descriptor, 0, b"first")
    files.sync(descriptor)
    write(files, descriptor, 5, b"second" * 300)
    process.end()
    assert files.read(LOG) == b"first" + b"second" * 300
    disk.cut_power()
    assert files.read(LOG)[:5] == b"first"


def test_what_was_not_synced_is_lost_torn_or_kept() -> None:
    found = set()
    for seed in range(60):
        disk = Disk(World(seed))
        files = MemoryFiles(process_on(disk))
        descriptor = files.open(LOG, os.O_RDWR | os.O_CREAT)
        files.sync(descriptor)
        write(files, descriptor, 0, b"x" * 2_000)
        disk.cut_power()
        data = files.read(LOG)
        found.add("whole" if data == b"x" * 2_000 else "nothing" if not data else "torn")
    assert found == {"whole", "nothing", "torn"}


@pytest.mark.parametrize("durably", [False, True])
def test_a_rename_stays_once_its_folder_is_synced(durably: bool) -> None:
    found = set()
    for seed in range(30):
        disk = Disk(World(seed))
        files = MemoryFiles(process_on(disk))
        for path, content in ((LOG, b"old"), (HOME / "new", b"new")):
            descriptor = files.open(path, os.O_RDWR | os.O_CREAT)
            write(files, descriptor, 0, content)
            files.sync(descriptor)
        if durably:
            rename_durably(files, HOME / "new", LOG)
        else:
            files.rename(HOME / "new", LOG)
        disk.cut_power()
        found.add(files.read(LOG))
    assert found == ({b"new"} if durably else {b"old", b"new"})


def database_on(process: Process) -> Database:
    return Database(str(HOME / "data"), 1, 1, engine=engine_of(process))


def put(database: Database, key: bytes, synced: bool) -> None:
    batch = database.batch() if synced else database.unsynced_batch()
    batch.put(key, key)
    database.write(batch)


@pytest.mark.parametrize("seed", range(20))
def test_a_synced_batch_survives_a_power_cut(seed: int) -> None:
    disk = Disk(World(seed))
    put(database_on(process_on(disk)), b"a", synced=True)
    disk.cut_power()
    assert database_on(process_on(disk)).get(b"a") == b"a"


def test_batches_that_were_not_synced_are_lost_from_the_last_one_on() -> None:
    found = set()
    for seed in range(40):
        disk = Disk(World(seed))
        database = database_on(process_on(disk))
        put(database, b"0", synced=True)
        for key in (b"1", b"2", b"3"):
            put(database, key, synced=False)
        disk.cut_power()
        again = database_on(process_on(disk))
        found.add(b"".join(key for key, _ in again.scan(b"0", b"9")))
    assert found >= {b"0", b"01", b"012", b"0123"}


def test_a_database_scans_in_order_and_backwards() -> None:
    database = database_on(process_on(Disk(World(1))))
    for key in (b"b", b"a", b"d", b"c"):
        put(database, key, synced=True)
    assert [key for key, _ in database.scan(b"a", b"d")] == [b"a", b"b", b"c"]
    assert database.last(b"a", b"z") == (b"d", b"d")
    assert database.last(b"d", b"z") is None
    with database.snapshot() as entries:
        assert [key for key, _ in entries] == [b"a", b"b", b"c", b"d"]


def test_a_killed_process_has_no_effect_any_more() -> None:
    disk = Disk(World(1))
    process = process_on(disk)
    files, database = MemoryFiles(process), database_on(process)
    descriptor = files.open(LOG, os.O_RDWR | os.O_CREAT)
    disk.crash_in = 0
    with pytest.raises(Killed):
        files.sync(descriptor)
    process.end()
    write(files, descriptor, 0, b"too late")
    put(database, b"a", synced=True)
    assert files.read(LOG) == b""
    assert database_on(process_on(disk)).get(b"a") is None


def test_a_loop_runs_timers_in_order_on_virtual_time_and_errors_reach_its_handler() -> None:
    world = World(1)
    loop = VirtualLoop(world, lambda: None)
    told: list[object] = []
    loop.set_exception_handler(lambda _, context: told.append(type(context["exception"])))

    async def work() -> None:
        for seconds in (3.0, 0.0, 1.5):
            await asyncio.sleep(seconds)
            told.append(loop.time())
        told.append(await asyncio.to_thread(lambda: "thread"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await loop.create_future()
        told.append(round(loop.time()))

    loop.create_task(work())
    loop.call_later(4, lambda: 1 // 0)
    world.run_until(10_000)
    assert told == [3.0, 3.0, ZeroDivisionError, 4.5, "thread", 7]


def test_a_stalled_loop_does_nothing_meanwhile_and_a_killed_one_never_again() -> None:
    world = World(1)
    killed: list[int] = []
    loop = VirtualLoop(world, lambda: killed.append(world.now))
    told: list[int] = []
    loop.call_later(0.1, lambda: told.append(world.now))
    loop.stall(500)
    world.run_until(1_000)
    assert told == [500]

    def die() -> None:
        raise Killed

    loop.call_soon(die)
    world.run_until(1_100)
    assert killed == [1_000]
    loop.kill()
    loop.call_soon(lambda: told.append(world.now))
    world.run_until(2_000)
    assert told == [500]


def test_a_file_that_is_written_beyond_its_end_reads_as_zeros_between() -> None:
    stored = StoredFile()
    stored.write(3, b"x")
    assert bytes(stored.data) == b"\0\0\0x"
