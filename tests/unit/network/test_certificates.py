"""Identity in TLS: what passes the handshake, and what key is read from it (no sockets: memory BIOs)."""

import os
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from network import certificates
from network.certificates import SERVER_NAME, TlsContexts, issue_certificate, make_contexts, peer_key
from network.errors import NotPermitted
from vm.primitives.keys import SigningKey

CHAIN = "demo-0123456789abcdef"
ALICE = SigningKey(b"a" * 32)
BOB = SigningKey(b"b" * 32)


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Run a handshake in memory to its end on both sides."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    a = server.wrap_bio(to_server, to_client, server_side=True)
    b = client.wrap_bio(to_client, to_server, server_hostname=SERVER_NAME)
    pending = [a, b]
    for _ in range(10):
        for side in list(pending):
            try:
                side.do_handshake()
                pending.remove(side)
            except ssl.SSLWantReadError:
                continue
        if not pending:
            return a, b
    raise AssertionError("the handshake does not end")


@pytest.fixture(scope="module")
def alice() -> TlsContexts:
    return make_contexts(CHAIN, ALICE)


@pytest.fixture(scope="module")
def bob() -> TlsContexts:
    return make_contexts(CHAIN, BOB)


def test_each_side_learns_the_others_key(alice: TlsContexts, bob: TlsContexts) -> None:
    server, client = handshake(alice.server, bob.client)
    assert peer_key(server) == BOB.public_key
    assert peer_key(client) == ALICE.public_key
    assert server.version() == client.version() == "TLSv1.3"


def test_another_chain_fails_the_handshake(alice: TlsContexts) -> None:
    stranger = make_contexts("demo-fedcba9876543210", BOB)
    with pytest.raises(ssl.SSLError):
        handshake(alice.server, stranger.client)


def test_chains_are_told_apart_by_key_where_their_names_begin_alike() -> None:
    """A common name holds 64 characters; the authority's key depends on all of them."""
    contexts = [make_contexts("x" * 64 + end, key) for end, key in (("a", ALICE), ("b", BOB))]
    with pytest.raises(ssl.SSLError):
        handshake(contexts[0].server, contexts[1].client)


def test_tls_1_2_is_refused(alice: TlsContexts, bob: TlsContexts) -> None:
    old = make_contexts(CHAIN, BOB).client
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        handshake(alice.server, old)


def test_a_client_without_certificate_is_refused(alice: TlsContexts) -> None:
    anonymous = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anonymous.check_hostname = False
    anonymous.verify_mode = ssl.CERT_NONE
    with pytest.raises(ssl.SSLError):
        handshake(alice.server, anonymous)


def test_a_certificate_for_a_key_that_one_does_not_hold_is_useless() -> None:
    alices = issue_certificate(CHAIN, Ed25519PrivateKey.from_private_bytes(ALICE.seed).public_key())
    bobs_key = Ed25519PrivateKey.from_private_bytes(BOB.seed)
    pem = alices.public_bytes(Encoding.PEM)
    pem += bobs_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with certificates._short_lived_file(pem) as path, pytest.raises(ssl.SSLError, match="key values mismatch"):
        context.load_cert_chain(path)


def test_a_key_of_another_algorithm_is_not_permitted(alice: TlsContexts) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = issue_certificate(CHAIN, key.public_key())  # type: ignore[arg-type]
    pem = certificate.public_bytes(Encoding.PEM)
    pem += key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    # A fresh context: OpenSSL keeps one key for each algorithm and would choose between two.
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    with certificates._short_lived_file(pem) as path:
        client.load_cert_chain(path)
    server, _ = handshake(alice.server, client)
    with pytest.raises(NotPermitted):
        peer_key(server)


def test_the_authority_itself_is_just_another_key(alice: TlsContexts) -> None:
    key = certificates._authority_key(CHAIN)
    pem = certificates._authority_certificate(CHAIN).public_bytes(Encoding.PEM)
    pem += key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    with certificates._short_lived_file(pem) as path:
        client.load_cert_chain(path)
    # OpenSSL takes it, as it takes any key of the chain; the node list does not hold it.
    server, _ = handshake(alice.server, client)
    assert peer_key(server) == key.public_key().public_bytes_raw()


def test_no_session_is_resumed(alice: TlsContexts, bob: TlsContexts) -> None:
    server, client = handshake(alice.server, bob.client)
    server.write(b"x")
    assert client.read(1) == b"x"
    assert client.session is None or not client.session.has_ticket
    assert not server.session_reused


def test_without_a_finished_handshake_there_is_no_key() -> None:
    with pytest.raises(NotPermitted):
        peer_key(None)


def test_no_private_key_stays_in_the_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delattr(os, "memfd_create", raising=False)
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    make_contexts(CHAIN, ALICE)
    assert list(tmp_path.iterdir()) == []
    if before:
        assert len(os.listdir("/proc/self/fd")) == before


def test_the_fallback_file_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delattr(os, "memfd_create", raising=False)
    with certificates._short_lived_file(b"secret") as path:
        assert os.stat(path).st_mode & 0o777 == 0o600
        assert Path(path).read_bytes() == b"secret"


def test_a_long_chain_name_fits() -> None:
    assert make_contexts("x" * 128, ALICE).server.minimum_version is ssl.TLSVersion.TLSv1_3
