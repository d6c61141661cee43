"""A node's configuration: `node.toml` in its home folder.

The chain's parameters are not here: they are in genesis and changed by the alliance. This file holds what
one operator decides: addresses, limits, files.

    <home>/node.toml       this file
    <home>/genesis.json    the chain's genesis document
    <home>/key.json        the node's key (genesis.keystore)
    <home>/data/           LevelDB or RocksDB, one owner process
    <home>/wal/            the consensus write-ahead log
"""

from __future__ import annotations

import re
import tomllib
from hashlib import sha256
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import tomli_w

from genesis.durable_files import exposure
from node.runtime.errors import ConfigError
from node.runtime.log_format import LogFormat

MAX_FILE_BYTES: Final = 1024 * 1024
"""A node.toml with a thousand peers has some 150 KB."""

MESSAGE_CHARACTERS: Final = 300
"""Of what a parser says about a file, which may quote it."""

_GIB: Final = 1 << 30
_MAX_INT: Final = 2**53 - 1
Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
PeerPort = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
Host = Annotated[str, msgspec.Meta(max_length=253, pattern=r"^[^\x00-\x20\x7f]*$")]
"""An address or a name; whether it can be resolved is known only once it is used."""

PeerHost = Annotated[str, msgspec.Meta(min_length=1, max_length=253, pattern=r"^[^\x00-\x20\x7f]*$")]
PublicKey = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
ApiKey = Annotated[str, msgspec.Meta(min_length=1, max_length=1_024, pattern=r"^[^\x00-\x20\x7f]+$")]
"""A header cannot carry control characters, and spaces around a key are not part of it."""

Network = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[0-9a-fA-F.:]+(/[0-9]{1,3})?$")]
"""An IP address, or a network in the form 10.0.0.0/8."""

HASHED: Final = "sha256:"
_HASHED_KEY: Final = re.compile(HASHED + r"[0-9a-f]{64}")

Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=_MAX_INT)]
Bytes = Annotated[int, msgspec.Meta(ge=1, le=_GIB)]
Count = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
Heights = Annotated[int, msgspec.Meta(ge=1, le=_MAX_INT)]


class PeerAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a peer can be dialled; it is known by its key (hex), names are resolved at each dial."""

    public_key: PublicKey
    host: PeerHost
    port: PeerPort


class VirtualClock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A testnet's block clock: start + (wall − anchor) · rate, all in ms; see SPEC section 3."""

    start_ms: Milliseconds
    anchor_ms: Milliseconds
    rate: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]


class RpcLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What clients may ask of the gateway."""

    max_request_bytes: Bytes = 8 * 1024 * 1024
    max_response_bytes: Bytes = 32 * 1024 * 1024
    max_batch: Count = 1_000
    max_connections: Count | None = None
    """Of all clients; none given: what the limit of open files leaves (node/runtime/descriptors.py)."""
    max_connections_per_client: Count = 256
    max_requests_per_second: Count = 20_000
    """Calls, not HTTP requests; a batch of 100 counts as 100."""
    read_api_keys: Annotated[tuple[ApiKey, ...], msgspec.Meta(max_length=1_000)] = ()
    """Bearer keys that reads need, each as its hash (`entente keys api`) or in clear; none means open."""
    write_api_keys: Annotated[tuple[ApiKey, ...], msgspec.Meta(max_length=1_000)] = ()
    allowed_hosts: Annotated[tuple[PeerHost, ...], msgspec.Meta(max_length=1_000)] = ()
    """Names, beside IP addresses, localhost and rpc_host, by which clients may call this node, and whose web pages
    may use it."""
    trusted_proxies: Annotated[tuple[Network, ...], msgspec.Meta(max_length=1_000)] = ()
    """Addresses and networks of proxies whose X-Forwarded-For is believed; none: no header is."""


class StoreSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the node keeps its data."""

    engine: Literal["leveldb", "rocksdb"] | None = None
    """What a new home's data are kept in; none given: LevelDB where this Python has plyvel, or else RocksDB. An
    existing home must have been written by it."""


class NodeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything in node.toml."""

    rpc_host: Host = "127.0.0.1"
    rpc_port: Port = 8545
    p2p_host: Host = "127.0.0.1"
    p2p_port: Port = 26_545
    peers: Annotated[tuple[PeerAddress, ...], msgspec.Meta(max_length=1_024)] = ()
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: LogFormat = "text"
    """text: lines for people; json: one JSON object on a line, for programs that collect logs."""
    state_history_blocks: Heights = 1_000
    retain_blocks: Heights | None = None
    """How many blocks below the head are kept, with receipts and indexes; none given: all. Headers always stay."""
    snapshot_distance: Annotated[int, msgspec.Meta(ge=0, le=_MAX_INT)] = 10_000
    """So many blocks behind, a node fetches a snapshot in place of executing them; 0: never, as for an archive."""
    snapshot_interval: Heights = 500
    """Each height that is a multiple of it is offered to peers, as long as the state history reaches back to it."""
    min_free_disk_mib: Annotated[int, msgspec.Meta(ge=0, le=1 << 30)] = 64
    """Below this the node stops cleanly; 0: it goes on until a write fails."""
    mempool_transactions: Count = 50_000
    mempool_bytes: Annotated[int, msgspec.Meta(ge=1, le=64 * _GIB)] = 64 * 1024 * 1024
    mempool_per_sender: Count = 20_000
    clock: VirtualClock | None = None
    rpc: RpcLimits = RpcLimits()
    store: StoreSettings = StoreSettings()


def hashed_key(key: str) -> str:
    """Return how node.toml names an API key without telling it. A key is random, so that it needs no salt."""
    return HASHED + sha256(key.encode()).hexdigest()


def is_hashed(entry: str) -> bool:
    """Tell whether an entry of the lists of API keys is a key's hash."""
    return _HASHED_KEY.fullmatch(entry) is not None


def keys_in_clear(config: NodeConfig) -> list[str]:
    """Return a sentence for each list that holds API keys in clear."""
    lists = {"read_api_keys": config.rpc.read_api_keys, "write_api_keys": config.rpc.write_api_keys}
    return [
        f"rpc.{name} in node.toml holds keys in clear; `entente keys api` makes one whose hash is enough there"
        for name, entries in lists.items()
        if not all(map(is_hashed, entries))
    ]


PRIVATE_IN_HOME: Final = ("node.toml", "data", "wal", "node.log")
"""What others on the machine are not to read; the key's own warning is genesis.keystore's."""


def exposed_in(home: Path) -> list[str]:
    """Return a sentence for the home, or for each private thing in it, that others than its owner can use.

    A home that others cannot enter protects what is in it, whatever its mode.
    """
    found = exposure(home)
    return found and found + [line for name in PRIVATE_IN_HOME for line in exposure(home / name)]


def load_config(home: Path) -> NodeConfig:
    """Read <home>/node.toml.

    Raises:
        ConfigError: the file is missing, is not TOML, or a value is wrong; the message names it.
    """
    path = home / "node.toml"
    document = _read_toml(path)
    try:
        config = msgspec.convert(document, NodeConfig)
    except (msgspec.ValidationError, OverflowError, RecursionError) as error:
        raise ConfigError(f"{path}: {_one_line(error)}") from None
    for name, host in [("rpc_host", config.rpc_host), ("p2p_host", config.p2p_host)]:
        if not _can_be_resolved(host):
            raise ConfigError(f"{path}: {name} is no address and no name of a host")
    for entry in config.rpc.trusted_proxies:
        if not _is_network(entry):
            raise ConfigError(f"{path}: rpc.trusted_proxies: {entry} is no IP address and no network")
    return config


def _read_toml(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        text = data.decode("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; `entente node init` makes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {_one_line(error)}") from None
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"{path} has more than {MAX_FILE_BYTES} bytes; it is no node.toml")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{path} is not TOML for a node: it is nested too deep") from None
    except ValueError as error:  # TOMLDecodeError, or an integer of thousands of digits
        raise ConfigError(f"{path} is not TOML: {_one_line(error)}") from None


def _one_line(error: Exception) -> str:
    """Return what a parser says, fit for a terminal: a hostile file can put control characters into it."""
    text = "".join(c if c.isprintable() else "?" for c in str(error))
    return text if len(text) <= MESSAGE_CHARACTERS else text[:MESSAGE_CHARACTERS] + " …"


def _can_be_resolved(host: str) -> bool:
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def config_to_toml(config: NodeConfig) -> str:
    """Return a node.toml that holds these values."""
    table = _given(msgspec.to_builtins(config))
    if not config.peers:
        # Operators append `[[peers]]` by hand, which TOML refuses below `peers = []`.
        del table["peers"]
    return tomli_w.dumps(table)


def _given(table: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is None, and tables without anything: a key that is missing means its default."""
    given = {key: _given(value) if isinstance(value, dict) else value for key, value in table.items()}
    return {key: value for key, value in given.items() if value is not None and value != {}}
