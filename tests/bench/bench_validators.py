"""What a block costs each validator as an alliance grows: messages, bytes and CPU, beside what theory predicts.

    python -m tests.bench.bench_validators [--sizes 4,7,13,31] [--blocks 8] [--each 300]
        [--compact-from 13] [--trickle]

All validators are whole nodes in this process, on the simulator's virtual clock and wire: real encodings, real
signatures, the real tree; no TLS and no disk, whose cost for each frame `bench_network` tells. Each size runs
twice: with one transaction in a block, and with many. The first run tells what a block costs outside its
transactions, the difference of both what one more transaction costs a node.

What is expected of a block of n validators, of whom q = quorum(n) decide:

    messages    a PROPOSAL to n − 1, a PREPARE and a COMMIT of each of n to n − 1, and as many STATUS:
                3n(n − 1) + (n − 1)
    bytes       those messages' lengths at the smallest size; a PROPOSAL has 68 bytes more for each validator, whose
                seal of the parent it holds (q to n of them)
    CPU         of a node, outside transactions: a + b·n, as it takes 2(n − 1) votes in and passes 3 out; a and b
                are those of the two smallest sizes
    transaction of a node: the same for every n, as each takes a transaction in once
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import thread_time
from typing import Any

from rich.console import Console
from rich.table import Table

from consensus.compact import COMPACT_FROM, CompactProposal, decode_wire_message
from consensus.messages import step_of
from genesis.document import Genesis, GenesisDocument, GenesisValidator
from network.framing import HEADER_BYTES
from network.kinds import Kind
from network.stages import STAGES
from node.assembly.node import Node
from node.peers import proposals
from tests.support.ledger import START_MS, address_of, key_of, program_op
from tests.whole_node.cluster import Cluster
from tests.whole_node.host import Host, Life
from tests.whole_node.loop import VirtualLoop
from tests.whole_node.plan import Plan
from vm.params import Params
from vm.primitives.keys import Domain, verify
from vm.transaction import encode_body, sign_body

ACCOUNTS = 200
SUBMITTED_TOGETHER = 100
"""Requests of one JSON-RPC batch."""

INTERVAL_MS = 500
DELAY_MS = 10
"""The longest way of a frame: brands on one continent."""

WARM_UP_BLOCKS = 3
VOTES = ("PREPARE", "COMMIT", "STATUS")
SEAL_BYTES = 68
TRICKLE_EVERY_MS = 5
PATIENCE_MS = 120_000

PARAMS = Params(block_interval_ms=INTERVAL_MS, empty_block_interval_ms=60_000, max_tx_ttl_ms=600_000)


def genesis_of(n: int) -> Genesis:
    """Return the genesis of so many validators, each a brand, and accounts with points."""
    admin = address_of("brand-0-admin")
    ops: list[tuple[str, dict[str, Any]]] = [
        ("identity.register_brand", {"brand": f"brand-{i}", "name": f"Brand {i}", "admins": [admin]})
        for i in range(n)
    ]
    ops.append(("identity.grant_role", {"brand": "brand-0", "role": "issuer", "account": admin}))
    call, program = program_op("miles", "brand-0")
    ops.append((call, dict(program)))
    for index in range(ACCOUNTS):
        args = {"program": "miles", "to": address_of(f"account-{index}"), "amount": 1_000_000, "ref": f"{index}"}
        ops.append(("token.issue", args))
    validators = [GenesisValidator(key_of(f"validator-{i}").public_key.hex(), f"brand-{i}") for i in range(n)]
    return Genesis(GenesisDocument("whole", START_MS, validators, ops, state_depth=1, nodes=[], params=PARAMS))


@dataclass(frozen=True, slots=True)
class Measured:
    """What one load of one size showed, for a block.

    Attributes:
        cpu_ms: of one node.
        stages_ms: the same by stage.
        messages, sizes: of all nodes together, by kind.
        round: the greatest round in which a block was decided.
        latency_ms: from a block's time to its being final at the last node, median, in virtual time.
        transactions: in a block.
    """

    cpu_ms: float
    stages_ms: dict[str, float]
    messages: Counter[str]
    sizes: Counter[str]
    round: int
    latency_ms: float
    transactions: float


class Alliance(Cluster):
    """So many validators under a constant load."""

    def __init__(self, n: int, each: int, trickle: bool) -> None:
        self._genesis = genesis_of(n)
        super().__init__(1, Plan(n=n, max_delay_ms=DELAY_MS))
        self.genesis = self._genesis
        self.network.max_delay_ms = DELAY_MS
        self._each, self._trickle = each, trickle
        self._submitted = 0
        self._cpu = 0.0
        self._frames: Counter[bytes] = Counter()
        self._final_at: dict[int, int] = {}

    def _before_send(self, sender: Life, target: Life, frame: bytes) -> list[bytes]:
        began = thread_time()
        self._frames[frame[HEADER_BYTES - 1 :]] += 1
        self._cpu -= thread_time() - began
        return [frame]

    # -- load --------------------------------------------------------------------------------------

    def _raws(self, count: int) -> list[bytes]:
        raws = []
        for number in range(self._submitted, self._submitted + count):
            sender = f"account-{number % ACCOUNTS}"
            to = address_of(f"account-{number * 7 % ACCOUNTS}")
            ops = [("token.transfer", {"program": "miles", "to": to, "amount": 1})]
            body = encode_body(self.genesis.chain, address_of(sender), number, START_MS + 590_000, ops)
            raws.append(sign_body(body, [key_of(sender)]))
        self._submitted += count
        return raws

    def _submit(self, host: Host, raws: list[bytes]) -> None:
        life = host.life
        assert life is not None
        assert life.node is not None
        with life.loop.running():
            life.loop.create_task(life.node.submit(raws, f"till-{host.ident}"), name="client")

    def _load(self) -> None:
        """Submit a block's transactions in each interval: in batches at some nodes, or one by one at all."""
        raws = self._raws(self._each)
        step = max(1, self._each * TRICKLE_EVERY_MS // INTERVAL_MS) if self._trickle else SUBMITTED_TOGETHER
        parts = [raws[start : start + step] for start in range(0, len(raws), step)]
        first = self.world.below(len(self.hosts))
        for place, part in enumerate(parts):
            host = self.hosts[(first + place) % len(self.hosts)]
            at = place * INTERVAL_MS // len(parts) if self._trickle else 0
            self.world.after(at, lambda host=host, part=part: self._submit(host, part))
        self.world.after(INTERVAL_MS, self._load)

    # -- measuring ---------------------------------------------------------------------------------

    @property
    def nodes(self) -> list[Node]:
        """All nodes that run."""
        return [host.node for host in self.hosts if host.node is not None]

    def _height(self) -> int:
        height = min((node.store.head.height for node in self.nodes), default=0)
        self._final_at.setdefault(height, self.world.now)
        return height

    def _run_to(self, height: int) -> None:
        if not self.world.run_until(self.world.now + PATIENCE_MS, lambda: self._height() >= height):
            raise SystemExit(f"no block {height} of {len(self.hosts)} validators: {self._places()}")

    def measure(self, blocks: int) -> Measured:
        """Run, and tell what a block took on the average."""
        for host in self.hosts:
            host.start()
        self.world.run_until(2_000)
        self._load()
        self._run_to(WARM_UP_BLOCKS)
        first, stages = self._height(), STAGES.seconds()
        self._frames.clear()
        self._cpu = 0.0
        # A collection looks at the objects of all nodes, and falls to the one that allocates.
        gc.collect()
        gc.disable()
        with self._counted_turns():
            self._run_to(first + blocks)
        gc.enable()
        height = self._height()
        shared = (height - first) * len(self.hosts)
        after = STAGES.seconds()
        queries = self.nodes[0].queries
        heights = range(first + 1, height + 1)
        headers = [queries.block(h).header for h in heights]
        messages, sizes = self._by_kind()
        return Measured(
            cpu_ms=self._cpu * 1_000 / shared,
            stages_ms={name: (after[name] - stages[name]) * 1_000 / shared for name in after},
            messages=Counter({kind: count // (height - first) for kind, count in messages.items()}),
            sizes=Counter({kind: count // (height - first) for kind, count in sizes.items()}),
            round=max(queries.certificate(h).round for h in heights),
            latency_ms=statistics.median(START_MS + self._final_at[h.height] - h.time for h in headers),
            transactions=sum(header.tx_count for header in headers) / len(headers),
        )

    def _by_kind(self) -> tuple[Counter[str], Counter[str]]:
        messages: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        for frame, count in self._frames.items():
            name = _name(frame)
            messages[name] += count
            sizes[name] += count * len(frame)
        return messages, sizes

    @contextmanager
    def _counted_turns(self) -> Iterator[None]:
        """Count the CPU time of nodes, without that of the simulator around them."""
        turn: Callable[[VirtualLoop], None] = VirtualLoop._turn

        def counted(loop: VirtualLoop) -> None:
            began = thread_time()
            turn(loop)
            self._cpu += thread_time() - began

        VirtualLoop._turn = counted  # type: ignore[method-assign]
        try:
            yield
        finally:
            VirtualLoop._turn = turn  # type: ignore[method-assign]


def _name(frame: bytes) -> str:
    kind = Kind(frame[0])
    if kind is not Kind.CONSENSUS:
        return kind.name
    message = decode_wire_message(frame[1:])
    return "COMPACT PROPOSAL" if isinstance(message, CompactProposal) else step_of(message).upper()


# -- telling ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Size:
    """Both loads of one size: one transaction in a block, and many."""

    n: int
    alone: Measured
    full: Measured

    @property
    def transaction_us(self) -> float:
        """CPU of one node for one more transaction."""
        return 1_000 * (self.full.cpu_ms - self.alone.cpu_ms) / (self.full.transactions - self.alone.transactions)

    @property
    def votes(self) -> int:
        """Messages that theory expects of a block: PROPOSAL, PREPARE, COMMIT, STATUS."""
        return (self.n - 1) * (3 * self.n + 1)

    @property
    def votes_seen(self) -> int:
        """Messages of those kinds that were seen."""
        return sum(self.alone.messages[kind] for kind in (*VOTES, "PROPOSAL", "COMPACT PROPOSAL"))

    @property
    def proposal_bytes(self) -> int:
        """Bytes of a PROPOSAL to all, in either form."""
        return self.alone.sizes["PROPOSAL"] + self.alone.sizes["COMPACT PROPOSAL"]

    @property
    def bytes_seen(self) -> int:
        """Bytes of the messages of those kinds."""
        return sum(self.alone.sizes[kind] for kind in VOTES) + self.proposal_bytes

    def bytes_expected_of(self, n: int) -> float:
        """Return what theory expects of another size: votes by pairs of nodes, a seal more for each validator."""
        votes = sum(self.alone.sizes[kind] for kind in VOTES) / (self.n * (self.n - 1)) * n * (n - 1)
        return votes + (n - 1) * (self.proposal_bytes / (self.n - 1) + (n - self.n) * SEAL_BYTES)


def measure(n: int, blocks: int, each: int, trickle: bool) -> Size:
    """Run a size under both loads."""
    alone, full = (_run(Alliance(n, count, trickle), blocks) for count in (1, each))
    return Size(n, alone, full)


def _run(alliance: Alliance, blocks: int) -> Measured:
    try:
        return alliance.measure(blocks)
    finally:
        for host in alliance.hosts:
            host.end_of_run()


def tell(sizes: Sequence[Size]) -> None:
    """Print what was seen beside what was expected."""
    console = Console(width=150)
    console.print(f"V = {verification_us():.0f} µs")
    table = Table(
        "n",
        "q",
        "messages",
        "expected",
        "KB",
        "expected",
        "CPU ms",
        "expected",
        "tx µs",
        "to the smallest",
        "final ms",
        "round",
        "tx",
    )
    first, second = sizes[0], sizes[min(1, len(sizes) - 1)]
    slope = (second.alone.cpu_ms - first.alone.cpu_ms) / max(1, second.n - first.n)
    for size in sizes:
        expected = first.alone.cpu_ms + slope * (size.n - first.n)
        table.add_row(
            *(str(size.n), str((2 * size.n - 1) // 3 + 1), str(size.votes_seen), str(size.votes)),
            *(f"{size.bytes_seen / 1e3:.0f}", f"{first.bytes_expected_of(size.n) / 1e3:.0f}"),
            *(f"{size.alone.cpu_ms:.2f}", f"{expected:.2f}", f"{size.transaction_us:.0f}"),
            f"{size.transaction_us / first.transaction_us:.2f}",
            f"{size.alone.latency_ms:.0f} / {size.full.latency_ms:.0f}",
            f"{size.alone.round} / {size.full.round}",
            f"{size.alone.transactions:.1f} / {size.full.transactions:.0f}",
        )
    console.print(table)
    for name, of in (("one transaction in a block", "alone"), ("many", "full")):
        console.print(_kinds(name, [(size.n, getattr(size, of)) for size in sizes]))
        console.print(_stages(name, [(size.n, getattr(size, of)) for size in sizes]))


def _kinds(title: str, measured: Sequence[tuple[int, Measured]]) -> Table:
    """Return frames and bytes of a block, by kind: of all nodes, and bytes for each pair of nodes."""
    table = Table("kind", *(f"n = {n}" for n, _ in measured), title=f"frames · KB a block, of all nodes: {title}")
    kinds = sorted({kind for _, each in measured for kind in each.messages})
    for kind in kinds:
        table.add_row(kind, *(f"{each.messages[kind]} · {each.sizes[kind] / 1e3:.1f}" for _, each in measured))
    table.add_row("all", *(f"{each.messages.total()} · {each.sizes.total() / 1e3:.1f}" for _, each in measured))
    return table


def _stages(title: str, measured: Sequence[tuple[int, Measured]]) -> Table:
    table = Table("stage", *(f"n = {n}" for n, _ in measured), title=f"CPU ms of a node for a block: {title}")
    for name in measured[0][1].stages_ms:
        if name != "threads":
            table.add_row(name, *(f"{each.stages_ms[name]:.3f}" for _, each in measured))
    covered = [sum(ms for name, ms in each.stages_ms.items() if name != "threads") for _, each in measured]
    rest = (f"{each.cpu_ms - sum_ms:.3f}" for (_, each), sum_ms in zip(measured, covered, strict=True))
    table.add_row("rest", *rest)
    return table


def verification_us() -> float:
    """Return what one signature check takes."""
    key = key_of("validator-0")
    signature = key.sign(Domain.PREPARE, b"payload")
    began = thread_time()
    for _ in range(2_000):
        verify(Domain.PREPARE, key.public_key, b"payload", signature)
    return (thread_time() - began) * 1e6 / 2_000


def main() -> int:
    """Measure each size and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="4,7,13,31", help="how many validators, ascending")
    parser.add_argument("--blocks", type=int, default=8, help="over how many blocks to measure")
    parser.add_argument("--each", type=int, default=300, help="transactions submitted in a block interval")
    parser.add_argument(
        "--compact-from", type=int, default=COMPACT_FROM, help="so many validators: batches by digest"
    )
    parser.add_argument("--trickle", action="store_true", help="submit them one by one at all nodes")
    arguments = parser.parse_args()
    proposals.COMPACT_FROM = arguments.compact_from
    sizes = [int(size) for size in arguments.sizes.split(",")]
    tell([measure(n, arguments.blocks, arguments.each, arguments.trickle) for n in sizes])
    return 0


if __name__ == "__main__":
    sys.exit(main())
