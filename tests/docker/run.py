"""`make docker-test`: build the image, run the four-validator testnet of docker-compose.yml, and use it.

It needs a container engine and takes a few minutes; it is not part of `make test`. What it shows: the image
builds; four containers become healthy; a payment through one validator is read from another; a validator that
was restarted, one that was killed while the chain went on, one whose data were deleted and one that was restored
from a backup come back to the same block and state root; the chain survives `down` and `up`; and the containers
are as confined as the compose file says. It always tears down, and exits with 0 only if everything held and nothing
is left.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import time
from types import FrameType

import msgspec
from chain import Node, same_ledger
from compose import (
    Compose,
    DockerTestError,
    build_certificates,
    find_compose,
    find_engine,
    image_exists,
    image_megabytes,
    remove_images,
    stage_images,
)

from genesis.testnet import TestnetManifest

PROJECT = "entente-docker-test"
IMAGE = "entente:docker-test"
DEFAULT_BASE = "python:3.12-slim-bookworm"
SERVICES = ("aurora", "basil", "comet", "dune")
PROGRAM = "docker-points"

_started = time.monotonic()


class Testnet:
    """The running testnet: its containers, its validators' endpoints and its accounts."""

    def __init__(self, compose: Compose, nodes: dict[str, Node], manifest: TestnetManifest) -> None:
        self.compose = compose
        self.nodes = nodes
        self.manifest = manifest
        self.paid = 0

    def pay(self, through: str, read_from: str, amount: int = 100) -> int:
        """Pay from aurora's account to basil's through one validator; read the balance from another.

        Returns:
            The height at which the payment is final.
        """
        payer, payee = self.manifest.account("aurora-admin"), self.manifest.account("basil-admin")
        args = {"program": PROGRAM, "to": payee.address, "amount": amount}
        height: int = self.nodes[through].send(self.manifest.chain, payer, "token.transfer", args)["height"]
        self.paid += amount
        self.nodes[read_from].wait_height(height)
        self.check_balance(read_from)
        return height

    def check_balance(self, read_from: str) -> None:
        """Make sure that a validator shows the payee what was paid so far."""
        found = self.nodes[read_from].available(PROGRAM, self.manifest.account("basil-admin").address)
        if found != self.paid:
            raise DockerTestError(f"{read_from} shows a balance of {found}, not {self.paid}")


def main() -> int:
    """Run the test; return the exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        engine, command = find_engine(), find_compose()
    except DockerTestError as error:
        print(f"docker-test: {error}", file=sys.stderr)
        return 1
    base = os.environ.get("BASE_IMAGE", DEFAULT_BASE)
    found = "is here" if image_exists(base) else "is not here, so that the engine will fetch it"
    say(f"engine {engine}, `{' '.join(command)}`; the base image {base} {found}")
    ports = dict(zip(SERVICES, _free_ports(len(SERVICES)), strict=True))
    settings = {f"{name.upper()}_RPC_PORT": str(port) for name, port in ports.items()}
    compose = Compose(command, PROJECT, {**settings, "ENTENTE_IMAGE": IMAGE, "BASE_IMAGE": base})
    failures: list[str] = []
    stages_before = stage_images()
    try:
        compose.tear_down()
        run(compose, {name: Node(name, port) for name, port in ports.items()})
    except DockerTestError as error:
        failures.append(str(error))
        print(_last_words(compose), file=sys.stderr)
    except KeyboardInterrupt:
        failures.append("interrupted")
    finally:
        failures += _tear_down(compose)
        # A later build takes longer for it; what a test has made it takes away.
        failures += [f"left over: {image}" for image in remove_images([IMAGE, *(stage_images() - stages_before)])]
    for failure in failures:
        print(f"docker-test: FAILED: {failure}", file=sys.stderr)
    if not failures:
        say("docker-test: passed")
    return 1 if failures else 0


def run(compose: Compose, nodes: dict[str, Node]) -> None:
    """Build, start, and take every step of the test."""
    began = time.monotonic()
    with build_certificates() as lent:
        # All services share one image; naming one of them builds it once. The older builder keeps the container of
        # a step that failed, unless it is told not to.
        compose("build", "--force-rm", "setup", timeout_s=1_200)
    trust = f", trusting {lent}" if lent else ""
    say(f"built in {time.monotonic() - began:.1f} s{trust}; the image has {image_megabytes(IMAGE):.0f} MB")
    began = time.monotonic()
    compose("up", "-d", "--no-build", timeout_s=180)
    compose.wait_healthy(SERVICES)
    say(f"four validators are healthy {time.monotonic() - began:.1f} s after `up`")
    text = compose("run", "--rm", "--no-deps", "-T", "--entrypoint", "cat", "setup", "/testnet/testnet.json")
    testnet = Testnet(compose, nodes, msgspec.json.decode(text, type=TestnetManifest))
    check_confinement(testnet)
    check_payment(testnet)
    check_restart(testnet)
    check_killed(testnet)
    check_data_deleted(testnet)
    check_restored(testnet)
    check_down_and_up(testnet)


def check_confinement(testnet: Testnet) -> None:
    """Make sure that the containers run as somebody, write to their volume only, and see one brand's key."""
    for service in SERVICES:
        questions = {
            "id -u": "10001",
            "grep ' / ' /proc/mounts | cut -d ' ' -f 4 | cut -d , -f 1": "ro",
            "ls -d /testnet/*/key.json 2>/dev/null": "",
            "grep CapBnd /proc/1/status | tr -d '[:space:]'": "CapBnd:0000000000000000",
            "grep NoNewPrivs /proc/1/status | tr -d '[:space:]'": "NoNewPrivs:1",
            "stat -c %a /data/key.json": "600",
        }
        for script, expected in questions.items():
            found = testnet.compose.execute(service, "sh", "-c", script)
            if found != expected:
                raise DockerTestError(f"in {service}, `{script}` printed {found!r}, not {expected!r}")
    say("each runs as uid 10001 without capabilities, on a read-only root, and sees its own key only")


def check_payment(testnet: Testnet) -> None:
    """Make a program, issue points and pay with them through one validator; read the balance from another."""
    chains = {node.ask("node_info")["chain"] for node in testnet.nodes.values()}
    if chains != {testnet.manifest.chain}:
        raise DockerTestError(f"the validators are on {chains}, the testnet is {testnet.manifest.chain}")
    admin, aurora = testnet.manifest.account("aurora-admin"), testnet.nodes["aurora"]
    program = {
        "program": PROGRAM,
        "brand": "aurora",
        "name": "Docker points",
        "symbol": "DCK",
        "decimals": 0,
        "transfer": "free",
        "expiry": {"kind": "none"},
        "transfer_burn_bps": 0,
        "notice_ms": 0,
        "price": {"currency": "EUR", "num": 1, "den": 100},
    }
    issue = {"program": PROGRAM, "to": admin.address, "amount": 10_000, "ref": "docker"}
    aurora.send(testnet.manifest.chain, admin, "token.create_program", program)
    aurora.send(testnet.manifest.chain, admin, "token.issue", issue)
    height = testnet.pay(through="aurora", read_from="comet")
    say(f"paid {testnet.paid} through aurora in block {height}, and read it from comet")
    payee = testnet.manifest.account("basil-admin").address
    question = ["view", "token", "balance", f"program={PROGRAM}", f"account={payee}"]
    answer = testnet.compose.execute("aurora", "entente", *question)
    if f'"available": {testnet.paid}' not in answer:
        raise DockerTestError(f"`entente {' '.join(question)}` in aurora's container printed {answer!r}")
    say("the command line inside a container shows the same balance")


def check_restart(testnet: Testnet) -> None:
    """Restart a validator; it must stop cleanly and be back with the same ledger."""
    began = time.monotonic()
    testnet.compose("restart", "basil")
    testnet.compose.wait_healthy(("basil",))
    took = time.monotonic() - began
    testnet.pay(through="basil", read_from="dune")
    height, root = same_ledger(list(testnet.nodes.values()))
    say(f"basil restarted, healthy after {took:.1f} s; all four at height {height} with state root {root[:16]}…")


def check_killed(testnet: Testnet) -> None:
    """Kill a validator; the chain goes on with three, and the fourth catches up."""
    testnet.compose("kill", "dune")
    began = time.monotonic()
    heights = [testnet.pay(through="aurora", read_from="comet") for _ in range(5)]
    took = time.monotonic() - began
    say(
        f"with dune killed, five payments one after the other in {took:.1f} s, blocks {heights[0]} to {heights[-1]}"
    )
    testnet.compose("start", "dune")
    testnet.compose.wait_healthy(("dune",))
    height, root = same_ledger(list(testnet.nodes.values()))
    testnet.check_balance("dune")
    say(f"dune is back and has caught up: all four at height {height} with state root {root[:16]}…")


def check_data_deleted(testnet: Testnet) -> None:
    """Delete a stopped validator's data; it says that it syncs, and from whom, and is back with the same ledger."""
    testnet.compose("stop", "dune")
    testnet.compose.run("dune", "rm", "-r", "/data/data")
    testnet.compose("start", "dune")
    testnet.compose.wait_healthy(("dune",))
    height, _ = same_ledger(list(testnet.nodes.values()))
    testnet.check_balance("dune")
    logged = testnet.compose("logs", "--no-color", "dune")
    for told in (r"syncing from peers? [0-9a-f]{16}.*: height 0 of \d+", r"in step with its peers at height \d+"):
        if re.search(told, logged) is None:
            raise DockerTestError(f"dune fetched {height} blocks, and its log has no line `{told}`")
    say(f"dune without its data said that it syncs, and is back at height {height}")


def check_restored(testnet: Testnet) -> None:
    """Back up a running validator, delete its data, restore them; it is back with the same ledger."""
    backup = "/data/comet.backup"
    testnet.compose.execute("comet", "entente", "backup", "--home", "/data", "--to", backup)
    testnet.pay(through="aurora", read_from="basil")
    testnet.compose("stop", "comet")
    testnet.compose.run("comet", "rm", "-r", "/data/data")
    testnet.compose.run("comet", "entente", "restore", backup, "--home", "/data", "--genesis", "/data/genesis.json")
    testnet.compose("start", "comet")
    testnet.compose.wait_healthy(("comet",))
    height, _ = same_ledger(list(testnet.nodes.values()))
    testnet.check_balance("comet")
    say(f"comet was restored from its backup and is back at height {height}")


def check_down_and_up(testnet: Testnet) -> None:
    """Remove all containers and make them anew on the same volumes: the chain goes on."""
    height = testnet.nodes["aurora"].head()[0]
    began = time.monotonic()
    testnet.compose("stop", timeout_s=180)
    stopped = time.monotonic() - began
    codes = {service: testnet.compose.inspect(service, ".State.ExitCode") for service in SERVICES}
    if set(codes.values()) != {"0"}:
        raise DockerTestError(f"the validators did not end cleanly on SIGTERM: exit codes {codes}")
    testnet.compose("down")
    testnet.compose("up", "-d", "--no-build", timeout_s=180)
    testnet.compose.wait_healthy(SERVICES)
    testnet.check_balance("dune")
    final = testnet.pay(through="comet", read_from="aurora")
    if final <= height:
        raise DockerTestError(f"the chain was at height {height} and is at {final} after `down` and `up`")
    say(f"stopped cleanly in {stopped:.1f} s; after `down` and `up` the chain goes on at height {final}")


def say(text: str) -> None:
    """Print a line with the time since the start."""
    print(f"{time.monotonic() - _started:7.1f} s  {text}", flush=True)


def _free_ports(count: int) -> list[int]:
    # All are held until all are known, so that no port is found twice.
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [held.getsockname()[1] for held in sockets]
    for held in sockets:
        held.close()
    return ports


def _tear_down(compose: Compose) -> list[str]:
    try:
        left = compose.tear_down()
    except DockerTestError as error:
        return [f"could not tear down: {error}"]
    say("torn down")
    return [f"left over: {' '.join(left)}"] if left else []


def _last_words(compose: Compose) -> str:
    try:
        return compose("ps") + compose("logs", "--no-color", "--tail", "40")
    except DockerTestError as error:
        return f"(no logs: {error})"


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
