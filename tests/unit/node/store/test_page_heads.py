"""Pages that leave the cache stay as heads, and heads lead to the same roots and proofs as whole pages."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from node.store import BlockCommit, Store, StoreCorrupt, StoreOptions
from node.store.layout import PAGE_HEAD, STATE
from vm.primitives.hashing import ZERO_HASH, sha256
from vm.state_pages import HEAD_LEAST, PAGE_LIMIT, head_of, is_head, is_split, key_count, leaf_page, page_hash
from vm.state_proof import verify_state_proof
from vm.state_tree import StateTree, TreeUpdate

BUCKETS = 256
OPTIONS = StoreOptions(page_cache_bytes=100_000)
"""Some 55 of the 256 pages, and 35 heads."""


class Twin:
    """A store whose page cache is too small, and a tree that holds all its pages."""

    def __init__(self, path: Path, keys: int) -> None:
        self.values: dict[str, bytes] = {f"key/{number}": b"%d" % number for number in range(keys)}
        self.store = Store.open(path, OPTIONS)
        self.store.initialise(b"genesis", self.values, BUCKETS)
        self.pages: dict[str, bytes] = {}
        self.tree = StateTree(2, self.pages)
        self._apply(self.tree.update(self.values))

    def _apply(self, update: TreeUpdate) -> None:
        self.tree.apply(update)
        self.pages.update(update.pages)

    def commit(self, changes: dict[str, bytes | None]) -> int:
        """Commit a block to both; return how many pages the store changed by their heads."""
        update, expected = self.store.tree.update(changes), self.tree.update(changes)
        assert update.root == expected.root
        height = self.store.head.height + 1
        digest = height.to_bytes(32, "big")
        block = BlockCommit(height, digest, b"b", b"c", update.root, ZERO_HASH, [], [], update, changes)
        self.store.commit_block(block)
        self._apply(expected)
        for key, value in changes.items():
            if value is None:
                self.values.pop(key, None)
            else:
                self.values[key] = value
        return sum(map(is_head, update.pages.values()))


def random_block(rng: random.Random, twin: Twin) -> dict[str, bytes | None]:
    """Return changes of all kinds: keys that are set, made, deleted, deleted in vain."""
    known = rng.sample(sorted(twin.values), 30)
    changes: dict[str, bytes | None] = {key: rng.randbytes(9) for key in known[:20]}
    changes.update(dict.fromkeys(known[20:]))
    changes.update({f"new/{rng.randrange(10**9)}": b"new" for _ in range(12)})
    changes[f"absent/{rng.randrange(10**9)}"] = None
    return changes


def test_roots_and_proofs_are_those_of_whole_pages(tmp_path: Path) -> None:
    rng = random.Random(5)
    twin = Twin(tmp_path / "data", 5_000)
    by_head = 0
    for _ in range(60):
        by_head += twin.commit(random_block(rng, twin))
        key = rng.choice([*twin.values, "absent/1"])
        found = twin.store.state_proof(key)
        assert found.value == twin.values.get(key)
        past = twin.store.state_proof(key, max(0, twin.store.head.height - 5))
        assert verify_state_proof(past.state_root, 2, key, past.value, past.proof)
    assert by_head > 200
    twin.store.close()


@pytest.mark.parametrize("wanted", [HEAD_LEAST - 1, PAGE_LIMIT + 1])
def test_a_bucket_that_shrinks_or_grows_past_a_heads_bounds_is_whole_again(tmp_path: Path, wanted: int) -> None:
    twin = Twin(tmp_path / "data", 5_000)
    rng = random.Random(6)
    while not (heads := {name for name in twin.pages if is_head(twin.store._pages.at_hand(name) or b"")}):
        twin.commit(random_block(rng, twin))
    name = min(heads)
    while (count := key_count(twin.pages[name])) != wanted:
        below = [key for key in twin.values if sha256(key.encode()).hex().startswith(name)]
        changes: dict[str, bytes | None] = dict.fromkeys(below[: max(0, count - wanted)])
        number = 0
        while count + len(changes) < wanted:
            number += 1
            if sha256(b"more/%d" % number).hex().startswith(name):
                changes[f"more/{number}"] = b"more"
        twin.commit(changes)
    assert not is_head(twin.store._pages.at_hand(name) or b"")
    # Nor would the head as it was be found once the page has to go.
    assert twin.store._pages._heads.get(name) is None
    twin.store.close()


def test_a_page_that_a_proof_loads_gives_way_to_a_later_head(tmp_path: Path) -> None:
    twin = Twin(tmp_path / "data", 5_000)
    rng = random.Random(7)
    while not (heads := {name for name in twin.pages if is_head(twin.store._pages.at_hand(name) or b"")}):
        twin.commit(random_block(rng, twin))
    name = min(heads)
    key, *_, other = [key for key in twin.values if sha256(key.encode()).hex().startswith(name)]
    update = twin.store.tree.update({key: b"later"})
    assert is_head(update.pages[name])
    twin.store.state_proof(key)  # the whole page, as it is before the block
    height = twin.store.head.height + 1
    digest = height.to_bytes(32, "big")
    changes: dict[str, bytes | None] = {key: b"later"}
    twin.store.commit_block(
        BlockCommit(height, digest, b"b", b"c", update.root, ZERO_HASH, [], [], update, changes)
    )
    assert twin.store.state_proof(other).value == twin.values[other]
    twin.store.close()


def test_damage_below_a_head_stops_the_node(tmp_path: Path) -> None:
    twin = Twin(tmp_path / "data", 5_000)
    rng = random.Random(8)
    while not (heads := {name for name in twin.pages if is_head(twin.store._pages.at_hand(name) or b"")}):
        twin.commit(random_block(rng, twin))
    name = min(heads)
    key = next(key for key in twin.values if sha256(key.encode()).hex().startswith(name))
    record = twin.store._database.get(STATE + sha256(key.encode()))
    assert record is not None
    twin.store._database.put_unsynced(STATE + sha256(key.encode()), record[:-1] + b"?")
    with pytest.raises(StoreCorrupt, match=name):
        twin.store.tree.update({key: b"later"})
    twin.store.close()


def test_a_head_has_the_hash_and_the_count_of_its_page() -> None:
    hashes = sorted(sha256(b"%d" % number) for number in range(20))
    page = leaf_page(b"".join(hash_ + sha256(hash_) for hash_ in hashes), 0)
    head = head_of(page)
    assert head is not None
    assert is_head(head)
    assert (page_hash(head), key_count(head)) == (page_hash(page), 20)
    assert head_of(leaf_page(hashes[0] + hashes[0], 0)) is None


def test_a_stop_leaves_heads_to_the_next_start_which_passes_over_old_ones(tmp_path: Path) -> None:
    twin = Twin(tmp_path / "data", 5_000)
    first, *_, second = [key for key in twin.values if sha256(key.encode()).hex().startswith("7f")]
    twin.commit({first: b"1"})  # derives the page
    twin.store.close()
    twin.store = Store.open(tmp_path / "data", OPTIONS)
    assert twin.commit({second: b"2"}) == 1
    saved = twin.store._database.get(PAGE_HEAD + b"7f")
    assert saved is not None
    twin.store.close()
    store = Store.open(tmp_path / "data", OPTIONS)
    store._database.put_unsynced(PAGE_HEAD + b"7f", saved)  # as a crash would have left it
    twin.store = store
    assert twin.commit({first: b"3"}) == 0
    twin.store.close()


def keys_in(bucket: str, prefix: str, count: int) -> list[str]:
    """Return keys that belong into a bucket."""
    names = (f"{prefix}/{number}" for number in itertools.count())
    return list(itertools.islice((n for n in names if sha256(n.encode()).hex().startswith(bucket)), count))


def test_a_saved_head_does_not_shadow_a_split_page_of_the_same_keys(tmp_path: Path) -> None:
    """A bucket that had more keys for a while is stored split, with the hash that its leaf had before."""
    twin = Twin(tmp_path / "data", 2_000)
    own = keys_in("a7", "key", 1)[0]
    present = [key for key in twin.values if sha256(key.encode()).hex().startswith("a7")]
    twin.commit(dict.fromkeys(keys_in("a7", "fill", 40 - len(present)), b"v"))
    twin.store.close()  # leaves the head of 40 keys
    twin.store = Store.open(tmp_path / "data", StoreOptions())
    extra = keys_in("a7", "extra", 30)
    twin.commit(dict.fromkeys(extra, b"x"))
    twin.commit(dict.fromkeys(extra))
    assert is_split(twin.store._pages.get("a7"))
    twin.store.close()
    twin.store = Store.open(tmp_path / "data", StoreOptions())
    twin.commit({present[0]: b"changed"})
    twin.store.close()
    twin.store = Store.open(tmp_path / "data", StoreOptions())
    assert twin.store.state_proof(present[0]).value == b"changed"
    twin.commit(dict.fromkeys([*extra, own], b"y"))
    twin.store.close()
