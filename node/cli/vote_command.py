"""`entente vote`: reading a proposal, and voting for what was read.

A proposal's name says nothing of what it does, and another brand may have taken the name that was announced. So the
vote carries the hash of the actions: of those that this command has shown, or of those that the voter names. The
hash is made here from the actions, so that a node cannot show one thing and have another signed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from node.cli.keys_commands import passphrase_file_option
from node.cli.rpc import api_key_option, with_node
from node.cli.testnet_commands import dir_option
from node.cli.transaction_commands import (
    accounts_option,
    key_files_option,
    node_url,
    print_receipt,
    rpc_option,
    signing_keys,
)
from node.client import RpcClient
from node.terminal.output import CliError, json_option, note
from vm.primitives.codec import CodecError, check_value, encode
from vm.primitives.hashing import sha256


@click.command()
@click.argument("proposal")
@click.argument("choice", type=click.Choice(["yes", "no"]))
@click.option("--actions-hash", help="The hash of the actions that you have read; nothing is asked then.")
@click.option("--brand", help="The brand that votes, where an account is admin of several.")
@click.option("--assume-yes", is_flag=True, help="Vote for what is shown without asking.")
@key_files_option
@accounts_option
@dir_option
@rpc_option
@api_key_option
@passphrase_file_option
@json_option
def vote(
    proposal: str,
    choice: str,
    actions_hash: str | None,
    brand: str | None,
    assume_yes: bool,
    key_files: tuple[Path, ...],
    accounts: tuple[str, ...],
    directory: Path,
    url: str | None,
    api_key: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Show what PROPOSAL would do, ask, and vote with the hash of it.

    The chain refuses the vote with CHANGED if the proposal has other actions than those shown. Several --key or
    --account options vote for several brands at once.

    \b
    entente vote add-echo yes --key admin.json
    """
    keys = signing_keys(directory, accounts, key_files, passphrase_file)
    node = node_url(url, directory)
    shown = with_node(node, lambda c: c.call("gov_proposal", proposal=proposal), api_key=api_key)
    found = hash_of_actions(shown)
    if actions_hash is None:
        _show(shown, found)
        if not assume_yes:
            click.confirm(f"Vote {choice}?", abort=True, err=True)
    elif actions_hash != found:
        raise CliError(f"{proposal} has other actions than those you name: their hash is {found}")
    args = {"proposal": proposal, "choice": choice, "actions_hash": found}
    args |= {} if brand is None else {"brand": brand}

    async def send(client: RpcClient) -> Any:
        return await client.send_raw(
            await client.sign_transaction(keys[0], [("gov.vote", args)], cosigners=keys[1:])
        )

    print_receipt(with_node(node, send, api_key=api_key), as_json)


def hash_of_actions(shown: dict[str, Any]) -> str:
    """Return the hash of the actions of a proposal as a node tells it.

    Raises:
        CliError: it is closed, or the node tells a hash that is not that of the actions.
    """
    proposal, actions = shown["proposal"], shown.get("actions")
    if actions is None:
        raise CliError(f"{proposal} is {shown['status']}; no vote counts any more")
    try:
        check_value(actions)
    except CodecError as error:
        raise CliError(f"the node shows actions that no proposal can hold: {error}") from None
    found = sha256(encode(actions)).hex()
    if found != shown["actions_hash"]:
        raise CliError(
            f"the node shows other actions of {proposal} than those whose hash it tells; ask another node"
        )
    return found


def _show(shown: dict[str, Any], found: str) -> None:
    """Tell on standard error what is voted on; standard output is for the receipt."""
    note(_visible(f"{shown['proposal']}, by {shown['brand']}: {shown['title']}"))
    for action in shown["actions"]:
        note(_visible(f"  {json.dumps(action, ensure_ascii=False)}"))
    note(f"hash of the actions  {found}")
    note(f"votes  {shown['yes']} yes, {shown['no']} no; {shown['needed']} of {shown['voters']} pass it")


def _visible(text: str) -> str:
    """Return a text in which nothing moves the cursor or turns the writing round: a title is a proposer's words."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
