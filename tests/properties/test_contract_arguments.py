"""Whatever arguments a call or view gets, it answers or refuses with a documented code: nothing else escapes.

What is answered, told and refused is held against its declaration as well: the chain is one of the tests'
(`tests.support.strict`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts_py.identity.referrals import code_of
from contracts_py.registry import contracts
from tests.contract_harness import START, Chain, Op, account_of, as_read, brand_ops, key_of, program_args
from tests.support import campaign_arguments, tier_arguments
from tests.support.clearing import Till, limit_op
from vm.chain_records import ValidatorEntry
from vm.contract_api import Context
from vm.error_codes import CODES
from vm.errors import Refused
from vm.primitives.address import address_of_member, address_of_pool
from vm.primitives.codec import check_value, encode
from vm.runtime import BoundMethod, Runtime
from vm.state_view import BlockOverlay

DAY = 86_400_000


def prepared() -> Chain:
    ops: list[Op] = [*brand_ops("aurora", [{"from": 0, "minutes": 90}]), *brand_ops("basil")]
    for kind in ({"kind": "none"}, {"kind": "inactivity", "days": 3}, {"kind": "month_end", "months": 120}):
        ops.append(("token.create_program", program_args(kind["kind"].replace("_", "-"), "aurora", expiry=kind)))
    for currency in ("EUR", "USD"):
        price = {"currency": currency, "num": 1, "den": 1}
        for debtor, creditor in (("aurora", "basil"), ("basil", "aurora")):
            ops.append(limit_op(debtor, creditor, 1_000, currency))
            ops.append(("till.book", {"debtor": debtor, "creditor": creditor, "price": price, "units": len(ops)}))
    ops.append(("clearing.close", {"currency": "USD", "period": "2023-11"}))
    for ref in ("ab", "cd"):
        ops.append(("identity.enroll", {"brand": "aurora", "ref": ref * 32}))
    for program in ("none", "inactivity", "month-end"):
        ops.append(("token.issue", {"program": program, "to": account_of("ann"), "amount": 500}))
    brands = ("aurora", "basil", "comet", "dune")
    listed, authority = contracts()
    runtime = Runtime([*listed, Till()], authority)
    chain = Chain(ops, validators=[ValidatorEntry(key_of(brand), brand) for brand in brands], runtime=runtime)
    chain.runtime = Runtime(*contracts())
    return chain


CHAIN = prepared()
MEMBER = "ent1ae7ntflnntl3cjqvhnuemj57r39fd9xmy6z44j"
SECOND = address_of_member("aurora", b"\xcd" * 32)
HOME = address_of_pool(account_of("ann"), "home")

integers = st.one_of(
    st.sampled_from(
        [0, 1, 2, 400, 10_000, 2**53 - 1, 2**53, -1, -(2**53), START, START + DAY, START + 9_999 * DAY]
    ),
    st.integers(-(2**60), 2**60),
)
strings = st.one_of(
    st.sampled_from(
        [
            "none",
            "inactivity",
            "month-end",
            "aurora",
            "basil",
            "comet",
            account_of("ann"),
            account_of("bob"),
            MEMBER,
            key_of("ann").hex(),
            "ab" * 32,
            "admin",
            "issuer",
            "free",
            "order-1",
            "EUR",
            "2023-11",
            "",
            "\ud800",
            "€" * 60,
        ]
    ),
    st.text(max_size=8),
)
scalars = st.one_of(st.none(), st.booleans(), integers, strings, st.binary(max_size=4))
kinds = st.sampled_from(["none", "days", "month_end", "inactivity", "weeks"])
records = st.one_of(
    st.fixed_dictionaries({"kind": kinds}, optional={"days": integers, "months": integers}),
    st.fixed_dictionaries({"currency": strings, "num": integers, "den": integers}),
    st.fixed_dictionaries({"from": integers, "minutes": integers}),
)
values = st.one_of(
    integers,
    strings,
    records,
    st.lists(st.one_of(records, strings), max_size=4),
    st.recursive(scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(strings, inner, max_size=2)),
)


@st.composite
def invocations(draw: st.DrawFn) -> tuple[str, str, dict[str, Any]]:
    """Draw a call or view with arguments: mostly its own names, values of every kind."""
    kind = draw(st.sampled_from(["call", "view"]))
    methods = CHAIN.runtime.calls if kind == "call" else CHAIN.runtime.views
    name = draw(st.sampled_from(sorted(methods)))
    args = {}
    for argument, field in methods[name].binder.fields.items():
        if draw(st.integers(0, 9)) < (9 if field.required else 4):
            args[argument] = draw(values)
    if draw(st.integers(0, 19)) == 0:
        args[draw(strings)] = draw(values)
    return kind, name, args


def outcome(invoke: Callable[[], Any]) -> tuple[Any, Refused | None]:
    """Return (result, None) or (None, refusal) after checking that it can be put into a receipt."""
    try:
        result = as_read(invoke())
    except Refused as caught:
        refusal = caught
    else:
        check_value(result)
        return result, None
    assert refusal.code in CODES
    check_value(refusal.details)
    return None, refusal


@settings(max_examples=400, deadline=None)
@given(invocations(), st.booleans(), st.sampled_from(["", account_of("ann"), account_of("aurora-compliance")]))
def test_calls_and_views_answer_or_refuse(
    invocation: tuple[str, str, dict[str, Any]], governance: bool, sender: str
) -> None:
    kind, name, args = invocation
    overlay = BlockOverlay(CHAIN.state)
    ctx = Context(
        overlay,
        "test",
        CHAIN.height,
        CHAIN.time,
        10**6,
        sender=sender,
        signers=(sender,) if sender else (),
        governance=governance,
        read_only=kind == "view",
    )
    invoke = CHAIN.runtime.invoke_call if kind == "call" else CHAIN.runtime.invoke_view
    _, refusal = outcome(lambda: invoke(ctx, name, args))
    if refusal is not None:
        return
    for event in ctx.events:
        check_value(as_read(event.data))
    for cell in overlay.changes.values():
        if cell is not None:
            assert encode(cell[0]) == cell[1]
    assert kind == "call" or not overlay.changes


_TRAITS = {"visits": {"type": "int", "default": 0, "min": 0}, "vip": {"type": "bool", "default": False}}

WELL_FORMED: dict[str, st.SearchStrategy[Any]] = {
    # By the argument's name; where two calls mean different things by one, also by `contract.method.argument`.
    "program": st.sampled_from(["none", "inactivity", "month-end", "fresh"]),
    "brand": st.sampled_from(["aurora", "basil"]),
    "spender": st.sampled_from(["aurora", "basil"]),
    "at_brand": st.sampled_from(["aurora", "basil"]),
    "account": st.sampled_from([account_of("ann"), account_of("bob"), MEMBER]),
    "member": st.sampled_from([account_of("ann"), MEMBER, SECOND, HOME]),
    "to": st.sampled_from([account_of("ann"), account_of("bob"), MEMBER]),
    "from": st.sampled_from([account_of("ann"), MEMBER, SECOND]),
    "amount": st.integers(1, 700) | st.just(2**53 - 1),
    "expires": st.integers(0, 2**53 - 1) | st.integers(START, START + 20_000 * DAY),
    "limit": st.integers(1, 1_000),
    "cap": st.integers(1, 2**53 - 1),
    "adjust_limit": st.integers(0, 1_000),
    "transfer_day": st.integers(0, 1_000),
    "member_day": st.integers(0, 1_000),
    "total_day": st.integers(0, 1_000),
    "closed": st.booleans(),
    "pending_until": st.integers(START, START + 20 * DAY),
    "hold": st.sampled_from(["one", "two"]),
    "redemption_ref": st.sampled_from(["ab" * 32, "cd" * 32]),
    "note_hash": st.just("ab" * 32),
    "token_balance_batch.pairs": st.just([{"account": account_of("ann"), "program": "none"}]),
    "collection": st.sampled_from(["aurora-club", "basil-club"]),
    "token": st.sampled_from([0, 1, 2**53 - 1]),
    "owner": st.sampled_from([account_of("ann"), account_of("bob"), MEMBER]),
    "soulbound": st.booleans(),
    "max_supply": st.integers(1, 3) | st.just(2**53 - 1),
    "traits": st.sampled_from([{"visits": 3}, {"vip": True}, {}]),
    "nft.create_collection.traits": st.sampled_from([_TRAITS, {}]),
    "nft.update_collection.traits": st.just({"more": {"type": "string", "default": ""}}),
    "nft.create_collection.transfer": st.sampled_from(["free", "brand"]),
    "nft_traits.keys": st.just(["visits"]),
    "metadata": st.sampled_from([{"mode": "onchain"}, {"mode": "uri", "base": "ipfs://bafy"}]),
    "art": st.sampled_from([{"icon": "star"}, {"icon": "cup", "title": "X"}]),
    "evolution": st.sampled_from(
        [
            [{"on": "manual", "when": "true", "set": {"visits": "token.traits.visits + 1"}}],
            [{"on": {"held_days": 1}, "when": "token.held_days >= 1", "set": {"vip": "true"}}],
        ]
    ),
    "description": st.just("For guests."),
    "base": st.just("https://x.example/{id}"),
    "uri": st.just("ar://one"),
    "hash": st.just("ab" * 32),
    "lot": st.sampled_from(["never", str(-(-START // DAY) * DAY), "1"]),
    "treaty": st.sampled_from(["aurora-one", "basil-two"]),
    "from_program": st.sampled_from(["none", "inactivity", "month-end"]),
    "to_program": st.sampled_from(["none", "inactivity", "month-end"]),
    "rate": st.lists(st.integers(1, 2**53 - 1), min_size=2, max_size=2),
    "fee_bps": st.integers(0, 9_999),
    "limits": st.just({"member_day": 2**53 - 1, "inventory": 2**53 - 1}),
    "valid_from": st.integers(0, 2**53 - 1),
    "valid_to": st.integers(0, 2**53 - 1),
    "treaties": st.lists(st.sampled_from(["aurora-one", "basil-two"]), min_size=1, max_size=4),
    "min_out": st.integers(0, 9),
    "breakage_bps": st.integers(0, 10_000),
    "expiry": st.one_of(
        st.builds(lambda days: {"kind": "days", "days": days}, st.integers(1, 3_650)),
        st.builds(lambda months: {"kind": "month_end", "months": months}, st.integers(0, 120)),
    ),
    "price": st.just({"currency": "EUR", "num": 0, "den": 2**53 - 1}),
    "offsets": st.just([{"from": 0, "minutes": -840}, {"from": 2**53 - 1, "minutes": 840}]),
    "keys": st.just([key_of("ann").hex()]),
    "admins": st.just([account_of("bob")]),
    "key": st.just(key_of("ann").hex()),
    "ref": st.sampled_from(["ab" * 32, "cd" * 32]),
    "terms_hash": st.just("ab" * 32),
    "role": st.sampled_from(["admin", "issuer"]),
    "transfer": st.sampled_from(["free", "brand", "none"]),
    "cursor": st.sampled_from(["0", "1", "99"]),
    "name": st.sampled_from(["Ä", "home"]),
    "symbol": st.just("X"),
    "item": st.just("y"),
    "decimals": st.integers(0, 15),
    "threshold": st.just(1),
    "transfer_burn_bps": st.integers(0, 10_000),
    "notice_ms": st.integers(0, 2**53 - 1),
    "sale": st.integers(1, 2**53 - 1),
    "points": st.integers(1, 2**53 - 1),
    "unit_price": st.integers(0, 2**53 - 1),
    "expected_bps": st.integers(0, 10_000),
    "redeemed": st.integers(0, 2**53 - 1),
    "proposal": st.sampled_from(["one", "two"]),
    "title": st.just("x"),
    "actions": st.lists(
        st.sampled_from(
            [
                {"action": "add_node", "key": "ab" * 32},
                {"action": "remove_validator", "brand": "aurora"},
                {"action": "set_params", "params": {"window_blocks": 2**53 - 1}},
                {"action": "schedule_upgrade", "version": 2**53 - 1, "height": 2**53 - 1},
                {"action": "exit_brand", "brand": "aurora", "ends": 2**53 - 1, "custodian": "basil"},
                {"action": "replace_admins", "brand": "aurora", "admins": [account_of("bob")]},
            ]
        ),
        min_size=1,
        max_size=3,
    ),
    "text_hash": st.just("ab" * 32),
    "pooling": st.booleans(),
    "level": st.integers(0, 9),
    "provider": st.just("Notary"),
    "commitment": st.sampled_from(["ab" * 32, "cd" * 32]),
    "replacement": st.sampled_from(["cd" * 32, "ef" * 32]),
    "purpose": st.sampled_from(["email", "post"]),
    "granted": st.booleans(),
    "referrer": st.sampled_from([account_of("ann"), account_of("bob"), MEMBER]),
    "code": st.sampled_from([code_of(account_of("ann")), code_of(MEMBER)]),
    "pool": st.sampled_from([HOME, account_of("ann")]),
    "contribute_bps": st.integers(0, 10_000),
    "spenders": st.lists(st.sampled_from([account_of("ann"), MEMBER]), min_size=1, max_size=2),
    "into": st.sampled_from([account_of("ann"), MEMBER, SECOND]),
    "reason": st.just("two cards"),
    "actions_hash": st.just("ab" * 32),
    "choice": st.sampled_from(["yes", "no"]),
    "old": st.just(key_of("aurora").hex()),
    "new": st.just(key_of("ann").hex()),
    "creditor": st.sampled_from(["aurora", "basil"]),
    "debtor": st.sampled_from(["aurora", "basil"]),
    "currency": st.sampled_from(["EUR", "USD", "GBP"]),
    "period": st.sampled_from(["2023-11", "2023-12", "287396-10"]),
    "payer": st.sampled_from(["aurora", "basil"]),
    "payee": st.sampled_from(["aurora", "basil"]),
    "other": st.sampled_from(["aurora", "basil"]),
    "linked": st.booleans(),
    "revision": st.integers(1, 2),
    "backed": st.booleans(),
    "identity.link.other": st.sampled_from([account_of("ann"), MEMBER, SECOND]),
    "identity.unlink.other": st.sampled_from([account_of("ann"), MEMBER, SECOND]),
    "identity.pool_open.name": st.sampled_from(["home", "cabin"]),
    "token_expiring.from": st.integers(START, START + DAY),
    "token_expiring.to": st.integers(START + DAY, START + 400 * DAY),
    "bank_ref": st.just("b"),
    "line": st.integers(0, 3),
    "validator": st.just(key_of("aurora").hex()),
    "height": st.integers(0, 2**53 - 1),
    "gov.report.height": st.integers(0, 9),
    "gov.report.validator": st.sampled_from([key_of("aurora").hex(), key_of("ann").hex()]),
    "round": st.integers(0, 2**53 - 1),
    "step": st.sampled_from(["proposal", "prepare", "commit", "round_change"]),
    "first": st.just({"digest": "ab" * 32, "signature": "00" * 64}),
    "second": st.just({"prepared_round": 2**53 - 1, "prepared_digest": "ab" * 32, "signature": "00" * 64}),
    **campaign_arguments.well_formed(MEMBER),
    **tier_arguments.well_formed(MEMBER, SECOND),
}


def well_formed(method: str, argument: str) -> st.SearchStrategy[Any]:
    """Return good values of an argument of a call or a view."""
    own = f"{method}.{argument}"
    assert own in WELL_FORMED or argument in WELL_FORMED, f"tell WELL_FORMED what good values of {own} are"
    return WELL_FORMED.get(own, WELL_FORMED.get(argument, st.nothing()))


METHODS = [*sorted(CHAIN.runtime.calls.items()), *sorted(CHAIN.runtime.views.items())]


@pytest.mark.parametrize(("name", "method"), METHODS, ids=[name for name, _ in METHODS])
def test_values_that_are_called_well_formed_get_past_the_look_at_arguments(name: str, method: BoundMethod) -> None:
    """Else whatever is tried of them below is INVALID_ARGS, and tests nothing."""
    codes: set[str] = set()
    ann = account_of("ann")

    @settings(max_examples=30, deadline=None, derandomize=True, database=None)
    @given(st.data())
    def invoke(data: st.DataObject) -> None:
        fields = method.binder.fields.items()
        args = {
            f: data.draw(well_formed(name, f)) for f, field in fields if field.required or data.draw(st.booleans())
        }
        method.binder.bind(args)
        is_view = name in CHAIN.runtime.views
        overlay = BlockOverlay(CHAIN.state)
        ctx = Context(
            overlay, "test", 9, START, 10**6, sender=ann, signers=(ann,), governance=True, read_only=is_view
        )
        _, refusal = outcome(lambda: method.invoke(ctx, args))
        codes.add("ok" if refusal is None else refusal.code)

    invoke()
    assert codes != {"INVALID_ARGS"}


@settings(max_examples=150, deadline=None)
@given(
    st.data(),
    st.lists(st.sampled_from(sorted(CHAIN.runtime.calls)), min_size=1, max_size=8),
    st.integers(START, 2**53 - 1) | st.integers(START, START + 200 * DAY),
)
def test_sequences_of_well_formed_calls_keep_to_protocol_integers(
    data: st.DataObject, calls: list[str], time: int
) -> None:
    overlay = BlockOverlay(CHAIN.state)
    ann = account_of("ann")
    for name in calls:
        fields = CHAIN.runtime.calls[name].binder.fields
        args = {
            f: data.draw(well_formed(name, f))
            for f, field in fields.items()
            if field.required or data.draw(st.booleans())
        }
        ctx = Context(overlay, "test", 9, time, 10**6, sender=ann, signers=(ann,), tx_id="00" * 32, governance=True)
        overlay.begin()
        _, refusal = outcome(lambda ctx=ctx, name=name, args=args: CHAIN.runtime.invoke_call(ctx, name, args))
        if refusal is not None:
            overlay.rollback()
    for name in CHAIN.runtime.views:
        fields = CHAIN.runtime.views[name].binder.fields
        args = {f: data.draw(well_formed(name, f)) for f, field in fields.items() if field.required}
        ctx = Context(overlay, "test", 9, time, 10**6, read_only=True)
        outcome(lambda ctx=ctx, name=name, args=args: CHAIN.runtime.invoke_view(ctx, name, args))
