"""A toy contract, its authority and transactions without signatures, for tests of execution itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, TypeVar

import msgspec

from vm.contract_api import (
    MAX_INT,
    SLUG,
    Address,
    Context,
    Contract,
    Count,
    InvariantBroken,
    Meta,
    Refused,
    Schedule,
    Slug,
    Table,
    TimeMs,
    call,
    due,
    event,
    text,
    view,
)
from vm.params import PARAMS, Params
from vm.primitives.address import address_of_key
from vm.primitives.codec import encode
from vm.primitives.hashing import sha256
from vm.runtime import Runtime
from vm.tables.stored import Stored
from vm.transaction import Body, Transaction

T = TypeVar("T")


def key_of(name: str) -> bytes:
    """Return a made-up public key."""
    return sha256(name.encode())


def account_of(name: str) -> str:
    """Return the address of that key."""
    return address_of_key(key_of(name))


NUMBERS: Final[Table[int]] = Table("toy", (("key", SLUG),), Count, "numbers")
CHORES: Final = Schedule("toy-chore", (("key", SLUG),), "what falls due")

_MAX_TEXT: Final = 100_000


@event("toy.set")
class WasSet(msgspec.Struct, frozen=True, omit_defaults=True):
    """A number was set."""

    key: Slug
    value: Count


@event("toy.told")
class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something was told."""

    text: Annotated[str, text(0, _MAX_TEXT), Meta(max_length=_MAX_TEXT)]


@event("toy.done")
class Done(msgspec.Struct, frozen=True, omit_defaults=True):
    """A chore was done; who did it, and by what authority."""

    key: Slug
    at: TimeMs
    sender: Annotated[str, Meta(max_length=42)]
    governance: bool


class Toy(Contract):
    """Numbers under names."""

    name = "toy"

    @call
    def set(self, ctx: Context, key: Slug, value: Count) -> int | None:
        """Set a number; return the former."""
        former = NUMBERS.get(ctx, key)
        NUMBERS.put(ctx, value, key)
        ctx.emit(WasSet(key, value))
        return former

    @call
    def remove(self, ctx: Context, key: Slug) -> None:
        """Remove a number."""
        NUMBERS.delete(ctx, key)

    @call
    def refuse(self, ctx: Context, key: Slug) -> None:
        """Write, then refuse."""
        NUMBERS.put(ctx, 666, key)
        raise Refused("NOT_ELIGIBLE", "never", key=key)

    @call
    def crash(self, ctx: Context) -> None:
        """Break an invariant."""
        raise InvariantBroken("our own fault")

    @call
    def overflow(self, ctx: Context, place: Slug, text: Slug) -> Any:
        """Write, then answer, tell, or refuse with what no receipt can hold."""
        NUMBERS.put(ctx, 1, "overflow")
        unfit = {"number": 2**70, "object": object(), "text": "\ud800", "float": 1.5}[text]
        if place == "result":
            return [unfit]
        if place == "event":
            ctx.emit(WasSet("overflow", unfit))
            return None
        raise Refused("NOT_ELIGIBLE", "never", unfit=unfit)

    @call
    def give(self, ctx: Context, to: Address, from_: Address | None = None) -> list[Any]:
        """Tell who is meant, and who acts."""
        return [from_, to, ctx.sender, list(ctx.signers), ctx.op, ctx.time, ctx.height, ctx.tx_id]

    @call
    def parent(self, ctx: Context) -> str:
        """Tell what is known of the block before."""
        return ctx.parent.hex()

    @call
    def burn_units(self, ctx: Context, units: Count) -> None:
        """Cost so much."""
        NUMBERS.put(ctx, 1, "burning")
        ctx.charge(units)

    @call
    def tell(self, ctx: Context, size: Count) -> str:
        """Tell so many bytes, as an event and as the result."""
        ctx.emit(Told("x" * size))
        return "x" * size

    @call
    def plan(self, ctx: Context, key: Slug, due: TimeMs) -> bool:
        """Put a chore on the agenda: what it does, the name of its key says (see `chore`)."""
        return CHORES.put(ctx, due, key)

    @due(CHORES)
    def chore(self, ctx: Context, at: int, key: str) -> bool:
        """Count the steps done; refuse, or use up everything, or break, as the key says; `<n>-steps-…` takes n."""
        kind = key.partition("-")[0]
        if kind == "idle":
            return True
        done = (NUMBERS.get(ctx, key) or 0) + 1
        NUMBERS.put(ctx, done, key)
        ctx.emit(Done(key, at, ctx.sender, ctx.governance))
        if kind == "parent":
            NUMBERS.put(ctx, int.from_bytes(ctx.parent[:4], "big"), key)
        if kind == "refused":
            raise Refused("NOT_ELIGIBLE", "not today", key=key)
        if kind == "overflow":
            ctx.emit(Done(key, 2**70, ctx.sender, ctx.governance))
        if kind == "broken":
            raise InvariantBroken("a broken chore")
        if kind == "costly":
            ctx.charge(MAX_INT)
        return kind.isdigit() and done < int(kind)

    @view
    def number(self, ctx: Context, key: Slug) -> int | None:
        """Return a number."""
        return NUMBERS.get(ctx, key)

    @view
    def writing_view(self, ctx: Context) -> None:
        """Do what a view must not."""
        NUMBERS.put(ctx, 1, "xx")


class KeyHolders:
    """An account is held by its own key; `till` and `cashier` have a role at one brand."""

    def may_act(self, ctx: Context, account: str, signers: tuple[str, ...]) -> bool:
        """Tell whether the account's key has signed."""
        return account in signers

    def brands_of(self, ctx: Context, account: str) -> tuple[str, ...]:
        """Two accounts are of one brand, one of two, others of none."""
        if account == account_of("both"):
            return ("brand", "other")
        return ("brand",) if account in (account_of("till"), account_of("cashier")) else ()

    def brands_of_sender(self, ctx: Context, account: str, signers: tuple[str, ...]) -> tuple[str, ...] | None:
        """Return the account's brands if its key has signed."""
        return self.brands_of(ctx, account) if self.may_act(ctx, account, signers) else None


class Reader:
    """A committed state of objects."""

    def __init__(self, params: Params) -> None:
        self.values: dict[str, Any] = {PARAMS.keys.path: params}

    def cell(self, key: str, stored: Stored[T]) -> tuple[T, bytes] | None:
        """Return the object at `key` with its canonical bytes."""
        value: T | None = self.values.get(key)
        return None if value is None else (stored.decode(encode(value)), encode(value))

    def once(self, key: str, stored: Stored[T]) -> tuple[T, bytes] | None:
        """Return None: there are no once-records."""

    def charge(self, units: int) -> None:
        """Do nothing."""


def runtime() -> Runtime:
    """Return a runtime of the toy alone."""
    return Runtime([Toy()], KeyHolders())


def transaction(
    sender: str, *ops: tuple[str, dict[str, Any]], signers: Sequence[str] = (), nonce: int = 0, expires: int = 10**6
) -> Transaction:
    """Return a transaction that says to be signed by `signers` (persons' names; default: the sender)."""
    body = Body("toy-chain", account_of(sender), nonce, expires, list(ops))
    tx_id = sha256(repr((sender, ops, nonce)).encode())
    names = signers or [sender]
    sigs = [(key_of(name), bytes(64)) for name in names]
    return Transaction(b"x" * 160, b"", body, sigs, tx_id, tx_id, tuple(account_of(name) for name in names))
