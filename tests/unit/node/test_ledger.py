"""The chain's head: who decides which height, also after a restart in the middle of a change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from node.ledger import Ledger
from tests.support.ledger import BRANDS, LocalChain, key_of
from vm.block_execution import BlockExecution, BlockResult
from vm.chain_records import VALIDATORS_KEY, ValidatorEntry, ValidatorList
from vm.primitives.codec import encode


def set_with(extra: str) -> ValidatorList:
    """The four brands' validators and one more."""
    keys = {key_of(f"{brand}-validator").public_key: brand for brand in BRANDS}
    keys[key_of(extra).public_key] = "aurora"
    return ValidatorList(tuple(ValidatorEntry(key, keys[key]) for key in sorted(keys)))


def test_every_height_is_decided_by_the_announced_set_also_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = LocalChain(tmp_path)
    changes = {2: set_with("second"), 5: set_with("fifth"), 6: set_with("sixth")}
    result = BlockExecution.result

    def with_new_set(self: BlockExecution) -> BlockResult:
        done = result(self)
        new = changes.get(self._context.height)
        return done if new is None else replace(done, changes={**done.changes, VALIDATORS_KEY: encode(new)})

    monkeypatch.setattr(BlockExecution, "result", with_new_set)
    decided = {}
    for height in range(1, 11):
        context = chain.ledger.height_context()
        decided[height] = context.validators
        # Whoever opens the store anew sees what the running node sees.
        again = Ledger(chain.genesis, chain.runtime, chain.store, None)
        assert again.height_context() == context
        chain.commit()
    for executed, new in changes.items():
        keys = [entry.public_key for entry in new.validators]
        assert [v.public_key for v in decided[executed + 2].validators] == keys
        assert [v.public_key for v in decided[executed + 1].validators] != keys
    chain.close()
