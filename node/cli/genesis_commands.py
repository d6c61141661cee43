"""`entente genesis`: the document that all validators of a new chain agree on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
import msgspec

from genesis.alliance_unit import AllianceUnit, template
from genesis.document import Genesis, GenesisDocument, GenesisValidator
from genesis.durable_files import PUBLIC, write_durably
from genesis.errors import GenesisDocumentError
from genesis.protocol import build_runtime
from node.cli.keys_commands import KeyPath
from node.terminal.output import CliError, json_option, note, print_fields, print_json, shortened, utc
from vm.params import Params
from vm.primitives.address import is_address
from vm.primitives.units import bounded_digits


@click.group()
def genesis() -> None:
    """Make, check and read genesis documents.

    The chain's name ends with a hash of the document: partners who see the same name have the same document.
    """


@genesis.command()
@click.argument("file", type=KeyPath)
@click.option("--name", required=True, help="The first part of the chain's name.")
@click.option(
    "--validator",
    "validators",
    multiple=True,
    required=True,
    metavar="BRAND=KEY",
    help="A brand and its validator's public key; at least four.",
)
@click.option(
    "--admin",
    "admins",
    multiple=True,
    metavar="BRAND=ADDRESS",
    help="Registers a brand, with this account as an admin; repeat for more brands and admins.",
)
@click.option(
    "--unit",
    type=KeyPath,
    help="A file of terms for a unit of the whole alliance, as `entente genesis template` prints it.",
)
@click.option("--node", "nodes", multiple=True, metavar="KEY", help="A permitted full node that is no validator.")
@click.option("--param", "params", multiple=True, metavar="NAME=INTEGER", help="A chain parameter; see docs.")
@json_option
def new(
    file: Path,
    name: str,
    validators: tuple[str, ...],
    admins: tuple[str, ...],
    unit: Path | None,
    nodes: tuple[str, ...],
    params: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write a genesis document to FILE."""
    start = time.time_ns() // 1_000_000
    unit_ops = [] if unit is None else AllianceUnit.load(unit).ops(start)
    document = GenesisDocument(
        name=name,
        time=start,
        validators=[GenesisValidator(key, brand) for brand, key in map(_pair, validators)],
        ops=[*_register_ops(admins), *unit_ops],
        nodes=list(nodes),
        params=_params(params),
    )
    made = Genesis(document)
    made.genesis_state(build_runtime())
    try:
        write_durably(file, made.to_json(), mode=PUBLIC, replace=False)
    except FileExistsError:
        raise CliError(f"{file} exists already") from None
    except OSError as error:
        raise CliError(f"{file} cannot be written: {error.strerror}") from None
    _print_summary(made, as_json)


@genesis.command("template", short_help="Print terms for a unit of the whole alliance.")
def print_template() -> None:
    """Print terms for a unit of the whole alliance, to be changed and given to `genesis new --unit`."""
    click.echo(template(), nl=False)


@genesis.command(short_help="Check FILE as a node does.")
@click.argument("file", type=KeyPath)
@json_option
def validate(file: Path, as_json: bool) -> None:
    """Check FILE as a node does, its operations included; exit code 1 where something is wrong."""
    try:
        checked = Genesis.load(file)
    except GenesisDocumentError as error:
        if as_json:
            print_json({"valid": False, "problems": error.problems})
        for problem in error.problems:
            note(f"Error: {problem}")
        raise SystemExit(1) from None
    checked.genesis_state(build_runtime())
    if as_json:
        print_json({"valid": True, "chain": checked.chain, "problems": []})
    else:
        click.echo(f"{file} is a valid genesis document of chain {checked.chain}")


@genesis.command()
@click.argument("file", type=KeyPath)
@json_option
def show(file: Path, as_json: bool) -> None:
    """Print what FILE begins: chain, time, validators, parameters."""
    _print_summary(Genesis.load(file), as_json)


def _print_summary(made: Genesis, as_json: bool) -> None:
    document = made.document
    params: dict[str, Any] = msgspec.to_builtins(document.params)
    fields = {
        "chain": made.chain,
        "digest": made.digest.hex(),
        "time": document.time,
        "validators": [{"brand": v.brand, "public_key": v.public_key} for v in document.validators],
        "nodes": document.nodes,
        "operations": len(document.ops),
        "params": params,
    }
    if as_json:
        print_json(fields)
        return
    shown = {"chain": made.chain, "digest": made.digest.hex(), "time": utc(document.time)}
    shown |= {f"validator {v.brand}": v.public_key for v in document.validators}
    shown |= {"full nodes": str(len(document.nodes)), "operations": str(len(document.ops))}
    print_fields(shown | {name: str(value) for name, value in params.items()})


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (equals and name and value):
        raise CliError(f"{text!r} has no NAME=VALUE form")
    return name, value


def _register_ops(admins: tuple[str, ...]) -> list[tuple[str, dict[str, Any]]]:
    by_brand: dict[str, list[str]] = {}
    for brand, address in map(_pair, admins):
        if not is_address(address):
            raise CliError(f"{address!r} is no address; `entente keys show FILE` prints one")
        by_brand.setdefault(brand, []).append(address)
    return [
        ("identity.register_brand", {"brand": brand, "name": brand.capitalize(), "admins": addresses})
        for brand, addresses in by_brand.items()
    ]


def _params(pairs: tuple[str, ...]) -> Params:
    values: dict[str, int] = {}
    for name, value in map(_pair, pairs):
        if name not in Params.__struct_fields__:
            raise CliError(f"there is no parameter {name!r}; there are {', '.join(Params.__struct_fields__)}")
        number = bounded_digits(value)
        if number is None:
            raise CliError(f"parameter {name} is an integer from 0 to 2^53 − 1, not {shortened(value)!r}")
        values[name] = number
    return Params(**values)
