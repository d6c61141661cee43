"""One run: machines, network, clients, checkers, and a plan's storm and calm, from one seed."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import msgspec

from consensus.compact import COMPACT_FROM
from consensus.types import MIN_VALIDATORS
from genesis.document import Genesis, GenesisDocument, GenesisValidator
from genesis.protocol import build_runtime
from network.framing import HEADER_BYTES, encode_frame
from network.kinds import Kind
from network.messages import COMPACT_PROPOSALS, Links, decode, encode_message
from node.assembly.node import Node
from node.peers import proposals
from node.runtime.config import NodeConfig, PeerAddress
from tests.simulation.checkers import Violation
from tests.simulation.world import World
from tests.support.ledger import START_MS, address_of, key_of, program_op
from vm.contract_api import Context
from vm.params import Params
from vm.primitives.keys import SigningKey
from vm.primitives.units import MAX_INT
from vm.runtime import Runtime
from vm.state_view import BlockOverlay

from .checkers import Checkers, LogWatch
from .clients import CLIENTS, Clients
from .host import Host, Life
from .liars import COMPACT_LIARS, LIARS, Liar, lie
from .plan import DEAD, RESTORED, STORM_MS, WIPED, Plan, draw_plan
from .trouble import Trouble
from .wire import Network

CALM_LIMIT_MS = 150_000
"""Bans last a minute, a dead connection is noticed after 15 s, a dial is repeated after 10 s, a round lasts 5 s at
most, and what was missed must be fetched by then: a healthy run needs some seconds."""

ALL_LIARS = LIARS | COMPACT_LIARS
PORT = 26_545
PARAMS = Params(
    block_interval_ms=300,
    # An idle chain must not grow by a snapshot's distance while one part of a snapshot is waited for in vain.
    empty_block_interval_ms=4_000,
    round_timeout_ms=1_000,
    round_timeout_max_ms=5_000,
    max_block_cost=600_000,
    max_tx_cost=300_000,
    account_cost_per_window=1_000_000,
    max_tx_ttl_ms=20_000,
    replay_slot_ms=2_000,
)


@cache
def shared_runtime() -> Runtime:
    """Return the contracts; they have no state."""
    return build_runtime()


@cache
def genesis_of(n: int, observers: int) -> Genesis:
    """Return the genesis of so many validators, each a brand, and clients with points."""
    admin = address_of("brand-0-admin")
    ops = [
        ("identity.register_brand", {"brand": f"brand-{i}", "name": f"Brand {i}", "admins": [admin]})
        for i in range(n)
    ]
    ops.append(("identity.grant_role", {"brand": "brand-0", "role": "issuer", "account": admin}))
    ops.append(("identity.grant_role", {"brand": "brand-0", "role": "marketer", "account": admin}))
    call, program = program_op("miles", "brand-0")
    ops.append((call, dict(program)))
    for client in CLIENTS:
        args = {"program": "miles", "to": address_of(client), "amount": 1_000_000, "ref": client}
        ops.append(("token.issue", args))
    validators = [GenesisValidator(key_of(f"validator-{i}").public_key.hex(), f"brand-{i}") for i in range(n)]
    nodes = [key_of(f"observer-{i}").public_key.hex() for i in range(observers)]
    document = GenesisDocument("whole", START_MS, validators, ops, state_depth=1, nodes=nodes, params=PARAMS)
    return Genesis(document)


class Cluster:
    """A run that is about to happen, happens, or has happened."""

    def __init__(self, seed: int, plan: Plan | None = None) -> None:
        self.seed = seed
        self.plan = plan or draw_plan(World(seed))
        self.world = World(seed)
        self.network = Network(self.world)
        self.network.before_send = self._before_send
        self.genesis = genesis_of(self.plan.n, self.plan.observers)
        self.runtime = shared_runtime()
        self.checkers = Checkers(self)
        self.clients = Clients(self)
        self.trouble = Trouble(self)
        self.is_calm = False
        self.calm_ms = 0
        self.hosts = self._make_hosts()
        self.faults = dict(enumerate(self.plan.faults))
        self.liars: dict[int, list[Liar]] = {
            ident: [ALL_LIARS[name](self.hosts[ident]) for name in names]
            for ident, names in self.faults.items()
            if names[0] in ALL_LIARS
        }

    def _make_hosts(self) -> list[Host]:
        plan = self.plan
        keys = [key_of(f"validator-{i}") for i in range(plan.n)]
        keys += [key_of(f"observer-{i}") for i in range(plan.observers)]
        hosts = [Host(self, ident, key, self._config(ident, keys)) for ident, key in enumerate(keys)]
        for host in hosts:
            host.skew_ms = self.world.below(plan.skew_ms + 1) - plan.skew_ms // 2
        return hosts

    def _config(self, ident: int, keys: list[SigningKey]) -> NodeConfig:
        plan = self.plan
        peers = [(i, key) for i, key in enumerate(keys) if i != ident]
        archive = plan.n - 2 if plan.late else plan.n - 1
        is_archive = ident == archive or ident >= plan.n
        return NodeConfig(
            p2p_host=f"10.0.0.{ident + 1}",
            p2p_port=PORT,
            peers=tuple(PeerAddress(key.public_key.hex(), f"10.0.0.{i + 1}", PORT) for i, key in peers),
            retain_blocks=None if is_archive else plan.retain_blocks,
            state_history_blocks=30,
            snapshot_distance=self._snapshot_distance(ident, archive),
            snapshot_interval=5,
            min_free_disk_mib=0,
        )

    def _snapshot_distance(self, ident: int, archive: int) -> int:
        """Return how far behind a machine fetches a snapshot; see `plan.draw_plan` for who may."""
        plan = self.plan
        if ident == archive or (len(plan.faults) <= ident < plan.n and plan.faults):
            return 0
        return plan.snapshot_distance or (plan.retain_blocks or 0)

    # -- who is who --------------------------------------------------------------------------------

    def has_fault(self, host: Host, fault: str) -> bool:
        """Tell whether a machine has this fault."""
        return self.faults.get(host.ident, ("none",))[0] == fault

    @property
    def correct(self) -> list[Host]:
        """All that must serve and be served in the end."""
        return [host for host in self.hosts if host.ident not in self.liars and not self.has_fault(host, DEAD)]

    def has_begun(self, host: Host) -> bool:
        """Tell whether a machine has voted, or need not."""
        is_late = self.plan.late and host is self.hosts[-1]
        return is_late or host.ident in self.liars or host.ident >= self.plan.n or self.checkers.has_voted(host)

    def is_old(self, host: Host) -> bool:
        """Tell whether a machine runs a release that knows no compact proposals."""
        return self.plan.n - self.plan.old_releases <= host.ident < self.plan.n

    def has_lost_disk(self, host: Host) -> bool:
        """Tell whether a machine may know less of its past than it has told."""
        return self.has_fault(host, WIPED) or self.has_fault(host, RESTORED)

    def is_doubled(self, key: bytes) -> bool:
        """Tell whether the machine with a key may sign again what it has signed: an old copy of it was put back."""
        return any(host.key == key and self.has_fault(host, RESTORED) for host in self.hosts)

    def running_host(self) -> Host | None:
        """Return the machine whose turn it is."""
        for host in self.hosts:
            if host.life is not None and host.life.loop.is_running():
                return host
        return None

    def balance(self, node: Node, account: str) -> int:
        """Return an account's points at a node's head."""
        head = node.store.head
        ctx = Context(
            BlockOverlay(node.store.reader), self.genesis.chain, head.height, START_MS, MAX_INT, read_only=True
        )
        found = self.runtime.invoke_view(ctx, "token_balance", {"program": "miles", "account": account})
        return int(msgspec.to_builtins(found)["available"])

    def note(self, event: bytes) -> None:
        """Add something to the trace."""
        self.checkers.trace.update(b"%d " % self.world.now + event)

    def _before_send(self, sender: Life, target: Life, frame: bytes) -> list[bytes]:
        if frame[HEADER_BYTES - 1] == Kind.LINKS and (self.is_old(sender.host) or self.is_old(target.host)):
            frame = _links_of_before(frame)
        frames = [frame]
        if liars := self.liars.get(sender.host.ident):
            frames = lie(liars, frame, target.host.ident)
        for each in frames:
            self.checkers.on_frame(sender, target, each)
        return [each for each in frames if len(each) >= HEADER_BYTES]

    # -- fate --------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run the plan; raises Violation."""
        with _watched(self.checkers), _compact_from(MIN_VALIDATORS if self.plan.compact else COMPACT_FROM):
            self.clients.start(STORM_MS)
            self.trouble.start()
            try:
                self._run_until(STORM_MS)
                self._calm()
                self.checkers.check_at_end()
            finally:
                for host in self.hosts:
                    host.end_of_run()

    def _run_until(self, time_ms: int, done: Callable[[], bool] = lambda: False) -> bool:
        """Let events happen; heads are looked at after each."""

        def look() -> bool:
            self.checkers.look()
            return done()

        return self.world.run_until(time_ms, look)

    def _calm(self) -> None:
        self.is_calm = True
        self.network.heal()
        self.trouble.stop()
        goal = max(self.checkers.decided, default=0) + 3
        began = self.world.now
        served = self._run_until(began + CALM_LIMIT_MS, lambda: self._is_served(goal))
        self.calm_ms = self.world.now - began
        if not served:
            self.checkers.fail(f"no calm at height {goal}: {self._places()}")

    def _is_served(self, goal: int) -> bool:
        for host in self.correct:
            node = host.node
            if node is None or node.store.head.height < goal:
                return False
        if self.clients.waiting:
            return False
        return all(host.node is not None and host.node.node_health()["ready"] for host in self.correct)

    def _places(self) -> str:
        places = []
        for host in self.correct:
            node = host.node
            at = "no node" if node is None else f"{node.store.head.height} {node.node_health()['reasons']}"
            places.append(f"host {host.ident}: {at}")
        return f"{places}, {len(self.clients.waiting)} purchases wait"


def _links_of_before(frame: bytes) -> bytes:
    """Return a LINKS frame as a node sent it before there were compact proposals."""
    links = decode(Kind.LINKS, frame[HEADER_BYTES:])
    assert isinstance(links, Links)
    keys = tuple(key for key in links.keys if key != COMPACT_PROPOSALS)
    return encode_frame(Kind.LINKS, encode_message(Links(keys)))


@contextmanager
def _compact_from(n: int) -> Iterator[None]:
    """Let proposals be compact from so many validators on."""
    proposals.COMPACT_FROM = n
    try:
        yield
    finally:
        proposals.COMPACT_FROM = COMPACT_FROM


@contextmanager
def _watched(checkers: Checkers) -> Iterator[None]:
    """Let checkers see all log lines, and no garbage be collected in the midst of a run."""
    root, watch = logging.getLogger(), LogWatch(checkers)
    level, handlers = root.level, root.handlers[:]
    root.handlers[:] = [watch]
    root.setLevel(logging.INFO)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        root.handlers[:] = handlers
        root.setLevel(level)


def run_seed(seed: int) -> Cluster:
    """Run one seed; a violation names it."""
    cluster = Cluster(seed)
    try:
        cluster.run()
    except Exception as error:
        replay = f"python -m tests.whole_node --seed {seed}"
        raise Violation(f"seed {seed} with {cluster.plan}: {error!r}\n  replay: {replay}") from error
    return cluster


__all__ = ["Cluster", "Violation", "run_seed"]
