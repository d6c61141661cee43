"""Values of a member's profile that a brand counts by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from contracts_py.campaign import profiles
from contracts_py.campaign.effect_types import ProfileChange, ProfileEffect, ProfileSet, ProfileValue
from contracts_py.campaign.facts import Sight
from contracts_py.campaign.kinds import Draft, RuleFailed, Run, Value
from contracts_py.campaign.types import source_of
from vm.contract_api import MAX_INT, Context, refuse

MAX_TEXT: Final = 1_024
Planned = tuple[tuple[str, ProfileValue], ...]


class SetProfileKind:
    """Effects `set_profile`."""

    issues = False

    def check(self, ctx: Context, draft: Draft, arg: dict[str, str | int], field: str) -> ProfileEffect:
        """See `Kind`."""
        for name in arg:
            if name in profiles.COUNTERS:
                refuse(f"{field}.{name}", "a name that the chain does not count by itself")
        if not arg:
            refuse(field, "at least one name")
        return ProfileEffect(tuple([(name, source_of(arg[name])) for name in sorted(arg)]))

    def expressions(self, effect: ProfileEffect) -> Sequence[str]:
        """See `Kind`."""
        return tuple([source for _, source in effect.values])

    def plan(self, ctx: Context, sight: Sight, effect: ProfileEffect, values: Sequence[Value]) -> Planned:
        """See `Kind`."""
        return tuple(
            [(name, _checked(name, value)) for (name, _), value in zip(effect.values, values, strict=True)]
        )

    def worth(self, ctx: Context, planned: Planned) -> int:
        """See `Kind`."""
        return 0

    def apply(self, ctx: Context, run: Run, planned: Planned) -> ProfileSet:
        """See `Kind`."""
        brand, member = run.cause.brand, run.cause.member
        before = profiles.named_of(ctx, brand, (member,))
        profiles.set_named(ctx, brand, member, dict(planned))
        return ProfileSet(tuple([ProfileChange(name, before.get(name), after) for name, after in planned]))

    def undo(self, ctx: Context, run: Run, given: ProfileSet) -> str | None:
        """See `Kind`: a number shrinks by what it had grown; another value comes back where it still stands."""
        brand, member = run.cause.brand, run.cause.member
        now = profiles.named_of(ctx, brand, (member,))
        back: dict[str, ProfileValue | None] = {}
        kept = []
        for change in given.changes:
            present = now.get(change.name)
            before = 0 if change.before is None else change.before
            if type(present) is int and type(change.after) is int and type(before) is int:
                left = present - change.after + before
                back[change.name] = None if change.before is None and not left else _bounded(left)
            elif present == change.after and type(present) is type(change.after):
                back[change.name] = change.before
            else:
                kept.append(change.name)
        profiles.set_named(ctx, brand, member, back)
        return f"set again since: {', '.join(kept)}" if kept else None


def _checked(name: str, value: Value) -> ProfileValue:
    if type(value) is int and -MAX_INT <= value <= MAX_INT:
        return value
    if type(value) is bool:
        return value
    if type(value) is str and len(value.encode()) <= MAX_TEXT:
        return value
    raise RuleFailed(f"set_profile.{name} is neither an integer within 2^53 - 1, nor a boolean, nor a short string")


def _bounded(value: int) -> int:
    return max(-MAX_INT, min(value, MAX_INT))
