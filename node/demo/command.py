"""`entente demo`: a year of real purchases on a network of four brands, replayed and proved."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import click

from genesis.testnet import DEFAULT_RPC_PORT, TestnetManifest
from node.client import ClientError
from node.demo import result as results
from node.demo import session, summary
from node.demo.errors import DemoError
from node.demo.network import running_network
from node.demo.rules import PARTNERS
from node.terminal.output import CliError, console, json_option, note, print_json, shortened
from vm.primitives.units import bounded_digits

DEFAULT_BASKETS = 20_000


def _baskets(ctx: click.Context, param: click.Parameter, value: str) -> int | None:
    """Read a number of baskets, or `all` (None)."""
    if value == "all":
        return None
    number = bounded_digits(value)
    if not number:
        raise click.BadParameter(f"{shortened(value)!r} is neither a number from 1 nor 'all'", ctx, param)
    return number


@click.command()
@click.option(
    "--baskets",
    metavar="N|all",
    callback=_baskets,
    default=str(DEFAULT_BASKETS),
    show_default=True,
    help="How many of the 155,848 baskets, in whole households drawn by --seed.",
)
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the network's files go, and stay.  [default: a temporary folder]",
)
@click.option("--exit", "leave", is_flag=True, help="Stop the network after the summary.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Draws the sample.")
@click.option(
    "--rpc-port",
    type=click.IntRange(1, 65_535),
    default=DEFAULT_RPC_PORT,
    show_default=True,
    help="Validator i answers JSON-RPC on this port + i.",
)
@click.option(
    "--days-per-second",
    type=click.FloatRange(0.1, 10),
    help="The chain clock's speed.  [default: the year in 110 s, slower if there is much to do]",
)
@json_option
def demo(
    baskets: int | None,
    directory: Path | None,
    leave: bool,
    seed: int,
    rpc_port: int,
    days_per_second: float | None,
    as_json: bool,
) -> None:
    """Run a loyalty alliance of four brands on a year of real shopping, and prove the result.

    Starts four validators on this machine, replays purchases of The Complete Journey (2017) on a clock that runs
    through the year in minutes, then recomputes every total and balance from the data alone and compares. Any
    difference is exit code 1. Without --exit the network goes on until Ctrl-C.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    note("reading a year of purchases")
    try:
        agrees = _run(baskets, directory, leave, seed, rpc_port, days_per_second, as_json)
    except (DemoError, ClientError) as error:
        raise CliError(str(error)) from None
    if not agrees:
        raise SystemExit(1)


def _run(
    baskets: int | None,
    directory: Path | None,
    leave: bool,
    seed: int,
    rpc_port: int,
    days_per_second: float | None,
    as_json: bool,
) -> bool:
    prepared = session.prepare(baskets, seed)
    clock = session.choose_clock(prepared, days_per_second)
    note(f"{len(set(prepared.lines.basket)):,} baskets give {prepared.operations:,} operations")
    note(f"starting four validators; the chain's clock runs {session.days_per_second(clock):.1f} days a second")
    with running_network(directory, rpc_port, clock) as manifest:
        place = Path(manifest.genesis).parent
        _tell_network(manifest, place)
        result = asyncio.run(session.run(prepared, manifest, place, note, quiet=as_json))
        if as_json:
            print_json(results.as_json(result))
        else:
            summary.print_summary(result, console(), temporary=directory is None)
        if not leave:
            _stay(manifest)
    return result.agrees


def _tell_network(manifest: TestnetManifest, place: Path) -> None:
    note(f"chain {manifest.chain} in {place}")
    for validator in manifest.validators:
        note(f"  {validator.brand:<8} {validator.rpc}")


def _stay(manifest: TestnetManifest) -> None:
    first = manifest.validators[0].rpc
    note("")
    note(f"The network goes on at {', '.join(validator.rpc for validator in manifest.validators)}.")
    note("Its clock runs on too, so that points go on expiring. In another terminal, for example:")
    note(f"  {_program()} view --rpc {first} token supply program={PARTNERS[0].program}")
    note("Ctrl-C stops it.")
    try:
        signal.pause()
    except KeyboardInterrupt:
        note("stopping the validators")


def _program() -> str:
    """Return how the user can call this program again."""
    return sys.argv[0] if Path(sys.argv[0]).name == "entente" else "entente"
