"""The gateway as a process of its own: what it answers, how it is kept running, and that it ends with its node."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import orjson
import psutil
import pytest

from node.gateway_process import GatewayProcess
from node.runtime.config import NodeConfig
from node.runtime.errors import ConfigError
from node.store import StoreOptions
from node.testnet.processes import POLL_S
from tests.support.gateway import Web, running_gateway, running_gateway_process
from tests.support.ledger import LocalChain, LocalNode, address_of, program_op
from vm.transaction import parse_transaction

pytestmark = pytest.mark.integration

SHOPPER = address_of("shopper")
ADDRESS = re.compile(rb"object(_| )at(_| )0x[0-9a-f]+")
"""The name of one schema of `rpc.discover` holds the address of an object, which is another one in each process."""


def issue(amount=5, **more):
    return "token.issue", {"program": "sun", "to": SHOPPER, "amount": amount, **more}


@pytest.fixture
def chain(tmp_path: Path):
    chain = LocalChain(
        tmp_path / "data", [program_op("sun", "aurora")], options=StoreOptions(state_history_blocks=3)
    )
    yield chain
    chain.close()


@pytest.fixture
def node(chain):
    return LocalNode(chain)


async def until(condition):
    """Wait until a condition holds; the test fails where it never does."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what a process does has no event here
            await asyncio.sleep(POLL_S)


def bodies(chain: LocalChain, ids: list[str]) -> list[bytes]:
    """Return requests of every kind, the wrong ones too."""
    head = chain.height
    calls = [
        ("node_info", None),
        ("node_health", None),
        ("node_peers", []),
        ("node_consensus", {}),
        ("chain_genesis", None),
        ("chain_head", None),
        *[("chain_block", [height, full]) for height in range(head + 2) for full in (False, True)],
        ("chain_block", {"digest": (chain.store.head_at(head) or chain.store.head).digest.hex()}),
        ("chain_block", {"digest": "00" * 32}),
        *[("chain_certificate", [height]) for height in (0, head, head + 1)],
        *[("chain_validators", [height]) for height in (1, head + 1, head + 9)],
        *[(name, [id_]) for name in ("chain_transaction", "chain_receipt") for id_ in [*ids, "11" * 32]],
        *[("chain_receipt", {"id": id_, "proof": True}) for id_ in ids],
        *[("chain_transactions", query) for query in ({}, {"account": SHOPPER}, {"brand": "aurora", "limit": 1})],
        ("chain_transactions", {"account": SHOPPER, "call": "token.issue"}),
        ("chain_transactions", {"from": head + 9}),
        *[("state_get", ["token/program/sun", height]) for height in range(head + 2)],
        *[("state_proof", ["token/program/sun", height]) for height in range(head + 2)],
        *[("state_get", [f"ref/aurora/order-{place}"]) for place in range(2)],
        *[
            (
                "state_view",
                {"view": "token_balance", "args": {"program": "sun", "account": SHOPPER}, "height": height},
            )
            for height in range(head + 2)
        ],
        ("token_balance", {"program": "sun", "account": SHOPPER}),
        ("token_balance", {"program": "moon", "account": SHOPPER}),
        ("token_balance", {"program": "sun"}),
        ("token_programs", None),
        ("tx_wait", {"id": "11" * 32, "timeout_ms": 0}),
        *[("tx_wait", {"id": id_}) for id_ in ids],
        ("tx_submit", ["00"]),
        ("tx_simulate", ["00"]),
        ("rpc.discover", None),
        ("no_such_method", None),
    ]
    requests = [
        {"jsonrpc": "2.0", "id": place, "method": method} | ({} if params is None else {"params": params})
        for place, (method, params) in enumerate(calls)
    ]
    reads = [request for request in requests if request["method"].startswith(("chain_", "state_g", "token_"))]
    batches = [requests[:20], reads, [*reads[:5], {"jsonrpc": "2.0", "method": "node_info"}], [], [1, {}]]
    return [*map(orjson.dumps, requests), *map(orjson.dumps, batches), b"{", b"[]"]


async def posted(web: Web, body: bytes) -> tuple[int, bytes]:
    headers = {"Content-Type": "application/json"}
    async with web.session.post(web.gateway.url, data=body, headers=headers) as response:
        return response.status, ADDRESS.sub(b"object", await response.read())


async def test_both_gateways_answer_the_same_bytes(chain: LocalChain, node: LocalNode):
    ids: list[str] = []
    async with running_gateway(node) as inside, running_gateway_process(node) as process:
        for place in range(6):
            for body in bodies(chain, ids[-2:]):
                assert await posted(process, body) == await posted(inside, body), body
            raw = chain.sign("aurora-admin", [issue(place + 1, ref=f"order-{place}")])
            sent = {"jsonrpc": "2.0", "id": 1, "method": "tx_send", "params": [raw.hex()]}
            told = await posted(process, orjson.dumps(sent))
            assert told == await posted(inside, orjson.dumps(sent))
            ids.append(parse_transaction(raw).id.hex())


async def test_reads_see_what_their_client_was_told(chain: LocalChain, node: LocalNode):
    async with running_gateway_process(node) as web:
        asked = {"program": "sun", "account": SHOPPER}
        for place in range(1, 30):
            receipt = await web.call("tx_send", [chain.sign("aurora-admin", [issue(1)]).hex()])
            batch = [
                ("chain_head", None),
                ("token_balance", asked),
                ("state_view", {"view": "token_balance", "args": asked}),
            ]
            requests = [
                {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}} for method, params in batch
            ]
            head, balance, view = [answer["result"] for answer in (await web.post(orjson.dumps(requests)))[1]]
            assert receipt["height"] == head["header"]["height"] == view["height"] == place
            assert balance["available"] == view["result"]["available"] == place


async def test_reads_while_blocks_come_show_one_height_each(chain: LocalChain, node: LocalNode):
    """A view's height and what it shows belong together, however blocks and reads meet."""
    asked = {"view": "token_balance", "args": {"program": "sun", "account": SHOPPER}}
    async with running_gateway_process(node) as web:

        async def blocks() -> None:
            for _ in range(60):
                chain.commit([chain.sign("aurora-admin", [issue(1)])])
                await asyncio.sleep(0)

        async def reads() -> list[int]:
            heights = []
            while not committing.done():
                found = await web.call("state_view", asked)
                assert found["result"]["available"] == found["height"]
                heights.append(found["height"])
            return heights

        committing = asyncio.create_task(blocks())
        heights = await reads()
        await committing
        assert heights == sorted(heights)
        assert (await web.call("state_view", asked))["height"] == 60


async def test_keys_clients_and_limits_are_the_childs(chain: LocalChain, node: LocalNode):
    limits = {"write_api_keys": ("till",), "read_api_keys": ("desk",), "trusted_proxies": ("127.0.0.1",)}
    async with running_gateway_process(node, **limits, max_requests_per_second=5, max_batch=5) as web:
        body = orjson.dumps(
            {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "tx_submit",
                "params": [chain.sign("aurora-admin", [issue()]).hex()],
            }
        )
        read = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "node_info"})
        assert (await web.post(body))[0] == (await web.post(read))[0] == 401
        assert (await web.post(body, {"Authorization": "Bearer desk"}))[0] == 401
        key = {"Authorization": "Bearer till", "X-Forwarded-For": "198.51.100.7"}
        assert (await web.post(body, key))[1]["result"]["status"] == "pending"
        assert node.clients == ["198.51.100.7"]
        assert (await web.post(read, key))[0] == 200
        statuses = [(await web.post(read, key))[0] for _ in range(20)]
        assert 429 in statuses
        assert (await web.post(read, {**key, "X-Forwarded-For": "198.51.100.8"}))[0] == 200


async def test_a_client_that_hangs_up_waits_for_nothing(chain: LocalChain, node: LocalNode, monkeypatch):
    given_up = asyncio.Event()
    waits = node.wait_committed

    async def wait_committed(tx_ids, timeout_ms):
        try:
            return await waits(tx_ids, timeout_ms)
        except asyncio.CancelledError:
            given_up.set()
            raise

    monkeypatch.setattr(node, "wait_committed", wait_committed)
    async with running_gateway_process(node) as web:
        asking = asyncio.create_task(web.answer("tx_wait", {"id": "11" * 32, "timeout_ms": 60_000}))
        await node.waited_for.wait()
        asking.cancel()
        async with asyncio.timeout(30):
            await given_up.wait()


async def test_a_child_that_is_killed_is_started_again(chain: LocalChain, node: LocalNode, caplog):
    async with running_gateway_process(node) as web:
        gateway = web.gateway
        chain.commit([chain.sign("aurora-admin", [issue(7)])])
        assert await web.call("token_balance", {"program": "sun", "account": SHOPPER})
        for place in range(2):
            old = gateway.pid
            assert old is not None
            os.kill(old, signal.SIGKILL)
            await until(lambda: not gateway.is_serving)
            assert gateway.reasons() == ["gateway: its process has ended, another is being started"]
            # The sockets are the node's, so that a client that connects now waits and is answered.
            balance = await web.call("token_balance", {"program": "sun", "account": SHOPPER})
            assert balance["available"] == 7
            assert (gateway.restarts, gateway.pid == old, gateway.is_serving) == (place + 1, False, True)
        assert gateway.reasons() == ["gateway: its process has ended twice within a minute"]
        assert "ended (signal 9)" in caplog.text
        assert gateway.usage()[0] > 0
        child = psutil.Process(gateway.pid)
    assert not child.is_running()


async def test_calls_of_a_killed_child_are_given_up(chain: LocalChain, node: LocalNode):
    async with running_gateway_process(node) as web:
        asking = asyncio.create_task(web.answer("tx_wait", {"id": "11" * 32, "timeout_ms": 60_000}))
        await node.waited_for.wait()
        os.kill(web.gateway.pid or 0, signal.SIGKILL)
        with pytest.raises(aiohttp.ClientError):  # the connection is reset, as with a node that is killed
            await asking
        await until(lambda: web.gateway.is_serving and web.gateway.restarts == 1)


async def test_signals_for_the_group_are_the_nodes_to_act_on(node: LocalNode):
    async with running_gateway_process(node) as web:
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(web.gateway.pid or 0, number)
        assert (await web.get("/health"))[0] == 200
        assert web.gateway.restarts == 0


@pytest.mark.parametrize(
    ("program", "told"), [("/bin/false", r"has ended \(exit code 1\) before"), ("/no/such", "cannot be started")]
)
async def test_a_process_that_does_not_serve_is_told_at_the_start(node: LocalNode, monkeypatch, program, told):
    monkeypatch.setattr("node.gateway_process.gateway_process.sys.executable", program)
    gateway = GatewayProcess(node, node.store, NodeConfig(rpc_port=0))
    with pytest.raises(ConfigError, match=told):
        await gateway.start()
    assert gateway.pid is None
    await gateway.stop()


NODE = """
import asyncio, sys
from pathlib import Path
from tests.support.gateway import running_gateway_process
from tests.support.ledger import LocalChain, LocalNode

async def main():
    async with running_gateway_process(LocalNode(LocalChain(Path(sys.argv[1]) / "data"))) as web:
        print(web.gateway.pid, web.gateway.port, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_a_child_ends_with_its_node(tmp_path: Path):
    with subprocess.Popen([sys.executable, "-c", NODE, str(tmp_path)], stdout=subprocess.PIPE) as node:
        assert node.stdout is not None
        pid, port = map(int, node.stdout.readline().split())
        child = psutil.Process(pid)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = b'{"jsonrpc":"2.0","id":1,"method":"tx_wait","params":{"id":"%s","timeout_ms":60000}}' % (b"11" * 32)
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % len(body) + body)
        await writer.drain()
        node.kill()
        async with asyncio.timeout(10):
            answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"NOT_READY" in answer
        writer.close()
        await until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
