"""Collections and badges for tests: a brand with a marketer, and a club whose badges count visits."""

from __future__ import annotations

from typing import Any, Final

from tests.contract_harness import Chain, Op, account_of, brand_ops

ANN, BOB = account_of("ann"), account_of("bob")
TRAITS: Final[dict[str, Any]] = {
    "visits": {"type": "int", "default": 0, "min": 0, "max": 100, "label": "Visits"},
    "level": {"type": "enum", "default": "basic", "values": ["basic", "silver", "gold"]},
    "vip": {"type": "bool", "default": False},
    "motto": {"type": "string", "default": ""},
}
DEFAULTS: Final[dict[str, Any]] = {"level": "basic", "motto": "", "vip": False, "visits": 0}


def badge_brand(brand: str) -> list[Op]:
    """Return genesis operations for a brand that has a marketer, too."""
    role = {"brand": brand, "role": "marketer", "account": account_of(f"{brand}-marketer")}
    return [*brand_ops(brand), ("identity.grant_role", role)]


def collection_args(**changes: Any) -> dict[str, Any]:
    """Return the arguments of create_collection, with some changed; None leaves one out."""
    args = {
        "collection": "aurora-club",
        "brand": "aurora",
        "name": "Aurora Club",
        "symbol": "AUR",
        "soulbound": False,
        "traits": TRAITS,
        **changes,
    }
    return {name: value for name, value in args.items() if value is not None}


def badge_chain(**changes: Any) -> Chain:
    """Return a chain with the brands aurora and basil, and aurora's collection."""
    return Chain(
        [*badge_brand("aurora"), *badge_brand("basil"), ("nft.create_collection", collection_args(**changes))]
    )


def mint(chain: Chain, token: int = 1, to: str = ANN, **traits: Any) -> dict[str, Any]:
    """Mint a badge; return the answer."""
    args: dict[str, Any] = {"collection": "aurora-club", "token": token, "to": to}
    if traits:
        args["traits"] = traits
    found: dict[str, Any] = chain.send("aurora-issuer", "nft.mint", **args)
    return found


def shown(chain: Chain, token: int = 1) -> dict[str, Any]:
    """Return a badge as the view shows it."""
    found: dict[str, Any] = chain.view("nft_token", collection="aurora-club", token=token)
    return found


def history(chain: Chain, token: int = 1) -> list[dict[str, Any]]:
    """Return all versions of a badge."""
    found: list[dict[str, Any]] = chain.view("nft_history", collection="aurora-club", token=token, limit=1_000)[
        "items"
    ]
    return found
