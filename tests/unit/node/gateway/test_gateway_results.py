"""What the node's own methods answer is what `rpc.discover` says, member by member."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from node.gateway import Gateway
from node.gateway.openrpc import openrpc_document
from node.gateway.presentation import dumps
from node.runtime.config import NodeConfig
from tests.support.ledger import LocalChain, LocalNode, address_of, program_op
from vm.transaction import parse_transaction

TYPES = {"string": str, "integer": int, "boolean": bool, "null": type(None), "array": list, "object": dict}


def problems(value: Any, schema: dict[str, Any], schemas: dict[str, Any], at: str = "result") -> Iterator[str]:
    """Yield where a value is not of a schema: of the parts of JSON Schema that msgspec writes."""
    if "$ref" in schema:
        yield from problems(value, schemas[schema["$ref"].rpartition("/")[2]], schemas, at)
        return
    if "anyOf" in schema:
        if all(list(problems(value, option, schemas, at)) for option in schema["anyOf"]):
            yield f"{at}: {value!r} is none of {schema['anyOf']}"
        return
    if "type" in schema and type(value) is not TYPES[schema["type"]]:
        yield f"{at}: {value!r} is no {schema['type']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is none of {schema['enum']}"
    if "pattern" in schema and re.search(schema["pattern"], value) is None:
        yield f"{at}: {value!r} does not match {schema['pattern']}"
    if isinstance(value, list):
        parts = schema.get("prefixItems") or [schema.get("items") or {}] * len(value)
        if len(parts) != len(value):
            yield f"{at}: {len(value)} items"
        for place, (item, part) in enumerate(zip(value, parts, strict=False)):
            yield from problems(item, part, schemas, f"{at}[{place}]")
    if isinstance(value, dict):
        members = schema.get("properties")
        for name, item in value.items():
            if members is not None and name not in members:
                yield f"{at}.{name} is not told"
            other = schema.get("additionalProperties") or {}
            yield from problems(item, (members or {}).get(name, other), schemas, f"{at}.{name}")
        for name in schema.get("required", []):
            if name not in value:
                yield f"{at}.{name} is missing"


class Asked:
    """A gateway that is asked without HTTP, and held to its document."""

    def __init__(self, node: LocalNode) -> None:
        self.table = Gateway(node, NodeConfig()).table
        document = openrpc_document(self.table, node.runtime)
        self.forms = {method["name"]: method["result"]["schema"] for method in document["methods"]}
        self.schemas = document["components"]["schemas"]

    def ask(self, name: str, **params: Any) -> Any:
        """Return the answer of a read, which must be of the type that is told."""
        method = self.table[name]
        assert method.answer is not None
        answer = orjson.loads(dumps(method.answer(method.arguments(params))))
        assert list(problems(answer, self.forms[name], self.schemas)) == []
        return answer


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[LocalChain]:
    chain = LocalChain(tmp_path / "data", [program_op("miles", "aurora")])
    yield chain
    chain.close()


@pytest.fixture
def asked(chain: LocalChain) -> Asked:
    return Asked(LocalNode(chain))


def issue(chain: LocalChain, ref: str, amount: int = 7, memo: str | None = None) -> bytes:
    arguments = {"program": "miles", "to": address_of("ann"), "amount": amount, "ref": ref}
    return chain.sign("aurora-admin", [("token.issue", arguments)], memo=memo)


def test_what_the_node_tells_of_itself(asked: Asked) -> None:
    assert asked.ask("node_info")["role"] == "validator"
    assert asked.ask("node_health") == {"live": True, "ready": True, "reasons": []}
    assert asked.ask("node_peers") == []
    assert asked.ask("node_consensus")["step"] == "new"


def test_the_chain_before_its_first_block(asked: Asked) -> None:
    assert asked.ask("chain_head")["certificate"] is None
    assert asked.ask("chain_transactions")["items"] == []
    assert asked.ask("chain_validators")["quorum"] == 3


def test_blocks_and_receipts(chain: LocalChain, asked: Asked) -> None:
    good, failed = issue(chain, "1", memo="a memo"), issue(chain, "2", amount=-1)
    chain.commit([good, failed])
    chain.commit()
    assert asked.ask("chain_head")["header"]["height"] == 2
    ids = asked.ask("chain_block", height=1)["transactions"]
    shown = asked.ask("chain_block", height=1, full=True)["transactions"]
    assert [tx["id"] for tx in shown] == ids
    assert shown[0]["body"]["memo"] == "a memo"
    assert asked.ask("chain_certificate", height=1)["seals"]
    assert asked.ask("chain_validators", height=2)["validators"][0]["last_seal"] == 1
    assert [line["status"] for line in asked.ask("chain_transactions")["items"]] == ["ok", "failed"]
    for id_, status in zip(ids, ["ok", "failed"], strict=True):
        assert asked.ask("chain_transaction", id=id_)["receipt"]["status"] == status
        assert "proof" not in asked.ask("chain_receipt", id=id_)
        proved = asked.ask("chain_receipt", id=id_, proof=True)
        assert ("error" in proved) == (status == "failed")
        assert proved["proof"]["count"] == 3


def test_state_and_its_proofs(chain: LocalChain, asked: Asked) -> None:
    chain.commit([issue(chain, "1")])
    assert asked.ask("state_view", view="token_supply", args={"program": "miles"})["result"]["issued"] == 7
    assert "once" not in asked.ask("state_proof", key="chain/params")
    assert asked.ask("state_proof", key="nothing/here")["value_bytes"] is None
    assert asked.ask("state_proof", key="token/issue/miles/1")["once"]["size"] == 1


async def test_transactions_that_are_submitted(chain: LocalChain, asked: Asked) -> None:
    raw = issue(chain, "1")
    for name, params in (("tx_submit", {"tx": raw}), ("tx_send", {"tx": raw})):
        answer_all = asked.table[name].answer_all
        assert answer_all is not None
        (outcome,) = await answer_all([params], "")
        answer = orjson.loads(dumps(outcome))
        assert list(problems(answer, asked.forms[name], asked.schemas)) == []
        assert answer["id"] == parse_transaction(raw).id.hex()
