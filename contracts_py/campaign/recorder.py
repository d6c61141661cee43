"""What rooms that make something happen ask of the campaigns themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from contracts_py.campaign.answers import FIRED
from contracts_py.campaign.journal import Journal, fired_of
from contracts_py.campaign.records import CAMPAIGNS
from vm.contract_api import Context


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of an event.

    Attributes:
        fired: the campaigns that fired.
        skipped: the others that were considered, and the reason why not.
    """

    fired: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)


class Recorder:
    """The campaigns, as other rooms see them."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def brand_and_event(self, ctx: Context, campaign: str) -> tuple[str, str]:
        """Return whose a campaign is, and of which event.

        Raises:
            Refused: NOT_FOUND.
        """
        record = CAMPAIGNS.require(ctx, campaign)
        return record.brand, record.event

    def run(
        self,
        ctx: Context,
        brand: str,
        event: str,
        member: str,
        ref: str,
        attrs: Mapping[str, Any],
        at: int | None = None,
    ) -> Ran:
        """Record an event, which happened `at` or now, and run the brand's rules of it; it asks for no role.

        Raises:
            Refused: DUPLICATE_REF, SUSPENDED, NOT_ELIGIBLE, …: what `campaign.record` refuses.
        """
        verdicts = self._journal.record(ctx, brand, event, member, ref, ctx.time if at is None else at, attrs)
        skipped = {one.candidate.name: one.outcome for one in verdicts if one.outcome != FIRED}
        return Ran(fired_of(verdicts), skipped)
