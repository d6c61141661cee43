"""Set up the four-validator testnet of docker-compose.yml, once, before its validators start.

/testnet is the testnet's volume; /testnet/<brand> is that brand's own volume, which its validator sees as
/data. The files are made in a temporary folder and distributed, so that each brand holds its own key only and
the accounts' seeds lie in the testnet's volume, which no validator mounts. ENTENTE_CLOCK (START@RATE) gives
the chain a virtual clock.

Invariants:
    1. testnet.json is distributed last: with it the set-up is whole, and running again changes nothing.
    2. Without it, what a broken-off set-up left behind is replaced; a volume that holds a chain is not.
    3. A brand whose volume was lost is named and left alone: its key is gone, and the others go on without it.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from msgspec.structs import replace

from genesis.errors import TestnetError
from genesis.testnet import (
    BRANDS,
    MANIFEST_FILE,
    TestnetManifest,
    create_testnet,
    load_manifest,
    parse_clock,
    save_manifest,
)

TESTNET = Path("/testnet")
HOME_IN_CONTAINER = "/data"
VALIDATORS = BRANDS[:4]


def lost_brands() -> list[str]:
    """Return the brands of the testnet whose volumes hold no key."""
    return [brand for brand in VALIDATORS if not (TESTNET / brand / "key.json").exists()]


def set_up() -> TestnetManifest:
    """Return the testnet's manifest; make the testnet where there is none."""
    if (TESTNET / MANIFEST_FILE).exists():
        return load_manifest(TESTNET)
    for brand in VALIDATORS:
        if (TESTNET / brand / "data").exists():
            sys.exit(f"the volume of {brand} holds a chain but the testnet's volume is empty; remove all volumes")
    clock = os.environ.get("ENTENTE_CLOCK")
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "testnet"
        manifest = create_testnet(
            made,
            validators=len(VALIDATORS),
            clock=parse_clock(clock) if clock else None,
            hosts=VALIDATORS,
        )
        for brand in VALIDATORS:
            shutil.copytree(made / brand, TESTNET / brand, dirs_exist_ok=True)
        shutil.copy2(made / "genesis.json", TESTNET / "genesis.json")
    manifest = replace(
        manifest,
        genesis=str(TESTNET / "genesis.json"),
        validators=tuple([replace(validator, home=HOME_IN_CONTAINER) for validator in manifest.validators]),
    )
    save_manifest(TESTNET, manifest)
    return manifest


if __name__ == "__main__":
    try:
        print(f"the testnet {set_up().chain} is set up")
        for lost in lost_brands():
            print(
                f"warning: the volume of {lost} holds no key, which cannot be made again: {lost} will not start. "
                "The others go on without it; `down --volumes` and `up` make a new testnet",
                file=sys.stderr,
            )
    except TestnetError as error:
        sys.exit(str(error))
