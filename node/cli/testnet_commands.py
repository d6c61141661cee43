"""`entente testnet`: four brands' validators on this machine, each a process of its own."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
from click.core import ParameterSource
from rich.live import Live

from genesis.testnet import (
    BRANDS,
    DEFAULT_RPC_PORT,
    MANIFEST_FILE,
    TestnetManifest,
    TestnetValidator,
    create_testnet,
    load_manifest,
    parse_clock,
    remove_testnet,
    save_manifest,
)
from node.cli.logs import follow_logs, last_lines
from node.cli.status import network_status, status_table
from node.terminal.interrupts import end_like_ctrl_c, interrupts_held
from node.terminal.output import CliError, console, json_option, note, print_json
from node.testnet.processes import check_ports, start_validators, stop_nodes, wait_ready

DEFAULT_DIR = Path("testnet")
REFRESH_S = 1.0

dir_option = click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_DIR,
    envvar="ENTENTE_DIR",
    show_default=True,
    help="The testnet's folder.",
)


@click.group()
def testnet() -> None:
    """Run a local alliance: four brands, four validators.

    A testnet lives in a folder: its manifest testnet.json says where each validator answers and holds the seeds of
    the brands' admin accounts in clear. Stop it and start it again, and the same chain goes on.
    """


@testnet.command()
@dir_option
@click.option(
    "--validators",
    type=click.IntRange(4, len(BRANDS)),
    default=4,
    show_default=True,
    help="How many brands, each with one validator.",
)
@click.option(
    "--rpc-port",
    type=click.IntRange(1, 65_535),
    default=DEFAULT_RPC_PORT,
    show_default=True,
    help="Validator i answers JSON-RPC on this port + i.",
)
@click.option(
    "--p2p-port", type=click.IntRange(1, 65_535), help="First port among validators.  [default: RPC port + 18000]"
)
@click.option(
    "--clock",
    metavar="START@RATE",
    help="A virtual clock: block time begins at START (ISO-8601, UTC) and runs RATE times as fast, for "
    "example 2026-01-01@86400 for a day in each second.",
)
@click.option("--detach", is_flag=True, help="Return when all validators are ready, and leave them running.")
@click.option("--reset", "--force", is_flag=True, help="Stop and delete the testnet in DIR first, chain and all.")
@json_option
@click.pass_context
def up(
    ctx: click.Context,
    directory: Path,
    validators: int,
    rpc_port: int,
    p2p_port: int | None,
    clock: str | None,
    detach: bool,
    reset: bool,
    as_json: bool,
) -> None:
    """Start a testnet; make it first where DIR holds none.

    Without --detach, shows the validators' heights until Ctrl-C, which stops them all.
    """
    if reset and (directory / MANIFEST_FILE).exists():
        stop_nodes(load_manifest(directory).validators)
        remove_testnet(directory)
    if (directory / MANIFEST_FILE).exists():
        manifest = load_manifest(directory)
        _check_same(ctx, directory, manifest)
    else:
        start = None if clock is None else parse_clock(clock)
        manifest = create_testnet(directory, validators, rpc_port, p2p_port, start)
        try:
            check_ports(manifest.validators)
        except CliError:
            remove_testnet(directory)  # Else the same command with other ports would contradict it.
            raise
    end_like_ctrl_c()
    _run(directory, manifest, detach, as_json)


def _run(directory: Path, manifest: TestnetManifest, detach: bool, as_json: bool) -> None:
    """Start what does not run; on any failure before all are ready, stop again what was started."""
    ours: Sequence[TestnetValidator] = []
    try:
        with interrupts_held():
            manifest, processes = start_validators(directory, manifest)
            ours = [validator for validator in manifest.validators if validator.brand in processes]
        wait_ready(manifest, processes)
        if as_json:
            print_json(msgspec.to_builtins(manifest))
        else:
            _tell_running(directory, manifest)
        if detach:
            return
        ours = manifest.validators
        _watch(manifest, as_json)
    except BaseException as error:
        with interrupts_held():
            if ours:
                note("stopping the validators")
            stop_nodes(ours)
            _forget_processes(directory, ours)
        if not isinstance(error, KeyboardInterrupt) or detach:
            raise


@testnet.command()
@dir_option
@json_option
def down(directory: Path, as_json: bool) -> None:
    """Stop a testnet's validators; its folder and chain stay."""
    manifest = load_manifest(directory)
    stopped = [validator.brand for validator in stop_nodes(manifest.validators)]
    _forget_processes(directory, manifest.validators)
    if as_json:
        print_json({"stopped": stopped})
    else:
        click.echo(f"stopped {', '.join(stopped)}" if stopped else "no validator was running")


@testnet.command()
@dir_option
@json_option
def status(directory: Path, as_json: bool) -> None:
    """Show each validator's height, state root and readiness."""
    manifest = load_manifest(directory)
    statuses = network_status(manifest)
    if as_json:
        print_json({"chain": manifest.chain, "validators": [msgspec.to_builtins(status) for status in statuses]})
    else:
        click.echo(f"chain {manifest.chain}")
        console().print(status_table(statuses))


@testnet.command()
@dir_option
@click.argument("brands", nargs=-1)
@click.option("-f", "--follow", is_flag=True, help="Go on printing what is written, until Ctrl-C.")
@click.option("-n", "--lines", type=click.IntRange(0), default=50, show_default=True, help="How many old lines.")
def logs(directory: Path, brands: tuple[str, ...], follow: bool, lines: int) -> None:
    """Print the validators' logs: of all, or of the BRANDS named."""
    manifest = load_manifest(directory)
    chosen = [manifest.validator(brand) for brand in brands] or list(manifest.validators)
    last_lines(chosen, lines)
    if follow:
        follow_logs(chosen)


def _check_same(ctx: click.Context, directory: Path, manifest: TestnetManifest) -> None:
    """Refuse options that would contradict an existing testnet."""
    first = manifest.validators[0]
    clock = manifest.clock
    existing: dict[str, Callable[[Any], bool]] = {
        "validators": lambda value: value == len(manifest.validators),
        "rpc_port": lambda value: first.rpc.endswith(f":{value}"),
        "p2p_port": lambda value: first.p2p.endswith(f":{value}"),
        "clock": lambda value: (
            clock is not None
            and (clock.start_ms, clock.rate) == (parse_clock(value).start_ms, parse_clock(value).rate)
        ),
    }
    for name, same in existing.items():
        given = ctx.get_parameter_source(name) is not ParameterSource.DEFAULT
        if given and ctx.params[name] is not None and not same(ctx.params[name]):
            option = "--" + name.replace("_", "-")
            raise CliError(
                f"{directory} holds a testnet with another {option}; delete it by --reset, or choose another --dir"
            )


def _tell_running(directory: Path, manifest: TestnetManifest) -> None:
    click.echo(f"chain {manifest.chain} is running: {', '.join(v.rpc for v in manifest.validators)}")
    click.echo(f"stop it with `entente testnet down --dir {directory}`")


def _watch(manifest: TestnetManifest, as_json: bool) -> None:
    """Show the heights until an interrupt; without a terminal, only wait for it."""
    screen = console()
    if as_json or not screen.is_terminal:
        while True:
            signal.pause()
    with Live(status_table(network_status(manifest)), console=screen, auto_refresh=False) as live:
        while True:
            time.sleep(REFRESH_S)
            live.update(status_table(network_status(manifest)), refresh=True)


def _forget_processes(directory: Path, ended: Sequence[TestnetValidator]) -> None:
    """Take ended processes out of the manifest, whose file may have changed since."""
    manifest = load_manifest(directory)
    pids = {validator.pid for validator in ended}
    validators = tuple([msgspec.structs.replace(v, pid=None) if v.pid in pids else v for v in manifest.validators])
    save_manifest(directory, msgspec.structs.replace(manifest, validators=validators))
