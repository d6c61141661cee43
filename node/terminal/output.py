"""What a command prints, and how its mistakes are told.

Invariants:
    1. With --json, standard output carries exactly one JSON document; everything else goes to standard error.
    2. A mistake of the user is one sentence on standard error and exit code 1 (2 for wrong usage, by click),
       never a stack trace. Any other exception is a bug of ours and keeps its trace.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import click
from rich.console import Console
from rich.table import Table

from genesis.errors import GenesisDocumentError, KeyFileError, TestnetError
from node.runtime.errors import ConfigError
from vm.errors import GenesisError

Command = TypeVar("Command", bound=Callable[..., Any])


_SHOWN: Final = 60
"""Characters of an argument that a message repeats."""


class CliError(click.ClickException):
    """A mistake of the user, or a node that does not do what was asked; one sentence."""


def shortened(text: str) -> str:
    """Return the beginning of an argument, for a message of one line."""
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


@contextmanager
def user_mistakes() -> Iterator[None]:
    """Tell the operator's mistakes, from whichever package, in one sentence."""
    try:
        yield
    except (ConfigError, KeyFileError, TestnetError) as error:
        raise CliError(str(error)) from None
    except (GenesisDocumentError, GenesisError) as error:
        raise CliError(f"the genesis document is not usable: {error}") from None


def json_option(command: Command) -> Command:
    """Add --json to a command, as its argument `as_json`."""
    option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for machines.")
    return option(command)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_fields(fields: Mapping[str, Any]) -> None:
    """Print names and values, one pair a line, values aligned."""
    width = max(len(name) for name in fields)
    for name, value in fields.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        click.echo(f"{name:<{width}}  {text}")


def note(message: str) -> None:
    """Tell the user something that is not the command's result."""
    click.echo(message, err=True)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a rich table, whose last column alone may break its lines; the caller prints or refreshes it."""
    made = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        made.add_column(column, no_wrap=column != columns[-1])
    for row in rows:
        made.add_row(*row)
    return made


def console() -> Console:
    """Return a console on the current standard output, wide enough for unbroken rows where it is a pipe."""
    return Console() if sys.stdout.isatty() else Console(width=160, file=sys.stdout)


def utc(time_ms: int) -> str:
    """Return a time as people read it."""
    try:
        moment = datetime.fromtimestamp(time_ms // 1_000, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{time_ms} ms"
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
