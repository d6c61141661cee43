"""Under which names a block's transactions are found."""

from __future__ import annotations

import msgspec
import pytest

from contracts_py.token.events import Issued, Redeemed, Transferred
from node.chain.indexing import index_entries
from tests.support.ledger import address_of, key_of
from vm.primitives.codec import encode
from vm.receipt import Event, Receipt
from vm.transaction import Transaction, encode_body, parse_transaction, sign_body

KNOWN = {"token.issue": None, "token.burn": None}


def transaction(*calls: str) -> Transaction:
    body = encode_body("chain", address_of("ann"), 1, 1, [(call, {}) for call in calls])
    return parse_transaction(sign_body(body, [key_of("ann")]))


def receipt(*events: Event) -> Receipt:
    return Receipt("", 1, 0, "ok", [], list(events), 0)


def issued(data: Issued, *, read_back: bool) -> Event:
    """Return an event as execution makes it, or as it is read back from the store."""
    event = Event(0, "token.issued", data)
    return msgspec.msgpack.decode(encode(event), type=Event) if read_back else event


ISSUED = Issued("stars", "aurora", address_of("bob"), 1, "never", address_of("victim"))


@pytest.mark.parametrize("read_back", [False, True])
def test_a_transaction_is_found_by_its_calls_and_by_what_its_events_declare(read_back):
    event = issued(ISSUED, read_back=read_back)
    entries = index_entries(
        [transaction("token.burn"), transaction("token.issue", "token.issue")], [receipt(), receipt(event)], KNOWN
    )
    assert entries == {
        ("account", address_of("ann")): [0, 1],
        ("account", address_of("bob")): [1],
        ("brand", "aurora"): [1],
        ("call", "token.burn"): [0],
        ("call", "token.issue"): [1],
    }


def test_made_up_calls_make_no_records():
    many = transaction("token.issue", *[f"a.{i}" for i in range(999)])
    entries = index_entries([many], [receipt()], KNOWN)
    assert entries == {("account", address_of("ann")): [0], ("call", "token.issue"): [0]}


@pytest.mark.parametrize("read_back", [False, True])
def test_free_text_that_looks_like_an_address_is_found_under_nobody(read_back):
    victim = address_of("victim")
    redeemed = Event(
        1, "token.redeemed", Redeemed("stars", "aurora", "basil", address_of("eve"), 1, victim, victim)
    )
    moved = Event(
        2, "token.transferred", Transferred("stars", "aurora", address_of("bob"), address_of("eve"), 1, 0)
    )
    events = [msgspec.msgpack.decode(encode(e), type=Event) if read_back else e for e in (redeemed, moved)]
    entries = index_entries([transaction("token.issue")], [receipt(*events)], KNOWN)
    assert {name for kind, name in entries if kind == "account"} == {address_of(n) for n in ("ann", "bob", "eve")}
    assert {name for kind, name in entries if kind == "brand"} == {"aurora", "basil"}
