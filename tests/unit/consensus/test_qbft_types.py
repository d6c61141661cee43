"""Sets, headers, certificates: sizes, encodings, strictness."""

from hashlib import sha256

import msgspec
import pytest
from consensus_kit import PARENT_ROOTS, candidate, certificate, context, validator_set

from consensus.messages import round_change_payload, seal_payload, vote_payload
from consensus.types import (
    Block,
    Candidate,
    Seal,
    Validator,
    ValidatorSet,
    certificate_hash,
    decode_block,
    decode_candidate,
    decode_certificate,
    decode_header,
    header_digest,
    seals_in_order,
)
from vm.primitives.codec import CodecError, decode, encode


@pytest.mark.parametrize(
    ("n", "f", "quorum"), [(4, 1, 3), (5, 1, 4), (6, 1, 4), (7, 2, 5), (8, 2, 6), (9, 2, 6), (10, 3, 7)]
)
def test_f_and_quorum(n, f, quorum):
    validators = validator_set(n)
    assert (validators.n, validators.f, validators.quorum) == (n, f, quorum)
    # Two quorums share an honest validator, and the honest alone are a quorum.
    assert 2 * quorum - n > f
    assert n - f >= quorum


def test_validators_are_sorted_and_distinct():
    validators = validator_set(5)
    keys = [v.public_key for v in validators.validators]
    assert keys == sorted(keys)
    assert [validators.index_of(key) for key in keys] == [0, 1, 2, 3, 4]
    assert validators.index_of(b"\0" * 32) is None
    assert (validators.key(4), validators.key(5), validators.key(-1)) == (keys[4], None, None)
    expected = encode([[v.public_key, v.brand] for v in validators.validators])
    assert validators.hash == sha256(expected).digest()
    with pytest.raises(ValueError, match="twice"):
        ValidatorSet([*validators.validators, Validator(keys[0], "again")])
    with pytest.raises(ValueError, match="not 3"):
        ValidatorSet(validators.validators[:3])


def test_header_is_a_canonical_map_of_exactly_its_fields():
    header = candidate(context()).header
    fields = decode(encode(header))
    assert list(fields) == sorted(fields)
    assert set(fields) == {
        "chain",
        "version",
        "height",
        "time",
        "parent",
        "parent_state_root",
        "parent_commit",
        "proposer",
        "tx_root",
        "tx_count",
        "validators_hash",
        "next_validators_hash",
    }
    assert header_digest(header) == sha256(encode(header)).digest()
    assert decode_header(encode(header)) == header


@pytest.mark.parametrize(
    "change",
    [
        {"parent": b"\1" * 31},
        {"height": -1},
        {"time": 2**53},
        {"extra": 1},
        {"version": "1"},
        {"chain": None},
    ],
)
def test_headers_are_decoded_strictly(change):
    fields = {**decode(encode(candidate(context()).header)), **change}
    with pytest.raises(CodecError):
        decode_header(encode(fields))


def test_certificates_candidates_and_blocks_come_back():
    here = context(height=2)
    sealed = here.parent_certificate
    assert sealed is not None
    assert decode_certificate(encode(sealed)) == sealed
    assert decode(encode(sealed))["seals"][0] == [0, sealed.seals[0].signature]
    block = candidate(here)
    assert decode_candidate(encode(block)) == block
    full = Block(block.header, block.parent_certificate, (b"a transaction",))
    assert decode_block(encode(full)) == full
    with pytest.raises(CodecError):
        decode_candidate(encode(block) + b"\0")
    with pytest.raises(CodecError):
        decode_candidate(encode(msgspec.structs.replace(block, tx_hashes=(b"short",))))


def test_parent_commit_of_block_1_hashes_nil():
    assert certificate_hash(None) == sha256(b"\xc0").digest()
    assert isinstance(candidate(context()), Candidate)


@pytest.mark.parametrize(
    ("indices", "in_order"), [([], True), ([3], True), ([0, 2], True), ([2, 0], False), ([1, 1], False)]
)
def test_seals_in_order(indices, in_order):
    assert seals_in_order([Seal(i, bytes(64)) for i in indices]) is in_order


def test_signed_payloads_are_maps_of_the_specified_fields():
    assert decode(vote_payload("c", 7, 2, b"\1" * 32)) == {
        "chain": "c",
        "height": 7,
        "round": 2,
        "digest": b"\1" * 32,
    }
    assert decode(seal_payload("c", 7, 2, b"\1" * 32, PARENT_ROOTS)) == {
        "chain": "c",
        "height": 7,
        "round": 2,
        "digest": b"\1" * 32,
        "state_root": PARENT_ROOTS.state_root,
        "receipts_root": PARENT_ROOTS.receipts_root,
    }
    assert decode(round_change_payload("c", 7, 2, 1, b"\1" * 32)) == {
        "chain": "c",
        "height": 7,
        "round": 2,
        "prepared_round": 1,
        "prepared_digest": b"\1" * 32,
    }


def test_certificate_kit_is_of_one_round():
    sealed = certificate(validator_set(4), 3, b"\1" * 32, PARENT_ROOTS, [0, 1, 2], 5)
    assert (sealed.height, sealed.round, sealed.roots) == (3, 5, PARENT_ROOTS)
