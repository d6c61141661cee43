"""Reads the name that a TLS ClientHello asks for, before a TLS machine is made for its sender; pure.

The listener looks at what a stranger has sent without taking it out of the socket. What begins no
handshake is closed there; the name (SNI) of what does may carry a ticket (`network.tickets`). Nothing
else of a ClientHello is judged here: OpenSSL does that, for those who get that far.

Invariants:
    1. For any bytes, `read_client_hello` returns or raises NotTls, after at most one pass over them.
    2. It never asks for more than MAX_CLIENT_HELLO_BYTES.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from network.errors import NotTls

MAX_CLIENT_HELLO_BYTES: Final = 4_096
"""OpenSSL sends some 300 bytes, and 1,600 with a post-quantum key share; all of it in one record."""

_RECORD_HEADER_BYTES: Final = 5
_RECORD_HANDSHAKE: Final = 22
_MAJOR_VERSION: Final = 3
_HANDSHAKE_CLIENT_HELLO: Final = 1
_VERSION_AND_RANDOM_BYTES: Final = 34
_EXTENSION_SERVER_NAME: Final = 0
_NAME_IS_HOST: Final = 0


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What is of interest in a ClientHello; an empty name where it has none."""

    server_name: str


def read_client_hello(data: bytes) -> ClientHello | None:
    """Return what the bytes ask for, or None until more of them have come.

    Raises:
        NotTls: no ClientHello in one record can begin so (RFC 8446, 4.1.2 and 5.1).
    """
    if data[:1] not in (b"", bytes((_RECORD_HANDSHAKE,))) or data[1:2] not in (b"", bytes((_MAJOR_VERSION,))):
        raise NotTls("no TLS handshake record")
    if len(data) < _RECORD_HEADER_BYTES:
        return None
    end = _RECORD_HEADER_BYTES + int.from_bytes(data[3:_RECORD_HEADER_BYTES], "big")
    if not _RECORD_HEADER_BYTES < end <= MAX_CLIENT_HELLO_BYTES:
        raise NotTls("a record of a length that no ClientHello has")
    if len(data) < end:
        return None
    return ClientHello(_server_name(_Cursor(data[_RECORD_HEADER_BYTES:end])))


def _server_name(record: _Cursor) -> str:
    if record.number(1) != _HANDSHAKE_CLIENT_HELLO:
        raise NotTls("another handshake message than a ClientHello")
    body = record.vector(3)
    body.take(_VERSION_AND_RANDOM_BYTES)
    body.vector(1)  # session id
    body.vector(2)  # cipher suites
    body.vector(1)  # compression methods
    extensions = body.vector(2)
    while extensions:
        kind, content = extensions.number(2), extensions.vector(2)
        if kind == _EXTENSION_SERVER_NAME:
            names = content.vector(2)
            if names.number(1) != _NAME_IS_HOST:
                return ""
            return names.vector(2).rest().decode("ascii", errors="replace")
    return ""


class _Cursor:
    """Takes numbers and length-prefixed vectors (RFC 8446, 3.4) from the front of some bytes."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) < count:
            raise NotTls("a ClientHello that ends too early")
        self._at += count
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> _Cursor:
        return _Cursor(self.take(self.number(size)))

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)
