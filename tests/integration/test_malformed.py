"""5,000 malformed requests to one gateway: the first of those that `make attack` sends to real validators."""

import asyncio
import logging

import pytest

from tests.attack.malformed import attack
from tests.attack.target import Target
from tests.support.gateway import running_gateway
from tests.support.ledger import LocalChain, LocalNode, program_op

pytestmark = pytest.mark.integration

CASES = 5_000


async def test_malformed_requests_get_reasons_and_break_nothing(tmp_path, caplog: pytest.LogCaptureFixture):
    chain = LocalChain(tmp_path / "data", [program_op("miles", "aurora")])
    caplog.set_level(logging.ERROR, logger="node")
    async with running_gateway(LocalNode(chain)) as web:
        target = Target(chain.genesis.chain, (web.gateway.port,), (), (), {})
        counts = await attack(target, asyncio.Event(), seconds=60.0, cases=CASES, seed=1)
        assert (await web.call("node_info"))["height"] == chain.height
        assert web.gateway.bytes_held == 0
    chain.close()
    assert counts["samples"] == []
    assert counts["cases"] >= CASES
    assert counts["HTTP 200"] > CASES // 10
    assert "internal error" not in caplog.text
