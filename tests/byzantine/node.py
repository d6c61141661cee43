"""Runs the production node with a liar between its consensus and the network; for tests only.

    python -m tests.byzantine.node --lie NAME|all [--seed N] [--censored ADDRESS …] --home HOME

The node is the real one, with its key, store, log and connections. `LyingNode` replaces two of its parts by ones
that pass through a lie (tests/byzantine/lies.py): the port by which consensus speaks to peers, and the
proposer that builds blocks. With `all`, another lie follows every few seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from pathlib import Path
from typing import Any

from consensus.messages import Proposal, decode_message, encode_message
from consensus.types import Candidate, Certificate, HeightContext, header_digest
from genesis.keystore import load_key
from network.kinds import RULES, Kind
from node.assembly.node import Node
from node.assembly.process import run
from node.validator.block_tasks import Proposals
from node.validator.consensus_driver import ConsensusPort
from tests.byzantine.lies import LIES, Lie
from vm.transaction import Transaction

ROTATE_SECONDS = 15.0
_options = argparse.Namespace()


class LyingNode(Node):
    """The production node, whose consensus speaks through a liar."""

    def _make_consensus(self) -> None:
        self.liar = Liar(self)
        super()._make_consensus()

    def _port(self) -> ConsensusPort:
        return LyingPort(self.link, self.liar)

    def _proposals(self) -> Proposals:
        return LyingProposer(self, self.liar)

    async def start(self) -> None:
        await super().start()
        self.liar.start()


class Liar:
    """What a lie may know and do."""

    def __init__(self, node: LyingNode) -> None:
        self._node = node
        self._chance = random.Random(_options.seed)
        self.chain = node.genesis.chain
        self.sign = node.settings.key.sign
        self.public_key = node.settings.key.public_key
        self.seed = node.settings.key.seed
        self.censored = frozenset(_options.censored)
        self.lie: Lie = LIES["honest"](self, self._chance)

    def start(self) -> None:
        """Begin to lie."""
        self._tasks = [asyncio.create_task(self._choose()), asyncio.create_task(self._tick())]

    async def _choose(self) -> None:
        names = [name for name in LIES if name != "honest"]
        while True:
            name = self._chance.choice(names) if _options.lie == "all" else _options.lie
            print(f"lying from {time.monotonic():.1f}: {name}", flush=True)
            self.lie = LIES[name](self, self._chance)
            await asyncio.sleep(ROTATE_SECONDS if _options.lie == "all" else 3_600)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self.lie.tick_seconds or 0.5)
            if self.lie.tick_seconds is not None and self._context is not None and self._indices():
                self.lie.on_tick()

    # -- what it knows -----------------------------------------------------------------------------

    @property
    def _context(self) -> HeightContext | None:
        return self._node.driver.state.context

    @property
    def _here(self) -> HeightContext:
        context = self._context
        assert context is not None
        return context

    @property
    def own_index(self) -> int:
        """Return our place among the validators."""
        own = self._here.own_index
        assert own is not None
        return own

    @property
    def height(self) -> int:
        """Return the height in progress."""
        return self._here.height

    @property
    def count(self) -> int:
        """Return how many validators there are."""
        return self._here.validators.n

    @property
    def quorum(self) -> int:
        """Return how many make a quorum."""
        return self._here.validators.quorum

    @property
    def lock(self) -> Any:
        """Return what our production core is locked on."""
        return self._node.driver.state.lock

    # -- what it does ------------------------------------------------------------------------------

    def hold_body(self, digest: bytes, like: Candidate) -> None:
        """Be able to serve the transactions of a block that we made up."""
        self._node.processor.remember_body(digest, self._node.processor.body(header_digest(like.header)) or [])

    def _indices(self) -> list[int]:
        manager = self._node.manager
        validators = self._here.validators
        return [i for i in range(validators.n) if manager.peer(validators.key(i) or b"") is not None]

    def targets(self) -> list[int]:
        """Return the other validators."""
        return [i for i in range(self.count) if i != self.own_index]

    def some_peer(self) -> int:
        """Draw a connected validator."""
        return self._chance.choice(self._indices())

    def say_to(self, target: int, payload: bytes) -> None:
        """Send bytes as a consensus message."""
        self.frame_to(target, Kind.CONSENSUS, payload)

    def say_to_all(self, payload: bytes) -> None:
        """Send bytes as a consensus message to everyone."""
        for target in self._indices():
            self.say_to(target, payload)

    def frame_to(self, target: int, kind: Kind, payload: bytes) -> None:
        """Send a frame past every check of our own."""
        peer = self._node.manager.peer(self._here.validators.key(target) or b"")
        if peer is not None:
            frame = (len(payload) + 1).to_bytes(4, "big") + bytes([kind]) + payload
            peer.connection.send_frame(RULES[kind].priority, frame)


class LyingPort:
    """The port of the consensus driver; whatever leaves is decided by the lie."""

    def __init__(self, link: ConsensusPort, liar: Liar) -> None:
        self._link = link
        self._liar = liar

    def broadcast(self, message: bytes) -> None:
        """Tell every validator what the lie has for it."""
        for target in self._liar.targets():
            self.send(target, message)

    def propose(self, proposal: Proposal) -> None:
        """Propose what the lie has for each validator."""
        self.broadcast(encode_message(proposal))

    def send(self, validator: int, message: bytes) -> None:
        """Tell one validator what the lie has for it."""
        for said in self._liar.lie.outgoing(decode_message(message), validator):
            self._link.send(validator, said if isinstance(said, bytes) else encode_message(said))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)


class LyingProposer:
    """The proposer of the node; the lie says what its blocks hold."""

    def __init__(self, node: LyingNode, liar: Liar) -> None:
        self._node = node
        self._liar = liar

    def propose(
        self, context: HeightContext, parent_certificate: Certificate | None, required: bool
    ) -> tuple[Candidate, list[Transaction]] | None:
        """Build a block as the lie wants it."""
        lie = self._liar.lie
        certificate = lie.parent_certificate(parent_certificate)
        proposed = self._node.proposer.propose(context, certificate, required)
        if proposed is None:
            return None
        candidate, chosen = proposed
        wanted = lie.transactions(list(chosen))
        if len(wanted) == len(chosen):
            return candidate, chosen
        return self._node.builder.build(context, certificate, candidate.header.time, wanted), wanted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node.proposer, name)


def main() -> None:
    """Run until a signal comes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lie", required=True, choices=[*LIES, "all"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--censored", nargs="*", default=[])
    parser.add_argument("--home", type=Path, required=True)
    parser.parse_args(namespace=_options)
    key = load_key(_options.home / "key.json", passphrase=lambda: "").key
    raise SystemExit(run(_options.home, key, LyingNode))


if __name__ == "__main__":
    main()
