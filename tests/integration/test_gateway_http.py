"""HTTP as clients and proxies speak it: expectations, encodings, ids, forwarded addresses, idle connections."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from node.gateway import server
from node.runtime.config import hashed_key
from tests.support.gateway import Web, running_gateway
from tests.support.ledger import LocalChain, LocalNode, address_of, program_op

CALL = b'{"jsonrpc":"2.0","id":1,"method":"node_health"}'


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[LocalChain]:
    chain = LocalChain(tmp_path / "data", [program_op("miles", "aurora")])
    yield chain
    chain.close()


@pytest.fixture
def node(chain: LocalChain) -> LocalNode:
    return LocalNode(chain)


def head(*lines: str, length: int = len(CALL), kind: str = "application/json", version: str = "1.1") -> bytes:
    fixed = [f"POST / HTTP/{version}", "Host: localhost", f"Content-Type: {kind}", f"Content-Length: {length}"]
    return "\r\n".join([*fixed, *lines, "", ""]).encode()


@asynccontextmanager
async def connected(web: Web) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", web.gateway.port)
        try:
            yield reader, writer
        finally:
            writer.close()


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return status and body of one response."""
    lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    (length,) = [int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length")] or (0,)
    return int(lines[0].split()[1]), await reader.readexactly(length)


# -- Expect ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("expected", ["100-continue", "100-Continue "])
async def test_a_client_that_waits_for_100_is_told_to_go_on(node: LocalNode, expected: str) -> None:
    async with running_gateway(node) as web, connected(web) as (reader, writer):
        for _ in range(2):  # the connection stays usable
            writer.write(head(f"Expect: {expected}"))
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(CALL)
            assert (await answer_of(reader))[0] == 200


@pytest.mark.parametrize(
    ("lines", "options", "status"),
    [
        (("Expect: 100-continue",), {"length": 10_001}, 413),
        (("Expect: 100-continue",), {"kind": "text/plain"}, 415),
        (("Expect: 100-continue", "Content-Encoding: gzip"), {}, 415),
        (("Expect: a teapot",), {}, 417),
    ],
)
async def test_what_is_refused_without_its_body_is_refused_at_once(node, lines, options, status) -> None:
    async with running_gateway(node, max_request_bytes=10_000) as web, connected(web) as (reader, writer):
        writer.write(head(*lines, **options))
        answer = await reader.readuntil(b"\r\n\r\n")
        assert int(answer.split()[1]) == status
        assert b"\r\nConnection: close\r\n" in answer, "the client may send the body all the same"


async def test_a_body_that_is_here_and_http_1_0_need_no_100(node: LocalNode) -> None:
    async with running_gateway(node) as web:
        for version in ("1.1", "1.0"):
            async with connected(web) as (reader, writer):
                writer.write(head("Expect: 100-continue", version=version) + CALL)
                assert (await answer_of(reader))[0] == 200


# -- encodings and ids -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Encoding": "identity"}, 200),
        ({"Content-Encoding": "Identity "}, 200),
        ({"Content-Encoding": "gzip"}, 415),
        ({"Content-Encoding": "identity, br"}, 415),
        ({"Content-Type": "application/json; charset=utf-8"}, 200),
        ({"Content-Type": 'Application/JSON;charset="UTF-8"'}, 200),
        ({"Content-Type": "application/json; charset=latin-1"}, 415),
    ],
)
async def test_encodings(node: LocalNode, headers: dict[str, str], status: int) -> None:
    async with running_gateway(node) as web:
        assert (await web.post(CALL, headers))[0] == status


@pytest.mark.parametrize(
    "id_json",
    ["0", "-1", "1.1", '"1"', "null", "9007199254740993", "18446744073709551615", "-9223372036854775808"],
)
async def test_an_id_comes_back_with_its_digits(node: LocalNode, id_json: str) -> None:
    async with running_gateway(node) as web:
        body = CALL.replace(b'"id":1', b'"id":' + id_json.encode())
        async with web.session.post(
            web.gateway.url, data=body, headers={"Content-Type": "application/json"}
        ) as got:
            assert f'"id":{id_json},"result"' in await got.text()


@pytest.mark.parametrize("id_json", ["18446744073709551616", "-9223372036854775809", "1e300", "9" * 30, "true"])
async def test_an_id_whose_digits_would_change_is_refused(node: LocalNode, id_json: str) -> None:
    async with running_gateway(node) as web:
        _, answer = await web.post(CALL.replace(b'"id":1', b'"id":' + id_json.encode()))
        assert isinstance(answer, dict)
        assert (answer["id"], answer["error"]["code"]) == (None, -32600)


async def test_null_params_are_refused_with_what_to_do(node: LocalNode) -> None:
    async with running_gateway(node) as web:
        _, answer = await web.post(b'{"jsonrpc":"2.0","id":1,"method":"node_health","params":null}')
        assert isinstance(answer, dict)
        assert answer["error"]["code"] == -32600
        assert "leave params out" in answer["error"]["message"]


# -- proxies and keys ------------------------------------------------------------------------------

TILL_A, TILL_B = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}


async def test_clients_behind_a_trusted_proxy_are_counted_one_by_one(node: LocalNode) -> None:
    limits = {"max_requests_per_second": 3, "max_batch": 1, "max_connections_per_client": 1}
    async with running_gateway(node, trusted_proxies=("127.0.0.0/8",), **limits) as web:
        assert [(await web.post(CALL, TILL_A))[0] for _ in range(4)] == [200, 200, 200, 429]
        assert (await web.post(CALL, TILL_B))[0] == 200
        forged = {"X-Forwarded-For": "192.0.2.77, 192.0.2.1"}
        assert (await web.post(CALL, forged))[0] == 429, "the client's own invention stands to the left"
        async with connected(web) as first, connected(web) as second:  # more than one, beside the session's
            for reader, writer in (first, second):
                writer.write(head("X-Forwarded-For: 192.0.2.3") + CALL)
                assert (await answer_of(reader))[0] == 200


async def test_without_trust_the_header_changes_nothing(node: LocalNode) -> None:
    for trusted in ((), ("10.0.0.0/8",)):
        async with running_gateway(node, trusted_proxies=trusted, max_requests_per_second=3, max_batch=1) as web:
            headers = [{"X-Forwarded-For": f"192.0.2.{number}"} for number in range(4)]
            assert [(await web.post(CALL, each))[0] for each in headers] == [200, 200, 200, 429]


async def test_keys_are_known_by_their_hashes(node: LocalNode) -> None:
    entry = hashed_key("w")
    async with running_gateway(node, write_api_keys=(entry,), read_api_keys=(hashed_key("r"), "clear")) as web:
        for key, status in (("r", 200), ("w", 200), ("clear", 200), ("x", 401), (entry, 401)):
            assert (await web.post(CALL, {"Authorization": f"Bearer {key}"}))[0] == status


# -- idle connections ------------------------------------------------------------------------------


async def test_a_connection_that_is_closed_while_its_client_sends_issues_once(
    node: LocalNode, chain: LocalChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server closes what has been idle; a client that sends at that moment sends the same bytes again."""
    monkeypatch.setattr(server, "KEEPALIVE_S", 0.05)
    resent = 0
    async with running_gateway(node) as web:
        for number, late_ms in enumerate(itertools.islice(itertools.cycle(range(-4, 5)), 45)):
            issue = {"program": "miles", "to": address_of("bea"), "amount": 10, "ref": f"order-{number}"}
            tx = chain.sign("aurora-admin", [("token.issue", issue)]).hex()
            body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "tx_send", "params": [tx]})
            async with connected(web) as (reader, writer):
                writer.write(head() + CALL)
                assert (await answer_of(reader))[0] == 200
                await asyncio.sleep(0.05 + late_ms / 1_000)
                answer = await _try(reader, writer, head(length=len(body)) + body)
            if answer is None:
                resent += 1
                _, told = await web.post(body)
                assert isinstance(told, dict)
                answer = orjson.dumps(told)
            assert orjson.loads(answer)["result"]["status"] == "ok"
    assert resent, "the server never closed one in time"
    async with running_gateway(node) as web:
        assert (await web.call("token_supply", ["miles"]))["issued"] == 450


async def _try(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes | None:
    """Send a request; return the answer, None where the connection was closed."""
    try:
        writer.write(request)
        return (await answer_of(reader))[1]
    except (ConnectionError, asyncio.IncompleteReadError):
        return None
