"""A flooder of one P2P port, as a process: `python -m tests.support.p2p_flood MODE PORT`; ends when it is killed.

    connect     connects and hangs up
    silent      connects and says nothing
    hello       sends a ClientHello, and nothing after it
    handshake   completes TLS with a key that no chain lists (slower: it pays for the cryptography as well)

It prints how many connections it has made, after each REPORT_EVERY.
"""

from __future__ import annotations

import collections
import contextlib
import secrets
import socket
import ssl
import sys
from collections.abc import Callable

from network.certificates import SERVER_NAME, make_contexts
from vm.primitives.keys import SigningKey

MODES = ("connect", "silent", "hello", "handshake")
REPORT_EVERY = 100
HELD = 400
"""Connections that the flooder keeps open, below the usual limit of descriptors."""

Attempt = Callable[[], socket.socket]


def client_hello() -> bytes:
    """Return what a TLS client sends first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=SERVER_NAME).do_handshake()
    return outgoing.read()


def attempt(mode: str, port: int, host: str = "127.0.0.1", chain: str = "") -> Attempt:
    """Return what makes one connection in this way."""
    hello = client_hello()
    context = make_contexts(chain, SigningKey(secrets.token_bytes(32))).client if mode == "handshake" else None

    def connect() -> socket.socket:
        connected = socket.create_connection((host, port), timeout=5)
        if mode == "connect":
            connected.close()
        elif mode == "hello":
            connected.sendall(hello)
        elif context is not None:
            with contextlib.suppress(OSError):
                return context.wrap_socket(connected, server_hostname=SERVER_NAME)
        return connected

    return connect


def flood(connect: Attempt) -> None:
    """Connect as fast as possible, for ever, and keep the latest connections open."""
    held: collections.deque[socket.socket] = collections.deque()
    made = 0
    while True:
        with contextlib.suppress(OSError):
            held.append(connect())
        if len(held) > HELD:
            held.popleft().close()
        made += 1
        if made % REPORT_EVERY == 0:
            print(made, flush=True)


if __name__ == "__main__":
    flood(attempt(sys.argv[1], int(sys.argv[2]), chain=sys.argv[3] if len(sys.argv) > 3 else ""))
