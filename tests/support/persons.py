"""Members and shoppers for tests of identity: enrolled, claimed, and what is told of them to contracts above."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contracts_py.clearing import Clearing
from contracts_py.gov import gov_contract
from contracts_py.identity import Authority, Brands, Exits, IdentityHooks, identity_contract
from contracts_py.token import Households, Merges, Moves, token_contract
from tests.contract_harness import Chain, Op, account_of, brand_ops, key_of
from vm.contract_api import Refused
from vm.runtime import Runtime

HASH, OTHER_HASH = "ab" * 32, "cd" * 32
DAY = 86_400_000


class Listener:
    """Stands for the contracts above identity: notes what it is told, and refuses it on demand.

    Attributes:
        told: (hook, payload), in order.
        refuses: the hook whose news it refuses.
    """

    def __init__(self, hooks: IdentityHooks) -> None:
        self.told: list[tuple[str, Any]] = []
        self.refuses: str | None = None
        for name in ("pool_joined", "pool_left", "merged", "unmerged", "regrouped", "erased", "brand_exited"):
            getattr(hooks, name).wire(lambda _ctx, what, name=name: self._note(name, what))

    def _note(self, name: str, what: Any) -> None:
        if name == self.refuses:
            raise Refused("FROZEN", "a contract above refuses this")
        self.told.append((name, what))


def listened_to(brands: Sequence[str] = ("aurora", "basil"), ops: Sequence[Op] = ()) -> tuple[Chain, Listener]:
    """Return a chain of these brands, and who is told what identity's hooks tell."""
    authority, hooks = Authority(), IdentityHooks()
    listener = Listener(hooks)
    own, exits = Brands(authority), Exits(authority, hooks)
    merges = Merges(authority)
    households = Households(authority, merges)
    rooms = [
        *identity_contract(authority, own, exits, hooks),
        *token_contract(authority, Clearing(), households, Moves(households, merges)),
        *gov_contract(authority, own, exits),
    ]
    founding = [op for brand in brands for op in brand_ops(brand)]
    chain = Chain([*founding, *ops], runtime=Runtime(rooms, authority))
    chain.strict.listed = None  # The listener refuses what no contract above refuses.
    return chain, listener


def enroll(chain: Chain, brand: str, name: str) -> str:
    """Enroll a custodial member; return its address."""
    address: str = chain.send(f"{brand}-issuer", "identity.enroll", brand=brand, ref=key_of(name).hex())
    return address


def claimed(chain: Chain, brand: str, name: str) -> str:
    """Enroll a member whom the person's key then claims; return its address."""
    address = enroll(chain, brand, name)
    chain.send(name, "identity.claim", [f"{brand}-issuer", name], member=address, key=key_of(name).hex())
    return address


def begin_exit(chain: Chain, brand: str, ends: int, custodian: str) -> None:
    """Let the alliance decide at the head that a brand leaves."""
    (exits,) = [room for room in chain.runtime.contracts if isinstance(room, Exits)]
    chain.govern(lambda ctx: exits.begin(ctx, brand, ends, custodian))


def ask(chain: Chain, question: str, *args: Any) -> Any:
    """Ask identity's Authority at the head, as contracts above do."""
    return getattr(Authority(), question)(chain.context(), *args)


def acts_for(chain: Chain, account: str, *names: str) -> bool:
    """Tell whether these persons, the first of whom sends, act for an account."""
    addresses = tuple(account_of(name) for name in names)
    ctx = chain.context()
    ctx.sender, ctx.signers = addresses[0], addresses
    return Authority().acts_for(ctx, account)
