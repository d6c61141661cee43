"""Code pools for tests: a tree of a few codes, and what clients make of it."""

from __future__ import annotations

from typing import Any

from contracts_py.campaign.codes import commitment_of
from contracts_py.campaign.paths import code_leaf, levels, path_of
from tests.contract_harness import START, Chain, account_of
from vm.contract_api import MS_PER_DAY
from vm.primitives.hashing import sha256

EXPIRES = START + 30 * MS_PER_DAY
CODES = [f"SUMMER-{n:03}" for n in range(9)]


def salt_of(code: str) -> bytes:
    """Return a code's salt."""
    return sha256(b"salt " + code.encode())


TREE = levels([code_leaf(code, salt_of(code)) for code in CODES])
ROOT = TREE[-1][0].hex()


def redemption(n: int) -> dict[str, Any]:
    """Return the arguments that redeem the n-th code."""
    return {"code": CODES[n], "salt": salt_of(CODES[n]).hex(), "path": path_of(TREE, n)}


def leaf_of(n: int) -> str:
    """Return the leaf of the n-th code."""
    return TREE[0][n].hex()


def commitment(name: str, n: int) -> str:
    """Return a person's commitment to the n-th code."""
    return commitment_of(account_of(name), CODES[n], salt_of(CODES[n]))


def open_pool(chain: Chain, **changes: Any) -> Any:
    """Give the campaign `lucky` the pool of CODES."""
    args = {"campaign": "lucky", "root": ROOT, "count": len(CODES), "expires": EXPIRES}
    return chain.send("aurora-marketer", "campaign.codes", **{**args, **changes})
