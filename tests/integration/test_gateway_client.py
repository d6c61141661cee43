"""The client library against a real gateway: calls, retries that charge once, and offline verification."""

import asyncio
import copy
from typing import Any

import pytest

from node.client import ConnectionFailed, RetryPolicy, RpcClient, RpcError, VerificationFailed
from node.light_client.documents import verify_receipt, verify_state
from tests.support.gateway import running_gateway
from tests.support.ledger import LocalChain, LocalNode, address_of, key_of, local_genesis, program_op
from vm.transaction import parse_transaction

pytestmark = pytest.mark.integration

SHOPPER = address_of("shopper")
ADMIN = key_of("aurora-admin")
ISSUE = ("token.issue", {"program": "sun", "to": SHOPPER, "amount": 5})


@pytest.fixture
def chain(tmp_path):
    chain = LocalChain(tmp_path / "data", [program_op("sun", "aurora")])
    yield chain
    chain.close()


@pytest.fixture
async def client(chain):
    async with running_gateway(LocalNode(chain)) as web, RpcClient(web.gateway.url) as client:
        yield client


def url_of(server: asyncio.Server) -> str:
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_calls_batches_and_errors(client: RpcClient, chain: LocalChain):
    assert await client.chain() == chain.genesis.chain
    assert await client.call("token_balance", program="sun", account=SHOPPER)
    with pytest.raises(RpcError) as caught:
        await client.call("chain_block", height=9)
    assert (caught.value.code, caught.value.reason, caught.value.data["height"]) == (-32001, "NOT_FOUND", 9)
    first, second = await client.batch([("chain_head", {}), ("nothing", {})])
    assert first["header"] is None
    assert isinstance(second, RpcError)
    assert second.reason == "METHOD_NOT_FOUND"
    assert await client.batch([]) == []
    with pytest.raises(RpcError, match="BATCH_TOO_LONG"):
        await client.batch([("node_info", {})] * 1_001)


async def test_sending_transactions(client: RpcClient, chain: LocalChain):
    receipt = await client.send_transaction(ADMIN, [ISSUE], memo="order 1")
    assert (receipt["status"], receipt["height"]) == ("ok", 1)
    raws = [await client.sign_transaction(ADMIN, [ISSUE]) for _ in range(3)]
    assert [each["status"] for each in await client.submit_many(raws)] == ["pending"] * 3
    assert [each["status"] for each in await client.send_many([*raws, b"\x80"][:3])] == ["ok"] * 3
    assert (await client.call("token_balance", program="sun", account=SHOPPER))["available"] == 20
    cosigned = await client.send_transaction(ADMIN, [ISSUE], cosigners=[key_of("shopper")])
    assert cosigned["status"] == "ok"
    with pytest.raises(RpcError, match="EXPIRED"):
        await client.send_transaction(ADMIN, [ISSUE], expires=1)
    failed = await client.send_transaction(key_of("nobody"), [ISSUE])
    assert failed["error"]["code"] == "NOT_AUTHORISED"


async def test_a_lost_answer_is_asked_for_again_and_charged_once(chain: LocalChain):
    async with running_gateway(LocalNode(chain)) as web:
        losses = 2
        bodies = []

        async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
            nonlocal losses
            upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", web.gateway.port)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            upstream.write(head + body)
            answer = await upstream_reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            answer += await upstream_reader.readexactly(length)
            if b"tx_send" in body:
                bodies.append(body)
                losses -= 1
            if b"tx_send" not in body or losses < 0:
                writer.write(answer.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
                await writer.drain()
            upstream.close()
            writer.close()

        server = await asyncio.start_server(proxy, "127.0.0.1", 0)
        url = url_of(server)
        policy = RetryPolicy(attempts=5, first_pause_s=0.001)
        async with RpcClient(url, retries=policy) as client:
            receipt = await client.send_transaction(ADMIN, [ISSUE])
        server.close()
        assert (receipt["status"], chain.height) == ("ok", 1)
        assert len(bodies) == 3
        assert len(set(bodies)) == 1


async def test_nobody_there_and_nonsense_there():
    policy = RetryPolicy(attempts=2, first_pause_s=0.001)
    async with RpcClient("http://127.0.0.1:9", retries=policy) as client:
        with pytest.raises(ConnectionFailed, match="no answer"):
            await client.call("node_info")

    async def web_page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(web_page, "127.0.0.1", 0)
    async with RpcClient(url_of(server), retries=policy) as client:
        with pytest.raises(ConnectionFailed, match="JSON-RPC"):
            await client.call("node_info")
    server.close()
    with pytest.raises(ConnectionFailed, match="closed"):
        await client.call("node_info")


# -- verification --------------------------------------------------------------------------------------


async def test_states_prove_themselves(client: RpcClient, chain: LocalChain):
    await client.send_transaction(ADMIN, [ISSUE])
    document = await client.call("state_proof", key="chain/params")
    verified = verify_state(document, chain.genesis)
    assert (verified.height, verified.exists, verified.value["max_tx_ttl_ms"]) == (1, True, 600_000)
    absent = verify_state(await client.call("state_proof", key="chain/nothing"), chain.genesis)
    assert (absent.exists, absent.value) == (False, None)
    await client.send_transaction(ADMIN, [ISSUE])
    earlier = await client.call("state_proof", key="chain/params", height=1)
    assert verify_state(earlier, chain.genesis).height == 1


async def test_receipts_prove_themselves(client: RpcClient, chain: LocalChain):
    raws = [await client.sign_transaction(key, [ISSUE]) for key in (ADMIN, key_of("nobody"), ADMIN)]
    receipts = await client.send_many(raws)
    for receipt in receipts:
        document = await client.call("chain_receipt", id=receipt["id"], proof=True)
        verified = verify_receipt(document, chain.genesis)
        assert verified.receipt == receipt
        assert (verified.chain, verified.height) == (chain.genesis.chain, 1)


def mutations(value, path=()):
    """Yield (path, changed value) for every leaf, and every removal, in a JSON document."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for name, item in items:
            yield from mutations(item, (*path, name))
            yield (*path, name), ...
    elif isinstance(value, str) and value:
        yield path, ("0" if value[0] != "0" else "1") + value[1:]
        yield path, value + "\ud800"
    elif isinstance(value, bool):
        yield path, not value
    elif isinstance(value, int):
        yield path, value + 1
        yield path, float(value)
        yield path, 2**70
    else:
        yield path, {}
    yield path, None


def mutated(document, path, change):
    copied = copy.deepcopy(document)
    target = copied
    for name in path[:-1]:
        target = target[name]
    if not path:
        return change
    if change is ...:
        del target[path[-1]]
    else:
        target[path[-1]] = change
    return copied


def refuses(verify, document, genesis):
    try:
        verify(document, genesis)
    except VerificationFailed:
        return True
    return False


def may_change(path, change):
    """Tell whether a document proves the same without this part, or with it changed."""
    if "validators" in path:
        return True  # for readers only: the set follows from the genesis document
    if change is ... and path[-1:] == ("headers",):
        return True  # none are needed while the genesis set decides
    if change is ... and path == ("value",):
        return True  # value_bytes are what is proved
    return change is ... and len(path) >= 2 and path[-2] == "seals"  # three of four seals are a quorum too


async def test_no_part_of_a_proof_can_be_changed(client: RpcClient, chain: LocalChain):
    # Two transactions and the system receipt: a tree in which 3 and 4 leaves have paths of one length.
    receipt, _ = await client.send_many([await client.sign_transaction(ADMIN, [ISSUE]) for _ in range(2)])
    await client.send_transaction(ADMIN, [ISSUE])
    documents = [
        (verify_state, await client.call("state_proof", key="chain/params", height=1)),
        (verify_state, await client.call("state_proof", key="chain/nothing", height=1)),
        (verify_receipt, await client.call("chain_receipt", id=receipt["id"], proof=True)),
    ]
    tried = 0
    for verify, document in documents:
        verify(document, chain.genesis)
        for path, change in mutations(document):
            changed = mutated(document, path, change)
            if changed == document or may_change(path, change):
                continue
            if not refuses(verify, changed, chain.genesis):
                pytest.fail(f"{path} changed to {change!r} was accepted")
            tried += 1
    assert tried > 300


async def test_another_genesis_proves_nothing(client: RpcClient, chain: LocalChain):
    await client.send_transaction(ADMIN, [ISSUE])
    document = await client.call("state_proof", key="chain/params")
    other = local_genesis([program_op("moon", "basil")])
    with pytest.raises(VerificationFailed, match="the header is of"):
        verify_state(document, other)


async def test_fewer_seals_than_a_quorum_prove_nothing(client: RpcClient, chain: LocalChain):
    await client.send_transaction(ADMIN, [ISSUE])
    document = await client.call("state_proof", key="chain/params")
    document["certificate"]["seals"] = document["certificate"]["seals"][1:]
    verify_state(document, chain.genesis)
    document["certificate"]["seals"] = document["certificate"]["seals"][1:]
    with pytest.raises(VerificationFailed, match="quorum"):
        verify_state(document, chain.genesis)
    document["certificate"]["seals"] = [document["certificate"]["seals"][0]] * 4
    with pytest.raises(VerificationFailed, match="quorum"):
        verify_state(document, chain.genesis)


async def test_headers_may_lead_through_a_certified_change(client: RpcClient, chain: LocalChain):
    await client.send_transaction(ADMIN, [ISSUE])
    await client.send_transaction(ADMIN, [ISSUE])
    step = await client.call("state_proof", key="chain/params", height=1)
    document = await client.call("state_proof", key="chain/params", height=2)
    document["headers"] = [{name: step[name] for name in ("header", "certificate", "validators")}]
    assert verify_state(document, chain.genesis).height == 2
    document["headers"][0]["validators"][0][1] = "evil"
    with pytest.raises(VerificationFailed, match="announces other validators"):
        verify_state(document, chain.genesis)


NEWCOMERS = {brand: key_of(f"{brand}-validator") for brand in ("echo", "fjord")}


def join(brand: str) -> list[dict[str, Any]]:
    """Return the actions by which a new brand gets a validator."""
    return [
        {"action": "register_brand", "brand": brand, "name": brand, "admins": [address_of(f"{brand}-admin")]},
        {"action": "add_validator", "brand": brand, "key": NEWCOMERS[brand].public_key.hex()},
    ]


async def test_proofs_lead_from_genesis_through_every_change_of_membership(client: RpcClient, chain: LocalChain):
    chain.signing_keys |= {key.public_key: key for key in NEWCOMERS.values()}
    raw = chain.sign("aurora-admin", [ISSUE])
    chain.decide(*join("echo"))
    first_change = chain.height
    chain.decide({"action": "remove_validator", "brand": "dune"}, *join("fjord"))
    second_change = chain.height
    chain.commit([raw])
    for _ in range(4):
        chain.commit()
    for height in range(1, chain.height + 1):
        document = await client.call("state_proof", key="chain/validators", height=height)
        changes = [change for change in (first_change, second_change) if change + 2 <= height]
        assert [link["header"]["height"] for link in document["headers"]] == [change + 1 for change in changes]
        assert verify_state(document, chain.genesis).height == height
        if changes:
            with pytest.raises(VerificationFailed, match="does not lead to"):
                verify_state({**document, "headers": document["headers"][:-1]}, chain.genesis)
    receipt = await client.call("chain_receipt", id=parse_transaction(raw).id.hex(), proof=True)
    assert verify_receipt(receipt, chain.genesis).height == second_change + 1
    listed = await client.call("chain_validators", height=second_change + 2)
    assert [entry["brand"] for entry in sorted(listed["validators"], key=lambda e: e["brand"])] == [
        *("aurora", "basil", "comet", "echo", "fjord")
    ]


async def test_a_set_that_was_not_announced_proves_nothing(client: RpcClient, chain: LocalChain):
    """Four keys of a liar's own, and his own certificate, after a true chain of headers."""
    chain.signing_keys |= {key.public_key: key for key in NEWCOMERS.values()}
    chain.decide(*join("echo"))
    for _ in range(3):
        chain.commit()
    document = await client.call("state_proof", key="chain/params")
    liars = sorted((key_of(f"liar-{i}") for i in range(4)), key=lambda key: key.public_key)
    document["headers"][0]["validators"] = [[key.public_key.hex(), "aurora"] for key in liars]
    with pytest.raises(VerificationFailed, match="announces other validators"):
        verify_state(document, chain.genesis)
