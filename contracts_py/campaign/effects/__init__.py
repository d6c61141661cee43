"""What campaigns do: one kind of effect per file, by the name of its field in `EffectArg`."""

from __future__ import annotations

from collections.abc import Mapping

from contracts_py.campaign.effect_types import (
    Entered,
    EntryEffect,
    Evolved,
    EvolveEffect,
    Issued,
    IssueEffect,
    ProfileEffect,
    ProfileSet,
    TierPoints,
    TierPointsEffect,
    VoucherEffect,
    VoucherGiven,
)
from contracts_py.campaign.effects.entry import EntryKind
from contracts_py.campaign.effects.evolve import EvolveKind
from contracts_py.campaign.effects.issue import IssueKind
from contracts_py.campaign.effects.set_profile import SetProfileKind
from contracts_py.campaign.effects.tier_points import TierPointsKind
from contracts_py.campaign.effects.voucher import VoucherKind
from contracts_py.campaign.kinds import AnyKind
from contracts_py.clearing import Clearing
from contracts_py.nft import Badges
from contracts_py.tier import Tiers
from contracts_py.token import Ledger

__all__ = ["Kinds"]


class Kinds:
    """The registry of effects: by the name of an argument, by what is stored, and by what was given."""

    def __init__(self, ledger: Ledger, clearing: Clearing, tiers: Tiers, badges: Badges) -> None:
        issue, tier, voucher = IssueKind(ledger, clearing), TierPointsKind(tiers), VoucherKind()
        evolve, entry, profile = EvolveKind(badges), EntryKind(), SetProfileKind()
        self.by_name: Mapping[str, AnyKind] = {
            "issue": issue,
            "tier_points": tier,
            "voucher": voucher,
            "evolve": evolve,
            "entry": entry,
            "set_profile": profile,
        }
        self.by_type: Mapping[type, AnyKind] = {
            IssueEffect: issue,
            Issued: issue,
            TierPointsEffect: tier,
            TierPoints: tier,
            VoucherEffect: voucher,
            VoucherGiven: voucher,
            EvolveEffect: evolve,
            Evolved: evolve,
            EntryEffect: entry,
            Entered: entry,
            ProfileEffect: profile,
            ProfileSet: profile,
        }
