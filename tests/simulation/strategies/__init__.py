"""All Byzantine strategies by name."""

from __future__ import annotations

from ..byzantine import Strategy
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
from .votes import Amnesiac, EquivocatingVoter, LockHider, RootLiar

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
        Amnesiac,
        StaleSender,
        OversizedSender,
        MalformedSender,
        FarFuture,
        Flooder,
    )
}
