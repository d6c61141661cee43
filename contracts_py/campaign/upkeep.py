"""What happens elsewhere and concerns campaigns."""

from __future__ import annotations

from contracts_py.campaign import profiles
from contracts_py.identity import Erasure
from vm.contract_api import Context


class Profiles:
    """Campaign's side of what identity tells.

    Merges and links need nothing: what is limited per member is added up over linked accounts, and what a member
    has over the accounts merged into it, whenever it is read.
    """

    def erased(self, ctx: Context, erasure: Erasure) -> None:
        """Forget an account's profiles; its vouchers are its own and stay."""
        profiles.forget(ctx, erasure.member)
