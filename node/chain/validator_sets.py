"""The validator sets of a chain, read from the state at its head, which keeps every one (`vm.membership`).

So a set is known after a restart, a restored backup and a snapshot as well.
"""

from __future__ import annotations

from typing import Final

from consensus.types import ValidatorSet
from genesis.document import validator_set_of
from node.store import ChainStore
from vm.chain_records import ValidatorEntry
from vm.membership import validators_deciding

SETS_KEPT: Final = 16
"""Validator sets in memory; three are in use at a time."""


class ValidatorSets:
    """Which set decides a height; equal sets are one object while they are in use."""

    def __init__(self, store: ChainStore) -> None:
        self._store = store
        self._kept: dict[tuple[ValidatorEntry, ...], ValidatorSet] = {}

    def deciding(self, height: int) -> ValidatorSet:
        """Return the set that decides a height; of one more than two above the head, the newest that is known."""
        return self.of(validators_deciding(self._store.reader, height))

    def of(self, entries: tuple[ValidatorEntry, ...]) -> ValidatorSet:
        """Return the set of these entries, as certificates are judged by it."""
        found = self._kept.get(entries)
        if found is None:
            if len(self._kept) >= SETS_KEPT:
                self._kept.clear()
            found = self._kept[entries] = validator_set_of(entries)
        return found
