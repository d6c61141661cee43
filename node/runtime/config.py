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


def _in(unit: str) -> dict[str, str]:
    """Return what a type's schema says of its unit, for docs/reference-configuration.md."""
    return {"unit": unit}


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

Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=_MAX_INT, extra_json_schema=_in("ms"))]
Bytes = Annotated[int, msgspec.Meta(ge=1, le=_GIB, extra_json_schema=_in("bytes"))]
PoolBytes = Annotated[int, msgspec.Meta(ge=1, le=64 * _GIB, extra_json_schema=_in("bytes"))]
Mebibytes = Annotated[int, msgspec.Meta(ge=0, le=1 << 30, extra_json_schema=_in("MiB"))]
CacheMebibytes = Annotated[int, msgspec.Meta(ge=1, le=1 << 20, extra_json_schema=_in("MiB"))]
Count = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
Heights = Annotated[int, msgspec.Meta(ge=1, le=_MAX_INT, extra_json_schema=_in("blocks"))]
HeightsOrNever = Annotated[int, msgspec.Meta(ge=0, le=_MAX_INT, extra_json_schema=_in("blocks"))]


class PeerAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A peer that the node dials. The node knows a peer by its key and resolves its name at each dial."""

    public_key: PublicKey
    """The peer's Ed25519 key in lower-case hex, as `entente keys show` prints it."""
    host: PeerHost
    """The peer's IP address or host name."""
    port: PeerPort
    """The peer's `p2p_port`."""


class VirtualClock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A testnet's block clock: start + (wall − anchor) · rate (SPEC section 3). A production node has no such
    table."""

    start_ms: Milliseconds
    """The block time at the anchor, in ms since the Unix epoch."""
    anchor_ms: Milliseconds
    """The wall-clock time at which the block clock began, in ms since the Unix epoch."""
    rate: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
    """How many times faster than the wall clock the block clock runs."""


class RpcLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the gateway accepts from clients."""

    max_request_bytes: Bytes = 8 * 1024 * 1024
    """The largest request body; the node answers a larger one with 413."""
    max_response_bytes: Bytes = 32 * 1024 * 1024
    """The largest answer of one request; the calls of a batch that no longer fit are answered with
    RESPONSE_TOO_LARGE."""
    max_batch: Count = 1_000
    """The most calls in one batch."""
    max_connections: Count | None = None
    """The most client connections at a time. Default: what the limit of open files leaves, at most 4,096 (node.md,
    Open files)."""
    max_connections_per_client: Count = 256
    """The most connections of one client address."""
    max_requests_per_second: Count = 20_000
    """The most calls of one client in a second. A batch of 100 counts as 100 calls."""
    read_api_keys: Annotated[tuple[ApiKey, ...], msgspec.Meta(max_length=1_000)] = ()
    """Bearer keys that reads need, each as its hash (`entente keys api`) or in clear. Without any, reads need no
    key."""
    write_api_keys: Annotated[tuple[ApiKey, ...], msgspec.Meta(max_length=1_000)] = ()
    """Bearer keys that `tx_submit` and `tx_send` need, in the same form. A key for writes reads too. Without any,
    writes need no key."""
    allowed_hosts: Annotated[tuple[PeerHost, ...], msgspec.Meta(max_length=1_000)] = ()
    """Names by which clients may call this node, and whose web pages may use it, beside IP addresses, localhost and
    `rpc_host`."""
    trusted_proxies: Annotated[tuple[Network, ...], msgspec.Meta(max_length=1_000)] = ()
    """IP addresses and networks of proxies whose X-Forwarded-For the node believes. Without any, the node ignores
    the header."""


class StoreSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the node keeps its data."""

    engine: Literal["leveldb", "rocksdb"] | None = None
    """What a new home's data are kept in; none given: LevelDB where this Python has plyvel, or else RocksDB. An
    existing home must have been written by it."""
    index: Literal["none", "basic", "full"] = "full"
    """What the node indexes: transactions by id (basic), also by account, brand and call (full), or none, which
    spares a validator work where history is asked of other nodes (node.md, Indexes)."""
    page_cache_mib: CacheMebibytes = 256
    """How much memory the pages of the state tree may take: some 80 bytes for each key, or 250 MiB for a
    million members of one program. A page that is not there is derived anew when a block changes it."""
    value_cache_mib: CacheMebibytes = 128
    """How much memory state values may take, decoded: some 400 bytes for each."""


class Workers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Processes beside the node's own, for hosts with cores to spare."""

    verify: Literal["auto", 0, 1, 2] = "auto"
    """How many processes verify transactions' signatures; with 0 the node does. auto: 0 below 4 cores, 1 below 8,
    else 2."""
    gateway: Literal[0, 1] = 0
    """1: the gateway runs as a process of its own, so that reads cannot delay votes
    (decisions/gateway-process.md); 0: inside the node."""


class NodeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The top level of node.toml."""

    rpc_host: Host = "127.0.0.1"
    """The address on which the gateway listens; an empty string means all."""
    rpc_port: Port = 8545
    """The port of JSON-RPC, `/health`, `/ready` and `/metrics`; 0 lets the system choose."""
    p2p_host: Host = "127.0.0.1"
    """The address on which the node listens for peers; an empty string means all."""
    p2p_port: Port = 26_545
    """The port for peers; 0 lets the system choose."""
    peers: Annotated[tuple[PeerAddress, ...], msgspec.Meta(max_length=1_024)] = ()
    """Peers to dial, each as a table `[[peers]]`. The node learns further addresses from its peers."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The lowest level that the log tells."""
    log_format: LogFormat = "text"
    """text: lines for people; json: one JSON object on a line, for programs that collect logs."""
    state_history_blocks: Heights = 1_000
    """For how many blocks below the head the node keeps past state values and proofs; it answers STATE_PRUNED below
    them."""
    retain_blocks: Heights | None = None
    """How many blocks below the head the node keeps, with receipts and indexes. Default: all (an archive). Headers
    and certificates always stay."""
    snapshot_distance: HeightsOrNever = 10_000
    """How far behind a node fetches a snapshot in place of executing blocks; 0 means never, which an archive
    wants."""
    snapshot_interval: Heights = 500
    """The node offers its peers a snapshot of each height that is a multiple of this, as long as the state history
    reaches back to it."""
    min_free_disk_mib: Mebibytes = 192
    """Below this much free disk the node stops cleanly with exit code 74; 0 means that it goes on until a write
    fails."""
    mempool_transactions: Count = 50_000
    """The most pending transactions; further ones are refused with POOL_FULL."""
    mempool_bytes: PoolBytes = 64 * 1024 * 1024
    """The most bytes of pending transactions; a transaction that is dense with small values counts sixteenfold."""
    mempool_per_sender: Count = 20_000
    """The most pending transactions of one sender."""
    clock: VirtualClock | None = None
    """A virtual block clock, as a table `[clock]`; for testnets only."""
    rpc: RpcLimits = RpcLimits()
    """Limits of the gateway, as a table `[rpc]`."""
    store: StoreSettings = StoreSettings()
    """What the data are kept in, as a table `[store]`."""
    workers: Workers = Workers()
    """Processes beside the node's own, as a table `[workers]`."""


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

    A home that others cannot enter protects its content, in any mode.
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
