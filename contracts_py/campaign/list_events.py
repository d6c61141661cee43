"""What the campaign contract tells of brands' lists. Items are not told: the transaction names them."""

from __future__ import annotations

import msgspec

from contracts_py.campaign.list_records import Kind
from vm.contract_api import BrandId, Count, Hash, Slug, event


@event("campaign.list_defined")
class ListDefined(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A list counts as defined from a version on; without a version it is a draft."""

    brand: BrandId
    name: Slug
    kind: Kind
    size: Count
    root: Hash | None = None
    version: Count | None = None


@event("campaign.list_changed")
class ListChanged(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """So many items of a list were set, and so many removed; without a version, of its draft."""

    brand: BrandId
    name: Slug
    put: Count
    removed: Count
    size: Count
    version: Count | None = None
