"""What passed proposals do: each action changes the chain's own records, or asks identity.

An action that cannot be done is `Refused`; the caller then takes back all actions of the proposal.

Invariants:
    1. After the last action of a proposal there are 4 to MAX_VALIDATORS validators, each of another brand.
    2. No key is both a validator's and a full node's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from contracts_py.gov.events import (
    NodeAdded,
    NodeRemoved,
    ParamsSet,
    UpgradeScheduled,
    ValidatorAdded,
    ValidatorRemoved,
)
from contracts_py.gov.records import (
    ROTATIONS,
    Action,
    AddNode,
    AddValidator,
    ExitBrand,
    ParamChanges,
    RegisterBrand,
    RemoveNode,
    RemoveValidator,
    ReplaceAdmins,
    ResumeBrand,
    Rotations,
    ScheduleUpgrade,
    SetParams,
    SuspendBrand,
)
from contracts_py.identity import Authority, Brands, Exits
from vm.contract_api import (
    MS_PER_DAY,
    Context,
    Refused,
    ValidatorEntry,
    address_of_key,
    bound_problem,
    change_nodes,
    change_params,
    change_validators,
    current_nodes,
    current_params,
    current_validators,
    schedule_version,
    version_at,
)

MIN_VALIDATORS: Final = 4
MAX_VALIDATORS: Final = 256
"""`consensus.types` has the same bounds; a test holds the two together."""

FIRST_VERSION: Final = 2
"""A chain begins with the version of its genesis document; there is no other yet."""

MAX_NODES: Final = 1_000
"""One record holds them all, and a node reads it at each handshake."""


MAX_ROTATIONS_PER_DAY: Final = 4
"""A rotation needs no vote, and every one makes what a light client must verify longer for ever."""


class Actions:
    """Executes actions with the alliance's authority."""

    def __init__(self, authority: Authority, brands: Brands, exits: Exits) -> None:
        self._authority = authority
        self._brands = brands
        self._performers: dict[type[Any], Callable[[Context, Any], None]] = {
            AddValidator: self._add_validator,
            RemoveValidator: self._remove_validator,
            AddNode: self._add_node,
            RemoveNode: self._remove_node,
            RegisterBrand: self._register_brand,
            SuspendBrand: lambda ctx, action: brands.set_suspended(ctx, action.brand, True),
            ResumeBrand: lambda ctx, action: brands.set_suspended(ctx, action.brand, False),
            ExitBrand: lambda ctx, action: exits.begin(ctx, action.brand, action.ends, action.custodian),
            ReplaceAdmins: lambda ctx, action: brands.replace_admins(ctx, action.brand, action.admins),
            SetParams: self._set_params,
            ScheduleUpgrade: self._schedule_upgrade,
        }

    def check_possible(self, action: Action) -> None:
        """Refuse what no vote could ever bring about, before the alliance meets about it.

        Raises:
            Refused: INVALID_ARGS.
        """
        if isinstance(action, SetParams):
            given = _given(action.params)
            if not given:
                raise Refused("INVALID_ARGS", "set_params names no parameter", field="params")
            for name, value in given.items():
                problem = bound_problem(name, value)
                if problem is not None:
                    raise Refused("INVALID_ARGS", problem, field=f"params.{name}")

    def perform(self, ctx: Context, action: Action) -> None:
        """Do one action.

        Raises:
            Refused: it cannot be done as things stand.
        """
        self._performers[type(action)](ctx, action)

    def check_set(self, ctx: Context) -> None:
        """Refuse a set that is too small or too large; asked after a proposal's last action.

        Raises:
            Refused: NOT_ELIGIBLE, LIMIT_EXCEEDED.
        """
        count = len(current_validators(ctx))
        if count < MIN_VALIDATORS:
            raise Refused(
                "NOT_ELIGIBLE", f"an alliance keeps at least {MIN_VALIDATORS} validators", validators=count
            )
        if count > MAX_VALIDATORS:
            raise Refused("LIMIT_EXCEEDED", f"at most {MAX_VALIDATORS} validators", limit=MAX_VALIDATORS)

    def rotate_key(self, ctx: Context, old: str, new: str) -> str:
        """Give a validator another key; return its brand.

        Raises:
            Refused: NOT_FOUND, NOT_AUTHORISED, LIMIT_EXCEEDED, ALREADY_EXISTS.
        """
        entries = current_validators(ctx)
        entry = next((entry for entry in entries if entry.public_key.hex() == old), None)
        if entry is None:
            raise Refused("NOT_FOUND", "no validator has this key", key=old)
        self._authority.require_role(ctx, entry.brand, "admin")
        if address_of_key(bytes.fromhex(new)) not in ctx.signers:
            raise Refused("NOT_AUTHORISED", "the new key must sign too", key=new)
        self._count_rotation(ctx, entry.brand)
        self._claim_key(ctx, new)
        others = [other for other in entries if other is not entry]
        change_validators(ctx, [*others, ValidatorEntry(bytes.fromhex(new), entry.brand)])
        return entry.brand

    def _count_rotation(self, ctx: Context, brand: str) -> None:
        today = ctx.time // MS_PER_DAY
        record = ROTATIONS.get(ctx, brand)
        count = record.count if record is not None and record.day == today else 0
        if count >= MAX_ROTATIONS_PER_DAY:
            raise Refused(
                "LIMIT_EXCEEDED",
                f"a brand rotates its key {MAX_ROTATIONS_PER_DAY} times a day; a vote may do it more often",
                limit=MAX_ROTATIONS_PER_DAY,
                until=(today + 1) * MS_PER_DAY,
            )
        ROTATIONS.put(ctx, Rotations(today, count + 1), brand)

    # -- validators and nodes ----------------------------------------------------------------------

    def _add_validator(self, ctx: Context, action: AddValidator) -> None:
        self._authority.require_active(ctx, action.brand)
        entries = current_validators(ctx)
        if any(entry.brand == action.brand for entry in entries):
            raise Refused("ALREADY_EXISTS", "the brand has a validator", brand=action.brand)
        self._claim_key(ctx, action.key)
        change_validators(ctx, [*entries, ValidatorEntry(bytes.fromhex(action.key), action.brand)])
        ctx.emit(ValidatorAdded(action.brand, action.key))

    def _claim_key(self, ctx: Context, key: str) -> None:
        """See that no validator has the key, and take it off the node list."""
        public_key = bytes.fromhex(key)
        if any(entry.public_key == public_key for entry in current_validators(ctx)):
            raise Refused("ALREADY_EXISTS", "a validator has this key", key=key)
        nodes = current_nodes(ctx)
        if public_key in nodes:
            change_nodes(ctx, [node for node in nodes if node != public_key])

    def _remove_validator(self, ctx: Context, action: RemoveValidator) -> None:
        entries = current_validators(ctx)
        gone = [entry for entry in entries if entry.brand == action.brand]
        if not gone:
            raise Refused("NOT_FOUND", "the brand has no validator", brand=action.brand)
        change_validators(ctx, [entry for entry in entries if entry.brand != action.brand])
        for entry in gone:
            ctx.emit(ValidatorRemoved(entry.brand, entry.public_key.hex()))

    def _add_node(self, ctx: Context, action: AddNode) -> None:
        key, nodes = bytes.fromhex(action.key), current_nodes(ctx)
        if key in nodes or any(entry.public_key == key for entry in current_validators(ctx)):
            raise Refused("ALREADY_EXISTS", "a node or validator has this key", key=action.key)
        if len(nodes) >= MAX_NODES:
            raise Refused("LIMIT_EXCEEDED", f"at most {MAX_NODES} full nodes", limit=MAX_NODES)
        change_nodes(ctx, [*nodes, key])
        ctx.emit(NodeAdded(action.key))

    def _remove_node(self, ctx: Context, action: RemoveNode) -> None:
        key, nodes = bytes.fromhex(action.key), current_nodes(ctx)
        if key not in nodes:
            raise Refused("NOT_FOUND", "no full node has this key", key=action.key)
        change_nodes(ctx, [node for node in nodes if node != key])
        ctx.emit(NodeRemoved(action.key))

    # -- brands ------------------------------------------------------------------------------------

    def _register_brand(self, ctx: Context, action: RegisterBrand) -> None:
        self._brands.register_brand(
            ctx, action.brand, action.name, action.admins, action.terms_hash, action.offsets
        )

    # -- the protocol ------------------------------------------------------------------------------

    def _set_params(self, ctx: Context, action: SetParams) -> None:
        given = _given(action.params)
        params = msgspec.structs.replace(current_params(ctx), **given)
        problems = params.problems()
        if problems:
            raise Refused("INVALID_ARGS", "; ".join(problems), field="params")
        change_params(ctx, params)
        ctx.emit(ParamsSet(action.params))

    def _schedule_upgrade(self, ctx: Context, action: ScheduleUpgrade) -> None:
        version = version_at(ctx, ctx.height, FIRST_VERSION)
        if action.version <= version:
            raise Refused("NOT_ELIGIBLE", "the version must be above the present one", version=version)
        if action.height < ctx.height + 2:
            raise Refused("EXPIRED", "the height must be at least two above the block's", height=ctx.height)
        schedule_version(ctx, action.version, action.height)
        ctx.emit(UpgradeScheduled(action.version, action.height))


def _given(changes: ParamChanges) -> dict[str, int]:
    """Return the parameters that a change names."""
    values = ((name, getattr(changes, name)) for name in changes.__struct_fields__)
    return {name: value for name, value in values if value is not None}
