"""`entente import` and `entente export`: an existing programme's members and balances onto a chain, and back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from node.cli.keys_commands import passphrase_file_option
from node.cli.moving_import import ImportOptions, run_import
from node.cli.moving_report import print_export, print_import
from node.cli.progress import shown_bar
from node.cli.rpc import NodeRefused, api_key_option
from node.cli.testnet_commands import dir_option
from node.cli.transaction_commands import accounts_option, key_files_option, node_url, rpc_option, signing_keys
from node.client import RpcClient, RpcError
from node.moving.chain import NodeChain
from node.moving.errors import MovingError
from node.moving.exporting import Exporter
from node.moving.programme import programme_of
from node.moving.rows import MAX_REF
from node.terminal.output import CliError, json_option, print_json
from vm.primitives.keys import SigningKey

TIMEOUT_S: Final = 60.0
IN_FLIGHT: Final = 8
"""Three fill what a brand may use of a block; the next ones wait at the node meanwhile (docs/moving-in.md)."""

T = TypeVar("T")
FilePath = click.Path(path_type=Path, dir_okay=False)


@click.command("import", short_help="Move an existing programme's members and balances onto a chain.")
@click.argument("file", type=FilePath)
@click.option("--program", required=True, help="The program into which the points are issued; it must exist.")
@click.option("--salt", "salt_file", type=FilePath, help="The file with the salt for the column `member`.")
@click.option("--new-salt", is_flag=True, help="Make the salt file; once for all imports of a brand.")
@click.option("--prefix", default="import-", show_default=True, help="Stands before each row's ref on the chain.")
@click.option("--rejects", type=FilePath, help="Where rows that are not taken go.  [default: FILE.rejects.csv]")
@click.option("--any-address", is_flag=True, help="Also pay addresses that the chain has never seen.")
@click.option("--dry-run", is_flag=True, help="Read and check everything, and tell; write nothing on the chain.")
@click.option("--yes", is_flag=True, help="Do not ask before the first transaction.")
@click.option(
    "--in-flight", type=click.IntRange(1, 64), default=IN_FLIGHT, show_default=True, help="Transactions at once."
)
@key_files_option
@accounts_option
@dir_option
@rpc_option
@api_key_option
@passphrase_file_option
@json_option
def import_(
    file: Path,
    program: str,
    salt_file: Path | None,
    new_salt: bool,
    prefix: str,
    rejects: Path | None,
    any_address: bool,
    dry_run: bool,
    yes: bool,
    in_flight: int,
    key_files: tuple[Path, ...],
    accounts: tuple[str, ...],
    directory: Path,
    url: str | None,
    api_key: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Issue the balances in FILE (CSV; docs/moving-in.md has its columns) to their members, and enroll these.

    A second run pays nothing twice, and goes on where the first one ended. Exit code 1 where a row was not
    taken, or the program's supply did not grow by what was paid.

    \b
    entente import members.csv --program points --salt aurora.salt --account aurora-admin --dry-run
    """
    if not (prefix.isascii() and prefix.isprintable() and " " not in prefix and len(prefix) < MAX_REF):
        raise CliError(f"--prefix is up to {MAX_REF - 1} printable ASCII characters without blanks")
    keys = (
        []
        if dry_run and not (accounts or key_files)
        else signing_keys(directory, accounts, key_files, passphrase_file)
    )
    options = ImportOptions(
        file=file,
        program=program,
        prefix=prefix,
        salt_file=salt_file,
        make_salt=new_salt,
        rejects=rejects or file.with_name(f"{file.name}.rejects.csv"),
        any_address=any_address,
        dry_run=dry_run,
        yes=yes,
        in_flight=in_flight,
        as_json=as_json,
        secrets=(*key_files, *([] if passphrase_file is None else [passphrase_file])),
    )
    report = _with_chain(node_url(url, directory), api_key, keys, lambda chain: run_import(chain, options, keys))
    if as_json:
        print_json(report)
    else:
        print_import(report)
    if report["problems"] or report["rejected"]:
        raise SystemExit(1)


@click.command(short_help="Write a program's members and balances to a file.")
@click.option("--program", required=True, help="The program.")
@click.option("--out", "file", type=FilePath, required=True, help="The CSV file to write.")
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@dir_option
@rpc_option
@api_key_option
@json_option
def export(
    program: str, file: Path, force: bool, directory: Path, url: str | None, api_key: str | None, as_json: bool
) -> None:
    """Write all balances of a program as of one height to a CSV file that `entente import` takes.

    Exit code 1 where the rows do not add up to the program's supply.
    """
    report = _with_chain(node_url(url, directory), api_key, [], lambda chain: _export(chain, program, file, force))
    if as_json:
        print_json(report)
    else:
        print_export(report)
    if report["problems"]:
        raise SystemExit(1)


def _with_chain(
    url: str, api_key: str | None, keys: list[SigningKey], action: Callable[[NodeChain], Awaitable[T]]
) -> T:
    async def run() -> T:
        async with RpcClient(url, api_key=api_key, timeout_s=TIMEOUT_S) as client:
            return await action(NodeChain(client, keys))

    try:
        return asyncio.run(run())
    except MovingError as error:
        raise CliError(str(error)) from None
    except RpcError as error:
        raise NodeRefused(f"{error.message} ({error.reason or error.code})") from None


# -- export ----------------------------------------------------------------------------------------


async def _export(chain: NodeChain, program: str, file: Path, force: bool) -> dict[str, Any]:
    if file.exists() and not force:
        raise MovingError(f"{file} exists; --force replaces it")
    programme = await programme_of(chain, program)
    with shown_bar("reading", None) as bar:
        exporter = Exporter(chain, programme, lambda done: bar.update(done.rows))
        done = await exporter.write(file, replace=force)
    remarks = []
    if done.points["held"]:
        remarks.append("held points are in the file as rows of their own; let the holds end before it is imported")
    if done.debtors:
        remarks.append(f"{done.debtors:,} accounts owe {done.points['debt']:,} points, which no row says")
    return {
        "file": str(file),
        "chain": programme.chain,
        "program": program,
        "height": done.height,
        "holders": done.holders,
        "rows": done.rows,
        "points": done.points,
        "supply": programme.supply.counters,
        "problems": done.problems(programme.supply.counters),
        "remarks": remarks,
    }
