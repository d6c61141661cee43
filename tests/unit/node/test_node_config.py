"""node.toml: what is written is read back, and each mistake names the file and the value."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.config import NodeConfig, PeerAddress, RpcLimits, VirtualClock, config_to_toml, load_config
from node.errors import ConfigError

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
    rpc=RpcLimits(max_batch=11, read_api_keys=("ü", "b"), write_api_keys=()),
)


@pytest.mark.parametrize("config", [NodeConfig(), FULL], ids=["defaults", "everything"])
def test_round_trip(tmp_path: Path, config: NodeConfig) -> None:
    (tmp_path / "node.toml").write_text(config_to_toml(config), encoding="utf-8")
    assert load_config(tmp_path) == config


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text("")
    assert load_config(tmp_path) == NodeConfig()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("rpc_port = ", "is not TOML"),
        ("rpc_port = 65536", "rpc_port"),
        ("rpc_port = -1", "rpc_port"),
        ('rpc_port = "8545"', "rpc_port"),
        ("rcp_port = 8545", "rcp_port"),
        ("[clock]\nstart_ms = 0\nanchor_ms = 0\nrate = 0", "rate"),
        ("[clock]\nstart_ms = 0\nrate = 1", "anchor_ms"),
        ("[rpc]\nmax_batches = 1", "max_batches"),
        ('[[peers]]\npublic_key = "ab"\nport = 1', "host"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "node.toml").write_text(text)
    with pytest.raises(ConfigError, match=named) as caught:
        load_config(tmp_path)
    assert str(tmp_path / "node.toml") in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_config(tmp_path)
    (tmp_path / "node.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)
