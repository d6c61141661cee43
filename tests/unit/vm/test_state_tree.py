"""The state tree by example: hashes written out by hand, each kind of proof, misuse."""

from hashlib import sha256

import pytest

from vm.state_proof import OtherLeaf, ProofNode, StateProof, verify_state_proof
from vm.state_tree import StateTree, StateTreeError

ZERO = bytes(32)


def leaf(key: str, value: bytes) -> bytes:
    raw = key.encode()
    return sha256(b"\0" + len(raw).to_bytes(4, "big") + raw + sha256(value).digest()).digest()


def node(**children: bytes) -> bytes:
    """Hash a node of children named by `x` and their nibble."""
    bitmap = sum(1 << int(name[1:], 16) for name in children)
    hashes = b"".join(children[name] for name in sorted(children))
    return sha256(b"\1" + bitmap.to_bytes(2, "big") + hashes).digest()


def name(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def key_in(prefix: str, number: int = 0) -> str:
    """Return the `number`th key whose hash begins with `prefix`."""
    found = (f"key/{i}" for i in range(1_000_000) if name(f"key/{i}").startswith(prefix))
    return next(key for i, key in enumerate(found) if i == number)


def tree_of(state: dict[str, bytes], depth: int = 1) -> StateTree:
    pages: dict[str, bytes] = {}
    tree = StateTree(depth, pages)
    update = tree.update(state)
    pages.update(update.pages)
    tree.apply(update)
    return tree


def prove(state: dict[str, bytes], key: str, depth: int = 1) -> StateProof:
    by_hash = {sha256(k.encode()).digest(): (k, v) for k, v in state.items()}
    return tree_of(state, depth).prove(key, by_hash.__getitem__)


def test_an_empty_tree_is_zero():
    assert tree_of({}).root == ZERO


def test_a_single_key_is_a_leaf_under_the_whole_upper_tree():
    key = key_in("ab")
    assert tree_of({key: b"v"}, 1).root == node(xa=leaf(key, b"v"))
    assert tree_of({key: b"v"}, 2).root == node(xa=node(xb=leaf(key, b"v")))


def test_two_keys_of_a_bucket_hang_where_their_hashes_part():
    first, second = key_in("ab1"), key_in("ab2")
    shared = node(xb=node(x1=leaf(first, b"1"), x2=leaf(second, b"2")))
    assert tree_of({first: b"1", second: b"2"}, 1).root == node(xa=shared)


def test_two_keys_that_part_late_hang_under_a_chain_of_nodes():
    first, second = key_in("ab12"), key_in("ab13")
    parted = node(x2=leaf(first, b"1"), x3=leaf(second, b"2"))
    assert tree_of({first: b"1", second: b"2"}, 1).root == node(xa=node(xb=node(x1=parted)))


def test_deleting_the_last_key_of_a_bucket_empties_it():
    tree = tree_of({key_in("a"): b"1"})
    assert tree.update({key_in("a"): None}).root == ZERO
    assert tree.update({key_in("b"): None}).root == tree.root


@pytest.mark.parametrize(("count", "pages"), [(8, ["a"]), (9, ["a", "a0", "a1", "a2"])])
def test_a_page_is_split_when_it_is_more_than_full(count, pages):
    keys = [key_in(f"a{number % 3}", number) for number in range(count)]
    update = StateTree(1, {}, page_limit=8).update(dict.fromkeys(keys, b"v"))
    assert sorted(update.pages) == pages


def test_no_changes_change_nothing():
    tree = tree_of({key_in("a"): b"1"})
    update = tree.update({})
    assert (update.root, update.pages) == (tree.root, {})


def test_an_empty_value_is_not_absence():
    key = key_in("a")
    assert tree_of({key: b""}).root != ZERO


def test_an_update_applies_to_its_own_tree_only():
    tree = tree_of({})
    first, second = tree.update({"a": b"1"}), tree.update({"a": b"2"})
    tree.apply(first)
    with pytest.raises(StateTreeError):
        tree.apply(second)
    assert tree.root == first.root


@pytest.mark.parametrize("depth", [0, 7])
def test_the_depth_has_bounds(depth):
    with pytest.raises(StateTreeError):
        StateTree(depth, {})


def test_bucket_roots_must_be_complete_and_pages_of_some_size():
    with pytest.raises(StateTreeError):
        StateTree(1, {}, bytes(32))
    with pytest.raises(StateTreeError):
        StateTree(1, {}, page_limit=1)


def test_absence_in_an_empty_tree_has_an_empty_proof():
    proof = prove({}, "anything")
    assert proof == StateProof(())
    assert verify_state_proof(ZERO, 1, "anything", None, proof)
    assert not verify_state_proof(ZERO, 1, "anything", b"", proof)


def test_absence_in_an_empty_bucket_ends_in_the_upper_tree():
    state = {key_in("ab"): b"1"}
    missing = key_in("c")
    proof = prove(state, missing, 2)
    assert (len(proof.path), proof.other) == (1, None)
    assert verify_state_proof(tree_of(state, 2).root, 2, missing, None, proof)


def test_absence_where_another_leaf_stands_names_it():
    present, missing = key_in("ab", 0), key_in("ab", 1)
    proof = prove({present: b"1"}, missing, 2)
    assert proof.other == OtherLeaf(present, sha256(b"1").digest())
    root = tree_of({present: b"1"}, 2).root
    assert verify_state_proof(root, 2, missing, None, proof)
    assert not verify_state_proof(root, 2, present, None, proof)
    elsewhere = key_in("cd")
    assert not verify_state_proof(root, 2, elsewhere, None, proof)


def test_absence_as_an_empty_child_inside_a_bucket():
    state = {key_in("a1"): b"1", key_in("a2"): b"2"}
    missing = key_in("a3")
    proof = prove(state, missing)
    assert (len(proof.path), proof.other) == (2, None)
    assert verify_state_proof(tree_of(state).root, 1, missing, None, proof)


def test_a_present_key_cannot_be_called_a_sibling_of_its_absence():
    state = {key_in("a1"): b"1", key_in("a2"): b"2"}
    root = tree_of(state).root
    key = key_in("a1")
    upper, inner = prove(state, key).path
    own = leaf(key, b"1")
    forged = StateProof((upper, ProofNode(inner.bitmap, (own, *inner.siblings))))
    assert not verify_state_proof(root, 1, key, None, forged)
    bucket = node(x1=own, x2=inner.siblings[0])
    assert not verify_state_proof(root, 1, key, None, StateProof((ProofNode(upper.bitmap, (bucket,)),)))


def test_a_proof_holds_for_its_depth_only():
    key = key_in("ab")
    proof = prove({key: b"v"}, key, 2)
    root = tree_of({key: b"v"}, 2).root
    assert verify_state_proof(root, 2, key, b"v", proof)
    # A verifier that expects more upper levels must not take a leaf where a node has to be.
    assert not verify_state_proof(root, 3, key, b"v", proof)


def test_siblings_cut_elsewhere_prove_nothing():
    """Their hash is over all of them joined: a second way of cutting would be a second proof."""
    keys = [key_in(f"a{i}") for i in range(1, 4)]
    state = dict.fromkeys(keys, b"1")
    root = tree_of(state).root
    upper, inner = prove(state, keys[0]).path
    one, two = inner.siblings
    cut = ProofNode(inner.bitmap, (one + two[:1], two[1:]))
    assert verify_state_proof(root, 1, keys[0], b"1", StateProof((upper, inner)))
    assert not verify_state_proof(root, 1, keys[0], b"1", StateProof((upper, cut)))


def test_a_leaf_that_stands_where_it_does_not_belong_shows_no_absence():
    missing, elsewhere = key_in("ab"), key_in("cd")
    root = node(xa=leaf(elsewhere, b"1"))
    proof = StateProof((ProofNode(1 << 0xA, ()),), OtherLeaf(elsewhere, sha256(b"1").digest()))
    assert not verify_state_proof(root, 1, missing, None, proof)


def test_a_proof_of_ground_keys_stays_small():
    ground = {f"ground/{i}": b"x" for i in range(4_000)}
    crowded = {key: value for key, value in ground.items() if name(key).startswith("0")}
    key = next(iter(crowded))
    proof = prove(crowded, key)
    assert len(crowded) > 200
    assert len(proof.path) <= 6
    assert len(proof.to_bytes()) <= 6 * (15 * 34 + 10)
    assert verify_state_proof(tree_of(crowded).root, 1, key, b"x", proof)


def test_one_change_in_a_crowded_bucket_touches_a_few_small_pages():
    pages: dict[str, bytes] = {}
    tree = StateTree(1, pages)
    keys = [key for key in (f"ground/{i}" for i in range(60_000)) if name(key).startswith("0")]
    update = tree.update(dict.fromkeys(keys, b"x"))
    pages.update(update.pages)
    tree.apply(update)
    one = tree.update({keys[7]: b"y"})
    assert len(keys) > 3_000
    assert len(one.pages) <= 4
    assert sum(map(len, one.pages.values())) < 10_000


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        {"path": []},
        {"path": [], "other": None, "more": 1},
        {"path": [{"bitmap": 1, "siblings": ["zz"]}], "other": None},
        {"path": [{"bitmap": 1, "siblings": ["AB"]}], "other": None},
        {"path": [{"bitmap": "1", "siblings": []}], "other": None},
        {"path": [], "other": {"key": 5, "value_hash": ""}},
    ],
)
def test_a_json_proof_of_another_shape_is_refused(document):
    with pytest.raises(ValueError):
        StateProof.from_json(document)


def test_a_path_longer_than_a_hash_is_refused():
    key = key_in("a")
    proof = prove({key: b"v"}, key)
    assert not verify_state_proof(ZERO, 1, key, b"v", StateProof(proof.path * 65))


@pytest.mark.parametrize("changed", range(4))
def test_a_change_hashes_all_neighbours_below_the_same_child(changed: int) -> None:
    # Below nibble 2 three keys, the fourth below another; a node of the bucket hangs over both.
    hashes = [b"\x00\x00" + bytes([first]) + bytes(29) for first in (0x20, 0x25, 0x2F, 0x30)]
    leaves: list[tuple[bytes, bytes | None]] = [(key_hash, sha256(key_hash).digest()) for key_hash in hashes]
    pages: dict[str, bytes] = {}
    tree = StateTree(4, pages)
    update = tree.update_leaves(leaves)
    tree.apply(update)
    pages.update(update.pages)
    later = [*leaves[:changed], (hashes[changed], b"\x08" * 32), *leaves[changed + 1 :]]
    assert tree.update_leaves([later[changed]]).root == StateTree(4, {}).update_leaves(later).root
