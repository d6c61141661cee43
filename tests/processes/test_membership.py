"""Real processes whose membership changes under load: nobody restarts, nothing stalls, every proof leads home.

`make membership` runs the long form, 4 → 7 → 4 (ENTENTE_MEMBERSHIP=7); `make test` the short one, 4 → 5 → 4.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from genesis.document import Genesis
from genesis.keystore import read_key_file, write_key_file
from genesis.testnet import BRANDS
from node.light_client.documents import verify_state
from node.peers.permissions import OLD_HEAD_HEARTBEATS
from tests.support.network import LocalNetwork
from tests.support.programs import PROGRAM
from tests.support.same_chain import wait_same_head
from vm.params import Params
from vm.primitives.hashing import sha256
from vm.primitives.keys import SigningKey

pytestmark = [pytest.mark.integration, pytest.mark.alone]

LARGEST = int(os.environ.get("ENTENTE_MEMBERSHIP", "5"))
HEARTBEAT_MS = 2_000
HEARTBEATS_MS = (OLD_HEAD_HEARTBEATS + 1) * HEARTBEAT_MS
STALL_SECONDS = 8.0
"""No transfer may wait so long for its receipt; a dead proposer costs one timeout of 2 s."""


def key_of(label: str) -> SigningKey:
    return SigningKey(sha256(label.encode()))


class Load:
    """One client that transfers all the time through nodes 0 and 1, and notes how long each transfer took."""

    def __init__(self, network: LocalNetwork) -> None:
        self._network = network
        self._address, self._key = network.account("basil-admin")
        self._receiver, _ = network.account("comet-admin")
        self._stop = threading.Event()
        self.seconds: list[float] = []
        self.failures: list[Any] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=60)

    def _run(self) -> None:
        while not self._stop.is_set():
            transfer = ("token.transfer", {"program": "miles", "to": self._receiver, "amount": 1})
            began = time.monotonic()
            raw = self._network.sign(self._address, self._key, [transfer])
            try:
                receipt = self._network.call(len(self.seconds) % 2, "tx_send", tx=raw, timeout_ms=60_000)
            except (AssertionError, OSError) as error:
                self.failures.append(error)
                return
            if receipt["status"] != "ok":
                self.failures.append(receipt)
            self.seconds.append(time.monotonic() - began)


class Alliance:
    """A network that governs itself."""

    def __init__(self, network: LocalNetwork) -> None:
        self.network = network
        self.members = ["aurora", "basil", "comet", "dune"]
        self._proposals = 0

    def decide(self, *actions: dict[str, Any]) -> int:
        """Let the members pass a proposal; return the height that did."""
        self._proposals += 1
        proposal = f"proposal-{self._proposals}"
        arguments = {"proposal": proposal, "title": "A change", "actions": list(actions)}
        self.network.send(0, "aurora-admin", ("gov.propose", arguments))
        for brand in self.members:
            vote = ("gov.vote", {"proposal": proposal, "choice": "yes"})
            receipt = self.network.send(0, f"{brand}-admin", vote)
            if receipt["results"][0]["status"] == "passed":
                return int(receipt["height"])
        raise AssertionError(self.network.call(0, "gov_proposal", proposal=proposal))

    def brands(self) -> list[str]:
        """Return whose validators decide the next height."""
        return sorted(entry["brand"] for entry in self.network.call(0, "chain_validators")["validators"])

    def role(self, index: int) -> str:
        """Return what a node says it is."""
        return str(self.network.call(index, "node_info")["role"])

    def seals(self, key: SigningKey, above: int, asked: int = 0) -> bool:
        """Tell whether a validator's seals above a height are on record at the node that is asked."""
        for entry in self.network.call(asked, "chain_validators")["validators"]:
            if entry["public_key"] == key.public_key.hex():
                return int(entry["last_seal"]) > above
        return False

    def grow(self, brand: str) -> int:
        """Follow docs/operations-membership.md: a full node first, then a validator; return the node's index."""
        network = self.network
        key = key_of(f"{brand}-validator")
        admin = network.add_account(f"{brand}-admin", brand, key_of(f"{brand}-admin"))
        index = network.add_home(brand, brand, key)
        self.decide(
            {"action": "register_brand", "brand": brand, "name": brand.title(), "admins": [admin]},
            {"action": "add_node", "key": key.public_key.hex()},
        )
        network.start(index)
        network.wait_ready([index])
        assert self.role(index) == "full"
        height = self.decide({"action": "add_validator", "brand": brand, "key": key.public_key.hex()})
        network.wait_for(lambda: self.seals(key, height + 1), f"{brand} seals")
        assert self.role(index) == "validator"
        self.members.append(brand)
        assert self.brands() == sorted(self.members)
        return index

    def shrink(self, brand: str, index: int) -> None:
        """A validator becomes a full node."""
        key = key_of(f"{brand}-validator").public_key.hex()
        self.decide({"action": "remove_validator", "brand": brand}, {"action": "add_node", "key": key})
        self.members.remove(brand)
        self.network.wait_for(lambda: self.brands() == sorted(self.members), f"{brand} has left")
        self.network.wait_for(lambda: self.role(index) == "full", f"{brand}'s node observes")


@pytest.fixture(scope="module")
def alliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alliance]:
    """A running network in which basil has points to give away."""
    params = Params(empty_block_interval_ms=HEARTBEAT_MS)
    with LocalNetwork(tmp_path_factory.mktemp("alliance") / "testnet", params=params) as network:
        network.send(0, "aurora-admin", ("token.create_program", PROGRAM))
        to, _ = network.account("basil-admin")
        network.send(0, "aurora-admin", ("token.issue", {"program": "miles", "to": to, "amount": 1_000_000}))
        yield Alliance(network)


def test_growing_and_shrinking_under_load_without_a_restart_or_a_stall(alliance: Alliance) -> None:
    network = alliance.network
    newcomers = BRANDS[4:LARGEST]
    indexes = {}
    with Load(network) as load:
        for brand in newcomers:
            indexes[brand] = alliance.grow(brand)
        # With one of five gone the other four are just a quorum: the newcomer's vote is needed, and is there.
        network.kill(3)
        before = network.height(0)
        network.wait_for(lambda: network.height(0) > before + 5, "progress with the newcomer's vote")
        for place, brand in enumerate(reversed(newcomers)):
            alliance.shrink(brand, indexes[brand])
            if place == 0:  # it was away during the change, and restarts with the old set in its head
                network.start(3)
                network.wait_ready([3])
        after = network.height(0)
        network.wait_for(lambda: network.height(indexes[newcomers[0]]) > after, "who has left follows the chain")
    everyone = [0, 1, 2, 3, *indexes.values()]
    wait_same_head(network, everyone)
    assert load.failures == []
    worst = max(load.seconds)
    print(f"\n4 → {LARGEST} → 4: {len(load.seconds)} transfers, slowest {worst:.2f} s, height {network.height(0)}")
    assert worst < STALL_SECONDS
    comet, _ = network.account("comet-admin")
    balances = [network.call(i, "token_balance", program="miles", account=comet)["available"] for i in everyone]
    assert set(balances) == {len(load.seconds)}


def test_a_key_is_rotated_to_a_fresh_node_that_syncs_across_every_change(alliance: Alliance) -> None:
    network = alliance.network
    old = read_key_file(network.home(3) / "key.json").public_key
    new = key_of("dune's second key")
    index = network.add_home("dune-second", "dune", new)
    address, admin = network.account("dune-admin")
    with Load(network) as load:
        rotate = ("gov.rotate_key", {"old": old, "new": new.public_key.hex()})
        receipt = network.call(0, "tx_send", tx=network.sign(address, admin, [rotate], cosigners=[new]))
        assert receipt["status"] == "ok", receipt
        decides = receipt["results"][0]["decides"]
        network.start(index)
        network.wait_for(lambda: alliance.seals(new, decides), "the new key seals")
        network.wait_for(lambda: network.call(3, "node_info")["role"] == "full", "the old key observes")
        network.kill(3)
        # Three of four are a quorum: the new node's vote is needed when another one is away.
        network.wait_ready([index])
        network.kill(2)
        before = network.height(0)
        network.wait_for(lambda: network.height(0) > before + 3, "progress with the new key's vote")
        network.start(2)
        network.wait_ready([2])
    wait_same_head(network, [0, 1, 2, index])
    assert load.failures == []
    assert alliance.brands() == ["aurora", "basil", "comet", "dune"]


def _rotate_in_place(alliance: Alliance, index: int) -> None:
    """Give a validator another key in the same home."""
    network = alliance.network
    brand = network.manifest.validators[index].brand
    old, new = read_key_file(network.home(index) / "key.json").public_key, key_of(f"{brand} again")
    address, admin = network.account(f"{brand}-admin")
    rotate = ("gov.rotate_key", {"old": old, "new": new.public_key.hex()})
    asked = (index + 1) % 3
    receipt = network.call(asked, "tx_send", tx=network.sign(address, admin, [rotate], cosigners=[new]))
    assert receipt["status"] == "ok", receipt
    network.kill(index)
    write_key_file(network.home(index) / "key.json", new, None, replace=True)
    network.refresh_peers(index)
    network.start(index)
    network.wait_for(lambda: alliance.seals(new, receipt["height"], asked), f"{brand}'s new key seals")


def test_every_key_is_rotated_in_place_and_a_fresh_node_finds_the_chain_by_its_configuration(
    alliance: Alliance,
) -> None:
    network = alliance.network
    for index in range(3):
        _rotate_in_place(alliance, index)
    fresh = key_of("auditor")
    index = network.add_home("auditor", "aurora", fresh)
    alliance.decide({"action": "add_node", "key": fresh.public_key.hex()})
    began_ms = Genesis.load(network.directory / "genesis.json").document.time
    age_ms = time.time_ns() // 1_000_000 - began_ms
    assert age_ms > HEARTBEATS_MS, "the set of a chain that began a moment ago is taken for the present one"
    network.start(index)
    network.wait_ready([index])
    wait_same_head(network, [0, 1, 2, index])


def test_a_state_value_is_proved_from_genesis_across_every_change(alliance: Alliance) -> None:
    network = alliance.network
    genesis = Genesis.load(network.directory / "genesis.json")
    document = network.call(0, "state_proof", key="chain/validators")
    changes = 2 * (LARGEST - 4) + 4
    assert len(document["headers"]) == changes
    verified = verify_state(document, genesis)
    assert verified.height == document["height"]
    assert len(verified.value["validators"]) == 4


def test_no_log_holds_an_error(alliance: Alliance) -> None:
    for validator in alliance.network.manifest.validators:
        log = (Path(validator.home) / "node.log").read_text()
        assert "Traceback" not in log, validator.name
        assert " CRITICAL " not in log, validator.name
