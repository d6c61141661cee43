"""node.toml: what is written is read back, and each mistake names the file and the value."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.runtime.config import (
    NodeConfig,
    PeerAddress,
    RpcLimits,
    StoreSettings,
    VirtualClock,
    Workers,
    config_to_toml,
    load_config,
)
from node.runtime.errors import ConfigError
from node.store import EngineName

FULL = NodeConfig(
    rpc_host="::1",
    rpc_port=1,
    p2p_host="node.example",
    p2p_port=65_535,
    peers=(PeerAddress("ab" * 32, "a.example", 2), PeerAddress("cd" * 32, 'quo"te\\', 3)),
    log_level="DEBUG",
    state_history_blocks=7,
    mempool_transactions=8,
    mempool_bytes=9,
    mempool_per_sender=10,
    clock=VirtualClock(0, 1, 10_000_000),
    rpc=RpcLimits(
        max_batch=11, max_connections=12, allowed_hosts=("a.example",), read_api_keys=("ü", "b"), write_api_keys=()
    ),
    store=StoreSettings("rocksdb", page_cache_mib=13, value_cache_mib=14),
    workers=Workers(verify=2, gateway=1),
)


@pytest.mark.parametrize("config", [NodeConfig(), FULL], ids=["defaults", "everything"])
def test_round_trip(tmp_path: Path, config: NodeConfig) -> None:
    (tmp_path / "node.toml").write_text(config_to_toml(config), encoding="utf-8")
    assert load_config(tmp_path) == config


@pytest.mark.parametrize("name", EngineName)
def test_every_engine_can_be_named(tmp_path: Path, name: EngineName) -> None:
    (tmp_path / "node.toml").write_text(f'[store]\nengine = "{name}"\n')
    assert load_config(tmp_path).store.engine == name


def test_a_peer_can_be_appended_by_hand_to_a_file_without_any(tmp_path: Path) -> None:
    peer = PeerAddress("ab" * 32, "a.example", 2)
    by_hand = f'[[peers]]\npublic_key = "{peer.public_key}"\nhost = "a.example"\nport = 2\n'
    (tmp_path / "node.toml").write_text(config_to_toml(NodeConfig()) + by_hand, encoding="utf-8")
    assert load_config(tmp_path) == NodeConfig(peers=(peer,))


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text("")
    assert load_config(tmp_path) == NodeConfig()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("rpc_port = ", "is not TOML"),
        ("[workers]\nverify = 3", "workers.verify"),
        ('[workers]\nverify = "many"', "workers.verify"),
        ("rpc_port = 65536", "rpc_port"),
        ("rpc_port = -1", "rpc_port"),
        ('rpc_port = "8545"', "rpc_port"),
        ("rcp_port = 8545", "rcp_port"),
        ("[clock]\nstart_ms = 0\nanchor_ms = 0\nrate = 0", "rate"),
        ("[clock]\nstart_ms = 0\nrate = 1", "anchor_ms"),
        ("[rpc]\nmax_batches = 1", "max_batches"),
        (f'[[peers]]\npublic_key = "{"ab" * 32}"\nport = 1', "host"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "node.toml").write_text(text)
    with pytest.raises(ConfigError, match=named) as caught:
        load_config(tmp_path)
    assert str(tmp_path / "node.toml") in str(caught.value)


PEER = f'[[peers]]\npublic_key = "{"ab" * 32}"\nhost = "a"\nport = 1\n'
HOSTILE = {
    "huge": "#" * (1024 * 1024 + 1),
    "deep array": "rpc_port = " + "[" * 5_000 + "]" * 5_000,
    "deep table": "rpc_port = " + "{a=" * 3_000 + "1" + "}" * 3_000,
    "dotted key": ".".join(["a"] * 3_000) + " = 1",
    "long integer": "rpc_port = " + "9" * 5_000,
    "integer beyond 64 bits": "rpc_port = " + "9" * 30,
    "NUL": "rpc_port = 1\0",
    "NUL in a host": 'rpc_host = "a\\u0000b"',
    "space in a host": 'rpc_host = "a b"',
    "host with a label that is too long": f'rpc_host = "{"a" * 64}.example"',
    "p2p host with an empty label": 'p2p_host = "a..b"',
    "long host": f'p2p_host = "{"a." * 200}"',
    "control characters in a key": '"\\u001b[2J\\nx" = 1',
    "unknown key that is long": "a" * 100_000 + " = 1",
    "unknown table": "[rcp]\nmax_batch = 1",
    "table in place of a value": "[rpc_port]\na = 1",
    "value in place of a table": "rpc = 1",
    "float": "rpc_port = 1.0",
    "not a number": "rpc_port = nan",
    "boolean": "rpc_port = true",
    "date": "rpc_port = 2026-01-01",
    "absurd port": "p2p_port = 99999999",
    "no level": 'log_level = "LOUD"',
    "no engine": '[store]\nengine = "lmdb"',
    "no page cache": "[store]\npage_cache_mib = 0",
    "no history": "state_history_blocks = 0",
    "negative history": "state_history_blocks = -5",
    "nothing retained": "retain_blocks = 0",
    "negative disk": "min_free_disk_mib = -1",
    "empty pool": "mempool_transactions = 0",
    "negative pool": "mempool_bytes = -1",
    "negative share": "mempool_per_sender = -1",
    "negative clock": "[clock]\nstart_ms = -1\nanchor_ms = 0\nrate = 1",
    "negative requests": "[rpc]\nmax_request_bytes = -1",
    "no responses": "[rpc]\nmax_response_bytes = 0",
    "absurd responses": "[rpc]\nmax_response_bytes = 9007199254740991",
    "no batch": "[rpc]\nmax_batch = 0",
    "no connections": "[rpc]\nmax_connections = 0",
    "negative connections": "[rpc]\nmax_connections_per_client = -1",
    "no rate": "[rpc]\nmax_requests_per_second = 0",
    "keys that are none": "[rpc]\nread_api_keys = [1]",
    "empty key, which everybody has": '[rpc]\nwrite_api_keys = [""]',
    "key with spaces, which nobody can send": '[rpc]\nwrite_api_keys = [" a "]',
    "hosts that are none": '[rpc]\nallowed_hosts = "a"',
    "empty host": '[rpc]\nallowed_hosts = [""]',
    "peer key": PEER.replace("abab", "ABAB"),
    "short peer key": PEER.replace("abab", ""),
    "peer port": PEER.replace("port = 1", "port = 0"),
    "peer host": PEER.replace('"a"', '""'),
    "too many peers": PEER * 1_025,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_files_get_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "node.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "node.toml"))
    assert message.isprintable()
    assert len(message) < len(str(tmp_path)) + 400


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "node.toml").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_config(tmp_path)
    (tmp_path / "node.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)
