"""`entente verify`: check what a node answered, offline, with nothing but the genesis document."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec

from genesis.document import Genesis
from node.cli.keys_commands import KeyPath
from node.light_client.documents import verify_receipt, verify_state
from node.light_client.draws import check_draw
from node.light_client.errors import VerificationFailed
from node.terminal.output import CliError, json_option, print_json, utc

genesis_option = click.option(
    "--genesis", "genesis_file", type=KeyPath, required=True, help="The chain's genesis document."
)
_SHOWN_PROBLEMS = 5
FileOrDash = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


@click.group()
def verify() -> None:
    """Prove a receipt, a state value or a draw to someone who has only the genesis document.

    Of a receipt or state value, FILE holds what a node answered to chain_receipt with proof=true or to state_proof:
    the whole JSON-RPC answer or its result; - reads standard input. No node is asked.
    """


@verify.command()
@click.argument("file", type=FileOrDash)
@genesis_option
@json_option
def receipt(file: Path, genesis_file: Path, as_json: bool) -> None:
    """Verify a receipt: the transaction was executed, with this result."""
    proved = _verified(verify_receipt, file, genesis_file)
    what = f"receipt of {proved.receipt['id']} ({proved.receipt['status']})"
    _print(proved, what, as_json)


@verify.command()
@click.argument("file", type=FileOrDash)
@genesis_option
@json_option
def state(file: Path, genesis_file: Path, as_json: bool) -> None:
    """Verify a state value, or that there is none."""
    proved = _verified(verify_state, file, genesis_file)
    value = json.dumps(_hexed(proved.value), ensure_ascii=False)
    what = f"{proved.key} is {value}" if proved.exists else f"{proved.key} does not exist"
    _print(proved, what, as_json)


@verify.command()
@click.argument("file", type=FileOrDash)
@genesis_option
@json_option
def draw(file: Path, genesis_file: Path, as_json: bool) -> None:
    """Verify a draw: FILE is what `entente draw proof` has collected.

    The seed is certified and follows from the block and the secrets; the winners follow from seed and entries.
    """
    document = _document(file)
    try:
        found = list(check_draw(document, Genesis.load(genesis_file)))
    except VerificationFailed as error:
        raise CliError(f"not proved: {error}") from None
    if found:
        raise CliError("not proved: " + "; ".join(found[:_SHOWN_PROBLEMS]))
    proof = document["draw"]
    winners = [number for number in proof["numbers"] if number.get("place") is not None]
    if as_json:
        print_json({"draw": proof["draw"], "status": proof["status"], "winners": winners})
        return
    click.echo(f"proved: {proof['draw']} is {proof['status']}, choosable by {proof['choosable_by']}")
    for winner in winners:
        click.echo(f"  {winner['prize']}: {winner['winner']}")


def _verified(check: Callable[[Any, Genesis], Any], file: Path, genesis_file: Path) -> Any:
    genesis = Genesis.load(genesis_file)
    try:
        return check(_document(file), genesis)
    except VerificationFailed as error:
        raise CliError(f"not proved: {error}") from None


def _document(file: Path) -> Any:
    try:
        document = json.loads(sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CliError(f"{file} does not exist") from None
    except OSError as error:
        raise CliError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise CliError(f"{file} is not JSON: {error}") from None
    if isinstance(document, dict) and "jsonrpc" in document:
        document = document.get("result")
    return document


def _print(proved: Any, what: str, as_json: bool) -> None:
    if as_json:
        print_json(_hexed(msgspec.structs.asdict(proved)))
    else:
        click.echo(f"proved for chain {proved.chain}, height {proved.height}, {utc(proved.time)}: {what}")


def _hexed(value: Any) -> Any:
    """Return plain values as clients see them: bytes in hex."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {key: _hexed(item) for key, item in value.items()}
    return [_hexed(item) for item in value] if isinstance(value, list | tuple) else value
