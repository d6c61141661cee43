"""Our own fault stops the node loudly; what one peer or client can bring about does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from genesis.document import Genesis
from genesis.testnet import create_testnet
from network.tasks import start_task
from network.transport import Connection
from node.assembly import process as app
from node.assembly.machine import Machine
from node.assembly.node import Node
from node.gateway.transaction_methods import TransactionMethods
from node.pool.admission import AdmissionQueue
from node.runtime.config import NodeConfig, config_to_toml
from node.runtime.errors import NotReady
from node.runtime.failures import EXIT_FAILURE, handler
from node.validator.work_schedule import WorkSchedule
from node.votes.write_ahead_log import WriteAheadLog
from tests.support.ledger import START_MS, LocalChain, ManualClock, key_of, program_op
from vm.params import Params
from vm.primitives.keys import SigningKey

OPS = [program_op("miles", "aurora")]


class Fault(Exception):
    """What nobody has foreseen."""


async def broken() -> None:
    raise Fault


def raise_fault(*_: Any) -> Any:
    raise Fault


@pytest.fixture
def failures() -> list[BaseException]:
    return []


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def listen(failures: list[BaseException]) -> None:
    asyncio.get_running_loop().set_exception_handler(handler(failures.append))


@pytest.mark.parametrize(("name", "vital"), [("network-dial", True), ("network-handshake", False)])
async def test_a_task_of_the_network(failures: list[BaseException], name: str, vital: bool) -> None:
    listen(failures)
    start_task(broken(), name)
    await settle()
    assert [type(error) for error in failures] == [Fault] * vital


async def test_a_timer_of_the_node(failures: list[BaseException]) -> None:
    listen(failures)
    schedule = WorkSchedule(has_transactions=raise_fault, on_work=lambda: None)
    schedule.height_started(Params())
    asyncio.get_running_loop().call_soon(schedule._due)
    await settle()
    assert [type(error) for error in failures] == [Fault]
    schedule.stop()


@pytest.mark.parametrize("call", [raise_fault, partial(Connection._release, SimpleNamespace())])  # type: ignore[arg-type]
async def test_callbacks_of_others_and_of_one_connection_are_told_in_the_log(
    failures: list[BaseException], caplog: pytest.LogCaptureFixture, call: Callable[[], None]
) -> None:
    listen(failures)
    asyncio.get_running_loop().call_soon(call)
    await settle()
    assert failures == []
    assert "Exception in callback" in caplog.text


async def test_a_fault_that_a_frame_brings_about_ends_its_connection_only(failures: list[BaseException]) -> None:
    listen(failures)
    context = {"message": "Fatal error: protocol.buffer_updated() call failed.", "exception": Fault()}
    asyncio.get_running_loop().call_exception_handler({**context, "protocol": object(), "transport": object()})
    assert failures == []


class Running:
    """A node that is not started, as the gateway sees it, and those who wait for it."""

    def __init__(self, folder: Path) -> None:
        self.chain = LocalChain(folder / "data")
        disk = SimpleNamespace(check=lambda: None, free_bytes=0)
        settings: Any = SimpleNamespace(
            config=NodeConfig(),
            key=key_of("node"),
            clock=ManualClock(START_MS),
            home=folder,
            disk=disk,
            machine=Machine(),
        )
        wal = WriteAheadLog(folder / "wal")
        self.node = Node(self.chain.genesis, self.chain.runtime, self.chain.store, wal, settings)
        self.methods = TransactionMethods(self.node).batched_methods()

    async def call(self, method: str, **arguments: Any) -> Any:
        answer_all = self.methods[method].answer_all
        assert answer_all is not None
        return (await answer_all([arguments]))[0]


async def test_clients_who_wait_hear_at_once_that_the_node_has_halted(tmp_path: Path) -> None:
    running = Running(tmp_path)
    node = running.node
    node._run(node._admission.run(), node._fail)
    pending = running.chain.sign("aurora-admin", OPS)
    waiting = [
        asyncio.create_task(running.call("tx_send", tx=pending, timeout_ms=600_000)),
        asyncio.create_task(running.call("tx_wait", id_=bytes(32), timeout_ms=600_000)),
    ]
    await settle()
    assert len(node._mempool) == 1
    node._driver.halt("a reason", {})
    for task in waiting:
        fault = await asyncio.wait_for(task, 10)
        assert fault.data["reason"] == "NOT_READY"
        assert "may still commit" in fault.message
    assert (await running.call("tx_wait", id_=bytes(32), timeout_ms=600_000)).data["reason"] == "NOT_READY"
    with pytest.raises(NotReady):
        await running.call("tx_submit", tx=pending)
    assert not node.failed.is_set()  # it stays and answers reads
    assert node._waiters == {}
    await node.stop()


async def test_where_admission_dies_clients_hear_of_it_and_the_process_is_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = Running(tmp_path)
    node = running.node
    monkeypatch.setattr("node.pool.admission.signatures_valid", raise_fault)
    node._run(node._admission.run(), node._fail)
    raw = running.chain.sign("aurora-admin", OPS)
    sending = [asyncio.create_task(running.call("tx_submit", tx=raw)) for _ in range(2)]
    async with asyncio.timeout(10):
        await node.failed.wait()
        for task in sending:
            with pytest.raises(NotReady, match="halted"):
                await task
    assert node._driver.halted is not None
    assert not node.disk_failed.is_set()
    await node.stop()


async def test_the_process_ends_with_a_code_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = create_testnet(tmp_path)
    home = Path(manifest.validators[0].home)
    config = NodeConfig(rpc_port=0, p2p_port=0, min_free_disk_mib=0)
    (home / "node.toml").write_text(config_to_toml(config))
    monkeypatch.setattr(AdmissionQueue, "run", lambda self: broken())
    genesis = Genesis.load(Path(manifest.genesis))
    async with asyncio.timeout(30):
        assert await app._serve(home, config, genesis, SigningKey(bytes(32)), Node) == EXIT_FAILURE
