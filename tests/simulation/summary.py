"""What happened in a run, and what each Byzantine strategy costs the others."""

from __future__ import annotations

from statistics import median, quantiles

from .chain_checkers import progress_limit_ms
from .cluster import RUN_MS, Cluster
from .ledger import BASE_TIMEOUT_MS
from .plan import LIVENESS, SILENT_FAULTS, Plan
from .strategies import STRATEGIES


def describe(cluster: Cluster) -> str:
    """Tell in a few lines what a run was like."""
    heights = max(host.ledger.height for host in cluster.hosts)
    rounds = max(cluster.checkers.rounds.values(), default=0)
    return (
        f"seed {cluster.seed}: {cluster.plan}\n"
        f"  {heights} blocks, highest deciding round {rounds}, calm {cluster.calm_ms} ms, "
        f"{cluster.world.steps} events, {len(cluster.clients.receipts)} transactions\n"
        f"  faulty: {cluster.faulty or 'nobody'}\n"
        f"  trace {cluster.checkers.trace.hexdigest()}"
    )


def intervals_ms(cluster: Cluster) -> list[int]:
    """Return how long each height took: from the last correct commit of one to that of the next."""
    idents = [host.ident for host in cluster.correct]
    ends = [
        max(times[ident] for ident in idents)
        for _, times in sorted(cluster.checkers.committed_at.items())
        if all(ident in times for ident in idents)
    ]
    return [b - a for a, b in zip([0, *ends], ends, strict=False)]


def measure_latency(sizes: tuple[int, ...] = (4, 7), seeds: int = 5) -> None:
    """Print the time per height with f validators that follow one strategy, or are silent, from the start."""
    print(
        f"{'f faulty validators':36} {'n':>2} {'blocks':>7} {'p50 ms':>7} {'p95 ms':>7} {'longest':>8} {'limit':>6}"
    )
    for kind in ("none", *SILENT_FAULTS, *STRATEGIES):
        for n in sizes:
            times: list[int] = []
            for seed in range(seeds):
                plan = Plan(n=n, mode=LIVENESS, faults=((kind,),) * ((n - 1) // 3), max_delay_ms=50)
                cluster = Cluster(seed, plan)
                cluster.run()
                times += intervals_ms(cluster)
            p95 = quantiles(times, n=20)[-1]
            limit = progress_limit_ms(cluster)
            print(f"{kind:36} {n:2} {len(times):7} {median(times):7.0f} {p95:7.0f} {max(times):8} {limit:6}")
    print(f"{seeds} runs of {RUN_MS // 1000} s each; round 0 times out after {BASE_TIMEOUT_MS:,} ms")
