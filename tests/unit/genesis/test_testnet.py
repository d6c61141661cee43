"""Local testnets: the manifest of SPEC section 9, homes that a node can read, and clocks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from genesis.document import Genesis
from genesis.errors import TestnetError
from genesis.keystore import load_key
from genesis.testnet import (
    BRANDS,
    ROLES,
    ClockStart,
    create_testnet,
    load_manifest,
    parse_clock,
    remove_testnet,
    save_manifest,
)
from node.runtime.config import VirtualClock, config_to_toml, load_config
from vm.errors import GenesisError
from vm.params import Params
from vm.primitives.address import address_of_key
from vm.primitives.units import MAX_INT

NOW_MS = 1_770_000_000_000
SEED = b"test"


def no_passphrase() -> str:
    raise AssertionError("testnet keys are plain")


def files_of(directory: Path) -> dict[str, bytes]:
    found = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path.relative_to(directory)): path.read_bytes() for path in found}


def test_the_manifest_is_that_of_the_specification(tmp_path: Path) -> None:
    create_testnet(tmp_path / "net", seed=SEED, now_ms=NOW_MS)
    document = json.loads((tmp_path / "net" / "testnet.json").read_text())
    assert set(document) == {"chain", "genesis", "validators", "accounts"}
    assert document["chain"].startswith("testnet-")
    assert [set(v) for v in document["validators"]] == [{"name", "brand", "rpc", "p2p", "home", "pid"}] * 4
    assert [v["brand"] for v in document["validators"]] == ["aurora", "basil", "comet", "dune"]
    assert [v["rpc"] for v in document["validators"]] == [f"http://127.0.0.1:{8545 + i}" for i in range(4)]
    assert [set(a) for a in document["accounts"]] == [{"name", "address", "seed", "brand", "roles"}] * 4
    assert [a["name"] for a in document["accounts"]] == [f"{brand}-admin" for brand in BRANDS[:4]]
    assert all(sorted(a["roles"]) == sorted(ROLES) for a in document["accounts"])


def test_homes_agree_with_the_manifest(tmp_path: Path) -> None:
    manifest = create_testnet(tmp_path, validators=5, rpc_port=9000, p2p_port=9100, now_ms=NOW_MS)
    genesis = Genesis.load(Path(manifest.genesis))
    assert genesis.chain == manifest.chain
    assert genesis.document.time == NOW_MS
    keys = {}
    for i, validator in enumerate(manifest.validators):
        home = Path(validator.home)
        config = load_config(home)
        assert (config.rpc_port, config.p2p_port, config.clock) == (9000 + i, 9100 + i, None)
        assert Genesis.load(home / "genesis.json").digest == genesis.digest
        keys[validator.brand] = load_key(home / "key.json", no_passphrase).key.public_key.hex()
        assert (home / "key.json").stat().st_mode & 0o777 == 0o600
    assert {v.brand: v.public_key for v in genesis.document.validators} == keys
    for i, validator in enumerate(manifest.validators):
        peers = load_config(Path(validator.home)).peers
        expected = {(key, "127.0.0.1", 9100 + j) for j, key in enumerate(keys.values()) if j != i}
        assert {(peer.public_key, peer.host, peer.port) for peer in peers} == expected


def test_node_toml_is_what_the_nodes_own_writer_would_mean(tmp_path: Path) -> None:
    clock = parse_clock("2026-01-01T00:00:00Z@86400")
    manifest = create_testnet(tmp_path / "net", clock=clock, now_ms=NOW_MS)
    config = load_config(Path(manifest.validators[0].home))
    (tmp_path / "node.toml").write_text(config_to_toml(config))
    assert load_config(tmp_path) == config
    assert config.clock == VirtualClock(clock.start_ms, NOW_MS, 86_400)


def test_genesis_gives_each_admin_all_roles_of_its_brand_only(tmp_path: Path) -> None:
    manifest = create_testnet(tmp_path, now_ms=NOW_MS)
    ops = Genesis.load(Path(manifest.genesis)).document.ops
    held: dict[tuple[str, str], set[str]] = {}
    for call, args in ops:
        if call == "identity.register_brand":
            for address in args["admins"]:
                held.setdefault((args["brand"], address), set()).add("admin")
        else:
            assert call == "identity.grant_role"
            held.setdefault((args["brand"], args["account"]), set()).add(args["role"])
    assert held == {(a.brand, a.address): set(ROLES) for a in manifest.accounts}


def test_account_keys_are_those_of_their_addresses(tmp_path: Path) -> None:
    manifest = create_testnet(tmp_path)
    for account in manifest.accounts:
        assert address_of_key(account.key().public_key) == account.address
    secrets = {account.seed for account in manifest.accounts}
    secrets |= {load_key(Path(v.home) / "key.json", no_passphrase).key.seed.hex() for v in manifest.validators}
    assert len(secrets) == 8


def test_a_seed_makes_the_same_files_and_none_makes_others(tmp_path: Path) -> None:
    made = []
    for seed in (SEED, SEED, b"other", None, None):
        directory = tmp_path / "net"
        create_testnet(directory, seed=seed, now_ms=NOW_MS)
        made.append(files_of(directory))
        remove_testnet(directory)
    assert made[0] == made[1]
    chains = [json.loads(files["testnet.json"])["chain"] for files in made]
    assert len(set(chains)) == 4


def test_further_operations_and_parameters(tmp_path: Path) -> None:
    op = ("identity.register_brand", {"brand": "guest", "name": "Guest", "admins": ["$"]})
    with pytest.raises(GenesisError, match="INVALID_ARGS"):
        create_testnet(tmp_path / "a", ops=[op])
    assert not (tmp_path / "a" / "testnet.json").exists()
    manifest = create_testnet(tmp_path / "b", params=Params(block_interval_ms=50), name="guests")
    document = Genesis.load(Path(manifest.genesis)).document
    assert document.params.block_interval_ms == 50
    assert manifest.chain.startswith("guests-")


def test_hosts_are_dialled_by_name_and_nodes_listen_everywhere(tmp_path: Path) -> None:
    hosts = ["one", "two", "three", "four"]
    manifest = create_testnet(tmp_path / "net", hosts=hosts)
    assert [v.p2p.partition(":")[0] for v in manifest.validators] == hosts
    config = load_config(Path(manifest.validators[0].home))
    assert (config.rpc_host, config.p2p_host) == ("0.0.0.0", "0.0.0.0")
    assert [peer.host for peer in config.peers] == hosts[1:]
    assert config.rpc.allowed_hosts == ("one",)
    with pytest.raises(TestnetError, match="4 host names"):
        create_testnet(tmp_path / "other", hosts=hosts[:3])


def test_a_virtual_clock_scales_block_time_only(tmp_path: Path) -> None:
    clock = ClockStart(start_ms=1_767_225_600_000, rate=86_400)
    manifest = create_testnet(tmp_path, clock=clock, now_ms=NOW_MS)
    document = Genesis.load(Path(manifest.genesis)).document
    default = Params()
    assert document.time == clock.start_ms
    assert document.params.max_tx_ttl_ms == default.max_tx_ttl_ms * 86_400
    assert document.params.replay_slot_ms == default.replay_slot_ms * 86_400
    assert document.params.round_timeout_ms == default.round_timeout_ms
    assert document.params.empty_block_interval_ms == default.empty_block_interval_ms
    stored = json.loads((tmp_path / "testnet.json").read_text())["clock"]
    assert stored == {"start_ms": clock.start_ms, "anchor_ms": NOW_MS, "rate": 86_400}


def test_scaled_lifetimes_stay_within_the_chains_integers(tmp_path: Path) -> None:
    params = Params(max_tx_ttl_ms=10**12, replay_slot_ms=10**12)
    manifest = create_testnet(tmp_path, clock=ClockStart(0, 10_000_000), params=params)
    document = Genesis.load(Path(manifest.genesis)).document
    assert document.params.max_tx_ttl_ms == document.params.replay_slot_ms == MAX_INT


@pytest.mark.parametrize(
    ("text", "start_ms", "rate"),
    [
        ("1970-01-01T00:00:00Z@1", 0, 1),
        ("2026-01-01@86400", 1_767_225_600_000, 86_400),
        ("2026-01-01T00:00:00@2", 1_767_225_600_000, 2),
        ("2026-01-01T01:00:00+01:00@10000000", 1_767_225_600_000, 10_000_000),
        ("2026-01-01T00:00:00.123Z@1", 1_767_225_600_123, 1),
    ],
)
def test_parse_clock(text: str, start_ms: int, rate: int) -> None:
    assert parse_clock(text) == ClockStart(start_ms, rate)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "2026-01-01",
        "2026-01-01@",
        "@60",
        "2026-13-01@1",
        "yesterday@1",
        "2026-01-01@0",
        "2026-01-01@-1",
        "2026-01-01@1.5",
        "2026-01-01@1e3",
        "2026-01-01@10000001",
        "2026-01-01@٣",
        "1969-12-31@1",
    ],
)
def test_parse_clock_refuses(text: str) -> None:
    with pytest.raises(TestnetError) as caught:
        parse_clock(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"validators": 3},
        {"validators": len(BRANDS) + 1},
        {"rpc_port": 0},
        {"rpc_port": 65_534},
        {"p2p_port": 65_533},
        {"rpc_port": 9000, "p2p_port": 9003},
        {"rpc_port": 9003, "p2p_port": 9000},
    ],
)
def test_arguments_out_of_range(tmp_path: Path, arguments: dict[str, Any]) -> None:
    with pytest.raises(TestnetError):
        create_testnet(tmp_path / "net", **arguments)
    assert not (tmp_path / "net").exists()


def test_all_brands_and_high_ports(tmp_path: Path) -> None:
    manifest = create_testnet(tmp_path, validators=len(BRANDS), rpc_port=65_523)
    ports = {int(address.rpartition(":")[2]) for v in manifest.validators for address in (v.rpc, v.p2p)}
    assert len(ports) == 2 * len(BRANDS)
    assert max(ports) == 65_535


def test_an_occupied_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(TestnetError, match="is not empty"):
        create_testnet(tmp_path)
    assert files_of(tmp_path) == {"note.txt": b"mine"}
    create_testnet(tmp_path / "net")
    before = files_of(tmp_path / "net")
    with pytest.raises(TestnetError, match="holds a testnet already"):
        create_testnet(tmp_path / "net")
    assert files_of(tmp_path / "net") == before
    with pytest.raises(TestnetError, match="cannot be used"):
        create_testnet(tmp_path / "note.txt")


def test_remove_deletes_only_what_is_a_testnets(tmp_path: Path) -> None:
    directory = tmp_path / "net"
    manifest = create_testnet(directory)
    (directory / "note.txt").write_text("mine")
    (directory / "aurora" / "data").mkdir()
    remove_testnet(directory)
    assert files_of(directory) == {"note.txt": b"mine"}
    with pytest.raises(TestnetError, match="holds no testnet"):
        remove_testnet(directory)
    # A manifest that names a folder outside must not have it deleted.
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "node.toml").write_text("")
    (directory / "note.txt").unlink()
    manifest = create_testnet(directory)
    text = (directory / "testnet.json").read_text().replace('"brand": "aurora"', '"brand": "../outside"')
    (directory / "testnet.json").write_text(text)
    assert load_manifest(directory).validators[0].brand == "../outside"
    remove_testnet(directory)
    assert (outside / "node.toml").exists()
    assert Path(manifest.validators[0].home).exists()


def test_manifest_round_trip_and_damage(tmp_path: Path) -> None:
    manifest = create_testnet(tmp_path, clock=ClockStart(0, 60))
    assert load_manifest(tmp_path) == manifest
    save_manifest(tmp_path, manifest)
    assert load_manifest(tmp_path) == manifest
    assert (tmp_path / "testnet.json").stat().st_mode & 0o777 == 0o600
    (tmp_path / "testnet.json").write_text("{}")
    with pytest.raises(TestnetError, match="is damaged"):
        load_manifest(tmp_path)


def test_lookups_name_what_there_is(tmp_path: Path) -> None:
    manifest = create_testnet(tmp_path)
    assert manifest.account("basil-admin").brand == "basil"
    assert manifest.validator("dune").brand == "dune"
    with pytest.raises(TestnetError, match="aurora-admin"):
        manifest.account("nobody")
    with pytest.raises(TestnetError, match="aurora, basil, comet, dune"):
        manifest.validator("nobody")
