"""Every signature in every message is checked, once, against the right key and payload."""

import msgspec
import pytest
from consensus_kit import (
    CHAIN,
    PARENT_ROOTS,
    candidate,
    certificate,
    commit,
    context,
    digest_of_candidate,
    fake_verify,
    prepare,
    prepared_certificate,
    proposal,
    round_change,
    validator_set,
)

from consensus.errors import InvalidSignature, MalformedMessage, UnknownHeight
from consensus.messages import Prepare, encode_message, vote_payload
from consensus.types import Seal, Validator, ValidatorSet, certificate_hash
from consensus.verification import Verifier, candidate_is_whole, signature_checks
from vm.primitives.keys import Domain, SigningKey

HERE = context(4, own=3, height=2)
BLOCK = candidate(HERE, proposer=1)
DIGEST = digest_of_candidate(BLOCK)
PREPARED = prepared_certificate(HERE, DIGEST, 0, [0, 1, 2])
CHANGES = [round_change(HERE, 0), round_change(HERE, 1, 1, PREPARED), round_change(HERE, 2)]
FORGED = bytes(64)

MESSAGES = {
    "proposal": proposal(HERE, BLOCK, 1, round_changes=CHANGES, prepared=PREPARED),
    "prepare": prepare(HERE, 1, DIGEST),
    "commit": commit(HERE, 1, DIGEST),
    "round_change": round_change(HERE, 1, 1, PREPARED),
    "late commit": commit(HERE, 1, HERE.parent_digest, roots=PARENT_ROOTS, height=1),
}


def verifier(**options):
    return Verifier(CHAIN, fake_verify, **options)


@pytest.mark.parametrize("name", MESSAGES)
def test_good_messages_verify(name):
    data = encode_message(MESSAGES[name])
    assert verifier().decode_and_verify(data, HERE.validators_at) == MESSAGES[name]


@pytest.mark.parametrize("name", MESSAGES)
def test_own_signature_is_checked(name):
    forged = msgspec.structs.replace(MESSAGES[name], signature=FORGED)
    with pytest.raises(InvalidSignature):
        verifier().verify(forged, HERE.validators_at)


@pytest.mark.parametrize("name", MESSAGES)
def test_signature_binds_sender_height_round_and_chain(name):
    message = MESSAGES[name]
    changes = [{"sender": 2}, {"round": message.round + 1}]
    if name != "late commit":
        changes.append({"height": 3})
    for change in changes:
        with pytest.raises(InvalidSignature):
            verifier().verify(msgspec.structs.replace(message, **change), HERE.validators_at)
    with pytest.raises(InvalidSignature):
        Verifier("another-chain", fake_verify).verify(message, HERE.validators_at)


def replaced_seal(seals, place):
    return (*seals[:place], msgspec.structs.replace(seals[place], signature=FORGED), *seals[place + 1 :])


def forgeries():
    message = MESSAGES["proposal"]
    for place in range(3):
        prepares = replaced_seal(PREPARED.prepares, place)
        forged = msgspec.structs.replace(PREPARED, prepares=prepares)
        yield msgspec.structs.replace(message, prepared=forged)
        yield msgspec.structs.replace(MESSAGES["round_change"], prepared=forged)
        votes = replaced_seal(message.round_changes, place)
        yield msgspec.structs.replace(message, round_changes=votes)
        parent = BLOCK.parent_certificate
        sealed = msgspec.structs.replace(parent, seals=replaced_seal(parent.seals, place))
        yield proposal(HERE, msgspec.structs.replace(BLOCK, parent_certificate=sealed), 0, 1)


@pytest.mark.parametrize("forged", list(forgeries()))
def test_every_signature_in_a_justification_is_checked(forged):
    with pytest.raises(InvalidSignature):
        verifier().verify(forged, HERE.validators_at)


def unordered():
    """Messages whose every signature is valid, with lists that no correct validator sends."""
    message, lock = MESSAGES["proposal"], PREPARED
    for prepares in (lock.prepares * 2, lock.prepares[::-1], lock.prepares[:1] * 2):
        longer = msgspec.structs.replace(lock, prepares=prepares)
        yield msgspec.structs.replace(message, prepared=longer)
        yield msgspec.structs.replace(MESSAGES["round_change"], prepared=longer)
    yield msgspec.structs.replace(message, round_changes=message.round_changes * 2)
    parent = BLOCK.parent_certificate
    sealed = msgspec.structs.replace(parent, seals=parent.seals * 2)
    changed = msgspec.structs.replace(BLOCK.header, parent_commit=certificate_hash(sealed))
    yield proposal(HERE, msgspec.structs.replace(BLOCK, header=changed, parent_certificate=sealed), 0, 1)


@pytest.mark.parametrize("message", list(unordered()))
def test_repeated_votes_are_refused_before_they_cost_a_check_each(message):
    """A signer can make any number of valid signatures of one payload: a list of them would cost 256 checks."""
    calls = []

    def counting(*check):
        calls.append(check)
        return True

    with pytest.raises(MalformedMessage):
        Verifier(CHAIN, counting).verify(message, HERE.validators_at)
    assert len({check[1:3] for check in calls}) == len(calls)


def test_a_message_passed_on_by_another_is_refused_where_the_source_is_known():
    for message in MESSAGES.values():
        data = encode_message(message)
        keys = [validator.public_key for validator in HERE.validators.validators]
        assert verifier().decode_and_verify(data, HERE.validators_at, keys[message.sender]) == message
        with pytest.raises(MalformedMessage):
            verifier().decode_and_verify(data, HERE.validators_at, keys[(message.sender + 1) % 4])
    beyond = encode_message(prepare(context(4, height=4), 1, DIGEST))
    with pytest.raises(UnknownHeight):
        verifier().decode_and_verify(beyond, HERE.validators_at, b"any")


def test_votes_do_not_pass_for_others():
    """A PREPARE's signature is no PROPOSAL's: the domain tag differs."""
    vote = prepare(HERE, 1, DIGEST)
    lie = msgspec.structs.replace(proposal(HERE, BLOCK, 0, 1), signature=vote.signature)
    with pytest.raises(InvalidSignature):
        verifier().verify(lie, HERE.validators_at)


def test_prepared_round_is_signed():
    vote = msgspec.structs.replace(CHANGES[1].vote, prepared_round=None, prepared_digest=None)
    lie = msgspec.structs.replace(
        MESSAGES["proposal"], round_changes=(CHANGES[0].vote, vote, CHANGES[2].vote), prepared=None
    )
    with pytest.raises(InvalidSignature):
        verifier().verify(lie, HERE.validators_at)


@pytest.mark.parametrize(
    "message",
    [
        msgspec.structs.replace(MESSAGES["prepare"], sender=4),
        msgspec.structs.replace(MESSAGES["proposal"], sender=200),
        round_change(HERE, 1, 1, msgspec.structs.replace(PREPARED, prepares=(Seal(4, FORGED),))),
    ],
)
def test_senders_outside_the_set_are_malformed(message):
    with pytest.raises(MalformedMessage):
        verifier().verify(message, HERE.validators_at)


def test_unknown_heights_tell_height_and_sender():
    for message in (prepare(context(4, height=4), 1, DIGEST), proposal(context(4, height=9), BLOCK)):
        with pytest.raises(UnknownHeight) as caught:
            verifier().verify(message, HERE.validators_at)
        assert (caught.value.height, caught.value.sender) == (message.height, message.sender)


def test_proposal_of_the_next_height_verifies_its_parent_seals_with_this_set():
    following = context(4, own=3, height=3)
    message = proposal(following, candidate(following))
    verifier().verify(message, HERE.validators_at)
    # A parent certificate of the height before cannot be judged from height 1.
    with pytest.raises(UnknownHeight):
        verifier().verify(message, context(4, height=1).validators_at)


def test_each_height_is_verified_with_its_own_set():
    """Three heights in a row are decided by three sets; whose seals stand in a block are its parent's deciders."""
    sets = [ValidatorSet(Validator(bytes([n, i]) * 16, "brand") for i in range(4)) for n in range(3)]
    parent = certificate(sets[0], 1, HERE.parent_digest, PARENT_ROOTS, [0, 1, 2])
    here = msgspec.structs.replace(
        HERE, parent_validators=sets[0], validators=sets[1], next_validators=sets[2], parent_certificate=parent
    )
    following = msgspec.structs.replace(here, height=3, validators=sets[2], parent_validators=sets[1])
    assert [here.validators_at(height) for height in range(5)] == [None, *sets, None]
    verifier().verify(proposal(here, candidate(here)), here.validators_at)
    verifier().verify(prepare(following, 1, DIGEST), here.validators_at)
    for liars in sets[1:]:
        lie = msgspec.structs.replace(
            here, parent_certificate=certificate(liars, 1, HERE.parent_digest, PARENT_ROOTS, [0, 1, 2])
        )
        with pytest.raises(InvalidSignature):
            verifier().verify(proposal(lie, candidate(lie)), here.validators_at)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xc1", b"\x81\xa4type\xa3foo"])
def test_garbage_is_malformed(data):
    with pytest.raises(MalformedMessage):
        verifier().decode_and_verify(data, HERE.validators_at)


def test_non_canonical_bytes_are_malformed():
    data = encode_message(MESSAGES["prepare"])
    with pytest.raises(MalformedMessage):
        verifier().decode_and_verify(data + b"\0", HERE.validators_at)
    assert data.count(b"\xa6height\x02") == 1
    with pytest.raises(MalformedMessage):
        verifier().decode_and_verify(data.replace(b"\xa6height\x02", b"\xa6height\xcc\x02"), HERE.validators_at)


@pytest.mark.parametrize(
    "change",
    [
        {"tx_hashes": ()},
        {"tx_hashes": (b"\1" * 32,)},
        {"parent_certificate": None},
        {"header": msgspec.structs.replace(BLOCK.header, tx_count=2)},
    ],
)
def test_candidates_are_bound_whole_by_their_header(change):
    assert candidate_is_whole(BLOCK)
    torn = msgspec.structs.replace(BLOCK, **change)
    assert not candidate_is_whole(torn)
    with pytest.raises(MalformedMessage):
        verifier().verify(proposal(HERE, torn, 0, 1), HERE.validators_at)


def test_justification_signatures_are_not_verified_again():
    calls = []

    def counting(*check):
        calls.append(check)
        return fake_verify(*check)

    each = Verifier(CHAIN, counting)
    for sender in range(3):
        each.verify(prepare(HERE, sender, DIGEST), HERE.validators_at)
        each.verify(CHANGES[sender], HERE.validators_at)
    calls.clear()
    each.verify(MESSAGES["proposal"], HERE.validators_at)
    assert [domain for domain, *_ in calls] == [Domain.PROPOSAL] + [Domain.COMMIT] * 3
    calls.clear()
    each.verify(MESSAGES["proposal"], HERE.validators_at)
    assert calls == []


def test_cache_is_bounded_and_holds_successes_only():
    each = verifier(cache_size=2)
    for sender in range(4):
        each.verify(prepare(HERE, sender, DIGEST), HERE.validators_at)
    assert len(each._cache) == 2
    with pytest.raises(InvalidSignature):
        each.verify(msgspec.structs.replace(MESSAGES["prepare"], signature=FORGED), HERE.validators_at)
    assert len(each._cache) == 2


@pytest.mark.parametrize(
    ("signers", "valid"),
    [([0, 1, 2], True), ([0, 1, 2, 3], True), ([0, 1], False), ([], False), ([0, 1, 1], False), ([2, 1, 0], False)],
)
def test_certificates_for_block_sync(signers, valid):
    sealed = certificate(HERE.validators, 1, DIGEST, PARENT_ROOTS, signers)
    assert verifier().certificate_is_valid(sealed, HERE.validators) is valid
    if valid:
        forged = msgspec.structs.replace(sealed, seals=replaced_seal(sealed.seals, 1))
        assert not verifier().certificate_is_valid(forged, HERE.validators)
        moved = msgspec.structs.replace(sealed, round=1)
        assert not verifier().certificate_is_valid(moved, HERE.validators)
        bigger = msgspec.structs.replace(sealed, seals=(*sealed.seals[:2], Seal(9, FORGED)))
        assert not verifier().certificate_is_valid(bigger, HERE.validators)


def test_checks_of_a_message_come_with_its_own_first():
    first = next(iter(signature_checks(CHAIN, MESSAGES["proposal"], HERE.validators_at)))
    assert first[0] == Domain.PROPOSAL


def test_real_signatures():
    keys = [SigningKey(bytes([i]) * 32) for i in range(4)]
    validators = ValidatorSet(Validator(key.public_key, "brand") for key in keys)
    index = validators.index_of(keys[0].public_key)
    assert index is not None
    payload = vote_payload(CHAIN, 1, 0, DIGEST)
    good = Prepare(1, 0, index, DIGEST, keys[0].sign(Domain.PREPARE, payload))
    sets = {1: validators}
    Verifier(CHAIN).verify(good, sets.get)
    with pytest.raises(InvalidSignature):
        Verifier(CHAIN).verify(Prepare(1, 0, index, DIGEST, keys[0].sign(Domain.COMMIT, payload)), sets.get)
    assert validator_set(4) != validators
