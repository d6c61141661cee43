"""`entente draw`: a brand's secret for a draw, and the proof of its outcome."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import click

from contracts_py.campaign.draw_seed import commitment_of
from genesis.durable_files import write_durably
from node.cli.rpc import api_key_option, with_node
from node.cli.testnet_commands import dir_option
from node.cli.transaction_commands import node_url, rpc_option
from node.client import RpcClient
from node.client.draw_proofs import collect
from node.terminal.output import CliError, json_option, note, print_fields, print_json

NewFile = click.Path(path_type=Path, dir_okay=False)


@click.group()
def draw() -> None:
    """Take part in a draw with a secret, and collect the proof of its outcome (docs/decisions/draws.md)."""


@draw.command()
@click.argument("draw_id", metavar="DRAW")
@click.argument("brand")
@click.option(
    "--to", "file", type=NewFile, required=True, help="A new file for the secret; keep it until the draw."
)
@dir_option
@rpc_option
@api_key_option
@json_option
def secret(
    draw_id: str, brand: str, file: Path, directory: Path, url: str | None, api_key: str | None, as_json: bool
) -> None:
    """Make BRAND's secret for DRAW, and print the commitment that `campaign.draw_commit` takes.

    The secret is shown by `campaign.draw_reveal` when the draw asks for it, and by nothing before.
    """

    async def chain_of(client: RpcClient) -> str:
        return str((await client.call("node_info"))["chain"])

    if file.exists():
        raise CliError(f"{file} exists: a secret that was committed to must not be lost")
    chain = with_node(node_url(url, directory), chain_of, api_key=api_key)
    value = secrets.token_bytes(32)
    made = {"draw": draw_id, "brand": brand, "commitment": commitment_of(chain, draw_id, brand, value)}
    write_durably(file, (json.dumps({**made, "chain": chain, "secret": value.hex()}, indent=2) + "\n").encode())
    if as_json:
        print_json(made)
    else:
        print_fields(made)


@draw.command()
@click.argument("draw_id", metavar="DRAW")
@click.option("--to", "file", type=NewFile, required=True, help="The file for the proof.")
@dir_option
@rpc_option
@api_key_option
def proof(draw_id: str, file: Path, directory: Path, url: str | None, api_key: str | None) -> None:
    """Collect what `entente verify draw` checks: seed, entries, and the certified record of DRAW."""

    async def read(client: RpcClient) -> dict[str, Any]:
        return await collect(client, draw_id)

    collected = with_node(node_url(url, directory), read, api_key=api_key)
    write_durably(file, (json.dumps(collected) + "\n").encode())
    note(f"{file}: {len(collected['entries'])} accounts; check it by `entente verify draw {file} --genesis …`")
