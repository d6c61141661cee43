"""Local testnets: a genesis document, keys, and a home folder for each validator.

    DIR/testnet.json              the manifest: who answers where, and the accounts' seeds in clear
    DIR/genesis.json
    DIR/<brand>/node.toml         as node.runtime.config reads it
    DIR/<brand>/genesis.json
    DIR/<brand>/key.json          the validator's key, unencrypted

Each brand has a validator and an account `<brand>-admin` that holds all its brand's roles, granted by the
genesis operations. A virtual clock (SPEC section 3) makes block time begin at a chosen date and run RATE times
as fast; its anchor is the wall time of the testnet's creation, so that a restart goes on where it was.

Invariants:
    1. testnet.json is written last and atomically: a folder with a manifest is a whole testnet.
    2. With a `seed`, the same arguments at the same `now_ms` give the same files.
    3. An existing testnet is never overwritten; `remove_testnet` removes only what create_testnet and the nodes
       make.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import tomli_w

from genesis.document import MIN_VALIDATORS, Genesis, GenesisDocument, GenesisValidator
from genesis.durable_files import PUBLIC, make_private_folder, write_durably
from genesis.errors import KeyFileError, TestnetError
from genesis.keystore import write_key_file
from genesis.protocol import build_runtime
from genesis.testnet_manifest import (
    MANIFEST_FILE,
    ClockStart,
    TestnetAccount,
    TestnetClock,
    TestnetManifest,
    TestnetValidator,
    load_manifest,
    parse_clock,
    save_manifest,
)
from vm.params import Params
from vm.primitives.address import address_of_key
from vm.primitives.hashing import sha256
from vm.primitives.keys import SigningKey
from vm.primitives.units import MAX_INT

__all__ = [
    "BRANDS",
    "DEFAULT_RPC_PORT",
    "MANIFEST_FILE",
    "ROLES",
    "ClockStart",
    "TestnetAccount",
    "TestnetClock",
    "TestnetManifest",
    "TestnetValidator",
    "create_testnet",
    "load_manifest",
    "parse_clock",
    "remove_testnet",
    "save_manifest",
]

BRANDS = (
    "aurora",
    "basil",
    "comet",
    "dune",
    "echo",
    "fjord",
    "garnet",
    "harbor",
    "indigo",
    "juniper",
    "koi",
    "lagoon",
    "meadow",
)
"""Enough for n = 13, f = 4: more validators on one machine measure nothing but the machine."""

ROLES = ("admin", "issuer", "cashier", "marketer", "compliance", "oracle", "treasurer")

DEFAULT_RPC_PORT = 8545
P2P_PORT_DISTANCE = 18_000
"""A testnet's peer ports begin this far from its RPC ports, so that two testnets whose RPC ports do not overlap
do not collide at all."""

Op = tuple[str, Mapping[str, Any]]


def create_testnet(
    directory: Path,
    validators: int = MIN_VALIDATORS,
    rpc_port: int = DEFAULT_RPC_PORT,
    p2p_port: int | None = None,
    clock: ClockStart | None = None,
    hosts: Sequence[str] | None = None,
    seed: bytes | None = None,
    *,
    name: str = "testnet",
    params: Params | None = None,
    ops: Sequence[Op] = (),
    now_ms: int | None = None,
) -> TestnetManifest:
    """Write a testnet's files; nothing is started.

    Args:
        rpc_port, p2p_port: of the first validator; validator i answers on port + i.
        hosts: the names by which validators dial each other, one each, for containers; nodes then listen on
            all interfaces. None keeps everything on 127.0.0.1.
        seed: makes all keys predictable; None takes them from the system's random source.
        params: the chain's parameters; with a clock, transaction lifetimes are multiplied by its rate.
        ops: further genesis operations, executed after the brands and roles.
        now_ms: wall time of the creation; None reads the clock.

    Raises:
        TestnetError: an argument is out of range, or the directory is in use.
    """
    ports = _ports(validators, rpc_port, p2p_port)
    if hosts is not None and len(hosts) != validators:
        raise TestnetError(f"{validators} validators need {validators} host names, not {len(hosts)}")
    _claim(directory)
    wall_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    anchored = None if clock is None else TestnetClock(clock.start_ms, wall_ms, clock.rate)
    brands = BRANDS[:validators]
    keys = {brand: _key(seed, f"validator/{brand}") for brand in brands}
    accounts = tuple([_admin_account(brand, _key(seed, f"account/{brand}-admin")) for brand in brands])
    genesis = Genesis(
        GenesisDocument(
            name=name,
            time=wall_ms if clock is None else clock.start_ms,
            validators=[GenesisValidator(keys[brand].public_key.hex(), brand) for brand in brands],
            ops=[(call, dict(args)) for call, args in [*_brand_ops(accounts), *ops]],
            params=_scaled(params or Params(), clock),
        )
    )
    genesis.genesis_state(build_runtime())
    entries = tuple(
        [
            TestnetValidator(
                name=brand,
                brand=brand,
                rpc=f"http://127.0.0.1:{rpc}",
                p2p=f"{hosts[i] if hosts else '127.0.0.1'}:{p2p}",
                home=str((directory / brand).resolve()),
            )
            for i, (brand, (rpc, p2p)) in enumerate(zip(brands, ports, strict=True))
        ]
    )
    manifest = TestnetManifest(
        chain=genesis.chain,
        genesis=str((directory / "genesis.json").resolve()),
        validators=entries,
        accounts=accounts,
        clock=anchored,
    )
    _write_files(directory, genesis, manifest, keys, listen="0.0.0.0" if hosts else "127.0.0.1")
    return manifest


def remove_testnet(directory: Path) -> None:
    """Delete a testnet's files and its validators' homes; the directory itself and other files stay.

    Raises:
        TestnetError: the directory holds no testnet.
    """
    for validator in load_manifest(directory).validators:
        # The manifest is data: only folders directly inside this directory are ours to delete.
        home = directory / validator.brand
        if validator.brand in BRANDS and (home / "node.toml").is_file():
            shutil.rmtree(home)
    (directory / "genesis.json").unlink(missing_ok=True)
    (directory / MANIFEST_FILE).unlink()


def _ports(validators: int, rpc_port: int, p2p_port: int | None) -> list[tuple[int, int]]:
    if not MIN_VALIDATORS <= validators <= len(BRANDS):
        raise TestnetError(f"a testnet has {MIN_VALIDATORS} to {len(BRANDS)} validators, not {validators}")
    if p2p_port is None:
        fits = rpc_port + P2P_PORT_DISTANCE + len(BRANDS) <= 65_536
        p2p_port = rpc_port + P2P_PORT_DISTANCE if fits else rpc_port - P2P_PORT_DISTANCE
    for port in (rpc_port, p2p_port):
        if not 1 <= port <= 65_536 - validators:
            raise TestnetError(f"ports {port} to {port + validators - 1} are not all between 1 and 65535")
    if abs(rpc_port - p2p_port) < validators:
        raise TestnetError(f"RPC ports from {rpc_port} and peer ports from {p2p_port} overlap")
    return [(rpc_port + i, p2p_port + i) for i in range(validators)]


def _claim(directory: Path) -> None:
    try:
        make_private_folder(directory)
        occupied = any(directory.iterdir())
    except OSError as error:
        raise TestnetError(f"{directory} cannot be used: {error.strerror}") from None
    if (directory / MANIFEST_FILE).exists():
        raise TestnetError(f"{directory} holds a testnet already")
    if occupied:
        raise TestnetError(f"{directory} is not empty and holds no testnet; choose another folder")


def _key(seed: bytes | None, label: str) -> SigningKey:
    return SigningKey(secrets.token_bytes(32) if seed is None else sha256(seed + b"\0" + label.encode()))


def _admin_account(brand: str, key: SigningKey) -> TestnetAccount:
    address = address_of_key(key.public_key)
    return TestnetAccount(f"{brand}-admin", address, key.seed.hex(), brand, ROLES)


def _brand_ops(accounts: Sequence[TestnetAccount]) -> list[Op]:
    ops: list[Op] = []
    for account in accounts:
        brand = account.brand
        ops.append(
            (
                "identity.register_brand",
                {"brand": brand, "name": brand.capitalize(), "admins": [account.address]},
            )
        )
        ops += [
            ("identity.grant_role", {"brand": brand, "role": role, "account": account.address})
            for role in account.roles
            if role != "admin"
        ]
    return ops


def _scaled(params: Params, clock: ClockStart | None) -> Params:
    if clock is None:
        return params
    return msgspec.structs.replace(
        params,
        max_tx_ttl_ms=min(params.max_tx_ttl_ms * clock.rate, MAX_INT),
        replay_slot_ms=min(params.replay_slot_ms * clock.rate, MAX_INT),
    )


def _write_files(
    directory: Path, genesis: Genesis, manifest: TestnetManifest, keys: Mapping[str, SigningKey], listen: str
) -> None:
    document = genesis.to_json()
    try:
        write_durably(directory / "genesis.json", document, mode=PUBLIC)
        for validator in manifest.validators:
            home = directory / validator.brand
            make_private_folder(home)
            write_durably(home / "genesis.json", document, mode=PUBLIC)
            write_durably(home / "node.toml", _node_toml(validator, manifest, keys, listen))
            write_key_file(home / "key.json", keys[validator.brand], None)
        save_manifest(directory, manifest)
    except KeyFileError as error:
        raise TestnetError(str(error)) from None
    except OSError as error:
        raise TestnetError(f"{directory} cannot be written: {error.strerror}") from None


def _node_toml(
    validator: TestnetValidator, manifest: TestnetManifest, keys: Mapping[str, SigningKey], listen: str
) -> str:
    # node.runtime.config reads this file. It stands above this package, so that the table is made here; a test
    # holds the two together.
    name = validator.p2p.rpartition(":")[0]
    table: dict[str, Any] = {
        "rpc_host": listen,
        "rpc_port": _port(validator.rpc),
        "p2p_host": listen,
        "p2p_port": _port(validator.p2p),
        "peers": [_peer(peer, keys[peer.brand]) for peer in manifest.validators if peer is not validator],
        # All nodes share one machine: each counting its cores as its own would start too many workers.
        "workers": {"verify": 0},
    }
    if not name.replace(".", "").isdecimal():
        # Other containers, a Prometheus for example, call the node by its service's name.
        table["rpc"] = {"allowed_hosts": [name]}
    if manifest.clock is not None:
        table["clock"] = msgspec.to_builtins(manifest.clock)
    return tomli_w.dumps(table)


def _peer(peer: TestnetValidator, key: SigningKey) -> dict[str, Any]:
    return {"public_key": key.public_key.hex(), "host": peer.p2p.rpartition(":")[0], "port": _port(peer.p2p)}


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])
