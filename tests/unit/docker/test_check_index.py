"""docker/check_index.py names the cause that pip does not: an index whose certificate the build does not trust."""

from __future__ import annotations

import datetime
import ssl
import threading
from collections.abc import Iterator
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from types import ModuleType

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.docker_scripts import load_script


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("check_index")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost by an authority that nobody knows, with its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "index.pem"
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(serialization.Encoding.PEM, *form)
    )
    return path


@pytest.fixture(scope="module")
def index(certificate: Path) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"https://user:secret@localhost:{server.server_port}/simple/"
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_authority_that_the_build_does_not_know_is_named(
    script: ModuleType, index: str, certificate: Path, tmp_path: Path
) -> None:
    bundle = ssl.get_default_verify_paths().cafile
    assert bundle is not None
    assert "self-signed" in script.untrusted(index, bundle)
    assert script.untrusted(index, str(certificate)) is None


def test_what_pip_tells_itself_is_left_to_pip(script: ModuleType, certificate: Path) -> None:
    for url in ("http://127.0.0.1:1/simple/", "https://localhost:none/", "nonsense"):
        assert script.untrusted(url, str(certificate)) is None


def test_a_password_is_not_told(script: ModuleType, index: str) -> None:
    assert "secret" not in script.CURE.format(url=script.without_password(index), reason="x")
    assert "docker/ca/<name>.crt" in script.CURE
