"""The document of a token: ERC-721 metadata, and the hash that is proved of it.

The hash is the SHA-256 of the document's RFC 8785 form without `metadata_hash`. The document depends on the
collection, the look of the token's revision and the token's traits only, and names no host.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contracts_py.nft.records import AtUri, Collection, Look
from contracts_py.nft.traits import Trait, Value
from vm.contract_api import Context, canonical_json, sha256


def name_of(collection: Collection, token: int) -> str:
    """Return what people call a token."""
    return f"{collection.name} #{token}"


def document_of(
    name: str, collection: Collection, look: Look, revision: int, token: int, traits: Mapping[str, Value]
) -> dict[str, Any]:
    """Return the document of a token whose collection keeps it on chain, without its hash.

    The revision stands in it, so that a picture drawn by another `art` goes with another hash.

    Args:
        name: the collection's slug.
        look: that of the revision.
    """
    document: dict[str, Any] = {"name": name_of(collection, token)}
    if look.description:
        document["description"] = look.description
    document["image"] = f"/nft/{name}/{token}.svg"
    document["revision"] = revision
    document["attributes"] = [
        _attribute(trait, traits[trait.name]) for trait in look.traits if trait.name in traits
    ]
    return document


def _attribute(trait: Trait, value: Value) -> dict[str, Any]:
    attribute: dict[str, Any] = {"trait_type": trait.label or trait.name, "value": value}
    if trait.type == "int":
        attribute["display_type"] = "number"
        if trait.max is not None:
            attribute["max_value"] = trait.max
    return attribute


def hash_of(ctx: Context, document: dict[str, Any]) -> str:
    """Return the hash of a document, at its price."""
    data = canonical_json(document)
    ctx.charge_bytes(3 * len(data))  # Made, encoded and hashed.
    return sha256(data).hex()


def address_of(metadata: AtUri, token: int, uri: str | None) -> str:
    """Return where a token's document is, of a collection that keeps it elsewhere.

    `uri`, if the token has one of its own; else `base` with each `{id}` replaced by the number; else `base` and the
    number, with a `/` between where `base` does not end with `/`, `=` or `#`.
    """
    if uri is not None:
        return uri
    base, number = metadata.base, str(token)
    if "{id}" in base:
        return base.replace("{id}", number)
    return base + number if base[-1] in "/=#" else f"{base}/{number}"
