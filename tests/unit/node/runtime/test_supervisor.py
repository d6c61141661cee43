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
from network.tasks import vital as vital_callback
from network.transport import Connection
from node.assembly import process as app
from node.assembly.machine import Machine
from node.assembly.node import Node
from node.gateway.transaction_methods import TransactionMethods
from node.pool.admission import AdmissionQueue
from node.runtime.config import NodeConfig, config_to_toml
from node.runtime.errors import DataDamaged, DiskRefused, NotReady
from node.runtime.supervisor import EXIT_FAILURE, Ends, Supervisor
from node.validator.work_schedule import Heartbeat, WorkSchedule
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


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def supervisor() -> Supervisor:
    """One that hears of everything on this loop."""
    made = Supervisor(lambda: 7)
    made.watch(asyncio.get_running_loop())
    return made


def ended(supervisor: Supervisor) -> tuple[bool, bool, bool]:
    """Whether the node has halted, and whether its process is to end for the disk, or by our own fault."""
    return supervisor.halted is not None, supervisor.disk_failed.is_set(), supervisor.failed.is_set()


@pytest.mark.parametrize(
    ("error", "ends", "outcome"),
    [
        (DiskRefused("full"), Ends.PROCESS, (True, True, False)),
        (DiskRefused("full"), Ends.CONSENSUS, (True, True, False)),
        (DataDamaged("rotten"), Ends.PROCESS, (True, False, False)),
        (DataDamaged("rotten"), Ends.CONSENSUS, (True, False, False)),
        (Fault(), Ends.PROCESS, (True, False, True)),
        (Fault(), Ends.CONSENSUS, (True, False, False)),
    ],
)
async def test_what_an_exception_ends(
    supervisor: Supervisor, error: Exception, ends: Ends, outcome: tuple[bool, bool, bool]
) -> None:
    async def fail() -> None:
        raise error

    supervisor.run(fail(), "work", ends)
    await settle()
    assert ended(supervisor) == outcome


@pytest.mark.parametrize("vital", [True, False])
async def test_a_task_of_the_network(supervisor: Supervisor, vital: bool) -> None:
    start_task(broken(), "task", vital=vital)
    await settle()
    assert ended(supervisor) == (vital, False, vital)


async def test_a_timer_of_the_node(supervisor: Supervisor) -> None:
    schedule = WorkSchedule(raise_fault, Heartbeat(), on_work=lambda: None)
    schedule.height_started(Params(block_interval_ms=0))
    await settle()
    assert ended(supervisor) == (True, False, True)
    schedule.stop()


async def test_a_callback_that_the_node_needs(supervisor: Supervisor) -> None:
    asyncio.get_running_loop().call_soon(vital_callback(raise_fault), 1, 2)
    await settle()
    assert ended(supervisor) == (True, False, True)


@pytest.mark.parametrize("call", [raise_fault, partial(Connection._release, SimpleNamespace())])  # type: ignore[arg-type]
async def test_callbacks_of_others_and_of_one_connection_are_told_in_the_log(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture, call: Callable[[], None]
) -> None:
    asyncio.get_running_loop().call_soon(call)
    await settle()
    assert ended(supervisor) == (False, False, False)
    assert "Exception in callback" in caplog.text


async def test_a_fault_that_a_frame_brings_about_ends_its_connection_only(supervisor: Supervisor) -> None:
    context = {"message": "Fatal error: protocol.buffer_updated() call failed.", "exception": Fault()}
    asyncio.get_running_loop().call_exception_handler({**context, "protocol": object(), "transport": object()})
    assert ended(supervisor) == (False, False, False)


async def test_a_halt_is_told_once_and_keeps_its_first_reason(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []
    supervisor.on_halt(lambda: told.append("first"))
    supervisor.on_halt(lambda: told.append("second"))
    supervisor.halt("a reason", {"ours": "00"})
    supervisor.halt("another reason")
    assert (supervisor.halted, told) == ("a reason", ["first", "second"])
    assert "HALTED at height 7: a reason {'ours': '00'}" in caplog.text
    assert "another reason" not in caplog.text


async def test_what_runs_ends_with_the_supervisor(supervisor: Supervisor) -> None:
    ended_: list[str] = []

    async def last() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended_.append("work")

    supervisor.run(last(), "work")
    await settle()
    await supervisor.stop()
    assert ended_ == ["work"]
    assert ended(supervisor) == (False, False, False)


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
        return (await answer_all([arguments], ""))[0]


async def test_clients_who_wait_hear_at_once_that_the_node_has_halted(tmp_path: Path) -> None:
    running = Running(tmp_path)
    node = running.node
    node.supervisor.run(node.admission.run(), "admission")
    pending = running.chain.sign("aurora-admin", OPS)
    waiting = [
        asyncio.create_task(running.call("tx_send", tx=pending, timeout_ms=600_000)),
        asyncio.create_task(running.call("tx_wait", id_=bytes(32), timeout_ms=600_000)),
    ]
    await settle()
    assert len(node.mempool) == 1
    node.supervisor.halt("a reason", {})
    for task in waiting:
        fault = await asyncio.wait_for(task, 10)
        assert fault.data["reason"] == "NOT_READY"
        assert "may still commit" in fault.message
    assert (await running.call("tx_wait", id_=bytes(32), timeout_ms=600_000)).data["reason"] == "NOT_READY"
    with pytest.raises(NotReady):
        await running.call("tx_submit", tx=pending)
    assert not node.supervisor.failed.is_set()  # it stays and answers reads
    assert len(node.waiters) == 0
    await node.stop()


async def test_where_admission_dies_clients_hear_of_it_and_the_process_is_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = Running(tmp_path)
    node = running.node
    monkeypatch.setattr("node.verification.verifier.signatures_valid", raise_fault)
    node.supervisor.run(node.admission.run(), "admission")
    raw = running.chain.sign("aurora-admin", OPS)
    sending = [asyncio.create_task(running.call("tx_submit", tx=raw)) for _ in range(2)]
    async with asyncio.timeout(10):
        await node.supervisor.failed.wait()
        for task in sending:
            with pytest.raises(NotReady, match="halted"):
                await task
    assert node.supervisor.halted is not None
    assert not node.supervisor.disk_failed.is_set()
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
