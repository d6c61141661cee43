"""The state tree equals its naive twin, whatever the order, grouping and page size; proofs bind every byte."""

from hashlib import sha256
from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_state_tree import naive_root

from vm.primitives.codec import CodecError
from vm.state_pages import is_split, key_count
from vm.state_proof import OtherLeaf, ProofNode, StateProof, verify_state_proof
from vm.state_tree import StateTree, TreeUpdate

# Most keys lie in one bucket of depth 1, so that they share long paths and split small pages.
_NAMES = [f"token/balance/{i}" for i in range(2_000)]
KEYS = _NAMES[:16] + [key for key in _NAMES if sha256(key.encode()).digest()[0] >> 4 == 10][:44]
keys = st.sampled_from(KEYS)
values = st.binary(max_size=3)


def block_of(seed: int, size: int, deleted_percent: int) -> dict[str, bytes | None]:
    """Return a dense block: Hypothesis' own dictionaries are mostly too small to split or merge pages."""
    random = Random(seed)
    return {
        key: None if random.randrange(100) < deleted_percent else random.randbytes(2)
        for key in random.sample(KEYS, size)
    }


changes = st.dictionaries(keys, st.none() | values, max_size=40) | st.builds(
    block_of, st.integers(0, 2**32), st.integers(1, 50), st.sampled_from([0, 30, 70, 95])
)
depths = st.integers(1, 3)
page_limits = st.sampled_from([2, 3, 4, 9, 64])


class Chain:
    """A tree whose pages are kept in a dict, and the map that it stands for."""

    def __init__(self, depth: int, page_limit: int = 64) -> None:
        self.pages: dict[str, bytes] = {}
        self.tree = StateTree(depth, self.pages, page_limit=page_limit)
        self.values: dict[str, bytes] = {}

    def commit(self, block: dict[str, bytes | None]) -> TreeUpdate:
        update = self.tree.update(block)
        self.tree.apply(update)
        self.pages.update(update.pages)
        for key, value in block.items():
            if value is None:
                self.values.pop(key, None)
            else:
                self.values[key] = value
        return update

    def leaf_of(self, key_hash: bytes) -> tuple[str, bytes]:
        return next((k, v) for k, v in self.values.items() if sha256(k.encode()).digest() == key_hash)

    def prove(self, key: str) -> StateProof:
        return self.tree.prove(key, self.leaf_of)


@given(depths, page_limits, st.lists(changes, max_size=6))
@settings(deadline=None)
def test_the_root_equals_the_naive_twin_after_every_block(depth, page_limit, blocks):
    chain = Chain(depth, page_limit)
    for block in blocks:
        update = chain.commit(block)
        assert chain.tree.root == update.root == naive_root(depth, chain.values)
        rebuilt = StateTree(depth, chain.pages, bytes(chain.tree.bucket_roots), page_limit)
        assert rebuilt.root == chain.tree.root


@given(depths, page_limits, st.lists(changes, max_size=6))
@settings(deadline=None)
def test_pages_hold_exactly_the_keys_within_their_limits(depth, page_limit, blocks):
    chain = Chain(depth, page_limit)
    for block in blocks:
        split = {page_id for page_id, page in chain.pages.items() if is_split(page)}
        update = chain.commit(block)
        assert update.unsplit == {page_id for page_id in split if not is_split(chain.pages[page_id])}
    held = {page_id: page for page_id, page in chain.pages.items() if page}
    leaf_pages = {page_id: page for page_id, page in held.items() if not is_split(page)}
    assert sum(map(key_count, leaf_pages.values())) == len(chain.values)
    assert all(key_count(page) <= page_limit for page in leaf_pages.values())
    assert all(key_count(page) > page_limit // 2 for page in held.values() if is_split(page))
    for page_id in held:
        parents = [page_id[:length] for length in range(depth, len(page_id))]
        assert all(is_split(held[parent]) for parent in parents)


@given(depths, page_limits, st.dictionaries(keys, values), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_order_and_grouping_do_not_matter(depth, page_limit, state, random):
    chain, one_by_one = Chain(depth), Chain(depth, page_limit)
    chain.commit(dict(state))
    order = list(state)
    random.shuffle(order)
    for key in order:
        one_by_one.commit({key: b"first"})
    one_by_one.commit({"elsewhere": b"x"})
    for key in reversed(order):
        one_by_one.commit({key: state[key]})
    one_by_one.commit({"elsewhere": None})
    assert chain.tree.root == one_by_one.tree.root


@given(depths, changes, changes, changes)
@settings(deadline=None)
def test_candidates_do_not_disturb_each_other(depth, base, first, second):
    chain = Chain(depth, 3)
    chain.commit(base)
    root, pages = chain.tree.root, dict(chain.pages)
    one = chain.tree.update(first)
    two = chain.tree.update(second)
    assert (chain.tree.root, chain.pages) == (root, pages)
    assert chain.tree.update(first) == one
    assert chain.commit(second) == two


@given(depths, page_limits, changes, changes)
@settings(deadline=None)
def test_every_key_is_proved_present_or_absent_and_nothing_else(depth, page_limit, before, block):
    chain = Chain(depth, page_limit)
    chain.commit(before)
    chain.commit(block)
    for key in [*KEYS[:12], *KEYS[-12:], "never/written"]:
        proof = chain.prove(key)
        value = chain.values.get(key)
        assert StateProof.from_bytes(proof.to_bytes()) == proof
        assert StateProof.from_json(msgspec.json.decode(msgspec.json.encode(proof.to_json()))) == proof
        assert verify_state_proof(chain.tree.root, depth, key, value, proof)
        assert not verify_state_proof(chain.tree.root, depth, key, b"forged", proof)
        assert not verify_state_proof(chain.tree.root, depth, key, None if value is not None else b"", proof)
        assert not verify_state_proof(sha256(chain.tree.root).digest(), depth, key, value, proof)


@given(depths, st.dictionaries(keys, values, min_size=1), keys, st.data())
@settings(deadline=None, max_examples=60)
def test_no_byte_of_a_proof_can_be_changed(depth, state, key, data):
    chain = Chain(depth)
    chain.commit(dict(state))
    encoded = chain.prove(key).to_bytes()
    flip = data.draw(st.integers(1, 255))
    for at in range(len(encoded)):
        tampered = encoded[:at] + bytes([encoded[at] ^ flip]) + encoded[at + 1 :]
        assert not _accepted(chain, key, tampered)


@given(depths, st.dictionaries(keys, values, min_size=1), keys, st.data())
@settings(deadline=None, max_examples=60)
def test_no_part_of_a_proof_can_be_dropped_or_added(depth, state, key, data):
    chain = Chain(depth)
    chain.commit(dict(state))
    proof = chain.prove(key)
    path = list(proof.path)
    variants = [StateProof(tuple(path[:-1]), proof.other), StateProof(tuple(path[1:]), proof.other)]
    variants.append(StateProof((*path, ProofNode(1, (bytes(32),))), proof.other))
    variants.append(StateProof((*path, ProofNode(1, ())), proof.other))
    at = data.draw(st.integers(0, len(path) - 1))
    node = path[at]
    nodes = [ProofNode(node.bitmap, (*node.siblings, bytes(32)))]
    nodes += [ProofNode(node.bitmap ^ 1 << bit, node.siblings) for bit in range(17)]
    nodes.append(ProofNode(-node.bitmap, node.siblings))
    if node.siblings:
        nodes.append(ProofNode(node.bitmap, node.siblings[1:]))
        nodes.append(ProofNode(node.bitmap, (*node.siblings[:-1], node.siblings[-1][:-1])))
    variants += [StateProof((*path[:at], changed, *path[at + 1 :]), proof.other) for changed in nodes]
    variants.append(StateProof(proof.path, OtherLeaf("another", bytes(32))))
    if proof.other is not None:
        variants.append(StateProof(proof.path))
    for variant in variants:
        assert not verify_state_proof(chain.tree.root, depth, key, chain.values.get(key), variant)


def _accepted(chain: Chain, key: str, encoded: bytes) -> bool:
    try:
        proof = StateProof.from_bytes(encoded)
    except CodecError:
        return False
    return verify_state_proof(chain.tree.root, chain.tree.depth, key, chain.values.get(key), proof)
