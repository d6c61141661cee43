"""`entente backup` and `entente restore`: a node's chain and state in one file, and back, verified."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from genesis.document import Genesis
from genesis.durable_files import PUBLIC, exposure, write_durably
from node.cli.keys_commands import KeyPath, warn
from node.runtime.config import NodeConfig, load_config
from node.runtime.errors import ConfigError
from node.terminal.output import CliError, json_option, print_fields, print_json

home_option = click.option(
    "--home", type=click.Path(path_type=Path, file_okay=False), required=True, help="The node's home folder."
)
FilePath = click.Path(path_type=Path, dir_okay=False)


@click.command()
@home_option
@click.option("--to", "file", type=FilePath, required=True, help="The file to write or replace.")
@json_option
def backup(home: Path, file: Path, as_json: bool) -> None:
    """Write a node's chain and state, as of its last block, to one file.

    The node may run: it goes on meanwhile. Its key is not in the file; keep that apart, and safe. The file is read
    back and its checksums are compared before it gets its name.
    """
    config = load_config(home)
    # Imported here, as they bring the database: mistakes are told without waiting for it.
    from node.assembly.admin import ask_backup
    from node.maintenance.backup import BackupError, BackupReader, write_file

    try:
        pieces = ask_backup(home)
        size = write_file(file, _read_stopped(home, config) if pieces is None else pieces)
        reader = BackupReader(file)
        reader.close()
    except (BackupError, ConnectionError) as error:
        raise CliError(f"no backup was made: {error}") from None
    except OSError as error:
        raise CliError(f"no backup was made: {error.strerror or error}") from None
    manifest = reader.manifest
    fields = {
        "file": str(file),
        "bytes": size,
        "chain": manifest.chain,
        "height": manifest.height,
        "digest": manifest.digest.hex(),
        "state_root": manifest.state_root.hex(),
        "online": pieces is not None,
    }
    if as_json:
        print_json(fields)
    else:
        print_fields(fields)


def _read_stopped(home: Path, config: NodeConfig) -> Iterator[bytes]:
    """Yield the backup of a node that does not run."""
    from node.maintenance.backup import frames
    from node.store import Store, StoreError, StoreOptions

    if not (home / "data").is_dir():
        raise ConfigError(f"{home} holds no data")
    try:
        genesis = Genesis.load(home / "genesis.json")
        store = Store.open(home / "data", StoreOptions(state_history_blocks=config.state_history_blocks))
        try:
            yield from frames(store, genesis.chain, _signed(home / "wal", store.head.height))
        finally:
            store.close()
    except StoreError as error:
        raise ConfigError(str(error)) from None


def _signed(folder: Path, height: int) -> int:
    """Return the greatest height that the validator may have signed for, as far as its log can be read."""
    from node.votes.write_ahead_format import WriteAheadLogError
    from node.votes.write_ahead_log import FILE_NAME, WriteAheadLog

    if not (folder / FILE_NAME).exists():
        return height + 1
    try:
        wal = WriteAheadLog(folder)
    except WriteAheadLogError:
        return height + 1
    wal.close()
    return wal.highest


@click.command()
@click.argument("file", type=FilePath)
@home_option
@click.option("--genesis", "genesis_file", type=KeyPath, required=True, help="The chain's genesis document.")
@json_option
def restore(file: Path, home: Path, genesis_file: Path, as_json: bool) -> None:
    """Make HOME/data from a backup, and verify it from the genesis document.

    Every value is hashed into the state root again, and each height is checked from the genesis document to the
    head; what can be computed, such as indexes, is not read from the file. A validator that is started from it
    follows the chain first and signs when that is safe: docs/operations-recovery.md.
    """
    genesis = Genesis.load(genesis_file)
    from node.maintenance.backup import BackupError
    from node.maintenance.restore import restore_backup
    from node.store import StoreError
    from node.votes.write_ahead_format import WriteAheadLogError

    warn(exposure(file))
    try:
        config = load_config(home) if (home / "node.toml").exists() else NodeConfig()
        manifest = restore_backup(file, home, genesis, config.min_free_disk_mib, config.store.engine)
        if not (home / "genesis.json").exists():
            write_durably(home / "genesis.json", genesis.to_json(), mode=PUBLIC)
    except (BackupError, StoreError, WriteAheadLogError) as error:
        raise CliError(str(error)) from None
    except OSError as error:
        raise CliError(f"{home} cannot be written: {error.strerror or error}") from None
    fields = {
        "home": str(home),
        "chain": manifest.chain,
        "height": manifest.height,
        "state_root": manifest.state_root.hex(),
        "signed": manifest.signed,
        "verified": "every record, from the genesis document; indexes and tree pages are made afresh",
        "recovering": True,
    }
    if as_json:
        print_json(fields)
    else:
        print_fields(fields)
