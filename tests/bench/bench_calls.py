"""What each call and view of the contracts takes to execute, and how that compares with the work units it pays.

Run: .venv/bin/python -m tests.bench.bench_calls [--rounds N] [--markdown FILE]

The calls are the examples of docs/contracts/, each executed again and again where its story stands, on a state in
memory whose values have been decoded before. CPU µs of the contract's work and of binding the arguments, medians;
signatures, parsing, tree and commit are not in it (`bench_stages` has them). "units" are those of the operation
alone: less what a transaction without operations pays for itself, its signatures and its sender's allowance.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from contracts_py.registry import contracts
from tests.contract_harness import CHAIN, account_of
from tests.reference.stories import STORIES
from tests.reference.story import ALLIANCE, Refusal, Story
from vm.block_execution import BlockContext, BlockExecution
from vm.contract_api import Context
from vm.runtime import Runtime
from vm.state_view import BlockOverlay

PAGE = """# What calls and views cost

Made by `make bench-ledger`: each example of [the contract reference](contracts/README.md) is executed again and
again. CPU µs of one core, medians; signatures, parsing, the state tree and the commit are not in it
([performance.md](performance.md) has them). Microseconds are of the machine that made the table; units, those of
the operation alone, are the same everywhere."""


class Row(NamedTuple):
    """A call or view, and what it takes."""

    name: str
    micros: float
    units: int


class Meter:
    """Executes the examples of stories, and keeps what they took."""

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds
        self._runtime = Runtime(*contracts())
        self.rows: list[Row] = []

    def watch(self, told: type[Story]) -> None:
        """Let every example of this kind of story be measured before it is told; refusals are left out."""
        call, view = told.call, told.view

        def timed_call(
            story: Story, name: str, by: str, says: str, who: str, refused: Sequence[Refusal] = (), /, **args: Any
        ) -> Any:
            named = {key.removesuffix("_"): value for key, value in args.items()}
            self.rows.append(self._call(story, name, by, named))
            return call(story, name, by, says, who, (), **args)

        def timed_view(story: Story, name: str, says: str, refused: Sequence[Refusal] = (), /, **args: Any) -> Any:
            named = {key.removesuffix("_"): value for key, value in args.items()}
            self.rows.append(self._view(story, name, named))
            return view(story, name, says, (), **args)

        told.call, told.view = timed_call, timed_view  # type: ignore[method-assign]
        told._show_roles = lambda *_: None  # type: ignore[method-assign]

    def _call(self, story: Story, name: str, by: str, args: dict[str, Any]) -> Row:
        chain = story.chain
        state = chain.state.fork()
        state._require_key = str
        height = BlockContext(CHAIN, chain.height + 1, chain.time + 200, chain.time)
        if by == ALLIANCE:

            def governed() -> tuple[float, int]:
                context = Context(BlockOverlay(state), CHAIN, height.height, height.time, 10**9, governance=True)
                begun = time.thread_time_ns()
                self._runtime.invoke_call(context, name, args)
                return (time.thread_time_ns() - begun) / 1e3, context.cost

            return self._row(name, governed)

        signers = by.split("+")
        transaction = chain.transaction(account_of(signers[0]), [(name, args)], signers)
        frame = chain.transaction(account_of(signers[0]), [], signers)

        def executed(tx: Any = transaction) -> tuple[float, int]:
            execution = BlockExecution(self._runtime, state, height, [tx])
            begun = time.thread_time_ns()
            execution.run(1)
            taken = (time.thread_time_ns() - begun) / 1e3
            receipt = execution.result().receipts[0]
            assert receipt.status == "ok" or tx is frame, (name, receipt.error)
            return taken, receipt.cost

        return self._row(name, executed, lambda: executed(frame))

    def _view(self, story: Story, name: str, args: dict[str, Any]) -> Row:
        chain = story.chain
        state = chain.state.fork()
        state._require_key = str

        def answered() -> tuple[float, int]:
            overlay = BlockOverlay(state)
            context = Context(overlay, CHAIN, chain.height, chain.time, 10**9, read_only=True)
            begun = time.thread_time_ns()
            self._runtime.invoke_view(context, name, args)
            return (time.thread_time_ns() - begun) / 1e3, context.cost

        return self._row(name, answered)

    def _row(
        self,
        name: str,
        measured: Callable[[], tuple[float, int]],
        frame: Callable[[], tuple[float, int]] | None = None,
    ) -> Row:
        for _ in range(3):
            measured()
        gc.disable()
        times, units = zip(*[measured() for _ in range(self._rounds)], strict=True)
        bare: Sequence[tuple[float, int]] = [frame() for _ in range(self._rounds)] if frame else [(0.0, 0)]
        gc.enable()
        micros = statistics.median(times) - statistics.median(took for took, _ in bare)
        return Row(name, micros, units[0] - bare[0][1])


def main() -> None:
    """Measure and print; write a table, too, where a file is named."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--markdown", type=Path, help="a file to write the table to")
    options = parser.parse_args()
    meter = Meter(options.rounds)
    meter.watch(Story)
    for tell in STORIES.values():
        tell()
    rows = sorted(meter.rows)
    paid = [row.micros / row.units for row in rows if "." in row.name and row.units]
    usual = statistics.median(paid)
    print(f"{'':28}  CPU µs   units  µs per unit, against the median of the calls ({usual:.3f})")
    for row in rows:
        ratio = f"{row.micros / row.units / usual:6.2f}" if "." in row.name and row.units else ""
        print(f"{row.name:28} {row.micros:7.1f} {row.units:7d}  {ratio}")
    if options.markdown:
        lines = [*PAGE.splitlines(), "", "| call or view | CPU µs | units |", "|---|---|---|"]
        lines += [f"| `{row.name}` | {row.micros:.1f} | {row.units} |" for row in rows]
        options.markdown.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
