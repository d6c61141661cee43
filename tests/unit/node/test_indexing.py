"""Under which names a block's transactions are found."""

from __future__ import annotations

from node.indexing import index_entries
from tests.support.ledger import address_of, key_of
from vm.receipt import Event, Receipt
from vm.transaction import Transaction, encode_body, parse_transaction, sign_body

KNOWN = {"token.issue": None, "token.burn": None}


def transaction(*calls: str) -> Transaction:
    body = encode_body("chain", address_of("ann"), 1, 1, [(call, {}) for call in calls])
    return parse_transaction(sign_body(body, [key_of("ann")]))


def receipt(*events: Event) -> Receipt:
    return Receipt("", 1, 0, "ok", [], list(events), 0)


def test_a_transaction_is_found_by_its_calls_and_by_what_its_events_name():
    event = Event(0, "token.issued", {"brand": "aurora", "account": address_of("bob"), "amount": 1})
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


def test_free_text_that_looks_like_an_address_is_found_under_nobody():
    texts = {
        "ref": address_of("victim"),
        "item": address_of("victim"),
        "name": address_of("victim"),
        "brand": "aurora",
    }
    named = {
        "from": address_of("ann"),
        "to": address_of("bob"),
        "member": address_of("eve"),
        "account": "no address",
    }
    events = [Event(0, "token.issued", texts), Event(0, "token.transferred", named)]
    entries = index_entries([transaction("token.issue")], [receipt(*events)], KNOWN)
    accounts = {name for kind, name in entries if kind == "account"}
    assert accounts == {address_of(name) for name in ("ann", "bob", "eve")}
