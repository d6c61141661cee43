"""Eight forgeries, and everything that takes headers from others: each of them refuses each forgery.

The chain's set changes twice, so that three sets decide its ten blocks. What is shown of it are the two headers
that announce a set, and the newest block. Every forged header is sealed by a whole quorum of the set in force: no
signature is wrong, so that only the rule that the forgery is named after can notice it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from consensus.messages import seal_payload
from consensus.trust import NotCertified
from consensus.types import Block, Certificate, Header, Seal, ValidatorSet, header_digest
from consensus.verification import Verifier
from network.messages import SetChange
from node.chain.queries import MembershipLink
from node.cli.main import main
from node.gateway.chain_methods import ChainMethods
from node.gateway.presentation import dumps, validators_json
from node.gateway.state_methods import StateMethods
from node.light_client.chain import TrustedChain, candidate_of
from node.light_client.documents import verify_receipt, verify_state
from node.light_client.draws import check_draw
from node.light_client.errors import VerificationFailed
from node.maintenance import restored_chain
from node.maintenance.restored_chain import RestoredChain
from node.store.database import Database
from node.store.layout import BLOCK, CERTIFICATE, RECEIPTS, at_height
from node.sync.block_importer import BadBlock, BlockImporter
from node.sync.snapshot_trust import SnapshotTrust
from tests.support.driver import LocalDriver
from tests.support.ledger import LocalChain, LocalNode, address_of, key_of
from vm.primitives.codec import encode
from vm.primitives.keys import Domain
from vm.transaction import parse_transaction

HEIGHT = 10
NEWCOMER, ROTATED = key_of("newcomer"), key_of("rotated")
JOIN: list[dict[str, Any]] = [
    {"action": "register_brand", "brand": "echo", "name": "Echo", "admins": [address_of("echo-admin")]},
    {"action": "add_validator", "brand": "echo", "key": NEWCOMER.public_key.hex()},
]


class Shown(NamedTuple):
    """What somebody hands over: the headers that announce a set, and a block with its certificate."""

    links: list[MembershipLink]
    block: Block
    certificate: Certificate


def grown(folder: Path) -> LocalChain:
    """Return a chain of ten blocks whose set changes twice."""
    chain = LocalChain(folder)
    chain.signing_keys |= {key.public_key: key for key in (NEWCOMER, ROTATED)}
    chain.decide(*JOIN)
    args = {"old": key_of("dune-validator").public_key.hex(), "new": ROTATED.public_key.hex()}
    while chain.height < 5:
        chain.commit()
    chain.commit([chain.sign("dune-admin", [("gov.rotate_key", args)], cosigners=[ROTATED])])
    while chain.height < HEIGHT - 1:
        chain.commit()
    chain.commit([chain.sign("aurora-admin", [("no.such", {})])])
    return chain


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalChain]:
    made = grown(tmp_path_factory.mktemp("chain") / "data")
    yield made
    made.close()


@pytest.fixture
def honest(chain: LocalChain) -> Shown:
    queries = chain.ledger.queries
    links = queries.membership_changes(HEIGHT)
    assert [link.header.height for link in links] == [3, 7]
    return Shown(links, queries.block(HEIGHT), queries.certificate(HEIGHT))


def sealed(chain: LocalChain, header: Header, certificate: Certificate, validators: ValidatorSet) -> Certificate:
    """Return a certificate of a header, with the results of another one, by all of a set."""
    digest, roots = header_digest(header), certificate.roots
    payload = seal_payload(chain.genesis.chain, header.height, 0, digest, roots)
    keys = [chain.signing_keys[validator.public_key] for validator in validators.validators]
    seals = tuple(Seal(index, key.sign(Domain.COMMIT, payload)) for index, key in enumerate(keys))
    return Certificate(header.height, 0, digest, roots.state_root, roots.receipts_root, seals)


def with_header(chain: LocalChain, shown: Shown, /, **changes: Any) -> Shown:
    """Return what is shown with another header of the block, sealed by the set in force."""
    header = replace(shown.block.header, **changes)
    certificate = sealed(chain, header, shown.certificate, shown.links[-1].announced)
    return shown._replace(block=replace(shown.block, header=header), certificate=certificate)


# -- forgeries -----------------------------------------------------------------------------------------


def another_sets_header(chain: LocalChain, shown: Shown) -> Shown:
    return with_header(chain, shown, validators_hash=shown.links[0].announced.hash)


def no_quorum(chain: LocalChain, shown: Shown) -> Shown:
    seals = shown.certificate.seals[: shown.links[-1].announced.quorum - 1]
    return shown._replace(certificate=replace(shown.certificate, seals=seals))


def another_blocks_certificate(chain: LocalChain, shown: Shown) -> Shown:
    other = with_header(chain, shown, time=shown.block.header.time + 1)
    return shown._replace(certificate=other.certificate)


def another_chain(chain: LocalChain, shown: Shown) -> Shown:
    return with_header(chain, shown, chain="entente-other")


def sets_out_of_order(chain: LocalChain, shown: Shown) -> Shown:
    """A set in force announces a third one, in a header below the one that announced it."""
    first, second = shown.links
    header = replace(second.header, height=first.header.height - 1)
    late = MembershipLink(header, sealed(chain, header, second.certificate, first.announced), second.announced)
    return shown._replace(links=[first, late])


def another_announced_set(chain: LocalChain, shown: Shown) -> Shown:
    first, second = shown.links
    return shown._replace(links=[first, second._replace(announced=chain.genesis.validator_set)])


def an_unsealed_set(chain: LocalChain, shown: Shown) -> Shown:
    first, second = shown.links
    seals = second.certificate.seals[: first.announced.quorum - 1]
    return shown._replace(links=[first, second._replace(certificate=replace(second.certificate, seals=seals))])


def another_body(chain: LocalChain, shown: Shown) -> Shown:
    raw = chain.sign("aurora-admin", [("no.such", {})], nonce=77)
    return shown._replace(block=replace(shown.block, transactions=(raw,)))


Forgery = Callable[[LocalChain, Shown], Shown]
HEADER_FORGERIES: dict[Forgery, str] = {
    another_sets_header: "does not lead to",
    no_quorum: "does not hold a quorum",
    another_blocks_certificate: "is of another block",
    another_chain: "the header is of entente-other",
}
SET_FORGERIES: dict[Forgery, str] = {
    sets_out_of_order: "are not in order",
    another_announced_set: "announces other validators",
    an_unsealed_set: "does not hold a quorum",
}
BODY_FORGERIES: dict[Forgery, str] = {another_body: "does not hold what its header says"}

# -- who takes headers from others -----------------------------------------------------------------------

User = Callable[[LocalChain, Shown, Path, pytest.MonkeyPatch], None]


def in_document(document: dict[str, Any], shown: Shown) -> Any:
    """Return a document that a node answered, with what is shown in place of its own proof."""
    proof = {
        "headers": [
            {
                "header": link.header,
                "certificate": link.certificate,
                "validators": validators_json(link.announced),
            }
            for link in shown.links
        ],
        "header": shown.block.header,
        "certificate": shown.certificate,
    }
    return json.loads(dumps({**document, **proof}))


def state_document(chain: LocalChain, shown: Shown) -> Any:
    answered = json.loads(dumps(StateMethods(LocalNode(chain)).proof("chain/params", HEIGHT)))
    return in_document(answered, shown)


def the_light_client(chain: LocalChain, shown: Shown, folder: Path, patch: pytest.MonkeyPatch) -> None:
    trusted = TrustedChain.from_genesis(chain.genesis)
    for link in shown.links:
        trusted.follow(*link)
    head = trusted.require_block(candidate_of(shown.block), shown.certificate)
    assert head == chain.store.head_at(HEIGHT)
    assert trusted.require_header(shown.block.header, shown.certificate) == head


def a_state_document(chain: LocalChain, shown: Shown, folder: Path, patch: pytest.MonkeyPatch) -> None:
    assert verify_state(state_document(chain, shown), chain.genesis).height == HEIGHT


def a_receipt_document(chain: LocalChain, shown: Shown, folder: Path, patch: pytest.MonkeyPatch) -> None:
    tx_id = parse_transaction(chain.ledger.queries.block(HEIGHT).transactions[0]).id
    answered = ChainMethods(LocalNode(chain)).receipt(tx_id, proof=True)
    document = json.loads(dumps(answered))
    document["proof"] = in_document(document["proof"], shown)
    assert verify_receipt(document, chain.genesis).height == HEIGHT


def a_draw_document(chain: LocalChain, shown: Shown, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """The chain has no draw: the state that is certified is another one, which is looked at only then."""
    document = {"draw": {"draw": "summer"}, "entries": [], "state": state_document(chain, shown)}
    try:
        list(check_draw(document, chain.genesis))
    except VerificationFailed as error:
        if "chain/params is not the draw's record" not in str(error):
            raise


def the_command_line(chain: LocalChain, shown: Shown, folder: Path, patch: pytest.MonkeyPatch) -> None:
    genesis, file = folder / "genesis.json", folder / "proof.json"
    genesis.write_text(chain.genesis.to_json())
    file.write_text(json.dumps(state_document(chain, shown)))
    result = CliRunner().invoke(
        main, ["verify", "state", str(file), "--genesis", str(genesis)], prog_name="entente"
    )
    if result.exit_code:
        assert "not proved" in result.output
        raise VerificationFailed(result.output)
    assert f"height {HEIGHT}" in result.output


def a_snapshot(chain: LocalChain, shown: Shown, folder: Path, patch: pytest.MonkeyPatch) -> None:
    trust = SnapshotTrust(TrustedChain.from_genesis(chain.genesis))
    for link in shown.links:
        entries = tuple((validator.public_key, validator.brand) for validator in link.announced.validators)
        trust.follow([SetChange(encode(link.header), encode(link.certificate), entries)], below=HEIGHT)
    found = trust.certified_block(HEIGHT, encode(shown.block), encode(shown.certificate))
    assert found.head == chain.store.head_at(HEIGHT)


def a_restored_chain(chain: LocalChain, shown: Shown, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """All heights are here; the state, whose word on the sets is not believed, says what the links say."""
    store, database = chain.store, Database(str(folder / "restored"), 1 << 20, 1 << 20)
    batch = database.batch()
    for height in range(1, HEIGHT + 1):
        batch.put(at_height(BLOCK, height), store.block_bytes(height) or b"")
        batch.put(at_height(CERTIFICATE, height), store.certificate_bytes(height) or b"")
        batch.put(at_height(RECEIPTS, height), encode(store.receipts(height)))
    for link in shown.links:
        block = chain.ledger.queries.block(link.header.height)
        batch.put(at_height(BLOCK, link.header.height), encode(replace(block, header=link.header)))
        batch.put(at_height(CERTIFICATE, link.header.height), encode(link.certificate))
    batch.put(at_height(BLOCK, HEIGHT), encode(shown.block))
    batch.put(at_height(CERTIFICATE, HEIGHT), encode(shown.certificate))
    database.write(batch)
    announced = {link.header.height: link.announced for link in shown.links}
    patch.setattr(restored_chain, "_announced_sets", lambda reader: announced)
    genesis_head = store.head_at(0)
    assert genesis_head is not None
    restored = RestoredChain(database, chain.genesis, store.reader, genesis_head.state_root, chain.runtime.calls)
    try:
        assert restored.walk().head == store.head_at(HEIGHT)
    finally:
        database.close()


def block_sync(chain: LocalChain, shown: Shown, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """A node at the height before; it knows the sets from its own state."""
    asyncio.run(imported(chain, shown, folder))


async def imported(chain: LocalChain, shown: Shown, folder: Path) -> None:
    behind = LocalChain(folder / "behind")
    node = LocalDriver(behind, folder / "wal", None)
    node.driver.start()
    verifier = Verifier(chain.genesis.chain)
    sync = BlockImporter(node.ledger, verifier, node.processor, node.finalizer, node.supervisor)
    try:
        for height in range(1, HEIGHT):
            block, certificate = chain.store.block_bytes(height), chain.store.certificate_bytes(height)
            await sync.import_block(height, block or b"", certificate or b"")
        await sync.import_block(HEIGHT, encode(shown.block), encode(shown.certificate))
        assert behind.store.head == chain.store.head_at(HEIGHT)
    finally:
        node.close()
        behind.close()


DOCUMENTS: list[User] = [a_state_document, a_receipt_document, a_draw_document, the_command_line]
EVERYBODY: list[User] = [the_light_client, *DOCUMENTS, a_snapshot, a_restored_chain, block_sync]
FOLLOWERS: list[User] = [the_light_client, *DOCUMENTS, a_snapshot]
WITH_BODIES: list[User] = [the_light_client, a_snapshot, a_restored_chain, block_sync]
REFUSED = (NotCertified, VerificationFailed, BadBlock)


def named(value: object) -> str:
    return getattr(value, "__name__", "")


@pytest.mark.parametrize("user", EVERYBODY, ids=named)
def test_what_the_chain_has_certified_is_believed(
    chain: LocalChain, honest: Shown, user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user(chain, honest, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("user", "forgery", "why"),
    [(user, forgery, why) for user in EVERYBODY for forgery, why in HEADER_FORGERIES.items()]
    + [(user, forgery, why) for user in FOLLOWERS for forgery, why in SET_FORGERIES.items()]
    + [(user, forgery, why) for user in WITH_BODIES for forgery, why in BODY_FORGERIES.items()],
    ids=named,
)
def test_a_forgery_is_refused(
    chain: LocalChain,
    honest: Shown,
    user: User,
    forgery: Forgery,
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(REFUSED, match=why):
        user(chain, forgery(chain, honest), tmp_path, monkeypatch)


def test_a_restored_chain_refuses_a_state_that_names_the_sets_in_another_order(
    chain: LocalChain, honest: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = honest.links
    exchanged = [first._replace(announced=second.announced), second._replace(announced=first.announced)]
    with pytest.raises(NotCertified, match="announces other validators"):
        a_restored_chain(chain, honest._replace(links=exchanged), tmp_path, monkeypatch)


@pytest.mark.parametrize("place", [0, 1])
def test_a_restored_chain_refuses_a_set_that_its_state_does_not_know(
    chain: LocalChain, honest: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    kept = [honest.links[place]]
    with pytest.raises(NotCertified, match="validators that are not known"):
        a_restored_chain(chain, honest._replace(links=kept), tmp_path, monkeypatch)


def test_a_block_that_announces_a_former_set_is_not_imported(
    chain: LocalChain, honest: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forged = with_header(chain, honest, next_validators_hash=honest.links[0].announced.hash)
    with pytest.raises(BadBlock, match="header: next_validators_hash"):
        block_sync(chain, forged, tmp_path, monkeypatch)


def test_a_snapshot_takes_no_header_that_announces_the_set_that_is_in_force(
    chain: LocalChain, honest: Shown
) -> None:
    trust = SnapshotTrust(TrustedChain.from_genesis(chain.genesis))
    queries = chain.ledger.queries
    entries = tuple((validator.public_key, validator.brand) for validator in chain.genesis.validator_set.validators)
    change = SetChange(encode(queries.header(2)), encode(queries.certificate(2)), entries)
    with pytest.raises(NotCertified, match="no other validators"):
        trust.follow([change], below=HEIGHT)
    assert trust.links == []


def test_results_that_no_quorum_has_sealed_prove_nothing(chain: LocalChain, honest: Shown) -> None:
    trusted = TrustedChain.from_genesis(chain.genesis)
    for link in honest.links:
        assert trusted.follow(*link) == chain.store.head_at(link.header.height)
    forged = replace(honest.certificate, state_root=bytes(32))
    with pytest.raises(NotCertified, match="quorum"):
        trusted.require_header(honest.block.header, forged)
