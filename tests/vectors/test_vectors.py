"""The frozen vectors hold, and MessagePack written by others agrees with ours."""

from __future__ import annotations

import json
from typing import Any

import msgpack
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from consensus.types import decode_certificate, decode_header, header_digest
from tests.vectors.make_vectors import PATH, build
from vm.primitives import merkle
from vm.primitives.codec import CodecError, decode, encode
from vm.transaction import parse_transaction, signatures_valid

VECTORS: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))


def sorted_maps(value: Any) -> Any:
    """Sort every map by its keys' UTF-8 bytes, as SPEC section 1 says; not by our own code."""
    if isinstance(value, dict):
        return {key: sorted_maps(value[key]) for key in sorted(value, key=lambda key: key.encode())}
    return [sorted_maps(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("section", list(VECTORS))
def test_the_code_still_produces_the_frozen_vectors(section: str) -> None:
    assert json.loads(json.dumps(build()[section])) == VECTORS[section]


@pytest.mark.parametrize("case", VECTORS["canonical"]["accepted"], ids=lambda case: case["bytes"][:16])
def test_another_library_encodes_the_same_canonical_bytes(case: dict[str, Any]) -> None:
    data = bytes.fromhex(case["bytes"])
    assert msgpack.packb(sorted_maps(case["value"]), use_bin_type=True) == data
    assert decode(data) == case["value"]


@pytest.mark.parametrize("name", list(VECTORS["canonical"]["refused"]))
def test_a_strict_decoder_refuses(name: str) -> None:
    with pytest.raises(CodecError):
        decode(bytes.fromhex(VECTORS["canonical"]["refused"][name]))


def test_sixteen_levels_are_accepted() -> None:
    data = bytes.fromhex("91" * 16 + "01")
    assert encode(decode(data)) == data


@pytest.mark.parametrize("case", VECTORS["transactions"], ids=lambda case: case["id"][:8])
def test_transactions_parse_and_verify(case: dict[str, Any]) -> None:
    tx = parse_transaction(bytes.fromhex(case["tx"]))
    assert tx.id.hex() == case["id"]
    assert signatures_valid(tx)
    envelope = msgpack.unpackb(bytes.fromhex(case["tx"]))
    for key, signature in envelope["sigs"]:
        # Another library's verification; it raises for a wrong signature.
        Ed25519PublicKey.from_public_bytes(key).verify(signature, b"entente/tx/1\0" + envelope["body"])


@pytest.mark.parametrize("case", VECTORS["batch_signatures"], ids=lambda case: str(case["count"]))
def test_batch_signatures_verify_by_another_library(case: dict[str, Any]) -> None:
    ids = [bytes.fromhex(tx_id) for tx_id in case["ids"]]
    root = bytes.fromhex(case["root"])
    assert merkle.root(ids) == root
    for place, raw in case["transactions"].items():
        tx = parse_transaction(bytes.fromhex(raw))
        assert tx.id == ids[int(place)]
        assert signatures_valid(tx)
        ((key, signature, index, size, hashes),) = msgpack.unpackb(bytes.fromhex(raw))["sigs"]
        assert (index, size) == (int(place), case["count"])
        assert merkle.verify_path(tx.id, index, size, hashes, root)
        Ed25519PublicKey.from_public_bytes(key).verify(signature, b"entente/batch/1\0" + root)


@pytest.mark.parametrize("case", VECTORS["merkle"], ids=lambda case: str(len(case["items"])))
def test_every_frozen_path_proves_its_item_and_no_other(case: dict[str, Any]) -> None:
    root = bytes.fromhex(case["root"])
    count = len(case["items"])
    for index, siblings in enumerate(case["paths"]):
        path = [bytes.fromhex(sibling) for sibling in siblings]
        item = bytes.fromhex(case["items"][index])
        assert merkle.verify_path(item, index, count, path, root)
        assert not merkle.verify_path(item + b"x", index, count, path, root)
        assert not merkle.verify_path(item, (index + 1) % (count + 1), count, path, root)


def test_header_and_certificate_decode_to_what_they_name() -> None:
    consensus = VECTORS["consensus"]
    header = decode_header(bytes.fromhex(consensus["header_bytes"]))
    assert header_digest(header).hex() == consensus["digest"]
    certificate = decode_certificate(bytes.fromhex(consensus["certificate_bytes"]))
    assert certificate.digest.hex() == consensus["digest"]
    payload = b"entente/commit/1\0" + bytes.fromhex(consensus["seal_payload"])
    for seal in certificate.seals:
        key = bytes.fromhex(consensus["validators"][seal.index][0])
        Ed25519PublicKey.from_public_bytes(key).verify(seal.signature, payload)
