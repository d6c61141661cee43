"""HTTP as an attacker speaks it: from a chosen source address, and byte by byte where that matters."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

HOST = "127.0.0.1"
MAX_LINE_BYTES = 64 * 1024 * 1024
"""Above max_response_bytes: an answer is read whole."""


class Answer(NamedTuple):
    """What came back; status 0 where nothing that is HTTP did."""

    status: int
    body: bytes

    def document(self) -> Any:
        """Return the body as JSON, None where it is not."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None


class Wire:
    """One connection to a gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int, source: str, timeout_s: float = 5.0) -> Wire:
        """Connect from a source address.

        Raises:
            OSError: the connection is refused, or not taken in time.
        """
        try:
            async with asyncio.timeout(timeout_s):
                streams = await asyncio.open_connection(HOST, port, local_addr=(source, 0), limit=MAX_LINE_BYTES)
        except TimeoutError:
            raise OSError("not taken in time") from None
        return cls(*streams)

    async def post(self, body: bytes, timeout_s: float = 60.0, headers: Mapping[str, str] | None = None) -> Answer:
        """Post a JSON body and return the answer; OSError where none comes."""
        return await self.exchange(request(body, headers), timeout_s)

    async def exchange(self, raw: bytes, timeout_s: float = 60.0) -> Answer:
        """Send bytes as they are and read one answer; OSError where the other side hangs up or does not answer."""
        try:
            async with asyncio.timeout(timeout_s):
                self.write(raw)
                await self._writer.drain()
                return await self.answer()
        except TimeoutError:
            raise OSError("no answer in time") from None

    def write(self, raw: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(raw)

    async def drain(self) -> None:
        """Wait until the other side takes more."""
        await self._writer.drain()

    async def answer(self) -> Answer:
        """Read one answer; OSError where the other side hangs up before its end."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
            lines = head.split(b"\r\n")
            length = 0
            for line in lines[1:]:
                name, _, value = line.partition(b":")
                if name.strip().lower() == b"content-length":
                    length = int(value)
            status = int(lines[0].split()[1])
            return Answer(status, await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, IndexError) as error:
            raise OSError(f"no whole answer: {error}") from None

    async def rest(self, timeout_s: float) -> bytes:
        """Return what comes until the other side hangs up, or for so long."""
        data = b""
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(timeout_s):
                while chunk := await self._reader.read(65_536):
                    data += chunk
        return data

    def close(self) -> None:
        """Hang up at once."""
        self._writer.transport.abort()


def request(body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes of a POST as a well-behaved client sends it; `headers` add to and replace its own."""
    fields = {
        "Host": "localhost",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST / HTTP/1.1\r\n{head}\r\n".encode() + body


def calls(entries: Sequence[tuple[str, Mapping[str, Any]]]) -> bytes:
    """Return the body of a batch of calls; one alone is no batch."""
    documents = [
        {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        for number, (method, params) in enumerate(entries)
    ]
    return orjson.dumps(documents[0] if len(documents) == 1 else documents)


def reasons(answer: Answer) -> list[str]:
    """Return what became of each call of a batch: `ok`, the error's reason, or HTTP's status."""
    document = answer.document()
    if not isinstance(document, list | dict):
        return [f"HTTP {answer.status}"]
    entries = document if isinstance(document, list) else [document]
    return ["ok" if "result" in entry else str(entry["error"]["data"]["reason"]) for entry in entries]


def silent_socket(port: int, source: str, receive_bytes: int) -> socket.socket:
    """Return a connected socket that takes in so little that its peer soon waits."""
    silent = socket.socket()
    silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    silent.bind((source, 0))
    silent.settimeout(5.0)
    silent.connect((HOST, port))
    return silent
