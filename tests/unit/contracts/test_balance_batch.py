"""Many balances in one answer: each is what `token_balance` says, in the order asked for."""

from __future__ import annotations

import pytest

from contracts_py.token.batches import MAX_PAIRS
from tests.contract_harness import Chain, account_of, brand_ops, program_args
from vm.contract_api import Refused

ANN, BOB = account_of("ann"), account_of("bob")


def test_each_pair_is_answered_in_its_place() -> None:
    chain = Chain(
        [
            *brand_ops("aurora"),
            ("token.create_program", program_args("stars", "aurora")),
            ("token.create_program", program_args("moons", "aurora")),
            ("token.issue", {"program": "stars", "to": ANN, "amount": 7}),
            ("token.issue", {"program": "moons", "to": BOB, "amount": 9}),
        ]
    )
    asked = [(BOB, "moons"), (ANN, "stars"), (ANN, "moons"), (BOB, "moons")]
    pairs = [{"account": account, "program": program} for account, program in asked]
    found = chain.view("token_balance_batch", pairs=pairs)
    assert [one["available"] for one in found] == [9, 7, 0, 9]
    for (account, program), one in zip(asked, found, strict=True):
        alone = chain.view("token_balance", account=account, program=program)
        assert one == {**alone, "account": account, "program": program}
    with pytest.raises(Refused, match="no such program"):
        chain.view("token_balance_batch", pairs=[*pairs, {"account": ANN, "program": "suns"}])
    for wrong in ([], pairs[:1] * (MAX_PAIRS + 1), [{"account": ANN}]):
        with pytest.raises(Refused) as caught:
            chain.view("token_balance_batch", pairs=wrong)
        assert caught.value.code == "INVALID_ARGS"
