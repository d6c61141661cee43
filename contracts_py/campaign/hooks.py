"""What campaigns tell rooms and contracts above (docs/campaign.md); each listener in an attempt of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from vm.contract_api import Hook


class RecordMade(NamedTuple):
    """Something was recorded; `fired` are the campaigns that fired."""

    brand: str
    event: str
    member: str
    ref: str
    at: int
    attrs: Mapping[str, Any]
    fired: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RecordUndone:
    """Goods came back; `kept` are the attributes of what was kept, None where nothing was."""

    brand: str
    event: str
    member: str
    ref: str
    return_ref: str
    at: int
    kept: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class CampaignHooks:
    """All hooks of campaign; each is to be wired once."""

    recorded: Hook[RecordMade] = field(default_factory=lambda: Hook("campaign.recorded"))
    reversed: Hook[RecordUndone] = field(default_factory=lambda: Hook("campaign.reversed"))
