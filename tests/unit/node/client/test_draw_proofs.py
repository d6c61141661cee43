"""A draw is proved to someone who has the genesis document only: with real blocks, digests and certificates."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from contracts_py.campaign.draw_seed import commitment_of, seed_of
from node.cli.main import main
from node.client.draw_proofs import collect
from node.gateway.presentation import dumps
from node.gateway.state_methods import StateMethods
from node.light_client.draws import check_draw
from node.light_client.errors import VerificationFailed
from tests.support.ledger import LocalChain, LocalNode, key_of
from vm.contract_api import Context
from vm.primitives.address import address_of_key
from vm.primitives.hashing import sha256
from vm.state_view import BlockOverlay

SECRETS = {brand: sha256(brand.encode()) for brand in ("basil", "comet")}


class Gateway:
    """Answers as a node does, without a socket."""

    def __init__(self, chain: LocalChain) -> None:
        self._chain = chain
        self._methods = StateMethods(LocalNode(chain))

    async def call(self, method: str, **params: Any) -> Any:
        """Answer one call."""
        if method == "state_proof":
            return json.loads(dumps(self._methods.proof(params["key"])))
        head = self._chain.ledger
        overlay = BlockOverlay(head.queries.states.at(head.height))
        ctx = Context(overlay, self._chain.genesis.chain, head.height, head.head_time, 10**9, read_only=True)
        return json.loads(msgspec.json.encode(self._chain.runtime.invoke_view(ctx, method, params)))


def drawn(chain: LocalChain) -> None:
    """Let the draw `aurora-summer` be opened, entered, closed and drawn."""
    admin = "aurora-admin"
    terms: dict[str, Any] = {"campaign": "aurora-buys", "brand": "aurora", "event": "purchase", "when": "true"}
    begin, closes = chain.ledger.head_time, chain.ledger.head_time + 60_000
    then = [{"entry": {"draw": "aurora-summer", "count": "event.n"}}]
    draw = {"draw": "aurora-summer", "campaign": "aurora-buys", "prizes": [{"name": "A pen", "count": 2}]}
    opened = [
        ("campaign.create", {**terms, "then": then, "starts": 0, "ends": closes + 1}),
        ("campaign.draw", {**draw, "closes": closes}),
    ]
    receipts = chain.commit([chain.sign(admin, opened)])
    for number in range(5):
        who = address_of_key(key_of(f"p{number}").public_key)
        bought = {"brand": "aurora", "event": "purchase", "member": who, "ref": f"o{number}", "at": begin}
        receipts += chain.commit([chain.sign(admin, [("campaign.record", {**bought, "attrs": {"n": number + 1}})])])
    for brand, secret in SECRETS.items():
        commitment = commitment_of(chain.genesis.chain, "aurora-summer", brand, secret)
        args = {"draw": "aurora-summer", "brand": brand, "commitment": commitment}
        receipts += chain.commit([chain.sign(f"{brand}-admin", [("campaign.draw_commit", args)])])
    chain.commit(time=closes)
    for _ in range(3):
        chain.commit()
    for brand, secret in SECRETS.items():
        args = {"draw": "aurora-summer", "brand": brand, "secret": secret.hex()}
        receipts += chain.commit([chain.sign(f"{brand}-admin", [("campaign.draw_reveal", args)])])
    for _ in range(3):
        chain.commit()
    assert [receipt.error for receipt in receipts if receipt.status != "ok"] == []


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalChain]:
    """A chain on which a draw is over."""
    made = LocalChain(tmp_path_factory.mktemp("draws") / "data")
    drawn(made)
    yield made
    made.close()


@pytest.fixture(scope="module")
def proof(chain: LocalChain) -> dict[str, Any]:
    return asyncio.run(collect(Gateway(chain), "aurora-summer"))  # type: ignore[arg-type]


def test_what_a_node_collects_is_proved_by_the_blocks_digest(chain: LocalChain, proof: dict[str, Any]) -> None:
    assert list(check_draw(proof, chain.genesis)) == []
    entropy = proof["draw"]["entropy"]
    header = chain.ledger.queries.block(entropy["height"] + 1).header
    assert header.parent.hex() == entropy["digest"]
    secrets = [(brand, secret.hex()) for brand, secret in sorted(SECRETS.items())]
    seed = seed_of(chain.genesis.chain, "aurora-summer", entropy["height"], header.parent, secrets)
    assert seed.hex() == proof["draw"]["seed"]
    assert len([number for number in proof["draw"]["numbers"] if "place" in number]) == 2


def test_the_command_says_who_has_won(chain: LocalChain, proof: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "draw.json").write_text(json.dumps(proof))
    (tmp_path / "genesis.json").write_text(chain.genesis.to_json())
    command = ["verify", "draw", str(tmp_path / "draw.json"), "--genesis", str(tmp_path / "genesis.json")]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert result.output.count("A pen: ent1") == 2
    wrong = copy.deepcopy(proof)
    wrong["entries"][0][1] += 1
    (tmp_path / "draw.json").write_text(json.dumps(wrong))
    result = CliRunner().invoke(main, command)
    assert result.exit_code != 0
    assert "not proved: the entries have" in result.output


def test_what_is_not_as_certified_is_found(chain: LocalChain, proof: dict[str, Any]) -> None:
    for name, value in (
        ("seed", "00" * 32),
        ("status", "open"),
        ("once", False),
        ("witnesses", []),
        ("numbers", []),
    ):
        wrong = copy.deepcopy(proof)
        wrong["draw"][name] = value
        assert any("certified" in problem for problem in check_draw(wrong, chain.genesis)), name
    other = copy.deepcopy(proof)
    other["draw"]["chain"] = "other-0000000000000000"
    assert any("is of the chain" in problem for problem in check_draw(other, chain.genesis))


def test_what_is_no_collected_draw_proves_nothing(chain: LocalChain, proof: dict[str, Any]) -> None:
    shapes: list[Any] = [None, {}, [], {**proof, "draw": 1}, {**proof, "entries": 3}, {**proof, "state": {}}]
    for shape in shapes:
        with pytest.raises(VerificationFailed):
            list(check_draw(shape, chain.genesis))
    swapped = copy.deepcopy(proof)
    swapped["draw"]["draw"] = "aurora-winter"
    with pytest.raises(VerificationFailed, match="not the draw's record"):
        list(check_draw(swapped, chain.genesis))
