"""Malformed input from a seed, at four levels: HTTP, JSON, JSON-RPC, and transactions' bytes.

The same seed gives the same cases, so that a case that breaks a node can be sent again. Nothing here waits at the
node: `tx_wait` and well-formed sends are left out.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson

STRANGE_VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**53,
    2**53 - 1,
    -(2**53),
    2**63 - 1,
    1.0,
    1.5,
    -0.0,
    1e308,
    "",
    " ",
    "0",
    "-1",
    "0x10",
    "0x1.0_1",
    "1_0",
    "١٢",
    "null",
    "\u0000",
    "\ufeff",
    "é" * 300,
    "a" * 5_000,
    "../../etc/passwd",
    "ent1",
    "ent1" + "q" * 60,
    "00" * 32,
    "zz" * 32,
    "AA" * 32,
    "0" * 63,
    [],
    {},
    [[]],
    [{}],
    {"": None},
    {"a": {"b": {"c": []}}},
    [0] * 100,
    ["ab"] * 50,
)

METHOD_NAMES: Final[tuple[Any, ...]] = (
    "",
    " ",
    "node_info ",
    "NODE_INFO",
    "__class__",
    "rpc.",
    "rpc.discover.x",
    "node_info\u0000",
    "a" * 2_000,
    1,
    None,
    [],
    {},
)

BODY: Final = b'{"jsonrpc":"2.0","id":1,"method":"chain_block","params":{"height":1,"full":true}}'


class Cases:
    """A stream of cases.

    Args:
        methods: the node's methods, and the names of each one's parameters.
        transaction: a valid transaction, whose mutations are sent.
        body: its body.
    """

    def __init__(self, seed: str, methods: dict[str, list[str]], transaction: bytes, body: bytes) -> None:
        self._random = random.Random(seed)
        self._methods = {name: names for name, names in methods.items() if name not in ("tx_wait", "tx_send")}
        self._names = sorted(self._methods)
        self._transaction = transaction
        self._body = body

    # -- HTTP --------------------------------------------------------------------------------------

    def http(self) -> bytes:
        """Return the bytes of something that is not quite an HTTP request."""
        make = self._random.choice(_HTTP)
        raw = make(self._random)
        return mutated(self._random, raw) if self._random.random() < 0.3 else raw

    # -- JSON --------------------------------------------------------------------------------------

    def json(self) -> bytes:
        """Return a body that is not quite JSON, or not quite what is asked for."""
        pick = self._random
        kind = pick.randrange(8)
        if kind == 0:
            return mutated(pick, BODY)
        if kind == 1:
            return BODY[: pick.randrange(len(BODY))]
        if kind == 2:
            depth = pick.choice((10, 100, 1_000, 1_023, 1_024, 1_025, 20_000))
            opening, closing = pick.choice(((b"[", b"]"), (b'{"a":', b"}")))
            return opening * depth + b"1" + closing * pick.choice((depth, depth - 1, 0))
        if kind == 3:
            return pick.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b" ", b"\n")) + BODY
        if kind == 4:
            return BODY + pick.choice((b"]", b"}", b"\x00", b"{}", b",", BODY))
        if kind == 5:
            number = pick.choice(
                (b"1e999", b"-1e999", b"NaN", b"Infinity", b"01", b"+1", b"1" * 500, b"0x10", b"1.")
            )
            return BODY.replace(b'"height":1', b'"height":' + number)
        if kind == 6:
            text = pick.choice(
                (b"\\ud800", b"\\udfff\\ud800", b"\\x", b"\\u00", b"\xc3", b"\xed\xa0\x80", b"\x01", b"\\u0000")
            )
            return BODY.replace(b"chain_block", text)
        return BODY.replace(b'"id":1', b'"id":1,' * pick.randrange(1, 50) + b'"id":' + self._scalar())

    def _scalar(self) -> bytes:
        return orjson.dumps(self._random.choice(STRANGE_VALUES), option=orjson.OPT_PASSTHROUGH_SUBCLASS)

    # -- JSON-RPC ----------------------------------------------------------------------------------

    def entry(self) -> Any:
        """Return a request object that no client should send."""
        pick = self._random
        if pick.random() < 0.1:
            return pick.choice(STRANGE_VALUES)
        method = pick.choice(METHOD_NAMES) if pick.random() < 0.1 else pick.choice(self._names)
        entry: dict[str, Any] = {"jsonrpc": "2.0", "id": pick.choice((1, "a", None)), "method": method}
        entry["params"] = self._params(self._methods.get(method, []) if isinstance(method, str) else [])
        if pick.random() < 0.1:
            entry[pick.choice(("jsonrpc", "id", "method", "params", "x"))] = pick.choice(STRANGE_VALUES)
        if pick.random() < 0.05:
            del entry[pick.choice(sorted(entry))]
        return entry

    def _params(self, names: Sequence[str]) -> Any:
        pick = self._random
        if pick.random() < 0.15:
            return [self._value() for _ in range(pick.randrange(6))]
        params = {name: self._value() for name in names if pick.random() < 0.8}
        if pick.random() < 0.1:
            params[pick.choice(("", "x", "__proto__", "height"))] = self._value()
        return params

    def _value(self) -> Any:
        pick = self._random
        if pick.random() < 0.2:
            return pick.randbytes(pick.choice((1, 20, 32, 64))).hex()
        return pick.choice(STRANGE_VALUES)

    # -- transactions ------------------------------------------------------------------------------

    def transaction(self) -> Any:
        """Return a call that hands over bytes that are not quite a transaction."""
        pick = self._random
        method, name, raw = pick.choice(
            (
                ("tx_submit", "tx", self._transaction),
                ("tx_send", "tx", self._transaction),
                ("tx_simulate", "body", self._body),
            )
        )
        text = (
            mutated(pick, raw).hex() if pick.random() < 0.9 else mutated(pick, raw.hex().encode()).decode("latin-1")
        )
        return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {name: text}}


def mutated(pick: random.Random, raw: bytes) -> bytes:
    """Return bytes with some of them changed, left out, doubled or added; never the same bytes."""
    data = bytearray(raw)
    for _ in range(pick.choice((1, 1, 1, 2, 4, 16))):
        at = pick.randrange(len(data)) if data else 0
        kind = pick.randrange(5)
        if kind == 0 and data:
            data[at] ^= 1 << pick.randrange(8)
        elif kind == 1 and data:
            del data[at : at + pick.choice((1, 2, 8, 64))]
        elif kind == 2:
            data[at:at] = pick.randbytes(pick.choice((1, 2, 8)))
        elif kind == 3:
            data[at:at] = data[at : at + pick.choice((1, 8, 64))]
        elif data:
            data[at] = pick.choice((0x00, 0x7F, 0x80, 0xC1, 0xC6, 0xDB, 0xDD, 0xDF, 0xFF))
    return bytes(data) if bytes(data) != raw else bytes(data) + b"\x00"


def _post(*headers: str, body: bytes = BODY, line: str = "POST / HTTP/1.1") -> bytes:
    fields = "".join(f"{header}\r\n" for header in ("Host: localhost", "Content-Type: application/json", *headers))
    return f"{line}\r\n{fields}\r\n".encode() + body


_LENGTH: Final = f"Content-Length: {len(BODY)}"
_CHUNKED: Final = "Transfer-Encoding: chunked"
_INNER: Final = b"0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"


def _chunks(pick: random.Random) -> bytes:
    size = pick.choice(
        ("-1", "ffffffffffffffff", "zz", "", " 5", "5;" + "x" * 9_000, "0x5", "5\n", "00000000000000005", "١")
    )
    return _post(_CHUNKED, body=f"{size}\r\n".encode() + b"hello\r\n0\r\n\r\n")


def _lengths(pick: random.Random) -> bytes:
    value = pick.choice(
        ("-1", "+5", "5, 5", "5,6", "1e3", "", " ", "0x10", "99999999999999999999", "١", "5\x0b", str(2**63))
    )
    return _post(f"Content-Length: {value}")


def _line(pick: random.Random) -> bytes:
    line = pick.choice(
        (
            "GET / HTTP/9.9",
            "GET /",
            "POST",
            "",
            "\r\n",
            "POST http://evil.example/ HTTP/1.1",
            "POST //evil.example HTTP/1.1",
            "POST /%00 HTTP/1.1",
            "POST /%zz HTTP/1.1",
            "POST /../.. HTTP/1.1",
            "POST * HTTP/1.1",
            "CONNECT evil.example:80 HTTP/1.1",
            "TRACE / HTTP/1.1",
            "PRI * HTTP/2.0",
            "POST / HTTP/1.1 x",
            "POST  /  HTTP/1.1",
            "P\x00ST / HTTP/1.1",
            "GET /" + "a" * 9_000 + " HTTP/1.1",
        )
    )
    return _post(_LENGTH, line=line)


def _field(pick: random.Random) -> bytes:
    field = pick.choice(
        (
            "X",
            ": x",
            "X : y",
            " X: y",
            "X: \x00",
            "X: y\rZ: w",
            "X: y\n z",
            "X" * 9_000 + ": y",
            "X: " + "y" * 9_000,
            "Expect: 100-continue",
            "Expect: x",
            "Upgrade: websocket",
            "Connection: upgrade, close, keep-alive",
            "Host: b",
            "Authorization: Bearer \xff",
            "Authorization: Bearer " + "x" * 5_000,
            "Content-Type: application/json; charset=\xff",
            "Range: bytes=0-0",
            "Cookie: " + "a=b;" * 500,
        )
    )
    return _post(_LENGTH, field)


_HTTP: Final[tuple[Callable[[random.Random], bytes], ...]] = (
    _chunks,
    _lengths,
    _line,
    _field,
    # Smuggling: two lengths, a length and chunks, chunks under another name.
    lambda _: _post(_LENGTH, _CHUNKED, body=_INNER),
    lambda _: _post(_CHUNKED, _LENGTH, body=_INNER),
    lambda _: _post(_LENGTH, f"Content-Length: {len(BODY) + 5}"),
    lambda _: _post("Transfer-Encoding: xchunked", body=_INNER),
    lambda _: _post("Transfer-Encoding : chunked", body=_INNER),
    lambda _: _post("Transfer-Encoding: gzip, chunked", body=_INNER),
    lambda _: _post("Transfer-Encoding: chunked, identity", body=_INNER),
    lambda _: _post(
        "Content-Encoding: gzip",
        f"Content-Length: {len(gzip.compress(BODY, mtime=0))}",
        body=gzip.compress(BODY, mtime=0),
    ),
    lambda _: _post(_LENGTH).replace(b"application/json", b"text/plain"),
    lambda _: _post(_LENGTH).replace(b"application/json", b"multipart/form-data; boundary=x"),
    lambda _: _post(_LENGTH).replace(b"Content-Type: application/json\r\n", b""),
    lambda _: _post(_LENGTH).replace(b"\r\n", b"\n"),
    lambda _: _post(_LENGTH) * 20,
    lambda _: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
    lambda pick: pick.randbytes(pick.choice((1, 16, 300, 5_000))),
)
