"""What of a message its signature covers."""

import msgspec
from consensus_kit import (
    candidate,
    commit,
    context,
    digest_of_candidate,
    fake_verify,
    prepare,
    prepared_certificate,
    proposal,
    round_change,
)

from consensus.messages import digest_of, encode_message, statement_of
from consensus.verification import signature_checks

HERE = context(4, own=3, height=2)
BLOCK = candidate(HERE, proposer=1)
DIGEST = digest_of_candidate(BLOCK)
PREPARED = prepared_certificate(HERE, DIGEST)


def test_a_statement_keeps_what_is_signed_and_nothing_large():
    many = msgspec.structs.replace(BLOCK, tx_hashes=BLOCK.tx_hashes * 5_000)
    messages = [
        proposal(HERE, many, 1, round_changes=[round_change(HERE, 0, 1, PREPARED)], prepared=PREPARED),
        prepare(HERE, 1, DIGEST),
        commit(HERE, 1, DIGEST),
        round_change(HERE, 1, 1, PREPARED),
        round_change(HERE, 1, 1),
    ]
    for message in messages:
        statement = statement_of(message)
        assert len(encode_message(statement)) < 1_000
        assert digest_of(statement) == digest_of(message)
        assert fake_verify(*next(signature_checks(HERE.chain, statement, HERE.validators_at)))
