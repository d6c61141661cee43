"""The generated part of docs/reference-metrics.md: every metric of `GET /metrics`, from the code.

    python -m node.reference.metrics docs/reference-metrics.md      rewrites it in place

Name, type, labels and help are those of `node.assembly.metrics`; what an operator does about an unusual value
stands below, as the code cannot know it. The test of the page fails where a metric has no such advice.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import Histogram
from prometheus_client.metrics import MetricWrapperBase

from node.assembly.metrics import Metrics
from node.reference.generated_parts import rewrite_file, table, with_parts

ADVICE: Final = {
    "entente_stage_cpu_seconds": (
        "Its growth per second is the share of a core that a stage takes; `threads` is the database compacting its "
        "tables. If one stage grows far beyond the others, see [performance](performance.md)."
    ),
    "entente_loop_turns": (
        "What the loop works on in one turn, votes wait for. Slices of reads take 3 ms, of a block 16; if many "
        "turns are longer than 50, the machine is busy or its disk slow."
    ),
    "entente_height": (
        "It grows while there is work, and once per `empty_block_interval_ms` without. If it stands still, read "
        "`entente_work_waiting_seconds` and the reasons in `/ready`."
    ),
    "entente_round": (
        "0 in health. Above 0: the proposers of the rounds before were silent or slow. If it keeps growing, "
        "fewer than a quorum of validators reach each other: `node_consensus` shows each validator's round."
    ),
    "entente_block_time_ms": "Compare it with your clock; see `entente_head_ahead_seconds`.",
    "entente_peers": (
        "Below the number of other validators: one is down or cannot be reached. `node_peers` names those that "
        "are here."
    ),
    "entente_mempool_transactions": (
        "A steady rise means more comes in than blocks take. At its limit clients get POOL_FULL."
    ),
    "entente_mempool_bytes": "As `entente_mempool_transactions`; the limit is `mempool_bytes`.",
    "entente_ready": "Alert on 0 for longer than a minute. `/ready` tells the reasons.",
    "entente_halted": (
        "Alert on 1. The log's last CRITICAL lines say why, and [halting](decisions/halting.md) says what to "
        "do. Do not restart before you have read them."
    ),
    "entente_recovering": (
        "1 after a lost or exchanged vote log; it ends by itself within blocks. If it does not, read "
        "[operations-recovery](operations-recovery.md)."
    ),
    "entente_silenced": (
        "Alert on 1: two processes run with one validator's key. End all but one, then `entente node recover`."
    ),
    "entente_head_ahead_seconds": (
        "Alert above 2. Set this machine's clock right (NTP); if it is right, the others' clocks are ahead."
    ),
    "entente_work_waiting_seconds": (
        "Alert above 15. Transactions wait and no block comes: look at the other validators and at the links "
        "between them."
    ),
    "entente_disk_free_bytes": (
        "Alert at ten times `min_free_disk_mib`. Below `min_free_disk_mib` the node ends with exit code 74."
    ),
    "entente_evidence": (
        "Above 0: a validator has signed two different messages for one step. `node_consensus` names it; the "
        "node reports it on chain. Telephone its operator."
    ),
    "entente_validator_faults": (
        "Compare brands: a validator whose rate is far above that of the others is slow, misconfigured or "
        "dishonest. node/validator/fault_counts.py explains each fault."
    ),
    "entente_verification_workers": (
        "As many as `workers.verify` asks for ([reference](reference-configuration.md)). Fewer for longer than a "
        "minute: they do not start, or end again; the log says why. The node verifies all by itself meanwhile."
    ),
    "entente_verification_restarts": (
        "0 in health. A rising value: something kills the workers (memory limits?), or they cannot start. Read the "
        "log's lines about verification workers."
    ),
    "entente_verification_waiting_frames": (
        "At most 4 for each worker. At its limit for long while `entente_verified_transactions` stands still: a "
        "worker hangs; the node kills it after 10 s."
    ),
    "entente_verified_transactions": (
        "With workers, most are verified by them under load. If the node's own share is large, the workers have no "
        "room: give the machine more cores, or `workers.verify` another one."
    ),
    "entente_gateway_up": (
        "0 although node.toml has `workers.gateway = 1`: no process serves clients. The log says why the last one "
        "ended."
    ),
    "entente_gateway_restarts": (
        "Grows: the gateway's process ends, by a fault of ours or for want of memory. See the log."
    ),
    "entente_gateway_cpu_seconds": (
        "Its growth per second is the share of a core that reads and HTTP take. At 1 clients wait for each other; "
        "votes do not."
    ),
    "entente_gateway_resident_bytes": (
        "Add it to the node's own `process_resident_memory_bytes`; some 65 MiB when idle."
    ),
    "entente_sync_target_height": (
        "Above `entente_height` by more than a few blocks: the node is catching up. A single peer's claim "
        "proves nothing."
    ),
    "entente_blocks_total": "Its rate is the number of blocks in a second.",
    "entente_transactions_total": "Its rate is the number of final transactions in a second.",
    "entente_transactions_failed_total": (
        "A rising share of failed receipts: a client sends calls that contracts refuse. `chain_transactions` "
        "shows them."
    ),
    "entente_transactions_refused_total": (
        "A rising rate: clients send malformed, expired or unauthorised transactions, or the pool is full. "
        "Clients get the reason."
    ),
    "entente_feed_lag_blocks": (
        "A lag that grows: that consumer is slower than the chain, and old blocks wait for it, up to twice "
        "`retain_blocks`. Look at its own log."
    ),
    "entente_gossip_dropped": (
        "A rising value under load is harmless: what is dropped comes with the block. A rising value at rest "
        "means that a peer floods this node."
    ),
    "entente_block_interval_seconds": (
        "Under load near `block_interval_ms`. Long ones are lost rounds or a busy machine."
    ),
    "entente_block_transactions": "Blocks that are full for long mean that the chain is at its limit.",
}
"""Metric → what an operator does about it."""


def metrics_of(metrics: Metrics) -> dict[str, MetricWrapperBase]:
    """Return the node's own metrics by the name that Prometheus sees."""
    found = {value._name: value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)}
    return {f"{name}_total" if value._type == "counter" else name: value for name, value in found.items()}


def metrics_text() -> str:
    """Return the table of all metrics."""
    rows = [_row(name, metric) for name, metric in metrics_of(Metrics()).items()]
    return table(("metric", "type", "labels", "help", "what to do"), rows)


def rewritten(document: str) -> str:
    """Return a document with its generated part made anew."""
    return with_parts(document, {"metrics": metrics_text()})


def _row(name: str, metric: MetricWrapperBase) -> list[str]:
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)
    return [f"`{name}`", str(metric._type), labels, _help(metric), ADVICE.get(name, "")]


def _help(metric: MetricWrapperBase) -> str:
    if not isinstance(metric, Histogram):
        return metric._documentation
    bounds = ", ".join(f"{bound:g}" for bound in metric._kwargs["buckets"])
    return f"{metric._documentation}; buckets {bounds}"


if __name__ == "__main__":
    rewrite_file(rewritten)
