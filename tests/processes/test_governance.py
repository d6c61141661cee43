"""An alliance governs itself from the command line, as docs/operations-membership.md says, step by step.

Real validators, the operators' own commands; at the end a protocol version that this release does not know: every
node stops before it, says so, and goes on when it is started with the release that does.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from genesis.testnet import TestnetValidator
from node.cli.main import main
from tests.support.network import LocalNetwork
from tests.support.ports import free_ports
from vm.params import Params

pytestmark = pytest.mark.integration

ADD_NODE = {"action": "add_node", "key": "5a" * 32}
BRANDS = ("aurora", "basil", "comet", "dune")
NEXT_RELEASE = """
import sys
from genesis import protocol
protocol.SUPPORTED_VERSIONS = frozenset({2, 3})
from node.cli.main import main
main(sys.argv[1:])
"""
"""A release that knows version 3, in which nothing differs but its number."""


class Operators:
    """Everybody who types commands, in one place: a folder with the admins' key files and the newcomer's home."""

    def __init__(self, network: LocalNetwork, folder: Path) -> None:
        self.network = network
        self.folder = folder
        self.home = folder / "echo-home"
        self.knows_version_3 = False
        for brand in BRANDS:
            _, key = network.account(f"{brand}-admin")
            self.run("keys", "import", self.admin(brand), "--unencrypted", stdin=key.seed.hex())

    def admin(self, brand: str) -> Path:
        return self.folder / f"{brand}-admin.json"

    def run(self, *arguments: str | Path, stdin: str = "", ok: bool | None = True) -> Any:
        """Run one command with --json; return the document that it printed. `ok` None: it may succeed or not."""
        result = CliRunner().invoke(main, [*map(str, arguments), "--json"], stdin, prog_name="entente")
        assert ok in (None, result.exit_code == 0), result.output
        return json.loads(result.stdout) if result.stdout else result.stderr

    def call(self, call: str, *pairs: str, keys: list[Path], ok: bool = True) -> Any:
        signers = [word for key in keys for word in ("--key", str(key))]
        return self.run("call", call, *pairs, *signers, "--rpc", self.network.url(0), ok=ok)

    def view(self, module: str, view: str, *pairs: str) -> Any:
        return self.run("view", module, view, *pairs, "--rpc", self.network.url(0))

    def vote(self, proposal: str, keys: list[Path]) -> Any:
        signers = [word for key in keys for word in ("--key", str(key))]
        return self.run("vote", proposal, "yes", "--assume-yes", *signers, "--rpc", self.network.url(0))

    def decide(
        self, proposal: str, *actions: dict[str, Any], voters: int = 3, together: bool = False
    ) -> dict[str, Any]:
        """Propose, let one brand after the other vote, or all in one transaction; look at what has become of it."""
        title = f"title={proposal.capitalize()}"
        told = f"actions={json.dumps(actions)}"
        self.call("gov.propose", f"proposal={proposal}", title, told, keys=[self.admin("aurora")])
        keys = [self.admin(brand) for brand in BRANDS[:voters]]
        for signers in [keys] if together else [[key] for key in keys]:
            self.vote(proposal, signers)
        shown: dict[str, Any] = self.view("gov", "proposal", f"proposal={proposal}")
        assert shown["status"] == "passed", shown
        return shown

    def add_to_network(self, brand: str, rpc_port: int) -> int:
        """Let the test reach the newcomer's node as well."""
        node = TestnetValidator(
            brand, brand, f"http://127.0.0.1:{rpc_port}", f"127.0.0.1:{rpc_port + 1}", str(self.home.resolve())
        )
        network = self.network
        network.manifest = msgspec.structs.replace(
            network.manifest, validators=(*network.manifest.validators, node)
        )
        return len(network.manifest.validators) - 1


class Upgradable(LocalNetwork):
    """A network whose nodes may be started with the next release."""

    releases: int = 1

    def launch(self, index: int) -> subprocess.Popen[bytes]:
        if self.releases == 1:
            return super().launch(index)
        home = self.home(index)
        command = [sys.executable, "-P", "-c", NEXT_RELEASE, "node", "start", "--home", str(home)]
        with (home / "node.log").open("ab") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self, index: int) -> None:
        """End a node as an operator does; it must end well."""
        process = self.processes[index]
        self.kill(index, signal.SIGTERM)
        assert process.returncode == 0

    def reasons(self, index: int) -> list[str]:
        """Return why a node is not ready; nothing while it does not answer."""
        try:
            return list(self.call(index, "node_health")["reasons"])
        except OSError:
            return []


@pytest.fixture(scope="module")
def operators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operators]:
    folder = tmp_path_factory.mktemp("governance")
    with Upgradable(folder / "testnet", params=Params(empty_block_interval_ms=1_000)) as network:
        yield Operators(network, folder)


def keys_of(operators: Operators, name: str) -> dict[str, Any]:
    shown: dict[str, Any] = operators.run("keys", "new", operators.folder / name, "--unencrypted")
    return shown


def test_a_brand_joins_with_a_validator(operators: Operators) -> None:
    network, home = operators.network, operators.home
    admin = keys_of(operators, "echo-admin.json")
    key = operators.run("keys", "new", home / "key.json", "--unencrypted")["public_key"]
    rpc_port = free_ports(2)
    peers = []
    for entry in network.manifest.validators:
        shown = operators.run("keys", "show", Path(entry.home) / "key.json")
        peers += ["--peer", f"{shown['public_key']}@{entry.p2p}"]
    genesis = network.directory / "genesis.json"
    ports = ["--rpc-port", str(rpc_port), "--p2p-port", str(rpc_port + 1), "--p2p-host", "127.0.0.1"]
    operators.run("node", "init", "--home", home, "--genesis", genesis, *peers, *ports)

    register = {"action": "register_brand", "brand": "echo", "name": "Echo", "admins": [admin["address"]]}
    follows = operators.decide("add-echo", register, {"action": "add_node", "key": key})
    index = operators.add_to_network("echo", rpc_port)
    network.start(index)
    network.wait_ready([index])
    network.wait_for(lambda: operators.run("node", "status", "--home", home, ok=None)["ready"], "echo is ready")
    assert network.height(index) >= follows["closed"], "who calls itself ready has what the others had"

    operators.decide("seat-for-echo", {"action": "add_validator", "brand": "echo", "key": key})

    def seals() -> bool:
        validators = network.call(0, "chain_validators")["validators"]
        return any(entry["brand"] == "echo" and entry["last_seal"] for entry in validators)

    network.wait_for(seals, "the newcomer seals")
    assert network.call(index, "node_info")["role"] == "validator"


def test_every_other_action(operators: Operators) -> None:
    network = operators.network
    second = keys_of(operators, "second-admin.json")["address"]
    node = keys_of(operators, "node.json")["public_key"]
    operators.decide(
        "many-things",
        {"action": "suspend_brand", "brand": "echo"},
        {"action": "replace_admins", "brand": "echo", "admins": [second]},
        {"action": "add_node", "key": node},
        {"action": "set_params", "params": {"block_interval_ms": 100, "round_timeout_ms": 3_000}},
        voters=4,
    )
    assert operators.view("identity", "brand", "brand=echo")["suspended"] is True
    (role,) = operators.view("identity", "roles", "brand=echo")["items"]
    assert role["account"] == second
    params = operators.view("gov", "params")
    assert (params["block_interval_ms"], params["round_timeout_ms"]) == (100, 3_000)
    operators.decide(
        "back-again",
        {"action": "resume_brand", "brand": "echo"},
        {"action": "remove_node", "key": node},
        voters=4,
    )
    assert operators.view("identity", "brand", "brand=echo")["suspended"] is False
    assert network.call(0, "state_get", key="chain/nodes")["nodes"] == []


def test_a_parameter_that_would_stop_the_chain_is_refused_in_words(operators: Operators) -> None:
    action = [{"action": "set_params", "params": {"max_block_bytes": 16_000_000}}]
    pairs = ["proposal=slip", "title=Slip", f"actions={json.dumps(action)}"]
    receipt = operators.call("gov.propose", *pairs, keys=[operators.admin("aurora")], ok=False)
    assert receipt["error"]["message"] == "max_block_bytes must not exceed 6291456"


def test_a_brand_rotates_its_key_to_a_second_home(operators: Operators) -> None:
    network = operators.network
    old = operators.run("keys", "show", network.home(3) / "key.json")["public_key"]
    new = keys_of(operators, "dune-new.json")["public_key"]
    keys = [operators.admin("dune"), operators.folder / "dune-new.json"]
    receipt = operators.call("gov.rotate_key", f"old={old}", f"new={new}", keys=keys)
    assert receipt["results"][0]["decides"] == receipt["height"] + 2
    back = operators.call(
        "gov.rotate_key", f"old={new}", f"new={old}", keys=[keys[0], network.home(3) / "key.json"]
    )
    assert back["status"] == "ok", "a rotation that was a mistake is taken back"


def test_a_validator_leaves_and_goes_on_as_a_full_node(operators: Operators) -> None:
    network = operators.network
    key = operators.run("keys", "show", operators.home / "key.json")["public_key"]
    leave = {"action": "remove_validator", "brand": "echo"}
    operators.decide("unseat-echo", leave, {"action": "add_node", "key": key}, voters=4)
    network.wait_for(lambda: network.call(4, "node_info")["role"] == "full", "echo's node observes")


def test_an_upgrade_stops_nodes_without_its_release_and_goes_on_with_it(operators: Operators) -> None:
    network = operators.network
    assert isinstance(network, Upgradable)
    height = network.height(0) + 10
    upgrade = {"action": "schedule_upgrade", "version": 3, "height": height}
    operators.decide("version-3", upgrade, together=True)
    said = f"the alliance has decided on protocol version 3 from height {height} on: install its release"
    everyone = range(5)
    for index in everyone:
        network.wait_for(lambda index=index: f"halted: {said}" in network.reasons(index), f"node {index} stops")
        assert network.height(index) == height - 1
        log = network.log_file(index).read_text()
        assert f"{said}; this one stops before" in log, "told as soon as it was decided"
        assert f"HALTED at height {height}: {said}" in log
    assert network.call(1, "gov_proposal", proposal="version-3")["status"] == "passed", "reads are served"
    stopped = operators.call(
        "gov.vote", "proposal=version-3", "choice=yes", keys=[operators.admin("dune")], ok=False
    )
    assert "halted" in stopped

    network.stop(0)
    network.start(0)
    network.wait_for(lambda: f"halted: {said}" in network.reasons(0), "started without the release it stops again")
    for index in everyone:
        network.stop(index)
    network.releases = 2
    for index in everyone:
        network.start(index)
    network.wait_ready(everyone)
    network.send(0, "aurora-admin", ("gov.propose", {"proposal": "next", "title": "x", "actions": [ADD_NODE]}))
    network.wait_for(lambda: network.height(4) >= height, "the chain goes on")
    assert network.call(4, "chain_block", height=height)["header"]["version"] == 3
    assert network.call(4, "chain_block", height=height - 1)["header"]["version"] == 2
