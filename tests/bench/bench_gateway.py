"""What the gateway costs per HTTP request: CPU time of the serving process for `POST /` over kept connections.

    python -m tests.bench.bench_gateway [--requests 20000] [--path /] [--rounds 5] [--process]

With --process the gateway is a process of its own, and what is measured is the node behind it, which answers
`node_health`.

The client is a process of its own, so that its work is not counted. Prints each round and the least: machines are
shared, and what disturbs only adds. To compare two trees run them in turn, each from its own folder.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.support.gateway import running_gateway, running_gateway_process
from tests.support.ledger import LocalChain, LocalNode

CONNECTIONS: Final = 16
"""Each has one request under way, so that the event loop finds several at each turn."""

BODY: Final = b'{"jsonrpc":"2.0","id":1,"method":"node_health"}'


def request_of(path: str) -> bytes:
    """Return a whole request: a call for /, else a GET."""
    if path != "/":
        return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}"
    return f"{head}\r\n\r\n".encode() + BODY


def ask(port: int, path: str, requests: int) -> None:
    """Send requests, the next on a connection when the last has been answered; the client's process."""
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
    request = request_of(path)
    for _ in range(requests // CONNECTIONS):
        for connection in sockets:
            connection.sendall(request)
        for connection in sockets:
            answer = connection.recv(65_536)  # the answers of this bench are smaller than a segment
            if not answer.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"answered {answer[:200]!r}")


async def measured(path: str, requests: int, rounds: int, *, process: bool) -> list[float]:
    """Return microseconds of CPU per request, of each round."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        chain = LocalChain(Path(folder) / "data")
        running = running_gateway_process if process else running_gateway
        async with running(LocalNode(chain), max_requests_per_second=10_000_000) as web:
            for _ in range(rounds):
                arguments = ["--port", str(web.gateway.port), "--path", path, "--requests", str(requests)]
                begin = time.process_time()
                client = await asyncio.create_subprocess_exec(sys.executable, "-m", __spec__.name, *arguments)
                if await client.wait() != 0:
                    raise SystemExit(1)
                found.append((time.process_time() - begin) / requests * 1e6)
        chain.close()
    return found


def main() -> None:
    """Measure, or be the client of a measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--path", default="/")
    parser.add_argument("--process", action="store_true")
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.port is not None:
        ask(options.port, options.path, options.requests)
        return
    found = asyncio.run(measured(options.path, options.requests, options.rounds, process=options.process))
    print(f"{options.path}: {' '.join(f'{each:.1f}' for each in found)} µs a request; least {min(found):.1f}")


if __name__ == "__main__":
    main()
