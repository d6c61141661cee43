"""The steps of `entente import`: read, ask or pay, and report; what a person sees and answers between them."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from node.cli.moving_report import print_plan
from node.cli.progress import Bar, shown_bar
from node.moving.chain import NodeChain
from node.moving.errors import MovingError, Stopped
from node.moving.importing import compare, plan_identity, survey, totals_of, write_rejects
from node.moving.paths import Named, require_distinct, require_rejects
from node.moving.plan import Plan, companions
from node.moving.programme import Programme, programme_of, require_issuer
from node.moving.reading import digest_of, has_rows_of, header_of, read_into
from node.moving.rows import Terms
from node.moving.salt import fingerprint, new_salt, read_salt, write_salt
from node.moving.sending import Progress, Sender, Target
from node.terminal.output import note
from vm.primitives.address import address_of_key
from vm.primitives.keys import SigningKey


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
    secrets: tuple[Path, ...] = ()
    """Key and passphrase files."""

    @property
    def plan(self) -> Path:
        """Where the plan is, except that of a dry run."""
        return self.file.with_name(f"{self.file.name}.import")


async def run_import(chain: NodeChain, options: ImportOptions, keys: list[SigningKey]) -> dict[str, Any]:
    """Carry out an import, or its dry run, and return the report.

    Raises:
        MovingError: nothing, or nothing more, could be done.
    """
    _require_paths(options)
    header = header_of(options.file)
    programme = await programme_of(chain, options.program)
    if keys:
        await require_issuer(chain, programme.brand, [address_of_key(key.public_key) for key in keys])
    salt = _salt(options, "member" in header.names)
    terms = Terms(programme.brand, programme.offsets, programme.now_ms, options.prefix, salt)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / options.plan.name if options.dry_run else options.plan
        words = "" if salt is None else fingerprint(salt)
        digest = digest_of(options.file)
        identity = plan_identity(digest, programme, options.prefix, words, options.any_address)
        with Plan(path, identity, options.prefix) as plan:
            _fill(plan, options.file, digest, terms)
            try:
                return await _carry_out(chain, options, keys, plan, programme)
            finally:
                write_rejects(plan, options.rejects)


def _require_paths(options: ImportOptions) -> None:
    """Refuse files that are one, and rejects that would take the place of something else, before all else."""
    files: list[Named] = [("the file to import", options.file), ("the plan of the import", options.plan)]
    files += [("a journal of the plan", path) for path in companions(options.plan)]
    files += [("a file with a key or passphrase", path) for path in dict.fromkeys(options.secrets)]
    if options.salt_file is not None:
        files.append(("the salt", options.salt_file))
    require_distinct([*files, ("the file of rejects", options.rejects)])
    require_rejects(options.rejects)


def _fill(plan: Plan, file: Path, digest: str, terms: Terms) -> None:
    """Let a plan hold the rows of the file: those of an earlier run only where they are the same."""
    if plan.reused:
        with shown_bar("comparing", None) as bar:
            if has_rows_of(plan, file, terms, lambda count: _read(bar, count)):
                note(f"{plan.path} has the rows of an earlier run; this run goes on from there.")
                return
        note(f"{plan.path} has other rows than {file}; it is made anew.")
        plan.restart()
    with shown_bar("reading", None) as bar:
        read_into(plan, file, digest, terms, lambda count: _read(bar, count))


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
