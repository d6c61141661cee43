"""All Byzantine strategies by name."""

from __future__ import annotations

from ..byzantine import Strategy
from .batches import BatchLiar
from .blocks import (
    BadParent,
    Censor,
    EquivocatingProposer,
    FewestSeals,
    Hasty,
    Poisoner,
    SplitProposer,
    UnjustifiedProposer,
    WithholdingProposer,
)
from .noise import FarFuture, Flooder, MalformedSender, OversizedSender, StaleSender
from .votes import Amnesiac, EquivocatingVoter, HeadLiar, LockHider, LockWithholder, RootLiar, SealFlooder

STRATEGIES: dict[str, type[Strategy]] = {
    strategy.name: strategy
    for strategy in (
        EquivocatingProposer,
        SplitProposer,
        WithholdingProposer,
        UnjustifiedProposer,
        BadParent,
        Poisoner,
        Hasty,
        Censor,
        FewestSeals,
        EquivocatingVoter,
        RootLiar,
        LockHider,
        LockWithholder,
        SealFlooder,
        HeadLiar,
        Amnesiac,
        StaleSender,
        OversizedSender,
        MalformedSender,
        FarFuture,
        Flooder,
    )
}

COMPACT_STRATEGIES: dict[str, type[Strategy]] = {BatchLiar.name: BatchLiar}
"""Those that only compact proposals can be met with."""
