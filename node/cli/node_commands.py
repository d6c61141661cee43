"""`entente node`: set up a home folder, run a node from it, ask how it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from genesis.document import Genesis
from genesis.durable_files import PUBLIC, make_private_folder, write_durably
from genesis.keystore import generate_key, read_key_file
from node.cli.check_command import check
from node.cli.keys_commands import KeyPath, open_key, passphrase_file_option, save_key, unencrypted_option, warn
from node.cli.recovery_commands import recover
from node.cli.rpc import api_key_option, with_node
from node.client import RpcClient
from node.runtime.config import NodeConfig, PeerAddress, config_to_toml, exposed_in, keys_in_clear, load_config
from node.runtime.errors import ConfigError
from node.terminal.output import CliError, json_option, print_fields, print_json, shortened
from vm.primitives.units import bounded_digits, is_lower_hex

home_option = click.option(
    "--home", type=click.Path(path_type=Path, file_okay=False), required=True, help="The node's home folder."
)
port_type = click.IntRange(1, 65_535)


@click.group()
def node() -> None:
    """Set up and run one node.

    A node lives in its home folder: node.toml, genesis.json, key.json, and its data. `init` makes the folder,
    `start` runs the node until Ctrl-C or SIGTERM.
    """


@node.command()
@home_option
@passphrase_file_option
def start(home: Path, passphrase_file: Path | None) -> None:
    """Run a node in the foreground."""
    if not home.is_dir():
        raise ConfigError(f"home folder {home} does not exist; `entente node init --home {home}` makes one")
    warn(keys_in_clear(load_config(home)))
    warn(exposed_in(home))
    key = open_key(home / "key.json", passphrase_file).key
    # Imported here, as it brings the whole node: mistakes are told without waiting for it.
    from node.assembly.process import run

    raise SystemExit(run(home, key))


@node.command()
@home_option
@click.option(
    "--genesis", "genesis_file", type=KeyPath, required=True, help="The chain's genesis document; it is copied."
)
@click.option("--rpc-host", default="127.0.0.1", show_default=True, help="Where clients reach the node.")
@click.option("--rpc-port", type=port_type, default=8545, show_default=True, help="The port for clients.")
@click.option("--p2p-host", default="0.0.0.0", show_default=True, help="Where other nodes reach the node.")
@click.option("--p2p-port", type=port_type, default=26_545, show_default=True, help="The port for other nodes.")
@click.option(
    "--peer",
    "peers",
    multiple=True,
    metavar="KEY@HOST:PORT",
    help="Another node: its public key and where to dial it; repeat for each.",
)
@unencrypted_option
@passphrase_file_option
@json_option
def init(
    home: Path,
    genesis_file: Path,
    peers: tuple[str, ...],
    unencrypted: bool,
    passphrase_file: Path | None,
    as_json: bool,
    **addresses: Any,
) -> None:
    """Make a node's home folder.

    A key.json that is there already is kept, so that a key made by `entente keys new HOME/key.json` can be in the
    genesis document before the node is set up.
    """
    genesis = Genesis.load(genesis_file)
    config = NodeConfig(peers=tuple([_peer(text) for text in peers]), **addresses)
    if (home / "node.toml").exists():
        raise ConfigError(f"{home} is a node's home already")
    try:
        make_private_folder(home)
        if not (home / "key.json").exists():
            save_key(home / "key.json", generate_key(), unencrypted, passphrase_file)
        write_durably(home / "genesis.json", genesis.to_json(), mode=PUBLIC)
        write_durably(home / "node.toml", config_to_toml(config))
    except OSError as error:
        raise ConfigError(f"{home} cannot be written: {error.strerror}") from None
    key_file = read_key_file(home / "key.json")
    _print(
        {
            "home": str(home),
            "chain": genesis.chain,
            "public_key": key_file.public_key,
            "address": key_file.address,
            "role": _role(genesis, key_file.public_key),
        },
        as_json,
    )


@node.command(short_help="Ask a node for its chain, height and health.")
@click.option(
    "--home", type=click.Path(path_type=Path, file_okay=False), help="The home of a node on this machine."
)
@click.option("--rpc", "url", envvar="ENTENTE_RPC", help="Or the URL of any node.")
@api_key_option
@json_option
def status(home: Path | None, url: str | None, api_key: str | None, as_json: bool) -> None:
    """Ask a node for its chain, height and health; exit code 1 where it is not ready."""
    if (home is None) == (url is None):
        raise click.UsageError("name the node by --home or by --rpc")
    if home is not None:
        config = load_config(home)
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(config.rpc_host, config.rpc_host)
        url = f"http://{host}:{config.rpc_port}"
    assert url is not None

    async def ask(client: RpcClient) -> dict[str, Any]:
        return {"rpc": client.url, **await client.call("node_info"), **await client.call("node_health")}

    fields = with_node(url, ask, api_key=api_key)
    _print(fields, as_json)
    if not fields["ready"]:
        raise SystemExit(1)


node.add_command(recover)
node.add_command(check)


def _peer(text: str) -> PeerAddress:
    key, at, address = text.partition("@")
    host, colon, port = address.rpartition(":")
    if not (at and colon and host and port.isascii() and port.isdecimal() and len(key) == 64 and is_lower_hex(key)):
        raise CliError(f"a peer is KEY@HOST:PORT, its key 64 hex digits, not {shortened(text)!r}")
    number = bounded_digits(port, 65_535)
    if not number:
        raise CliError(f"port {shortened(port)} of a peer is not between 1 and 65535")
    return PeerAddress(key, host, number)


def _role(genesis: Genesis, public_key: str) -> str:
    for validator in genesis.document.validators:
        if validator.public_key == public_key:
            return f"validator of {validator.brand}"
    return "full node" if public_key in genesis.document.nodes else "not in the genesis document"


def _print(fields: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(fields)
    else:
        print_fields(fields)
