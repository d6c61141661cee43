"""`entente codes`: pools of codes for campaigns, made and looked up on a brand's own machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from node.client.code_pools import (
    DEFAULT_LENGTH,
    MAX_COUNT,
    MAX_LENGTH,
    MIN_LENGTH,
    CodePoolError,
    find_code,
    new_pool,
)
from node.terminal.output import CliError, json_option, print_fields, print_json

FolderPath = click.Path(path_type=Path, file_okay=False)


@click.group()
def codes() -> None:
    """Make pools of codes, of which the chain gets the root only, and find what redeems a code.

    The folder is a vault: anyone who reads its codes.csv can redeem them.
    """


@codes.command()
@click.option("--count", type=click.IntRange(1, MAX_COUNT), required=True, help="How many codes.")
@click.option("--to", "folder", type=FolderPath, required=True, help="An empty folder, or one to be made.")
@click.option("--prefix", default="", help="What each code begins with, such as SUMMER-.")
@click.option(
    "--length",
    type=click.IntRange(MIN_LENGTH, MAX_LENGTH),
    default=DEFAULT_LENGTH,
    show_default=True,
    help="Random characters of each code.",
)
@json_option
def new(count: int, folder: Path, prefix: str, length: int, as_json: bool) -> None:
    """Make a pool of random codes with salts; print what `campaign.codes` takes.

    \b
    entente codes new --count 100000 --prefix SUMMER- --to vault/summer
    """
    try:
        made = {"root": new_pool(folder, count, prefix=prefix, length=length), "count": count}
    except CodePoolError as error:
        raise CliError(str(error)) from None
    except OSError as error:
        raise CliError(f"{folder} cannot be written: {error.strerror}") from None
    if as_json:
        print_json(made)
    else:
        print_fields(made)


@codes.command()
@click.argument("code")
@click.option("--from", "folder", type=FolderPath, required=True, help="The pool's folder.")
@json_option
def path(code: str, folder: Path, as_json: bool) -> None:
    """Print what redeems CODE: its salt and path, and the leaf under which it is reserved or looked up."""
    try:
        found = find_code(folder, code)
    except CodePoolError as error:
        raise CliError(str(error)) from None
    if as_json:
        print_json(asdict(found))
    else:
        print_fields({**asdict(found), "path": ",".join(found.path)})
