"""What may be dialled that no operator has configured."""

import pytest

from network.config import PeerAddress
from network.hearsay import (
    MAX_ANNOUNCED,
    MAX_KEYS_TOLD,
    MAX_PLACES,
    MAX_TELLERS,
    AddressBook,
    AddressOrigin,
    Place,
    Scope,
    scope_of,
)

ALICE, BOB, CAROL, DAVE, MALLORY = (letter * 32 for letter in (b"a", b"b", b"c", b"d", b"m"))
PUBLIC, OTHER = "1.2.3.4", "5.6.7.8"


def make_book(*own_hosts: str, missing: set[bytes] | None = None) -> AddressBook:
    return AddressBook(ALICE, own_hosts, lambda key: missing is None or key in missing)


def hosts(book: AddressBook, key: bytes) -> list[str]:
    return [place.host for place in book.places(key)]


@pytest.mark.parametrize(
    ("host", "scope"),
    [
        (PUBLIC, Scope.PUBLIC),
        ("2606:4700::1", Scope.PUBLIC),
        ("10.1.2.3", Scope.PRIVATE),
        ("172.18.0.1", Scope.PRIVATE),
        ("192.168.1.1", Scope.PRIVATE),
        ("100.64.0.1", Scope.PRIVATE),
        ("fd00::1", Scope.PRIVATE),
        ("127.0.0.1", Scope.LOOPBACK),
        ("127.8.9.10", Scope.LOOPBACK),
        ("::1", Scope.LOOPBACK),
        ("::ffff:127.0.0.1", Scope.LOOPBACK),
        ("::ffff:10.0.0.1", Scope.PRIVATE),
        ("::ffff:169.254.169.254", None),
        ("169.254.169.254", None),
        ("fe80::1", None),
        ("fe80::1%eth0", None),
        ("1.2.3.4%x", None),
        ("224.0.0.1", None),
        ("ff02::1", None),
        ("0.0.0.0", None),
        ("::", None),
        ("64:ff9b::7f00:1", None),
        ("2002:7f00:1::1", None),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", None),
        ("localhost", None),
        ("peer.example", None),
        ("127.1", None),
        ("2130706433", None),
        ("0x7f.1", None),
        ("", None),
    ],
)
def test_the_scope_of_an_address(host: str, scope: Scope | None) -> None:
    assert scope_of(host) is scope


@pytest.mark.parametrize("host", ["10.0.0.9", "127.0.0.9"])
def test_a_range_that_our_network_does_not_use_is_not_dialled_by_hearsay(host: str) -> None:
    book = make_book("0.0.0.0")
    book.told(BOB, [(CAROL, host, 7_000)])
    book.announced(DAVE, host, ("", 7_000))
    assert book.places(CAROL) == book.places(DAVE) == []


@pytest.mark.parametrize("how", ["listens there", "a configured peer is there", "a name led there"])
def test_a_range_that_our_network_uses_is(how: str) -> None:
    book = make_book(*(["10.0.0.1"] if how == "listens there" else []))
    book.told(BOB, [(CAROL, "10.0.0.9", 7_000), (DAVE, "127.0.0.9", 7_000)])
    if how == "a configured peer is there":
        book.configure([PeerAddress(BOB, "10.0.0.2", 7_000)])
    elif how == "a name led there":
        book.ours("10.0.0.2")
    assert hosts(book, CAROL) == ["10.0.0.9"]
    assert hosts(book, DAVE) == []


def test_names_and_ports_of_a_system_are_not_dialled_by_hearsay() -> None:
    book = make_book()
    book.told(BOB, [(CAROL, "evil.example", 7_000), (DAVE, PUBLIC, 1_023), (ALICE, PUBLIC, 7_000)])
    book.announced(MALLORY, PUBLIC, (PUBLIC, 22))
    assert [book.places(key) for key in (ALICE, CAROL, DAVE, MALLORY)] == [[], [], [], []]
    assert book.not_configured() == set()


def test_a_name_that_a_peer_says_of_itself_gives_way_to_where_it_is_seen() -> None:
    book = make_book()
    book.announced(BOB, PUBLIC, ("internal.example", 7_000))
    assert book.places(BOB) == [Place(PUBLIC, 7_000, AddressOrigin.ANNOUNCED)]
    book.announced(BOB, PUBLIC, (OTHER, 7_000))
    assert hosts(book, BOB) == [OTHER]


def test_what_is_configured_stands_and_the_peers_own_word_comes_beside_it() -> None:
    book = make_book()
    book.configure([PeerAddress(BOB, "bob.example", 1)])
    book.told(CAROL, [(BOB, OTHER, 7_000)])
    book.announced(BOB, PUBLIC, ("", 7_000))
    assert book.places(BOB) == [Place("bob.example", 1), Place(PUBLIC, 7_000, AddressOrigin.ANNOUNCED)]
    book.configure([])
    book.told(CAROL, [(BOB, OTHER, 7_000)])
    assert book.places(BOB) == []
    book.configure([PeerAddress(BOB, "new.example", 2)])
    assert hosts(book, BOB)[0] == "new.example"


def test_one_teller_displaces_neither_the_peers_own_word_nor_what_others_tell() -> None:
    book = make_book()
    book.told(BOB, [(CAROL, PUBLIC, 7_000)])
    book.told(DAVE, [(CAROL, PUBLIC, 7_000)])
    for port in range(2_000, 2_050):
        book.told(MALLORY, [(CAROL, OTHER, port)])
    assert book.places(CAROL) == [Place(PUBLIC, 7_000, AddressOrigin.TOLD), Place(OTHER, 2_049, AddressOrigin.TOLD)]
    book.announced(CAROL, "9.9.9.9", ("", 7_000))
    assert hosts(book, CAROL) == ["9.9.9.9", PUBLIC, OTHER]


def test_everything_that_is_told_is_bounded() -> None:
    book = make_book(missing={CAROL})
    for teller in range(MAX_TELLERS + 10):
        entries = [(i.to_bytes(32, "big"), PUBLIC, 7_000) for i in range(MAX_KEYS_TOLD + 10)]
        book.told(teller.to_bytes(32, "little"), [*entries, (CAROL, f"1.1.1.{teller}", 7_000)])
    for i in range(MAX_ANNOUNCED + 10):
        book.announced(i.to_bytes(32, "big"), PUBLIC, ("", 7_000))
    assert len(book._told) == MAX_TELLERS
    assert {len(told) for told in book._told.values()} == {MAX_KEYS_TOLD}
    assert len(book._announced) == MAX_ANNOUNCED
    assert len(book.places(CAROL)) == MAX_PLACES
