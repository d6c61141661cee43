"""`entente load`: load on a running network, and a table of what became of it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from genesis.errors import TestnetError
from genesis.testnet import load_manifest
from node.cli.keys_commands import open_key, passphrase_file_option
from node.cli.progress import shown_bar
from node.cli.rpc import DEFAULT_URL, api_key_option
from node.cli.testnet_commands import DEFAULT_DIR, dir_option
from node.client import ConnectionFailed, RetryPolicy, RpcClient, RpcError
from node.load.accounts import MAX_ACCOUNTS, Accounts
from node.load.errors import LoadError
from node.load.running import closed_loop, open_loop, watched
from node.load.sending import Sender
from node.load.setup import chain_clock, prepared
from node.load.tally import Tally
from node.load.units import KINDS, MAX_OPERATIONS, MAX_PER_REQUEST, Kind, Requests, Shape
from node.terminal.interrupts import end_like_ctrl_c
from node.terminal.output import CliError, console, json_option, note, print_json, table
from node.testnet.processes import running_pid
from vm.primitives.keys import SigningKey

DEFAULT_IN_FLIGHT: Final = 1_000
MAX_IN_FLIGHT: Final = 50_000
"""As many as the pool of one node holds by default."""

MAX_CLIENTS: Final = 200
"""Connections to one node, which takes 256 from one address by default (node/runtime/config.py)."""

REQUESTS_A_SECOND: Final = 20
"""Requests into which a rate of single transactions is cut: they are sent every 50 ms."""

SIGNER: Final = "admin.json"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says of the load.

    Attributes:
        rate: units a second; None for a closed loop of `in_flight` units.
    """

    shape: Shape
    seconds: float
    rate: float | None
    in_flight: int
    api_key: str | None

    @property
    def clients(self) -> int:
        """How many requests are on their way at once in a closed loop."""
        return max(1, self.in_flight // self.shape.units)


@click.command()
@click.argument("kind", type=click.Choice(KINDS), default="transfer")
@click.option(
    "--rate",
    type=click.FloatRange(0.1, 100_000),
    help="Units a second, on a fixed schedule.  [default: --in-flight]",
)
@click.option(
    "--in-flight",
    type=click.IntRange(1, MAX_IN_FLIGHT),
    help=f"Keep so many units on their way: as many a second as the network takes.  [default: {DEFAULT_IN_FLIGHT}]",
)
@click.option("--seconds", type=click.FloatRange(1, 86_400), default=30.0, show_default=True, help="How long.")
@click.option(
    "--batch-signatures",
    "signed_together",
    type=click.IntRange(1, MAX_PER_REQUEST),
    default=64,
    show_default=True,
    help="Transactions under one signature; 1 gives each its own.",
)
@click.option(
    "--operations",
    type=click.IntRange(1, MAX_OPERATIONS),
    default=1,
    show_default=True,
    help="Units in one transaction.",
)
@click.option(
    "--accounts",
    "count",
    type=click.IntRange(2, MAX_ACCOUNTS),
    default=1_000,
    show_default=True,
    help="Accounts among which points move.",
)
@click.option(
    "--account",
    "name",
    help="The testnet's account that issues the points, such as aurora-admin.  [default: the first one]",
)
@click.option(
    "--keys",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help=f"In its place, a folder of key files: {SIGNER}, of a brand's admin and issuer; two or more others are "
    "the accounts, else some are made.",
)
@dir_option
@click.option(
    "--rpc",
    "urls",
    multiple=True,
    help=f"A node to send to; may be repeated.  [default: the running validators of the testnet in DIR, else "
    f"{DEFAULT_URL}]",
)
@api_key_option
@passphrase_file_option
@json_option
def load(
    kind: Kind,
    rate: float | None,
    in_flight: int | None,
    seconds: float,
    signed_together: int,
    operations: int,
    count: int,
    name: str | None,
    folder: Path | None,
    directory: Path,
    urls: tuple[str, ...],
    api_key: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Put load on a running network, and print what became of it.

    KIND is what a unit is: a transfer between accounts, an issue with a reference, or a recorded purchase (record).
    The load makes a program, accounts and points of its own; they stay on the chain, and the next load uses them
    again. Ctrl-C ends the load and prints what was measured so far. Exit code 1 where nothing became final.

    \b
    entente load transfer --in-flight 4800 --seconds 60
    entente load record --rate 200 --batch-signatures 1
    """
    if rate is not None and in_flight is not None:
        raise click.UsageError("--rate and --in-flight exclude each other")
    flying = DEFAULT_IN_FLIGHT if in_flight is None else in_flight
    options = Options(_shape(kind, operations, signed_together, rate, flying), seconds, rate, flying, api_key)
    nodes = _urls(urls, directory)
    _require_fit(options, len(nodes))
    if folder is None:
        key = _testnet_key(directory, name)
        accounts = Accounts.derived(key, count)
    else:
        key, accounts = _keys_of(folder, count, passphrase_file)
    end_like_ctrl_c()
    tally, ended = _run(nodes, key, accounts, options)
    if not ended:
        note("interrupted; this is what was measured so far")
    if as_json:
        print_json(_described(options, len(accounts), nodes) | {"interrupted": not ended} | tally.as_json())
    else:
        _print(options, tally)
    if not tally.final:
        raise SystemExit(1)


def _shape(kind: Kind, operations: int, signed_together: int, rate: float | None, in_flight: int) -> Shape:
    """Return what a request holds: single transactions go together too, but not so many that they come in gusts."""
    at_once = in_flight / REQUESTS_A_SECOND if rate is None else rate / REQUESTS_A_SECOND
    together = max(1, min(100, int(at_once / operations)))
    return Shape(kind, operations, signed_together, together)


def _require_fit(options: Options, nodes: int) -> None:
    units = options.shape.units
    if options.rate is None and units > options.in_flight:
        raise CliError(
            f"a request holds {units:,} units: raise --in-flight to that, or lower --batch-signatures or "
            "--operations"
        )
    if options.rate is None and options.clients > MAX_CLIENTS * nodes:
        raise CliError(
            f"--in-flight {options.in_flight:,} would take {options.clients:,} connections, and {nodes} nodes take "
            f"{MAX_CLIENTS * nodes:,}: raise --batch-signatures or --operations, or name more nodes with --rpc"
        )


def _urls(urls: Sequence[str], directory: Path) -> list[str]:
    """Return the nodes to send to."""
    if urls:
        return list(urls)
    try:
        validators = load_manifest(directory).validators
    except TestnetError:
        if directory != DEFAULT_DIR:
            raise
        return [DEFAULT_URL]
    running = [validator.rpc for validator in validators if running_pid(validator) is not None]
    if not running:
        raise CliError(f"no validator of the testnet in {directory} runs; start it with `entente testnet up`")
    return running


def _testnet_key(directory: Path, name: str | None) -> SigningKey:
    manifest = load_manifest(directory)
    account = manifest.accounts[0] if name is None else manifest.account(name)
    return account.key()


def _keys_of(folder: Path, count: int, passphrase_file: Path | None) -> tuple[SigningKey, Accounts]:
    """Return the key that issues, and the accounts: those of the folder, or made ones."""
    key = open_key(folder / SIGNER, passphrase_file).key
    others = sorted(path for path in folder.glob("*.json") if path.name != SIGNER)
    if not others:
        return key, Accounts.derived(key, count)
    if not 2 <= len(others) <= MAX_ACCOUNTS:
        raise CliError(
            f"{folder} holds one key beside {SIGNER}; a load needs two accounts, or none to make its own"
        )
    return key, Accounts([open_key(path, passphrase_file).key for path in others])


def _run(urls: Sequence[str], key: SigningKey, accounts: Accounts, options: Options) -> tuple[Tally, bool]:
    """Prepare and run the load; failures of the preparation are told in one sentence."""
    try:
        return asyncio.run(_prepare_and_run(urls, key, accounts, options))
    except LoadError as error:
        raise CliError(str(error)) from None
    except ConnectionFailed as error:
        raise CliError(f"{error}; does the network run?") from None
    except RpcError as error:
        raise CliError(
            f"the node refuses to prepare the load: {error.message} ({error.reason or error.code})"
        ) from None


async def _prepare_and_run(
    urls: Sequence[str], key: SigningKey, accounts: Accounts, options: Options
) -> tuple[Tally, bool]:
    async with AsyncExitStack() as stack:
        policy = RetryPolicy(attempts=2)
        clients = [
            await stack.enter_async_context(RpcClient(url, api_key=options.api_key, retries=policy)) for url in urls
        ]
        clock = await chain_clock(clients[0])
        with shown_bar("preparing", len(accounts) + 1) as bar:
            brand = await prepared(clients[0], key, accounts, options.shape.kind, clock, bar.update)
        requests = Requests(clock, brand, accounts, options.shape)
        made = map(requests.make, itertools.count())
        tally = Tally()
        senders = [Sender(client, tally) for client in clients]
        if options.rate is None:
            load = closed_loop(senders, made, options.clients, options.seconds)
        else:
            load = open_loop(senders, made, options.rate, options.seconds, tally)
        with shown_bar(options.shape.kind, None) as bar:
            ended = await watched(
                load, options.seconds, tally, lambda so_far: bar.update(so_far.final, _words(so_far))
            )
        return tally, ended


def _words(tally: Tally) -> str:
    words = f"p50 {tally.latencies.quantile_ms(0.5):,.0f} ms"
    refused = tally.refused.total() + tally.failed.total()
    return f"{words}, {refused:,} refused or failed" if refused else words


def _described(options: Options, accounts: int, urls: Sequence[str]) -> dict[str, Any]:
    shape = options.shape
    return {
        "kind": shape.kind,
        "rate_wanted": options.rate,
        "in_flight": None if options.rate is not None else options.clients * shape.units,
        "batch_signatures": shape.signed_together,
        "operations": shape.operations,
        "accounts": accounts,
        "nodes": list(urls),
    }


def _print(options: Options, tally: Tally) -> None:
    p50, p95, p99 = (f"{tally.latencies.quantile_ms(share):,.0f}" for share in (0.5, 0.95, 0.99))
    columns = ["load", "seconds", "final", "per second", "p50 ms", "p95 ms", "p99 ms"]
    figures = [f"{tally.seconds:.1f}", f"{tally.final:,}", f"{tally.rate:,.1f}", p50, p95, p99]
    screen = console()
    screen.print(table(columns, [[options.shape.kind, *figures]]))
    rows = [["failed", code, f"{units:,}"] for code, units in sorted(tally.failed.items())]
    rows += [["refused", reason, f"{units:,}"] for reason, units in sorted(tally.refused.items())]
    rows += [["waited for room", reason, f"{times:,}"] for reason, times in sorted(tally.waited.items())]
    rows += [["not sent", "too many on their way", f"{tally.dropped:,}"]] if tally.dropped else []
    rows += [["unanswered", "when the load ended", f"{tally.unanswered:,}"]] if tally.unanswered else []
    if rows:
        screen.print(table(["not final", "why", "units"], rows))
