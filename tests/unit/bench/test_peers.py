"""The benchmark beside other chains: its ratios, its closed loop, and that nothing of a rival is left."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.bench import bench_peers
from tests.bench.bench_peers import Figures, RunFailed, _answer, ratios, run
from tests.bench.rivals import driving
from tests.bench.rivals.driving import Flight
from tests.bench.rivals.environment import Unavailable
from tests.bench.rivals.neo_blocks import HEADER_BYTES, nonces_in


def figures(rate: float) -> Figures:
    return Figures(rate, (1_000.0, 2_000.0, 3_000.0), 4_800.0, 1.9, 0.1)


def test_a_ratio_is_of_one_round_and_a_round_that_failed_has_none() -> None:
    rates = {"entente": iter([300.0, 100.0, 200.0]), "neo-go": iter([100.0, 200.0, 100.0])}
    told: list[str] = []

    def contender(name: str) -> Callable[[argparse.Namespace], Figures]:
        def measure(_: argparse.Namespace) -> Figures:
            rate = next(rates[name])
            if (name, rate) == ("neo-go", 200.0):
                raise RunFailed("no block held anything")
            return figures(rate)

        return measure

    taking_part = {name: contender(name) for name in rates}
    rounds = run(taking_part, argparse.Namespace(rounds=3), told.append)
    assert [list(each) for each in rounds] == [["entente", "neo-go"], ["entente"], ["entente", "neo-go"]]
    assert ratios(rounds) == {"neo-go": [3.0, 2.0]}
    assert "round 2: neo-go failed: no block held anything" in told


def test_what_cannot_be_had_is_told_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(python: str | None) -> bench_peers.Rival:
        raise Unavailable(f"no {python}")

    monkeypatch.setattr(bench_peers, "RIVALS", {"neo-go": absent})
    found, missing = bench_peers.contenders(argparse.Namespace(only="", python="python9"))
    assert (list(found), missing) == (["entente"], {"neo-go": "no python9"})


DRIVER = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[1], "w").write(str(child.pid))
if sys.argv[2] == "hang":
    time.sleep(600)
if sys.argv[2] == "fail":
    sys.exit("no such luck")
print('{"rate": 5}')
"""


@pytest.mark.parametrize(("how", "timeout_s", "words"), [("hang", 3.0, "not done"), ("fail", 60.0, "such luck")])
def test_a_driver_that_hangs_or_fails_leaves_no_process(
    tmp_path: Path, how: str, timeout_s: float, words: str
) -> None:
    with pytest.raises(RunFailed, match=words):
        _answer([sys.executable, "-c", DRIVER, str(tmp_path / "pid"), how], timeout_s)
    assert has_ended(int((tmp_path / "pid").read_text()))


def test_a_driver_that_answers_leaves_no_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", DRIVER, str(tmp_path / "pid"), "answer"]
    assert _answer(command, 60.0) == {"rate": 5}
    assert has_ended(int((tmp_path / "pid").read_text()))


def has_ended(pid: int) -> bool:
    try:
        psutil.Process(pid).wait(timeout=30)
    except psutil.NoSuchProcess:
        return True
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def varint(number: int) -> bytes:
    return bytes([number]) if number < 0xFD else b"\xfd" + number.to_bytes(2, "little")


@pytest.mark.parametrize("count", [0, 1, 252, 253, 3_000])
def test_the_nonces_of_a_raw_block_are_read_by_strides(count: int) -> None:
    transactions = b"".join(b"\0" + (7 * n).to_bytes(4, "little") + bytes(95) for n in range(count))
    witness = b"\x01" + varint(300) + bytes(300) + varint(5) + bytes(5)
    block = bytes(HEADER_BYTES) + witness + varint(count) + transactions
    assert nonces_in(block, 100) == [7 * n for n in range(count)]
    with pytest.raises(RuntimeError, match="other transactions"):
        nonces_in(block + b"\0", 100)


class Chain:
    """A chain that mines when the test says so; it refuses what the test names."""

    def __init__(self, refused: frozenset[str] = frozenset()) -> None:
        self.posted: list[str] = []
        self.pending: list[str] = []
        self.refused = refused
        self.mining = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            key = json.loads(await reader.readexactly(length))["params"][0]
            self.posted.append(key)
            is_refused = key in self.refused
            if not is_refused:
                self.pending.append(key)
            answer = b'{"error": "full"}' if is_refused else b'{"result": true}'
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)

    async def mined(self) -> list[str]:
        await self.mining.wait()
        found, self.pending = self.pending, []
        return found


async def flown(
    chain: Chain, count: int, in_flight: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[Flight, list[int]]:
    """Fly for a short window; return the flight, and how many had been posted when the window opened."""
    monkeypatch.setattr(driving, "WARM_S", 0.2)
    marks: list[int] = []

    def mark() -> None:
        marks.append(len(chain.posted))
        chain.mining.set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await chain.serve(reader, writer)
        except asyncio.IncompleteReadError:
            writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        bodies = {f"{n}": json.dumps({"params": [f"{n}"]}).encode() for n in range(count)}
        flight = Flight(bodies, [port], in_flight, chain.mined)
        await flight.run(0.2, mark, mark)
    return flight, marks


async def test_so_many_are_on_their_way_until_blocks_hold_them(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Chain()
    flight, marks = await flown(chain, 100_000, 150, monkeypatch)
    assert marks[0] == 150
    assert marks[1] > 150
    assert 150 <= len(flight.final) <= len(chain.posted)
    assert not flight.errors
    assert max(depth for _, depth in flight.depths) <= 150


async def test_what_is_refused_makes_room_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Chain(refused=frozenset(f"{n}" for n in range(40)))
    flight, marks = await flown(chain, 100_000, 60, monkeypatch)
    assert marks[0] == 100
    assert (len(flight.errors), flight.errors[0]) == (40, '{"error": "full"}')


async def test_too_few_transactions_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Chain()
    chain.mining.set()
    with pytest.raises(RuntimeError, match="raise --count"):
        await flown(chain, 30, 60, monkeypatch)
