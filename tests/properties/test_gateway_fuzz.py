"""Whatever is posted, the gateway's dispatcher answers valid JSON-RPC, and nothing breaks inside."""

import asyncio
import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.gateway.desk import build_table
from node.gateway.dispatch import Caller, Dispatcher
from node.gateway.errors import CODES
from node.gateway.state_methods import StateMethods
from node.gateway.transaction_methods import TransactionMethods
from node.runtime.config import RpcLimits
from tests.support.ledger import LocalChain, LocalNode, address_of, program_op

ADDRESS = address_of("shopper")


@pytest.fixture(scope="module")
def dispatcher():
    with TemporaryDirectory() as folder:
        chain = LocalChain(Path(folder) / "data", [program_op("sun", "aurora")])
        issue = ("token.issue", {"program": "sun", "to": ADDRESS, "amount": 5})
        chain.commit([chain.sign("aurora-admin", [issue]) for _ in range(3)])
        node = LocalNode(chain)
        table = build_table(node, TransactionMethods(node), StateMethods(node))
        yield Dispatcher(table, RpcLimits(max_batch=20, max_response_bytes=100_000), lambda: 0.0)
        chain.close()


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.integers(0, 3),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.binary(max_size=40).map(bytes.hex),
    st.sampled_from(["sun", "aurora", ADDRESS, "chain/params", "00" * 32, "token.issue", "1.0"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)
PARAMETERS = (
    "account",
    "program",
    "height",
    "digest",
    "key",
    "id",
    "tx",
    "body",
    "from",
    "cursor",
    "limit",
    "full",
)


def requests(names):
    params = st.one_of(
        st.lists(values, max_size=4),
        st.dictionaries(st.sampled_from(PARAMETERS) | st.text(max_size=4), values, max_size=4),
        values,
    )
    well_formed = st.fixed_dictionaries(
        {"jsonrpc": st.just("2.0"), "method": st.sampled_from(names)}, optional={"params": params, "id": scalars}
    )
    return well_formed | values


def check_response(answer):
    assert set(answer) in ({"jsonrpc", "id", "result"}, {"jsonrpc", "id", "error"})
    assert answer["jsonrpc"] == "2.0"
    assert answer["id"] is None or type(answer["id"]) in (int, float, str)
    if "error" in answer:
        assert answer["error"]["code"] in CODES
        assert answer["error"]["data"]["reason"].isupper()


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_body_gets_a_valid_answer(dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture, data):
    names = [name for name in dispatcher._table if name not in ("tx_wait", "tx_send")]  # they may wait
    document = data.draw(requests(names) | st.lists(requests(names), max_size=22))
    caplog.set_level(logging.ERROR)
    reply = asyncio.run(dispatcher.handle(orjson.dumps(document), Caller()))
    assert "internal error" not in caplog.text
    sent = document if isinstance(document, list) else [document]
    if reply.body is None:
        assert all(isinstance(each, dict) and "id" not in each for each in sent)
        return
    answer = orjson.loads(reply.body)
    if isinstance(answer, dict):
        check_response(answer)
        return
    silent = [each for each in sent if isinstance(each, dict) and "id" not in each and is_request(each)]
    assert len(answer) == len(sent) - len(silent)
    for each in answer:
        check_response(each)


def is_request(each):
    params = each.get("params", [])
    return each.get("jsonrpc") == "2.0" and isinstance(each.get("method"), str) and isinstance(params, dict | list)


@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_every_byte_string_gets_a_valid_answer(dispatcher: Dispatcher, body: bytes):
    reply = asyncio.run(dispatcher.handle(body, Caller()))
    assert reply.body is not None
    answer = orjson.loads(reply.body)
    for each in answer if isinstance(answer, list) else [answer]:
        check_response(each)
