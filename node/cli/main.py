"""`entente`: the root of the command line. Each group of commands is imported when it is used."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import click

from node.terminal.output import CliError, user_mistakes

COMMANDS = {
    "backup": (
        "node.cli.backup_commands:backup",
        "Write a node's chain and state to a file, also while it runs.",
    ),
    "call": ("node.cli.transaction_commands:call", "Sign and send one operation, and print its receipt."),
    "codes": ("node.cli.codes_commands:codes", "Make pools of codes for campaigns, and find a code's path."),
    "demo": ("node.demo.command:demo", "Run a loyalty alliance on real shopping data, and show the result."),
    "draw": ("node.cli.draw_commands:draw", "Commit to a draw's secret, and collect the proof of its outcome."),
    "export": ("node.cli.moving_commands:export", "Write a program's members and balances to a file."),
    "genesis": ("node.cli.genesis_commands:genesis", "Make, check and read genesis documents."),
    "import": (
        "node.cli.moving_commands:import_",
        "Move an existing programme's members and balances onto a chain.",
    ),
    "keys": ("node.cli.keys_commands:keys", "Make and read key files, encrypted at rest."),
    "load": ("node.cli.load_command:load", "Put load on a running network, and print what became of it."),
    "node": ("node.cli.node_commands:node", "Set up and run one node."),
    "restore": ("node.cli.backup_commands:restore", "Make a node's data from a backup, verified."),
    "rules": (
        "node.cli.rules_commands:rules",
        "Check, evaluate and test conditions of campaigns, without a chain.",
    ),
    "statement": (
        "node.cli.statement_command:statement",
        "Write a brand's statement of a period: a page to print and a table.",
    ),
    "testnet": ("node.cli.testnet_commands:testnet", "Run a local alliance: four brands, four validators."),
    "tx": ("node.cli.transaction_commands:tx", "Send, try out and look up transactions."),
    "verify": ("node.cli.verify_commands:verify", "Check a receipt, a state proof or a draw offline."),
    "vote": ("node.cli.vote_command:vote", "Show what a proposal would do, and vote for just that."),
    "view": ("node.cli.transaction_commands:view", "Ask a contract's view, such as a balance."),
}
"""Name → (where the command is, what it is for)."""


class LazyGroup(click.Group):
    """A group that imports a command when it is run, so that `--help` and errors are quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names, sorted."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        try:
            command: click.Command = getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            raise CliError(f"`entente {cmd_name}` needs the Python package {error.name}, not installed") from None
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; the user's mistakes become one sentence."""
        with user_mistakes():
            return super().invoke(ctx)


def _version() -> str:
    try:
        return version("entente")
    except PackageNotFoundError:
        return "unknown: not installed"


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(_version(), prog_name="entente")
def main() -> None:
    """Entente: a permissioned ledger for brand alliances.

    Begin with `entente testnet up`, which runs four brands' validators on this machine, and `entente view identity
    brands` in another terminal. Every command has --help; most have --json.
    """
    from genesis.durable_files import keep_private
    from node.cli.keys_commands import passphrase_of_environment

    # First of all: the files that libraries make are the owner's only, and no child inherits the passphrase.
    keep_private()
    passphrase_of_environment()


if __name__ == "__main__":
    main(prog_name="entente")
