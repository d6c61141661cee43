"""The rooms beside the campaigns themselves: lists, code pools, claims, draws (docs/campaign-pools.md)."""

from __future__ import annotations

from contracts_py.campaign.claims import Claims
from contracts_py.campaign.codes import Codes
from contracts_py.campaign.collections import Collections
from contracts_py.campaign.draw_views import DrawViews
from contracts_py.campaign.draws import Draws
from contracts_py.campaign.list_views import ListViews
from contracts_py.campaign.recorder import Recorder
from contracts_py.identity import Authority
from vm.contract_api import Contract


def further_rooms(authority: Authority, recorder: Recorder) -> list[Contract]:
    """Return the rooms; what they make happen, they record by `recorder`."""
    return [
        Collections(authority),
        ListViews(),
        Codes(authority, recorder),
        Claims(authority, recorder),
        Draws(authority, recorder),
        DrawViews(),
    ]
