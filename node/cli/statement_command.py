"""`entente statement`: a brand's statement of a period, to print and as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from genesis.durable_files import make_private_folder, write_durably
from node.cli.rpc import api_key_option, with_node
from node.cli.testnet_commands import dir_option
from node.cli.transaction_commands import node_url, rpc_option
from node.client import RpcClient
from node.statements.amounts import decimal
from node.statements.csv_table import csv_of
from node.statements.errors import StatementError
from node.statements.html_page import html_of
from node.statements.moment import moment_of
from node.statements.statement import Statement, currencies_of, read_statement
from node.terminal.output import CliError, json_option, note, print_json


@click.command()
@click.argument("brand")
@click.argument("period", metavar="PERIOD")
@click.option("--currency", help="Such as EUR.  [default: all in which something was booked]")
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="The folder for the files.  [default: this one]",
)
@dir_option
@rpc_option
@api_key_option
@json_option
def statement(
    brand: str,
    period: str,
    currency: str | None,
    folder: Path,
    directory: Path,
    url: str | None,
    api_key: str | None,
    as_json: bool,
) -> None:
    """Write BRAND's statement of PERIOD (a month, such as 2026-03), one for each currency.

    Each is a page to print, `statement-BRAND-PERIOD-CURRENCY.html`, and a table beside it, `….csv`, whose columns
    docs/statements.md describes. The node is believed; every line names the key under which it is proved.

    \b
    entente statement aurora 2026-03 --to statements
    """

    async def read(client: RpcClient) -> list[Statement]:
        moment = await moment_of(client.call)
        names = await currencies_of(moment, period) if currency is None else [currency]
        return [await read_statement(moment, brand, period, name) for name in names]

    try:
        found = with_node(node_url(url, directory), read, api_key=api_key)
    except StatementError as error:
        raise CliError(str(error)) from None
    if not found:
        raise CliError(f"nothing was booked in {period}")
    written = [_write(folder, made) for made in found]
    if as_json:
        print_json(written)
    for entry in [] if as_json else written:
        click.echo(f"{entry['html']}\n{entry['csv']}")
        note(f"{entry['currency']}: {entry['lines']} lines, closing balance {entry['closing']}")


def _write(folder: Path, made: Statement) -> dict[str, Any]:
    name = f"statement-{made.brand}-{made.period}-{made.currency}"
    page, table = folder / f"{name}.html", folder / f"{name}.csv"
    try:
        make_private_folder(folder)
        write_durably(page, html_of(made))
        write_durably(table, csv_of(made))
    except OSError as error:
        raise CliError(f"{error.filename or folder} cannot be written: {error.strerror}") from None
    closing = decimal(made.closing, made.currency)
    return {
        "brand": made.brand,
        "period": made.period,
        "currency": made.currency,
        "status": made.status,
        "height": made.height,
        "lines": len(made.entries),
        "closing": closing,
        "html": str(page),
        "csv": str(table),
    }
