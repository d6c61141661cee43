"""What rooms that make something happen ask of the campaigns themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

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


class Recorder(Protocol):
    """The campaigns, as other rooms see them."""

    def brand_and_event(self, ctx: Context, campaign: str) -> tuple[str, str]:
        """Return whose a campaign is, and of which event.

        Raises:
            Refused: NOT_FOUND.
        """
        ...

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
        ...
