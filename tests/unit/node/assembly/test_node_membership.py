"""What a node takes from the set of the moment: whether it votes, whom it believes, and who may connect to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from consensus.messages import Prepare, RoundChange, encode_message, round_change_payload, vote_payload
from node.assembly.machine import Machine
from node.assembly.node import Node
from node.gateway.node_methods import NodeMethods
from node.runtime.config import NodeConfig, PeerAddress, Workers
from node.sync.block_sync_driver import believable_height
from node.votes.write_ahead_log import WriteAheadLog
from tests.support.ledger import START_MS, LocalChain, ManualClock, key_of
from vm.primitives.hashing import sha256
from vm.primitives.keys import Domain
from vm.transaction import parse_transaction

NEWCOMER, CONFIGURED, STRANGER = (key_of(label) for label in ("newcomer", "configured", "stranger"))
HEARTBEAT_MS = 60_000


@pytest.mark.parametrize(
    ("claims", "expected"),
    [([], 0), ([7], 7), ([9, 7], 7), ([2**50, 7, 7], 7), ([2**50, 5, 7], 7), ([3, 3, 3], 3)],
)
def test_one_liar_does_not_make_a_height_believable(claims: list[int], expected: int) -> None:
    assert believable_height(claims, 1) == expected


class Local:
    """A node whose key is in no validator set, with a chain that is driven block by block."""

    def __init__(
        self,
        folder: Path,
        retain_blocks: int | None = None,
        workers: Workers | None = None,
        cores: int = 1,
    ) -> None:
        self.chain = LocalChain(folder / "data")
        self.wal = WriteAheadLog(folder / "wal")
        self.wal.begin_signing()  # its marker was final before it was made a validator
        self.clock = ManualClock(START_MS)
        settings: Any = SimpleNamespace(
            config=NodeConfig(
                peers=(PeerAddress(CONFIGURED.public_key.hex(), "127.0.0.1", 1),),
                retain_blocks=retain_blocks,
                p2p_port=0,
                workers=workers or Workers(verify=0),
            ),
            key=NEWCOMER,
            clock=self.clock,
            home=folder,
            disk=SimpleNamespace(check=lambda: None, free_bytes=0),
            machine=Machine(cores=lambda: cores),
        )
        self.node = Node(self.chain.genesis, self.chain.runtime, self.chain.store, self.wal, settings)
        self.chain.ledger = self.node.ledger
        self.enforced = 0

        def enforce() -> None:
            self.enforced += 1

        self.node.manager.enforce_permissions = enforce  # type: ignore[method-assign]

    def commit(self, raws: Sequence[bytes] = ()) -> None:
        """Make a block final, as block sync does, at the time of the clock."""
        self.clock.now += 200
        transactions = [parse_transaction(raw) for raw in raws]
        candidate = self.chain._candidate(transactions, self.clock.now)
        execution = self.chain.ledger.execute(candidate, transactions)
        execution.run(len(transactions))
        executed = execution.finish()
        self.node.finalizer.finalize(executed, self.chain._certificate(candidate.header, executed.roots))
        assert self.node.supervisor.halted is None

    def decide(self, *actions: dict[str, Any]) -> None:
        """Let the alliance pass a proposal."""
        proposal = f"at-{self.chain.height}"
        propose = ("gov.propose", {"proposal": proposal, "title": "x", "actions": list(actions)})
        self.commit([self.chain.sign("aurora-admin", [propose])])
        vote = ("gov.vote", {"proposal": proposal, "choice": "yes"})
        self.commit([self.chain.sign(f"{brand}-admin", [vote]) for brand in ("aurora", "basil", "comet")])

    def close(self) -> None:
        self.node.driver.stop()
        self.node.schedule.stop()
        self.wal.close()
        self.chain.close()


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[Local]:
    made = Local(tmp_path)
    yield made
    made.close()


async def test_a_full_node_may_sign_as_soon_as_a_height_names_it(local: Local) -> None:
    node = local.node
    assert not node.connections.is_validator
    assert node.driver.state.sign is not None  # whether it signs, each height's context says
    node.driver.start()
    assert node.driver.state.here.own_index is None
    node.driver.work_available()
    assert node.supervisor.halted is None
    joined = msgspec.structs.replace(local.chain.ledger.height_context(), own_index=0)
    assert node.proposer.propose(joined, None, required=True) is not None


async def test_a_node_joins_and_leaves_without_a_restart_and_permissions_follow(local: Local) -> None:
    node, key = local.node, NEWCOMER.public_key
    node.driver.start()
    local.decide(
        {"action": "remove_validator", "brand": "dune"},
        {"action": "add_validator", "brand": "dune", "key": key.hex()},
    )
    dune = key_of("dune-validator").public_key
    seen = []
    for _ in range(4):
        own = node.driver.state.here.own_index is not None
        seen.append(
            (
                "validator" if node.connections.is_validator else "full",
                own,
                node.permissions.may_connect(key),
                node.permissions.may_connect(dune),
                local.enforced,
            )
        )
        local.commit()
    assert seen == [
        ("full", False, True, True, 1),
        ("validator", True, True, True, 1),
        ("validator", True, True, False, 2),
        ("validator", True, True, False, 2),
    ]
    local.decide({"action": "add_node", "key": STRANGER.public_key.hex()})
    assert (node.permissions.may_connect(STRANGER.public_key), local.enforced) == (True, 3)
    local.decide({"action": "remove_node", "key": STRANGER.public_key.hex()})
    assert (node.permissions.may_connect(STRANGER.public_key), local.enforced) == (False, 4)


async def test_a_node_that_has_been_away_trusts_its_configuration_until_it_has_caught_up(local: Local) -> None:
    node = local.node
    node.driver.start()
    assert not node.permissions.may_connect(CONFIGURED.public_key)
    local.clock.now += 3 * HEARTBEAT_MS + 1
    assert node.permissions.may_connect(CONFIGURED.public_key)
    assert not node.permissions.may_connect(STRANGER.public_key)
    assert local.enforced == 0
    local.commit()
    assert not node.permissions.may_connect(CONFIGURED.public_key)
    assert local.enforced == 1, "whoever came in meanwhile is looked at again"
    local.commit()
    assert local.enforced == 1


async def test_evidence_that_the_core_finds_is_about_to_be_reported(local: Local) -> None:
    node = local.node
    node.driver.start()
    key = local.chain.validator_keys[2]
    for word in (b"one", b"two"):
        digest = sha256(word)
        payload = vote_payload(local.chain.genesis.chain, 1, 0, digest)
        node.driver.message_received(Prepare(1, 0, 2, digest, key.sign(Domain.PREPARE, payload)))
    (pending,) = node.reporter._pending.values()
    assert pending.place == (key.public_key.hex(), 1, 0, "prepare")
    (shown,) = node.node_consensus()["evidence"]
    assert (shown["public_key"], shown["validator"], shown["step"]) == (key.public_key, 2, "prepare")
    (answered,) = NodeMethods(node).consensus().evidence
    assert msgspec.structs.asdict(answered) == shown


async def test_a_node_tells_of_itself_what_the_gateway_says_that_it_does(local: Local) -> None:
    node = local.node
    node.manager._listener = SimpleNamespace(port=26_545)  # type: ignore[assignment]
    methods = NodeMethods(node)
    assert msgspec.structs.asdict(methods.health()) == node.node_health()
    told = methods.info()
    assert set(msgspec.structs.asdict(told)) == {*node.node_info(), "clock_rate", "max_tx_ttl_ms"}
    assert (told.role, told.height) == ("full", local.chain.height)
    seen = methods.consensus()
    told_of = [msgspec.structs.asdict(line) for line in seen.validators]
    assert told_of == node.node_consensus()["validators"]


async def test_the_round_that_each_validator_has_reached_is_shown(local: Local) -> None:
    node = local.node
    node.driver.start()
    chain, signer = local.chain.genesis.chain, local.chain.validator_keys[2]
    for round_ in (7, 3):
        payload = round_change_payload(chain, 1, round_, None, None)
        message = RoundChange(1, round_, 2, None, signer.sign(Domain.ROUND_CHANGE, payload))
        node.consensus_frames.frame(SimpleNamespace(key=signer.public_key), encode_message(message))
    shown = {line["public_key"]: (line["height"], line["round"]) for line in node.node_consensus()["validators"]}
    assert shown.pop(signer.public_key) == (1, 7)
    assert set(shown.values()) == {(0, 0)}
