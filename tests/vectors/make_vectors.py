"""Builds the frozen vectors: `python -m tests.vectors.make_vectors` rewrites vectors.json.

Rewriting is a change of protocol: the difference is reviewed like one. Another implementation needs only the
JSON: every input is given in full, bytes as lower-case hex, values as JSON.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from consensus.messages import round_change_payload, seal_payload, vote_payload
from consensus.types import (
    Certificate,
    Header,
    Roots,
    Seal,
    Validator,
    ValidatorSet,
    certificate_hash,
    header_digest,
)
from genesis.document import Genesis
from vm.batch_signatures import MAX_BATCH
from vm.block_execution import system_receipt_id
from vm.primitives import merkle
from vm.primitives.address import address_of_key, address_of_member
from vm.primitives.codec import encode
from vm.primitives.hashing import sha256
from vm.primitives.keys import Domain, SigningKey
from vm.receipt import Event, Receipt, ReceiptError
from vm.state_tree import StateTree
from vm.transaction import encode_body, parse_transaction, sign_batch, sign_body

PATH = Path(__file__).with_name("vectors.json")

CANONICAL_VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    127,
    128,
    255,
    256,
    65_535,
    65_536,
    2**32 - 1,
    2**32,
    2**53 - 1,
    -1,
    -32,
    -33,
    -128,
    -129,
    -32_768,
    -32_769,
    -(2**31) - 1,
    -(2**53 - 1),
    "",
    "aé€😀",
    "x" * 31,
    "x" * 32,
    "x" * 256,
    [],
    [1, [2, ["three"]]],
    {},
    {"b": 1, "a": {"é": [], "z": None}, "aa": "A", "B": 2},
    list(range(16)),
]

REFUSED: dict[str, str] = {
    "float": "cb3ff0000000000000",
    "float32": "ca3f800000",
    "long form of 1": "cd0001",
    "long form of a string": "d90161",
    "long form of an array": "dc000101",
    "unsorted keys": "82a16201a16102",
    "duplicate key": "82a16101a16102",
    "integer key": "810101",
    "bytes key": "81c4016101",
    "trailing byte": "0100",
    "extension": "d40100",
    "timestamp": "d6ff00000001",
    "2^53": "cf0020000000000000",
    "-2^53": "d3ffe0000000000000",
    "invalid UTF-8": "a1ff",
    "lone surrogate": "a3eda080",
    "cut off": "92",
    "nothing": "",
    "reserved byte": "c1",
    "nested 17 deep": "91" * 17 + "01",
}


def keys() -> list[SigningKey]:
    """Return the vectors' four keys, from seeds 01…, 02…, 03…, 04…."""
    return [SigningKey(bytes([number]) * 32) for number in range(1, 5)]


def build() -> dict[str, Any]:
    """Return all vectors."""
    return {
        "canonical": {
            "accepted": [{"value": value, "bytes": encode(value).hex()} for value in CANONICAL_VALUES],
            "refused": REFUSED,
        },
        "keys": _keys(),
        "transactions": _transactions(),
        "batch_signatures": _batch_signatures(),
        "receipts": _receipts(),
        "merkle": _merkle(),
        "state_tree": _state_tree(),
        "consensus": _consensus(),
        "genesis": _genesis(),
    }


def _keys() -> dict[str, Any]:
    message = b"entente"
    tags = ("TRANSACTION", "PROPOSAL", "PREPARE", "COMMIT", "ROUND_CHANGE", "RECEIPT")
    return {
        "accounts": [
            {
                "seed": key.seed.hex(),
                "public_key": key.public_key.hex(),
                "address": address_of_key(key.public_key),
            }
            for key in keys()
        ],
        "signatures": [
            {
                "seed": keys()[0].seed.hex(),
                "tag": getattr(Domain, tag).hex(),
                "message": message.hex(),
                "signature": keys()[0].sign(getattr(Domain, tag), message).hex(),
            }
            for tag in tags
        ],
        "members": [
            {"brand": brand, "ref": ref.hex(), "address": address_of_member(brand, ref)}
            for brand, ref in (("aurora", bytes(32)), ("basil", sha256(b"member 7")))
        ],
    }


def _transactions() -> list[dict[str, Any]]:
    first, second, *_ = keys()
    sender = address_of_key(first.public_key)
    to = address_of_key(second.public_key)
    transfer = ("token.transfer", {"program": "miles", "to": to, "amount": 12})
    cases: list[tuple[dict[str, Any], list[SigningKey]]] = [
        ({"nonce": 0, "expires": 1_700_000_000_000, "ops": [transfer]}, [first]),
        ({"nonce": 2**53 - 1, "expires": 1, "ops": [transfer, transfer], "memo": "order é 1"}, [first]),
        (
            {
                "nonce": 5,
                "expires": 9,
                "ops": [("identity.claim", {"member": to, "key": second.public_key.hex()})],
                "signers": [first.public_key, second.public_key],
            },
            [first, second],
        ),
    ]
    made = []
    for fields, signing in cases:
        body = encode_body("vector-0011223344556677", sender, **fields)
        raw = sign_body(body, signing)
        tx = parse_transaction(raw)
        made.append(
            {
                "chain": "vector-0011223344556677",
                "sender": sender,
                **{k: v for k, v in fields.items() if k != "signers"},
                "signers": [key.hex() for key in fields.get("signers", [])],
                "seeds": [key.seed.hex() for key in sorted(signing, key=lambda k: k.public_key)],
                "body": body.hex(),
                "tx": raw.hex(),
                "id": tx.id.hex(),
                "hash": tx.hash.hex(),
            }
        )
    return made


def _batch_signatures() -> list[dict[str, Any]]:
    """Return batches of one key: an odd one, whose last path is short, and the largest."""
    (first, *_) = keys()
    sender = address_of_key(first.public_key)
    transfer = ("token.transfer", {"program": "miles", "to": sender, "amount": 1})
    made = []
    for count in (1, 5, MAX_BATCH):
        bodies = [
            encode_body("vector-0011223344556677", sender, nonce, 1_700_000_000_000, [transfer])
            for nonce in range(count)
        ]
        transactions = sign_batch(bodies, first)
        shown = sorted({0, count // 2, count - 1})
        made.append(
            {
                "seed": first.seed.hex(),
                "count": count,
                "ids": [sha256(body).hex() for body in bodies],
                "root": merkle.root([sha256(body) for body in bodies]).hex(),
                "transactions": {str(index): transactions[index].hex() for index in shown},
            }
        )
    return made


def _receipts() -> list[dict[str, str]]:
    ok = Receipt(
        "ab" * 32, 7, 0, "ok", [{"lot": "never", "amount": 5}], [Event(0, "token.issued", {"b": 1, "a": "x"})], 321
    )
    error = ReceiptError("DUPLICATE_REF", "this reference has been used", 0, {"tx": "cd" * 32, "amount": 5})
    failed = Receipt("ef" * 32, 7, 1, "failed", [], [], 99, error)
    return [{"receipt": json.loads(_json(receipt)), "bytes": receipt.to_bytes().hex()} for receipt in (ok, failed)]


def _json(value: Any) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()


def _merkle() -> list[dict[str, Any]]:
    made = []
    for count in (0, 1, 2, 3, 4, 5, 7, 8, 13):
        items = [bytes([index]) * (index + 1) for index in range(count)]
        made.append(
            {
                "items": [item.hex() for item in items],
                "root": merkle.root(items).hex(),
                "paths": [[h.hex() for h in merkle.path(items, index)] for index in range(count)],
            }
        )
    return made


def _state_tree() -> list[dict[str, Any]]:
    made = []
    for depth, count in ((1, 0), (1, 1), (1, 2), (1, 40), (4, 3)):
        changes = {f"token/balance/miles/{index}/never": encode(index) for index in range(count)}
        tree = StateTree(depth, {})
        made.append(
            {
                "depth": depth,
                "entries": {key: value.hex() for key, value in changes.items()},
                "root": tree.update(changes).root.hex(),
            }
        )
    return made


def _consensus() -> dict[str, Any]:
    validators = ValidatorSet(
        Validator(key.public_key, brand)
        for key, brand in zip(keys(), ("aurora", "basil", "comet", "dune"), strict=True)
    )
    chain, roots = "vector-0011223344556677", Roots(sha256(b"state"), sha256(b"receipts"))
    header = Header(
        chain=chain,
        version=1,
        height=2,
        time=1_700_000_000_000,
        parent=sha256(b"parent"),
        parent_state_root=sha256(b"parent state"),
        parent_commit=certificate_hash(None),
        proposer=validators.validators[0].public_key,
        tx_root=merkle.root([]),
        tx_count=0,
        validators_hash=validators.hash,
        next_validators_hash=validators.hash,
    )
    digest = header_digest(header)
    payload = seal_payload(chain, 2, 1, digest, roots)
    by_key = {key.public_key: key for key in keys()}
    seals = tuple(
        Seal(index, by_key[validator.public_key].sign(Domain.COMMIT, payload))
        for index, validator in enumerate(validators.validators[:3])
    )
    certificate = Certificate(2, 1, digest, roots.state_root, roots.receipts_root, seals)
    return {
        "validators": [[v.public_key.hex(), v.brand] for v in validators.validators],
        "validators_hash": validators.hash.hex(),
        "header": {
            name: value.hex() if isinstance(value := getattr(header, name), bytes) else value
            for name in header.__struct_fields__
        },
        "header_bytes": encode(header).hex(),
        "digest": digest.hex(),
        "vote_payload": vote_payload(chain, 2, 1, digest).hex(),
        "seal_payload": payload.hex(),
        "round_change_payload": round_change_payload(chain, 2, 3, 1, digest).hex(),
        "round_change_payload_unprepared": round_change_payload(chain, 2, 3, None, None).hex(),
        "certificate_bytes": encode(certificate).hex(),
        "certificate_hash": certificate_hash(certificate).hex(),
        "system_receipt_id": system_receipt_id(chain, 2),
    }


def _genesis() -> dict[str, Any]:
    document = {
        "name": "vector",
        "time": 1_700_000_000_000,
        "validators": [
            {"public_key": key.public_key.hex(), "brand": brand}
            for key, brand in zip(keys(), ("aurora", "basil", "comet", "dune"), strict=True)
        ],
        "ops": [],
    }
    genesis = Genesis.from_json(json.dumps(document))
    return {"document": document, "chain": genesis.chain, "digest": genesis.digest.hex()}


def main() -> None:
    """Rewrite vectors.json."""
    PATH.write_text(json.dumps(build(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
