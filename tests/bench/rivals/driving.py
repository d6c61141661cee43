"""Load on another chain's JSON-RPC: so many signed transactions on their way, each timed until a block holds it.

The same closed loop as `node.load`, for transactions that stand signed before the clock starts. Blocks are asked
for as they come; a transaction's latency counts from when it was posted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONNECTIONS = 64
POLL_S = 0.02
WARM_S = 2.0
"""Sent before the window opens, so that the pool holds as many as are to be on their way."""

ANSWER_S = 30.0
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Options:
    """What a rival's program is told."""

    home: Path
    binary: Path
    port: int
    seconds: float
    in_flight: int
    count: int


def options_of(doc: str) -> Options:
    """Read the command line, and let SIGTERM end the program by its `finally` blocks."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--home", type=Path, required=True, help="an empty folder")
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True, help="the first of ten free ports")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--in-flight", type=int, required=True)
    parser.add_argument(
        "--count", type=int, required=True, help="transactions that are signed before the clock starts"
    )
    return Options(**vars(parser.parse_args()))


class Processes:
    """The rival's processes; all have ended when the block has."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            process.terminate()
        for process in self._running:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self, command: Sequence[str | Path], log: Path) -> None:
        """Start one, its output to a file."""
        with log.open("wb") as output:
            self._running.append(subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT))

    def cpu_seconds(self) -> float:
        """Return the CPU time that all have used."""
        used = 0
        for process in self._running:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            used += int(fields[11]) + int(fields[12])
        return used / TICKS


def call(port: int, method: str, *params: Any) -> Any:
    """Return the result of one JSON-RPC call; an error is a RuntimeError."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}", data=body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=ANSWER_S) as response:
        answer = json.loads(response.read())
    if "error" in answer:
        raise RuntimeError(f"{method}: {answer['error']}")
    return answer["result"]


def wait_for(condition: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
    """Wait until a condition holds; one that cannot be asked yet does not."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            if condition():
                return
        except (OSError, RuntimeError):
            pass  # Not up yet.
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s:.0f} s: {what}")
        time.sleep(0.1)


class Flight:
    """Posts transactions, and keeps as many on their way as are wanted.

    Args:
        bodies: JSON-RPC requests, by the key under which a block names the transaction.
        mined: returns the keys in the blocks that have come since it was asked last.
    """

    def __init__(
        self,
        bodies: dict[Any, bytes],
        ports: Sequence[int],
        in_flight: int,
        mined: Callable[[], Awaitable[list[Any]]],
    ) -> None:
        self._bodies = iter(bodies.items())
        self._ports = ports
        self._room = asyncio.Semaphore(in_flight)
        self._mined = mined
        self._posted: dict[Any, float] = {}
        self.final: list[tuple[float, float]] = []
        """(when a block was seen to hold it, ms since it was posted) of each."""
        self.errors: list[str] = []
        self.depths: list[tuple[float, int]] = []
        """(when it was looked at, how many were on their way)."""

    async def run(self, seconds: float, opens: Callable[[], None], closes: Callable[[], None]) -> None:
        """Post for so many seconds after WARM_S; call back when the window opens and closes."""
        tasks = [
            asyncio.create_task(self._connection(self._ports[n % len(self._ports)])) for n in range(CONNECTIONS)
        ]
        tasks.append(asyncio.create_task(self._watch()))
        window = asyncio.create_task(self._window(seconds, opens, closes))
        done, _ = await asyncio.wait({window, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in (window, *tasks):
            task.cancel()
        await asyncio.gather(window, *tasks, return_exceptions=True)
        for task in done:
            task.result()
        if window not in done:
            raise RuntimeError("the signed transactions did not last until the window closed; raise --count")

    @staticmethod
    async def _window(seconds: float, opens: Callable[[], None], closes: Callable[[], None]) -> None:
        await asyncio.sleep(WARM_S)
        opens()
        await asyncio.sleep(seconds)
        closes()

    async def _connection(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for key, body in self._bodies:
                await self._room.acquire()
                self._posted[key] = time.monotonic()
                answer = await _posted(reader, writer, body)
                if b'"error"' in answer:
                    self.errors.append(answer[:200].decode("utf-8", "replace"))
                    self._posted.pop(key, None)
                    self._room.release()
        finally:
            writer.close()

    async def _watch(self) -> None:
        while True:
            self.depths.append((time.monotonic(), len(self._posted)))
            for key in await self._mined():
                since = self._posted.pop(key, None)
                if since is not None:
                    now = time.monotonic()
                    self.final.append((now, (now - since) * 1_000))
                    self._room.release()
            await asyncio.sleep(POLL_S)


async def _posted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> bytes:
    """Post a body on a kept connection and return the answer's."""
    head = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    writer.write(head % len(body) + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = int(answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    return await reader.readexactly(length)


async def asked(port: int, method: str, *params: Any) -> Any:
    """Return the result of one call, off the loop."""
    return await asyncio.to_thread(call, port, method, *params)


def measured(flight: Flight, seconds: float, processes: Processes) -> dict[str, Any]:
    """Run a flight and return the figures of its window."""
    marks: list[tuple[float, float, float]] = []

    def mark() -> None:
        marks.append((time.monotonic(), processes.cpu_seconds(), time.process_time()))

    asyncio.run(flight.run(seconds, mark, mark))
    (opened, cpu, own), (closed, cpu_after, own_after) = marks
    elapsed = closed - opened
    latencies = sorted(ms for at, ms in flight.final if opened <= at < closed)
    if not latencies:
        raise RuntimeError(f"no block held anything; first error: {(flight.errors or ['none'])[0]}")
    depths = [depth for at, depth in flight.depths if opened <= at < closed]
    quantiles = [latencies[min(len(latencies) - 1, int(len(latencies) * share))] for share in (0.5, 0.95, 0.99)]
    return {
        "rate": len(latencies) / elapsed,
        "latency_ms": quantiles,
        "depth": sum(depths) / max(1, len(depths)),
        "cpu": (cpu_after - cpu) / elapsed,
        "client_cpu": (own_after - own) / elapsed,
        "errors": len(flight.errors),
        "first_error": flight.errors[0] if flight.errors else None,
    }


def tell(figures: dict[str, Any]) -> None:
    """Print the one line that the benchmark reads."""
    sys.stdout.write(json.dumps(figures) + "\n")
