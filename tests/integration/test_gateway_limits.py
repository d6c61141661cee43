"""What the gateway does with nonsense, and with clients that ask for too much."""

import asyncio

import orjson
import pytest

from node.store import StoreCorrupt
from tests.support.gateway import running_gateway
from tests.support.ledger import LocalChain, LocalNode, address_of, program_op

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory):
    chain = LocalChain(tmp_path_factory.mktemp("chain") / "data", [program_op("sun", "aurora")])
    chain.commit([chain.sign("aurora-admin", [("token.issue", issue_args(i))]) for i in range(1, 200)])
    yield chain
    chain.close()


def issue_args(amount):
    return {"program": "sun", "to": address_of("shopper"), "amount": amount}


@pytest.fixture
def node(chain):
    return LocalNode(chain)


PARSE, REQUEST, METHOD, PARAMS = -32700, -32600, -32601, -32602

NONSENSE = [
    (b"", PARSE),
    (b"{", PARSE),
    (b"\x00", PARSE),
    (b"\xff\xfe", PARSE),
    (b"\xef\xbb\xbf{}", PARSE),
    (b'{"jsonrpc":"2.0","id":1,"method":"node_info"} x', PARSE),
    (b'{"jsonrpc":"2.0","id":NaN,"method":"node_info"}', PARSE),
    (b'{"jsonrpc":"2.0","id":1,"method":"\xff"}', PARSE),
    (b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}', PARSE),
    (b"[" * 100_000 + b"]" * 100_000, PARSE),
    (b"null", REQUEST),
    (b"1", REQUEST),
    (b'"node_info"', REQUEST),
    (b"[]", REQUEST),
    (b"{}", REQUEST),
    (b'{"jsonrpc":"1.0","id":1,"method":"node_info"}', REQUEST),
    (b'{"jsonrpc":2.0,"id":1,"method":"node_info"}', REQUEST),
    (b'{"id":1,"method":"node_info"}', REQUEST),
    (b'{"jsonrpc":"2.0","id":1}', REQUEST),
    (b'{"jsonrpc":"2.0","id":1,"method":1}', REQUEST),
    (b'{"jsonrpc":"2.0","id":1,"method":"node_info","params":"x"}', REQUEST),
    (b'{"jsonrpc":"2.0","id":1,"method":"node_info","params":null}', REQUEST),
    (b'{"jsonrpc":"2.0","id":{},"method":"node_info"}', REQUEST),
    (b'{"jsonrpc":"2.0","id":true,"method":"node_info"}', REQUEST),
    (b'{"jsonrpc":"2.0","id":"' + b"x" * 5_000 + b'","method":"node_info"}', REQUEST),
    (b'{"jsonrpc":"2.0","id":1,"method":""}', METHOD),
    (b'{"jsonrpc":"2.0","id":1,"method":"chain_events"}', METHOD),
    (b'{"jsonrpc":"2.0","id":1,"method":"__class__"}', METHOD),
    (b'{"jsonrpc":"2.0","id":1,"method":"node_info\\u0000"}', METHOD),
    (b'{"jsonrpc":"2.0","id":1,"method":"node_info","params":[1]}', PARAMS),
    (b'{"jsonrpc":"2.0","id":1,"method":"node_info","params":{"self":1}}', PARAMS),
    (b'{"jsonrpc":"2.0","id":1,"method":"chain_block","params":[1.0]}', PARAMS),
    (b'{"jsonrpc":"2.0","id":1,"method":"chain_block","params":[true]}', PARAMS),
    (b'{"jsonrpc":"2.0","id":1,"method":"chain_block","params":["1"]}', PARAMS),
    (b'{"jsonrpc":"2.0","id":1,"method":"chain_block","params":[-1]}', PARAMS),
    (b'{"jsonrpc":"2.0","id":1,"method":"chain_block","params":[9007199254740992]}', PARAMS),
    (b'{"jsonrpc":"2.0","id":1,"method":"chain_block","params":[' + b"9" * 400 + b"]}", PARSE),
    (b'{"jsonrpc":"2.0","id":1,"method":"chain_block","params":[' + b"9" * 40 + b"]}", PARAMS),
    (b'{"jsonrpc":"2.0","id":1,"method":"chain_block","params":[1,1]}', PARAMS),
    (b'{"jsonrpc":"2.0","id":1,"method":"chain_certificate"}', PARAMS),
    (b'{"jsonrpc":"2.0","id":1,"method":"chain_certificate","params":[null]}', PARAMS),
    (b'{"jsonrpc":"2.0","id":1,"method":"chain_receipt","params":["' + b"AB" * 32 + b'"]}', PARAMS),
    (b'{"jsonrpc":"2.0","id":1,"method":"state_get","params":["' + b"k" * 2_000 + b'"]}', PARAMS),
    (b'{"jsonrpc":"2.0","id":1,"method":"state_get","params":["\\u0000"]}', -32001),
    (b'{"jsonrpc":"2.0","id":1,"method":"tx_submit","params":[' + b"[" * 900 + b"]" * 900 + b"]}", PARAMS),
    (b'{"jsonrpc":"2.0","id":1,"method":"tx_encode","params":[{"ops":' + b"[" * 900 + b"]" * 900 + b"}]}", PARAMS),
    (b'{"jsonrpc":"2.0","id":1,"method":"token_balance","params":{"program":{"a":1},"account":[]}}', PARAMS),
    (b'{"jsonrpc":"2.0","id":1,"method":"token_balance","params":{"ctx":1}}', PARAMS),
]


async def test_nonsense_is_answered_with_the_right_code(node: LocalNode):
    async with running_gateway(node) as web:
        for body, code in NONSENSE:
            status, answer = await web.post(body)
            assert status == 200, body[:100]
            assert set(answer) == {"jsonrpc", "id", "error"}, body[:100]
            assert answer["error"]["code"] == code, (body[:100], answer)
            assert answer["error"]["data"]["reason"].isupper()
        assert (await web.get("/health"))[0] == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_other_content_types_are_refused(node: LocalNode, kind: str):
    async with running_gateway(node) as web:
        status, answer = await web.post(b"{}", {"Content-Type": kind})
        assert (status, answer["error"]["data"]["reason"]) == (415, "CONTENT_TYPE")
        packed = {"Content-Encoding": "gzip"}
        assert (await web.post(b"\x1f\x8b", packed))[0] == 415
        charset = {"Content-Type": "application/json; charset=utf-8"}
        assert (await web.post(b"{}", charset))[0] == 200


async def test_large_requests_are_refused_however_they_come(node: LocalNode):
    async def endless():
        for _ in range(100):
            yield b" " * 1_000

    async with running_gateway(node, max_request_bytes=10_000) as web:
        status, answer = await web.post(b" " * 10_001)
        assert (status, answer["error"]["data"]) == (413, {"reason": "REQUEST_TOO_LARGE", "limit": 10_000})
        status, answer = await web.post(endless())
        assert (status, answer["error"]["code"]) == (413, -32005)
        assert (await web.post(b" " * 10_000))[1]["error"]["code"] == PARSE


async def test_large_requests_at_once_are_limited(node: LocalNode, monkeypatch):
    monkeypatch.setattr("node.gateway.server.BODIES_AT_ONCE", 2)
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow():
        yield b" " * 9_000
        arrived.set()
        await go_on.wait()
        yield b"{}"

    async with running_gateway(node, max_request_bytes=10_000) as web:
        held = [asyncio.create_task(web.post(slow())) for _ in range(2)]
        await arrived.wait()
        for _ in range(5_000):
            if web.gateway.bytes_held == 18_000:
                break
            await asyncio.sleep(0.001)
        status, answer = await web.post(b" " * 9_000)
        assert (status, answer["error"]["data"]["reason"]) == (429, "RATE_LIMITED")
        go_on.set()
        assert [(await task)[1]["error"]["code"] for task in held] == [REQUEST, REQUEST]
        assert (await web.post(b" " * 9_000))[1]["error"]["code"] == PARSE
        assert web.gateway.bytes_held == 0


async def test_a_body_that_breaks_off_is_forgotten(node: LocalNode):
    async with running_gateway(node) as web:
        _, writer = await asyncio.open_connection("127.0.0.1", web.gateway.port)
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
        writer.write(head + b"{}")
        await writer.drain()
        for _ in range(5_000):
            if web.gateway.bytes_held:
                break
            await asyncio.sleep(0.001)
        assert web.gateway.bytes_held == 2
        writer.close()
        for _ in range(5_000):
            if not web.gateway.bytes_held:
                break
            await asyncio.sleep(0.001)
        assert web.gateway.bytes_held == 0
        assert (await web.get("/health"))[0] == 200


def batch_of(count, method="node_info", params=()):
    calls = [{"jsonrpc": "2.0", "id": i, "method": method, "params": list(params)} for i in range(count)]
    return orjson.dumps(calls)


async def test_long_batches_are_refused_as_a_whole(node: LocalNode):
    async with running_gateway(node, max_batch=10) as web:
        _, answer = await web.post(batch_of(11))
        assert answer["error"]["data"] == {"reason": "BATCH_TOO_LONG", "limit": 10}
        assert len((await web.post(batch_of(10)))[1]) == 10


async def test_large_answers_are_cut_off_one_by_one(node: LocalNode):
    async with running_gateway(node, max_response_bytes=40_000) as web:
        error = await web.error("chain_block", [1, True])
        assert error == (-32005, "RESPONSE_TOO_LARGE")
        _, answers = await web.post(batch_of(10, "chain_block", [1]))
        kinds = ["result" if "result" in answer else answer["error"]["data"]["reason"] for answer in answers]
        assert kinds == ["result"] * 2 + ["RESPONSE_TOO_LARGE"] * 8
        assert [answer["id"] for answer in answers] == list(range(10))


async def test_answers_that_nobody_takes_are_limited(node: LocalNode, monkeypatch):
    monkeypatch.setattr("node.gateway.server.ANSWERS_AT_ONCE", 1)
    batch = batch_of(400, "rpc.discover")
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"

    async def until(held):
        for _ in range(10_000):
            if bool(web.gateway.bytes_being_sent) == held:
                return
            await asyncio.sleep(0.001)

    async with running_gateway(node, max_response_bytes=16 * 1024 * 1024) as web:
        _, writer = await asyncio.open_connection("127.0.0.1", web.gateway.port, limit=1_024)
        writer.write(head % len(batch) + batch)
        await until(held=True)
        assert web.gateway.bytes_being_sent > 8 * 1024 * 1024
        status, answer = await web.post(batch)
        assert (status, answer["error"]["data"]["reason"]) == (429, "RATE_LIMITED")
        assert (await web.post(batch_of(2)))[0] == 200
        writer.close()
        await until(held=False)
        assert web.gateway.bytes_being_sent == 0
        assert len((await web.post(batch))[1]) == 400


async def test_an_answer_must_be_taken_in_time(node: LocalNode, monkeypatch):
    monkeypatch.setattr("node.gateway.server.SEND_TIMEOUT_S", 0.05)
    batch = batch_of(400, "rpc.discover")
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    async with running_gateway(node) as web:
        reader, writer = await asyncio.open_connection("127.0.0.1", web.gateway.port, limit=1_024)
        reader._transport.pause_reading()
        writer.write(head % len(batch) + batch)
        for _ in range(10_000):
            if not web.gateway.open_connections:
                break
            await asyncio.sleep(0.001)
        assert (web.gateway.open_connections, web.gateway.bytes_being_sent) == (0, 0)
        writer.close()


async def test_calls_per_second_are_limited(node: LocalNode):
    async with running_gateway(node, max_requests_per_second=20, max_batch=30) as web:
        assert (await web.post(batch_of(30)))[0] == 200
        status, answer = await web.post(batch_of(20))
        assert status == 429
        assert answer["error"]["data"]["reason"] == "RATE_LIMITED"
        assert 0 < answer["error"]["data"]["retry_after_ms"] <= 1_000
        status, answer = await web.post(b"nonsense" * 10)
        assert status in (200, 429)  # nonsense costs a call too
        assert (await web.get("/health"))[0] == 200


async def test_connections_of_one_client_are_limited(node: LocalNode):
    async with running_gateway(node, max_connections_per_client=2) as web:
        port = web.gateway.port
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 429 ")
        body = orjson.loads(answer.partition(b"\r\n\r\n")[2])
        assert body["error"]["data"] == {"reason": "TOO_MANY_CONNECTIONS", "limit": 2}
        for _, each in [*held, (reader, writer)]:
            each.close()
            await each.wait_closed()
        for _ in range(5_000):  # the server hears of closed connections in its own time
            if not web.gateway.open_connections:
                break
            await asyncio.sleep(0.001)
        assert (await web.get("/health"))[0] == 200


async def test_keys_for_reads_and_writes(node: LocalNode, chain: LocalChain):
    raw = chain.sign("aurora-admin", [("token.issue", issue_args(1))]).hex()
    read, write = {"Authorization": "Bearer reader"}, {"Authorization": "bearer writer"}

    async def status_of(headers, method, params):
        body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        status, answer = await web.post(body, headers)
        return status, answer.get("error", {}).get("code")

    async with running_gateway(node, read_api_keys=("reader", "other"), write_api_keys=("writer",)) as web:
        refused = (401, -32006)
        for headers in (
            {},
            {"Authorization": "reader"},
            {"Authorization": "Bearer "},
            {"Authorization": "Basic x"},
        ):
            assert await status_of(headers, "node_info", []) == refused
        assert await status_of(read, "node_info", []) == (200, None)
        assert await status_of(read, "tx_submit", [raw]) == refused
        assert await status_of(write, "tx_send", [raw]) == (200, None)
        assert await status_of(write, "node_info", []) == (200, None)
        mixed = [
            {"jsonrpc": "2.0", "id": 1, "method": "node_info"},
            {"jsonrpc": "2.0", "id": 2, "method": "tx_submit", "params": [raw]},
        ]
        status, answers = await web.post(orjson.dumps(mixed), read)
        assert (status, answers[1]["error"]["data"]["reason"]) == (200, "UNAUTHORISED")
        assert (await web.get("/health"))[0] == 200
    async with running_gateway(node, write_api_keys=("writer",)) as web:
        assert await status_of({}, "node_info", []) == (200, None)
        assert await status_of({}, "tx_submit", [raw]) == refused


async def test_our_own_faults_leak_nothing(node: LocalNode, monkeypatch, caplog):
    def broken(height):
        raise StoreCorrupt("secret path /data/7")

    async with running_gateway(node) as web:
        monkeypatch.setattr(node.store, "block_bytes", broken)
        answer = await web.answer("chain_block", [1])
        assert answer["error"]["code"] == -32603
        assert "secret" not in orjson.dumps(answer).decode()
        assert answer["error"]["data"]["error_id"] in caplog.text
        assert "secret path" in caplog.text
        monkeypatch.setattr(node, "submit", broken)
        assert (await web.error("tx_submit", ["00"])) == (-32603, "INTERNAL")
        monkeypatch.setattr(node, "node_health", lambda: broken(1))
        status, body = await web.get("/health")
        assert (status, b"secret" in body) == (500, False)
