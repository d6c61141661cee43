"""Node identity in TLS: certificates whose key is the node's Ed25519 key, and what is read from them.

Python's ssl can neither verify a certificate by a callback nor ask a client for one without a CA to
chain it to. So each chain has a *formality CA*, whose private key anyone can derive from the chain id;
every node issues its own certificate under it. Chaining to it proves nothing except that both sides
mean the same chain. What authenticates is: TLS 1.3 proves possession of the private key of the
certificate's public key, and `peer_key` hands that key to the permission check before any frame is
read or sent. docs/decisions/tls-identity.md has the argument.

Invariants:
    1. TLS 1.3 only, certificates demanded from both sides, no session is ever resumed.
    2. No private key lies in a file system longer than one call takes.
    3. Certificates are valid at any time a clock may show: virtual clocks and skewed ones are normal.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from network.errors import NotPermitted
from vm.primitives.keys import SigningKey

SERVER_NAME: Final = "entente"
"""Sent as SNI by every dialler and ignored: nodes are known by key, not by name."""

_FORMALITY_TAG: Final = b"entente/tls-formality/1\0"
_VALID_FROM: Final = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
_VALID_TO: Final = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True)
class TlsContexts:
    """The two sides of one node's identity."""

    server: ssl.SSLContext
    client: ssl.SSLContext


def make_contexts(chain: str, key: SigningKey) -> TlsContexts:
    """Return the TLS contexts of the node with this key on this chain."""
    authority = _authority_certificate(chain)
    node_key = Ed25519PrivateKey.from_private_bytes(key.seed)
    chain_pem = issue_certificate(chain, node_key.public_key()).public_bytes(serialization.Encoding.PEM)
    key_pem = node_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    authority_der = authority.public_bytes(serialization.Encoding.DER)
    with _short_lived_file(key_pem + chain_pem) as path:
        server = _context(ssl.PROTOCOL_TLS_SERVER, authority_der, path)
        client = _context(ssl.PROTOCOL_TLS_CLIENT, authority_der, path)
    # Without tickets no session can be resumed, so every connection proves its key afresh.
    server.num_tickets = 0
    server.options |= ssl.OP_NO_TICKET
    return TlsContexts(server, client)


def issue_certificate(chain: str, public_key: Ed25519PublicKey) -> x509.Certificate:
    """Return a leaf for the key under the chain's formality CA, as any node can make it for itself."""
    authority_key = _authority_key(chain)
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return (
        _builder(_name("node"), public_key)
        .issuer_name(_name(chain))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
        )
        .sign(authority_key, None)
    )


def peer_key(connection: ssl.SSLObject | None) -> bytes:
    """Return the Ed25519 key that the other side of a finished handshake has proved to hold.

    Raises:
        NotPermitted: there is no such key, or the handshake was not a full TLS 1.3 one.
    """
    if connection is None or connection.version() != "TLSv1.3" or connection.session_reused:
        raise NotPermitted("not a full TLS 1.3 handshake")
    der = connection.getpeercert(binary_form=True)
    if der is None:
        raise NotPermitted("no certificate")
    try:
        key = x509.load_der_x509_certificate(der).public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise NotPermitted(f"unreadable certificate: {error}") from None
    if not isinstance(key, Ed25519PublicKey):
        raise NotPermitted("the certificate's key is not Ed25519")
    return key.public_bytes_raw()


def _authority_key(chain: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(sha256(_FORMALITY_TAG + chain.encode()).digest())


def _authority_certificate(chain: str) -> x509.Certificate:
    key = _authority_key(chain)
    return (
        _builder(_name(chain), key.public_key())
        .issuer_name(_name(chain))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, None)
    )


def _builder(subject: x509.Name, public_key: Ed25519PublicKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(1)
        .not_valid_before(_VALID_FROM)
        .not_valid_after(_VALID_TO)
    )


def _name(text: str) -> x509.Name:
    # X.509 bounds a common name to 64 characters; the CA's key tells chains apart, not its name.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _context(protocol: int, authority_der: bytes, path: str) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=authority_der)
    context.load_cert_chain(path)
    return context


@contextlib.contextmanager
def _short_lived_file(content: bytes) -> Iterator[str]:
    """Offer `content` under a path, because `load_cert_chain` reads files only.

    On Linux the file is anonymous memory; elsewhere it is private to this user and removed at once.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("entente-tls")
        path = f"/proc/self/fd/{descriptor}"
    else:
        descriptor, path = tempfile.mkstemp()
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield path
    finally:
        if not path.startswith("/proc/"):
            os.unlink(path)
        os.close(descriptor)
