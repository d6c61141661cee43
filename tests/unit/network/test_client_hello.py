"""The name is read from what OpenSSL sends; anything else is refused or awaited, and never more than is bounded."""

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from network.client_hello import MAX_CLIENT_HELLO_BYTES, ClientHello, read_client_hello
from network.errors import NotTls


def from_openssl(name: str | None) -> bytes:
    """Return the ClientHello of Python's own client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("name", ["entente", "a" * 52 + "." + "b" * 26 + ".entente"])
def test_the_name_is_read(name: str) -> None:
    assert read_client_hello(from_openssl(name)) == ClientHello(name)


def test_without_a_name_it_is_empty() -> None:
    assert read_client_hello(from_openssl(None)) == ClientHello("")


def test_what_follows_the_record_does_not_matter() -> None:
    assert read_client_hello(from_openssl("entente") + b"more") == ClientHello("entente")


def test_any_beginning_of_one_is_awaited() -> None:
    whole = from_openssl("entente")
    assert all(read_client_hello(whole[:length]) is None for length in range(len(whole)))


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x80\x2e\x01\x03\x01",
        bytes(1_000),
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01" + (MAX_CLIENT_HELLO_BYTES - 4).to_bytes(2, "big"),
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
        b"\x16\x03\x01\x00\x04\x01\x00\x00\x00",
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",
    ],
)
def test_what_can_be_none_is_refused_at_once(data: bytes) -> None:
    with pytest.raises(NotTls):
        read_client_hello(data)


@given(st.binary(max_size=600), st.integers(0, 600), st.booleans())
def test_any_bytes_have_an_answer(noise: bytes, at: int, framed: bool) -> None:
    data = noise
    if framed:
        hello = from_openssl("entente")
        data = hello[:at] + noise + hello[at + len(noise) :]
    try:
        found = read_client_hello(data)
    except NotTls:
        return
    assert found is None or isinstance(found.server_name, str)
    assert found is not None or len(data) < MAX_CLIENT_HELLO_BYTES
