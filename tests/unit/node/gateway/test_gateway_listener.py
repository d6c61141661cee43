"""Accepting goes on after failures, and one client's failure is its own."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from node.gateway import listener
from node.gateway.listener import Listener, listen_on
from node.runtime.errors import ConfigError


class Greeter(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello")
        transport.close()


@asynccontextmanager
async def listening(admit: listener.Admit, host: str = "127.0.0.1") -> AsyncIterator[Listener]:
    made = Listener(admit, lambda protocol: None)
    made.start(await listen_on(host, 0))
    try:
        yield made
    finally:
        await made.stop()


async def greeting(made: Listener) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()


async def test_accepting_pauses_without_descriptors_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """asyncio's server logged 31,743 tracebacks in 20 s."""
    monkeypatch.setattr(listener, "PAUSE_S", 0.001)
    loop = asyncio.get_running_loop()
    accept, failures = loop.sock_accept, 5

    async def without_descriptors(listening: socket.socket) -> tuple[socket.socket, object]:
        nonlocal failures
        if failures:
            failures -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return await accept(listening)

    monkeypatch.setattr(loop, "sock_accept", without_descriptors)
    async with listening(lambda connection, address: Greeter()) as made:
        assert await greeting(made) == b"hello"
    assert failures == 0
    assert caplog.text.count("Too many open files") == 1


async def test_a_refused_connection_is_closed_and_the_next_accepted() -> None:
    seen: list[str] = []

    def admit(connection: socket.socket, address: str) -> asyncio.Protocol | None:
        seen.append(address)
        return Greeter() if len(seen) > 1 else None

    async with listening(admit) as made:
        assert await greeting(made) == b""
        assert await greeting(made) == b"hello"
    assert seen == ["127.0.0.1"] * 2


async def test_a_fault_in_one_connection_leaves_the_others(caplog: pytest.LogCaptureFixture) -> None:
    attempts: list[str] = []

    def admit(connection: socket.socket, address: str) -> asyncio.Protocol:
        attempts.append(address)
        if len(attempts) == 1:
            raise ValueError("a fault")
        return Greeter()

    async with listening(admit) as made:
        assert await greeting(made) == b""
        assert await greeting(made) == b"hello"
    assert "a fault" in caplog.text


async def test_an_abandoned_protocol_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[asyncio.Protocol] = []
    made = Listener(lambda connection, address: Greeter(), told.append)

    async def gone(*_: object) -> None:
        raise ConnectionResetError

    made.start(await listen_on("127.0.0.1", 0))
    monkeypatch.setattr(asyncio.get_running_loop(), "connect_accepted_socket", gone)
    assert await greeting(made) == b""
    await made.stop()
    assert len(told) == 1
    assert made.port is None


async def test_localhost_and_every_address() -> None:
    for host in ("localhost", ""):
        async with listening(lambda connection, address: Greeter(), host) as made:
            assert await greeting(made) == b"hello"


async def test_an_address_in_use_is_an_error() -> None:
    async with listening(lambda connection, address: None) as made:
        assert made.port
        with pytest.raises(ConfigError, match="in use"):
            await listen_on("127.0.0.1", made.port)
