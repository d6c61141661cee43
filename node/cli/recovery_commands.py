"""`entente node recover`: repair a stopped node's vote log without ever signing twice."""

from __future__ import annotations

from pathlib import Path

import click

from node.runtime.config import load_config
from node.terminal.output import json_option, print_fields, print_json

_WAITS = (
    "follows the chain without signing, until it is past every height that it can have signed for; "
    "that takes some blocks, and /ready tells how far it is"
)


@click.command(short_help="Repair a stopped node's vote log.")
@click.option(
    "--home", type=click.Path(path_type=Path, file_okay=False), required=True, help="The node's home folder."
)
@click.option(
    "--copied",
    is_flag=True,
    help="The home was copied, or its disk restored to an earlier moment: recover even if the log looks whole.",
)
@click.option(
    "--accept",
    is_flag=True,
    help="Sign again at once. Only where you are sure that nothing can be signed twice: read the procedure first.",
)
@json_option
def recover(home: Path, copied: bool, accept: bool, as_json: bool) -> None:
    """Inspect the vote log of a node that is stopped; set a damaged one aside.

    A validator whose log is damaged, lost, or older than its last life must not sign at once: it could contradict
    what it has signed before. After this command, `entente node start` lets it follow the chain first, and sign
    when that is safe, by itself. docs/operations-recovery.md tells why, and what --accept needs.
    """
    config = load_config(home)
    # Imported here, as it brings the database: mistakes are told without waiting for it.
    from node.maintenance.recovery import recover_log

    found = recover_log(home, config, copied=copied, accept=accept)
    fields = {
        "home": str(home),
        "height": found.height,
        "log": found.log,
        "signed": found.signed,
        "recovering": found.recovering,
        "next start": _WAITS if found.recovering else "signs at once",
    }
    if as_json:
        print_json(fields)
    else:
        print_fields(fields)
