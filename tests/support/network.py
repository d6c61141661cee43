"""A real local network for tests and benchmarks: one process per validator, killed and started at will."""

from __future__ import annotations

import itertools
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import orjson
import psutil

from genesis.keystore import read_key_file, write_key_file
from genesis.testnet import TestnetAccount, TestnetManifest, TestnetValidator, create_testnet
from node.runtime.config import NodeConfig, PeerAddress, StoreSettings, config_to_toml, load_config
from node.store import EngineName
from node.testnet.processes import start_node
from tests.support.engines import CHOSEN, name_engine
from tests.support.ports import free_ports
from vm.params import Params
from vm.primitives.address import address_of_key
from vm.primitives.keys import SigningKey
from vm.transaction import encode_body, sign_body

READY_SECONDS = 60.0
Op = tuple[str, dict[str, Any]]


class LocalNetwork:
    """The validators of one testnet. Use as a context manager: whatever runs is killed at the end."""

    def __init__(
        self,
        directory: Path,
        validators: int = 4,
        ops: Sequence[Op] = (),
        hosts: Sequence[str] | None = None,
        params: Params | None = None,
        rpc_port: int | None = None,
        engine: EngineName | None = CHOSEN,
        index: str = "full",
    ) -> None:
        """Make the testnet's homes.

        Args:
            engine: keeps the validators' data; None: what a new home gets.
            index: what the validators index, as `store.index` has it.
        """
        self.directory = directory
        if rpc_port is None:
            rpc_port = free_ports(2 * validators)
        self.manifest: TestnetManifest = create_testnet(
            directory,
            validators=validators,
            rpc_port=rpc_port,
            p2p_port=rpc_port + validators,
            hosts=hosts,
            params=params,
            ops=list(ops),
        )
        for home in (Path(validator.home) for validator in self.manifest.validators):
            name_engine(home, engine, index)
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self._ids = itertools.count(1)
        self._nonces = itertools.count(time.time_ns() // 1_000)

    def __enter__(self) -> LocalNetwork:
        try:
            for index in range(len(self.manifest.validators)):
                self.start(index)
            self.wait_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for index in list(self.processes):
            self.kill(index)

    def set_gateways_apart(self) -> None:
        """Let the validators that start from now on have gateways that are processes of their own."""
        for validator in self.manifest.validators:
            config = Path(validator.home) / "node.toml"
            text = config.read_text()
            assert "[workers]\n" in text, "a testnet's nodes say how many workers they have"
            config.write_text(text.replace("[workers]\n", "[workers]\ngateway = 1\n"))

    # -- processes ---------------------------------------------------------------------------------

    def home(self, index: int) -> Path:
        """Return a validator's home folder."""
        return Path(self.manifest.validators[index].home)

    def log_file(self, index: int) -> Path:
        """Return where a validator's output goes."""
        return self.home(index) / "node.log"

    def url(self, index: int) -> str:
        """Return a validator's JSON-RPC address."""
        return self.manifest.validators[index].rpc

    def add_home(self, name: str, brand: str, key: SigningKey) -> int:
        """Make the home of a further node, which dials all the others, and return its index; it is not started.

        The others are not told: whoever joins dials. The brand's admin account becomes known as well.
        """
        rpc_port = free_ports(2)
        home = self.directory / name
        home.mkdir()
        shutil.copy(self.directory / "genesis.json", home)
        config = NodeConfig(
            rpc_port=rpc_port, p2p_port=rpc_port + 1, peers=self._peer_addresses(), store=StoreSettings(CHOSEN)
        )
        (home / "node.toml").write_text(config_to_toml(config))
        write_key_file(home / "key.json", key, None)
        node = TestnetValidator(
            name, brand, f"http://127.0.0.1:{rpc_port}", f"127.0.0.1:{rpc_port + 1}", str(home.resolve())
        )
        self.manifest = msgspec.structs.replace(self.manifest, validators=(*self.manifest.validators, node))
        return len(self.manifest.validators) - 1

    def _peer_addresses(self, without: int | None = None) -> tuple[PeerAddress, ...]:
        peers = []
        for index, validator in enumerate(self.manifest.validators):
            host, _, port = validator.p2p.rpartition(":")
            public_key = read_key_file(Path(validator.home) / "key.json").public_key
            if index != without:
                peers.append(PeerAddress(public_key, host, int(port)))
        return tuple(peers)

    def refresh_peers(self, index: int) -> None:
        """Bring a node's configuration up to date with the keys that the others have now."""
        home = self.home(index)
        config = msgspec.structs.replace(load_config(home), peers=self._peer_addresses(without=index))
        (home / "node.toml").write_text(config_to_toml(config))

    def add_account(self, name: str, brand: str, key: SigningKey) -> str:
        """Let a further account be known by name; return its address."""
        account = TestnetAccount(name, address_of_key(key.public_key), key.seed.hex(), brand, ("admin",))
        self.manifest = msgspec.structs.replace(self.manifest, accounts=(*self.manifest.accounts, account))
        return account.address

    def start(self, index: int) -> None:
        """Start a validator's process."""
        self.processes[index] = self.launch(index)

    def launch(self, index: int) -> subprocess.Popen[bytes]:
        """Start a validator's process; other kinds of networks start others."""
        return start_node(self.home(index))

    def kill(self, index: int, signal_number: int = signal.SIGKILL) -> None:
        """End a validator's process and wait until it is gone."""
        process = self.processes.pop(index)
        process.send_signal(signal_number)
        process.wait(timeout=30)

    def pause(self, index: int) -> None:
        """Stop a process without ending it."""
        self.processes[index].send_signal(signal.SIGSTOP)

    def resume(self, index: int) -> None:
        """Let a paused process go on."""
        self.processes[index].send_signal(signal.SIGCONT)

    def wait_ready(self, indexes: Sequence[int] | None = None) -> None:
        """Wait until validators answer that they are ready."""
        for index in range(len(self.manifest.validators)) if indexes is None else indexes:
            self.wait_for(lambda index=index: self.is_ready(index), f"validator {index} is ready")

    def is_ready(self, index: int) -> bool:
        """Tell whether a validator runs and is ready."""
        process = self.processes.get(index)
        if process is not None and process.poll() is not None:
            log = self.log_file(index).read_text(errors="replace")[-2_000:]
            raise AssertionError(f"validator {index} ended with code {process.returncode}:\n{log}")
        try:
            health: dict[str, Any] = self.call(index, "node_health")
        except OSError:
            return False
        return bool(health["ready"])

    def wait_for(self, condition: Any, what: str, timeout_s: float = READY_SECONDS) -> None:
        """Wait until a condition holds; fail with its name where it does not in time."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {what}"
            time.sleep(0.05)

    def cpu_seconds(self, index: int) -> float:
        """Return the CPU time that a validator's process has used."""
        used = psutil.Process(self.processes[index].pid).cpu_times()
        return used.user + used.system

    def resident_mib(self, index: int) -> int:
        """Return the memory that a validator's process holds."""
        return psutil.Process(self.processes[index].pid).memory_info().rss // 1_048_576

    # -- JSON-RPC ----------------------------------------------------------------------------------

    def call(self, index: int, method: str, timeout_s: float = 30.0, **params: Any) -> Any:
        """Call one method; an RPC error is an AssertionError."""
        answer = self.post(
            index, {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}, timeout_s
        )
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def post(self, index: int, document: Any, timeout_s: float = 30.0) -> Any:
        """Post a JSON document and return the answer, whatever it is."""
        request = urllib.request.Request(
            self.url(index), data=orjson.dumps(document), headers={"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as response:
                return orjson.loads(response.read())
        except urllib.error.HTTPError as error:
            return orjson.loads(error.read())

    def page(self, index: int, path: str) -> bytes:
        """Get a page."""
        with urllib.request.urlopen(self.url(index) + path, timeout=30.0) as response:
            return bytes(response.read())

    def height(self, index: int) -> int:
        """Return the height of a validator's head."""
        return int(self.call(index, "node_info")["height"])

    def head(self, index: int) -> dict[str, Any]:
        """Return `chain_head`."""
        result: dict[str, Any] = self.call(index, "chain_head")
        return result

    # -- transactions ------------------------------------------------------------------------------

    def account(self, name: str) -> tuple[str, SigningKey]:
        """Return an account's address and key."""
        for account in self.manifest.accounts:
            if account.name == name:
                return account.address, SigningKey(bytes.fromhex(account.seed))
        raise KeyError(name)

    def sign(
        self,
        sender: str,
        key: SigningKey,
        ops: Sequence[Op],
        ttl_ms: int = 300_000,
        cosigners: Sequence[SigningKey] = (),
    ) -> str:
        """Return a signed transaction in hex, with a fresh nonce."""
        keys = [key, *cosigners]
        signers = [each.public_key for each in keys] if cosigners else ()
        expires = time.time_ns() // 1_000_000 + ttl_ms
        body = encode_body(self.manifest.chain, sender, next(self._nonces), expires, ops, signers)
        return sign_body(body, keys).hex()

    def send(self, index: int, account: str, *ops: Op) -> dict[str, Any]:
        """Send a transaction of a named account and return its receipt."""
        address, key = self.account(account)
        receipt: dict[str, Any] = self.call(index, "tx_send", tx=self.sign(address, key, ops))
        assert receipt["status"] == "ok", receipt
        return receipt


def end_on_sigterm() -> None:
    """Let a command that is told to end leave its `with` blocks, so that no process of its network stays behind."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
