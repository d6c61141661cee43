"""`entente import` and `entente export`: an existing programme's members and balances onto a chain, and back."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from node.cli.keys_commands import passphrase_file_option
from node.cli.moving_report import print_export, print_import, print_plan
from node.cli.output import CliError, json_option, note, print_json
from node.cli.progress import Bar, shown_bar
from node.cli.rpc import NodeRefused, api_key_option
from node.cli.testnet_commands import dir_option
from node.cli.transaction_commands import accounts_option, key_files_option, node_url, rpc_option, signing_keys
from node.client import RpcClient, RpcError
from node.moving.chain import NodeChain
from node.moving.errors import MovingError, Stopped
from node.moving.exporting import Exporter
from node.moving.importing import compare, plan_identity, survey, totals_of, write_rejects
from node.moving.plan import Plan
from node.moving.programme import Programme, programme_of, require_issuer
from node.moving.reading import digest_of, header_of, read_into
from node.moving.rows import MAX_REF, Terms
from node.moving.salt import fingerprint, new_salt, read_salt, write_salt
from node.moving.sending import Progress, Sender, Target
from vm.primitives.address import address_of_key
from vm.primitives.keys import SigningKey

TIMEOUT_S: Final = 60.0
IN_FLIGHT: Final = 8
"""As measured (docs/moving-in.md): more fill no more blocks."""

T = TypeVar("T")
FilePath = click.Path(path_type=Path, dir_okay=False)


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What an import was asked for."""

    file: Path
    program: str
    prefix: str
    salt_file: Path | None
    make_salt: bool
    rejects: Path
    any_address: bool
    dry_run: bool
    yes: bool
    in_flight: int
    as_json: bool


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
@click.option("--in-flight", type=click.IntRange(1, 64), default=IN_FLIGHT, show_default=True, help="Transactions.")
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
    )
    report = _with_chain(node_url(url, directory), api_key, keys, lambda chain: _import(chain, options, keys))
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


# -- import ----------------------------------------------------------------------------------------


async def _import(chain: NodeChain, options: ImportOptions, keys: list[SigningKey]) -> dict[str, Any]:
    header = header_of(options.file)
    programme = await programme_of(chain, options.program)
    if keys:
        await require_issuer(chain, programme.brand, [address_of_key(key.public_key) for key in keys])
    salt = _salt(options, "member" in header.names)
    terms = Terms(programme.brand, programme.offsets, programme.now_ms, options.prefix, salt)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if options.dry_run else options.file.parent
        path = folder / f"{options.file.name}.import"
        words = "" if salt is None else fingerprint(salt)
        identity = plan_identity(digest_of(options.file), programme, options.prefix, words, options.any_address)
        with Plan(path, identity, options.prefix) as plan:
            if plan.reused:
                note(f"{path} has the rows of an earlier run; this run goes on from there.")
            else:
                with shown_bar("reading", None) as bar:
                    read_into(plan, options.file, terms, lambda count: _read(bar, count))
            try:
                return await _carry_out(chain, options, keys, plan, programme)
            finally:
                write_rejects(plan, options.rejects)


def _read(bar: Bar, count: int) -> None:
    """Show how many rows are read; reading awaits nothing, so that an interrupt has to be looked for."""
    bar.update(count)
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _salt(options: ImportOptions, needed: bool) -> bytes | None:
    if not needed:
        return None
    if options.salt_file is None:
        raise MovingError("the column member needs --salt FILE, and --new-salt where there is none yet")
    if not options.make_salt:
        return read_salt(options.salt_file)
    salt = new_salt()
    if options.dry_run:
        if options.salt_file.exists():
            raise MovingError(f"{options.salt_file} exists; leave --new-salt out to use it")
        return salt  # A dry run leaves nothing behind, not even a salt.
    write_salt(options.salt_file, salt)
    note(f"{options.salt_file} is the salt of all member ids now. Keep it, secret, as long as the brand exists.")
    return salt


async def _carry_out(
    chain: NodeChain, options: ImportOptions, keys: list[SigningKey], plan: Plan, programme: Programme
) -> dict[str, Any]:
    target = Target(programme.brand, programme.program, programme.max_tx_cost, options.any_address)
    began = time.monotonic()
    report: dict[str, Any] = {
        "file": str(options.file),
        "chain": programme.chain,
        "program": programme.program,
        "dry_run": options.dry_run,
        "problems": [],
    }
    before = totals_of(plan)
    problem = programme.problem_with(before["open"]["points"])
    if options.dry_run:
        with shown_bar("asking", plan.count("rows")) as bar:
            await survey(plan, chain, target, bar.update)
        problem = programme.problem_with(totals_of(plan)["open"]["points"])
        report["problems"] += [problem] if problem else []
    elif problem:
        raise MovingError(problem)
    else:
        report |= await _pay(chain, options, keys, plan, programme, target)
    return report | _told(plan, options, programme, time.monotonic() - began)


async def _pay(
    chain: NodeChain,
    options: ImportOptions,
    keys: list[SigningKey],
    plan: Plan,
    programme: Programme,
    target: Target,
) -> dict[str, Any]:
    """Pay the open rows, and return what this run has done and what was wrong with it."""
    totals = totals_of(plan)
    if not options.yes:
        print_plan(plan, programme, totals, options.rejects)
        _confirm(f"Issue {totals['open']['points']:,} points on {programme.chain}?")
    problems: list[str] = []
    with shown_bar("paying", totals["open"]["rows"]) as bar:
        sender = Sender(plan, chain, target, lambda progress: _tell(bar, progress))
        try:
            await sender.run(options.in_flight)
        except Stopped as stopped:
            problems.append(f"{stopped}; the same command goes on from here")
        except asyncio.CancelledError:
            # By Ctrl-C; a second one ends the command at once. What is paid is noted in the plan already.
            problems.append("interrupted, and what was sent may still be paid; the same command goes on from here")
    progress = sender.progress
    done: dict[str, Any] = {
        "transactions": progress.transactions,
        "enrolled": progress.enrolled,
        "points": progress.points,
        "problems": problems,
    }
    if not problems:
        account = address_of_key(keys[0].public_key)
        comparison = await compare(chain, programme.program, account, programme.supply, progress)
        done["supply"] = comparison.as_json()
        if not comparison.agrees:
            problems.append(
                f"the program's issued points grew by {comparison.grown:,}, and this import has paid "
                f"{comparison.expected:,}: others have issued meanwhile, or something is wrong"
            )
    return done


def _confirm(question: str) -> None:
    """Ask whether to go on. Ctrl-C ends the question, where the event loop would wait for the answer."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        click.confirm(question, abort=True, err=True)
    finally:
        signal.signal(signal.SIGINT, handler)


def _tell(bar: Bar, progress: Progress) -> None:
    bar.update(progress.rows, f"{progress.points:,} points, {progress.transactions:,} transactions")


def _told(plan: Plan, options: ImportOptions, programme: Programme, seconds: float) -> dict[str, Any]:
    """Return what a report says of the plan."""
    rejected = plan.count("rejects")
    dated = any(entry["expires"] is not None for entry in totals_of(plan)["by_date"])
    remark = "the program's points expire by inactivity: any later activity of a member gives them all a new date"
    return {
        "rows": plan.count("rows") + plan.count("rejects WHERE NOT by_chain"),
        "rejected": rejected,
        "rejects_file": str(options.rejects) if rejected else None,
        "members": {"named": plan.count("members"), "enrolled": plan.count("members WHERE enrolled")},
        **totals_of(plan),
        "remarks": [remark] if dated and programme.expiry == "inactivity" else [],
        "seconds": round(seconds, 1),
    }


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
