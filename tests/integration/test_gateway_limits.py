"""What the gateway does with nonsense, and with clients that ask for too much."""

import asyncio

import orjson
import pytest

from node.gateway.server import ANSWERS_AT_ONCE, BODIES_AT_ONCE
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
    (b'{"jsonrpc":"2.0","id":1,"method":"state_get","params":["\\u0000"]}', PARAMS),
    (b'{"jsonrpc":"2.0","id":1,"method":"state_get","params":["no such key"]}', -32001),
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


HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


async def until(condition):
    """Wait until a condition holds; the test fails where it never does."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what the gateway counts has no event
            await asyncio.sleep(0.001)


async def connect(web, source="127.0.0.1", **options):
    return await asyncio.open_connection("127.0.0.1", web.gateway.port, local_addr=(source, 0), **options)


async def test_unfinished_large_requests_of_one_client_leave_room_for_others(node: LocalNode):
    """16 bodies of 8 MiB less one byte from one address used up the memory for bodies: every POST was 429."""
    limit = 1024 * 1024
    async with running_gateway(node, max_request_bytes=limit) as web:
        held = [await connect(web, "127.0.0.120") for _ in range(BODIES_AT_ONCE + 4)]
        for _, writer in held:
            writer.write(HEAD % limit + b" " * (limit - 1))
        await until(lambda: web.gateway.bytes_held >= BODIES_AT_ONCE * limit // 2 - BODIES_AT_ONCE * 128 * 1024)
        assert web.gateway.bytes_held <= BODIES_AT_ONCE * limit // 2 + len(held) * 64 * 1024
        assert (await web.post(b" " * limit))[1]["error"]["code"] == PARSE
        assert (await web.post(batch_of(1)))[0] == 200
        for _, writer in held:
            writer.close()
        await until(lambda: web.gateway.bytes_held == 0)


async def test_a_large_body_that_does_not_come_on_is_dropped(node: LocalNode, monkeypatch):
    monkeypatch.setattr("node.gateway.pace.WINDOW_S", 0.05)
    async with running_gateway(node) as web:
        reader, writer = await connect(web)
        writer.write(HEAD % 1_000_000 + b" " * 200_000)
        assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
        assert web.gateway.bytes_held == 0
        writer.close()


async def test_a_body_that_breaks_off_is_forgotten(node: LocalNode):
    async with running_gateway(node) as web:
        _, writer = await asyncio.open_connection("127.0.0.1", web.gateway.port)
        head = (
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
        )
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


async def test_answers_that_nobody_takes_are_limited(node: LocalNode):
    """20 connections that did not read full answers held 1,300 MiB, where the bound says eight answers."""
    batch = batch_of(400, "rpc.discover")
    limit = 16 * 1024 * 1024
    async with running_gateway(node, max_response_bytes=limit) as web:
        size = len(orjson.dumps((await web.post(batch))[1]))
        half = ANSWERS_AT_ONCE * limit // 2
        greedy = [await connect(web, "127.0.0.123", limit=1_024) for _ in range(half // size + 20)]
        for reader, writer in greedy:
            reader._transport.pause_reading()
            writer.write(HEAD % len(batch) + batch)
        await until(lambda: web.gateway.answers_refused > 0)
        assert half - size < web.gateway.bytes_being_sent <= half + 64 * 1024 * len(greedy)
        assert len((await web.post(batch))[1]) == 400
        for _, writer in greedy:
            writer.transport.abort()
        await until(lambda: web.gateway.bytes_being_sent == 0)


async def test_a_connection_that_does_not_read_holds_a_few_parts_of_its_answer(node: LocalNode):
    batch = batch_of(400, "rpc.discover")
    async with running_gateway(node) as web:
        reader, writer = await connect(web, limit=1_024)
        reader._transport.pause_reading()
        writer.write(HEAD % len(batch) + batch)
        await until(lambda: web.gateway.bytes_being_sent)
        connection = next(iter(web.gateway._web._connections))
        await until(connection.transport.get_write_buffer_size)
        assert connection.transport.get_write_buffer_size() <= 64 * 1024 + 2 * 64 * 1024
        reader._transport.resume_reading()
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        while (line := await reader.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        assert len(orjson.loads(await reader.readexactly(length))) == 400
        writer.close()


async def test_an_answer_must_be_taken_in_time(node: LocalNode, monkeypatch):
    monkeypatch.setattr("node.gateway.answers.SEND_TIMEOUT_S", 0.05)
    batch = batch_of(400, "rpc.discover")
    async with running_gateway(node) as web:
        reader, writer = await asyncio.open_connection("127.0.0.1", web.gateway.port, limit=1_024)
        reader._transport.pause_reading()
        writer.write(HEAD % len(batch) + batch)
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


async def test_new_clients_get_in_although_others_hold_every_connection(node: LocalNode):
    """6 addresses with 250 silent connections each left no descriptor to anybody."""
    async with running_gateway(node, max_connections=12, max_connections_per_client=4) as web:
        silent = [await connect(web, f"127.0.2.{1 + i // 4}") for i in range(16)]
        await until(lambda: web.gateway.open_connections == 12)
        assert (await web.get("/health"))[0] == 200
        assert (await web.post(batch_of(1)))[0] == 200
        assert web.gateway.open_connections == 12
        for _, writer in silent:
            writer.close()


async def test_clients_that_wait_keep_their_connection_while_others_are_idle(node: LocalNode):
    wait = {"jsonrpc": "2.0", "id": 1, "method": "tx_wait", "params": ["00" * 32, 1_000]}
    body = orjson.dumps(wait)
    async with running_gateway(node, max_connections=8) as web:
        reader, writer = await connect(web, "127.0.0.9")
        writer.write(HEAD % len(body) + body)
        await until(lambda: web.gateway.busy_connections == 1)
        others = [await connect(web, f"127.0.3.{i + 1}") for i in range(30)]
        assert b" 200 " in await reader.readline()
        for _, each in [*others, (reader, writer)]:
            each.close()


async def test_what_a_client_waits_for_ends_when_it_hangs_up(node: LocalNode, monkeypatch):
    monkeypatch.setattr("node.gateway.connections.GONE_GRACE_S", 0.01)
    body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "tx_wait", "params": ["00" * 32, 60_000]})
    async with running_gateway(node) as web:
        before = len(asyncio.all_tasks())
        _, writer = await connect(web)
        writer.write(HEAD % len(body) + body)
        await until(lambda: web.gateway.busy_connections == 1)
        writer.close()
        await until(lambda: len(asyncio.all_tasks()) <= before)


async def test_1450_idle_connections_are_harmless_at_a_high_limit(node: LocalNode):
    async with running_gateway(node, max_connections=2_000, max_connections_per_client=2_000) as web:
        idle = [await connect(web) for _ in range(1_450)]
        await until(lambda: web.gateway.open_connections == 1_450)
        assert (await web.post(batch_of(1)))[0] == 200
        for _, writer in idle:
            writer.close()


NOT_HTTP = [
    (b"GET /health\r\n\r\n", b"505"),
    (b"GET /health HTTP/0.9\r\n\r\n", b"505"),
    (b"GET /health HTTP/2.0\r\n\r\n", b"505"),
    (b"GET /health HTTP/1.2\r\nHost: localhost\r\n\r\n", b"400"),
    (b"GET /health HTTP/1.1\r\n\r\n", b"400"),
    (b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", b"400"),
    (b"GET /health HTTP/1.1\r\nX: \x00\r\n\r\n", b"400"),
    (b"GET /health HTTP/1.1\r\nX: " + b"A" * 20_000 + b"\r\n\r\n", b"400"),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400"),
    # Smuggling: two lengths, or a length beside chunks, or chunks that are none.
    (HEAD[:-4] % 4 + b"\r\nContent-Length: 5\r\n\r\n{}  ", b"400"),
    (HEAD[:-4] % 4 + b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
    (HEAD.replace(b"Content-Length: %d", b"Transfer-Encoding: xchunked") + b"0\r\n\r\n", b"400"),
    (HEAD.replace(b"Content-Length: %d", b"Transfer-Encoding: chunked") + b"zz\r\n{}\r\n0\r\n\r\n", b"400"),
    (HEAD.replace(b"%d", b"-1"), b"400"),
]


@pytest.mark.parametrize(("sent", "status"), NOT_HTTP)
async def test_what_is_not_http_is_refused(node: LocalNode, sent: bytes, status: bytes):
    async with running_gateway(node) as web:
        reader, writer = await connect(web)
        writer.write(sent)
        async with asyncio.timeout(20):
            answer = await reader.read()  # to its end: the connection is closed
        assert answer.split()[1] == status, answer
        body = orjson.loads(answer.partition(b"\r\n\r\n")[2])
        assert body["error"]["code"] in (REQUEST, PARSE)
        writer.close()


async def test_bad_http_is_told_once_and_without_a_traceback(node: LocalNode, caplog):
    async with running_gateway(node) as web:
        for number in range(30):
            reader, writer = await connect(web, f"127.20.0.{number + 1}")
            writer.write(b"GET / HTTP/1.1\r\nX: \x00\r\n\r\n")
            assert b" 400 " in await reader.readline()
            writer.close()
        told = [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
        assert [record.exc_info for record in told] == [None]
        assert "no HTTP/1.0 or HTTP/1.1" in caplog.text


async def test_chunked_bodies_are_read(node: LocalNode):
    async def parts():
        for byte in batch_of(1):
            yield bytes([byte])

    async with running_gateway(node) as web:
        assert (await web.post(parts()))[0] == 200


HOSTS = [
    ({"Host": "evil.example"}, 421),
    ({"Host": "127.0.0.1.evil.example"}, 421),
    ({"Host": "localhost.evil.example:8545"}, 421),
    ({"Host": ""}, 421),
    ({"Host": "2130706433"}, 421),
    ({"Host": "localhost"}, 200),
    ({"Host": "LOCALHOST.:1"}, 200),
    ({"Host": "192.0.2.1:8545"}, 200),
    ({"Host": "[::1]:8545"}, 200),
    ({"Host": "node.example:8545"}, 200),
    ({"Host": "localhost:1", "Origin": "http://localhost:1"}, 200),
    ({"Host": "localhost", "Origin": "http://localhost:80"}, 200),
    ({"Host": "localhost:1", "Origin": "http://localhost:2"}, 403),
    ({"Host": "localhost:1", "Origin": "http://evil.example"}, 403),
    ({"Host": "localhost:1", "Origin": "http://192.0.2.1:1"}, 403),
    ({"Host": "localhost:1", "Origin": "null"}, 403),
    ({"Host": "localhost:1", "Origin": "https://node.example"}, 200),
]


@pytest.mark.parametrize(("headers", "status"), HOSTS)
async def test_only_known_names_and_their_own_pages_are_answered(node: LocalNode, headers, status: int):
    async with running_gateway(node, allowed_hosts=("Node.example",)) as web:
        got, answer = await web.post(batch_of(1), headers)
        assert got == status
        if status != 200:
            reason = {421: "HOST_NOT_ALLOWED", 403: "ORIGIN_NOT_ALLOWED"}[status]
            assert answer["error"]["data"]["reason"] == reason
            assert "rpc.allowed_hosts" in answer["error"]["message"]


async def test_the_name_of_an_absolute_request_counts(node: LocalNode):
    async with running_gateway(node) as web:
        reader, writer = await connect(web)
        writer.write(b"GET http://evil.example/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 421 " in await reader.readline()
        writer.close()


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
