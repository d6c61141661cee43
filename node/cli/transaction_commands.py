"""`entente call`, `view` and `tx`: speaking to a chain through any of its nodes."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from genesis.errors import TestnetError
from genesis.testnet import load_manifest
from node.cli.keys_commands import KeyPath, open_key, passphrase_file_option
from node.cli.rpc import DEFAULT_URL, api_key_option, with_node
from node.cli.testnet_commands import DEFAULT_DIR, dir_option
from node.client import RpcClient
from node.terminal.output import CliError, json_option, print_fields, print_json, shortened
from node.testnet.processes import running_pid
from vm.primitives.keys import SigningKey
from vm.primitives.units import MAX_INT, is_lower_hex
from vm.transaction import TransactionError, parse_transaction

MAX_FILE_CHARACTERS = 1_000_000

rpc_option = click.option(
    "--rpc",
    "url",
    envvar="ENTENTE_RPC",
    help=f"The node to ask.  [default: the first running validator of the testnet in DIR, else {DEFAULT_URL}]",
)

key_files_option = click.option(
    "--key", "key_files", type=KeyPath, multiple=True, help="A key file that signs; the first is the sender."
)
accounts_option = click.option(
    "--account", "accounts", multiple=True, help="Or an account of the testnet in DIR, such as aurora-admin."
)


@click.command()
@click.argument("operation", metavar="MODULE.METHOD")
@click.argument("pairs", metavar="[NAME=VALUE]...", nargs=-1)
@key_files_option
@accounts_option
@click.option("--memo", help="A text of up to 1,024 bytes in the transaction.")
@click.option("--simulate", is_flag=True, help="Only ask which receipt it would get; nothing is written.")
@dir_option
@rpc_option
@api_key_option
@passphrase_file_option
@json_option
def call(
    operation: str,
    pairs: tuple[str, ...],
    key_files: tuple[Path, ...],
    accounts: tuple[str, ...],
    memo: str | None,
    simulate: bool,
    directory: Path,
    url: str | None,
    api_key: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Sign and send one operation, wait until it is final, and print its receipt.

    A VALUE that is JSON is taken as JSON (5, true, [1,2], "5"), anything else as text. Several --key or --account
    options co-sign. Exit code 1 where the receipt says failed.

    \b
    entente call token.issue program=points to=ent1… amount=100 --account aurora-admin
    """
    if "." not in operation:
        raise CliError(f"an operation is MODULE.METHOD, such as token.issue, not {operation!r}")
    args = parse_pairs(pairs)
    keys = signing_keys(directory, accounts, key_files, passphrase_file)

    async def sign_and_send(client: RpcClient) -> Any:
        raw = await client.sign_transaction(keys[0], [(operation, args)], cosigners=keys[1:], memo=memo)
        if simulate:
            return await client.call("tx_simulate", body=parse_transaction(raw).body_bytes.hex())
        return await client.send_raw(raw)

    print_receipt(with_node(node_url(url, directory), sign_and_send, api_key=api_key), as_json)


@click.command()
@click.argument("module")
@click.argument("name", metavar="VIEW")
@click.argument("pairs", metavar="[NAME=VALUE]...", nargs=-1)
@dir_option
@rpc_option
@api_key_option
@json_option
def view(
    module: str,
    name: str,
    pairs: tuple[str, ...],
    directory: Path,
    url: str | None,
    api_key: str | None,
    as_json: bool,
) -> None:
    """Ask a contract's view and print the answer as JSON.

    \b
    entente view token balance program=points account=ent1…
    """
    del as_json  # Accepted as everywhere; the answer is JSON in any case.
    args = parse_pairs(pairs)
    print_json(with_node(node_url(url, directory), lambda c: c.call(f"{module}_{name}", **args), api_key=api_key))


@click.group()
def tx() -> None:
    """Send, try out and look up transactions."""


@tx.command()
@click.argument("tx_id", metavar="ID")
@dir_option
@rpc_option
@api_key_option
@json_option
def show(tx_id: str, directory: Path, url: str | None, api_key: str | None, as_json: bool) -> None:
    """Print a transaction, its status and its receipt."""
    if len(tx_id) != 64 or not is_lower_hex(tx_id):
        raise CliError("a transaction's ID is 64 hex digits")
    answer = with_node(node_url(url, directory), lambda c: c.call("chain_transaction", id=tx_id), api_key=api_key)
    if as_json:
        print_json(answer)
        return
    for name, value in answer.items():
        click.echo(
            f"{name}: {value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)}"
        )


@tx.command(short_help="Send the signed transaction in FILE and print its receipt.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@dir_option
@rpc_option
@api_key_option
@json_option
def send(file: Path, directory: Path, url: str | None, api_key: str | None, as_json: bool) -> None:
    """Send the signed transaction in FILE (hex; - reads standard input) and print its receipt.

    Sending the same bytes again is safe: the answer is the same receipt.
    """
    raw = _read_hex(file)
    try:
        parse_transaction(raw)
    except TransactionError as error:
        raise CliError(f"{file} holds no transaction: {error}") from None
    print_receipt(with_node(node_url(url, directory), lambda c: c.send_raw(raw), api_key=api_key), as_json)


@tx.command(short_help="Print the receipt that FILE would get now.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@dir_option
@rpc_option
@api_key_option
@json_option
def simulate(file: Path, directory: Path, url: str | None, api_key: str | None, as_json: bool) -> None:
    """Print the receipt that the transaction or body in FILE (hex) would get now; nothing is written."""
    data = _read_hex(file)
    with suppress(TransactionError):  # What is not signed is a body: the node tells what is wrong with it.
        data = parse_transaction(data).body_bytes
    body = data.hex()
    receipt = with_node(node_url(url, directory), lambda c: c.call("tx_simulate", body=body), api_key=api_key)
    print_receipt(receipt, as_json)


def signing_keys(
    directory: Path, accounts: Sequence[str], key_files: Sequence[Path], passphrase_file: Path | None
) -> list[SigningKey]:
    """Return the keys of a testnet's accounts and of key files, in this order; the first is the sender's.

    Raises:
        CliError: none is named.
    """
    keys = [load_manifest(directory).account(name).key() for name in accounts]
    keys += [open_key(path, passphrase_file).key for path in key_files]
    if not keys:
        raise CliError("nobody signs: name an --account of a testnet or a --key file")
    return keys


def parse_pairs(pairs: Sequence[str]) -> dict[str, Any]:
    """Return arguments of NAME=VALUE form: a VALUE that is JSON as JSON, anything else as text.

    Raises:
        CliError: no such form, a name twice, or a value that no transaction can hold.
    """
    args: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not (equals and name):
            raise CliError(f"{pair!r} has no NAME=VALUE form")
        if name in args:
            raise CliError(f"{name} is given twice")
        args[name] = _value(text)
    return args


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    except RecursionError:
        raise CliError(f"{shortened(text)} is nested too deep") from None
    except ValueError:  # An integer of thousands of digits.
        raise _no_integer(text) from None
    # 1.5, 1e3 or 2^60 would be refused by the chain as MALFORMED, without a hint at the quotes that help.
    if isinstance(value, float) or (isinstance(value, int) and abs(value) > MAX_INT):
        raise _no_integer(text)
    return value


def _no_integer(text: str) -> CliError:
    return CliError(f"{shortened(text)} is no integer between −(2^53 − 1) and 2^53 − 1; put quotes around a text")


def node_url(url: str | None, directory: Path) -> str:
    """Return the node to ask: as given, else a testnet's first running validator, else the default port."""
    if url is not None:
        return url
    try:
        validators = load_manifest(directory).validators
    except TestnetError:
        if directory != DEFAULT_DIR:
            raise
        return DEFAULT_URL
    return next((v.rpc for v in validators if running_pid(v) is not None), validators[0].rpc)


def _read_hex(file: Path) -> bytes:
    try:
        if str(file) == "-":
            text = sys.stdin.read(MAX_FILE_CHARACTERS)
        else:
            with file.open(encoding="utf-8") as source:
                text = source.read(MAX_FILE_CHARACTERS)
    except FileNotFoundError:
        raise CliError(f"{file} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{file} cannot be read: {error}") from None
    text = text.strip()
    if not text or not is_lower_hex(text):
        raise CliError(f"{file} does not hold lower-case hex digits")
    return bytes.fromhex(text)


def print_receipt(receipt: Any, as_json: bool) -> None:
    """Print a receipt; one that says failed ends the command with exit code 1."""
    failed = receipt["status"] != "ok"
    if as_json:
        print_json(receipt)
    else:
        error = receipt.get("error") or {}
        fields = {"id": receipt["id"], "status": receipt["status"], "height": str(receipt["height"])}
        fields |= {"error": f"{error['code']}: {error['message']}"} if error else {}
        fields |= {"details": json.dumps(error["details"], ensure_ascii=False)} if error.get("details") else {}
        print_fields(fields | {"cost": str(receipt["cost"])})
        for result in receipt["results"]:
            click.echo(f"result  {json.dumps(result, ensure_ascii=False)}")
        for event in receipt["events"]:
            click.echo(f"event   {event['type']} {json.dumps(event['data'], ensure_ascii=False)}")
    if failed:
        raise SystemExit(1)
