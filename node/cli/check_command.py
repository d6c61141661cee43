"""`entente node check`: verify what a stopped node holds, and tell the first bad height."""

from __future__ import annotations

from pathlib import Path

import click

from genesis.document import Genesis
from node.terminal.output import json_option, print_fields, print_json


@click.command(short_help="Verify a stopped node's data.")
@click.option(
    "--home", type=click.Path(path_type=Path, file_okay=False), required=True, help="The node's home folder."
)
@json_option
def check(home: Path, as_json: bool) -> None:
    """Verify what a stopped node holds, and tell the first bad height; exit code 1 where something is wrong.

    Every checksum is compared, every height is verified from the genesis document to the head, and the state root
    is computed from all values. Nothing is changed. docs/operations-recovery.md tells how to heal a damaged store.
    """
    genesis = Genesis.load(home / "genesis.json")
    # Imported here, as they bring the database: mistakes are told without waiting for it.
    from node.maintenance.store_check import check_store
    from node.store import HEALING

    found = check_store(home, genesis)
    fields = {
        "home": str(home),
        "height": found.height,
        "verified up to": found.verified,
        "first bad height": found.first_bad_height,
        "problem": found.problem,
    }
    if found.problem is not None:
        fields["what to do"] = HEALING.replace("HOME", str(home))
    if as_json:
        print_json({name.replace(" ", "_"): value for name, value in fields.items()})
    else:
        print_fields(fields)
    if found.problem is not None:
        raise SystemExit(1)
