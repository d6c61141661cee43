"""What a node answers that indexes nothing, or only ids, or began to later; and that no replay gets past it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.chain.errors import NotIndexed
from node.chain.transaction_pages import TransactionPages
from node.maintenance.backup import frames, write_file
from node.maintenance.restore import restore_backup
from node.maintenance.store_check import Checked, check_store
from node.store import IndexLevel, Store, StoreOptions
from node.store.layout import INDEX, TRANSACTION
from tests.support.ledger import LocalChain, address_of, program_op
from vm.transaction import parse_transaction

pytestmark = pytest.mark.usefixtures("each_engine")

OPS = [program_op("miles", "aurora")]
BY_CALL = {"call": "token.issue"}


class Levels:
    """A chain whose store is opened again and again under other settings."""

    def __init__(self, folder: Path, level: IndexLevel | None) -> None:
        self.folder = folder
        self.chain = self._open(level)
        (folder / "genesis.json").write_text(self.chain.genesis.to_json())
        self.ids: list[bytes] = []
        self.raws: list[bytes] = []

    def _open(self, level: IndexLevel | None) -> LocalChain:
        options = StoreOptions(index=level, snapshot_interval=2)
        return LocalChain(self.folder / "data", OPS, options=options)

    def open(self, level: IndexLevel | None) -> None:
        """Open the store again."""
        self.chain.close()
        self.chain = self._open(level)

    def block(self, count: int = 2) -> None:
        """Commit a block of issues."""
        args: dict[str, Any] = {"program": "miles", "to": address_of("bea"), "amount": 1}
        raws = [
            self.chain.sign(
                "aurora-admin",
                [("token.issue", {**args, "ref": f"{self.chain.height}-{i}"})],
                nonce=len(self.ids) + i,
            )
            for i in range(count)
        ]
        self.chain.commit(raws)
        self.raws += raws
        self.ids += [parse_transaction(raw).id for raw in raws]

    def expire(self) -> None:
        """Let everything so far expire, and its slot pass."""
        slot = self.chain.ledger.params.replay_slot_ms
        for _ in range(3):
            self.chain.commit(time=self.chain.ledger.head_time + 2 * slot + 60_000)

    def found(self) -> list[tuple[int, int] | None]:
        """Return where each transaction is found."""
        return [self.chain.store.find_transaction(each) for each in self.ids]

    def families(self) -> set[bytes]:
        """Return which of the indexes have any record."""
        with self.chain.store.snapshot() as entries:
            return {key[:1] for key, _ in entries} & {INDEX, TRANSACTION}

    def by_call(self, first: int | None = None) -> list[tuple[int, int]]:
        """Return the positions of all issues from a height on."""
        pages = TransactionPages(self.chain.ledger.queries)
        return pages.page(BY_CALL, (first, None), None, 100, lambda found: (found.height, found.index)).items

    def check(self) -> None:
        """Require that the store is whole."""
        height = self.chain.height
        self.chain.close()
        assert check_store(self.folder, self.chain.genesis) == Checked(height, height, None, None)
        self.chain = self._open(None)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    made: list[Levels] = []

    def make(level: IndexLevel | None) -> Levels:
        made.append(Levels(tmp_path, level))
        return made[-1]

    yield make
    for each in made:
        each.chain.close()


@pytest.mark.parametrize(
    ("level", "families"),
    [
        (IndexLevel.NONE, set()),
        (IndexLevel.BASIC, {TRANSACTION}),
        (IndexLevel.FULL, {TRANSACTION, INDEX}),
        (None, {TRANSACTION, INDEX}),
    ],
)
def test_a_level_writes_what_it_names_and_finds_by_id_what_has_not_expired(make, level, families) -> None:
    node = make(level)
    node.block()
    node.block()
    assert node.families() == families
    assert node.found() == [(1, 0), (1, 1), (2, 0), (2, 1)]
    node.open(level)
    assert node.found() == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert not node.chain.store.contains_transaction(bytes(32))
    with pytest.raises(ValueError, match="has been in the chain"):
        node.chain.commit(node.raws[-1:])
    node.check()


def test_without_an_index_an_expired_transaction_is_forgotten_and_the_node_says_so(make) -> None:
    node = make(IndexLevel.NONE)
    node.block()
    node.expire()
    assert node.found() == [None, None]
    assert len(node.chain.store._open.recent) == 0
    error = node.chain.ledger.queries.unindexed()
    assert error is not None
    assert error.first is None
    with pytest.raises(NotIndexed, match="not at all") as refused:
        node.by_call()
    assert refused.value.first is None
    node.check()


def test_with_ids_alone_names_are_refused_and_ids_are_found_for_ever(make) -> None:
    node = make(IndexLevel.BASIC)
    node.block()
    node.expire()
    assert node.found() == [(1, 0), (1, 1)]
    assert node.chain.ledger.queries.unindexed() is None
    with pytest.raises(NotIndexed, match="by account, brand and call not at all"):
        node.by_call()


def test_a_raised_level_holds_from_the_next_block_on_and_below_nothing_is_replayed(make) -> None:
    node = make(IndexLevel.NONE)
    node.block()
    node.open(IndexLevel.FULL)
    node.block()
    assert node.found() == [(1, 0), (1, 1), (2, 0), (2, 1)]
    with pytest.raises(ValueError, match="has been in the chain"):
        node.chain.commit(node.raws[:1])
    with pytest.raises(NotIndexed, match="from block 2 on only") as refused:
        node.by_call()
    assert refused.value.first == 2
    assert node.by_call(2) == [(2, 0), (2, 1)]
    node.check()
    node.expire()
    assert node.found() == [None, None, (2, 0), (2, 1)]
    error = node.chain.ledger.queries.unindexed()
    assert error is not None
    assert error.first == 2


def test_a_lowered_level_is_no_index_any_more_also_when_it_is_raised_again(make) -> None:
    node = make(IndexLevel.FULL)
    node.block()
    node.open(IndexLevel.NONE)
    node.block()
    node.open(IndexLevel.BASIC)
    node.block()
    assert node.chain.store.indexed.ids == 3
    assert node.found() == [(1, 0), (1, 1), (2, 0), (2, 1), (3, 0), (3, 1)]
    node.check()
    node.open(None)
    assert (node.chain.store.indexed.ids, node.chain.store.indexed.names) == (3, None)


def test_a_restored_backup_has_both_indexes_of_all_blocks(make, tmp_path: Path) -> None:
    node = make(IndexLevel.NONE)
    node.block()
    node.expire()
    write_file(tmp_path / "backup", frames(node.chain.store, node.chain.genesis.chain, 0))
    restore_backup(tmp_path / "backup", tmp_path / "home", node.chain.genesis)
    store = Store.open(tmp_path / "home" / "data")
    assert [store.find_transaction(each) for each in node.ids] == [(1, 0), (1, 1)]
    assert (store.indexed.ids, store.indexed.names) == (1, 1)
    assert store.transactions_of("call", "token.issue").items == [(1, 0), (1, 1)]
    store.close()
