"""Variants and control groups: which arm of an experiment a member is in, and what came of it.

    place = SHA-256(salt 0x00 address) mod 10,000, the hash as a big-endian integer, the salt the campaign's id
    below holdout_bps: the control group; then each variant, bps wide, in order; the rest: what the terms say

The address is the first of those that are one shopper's, so that linked accounts are in one arm.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from contracts_py.campaign.effect_types import Effects
from contracts_py.campaign.records import ARM_MEMBERS, ARMS, ArmTotals, Experiment
from vm.contract_api import MAX_INT, Context, sha256

HOLDOUT: Final = "holdout"
BASE: Final = "base"
SCALE: Final = 10_000
_NONE: Final = ArmTotals()


def place_of(campaign: str, address: str) -> int:
    """Return where a member falls, from 0 to 9,999."""
    return int.from_bytes(sha256(f"{campaign}\0{address}".encode()), "big") % SCALE


def widths(experiment: Experiment) -> Iterator[tuple[str, int]]:
    """Yield the arms with their widths, in order."""
    yield HOLDOUT, experiment.holdout_bps
    used = experiment.holdout_bps
    for variant in experiment.variants:
        used += variant.bps
        yield variant.name, variant.bps
    yield BASE, SCALE - used


def arm_of(experiment: Experiment, place: int) -> str:
    """Return the arm of a place."""
    end = 0
    for arm, width in widths(experiment):
        end += width
        if place < end:
            return arm
    return BASE


def effects_of(experiment: Experiment, arm: str, base: Effects) -> Effects:
    """Return what an arm does; the control group nothing."""
    if arm == HOLDOUT:
        return ()
    return next((variant.then for variant in experiment.variants if variant.name == arm), base)


def count(ctx: Context, campaign: str, arm: str, person: str, spend: int, points: int, *, records: int = 1) -> None:
    """Count a record for which the rule held, or take one back (`records` -1, amounts negative)."""
    totals = ARMS.get(ctx, campaign, arm) or _NONE
    new = ARM_MEMBERS.get(ctx, campaign, person) is None
    if new:
        ARM_MEMBERS.put(ctx, True, campaign, person)
    totals = replace(
        totals,
        members=totals.members + new,
        records=max(0, totals.records + records),
        spend=min(max(0, totals.spend + spend), MAX_INT),
        points=min(max(0, totals.points + points), MAX_INT),
    )
    ARMS.put(ctx, totals, campaign, arm)
