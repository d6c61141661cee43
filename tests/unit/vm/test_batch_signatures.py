"""Batch signatures: one signature for many transactions; nothing passes that was not signed."""

from __future__ import annotations

from typing import Any

import pytest

from vm import batch_signatures
from vm.batch_signatures import MAX_BATCH, VerifiedRoots, paths_of
from vm.primitives import merkle
from vm.primitives.address import address_of_key
from vm.primitives.codec import decode, encode
from vm.primitives.keys import Domain, SigningKey
from vm.transaction import (
    TransactionError,
    encode_body,
    parse_transaction,
    sign_batch,
    sign_body,
    signatures_valid,
)

KEY, OTHER = SigningKey(b"\1" * 32), SigningKey(b"\2" * 32)


def bodies(
    count: int, key: SigningKey = KEY, chain: str = "chain-1", signers: tuple[bytes, ...] = ()
) -> list[bytes]:
    own = address_of_key(key.public_key)
    ops = [("token.transfer", {"program": "miles", "to": own, "amount": 1})]
    return [encode_body(chain, own, nonce, 10**12, ops, signers) for nonce in range(count)]


def changed(raw: bytes, **parts: Any) -> bytes:
    """Return a transaction whose one entry of `sigs` has other parts: key, signature, index, size, hashes."""
    form = decode(raw)
    entry = dict(zip(("key", "signature", "index", "size", "hashes"), form["sigs"][0], strict=True))
    form["sigs"] = [list({**entry, **parts}.values())]
    return encode(form)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 255, MAX_BATCH])
def test_every_transaction_of_a_batch_is_valid_by_itself(count: int) -> None:
    for raw in sign_batch(bodies(count), KEY):
        tx = parse_transaction(raw)
        assert signatures_valid(tx)
        assert tx.signer_addresses == (address_of_key(KEY.public_key),)


def test_the_id_is_that_of_the_body_and_the_hash_that_of_the_bytes() -> None:
    (body, _) = bodies(2)
    alone, batched = parse_transaction(sign_body(body, [KEY])), parse_transaction(sign_batch(bodies(2), KEY)[0])
    assert alone.id == batched.id
    assert alone.hash != batched.hash


def test_a_root_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = []
    true_verify = batch_signatures.verify

    def counted(*args: Any) -> bool:
        checks.append(args)
        return true_verify(*args)

    monkeypatch.setattr(batch_signatures, "verify", counted)
    roots = VerifiedRoots()
    assert all(signatures_valid(parse_transaction(raw), roots) for raw in sign_batch(bodies(64), KEY))
    assert len(checks) == 1


def test_another_signature_over_a_root_that_is_known_is_verified_by_itself() -> None:
    roots = VerifiedRoots()
    first, second = sign_batch(bodies(2), KEY)
    assert signatures_valid(parse_transaction(first), roots)
    assert not signatures_valid(parse_transaction(changed(second, signature=bytes(64))), roots)
    assert not signatures_valid(parse_transaction(changed(second, signature=OTHER.sign(Domain.BATCH, b"x"))), roots)


def test_a_signature_over_a_root_is_no_signature_of_a_body_and_the_reverse() -> None:
    (body,) = bodies(1)
    root, _ = paths_of([parse_transaction(sign_body(body, [KEY])).id])
    as_body = KEY.sign(Domain.TRANSACTION, root)
    (raw,) = sign_batch([body], KEY)
    assert not signatures_valid(parse_transaction(changed(raw, signature=as_body)))
    of_body = KEY.sign(Domain.TRANSACTION, body)
    assert not signatures_valid(parse_transaction(changed(raw, signature=of_body)))
    form = {"body": body, "sigs": [[KEY.public_key, KEY.sign(Domain.BATCH, root)]]}
    assert not signatures_valid(parse_transaction(encode(form)))


def test_an_inner_node_passes_for_no_transaction() -> None:
    """Were leaves and nodes hashed alike, the hash of two transactions would be the id of a third."""
    ids = [parse_transaction(sign_body(body, [KEY])).id for body in bodies(4)]
    root, _ = paths_of(ids)
    inner = merkle.leaf_hash(ids[0]) + merkle.leaf_hash(ids[1])
    upper = merkle.path(ids, 0)[1:]
    assert merkle.root_of_path(inner, 0, 2, upper) != root
    assert merkle.root_of_path(ids[0], 0, 4, merkle.path(ids, 0)) == root


def test_one_bad_leaf_spoils_only_itself() -> None:
    raws = sign_batch(bodies(8), KEY)
    stranger = bodies(9)[8]
    form = decode(raws[3])
    form["body"] = stranger
    roots = VerifiedRoots()
    txs = [parse_transaction(raw) for raw in [*raws[:3], encode(form), *raws[4:]]]
    assert [signatures_valid(tx, roots) for tx in txs] == [True] * 3 + [False] + [True] * 4


def test_a_batch_may_mix_chains_and_each_transaction_names_its_own() -> None:
    mixed = [bodies(1, chain="chain-1")[0], bodies(1, chain="chain-2")[0]]
    txs = [parse_transaction(raw) for raw in sign_batch(mixed, KEY)]
    assert all(map(signatures_valid, txs))
    assert [tx.body.chain for tx in txs] == ["chain-1", "chain-2"]


def test_another_keys_batch_is_not_the_senders() -> None:
    (raw,) = sign_batch(bodies(1, OTHER), KEY)
    with pytest.raises(TransactionError, match="the sender's key"):
        parse_transaction(raw)


def test_cosigners_may_each_sign_in_their_own_way() -> None:
    keys = sorted((KEY, OTHER), key=lambda key: key.public_key)
    signers = tuple(key.public_key for key in keys)
    (body,) = bodies(1, signers=signers)
    tx_id = parse_transaction(sign_body(body, keys)).id
    root, (path, _) = paths_of([tx_id, bytes(32)])
    entries = {
        KEY.public_key: [KEY.public_key, KEY.sign(Domain.BATCH, root), path.index, path.size, list(path.hashes)],
        OTHER.public_key: [OTHER.public_key, OTHER.sign(Domain.TRANSACTION, body)],
    }
    tx = parse_transaction(encode({"body": body, "sigs": [entries[key] for key in signers]}))
    assert signatures_valid(tx)
    assert sum(path is None for path in tx.paths) == 1


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"size": 0}, "1 to 256"),
        ({"size": MAX_BATCH + 1}, "1 to 256"),
        ({"index": 4}, "has no transaction 4"),
        ({"hashes": []}, "has not 0 hashes"),
        ({"hashes": [bytes(32)] * 3}, "has not 3 hashes"),
        ({"hashes": [bytes(31)] * 2}, "32 bytes"),
        ({"hashes": [bytes(32), bytes(33)]}, "32 bytes"),
        ({"size": 3, "index": 2}, "has not 2 hashes"),
        ({"signature": bytes(63)}, "a signature 64"),
        ({"key": bytes(31)}, "a key has 32 bytes"),
        ({"index": b"0"}, "sigs:"),
        ({"hashes": b""}, "sigs:"),
    ],
)
def test_a_path_that_can_lead_to_no_root_is_malformed(parts: dict[str, Any], message: str) -> None:
    raw = sign_batch(bodies(4), KEY)[1]
    with pytest.raises(TransactionError, match=message) as caught:
        parse_transaction(changed(raw, **parts))
    assert caught.value.reason == "MALFORMED"


@pytest.mark.parametrize("length", [0, 1, 3, 4, 6])
def test_an_entry_of_another_length_is_malformed(length: int) -> None:
    form = decode(sign_batch(bodies(4), KEY)[1])
    form["sigs"] = [[*form["sigs"][0], 0][:length]]
    with pytest.raises(TransactionError) as caught:
        parse_transaction(encode(form))
    assert caught.value.reason == "MALFORMED"


def test_every_other_place_in_the_batch_is_refused() -> None:
    raw = sign_batch(bodies(8), KEY)[5]
    for index in range(8):
        assert signatures_valid(parse_transaction(changed(raw, index=index))) == (index == 5)


def test_what_is_remembered_is_bounded_and_the_oldest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_signatures, "MAX_ROOTS", 3)
    roots = VerifiedRoots()
    raws = [sign_batch([body], KEY)[0] for body in bodies(5)]
    for raw in raws[:3]:
        assert signatures_valid(parse_transaction(raw), roots)
    assert signatures_valid(parse_transaction(raws[0]), roots), "used again: the newest now"
    for raw in raws[3:]:
        assert signatures_valid(parse_transaction(raw), roots)
    assert len(roots) == 3
    assert any(signature == parse_transaction(raws[0]).sigs[0][1] for _, signature, _ in roots._known)


def test_what_is_not_valid_is_not_remembered() -> None:
    roots = VerifiedRoots()
    assert not signatures_valid(
        parse_transaction(changed(sign_batch(bodies(2), KEY)[0], signature=bytes(64))), roots
    )
    assert len(roots) == 0


@pytest.mark.parametrize("count", [0, MAX_BATCH + 1])
def test_a_batch_has_bounds(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 256"):
        sign_batch(bodies(count), KEY)
