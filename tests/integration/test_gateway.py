"""The gateway over real HTTP: methods against a real store and real contracts."""

import asyncio
from pathlib import Path

import msgspec
import orjson
import pytest

from consensus.types import decode_certificate
from node.chain.queries import ChainQueries
from node.gateway import Gateway
from node.runtime.config import NodeConfig
from node.runtime.errors import ConfigError
from node.store import StoreOptions
from tests.support.gateway import Web, running_gateway, running_gateway_process
from tests.support.ledger import LocalChain, LocalNode, address_of, key_of, program_op
from vm.primitives.codec import encode
from vm.primitives.keys import Domain
from vm.transaction import parse_transaction

pytestmark = pytest.mark.integration

SHOPPER = address_of("shopper")


def issue(amount=5, to=SHOPPER, **more):
    return "token.issue", {"program": "sun", "to": to, "amount": amount, **more}


@pytest.fixture
def chain(tmp_path: Path):
    chain = LocalChain(
        tmp_path / "data", [program_op("sun", "aurora")], options=StoreOptions(state_history_blocks=5)
    )
    yield chain
    chain.close()


@pytest.fixture
def node(chain):
    return LocalNode(chain)


@pytest.fixture
async def web(node, request):
    """A gateway inside the node; as a process of its own where a test is marked `both`."""
    running = running_gateway_process if getattr(request, "param", "inside") == "process" else running_gateway
    async with running(node) as web:
        yield web


both = pytest.mark.parametrize("web", ["inside", "process"], indirect=True)
"""For what the gateway as a process answers by other code: it takes a second and a half to start one."""


# -- node and chain ------------------------------------------------------------------------------------


async def test_node_info_tells_what_a_transaction_needs(web: Web, chain: LocalChain):
    chain.commit()
    info = await web.call("node_info")
    assert info["chain"] == chain.genesis.chain
    assert (info["height"], info["time"]) == (1, chain.ledger.head_time)
    assert (info["clock_rate"], info["max_tx_ttl_ms"]) == (1, 600_000)
    assert info["clock"] == chain.genesis.document.time


async def test_the_head_before_the_first_block_is_genesis(web: Web, chain: LocalChain):
    head = await web.call("chain_head")
    assert head == {"header": None, "digest": chain.genesis.digest.hex(), "certificate": None}
    assert await web.error("chain_block", [0]) == (-32001, "NOT_FOUND")
    assert await web.error("state_proof", ["chain/params"]) == (-32001, "NOT_FOUND")
    assert await web.error("chain_block", [chain.genesis.digest.hex()]) == (-32001, "NOT_FOUND")


async def test_genesis_document_makes_the_same_chain(web: Web, chain: LocalChain):
    document = await web.call("chain_genesis")
    assert type(chain.genesis).from_json(orjson.dumps(document)).chain == chain.genesis.chain


async def test_a_block_by_height_and_by_digest(web: Web, chain: LocalChain):
    raw = chain.sign("aurora-admin", [issue()], memo="order 1")
    chain.commit([raw])
    tx = parse_transaction(raw)
    head = await web.call("chain_head")
    block = await web.call("chain_block", [1])
    assert block["header"] == head["header"]
    assert block["transactions"] == [tx.id.hex()]
    assert block["parent_certificate"] is None
    for params in ({"height": 1}, {"digest": head["digest"]}, [head["digest"]], [None, None, head["digest"]]):
        assert await web.call("chain_block", params) == block
    full = (await web.call("chain_block", [1, True]))["transactions"][0]
    assert (full["id"], full["hash"], full["raw"]) == (tx.id.hex(), tx.hash.hex(), raw.hex())
    assert full["body"]["ops"] == [list(issue())]
    assert full["body"]["memo"] == "order 1"
    assert "signers" not in full["body"]
    assert full["sigs"] == [[key_of("aurora-admin").public_key.hex(), tx.sigs[0][1].hex()]]


@pytest.mark.parametrize("params", [{}, {"height": 1, "digest": "00" * 32}, [], {"height": None}])
async def test_a_block_needs_one_name(web: Web, params):
    assert await web.error("chain_block", params) == (-32602, "INVALID_PARAMS")


async def test_certificates_below_the_head_are_the_embedded_ones(web: Web, chain: LocalChain):
    chain.commit()
    chain.commit()
    first = await web.call("chain_certificate", [1])
    assert first == (await web.call("chain_block", [2]))["parent_certificate"]
    assert len(first["seals"]) == 4
    own = decode_certificate(chain.store.certificate_bytes(1))
    chain.store.put_certificate(1, encode(msgspec.structs.replace(own, seals=own.seals[:3])))
    assert await web.call("chain_certificate", [1]) == first
    assert (await web.call("chain_head"))["certificate"] == await web.call("chain_certificate", {"height": 2})
    assert await web.error("chain_certificate", [3]) == (-32001, "NOT_FOUND")


async def test_validators_show_their_last_seals(web: Web, chain: LocalChain):
    chain.commit()
    chain.commit()
    answer = await web.call("chain_validators")
    assert (answer["height"], answer["quorum"], len(answer["validators"])) == (3, 3, 4)
    assert [entry["last_seal"] for entry in answer["validators"]] == [1, 1, 1, 1]
    keys = [entry["public_key"] for entry in answer["validators"]]
    assert keys == sorted(keys)
    assert answer["hash"] == (await web.call("chain_head"))["header"]["validators_hash"]
    assert await web.error("chain_validators", [4]) == (-32001, "NOT_FOUND")


# -- transactions --------------------------------------------------------------------------------------


async def test_send_waits_for_the_receipt(web: Web, chain: LocalChain):
    raw = chain.sign("aurora-admin", [issue(7)])
    receipt = await web.call("tx_send", [raw.hex()])
    tx_id = parse_transaction(raw).id.hex()
    assert (receipt["id"], receipt["status"], receipt["height"]) == (tx_id, "ok", 1)
    assert (await web.call("token_balance", ["sun", SHOPPER]))["available"] == 7
    for method in ("tx_wait", "chain_receipt"):
        assert await web.call(method, [tx_id]) == receipt
    shown = await web.call("chain_transaction", {"id": tx_id})
    assert (shown["status"], shown["height"], shown["index"], shown["receipt"]) == ("committed", 1, 0, receipt)


async def test_a_contract_failure_is_a_receipt(web: Web, chain: LocalChain):
    raw = chain.sign("basil-admin", [issue()])
    receipt = await web.call("tx_send", {"tx": raw.hex()})
    assert receipt["status"] == "failed"
    assert receipt["error"]["code"] == "NOT_AUTHORISED"
    assert receipt["results"] == receipt["events"] == []


async def test_a_committed_transaction_is_answered_again_after_its_expiry(
    web: Web, chain: LocalChain, node: LocalNode
):
    raw = chain.sign("aurora-admin", [issue()])
    receipt = await web.call("tx_send", [raw.hex()])
    chain.commit(time=chain.ledger.head_time + 3_600_000)
    node.clock.now = chain.ledger.head_time
    assert await web.call("tx_send", [raw.hex()]) == receipt
    assert await web.call("tx_submit", [raw.hex()]) == {"id": receipt["id"], "status": "committed"}
    assert (await web.call("token_balance", ["sun", SHOPPER]))["available"] == 5


@both
async def test_pending_transactions_are_shown(web: Web, chain: LocalChain, node: LocalNode):
    node.automatic = False
    raw = chain.sign("aurora-admin", [issue()])
    answer = await web.call("tx_submit", [raw.hex()])
    assert answer["status"] == "pending"
    shown = await web.call("chain_transaction", [answer["id"]])
    assert (shown["status"], shown["height"], shown["receipt"]) == ("pending", None, None)
    error = (await web.answer("chain_receipt", [answer["id"]]))["error"]
    assert (error["code"], error["data"]["pending"]) == (-32001, True)
    assert await web.error("tx_wait", [answer["id"], 0]) == (-32004, "TIMEOUT")
    assert await web.error("tx_wait", {"id": answer["id"], "timeout_ms": 20}) == (-32004, "TIMEOUT")
    node.waited_for.clear()
    waiting = asyncio.create_task(web.call("tx_wait", [answer["id"]]))
    await node.waited_for.wait()
    node.commit_pending()
    assert (await waiting)["status"] == "ok"


async def test_refusals_name_their_reason(web: Web, chain: LocalChain):
    good = chain.sign("aurora-admin", [issue()])
    forged = bytearray(good)
    forged[-1] ^= 1
    now = chain.ledger.head_time
    cases = {
        "MALFORMED": b"\x80",
        "BAD_SIGNATURE": bytes(forged),
        "EXPIRED": chain.sign("aurora-admin", [issue()], expires=now),
        "EXPIRES_TOO_FAR": chain.sign("aurora-admin", [issue()], expires=now + 600_001),
        "TOO_LARGE": bytes(128 * 1024 + 1),
    }
    for reason, raw in cases.items():
        for method in ("tx_submit", "tx_send"):
            assert await web.error(method, [raw.hex()]) == (-32003, reason)
    for text in ("0x80", "8", "8G", "AB", "ab cd", " ", 12, None, [], "é"):
        assert await web.error("tx_submit", [text]) == (-32602, "INVALID_PARAMS")
    assert chain.height == 0


@both
async def test_a_batch_is_submitted_at_once_and_read_afterwards(web: Web, chain: LocalChain, node: LocalNode):
    raws = [chain.sign("aurora-admin", [issue(1)]) for _ in range(100)]
    calls = [("token_balance", ["sun", SHOPPER])] + [("tx_send", [raw.hex()]) for raw in raws]
    calls += [("tx_submit", ["00"]), ("tx_send", ["00"])]
    batch = [{"jsonrpc": "2.0", "id": i, "method": m, "params": p} for i, (m, p) in enumerate(calls)]
    status, answers = await web.post(orjson.dumps(batch))
    assert status == 200
    assert [answer["id"] for answer in answers] == list(range(len(calls)))
    assert answers[0]["result"]["available"] == 100
    assert {answer["result"]["status"] for answer in answers[1:101]} == {"ok"}
    assert [answer["error"]["data"]["reason"] for answer in answers[101:]] == ["MALFORMED", "MALFORMED"]
    assert node.submissions == [1, 101]
    assert set(node.clients) == {"127.0.0.1"}
    assert chain.height == 1


async def test_a_submission_without_id_is_done_and_not_answered(web: Web, chain: LocalChain):
    raw = chain.sign("aurora-admin", [issue(3)])
    request = {"jsonrpc": "2.0", "method": "tx_send", "params": [raw.hex()]}
    assert await web.post(orjson.dumps(request)) == (204, None)
    assert (await web.call("token_balance", ["sun", SHOPPER]))["available"] == 3


@both
async def test_a_node_that_is_not_ready_says_so(web: Web, chain: LocalChain, node: LocalNode):
    node.ready = False
    raw = chain.sign("aurora-admin", [issue()]).hex()
    for method in ("tx_submit", "tx_send"):
        assert await web.error(method, [raw]) == (-32002, "NOT_READY")
    assert (await web.get("/health"))[0] == 200
    status, body = await web.get("/ready")
    assert (status, orjson.loads(body)["reasons"]) == (503, ["SYNCING"])
    node.ready = True
    assert (await web.get("/ready"))[0] == 200


@both
async def test_pages_of_transactions(web: Web, chain: LocalChain):
    for _ in range(3):
        chain.commit([chain.sign("aurora-admin", [issue(1)]) for _ in range(4)])
    chain.commit([chain.sign("basil-admin", [issue(1)])])  # fails: found by sender and call
    chain.commit([chain.sign("aurora-admin", [issue(1, to=address_of("other"))])])

    async def pages(**params):
        items, cursor, count = [], None, 0
        while count == 0 or cursor is not None:
            page = await web.call("chain_transactions", {**params, **({"cursor": cursor} if cursor else {})})
            items += [(item["height"], item["index"]) for item in page["items"]]
            cursor, count = page["next"], count + 1
        return items

    first = [(height, index) for height in (1, 2, 3) for index in range(4)]
    assert await pages(limit=5) == [*first, (4, 0), (5, 0)]
    assert await pages(account=SHOPPER, limit=5) == first
    assert await pages(brand="aurora", limit=1) == [*first, (5, 0)]
    assert await pages(call="token.issue", brand="aurora", account=SHOPPER, limit=3) == first
    assert await pages(call="token.issue", account=address_of("basil-admin")) == [(4, 0)]
    assert await pages(call="token.burn") == []
    assert await pages(**{"from": 3, "to": 4}) == [(3, 0), (3, 1), (3, 2), (3, 3), (4, 0)]
    item = (await web.call("chain_transactions", {"from": 4, "to": 4}))["items"][0]
    assert (item["status"], item["error"], item["calls"]) == ("failed", "NOT_AUTHORISED", ["token.issue"])
    for cursor in ("x", "1", "1.", "-1.0", "1.1.1", "f" * 100 + ".0"):
        assert await web.error("chain_transactions", {"cursor": cursor}) == (-32602, "INVALID_PARAMS")
    for limit in (0, 1_001, 1.0, "5", True):
        assert await web.error("chain_transactions", {"limit": limit}) == (-32602, "INVALID_PARAMS")


async def test_a_page_says_how_far_it_is_complete_and_how_to_go_on(web: Web, chain: LocalChain):
    for _ in range(3):
        chain.commit([chain.sign("aurora-admin", [issue(1)]) for _ in range(4)])

    async def page(**params):
        answer = await web.call("chain_transactions", params)
        return [(item["height"], item["index"]) for item in answer.pop("items")], answer

    items, told = await page(limit=6)
    assert items[-1] == (2, 1)
    assert (told["complete_to"], told["oldest"], told["resume"]) == (1, 1, told["next"])
    for filters in ({}, {"account": SHOPPER}, {"account": SHOPPER, "brand": "aurora"}):
        _, told = await page(to=6_000, **filters)
        assert (told["next"], told["complete_to"]) == (None, 3)
        assert await page(cursor=told["resume"], **filters) == ([], told)
    assert (await page(**{"from": 2, "to": 2}))[1]["complete_to"] == 2
    assert (await page(**{"from": 4}))[1]["complete_to"] == 3  # the next height is no lag
    _, told = await page(account=SHOPPER)
    chain.commit([chain.sign("aurora-admin", [issue(1)]) for _ in range(2)])
    assert (await page(account=SHOPPER, cursor=told["resume"]))[0] == [(4, 0), (4, 1)]
    assert (await page(to=2, cursor=(await page(to=2))[1]["resume"]))[0] == []


async def test_a_range_that_the_node_does_not_have_is_an_error_that_names_both_ends(web: Web, chain: LocalChain):
    chain.commit([chain.sign("aurora-admin", [issue(1)])])
    for filters in ({}, {"account": SHOPPER}):
        answer = await web.answer("chain_transactions", {"from": 5_000, "to": 6_000, **filters})
        assert answer["error"]["code"] == -32001
        assert answer["error"]["data"] == {"reason": "NOT_FOUND", "height": 5_000, "head": 1}
        answer = await web.answer("chain_transactions", {"cursor": "5.0", **filters})
        assert answer["error"]["data"] == {"reason": "NOT_FOUND", "height": 5, "head": 1}
        for params in ({"from": 9, "to": 3}, {"from": 1, "to": 0}, {"cursor": "1.0", "to": 0}):
            answer = await web.answer("chain_transactions", {**params, **filters})
            assert answer["error"]["data"] == {"reason": "INVALID_PARAMS", "param": "to"}
    for method in ("chain_block", "chain_certificate", "chain_validators"):
        assert (await web.answer(method, {"height": 5_000}))["error"]["data"]["head"] == 1


async def test_a_page_ends_where_the_blocks_read_for_it_are_large(web: Web, chain: LocalChain, monkeypatch):
    for _ in range(5):
        chain.commit([chain.sign("aurora-admin", [issue(1)], memo="m" * 1_000) for _ in range(3)])
    everything = [(height, index) for height in range(1, 6) for index in range(3)]
    monkeypatch.setattr("node.chain.transaction_pages.MAX_BYTES", 5_000)
    monkeypatch.setattr("node.chain.transaction_pages.MAX_COMPARED", 5)
    kinds = [{}, {"account": SHOPPER}, {"account": SHOPPER, "brand": "aurora", "call": "token.issue"}]
    for filters in kinds:
        found, cursor, pages = [], None, 0
        while pages == 0 or cursor is not None:
            params = {**filters, "limit": 1_000, **({"cursor": cursor} if cursor else {})}
            page = await web.call("chain_transactions", params)
            found += [(item["height"], item["index"]) for item in page["items"]]
            cursor, pages = page["next"], pages + 1
        assert found == everything
        assert pages >= 3


async def test_receipts_of_many_blocks_are_read_one_block_at_a_time(
    web: Web, chain: LocalChain, node: LocalNode, monkeypatch
):
    raws = [chain.sign("aurora-admin", [issue(1)]) for _ in range(4)]
    for raw in raws:
        chain.commit([raw])
    reading, turns = [], [0]
    original = ChainQueries.receipts

    def receipts(self, height):
        reading.append(turns[0])
        return original(self, height)

    async def count_turns():
        while True:
            turns[0] += 1
            await asyncio.sleep(0)

    monkeypatch.setattr(ChainQueries, "receipts", receipts)
    counting = asyncio.create_task(count_turns())
    calls = [
        {"jsonrpc": "2.0", "id": i, "method": "tx_wait", "params": [parse_transaction(raw).id.hex(), 0]}
        for i, raw in enumerate(raws)
    ]
    _, answers = await web.post(orjson.dumps(calls))
    counting.cancel()
    assert [answer["result"]["height"] for answer in answers] == [1, 2, 3, 4]
    assert len(set(reading)) == 4


async def test_simulating_on_a_past_state_reads_each_value_once_and_not_for_long(
    web: Web, chain: LocalChain, node: LocalNode, monkeypatch
):
    chain.commit()
    chain.commit([chain.sign("aurora-admin", [issue(1)])])
    body = parse_transaction(chain.sign("aurora-admin", [issue(1)] * 3)).body_bytes.hex()
    read = []
    original = node.store.state_value
    monkeypatch.setattr(node.store, "state_value", lambda key, height: read.append(key) or original(key, height))
    assert (await web.call("tx_simulate", [body, 1]))["status"] == "ok"
    assert (
        len(read) == len(set(read)) + 1
    )  # the gateway asks for the parameters first, to see whether the state is there
    monkeypatch.setattr("node.gateway.limits.PAST_READS_SECONDS", 0.0)
    assert await web.error("tx_simulate", [body, 1]) == (-32005, "OUT_OF_BUDGET")
    assert (await web.call("tx_simulate", [body]))["status"] == "ok"


@both
async def test_simulating_writes_nothing(web: Web, chain: LocalChain):
    raw = chain.sign("aurora-admin", [issue(9)])
    tx = parse_transaction(raw)
    simulated = await web.call("tx_simulate", [tx.body_bytes.hex()])
    assert simulated["status"] == "ok"
    assert (await web.call("token_balance", ["sun", SHOPPER]))["available"] == 0
    assert chain.height == 0
    assert simulated == await web.call("tx_send", [raw.hex()])
    assert simulated == await web.call("tx_simulate", [tx.body_bytes.hex()])  # committed: its own receipt
    stranger = parse_transaction(chain.sign("nobody", [issue(9)]))
    failed = await web.call("tx_simulate", [stranger.body_bytes.hex()])
    assert failed["error"]["code"] == "NOT_AUTHORISED"
    past = await web.call("tx_simulate", [stranger.body_bytes.hex(), 0])
    assert (past["height"], past["error"]["code"]) == (1, "NOT_AUTHORISED")
    stale = parse_transaction(chain.sign("aurora-admin", [issue()], expires=1)).body_bytes.hex()
    assert await web.error("tx_simulate", [stale]) == (-32003, "EXPIRED")
    assert await web.error("tx_simulate", ["80"]) == (-32003, "MALFORMED")


async def test_a_client_without_messagepack_can_send(web: Web, chain: LocalChain):
    key = key_of("aurora-admin")
    body = {
        "chain": chain.genesis.chain,
        "sender": address_of("aurora-admin"),
        "nonce": 2**53 - 1,
        "expires": chain.ledger.head_time + 1_000,
        "ops": [["token.issue", {"program": "sun", "to": SHOPPER, "amount": 4}]],
    }
    encoded = bytes.fromhex(await web.call("tx_encode", [body]))
    signature = key.sign(Domain.TRANSACTION, encoded)
    raw = await web.call("tx_encode", {"body": body, "sigs": [[key.public_key.hex(), signature.hex()]]})
    assert (await web.call("tx_send", [raw]))["status"] == "ok"
    for change in (
        {"nonce": 1.0},
        {"nonce": 2**53},
        {"nonce": None},
        {"more": 1},
        {"signers": ["zz"]},
        {"ops": []},
        {"ops": [["token.issue", {"amount": 1.5}]]},
        {"sender": "ent1"},
    ):
        assert await web.error("tx_encode", [{**body, **change}]) == (-32602, "INVALID_PARAMS")


# -- state ---------------------------------------------------------------------------------------------


async def test_views_answer_and_refuse(web: Web, chain: LocalChain):
    balance = await web.call("token_balance", {"program": "sun", "account": SHOPPER})
    assert balance == await web.call("token_balance", ["sun", SHOPPER])
    assert await web.error("token_program", ["moon"]) == (-32001, "NOT_FOUND")
    for params in ([], ["sun"], ["sun", SHOPPER, 1], {"program": "sun"}, ["SUN", SHOPPER], {"x": 1}, [1, 2]):
        code, reason = await web.error("token_balance", params)
        assert code == -32602
        assert reason in ("INVALID_ARGS", "INVALID_PARAMS")
    error = (await web.answer("token_balance", {"program": "sun"}))["error"]
    assert error["data"]["field"] == error["data"]["param"] == "account"


async def test_a_view_answers_of_a_height_and_says_which(web: Web, chain: LocalChain, monkeypatch):
    asked = {"view": "token_balance", "args": {"program": "sun", "account": SHOPPER}}
    genesis = await web.call("state_view", asked)
    assert (genesis["height"], genesis["time"]) == (0, chain.genesis.document.time)
    chain.commit([chain.sign("aurora-admin", [issue(5)])])
    chain.commit([chain.sign("aurora-admin", [issue(6)])])
    available = [(await web.call("state_view", {**asked, "height": h}))["result"]["available"] for h in (0, 1, 2)]
    assert available == [0, 5, 11]
    head = await web.call("state_view", asked)
    assert (head["height"], head["result"]) == (2, await web.call("token_balance", asked["args"]))
    past = await web.call("state_view", {**asked, "height": 1})
    assert past["time"] == (await web.call("chain_block", [1]))["header"]["time"] < head["time"]
    monkeypatch.setattr("node.gateway.limits.PAST_READS_SECONDS", 0.0)
    assert await web.error("state_view", {**asked, "height": 1}) == (-32005, "OUT_OF_BUDGET")
    assert await web.call("state_view", {**asked, "height": 2}) == head, "the head is read as ever"


@both
async def test_a_view_of_a_height_refuses_as_the_view_does(web: Web, chain: LocalChain):
    chain.commit()
    for name in ("token_nothing", "state_view", "token_issue", "token.balance"):
        assert await web.error("state_view", {"view": name}) == (-32602, "INVALID_PARAMS")
    for args in ({}, {"program": "sun", "account": SHOPPER, "more": 1}, {"program": "SUN", "account": SHOPPER}):
        code, reason = await web.error("state_view", {"view": "token_balance", "args": args})
        assert code == -32602
        assert reason in ("INVALID_ARGS", "INVALID_PARAMS")
    missing = {"view": "token_program", "args": {"program": "moon"}}
    assert await web.error("state_view", missing) == (-32001, "NOT_FOUND")
    assert await web.error("state_view", {**missing, "height": 99}) == (-32001, "NOT_FOUND")
    for _ in range(10):
        chain.commit()
    assert await web.error("state_view", {**missing, "height": 1}) == (-32001, "STATE_PRUNED")


@both
async def test_state_is_read_at_heights_and_pruned(web: Web, chain: LocalChain):
    key = "token/program/sun"
    keys = [key for key in chain.genesis.genesis_state(chain.runtime).values if "sun" in key]
    key = keys[0]
    value = await web.call("state_get", [key])
    assert value == await web.call("state_get", {"key": key, "height": 0})
    assert await web.error("state_get", ["no/such/key"]) == (-32001, "NOT_FOUND")
    assert await web.error("state_get", [key, 1]) == (-32001, "NOT_FOUND")
    for _ in range(10):
        chain.commit()
    assert await web.call("state_get", [key, 6]) == value
    assert await web.error("state_get", [key, 2]) == (-32001, "STATE_PRUNED")
    assert await web.error("state_proof", [key, 2]) == (-32001, "STATE_PRUNED")
    assert await web.error("state_get", [key, -1]) == (-32602, "INVALID_PARAMS")
    assert await web.error("state_get", [""]) == (-32602, "INVALID_PARAMS")


# -- life cycle ----------------------------------------------------------------------------------------


@both
async def test_a_port_in_use_is_an_operators_mistake(web: Web, node: LocalNode):
    gateway = Gateway(node, NodeConfig(rpc_port=web.gateway.port))
    with pytest.raises(ConfigError, match="in use"):
        await gateway.start()
    await gateway.stop()


@both
async def test_those_who_wait_are_told_when_the_node_stops(web: Web, chain: LocalChain, node: LocalNode):
    node.automatic = False
    raw = chain.sign("aurora-admin", [issue()])
    waiting = asyncio.create_task(web.answer("tx_send", [raw.hex()]))
    await node.waited_for.wait()
    await web.gateway.stop()
    assert (await waiting)["error"]["data"]["reason"] == "SHUTTING_DOWN"


@both
async def test_a_connection_that_asks_nothing_does_not_hold_up_the_stop(web: Web, monkeypatch):
    monkeypatch.setattr("node.gateway.server.STOP_GRACE_S", 60.0)
    monkeypatch.setattr("node.gateway_process.gateway_process.KILL_AFTER_S", 60.0)
    assert (await web.get("/health"))[0] == 200
    async with asyncio.timeout(4):  # below the grace of the gateway's process, which is 5 s there
        await web.gateway.stop()


async def test_discovery_describes_every_method(web: Web):
    document = await web.call("rpc.discover")
    assert document["openrpc"].startswith("1.")
    names = [method["name"] for method in document["methods"]]
    assert names == list(web.gateway.table)
    assert "token_balance" in names
    for method in document["methods"]:
        required = [param["required"] for param in method["params"]]
        assert required == sorted(required, reverse=True), f"{method['name']}: required parameters come first"
        assert method["summary"]
        for error in method["errors"]:
            assert error["$ref"].removeprefix("#/components/errors/") in document["components"]["errors"]
    balance = next(method for method in document["methods"] if method["name"] == "token_balance")
    assert balance["params"][0]["schema"]["pattern"] == "^[a-z0-9][a-z0-9-]{1,31}$"


@both
async def test_metrics_and_other_pages(web: Web):
    status, body = await web.get("/metrics")
    assert (status, body) == (200, b"entente_height 0\n")
    assert (await web.get("/nothing"))[0] == 404
    assert (await web.get("/"))[0] == 405
