"""A node's configuration: `node.toml` in its home folder.

The chain's parameters are not here: they are in genesis and changed by the alliance. This file holds what
one operator decides: addresses, limits, files.

    <home>/node.toml       this file
    <home>/genesis.json    the chain's genesis document
    <home>/key.json        the node's key (genesis.keystore)
    <home>/data/           LevelDB, one owner process
    <home>/wal/            the consensus write-ahead log
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

import msgspec

from node.errors import ConfigError

Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]


class PeerAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a peer can be dialled; it is known by its key (hex), names are resolved at each dial."""

    public_key: str
    host: str
    port: Port


class VirtualClock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A testnet's block clock: start + (wall − anchor) · rate, all in ms; see SPEC section 3."""

    start_ms: int
    anchor_ms: int
    rate: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]


class RpcLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one client may ask of the gateway."""

    max_request_bytes: int = 8 * 1024 * 1024
    max_response_bytes: int = 32 * 1024 * 1024
    max_batch: int = 1_000
    max_connections: int | None = None
    """Of all clients; none given: what the limit of open files leaves (node/descriptors.py)."""
    max_connections_per_client: int = 256
    max_requests_per_second: int = 20_000
    """Calls, not HTTP requests; a batch of 100 counts as 100."""
    read_api_keys: tuple[str, ...] = ()
    """Bearer keys that reads need; none means open."""
    write_api_keys: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    """Names, beside IP addresses, localhost and rpc_host, by which clients may call this node, and whose web pages
    may use it."""


class NodeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything in node.toml."""

    rpc_host: str = "127.0.0.1"
    rpc_port: Port = 8545
    p2p_host: str = "127.0.0.1"
    p2p_port: Port = 26_545
    peers: tuple[PeerAddress, ...] = ()
    log_level: str = "INFO"
    state_history_blocks: int = 1_000
    retain_blocks: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """How many blocks below the head are kept, with receipts and indexes; none given: all. Headers always stay."""
    snapshot_distance: Annotated[int, msgspec.Meta(ge=0)] = 10_000
    """So many blocks behind, a node fetches a snapshot in place of executing them; 0: never, as for an archive."""
    snapshot_interval: Annotated[int, msgspec.Meta(ge=1)] = 500
    """Each height that is a multiple of it is offered to peers, as long as the state history reaches back to it."""
    min_free_disk_mib: Annotated[int, msgspec.Meta(ge=0)] = 64
    """Below this the node stops cleanly; 0: it goes on until a write fails."""
    mempool_transactions: int = 50_000
    mempool_bytes: int = 64 * 1024 * 1024
    mempool_per_sender: int = 20_000
    clock: VirtualClock | None = None
    rpc: RpcLimits = RpcLimits()


def load_config(home: Path) -> NodeConfig:
    """Read <home>/node.toml.

    Raises:
        ConfigError: the file is missing, is not TOML, or a value is wrong; the message names it.
    """
    path = home / "node.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; `entente node init` makes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
    try:
        return msgspec.convert(document, NodeConfig)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}") from None


def config_to_toml(config: NodeConfig) -> str:
    """Return a node.toml that holds these values."""
    lines: list[str] = []
    tables: list[str] = []
    for name, value in msgspec.to_builtins(config).items():
        if value is None:
            continue
        if isinstance(value, dict):
            given = {key: item for key, item in value.items() if item is not None}
            tables += ["", f"[{name}]", *(f"{key} = {_toml(item)}" for key, item in given.items())]
        elif name == "peers":
            for peer in value:
                tables += ["", "[[peers]]", *(f"{key} = {_toml(item)}" for key, item in peer.items())]
        else:
            lines.append(f"{name} = {_toml(value)}")
    return "\n".join([*lines, *tables]) + "\n"


def _toml(value: object) -> str:
    # JSON strings, integers, booleans and arrays of strings are valid TOML as they are.
    return msgspec.json.encode(value).decode()
