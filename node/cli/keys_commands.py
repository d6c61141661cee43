"""`entente keys`: key files, encrypted under a passphrase unless asked otherwise."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import click

from genesis.durable_files import make_private_folder
from genesis.keystore import (
    PASSPHRASE_ENV,
    LoadedKey,
    find_passphrase,
    generate_key,
    load_key,
    parse_seed,
    public_fields,
    read_key_file,
    take_passphrase,
    write_key_file,
)
from node.runtime.config import hashed_key
from node.terminal.output import json_option, note, print_fields, print_json
from vm.primitives.keys import SigningKey

KeyPath = click.Path(path_type=Path, dir_okay=False)

API_KEY_BYTES: Final = 32
"""256 random bits: it cannot be guessed, so its plain hash may be stored."""

passphrase_file_option = click.option(
    "--passphrase-file",
    type=KeyPath,
    help="A file with the passphrase; else ENTENTE_PASSPHRASE, else you are asked.",
)
unencrypted_option = click.option("--unencrypted", is_flag=True, help="Keep the key in clear: for testnets only.")


def open_key(path: Path, passphrase_file: Path | None) -> LoadedKey:
    """Load a key file for a command, telling its warnings."""
    ask = _asker(lambda: str(click.prompt(f"Passphrase of {path}", hide_input=True, err=True)))
    loaded = load_key(path, find_passphrase(passphrase_file, passphrase_of_environment(), ask))
    warn(loaded.warnings)
    return loaded


def warn(sentences: Iterable[str]) -> None:
    """Tell the operator what ought to be changed."""
    for sentence in sentences:
        note(f"warning: {sentence}")


def passphrase_of_environment() -> str | None:
    """Return the passphrase that the command was started with; its children and later readers do not find it.

    It stays in the command's context, as one command may open several keys.
    """
    meta = click.get_current_context().meta
    if PASSPHRASE_ENV not in meta:
        meta[PASSPHRASE_ENV] = take_passphrase(os.environ)
    found: str | None = meta[PASSPHRASE_ENV]
    return found


def save_key(path: Path, key: SigningKey, unencrypted: bool, passphrase_file: Path | None) -> None:
    """Write a new key file for a command."""
    ask = _asker(
        lambda: str(click.prompt("New passphrase", hide_input=True, confirmation_prompt="Once more", err=True))
    )
    passphrase = None if unencrypted else find_passphrase(passphrase_file, passphrase_of_environment(), ask)()
    # The first thing that a new operator types is `keys new HOME/key.json`, and there is no HOME yet.
    with contextlib.suppress(OSError):  # writing the file says what is wrong
        if path.parent.parent.is_dir():
            make_private_folder(path.parent)
    write_key_file(path, key, passphrase)


def _asker(ask: Callable[[], str]) -> Callable[[], str] | None:
    # A script without a terminal must fail with a sentence instead of waiting for an answer.
    return ask if sys.stdin.isatty() else None


@click.group()
def keys() -> None:
    """Make and read key files.

    A key file holds one Ed25519 key, encrypted under a passphrase: from --passphrase-file, from the environment
    variable ENTENTE_PASSPHRASE, or asked for.
    """


@keys.command()
@click.argument("file", type=KeyPath)
@unencrypted_option
@passphrase_file_option
@json_option
def new(file: Path, unencrypted: bool, passphrase_file: Path | None, as_json: bool) -> None:
    """Make a new key and write it to FILE."""
    save_key(file, generate_key(), unencrypted, passphrase_file)
    _show(file, as_json)


@keys.command()
@click.argument("file", type=KeyPath)
@json_option
def show(file: Path, as_json: bool) -> None:
    """Print the public key and address of FILE; needs no passphrase."""
    _show(file, as_json)


@keys.command("import")
@click.argument("file", type=KeyPath)
@unencrypted_option
@passphrase_file_option
@json_option
def import_(file: Path, unencrypted: bool, passphrase_file: Path | None, as_json: bool) -> None:
    """Write a key whose seed you have to FILE.

    The seed, 64 hex digits, is read from standard input, so that it does not stand in the shell's history.
    """
    if sys.stdin.isatty():
        text = click.prompt("Seed (64 hex digits)", hide_input=True, err=True)
    else:
        text = sys.stdin.readline()
    save_key(file, parse_seed(text), unencrypted, passphrase_file)
    _show(file, as_json)


@keys.command()
@click.argument("file", type=KeyPath)
@passphrase_file_option
@json_option
def export(file: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Print the secret seed of FILE in clear. Anyone who reads it holds the key."""
    seed = open_key(file, passphrase_file).key.seed.hex()
    if as_json:
        print_json({"seed": seed})
    else:
        click.echo(seed)


@keys.command(short_help="Make an API key, and its hash for node.toml.")
@json_option
def api(as_json: bool) -> None:
    """Make an API key for a node's JSON-RPC: the key for the client, its hash for node.toml."""
    key = secrets.token_urlsafe(API_KEY_BYTES)
    fields = {"key": key, "entry": hashed_key(key)}
    if as_json:
        print_json(fields)
    else:
        print_fields(fields)


def _show(file: Path, as_json: bool) -> None:
    fields = {"file": str(file), **public_fields(read_key_file(file))}
    if as_json:
        print_json(fields)
    else:
        print_fields(fields)
