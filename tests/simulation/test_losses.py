"""Logs that are new, lost, of another key, or used by two processes: production's guard over simulated disks."""

from __future__ import annotations

import pytest

from node.store import LogMark
from node.votes import signing_guard
from node.votes.signing_guard import SigningGuard
from node.votes.write_ahead_format import Standing
from node.votes.write_ahead_log import WriteAheadLog

from .checkers import Violation
from .cluster import Cluster
from .ledger import Change
from .losses import LOSSES
from .plan import DOUBLED, LIVENESS, Plan
from .test_simulation import quiet_cluster


def heights(cluster: Cluster) -> list[int]:
    return [host.ledger.height for host in cluster.correct]


@pytest.mark.parametrize("n", [4, 7])
def test_a_chain_whose_logs_are_all_new_starts_though_f_are_dead(n: int) -> None:
    cluster = Cluster(1, Plan(n=n, mode=LIVENESS, bare=True, faults=(("dead",),) * ((n - 1) // 3)))
    cluster.run()
    assert min(heights(cluster)) > 10
    assert not any(host.guard is None or host.guard.recovering for host in cluster.correct)


def test_a_liar_about_its_head_does_not_hold_a_new_chain_up() -> None:
    cluster = Cluster(1, Plan(n=4, mode=LIVENESS, bare=True, faults=(("lies about its head",),)))
    cluster.run()
    assert min(heights(cluster)) > 10


def test_two_of_four_with_new_logs_sign_nothing() -> None:
    cluster = quiet_cluster(1, Plan(n=4, bare=True))
    for host in cluster.hosts[:2]:
        host.crash()
    cluster.world.run_until(10_000)
    assert all(host.disk.log.mark.sequence == 0 for host in cluster.hosts[2:])


def test_a_validator_that_is_wiped_while_the_others_run_recovers_and_signs_again() -> None:
    cluster = quiet_cluster(2, Plan(n=4))
    victim = cluster.hosts[0]
    cluster.world.run_until(5_000)
    victim.crash()
    victim.ledger = victim.ledger.cut(0)
    victim.disk.forget()
    cluster.checkers.log_lost(victim)
    signed = cluster.checkers.highest_signed(victim)
    victim.start()
    assert victim.disk.log.standing is Standing.NEW
    assert cluster.world.run_until(20_000, lambda: victim.disk.log.standing is Standing.SIGNS)
    assert cluster.world.run_until(30_000, lambda: cluster.checkers.highest_signed(victim) > signed)


def test_two_processes_with_one_key_both_fall_silent_and_the_others_go_on() -> None:
    cluster = quiet_cluster(3, Plan(n=4, faults=((DOUBLED,),)))
    pair = [host for host in cluster.hosts if host.key == cluster.hosts[0].key]
    assert len(pair) == 2

    def silent() -> bool:
        return all(host.guard is not None and host.guard.silenced for host in pair)

    assert cluster.world.run_until(60_000, silent)
    signed = [host.disk.log.mark.sequence for host in pair]
    before = min(heights(cluster))
    cluster.world.run_until(cluster.world.now + 20_000)
    assert [host.disk.log.mark.sequence for host in pair] == signed
    assert min(heights(cluster)) > before + 10


def test_a_new_key_that_starts_with_the_log_of_the_old_one_recovers_and_signs() -> None:
    cluster = quiet_cluster(4, Plan(n=5))
    leaver, newcomer = cluster.hosts[0], cluster.hosts[4]
    change = Change(None, leaver.key)
    cluster.world.run_until(3_000)
    cluster.clients.submit_change(0, change)
    gone = cluster.world.run_until(15_000, lambda: leaver.state.here.validators.index_of(leaver.key) is None)
    assert gone
    assert newcomer.alive
    old_log = leaver.disk.content()
    newcomer.crash()
    newcomer.disk.put_back(old_log)
    cluster.checkers.log_lost(newcomer)
    newcomer.start()
    assert newcomer.halted is None
    assert newcomer.guard is not None
    assert newcomer.guard.recovering
    assert cluster.world.run_until(30_000, lambda: not newcomer.guard.recovering)  # type: ignore[union-attr]
    assert newcomer.halted is None


def losses_show(pattern: str) -> None:
    def run() -> None:
        for seed in range(8):
            for kind in LOSSES[:2]:
                Cluster(seed, Plan(n=4, mode=LIVENESS, faults=((kind,),), rotate_bytes=1)).run()

    with pytest.raises(Violation, match=pattern):
        run()


def test_without_its_mending_the_hole_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was: a rotated log said nothing of what it had left behind, and an older store was taken for good."""
    former_misfit, former_context = signing_guard._misfit, SigningGuard.context

    def misfit(wal: WriteAheadLog, noted: LogMark | None, height: int) -> str | None:
        behind = noted is None or height + 1 < wal.highest
        return None if behind else former_misfit(wal, noted, height)

    def context(self: SigningGuard, here: signing_guard.HeightContext) -> signing_guard.HeightContext:
        decided = former_context(self, here)
        return here if self._wal.standing is Standing.SIGNS else decided

    monkeypatch.setattr(signing_guard, "_misfit", misfit)
    monkeypatch.setattr(SigningGuard, "context", context)
    monkeypatch.setattr(WriteAheadLog, "floor", property(lambda self: 0))
    monkeypatch.setattr(signing_guard.OwnVotes, "is_foreign", lambda self, statement: False)
    losses_show(r"after a vote for height|votes up to \d+ may be missing")
