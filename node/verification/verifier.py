"""Whether transactions' signatures are valid: asked of workers where there are some with room, else found here.

`send` hands a slice of transactions to a worker at once, and `Sent` tells what comes of it. Batch
signatures are planned here: a root that is known costs nothing, one that is on its way is asked for once.

Invariants:
    1. A verdict is that of `vm.transaction.signatures_valid`, with any workers and with none.
    2. What a worker does not answer in time is verified here; nothing waits longer than LATE_SECONDS.
    3. A root is remembered only where its signature was found valid.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from network.stages import STAGES
from node.verification.worker import Frame, VerificationWorker
from vm.batch_signatures import VerifiedRoots
from vm.primitives.keys import Domain
from vm.transaction import SignatureCheck, Transaction, signature_checks, signatures_valid

LEAST_CHECKS: Final = 4
"""A frame costs the event loop as much as one check (two system calls, two turns), and waits to be scheduled."""

ONE_WORKER_CORES: Final = 4
TWO_WORKERS_CORES: Final = 8
"""With less, the database's compaction and the rest of the machine want what the event loop leaves."""

_Need: TypeAlias = tuple[Frame | None, int]
"""A check that must have succeeded: its frame, None where the node makes it, and its place in it."""


def worker_count(setting: int | str, cores: int) -> int:
    """Return how many workers `workers.verify` comes to on a machine."""
    if isinstance(setting, int):
        return setting
    return (cores >= ONE_WORKER_CORES) + (cores >= TWO_WORKERS_CORES)


class TransactionVerifier:
    """Verifies transactions' signatures, by workers or by itself.

    Attributes:
        workers: those that it may ask; each must be running (`VerificationWorker.run`).
        by_workers: transactions on which workers have answered.
        inline: transactions that the node has verified itself.
    """

    def __init__(self, workers: Sequence[VerificationWorker] = ()) -> None:
        self._roots = VerifiedRoots()
        self._asked: dict[SignatureCheck, _Need] = {}
        self.workers = workers
        self.by_workers = 0
        self.inline = 0

    @property
    def has_room(self) -> bool:
        """Whether a worker can take something now."""
        return any(worker.has_room for worker in self.workers)

    @property
    def frames_waiting(self) -> int:
        """How many frames workers have not answered yet."""
        return sum(worker.frames_waiting for worker in self.workers)

    def is_valid(self, tx: Transaction) -> bool:
        """Verify a transaction's signatures here and now."""
        self.inline += 1
        return signatures_valid(tx, self._roots)

    async def verdicts(self, transactions: Sequence[Transaction]) -> list[bool]:
        """Return of each transaction whether its signatures are valid."""
        if self.has_room:
            return await self.send(transactions).verdicts()
        with STAGES.verify:
            return [self.is_valid(tx) for tx in transactions]

    def send(self, transactions: Sequence[Transaction]) -> Sent:
        """Have a slice of transactions verified; a worker with room begins at once."""
        with STAGES.verify:
            plan = _Plan(self._roots, self._asked)
            for tx in transactions:
                plan.add(signature_checks(tx))
            frame = self._ask(plan.checks)
            if frame is not None:
                self._expect(frame, plan.new_roots)
            return Sent(self, transactions, plan.needs_by(frame))

    def _ask(self, checks: Sequence[SignatureCheck]) -> Frame | None:
        """Give checks to the worker that has the least to do; None where it is for the node to make them."""
        if len(checks) < LEAST_CHECKS:
            return None
        with_room = [worker for worker in self.workers if worker.has_room]
        return min(with_room, key=lambda worker: worker.frames_waiting).send(checks) if with_room else None

    def _expect(self, frame: Frame, roots: Mapping[SignatureCheck, int]) -> None:
        """Let later slices wait for the roots of a frame, and remember the valid ones once it is answered."""
        if not roots:
            return
        self._asked.update({check: (frame, place) for check, place in roots.items()})
        frame.settled.add_done_callback(lambda _: self._learn(frame, roots))

    def _learn(self, frame: Frame, roots: Mapping[SignatureCheck, int]) -> None:
        for check, place in roots.items():
            del self._asked[check]
            if frame.is_answered and frame.verdict(place):
                _, key, root, signature = check
                self._roots.remember(key, signature, root)


class _Plan:
    """What must be checked for a slice, and which of it is known, or has been asked for, already."""

    def __init__(self, roots: VerifiedRoots, asked: Mapping[SignatureCheck, _Need]) -> None:
        self._roots = roots
        self._asked = asked
        self._needs: list[list[_Need | int] | None] = []
        self.checks: list[SignatureCheck] = []
        self.new_roots: dict[SignatureCheck, int] = {}

    def add(self, wanted: Sequence[SignatureCheck] | None) -> None:
        """Plan the checks of the next transaction; None: they cannot succeed."""
        if wanted is None:
            self._needs.append(None)
            return
        needs: list[_Need | int] = []
        for check in wanted:
            domain, key, message, signature = check
            if domain != Domain.BATCH:
                needs.append(self._ask(check))
            elif self._roots.knows(key, signature, message):
                continue
            elif check in self._asked:
                needs.append(self._asked[check])
            else:
                if check not in self.new_roots:
                    self.new_roots[check] = self._ask(check)
                needs.append(self.new_roots[check])
        self._needs.append(needs)

    def _ask(self, check: SignatureCheck) -> int:
        self.checks.append(check)
        return len(self.checks) - 1

    def needs_by(self, frame: Frame | None) -> list[list[_Need] | None]:
        """Return what each transaction needs, now that the slice's own frame is known."""
        return [
            None if needs is None else [(frame, need) if isinstance(need, int) else need for need in needs]
            for needs in self._needs
        ]


class Sent:
    """A slice of transactions whose signatures are being verified."""

    def __init__(
        self,
        verifier: TransactionVerifier,
        transactions: Sequence[Transaction],
        needs: Sequence[list[_Need] | None],
    ) -> None:
        self._verifier = verifier
        self._transactions = transactions
        self._needs = needs
        self._frames = {frame for plan in needs for frame, _ in plan or () if frame is not None}

    @property
    def late_at(self) -> float:
        """When the node should find out by itself, by the event loop's clock."""
        return max((frame.late_at for frame in self._frames), default=0.0)

    @property
    def is_due(self) -> bool:
        """Whether there is nothing more to wait for."""
        return all(frame.settled.done() for frame in self._frames) or (
            asyncio.get_running_loop().time() >= self.late_at
        )

    def on_settled(self, act: Callable[[], None]) -> None:
        """Call a function when a worker has answered, or is gone."""
        for frame in self._frames:
            frame.settled.add_done_callback(lambda _: act())

    async def verdicts(self) -> list[bool]:
        """Wait for what workers find, for as long as is worth it; return one verdict for each transaction."""
        for frame in self._frames:
            await frame.wait()
        return self.found()

    def found(self) -> list[bool]:
        """Return one verdict for each transaction; those that no worker has found are found now."""
        with STAGES.verify:
            return [self._verdict(tx, needs) for tx, needs in zip(self._transactions, self._needs, strict=True)]

    def _verdict(self, tx: Transaction, needs: list[_Need] | None) -> bool:
        if not needs:  # a path that leads to no root, or roots that are all known
            self._verifier.inline += 1
            return needs is not None
        if any(frame is None or not frame.is_answered for frame, _ in needs):
            return self._verifier.is_valid(tx)
        self._verifier.by_workers += 1
        return all(frame.verdict(place) for frame, place in needs if frame is not None)
